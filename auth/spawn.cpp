#include "auth/spawn.h"

#include "plugin/contract/handle.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include <cerrno>

namespace auth {

namespace {

/// posix_spawn: between its vfork and exec nothing of ours runs, so no lock another thread holds can be in the way.
struct Way {
    Way() {
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
    }
    Way(const Way&) = delete;
    Way& operator=(const Way&) = delete;
    ~Way() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }

    int redirect(int from, int to) {
        if (from >= 0) return ::posix_spawn_file_actions_adddup2(&actions, from, to);
        return ::posix_spawn_file_actions_addopen(&actions, to, "/dev/null", to == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
    }

    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const auto& text : texts) all.push_back(const_cast<char*>(text.c_str()));
    all.push_back(nullptr);
    return all;
}

}  // namespace

int spawn(const Spawn& program, pid_t& child) {
    // Where ours are closed, a descriptor may itself be one of 0 to 2: it is put in its place before that place is filled.
    const plugin::Handle input(program.input >= 0 ? ::fcntl(program.input, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1);
    const plugin::Handle output(program.output >= 0 ? ::fcntl(program.output, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1);
    if ((program.input >= 0 && input.get() < 0) || (program.output >= 0 && output.get() < 0)) return errno;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    Way way;
    for (const int error : {
             way.redirect(input.get(), STDIN_FILENO),
             way.redirect(output.get(), STDOUT_FILENO),
             way.redirect(-1, STDERR_FILENO),
             ::posix_spawn_file_actions_addclosefrom_np(&way.actions, STDERR_FILENO + 1),
             ::posix_spawnattr_setsigmask(&way.attributes, &none),
             ::posix_spawnattr_setsigdefault(&way.attributes, &all),
             ::posix_spawnattr_setpgroup(&way.attributes, 0),
             ::posix_spawnattr_setflags(&way.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP),
         })
        if (error != 0) return error;
    std::vector<std::string> settings;
    if (program.environment)
        for (const auto& [name, value] : *program.environment) settings.push_back(name + "=" + value);
    const auto words = pointers(program.words), environment = pointers(settings);
    return ::posix_spawn(&child, words.front(), &way.actions, &way.attributes, words.data(), program.environment ? environment.data() : environ);
}

}  // namespace auth
