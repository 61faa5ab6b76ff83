#include "auth/secret_source.h"

#include "tests/servers/eventually.h"
#include "tests/servers/temporary_directory.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>

using namespace auth;
using plugin::Code;
using plugin::Reaction;

namespace {

class Folder {
public:
    std::string put(const std::string& name, const std::string& text) const {
        const auto path = directory_ / name;
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    std::string path(const std::string& name) const { return (directory_ / name).string(); }

private:
    servers::TemporaryDirectory directory_{};
};

plugin::Result<Secret> read(const std::string& written) {
    auto source = parseSecretSource(written);
    if (!source) return source.error();
    const auto reader = makeSecretReader();
    return readSecret(*source, *reader);
}

bool hasGone(pid_t id) {
    std::ifstream stat("/proc/" + std::to_string(id) + "/stat");
    std::string number, program, state;
    return !(stat >> number >> program >> state) || state == "Z";
}

}  // namespace

SCENARIO("a value is a literal unless it is ${...} from end to end", "[secret]") {
    struct Row {
        std::string written, secret;
    };
    const auto row = GENERATE(Row{"plain", "plain"}, Row{" a b ", " a b "}, Row{"$${file:/x}", "${file:/x}"}, Row{"$$${x}", "$$${x}"},
                              Row{"${file:/x", "${file:/x"}, Row{"a${file:/x}", "a${file:/x}"}, Row{"${file:/x}b", "${file:/x}b"},
                              Row{"${file:/x}y}", "${file:/x}y}"}, Row{"$", "$"}, Row{"$$", "$$"}, Row{"\xc3\xa9", "\xc3\xa9"});
    WHEN("\"" + row.written + "\" is read") {
        const auto secret = read(row.written);
        REQUIRE(secret);
        CHECK(secret->reveal() == row.secret);
    }
}

SCENARIO("sources that are unknown, nameless or badly written are refused", "[secret]") {
    struct Row {
        std::string written;
        Code code;
    };
    const auto row = GENERATE(Row{"${sealed:my-secret-value}", Code::configSecretSource}, Row{"${sealed:}", Code::configSecretSource},
                              Row{"${file:}", Code::configSecretSource}, Row{"${env}", Code::configSecretSource},
                              Row{"${credential:}", Code::configSecretSource}, Row{"${credential:../x}", Code::configSecretSource},
                              Row{"${credential:..}", Code::configSecretSource}, Row{"${credential:a b}", Code::configSecretSource},
                              Row{"${command:}", Code::configSecretSource}, Row{"${command:pass my-secret-value}", Code::configSecretSource},
                              Row{"${command:/bin/echo 'my-secret-value}", Code::configSecretSource},
                              Row{"${my-secret-value}", Code::configSecretSource}, Row{"${}", Code::configSecretSource});
    WHEN(row.written + " is read") {
        const auto secret = read(row.written);
        REQUIRE_FALSE(secret);
        CHECK(secret.error().code == row.code);
        CHECK(secret.error().reaction == Reaction::askOperator);
        CHECK(secret.error().what.find("my-secret-value") == std::string::npos);
    }
}

SCENARIO("of a file exactly one final line end is dropped", "[secret]") {
    struct Row {
        std::string content, secret;
    };
    const auto row =
        GENERATE(Row{"s", "s"}, Row{"s\n", "s"}, Row{"s\r\n", "s"}, Row{"s\n\n", "s\n"}, Row{"s \n", "s "}, Row{"a\nb", "a\nb"}, Row{"s\r", "s\r"});
    const Folder folder;
    const auto secret = read("${file:" + folder.put("secret", row.content) + "}");
    REQUIRE(secret);
    CHECK(secret->reveal() == row.secret);
}

SCENARIO("a secret is read anew each time, and its stamp tells a changed file", "[secret]") {
    const Folder folder;
    const auto path = folder.put("secret", "first");
    const auto reader = makeSecretReader();
    auto source = parseSecretSource("${file:" + path + "}");
    REQUIRE(source);
    std::optional<SecretReader::Stamp> before;
    const auto first = readSecret(*source, *reader, &before);
    REQUIRE(first);
    CHECK(reader->stamp(path) == before);
    WHEN("another file takes its name") {
        std::filesystem::rename(folder.put("next", "second"), path);
        THEN("stamp and secret are others") {
            CHECK_FALSE(reader->stamp(path) == before);
            const auto second = readSecret(*source, *reader);
            REQUIRE(second);
            CHECK(second->reveal() == "second");
        }
    }
    WHEN("the file goes") {
        std::filesystem::remove(path);
        CHECK_FALSE(reader->stamp(path));
    }
}

SCENARIO("the environment is a source", "[secret]") {
    ::setenv("POSTERN_TEST_SECRET", "from the environment", 1);
    const auto secret = read("${env:POSTERN_TEST_SECRET}");
    ::unsetenv("POSTERN_TEST_SECRET");
    REQUIRE(secret);
    CHECK(secret->reveal() == "from the environment");
    const auto missing = read("${env:POSTERN_TEST_SECRET}");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().what == "the environment variable POSTERN_TEST_SECRET is not set");
}

SCENARIO("a source that cannot be read is named", "[secret]") {
    const Folder folder;
    const auto refused = [&](const std::string& path, const std::string& why) {
        const auto secret = read("${file:" + path + "}");
        REQUIRE_FALSE(secret);
        CHECK(secret.error().code == Code::configSecretSource);
        CHECK(secret.error().reaction == Reaction::askOperator);
        CHECK(secret.error().what.find(path) != std::string::npos);
        CHECK(secret.error().what.find(why) != std::string::npos);
    };
    refused(folder.path("missing"), "No such file");
    refused(folder.path(""), "not a regular file");
    refused(folder.put("empty", "\n"), "empty secret");
    refused(folder.put("large", std::string(1'048'577, 'x')), "larger than 1048576");
    const auto pipe = folder.path("pipe");
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    refused(pipe, "not a regular file");
}

SCENARIO("a builder keeps every piece, however it grows", "[secret]") {
    SecretBuilder builder(1);
    std::string expected;
    for (int i = 0; i < 200; ++i) {
        const auto piece = std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
        builder.add(piece).add('-');
        expected += piece + "-";
    }
    CHECK(builder.finish().reveal() == expected);
}

SCENARIO("a credential is a file of systemd's", "[secret]") {
    const Folder folder;
    folder.put("mail.secret", "from systemd\n");
    GIVEN("a service without credentials") {
        ::unsetenv("CREDENTIALS_DIRECTORY");
        const auto secret = read("${credential:mail.secret}");
        REQUIRE_FALSE(secret);
        CHECK(secret.error().code == Code::configSecretSource);
        CHECK(secret.error().what.starts_with("the credential mail.secret cannot be read: $CREDENTIALS_DIRECTORY is not set"));
    }
    GIVEN("a service with them") {
        ::setenv("CREDENTIALS_DIRECTORY", folder.path("").c_str(), 1);
        const auto secret = read("${credential:mail.secret}");
        const auto missing = read("${credential:other}");
        const auto reader = makeSecretReader();
        const auto source = parseSecretSource("${credential:mail.secret}");
        CHECK(hasStamp(*source));
        CHECK(stampOf(*source, *reader) == reader->stamp(folder.path("mail.secret")));
        ::unsetenv("CREDENTIALS_DIRECTORY");
        CHECK_FALSE(stampOf(*source, *reader));
        REQUIRE(secret);
        CHECK(secret->reveal() == "from systemd");
        REQUIRE_FALSE(missing);
        CHECK(missing.error().what.find("other cannot be read: No such file") != std::string::npos);
    }
}

SCENARIO("a command's standard output is a secret", "[secret][command]") {
    const Folder folder;
    const auto script = [&](const std::string& text) {
        const auto path = folder.put("program", "#!/bin/sh\n" + text);
        REQUIRE(::chmod(path.c_str(), 0755) == 0);
        return path;
    };
    const auto told = [&](const std::string& text, const std::string& arguments = "") {
        const auto secret = read("${command:" + script(text) + arguments + "}");
        return secret ? "'" + std::string(secret->reveal()) + "'" : secret.error().what;
    };
    const auto name = "the command " + folder.path("program");
    CHECK(told("echo s3cret") == "'s3cret'");
    CHECK(told("printf 's3cret\\r\\n'") == "'s3cret'");
    CHECK(told("printf 's3cret\\n\\n'") == "'s3cret\n'");
    CHECK(told("printf 'a\\0b'") == "'" + std::string("a\0b", 3) + "'");
    CHECK(told("for a in \"$@\"; do printf '<%s>' \"$a\"; done", " one 'two three' \"four 'five'\" si'x se'ven '' $HOME *") ==
          "'<one><two three><four 'five'><six seven><><$HOME><*>'");
    CHECK(told("printf x; exit 3") == name + " ended with status 3");
    CHECK(told("echo s3cret; kill -KILL $$") == name + " was ended by signal 9");
    CHECK(told("echo s3cret >&2; exit 1", " s3cret") == name + " ended with status 1");
    CHECK(told("head -c 65537 /dev/zero") == name + " wrote more than 65536 octets: that is no secret");
    CHECK(told("exit 0") == name + " holds an empty secret");
    CHECK(told("exec </nowhere/at/all") == name + " ended with status 2");
    CHECK(told("cat; echo end-of-input") == "'end-of-input'");
    CHECK(read("${command:/nowhere/at/all}").error().what == "the command /nowhere/at/all cannot be run: No such file or directory");
    CHECK(read("${command:" + folder.put("text", "no program") + "}").error().what.find("cannot be run: Permission denied") != std::string::npos);
    WHEN("it is asked what it was given") {
        ::setenv("POSTERN_TEST_SECRET", "inherited", 1);
        CHECK(told("printf \"$POSTERN_TEST_SECRET\"") == "'inherited'");
        ::unsetenv("POSTERN_TEST_SECRET");
        const int ours = ::open("/dev/null", O_RDONLY);                  // not close-on-exec: it would be handed down
        CHECK(told("ls /proc/self/fd | tr '\\n' ' '") == "'0 1 2 3 '");  // 3 is the directory it reads
        ::close(ours);
    }
    WHEN("signals are blocked and ignored here, as in the service") {
        ::signal(SIGPIPE, SIG_IGN);
        sigset_t term, before;
        ::sigemptyset(&term);
        ::sigaddset(&term, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &term, &before);
        CHECK(told("kill -TERM $$; sleep 5; echo survived") == name + " was ended by signal 15");
        // Of the first 31: the two after them are the C library's own, and as they were where the tests were started.
        CHECK(told("for which in SigBlk SigIgn; do grep $which /proc/self/status | grep -o '.\\{8\\}$'; done | tr '89abcdef\\n' '01234567 '") ==
              "'00000000 00000000 '");
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        ::signal(SIGPIPE, SIG_DFL);
    }
    WHEN("somebody has SIGCHLD ignored") {
        ::signal(SIGCHLD, SIG_IGN);
        CHECK(told("echo s3cret") == name + " ended, but nobody can tell how: SIGCHLD is ignored");
        ::signal(SIGCHLD, SIG_DFL);
    }
}

SCENARIO("a command that nobody waits for any more is ended, with what it has started", "[secret][command]") {
    const Folder folder;
    const auto pids = folder.path("pids"), begun = folder.path("begun");
    const auto way =
        GENERATE(as<std::string>{}, "sleep 600 & echo $! >PIDS; echo half; : >BEGUN; wait", "exec >&-; echo $$ >PIDS; : >BEGUN; sleep 600");
    auto text = way;
    text.replace(text.find("PIDS"), 4, pids);
    text.replace(text.find("BEGUN"), 5, begun);
    const auto path = folder.put("program", "#!/bin/sh\n" + text);
    REQUIRE(::chmod(path.c_str(), 0755) == 0);
    std::stop_source stop;
    const auto reader = makeSecretReader(stop.get_token());
    const std::jthread telling([&] {
        while (!std::filesystem::exists(begun)) servers::pauseForPolling();
        stop.request_stop();
    });
    const auto secret = reader->command({path});
    REQUIRE_FALSE(secret);
    CHECK(secret.error().what == "the command " + path + " was ended: the service is stopping");
    CHECK(secret.error().code == Code::channelStopped);
    CHECK(secret.error().reaction == Reaction::retryLater);
    std::ifstream file(pids);
    pid_t id = 0;
    REQUIRE(file >> id);
    CHECK(servers::eventually([id] { return hasGone(id); }, std::chrono::seconds{10}));
    THEN("none is begun any more") {
        std::filesystem::remove(begun);
        CHECK(reader->command({path}).error().code == Code::channelStopped);
        CHECK_FALSE(std::filesystem::exists(begun));
    }
}

// It takes the ten seconds it is about.
SCENARIO("a command that does not end is ended, with what it has started", "[secret][command][.slow]") {
    const Folder folder;
    const auto pids = folder.path("pids");
    const auto way = GENERATE(as<std::string>{}, "sleep 60 & echo $! >" + std::string("PIDS; echo half; wait"), "exec >&-; echo $$ >PIDS; sleep 60",
                              "trap '' TERM HUP INT; echo $$ >PIDS; while :; do sleep 1; done");
    auto text = way;
    text.replace(text.find("PIDS"), 4, pids);
    const auto path = folder.put("program", "#!/bin/sh\n" + text);
    REQUIRE(::chmod(path.c_str(), 0755) == 0);
    const auto secret = read("${command:" + path + "}");
    REQUIRE_FALSE(secret);
    CHECK(secret.error().what == "the command " + path + " was not done after 10 s and was ended");
    CHECK(secret.error().reaction == Reaction::retryLater);
    std::ifstream file(pids);
    pid_t id = 0;
    REQUIRE(file >> id);
    CHECK(servers::eventually([id] { return hasGone(id); }, std::chrono::seconds{1}));
}
