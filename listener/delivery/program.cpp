#include "listener/delivery/program.h"

#include "auth/spawn.h"
#include "listener/message/sha256.h"
#include "plugin/contract/handle.h"
#include "plugin/contract/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace listener {
namespace {

using plugin::Code;
using plugin::Error;
using plugin::Handle;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

using Environment = std::map<std::string, std::string>;

constexpr std::size_t pieceSize = 64 * 1024;  // what a pipe holds
/// SIGKILL works at once, unless the program is inside a file system that does not answer.
constexpr std::chrono::seconds patienceWithKilled{2};
/// When a loop goes with programs under way: blocks it, but not for ever.
constexpr int waitsForAbandoned = 100;
constexpr int waitForAbandonedMs = 10;

std::string reason(int error) { return std::generic_category().message(error); }

/// Names the program alone: arguments and environment may hold secrets.
Error unavailable(const std::string& program, const std::string& what) {
    return {Reaction::retryLater, Code::sinkUnavailable, "the program " + program + " " + what};
}

Error notStarted(const std::string& program, int error) {
    const auto what = "cannot be started: " + reason(error);
    switch (error) {
        case EAGAIN:
        case ENOMEM:
        case EMFILE:
        case ENFILE:
        case ETXTBSY:  // it is being replaced
        case EIO:
        case ESTALE:
        case ETIMEDOUT:
            return unavailable(program, what);
        default:
            return {Reaction::askOperator, Code::sinkProgram, "the program " + program + " " + what};
    }
}

/// Our end never blocks; theirs does.
struct Pipe {
    Handle theirs{}, ours{};

    /// Answers an errno.
    int open() {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) return errno;
        theirs = Handle(ends[0]);
        ours = Handle(ends[1]);
        return ::fcntl(ours.get(), F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
    }
};

/// A program that runs; shared by who waits for it and who feeds it. When the last of them goes, what is left of it is killed.
/// Its input is closed by closeInput() alone, or after it is gone: an early end of the input would look like the whole message.
class Running {
public:
    Running(std::string name, pid_t id, Handle process, Pipe input)
        : name_(std::move(name)), id_(id), process_(std::move(process)), input_(std::move(input)) {}
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
        if (isOver_ || reap()) return;
        kill();
        pollfd gone{process_.get(), POLLIN, 0};
        for (int i = 0; i < waitsForAbandoned && !reap(); ++i) ::poll(&gone, 1, waitForAbandonedMs);
    }

    int process() const { return process_.get(); }
    int input() const { return input_.ours.get(); }
    void closeInput() { input_.ours.close(); }

    /// With its whole group. Until it is reaped the number is nobody else's.
    void kill() const {
        if (!isOver_) ::kill(-id_, SIGKILL);
    }
    /// Its input cannot be given: that is the answer, however it ends.
    void giveUp(Error error) {
        broken_ = std::move(error);
        kill();
    }
    /// How it ended; none: it runs.
    std::optional<Result<ProgramEnd>> reap() {
        int status = 0;
        pid_t answer = 0;
        do answer = ::waitpid(id_, &status, WNOHANG);
        while (answer < 0 && errno == EINTR);
        if (answer == 0) return std::nullopt;
        isOver_ = true;
        if (broken_) return Result<ProgramEnd>(*broken_);
        if (answer < 0) return Result<ProgramEnd>(unavailable(name_, "ended, but nobody can tell how: SIGCHLD is ignored"));
        if (WIFSIGNALED(status)) return Result<ProgramEnd>(ProgramEnd{0, WTERMSIG(status)});
        return Result<ProgramEnd>(ProgramEnd{WEXITSTATUS(status), 0});
    }

private:
    std::string name_;
    pid_t id_;
    Handle process_;
    /// Their end stays open with us too: so a program that reads no further costs no SIGPIPE, and only its own end counts.
    Pipe input_;
    std::optional<Error> broken_{};
    bool isOver_ = false;
};

/// Blocks until the program is executed, which takes as long as its file system does.
Result<std::shared_ptr<Running>> launch(const std::vector<std::string>& words, const Environment& environment, bool hasInput) {
    const auto& name = words.front();
    Pipe input;
    if (const int error = hasInput ? input.open() : 0; error != 0) return unavailable(name, "cannot be started: no pipe: " + reason(error));
    pid_t id = -1;
    if (const int error = auth::spawn({.words = words, .environment = environment, .input = input.theirs.get()}, id); error != 0)
        return notStarted(name, error);
    Handle process(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));  // close-on-exec by itself
    const int error = process.get() < 0 ? errno : 0;
    auto running = std::make_shared<Running>(name, id, std::move(process), std::move(input));
    if (error == 0) return running;
    if (error == ESRCH) return unavailable(name, "ended, but nobody can tell how: SIGCHLD is ignored");
    return unavailable(name, "was ended: it cannot be waited for: " + reason(error));
}

/// A staged message, piece by piece. The last piece is given only when all are the bytes that were hashed: after a failed write-back a page may
/// read as anything.
class Pieces {
public:
    explicit Pieces(Content content) : content_(std::move(content)) {}

    bool isOver() const { return offset_ == content_.size(); }
    /// Blocks.
    Result<std::string> next() {
        std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(pieceSize, content_.size() - offset_)), '\0');
        const auto got = content_.file()->readAt(offset_, piece);
        if (!got) return Error{Reaction::retryLater, Code::messageStaging, "a staged message cannot be read: " + got.error().what};
        piece.resize(*got);
        hash_.update(piece);
        offset_ += *got;
        if (*got == 0 || (isOver() && hash_.finish() != content_.sha256()))
            return Error{Reaction::retryLater, Code::messageStaging,
                         content_.directory() + ": a staged message does not hold the bytes it was given"};
        return piece;
    }

private:
    Content content_;
    std::uint64_t offset_ = 0;
    Sha256 hash_{};
};

/// In this order: a Descriptor goes before what it watches is closed.
struct Watched {
    std::shared_ptr<Running> running;
    std::unique_ptr<plugin::Descriptor> events;
};

/// False: it has ended. `input` and `bytes` outlive the task.
Task<bool> write(const Watched& input, std::string_view bytes, std::stop_token ended) {
    while (!bytes.empty()) {
        const auto count = ::write(input.running->input(), bytes.data(), bytes.size());
        if (count >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            input.events->writable.reset();
            auto wait = input.events->writable.wait(plugin::Deadline::max(), ended);
            if (const auto woke = co_await wait; woke != Wake::done) co_return false;
        } else if (errno != EINTR) {
            input.running->giveUp({Reaction::retryLater, Code::sinkUnavailable, "a message cannot be handed to a program: " + reason(errno)});
            co_return false;
        }
    }
    co_return true;
}

/// Runs beside the program until all is written or `ended` is asked. Nobody waits for it: a disk that does not answer delays no verdict.
Task<void> feed(Watched input, Content content, std::stop_token ended) {
    auto& loop = co_await plugin::thisLoop();
    if (content.inMemory() != nullptr) {
        auto writing = write(input, *content.inMemory(), ended);
        if (const bool done = co_await writing; !done) co_return;
    } else {
        const auto pieces = std::make_shared<Pieces>(content);
        while (!pieces->isOver()) {
            auto reading = plugin::offload(loop, [pieces] { return pieces->next(); });
            const auto piece = co_await reading;
            if (!piece) co_return input.running->giveUp(piece.error());
            auto writing = write(input, *piece, ended);
            if (const bool done = co_await writing; !done) co_return;
        }
    }
    input.events.reset();
    input.running->closeInput();
}

/// Keeps a killed program until it can be reaped, so that it does not stay as a zombie.
Task<void> bury(Watched process) {
    while (!process.running->reap()) {
        process.events->readable.reset();
        auto wait = process.events->readable.wait(plugin::Deadline::max(), {});
        co_await wait;
    }
}

/// Ends who feeds, whatever way the waiting goes.
struct Ending {
    std::stop_source source{};
    Ending() = default;
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() { source.request_stop(); }
};

class RealPrograms final : public Programs {
public:
    /// What a program needs to find its way on this machine.
    RealPrograms() {
        for (const auto* name : {"PATH", "HOME", "LANG", "TZ", "TMPDIR"})
            if (const auto* value = std::getenv(name); value != nullptr) ours_[name] = value;
    }

    Task<Result<ProgramEnd>> run(Program program, plugin::Deadline deadline, std::stop_token stop) override {
        if (program.words.empty()) throw std::logic_error("a program without words");
        auto& loop = co_await plugin::thisLoop();
        const auto& name = program.words.front();
        if (stop.stop_requested()) co_return unavailable(name, "was not started: it is time to stop");
        if (loop.clock().steady() >= deadline) co_return unavailable(name, "was not started: no time is left");
        auto environment = program.environment;
        environment.insert(ours_.begin(), ours_.end());
        const bool hasInput = program.input.size() > 0;
        auto launching = plugin::offload(loop, [words = program.words, environment, hasInput] { return launch(words, environment, hasInput); });
        auto launched = co_await launching;
        if (!launched) co_return launched.error();

        Watched process{*launched, loop.watch((*launched)->process())};
        const Ending ending;
        if (hasInput) loop.spawn(feed(Watched{*launched, loop.watch((*launched)->input())}, program.input, ending.source.get_token()));
        for (;;) {
            auto wait = process.events->readable.wait(deadline, stop);
            const auto woke = co_await wait;
            if (auto end = process.running->reap()) co_return *end;
            process.events->readable.reset();
            if (woke == Wake::done) continue;
            auto killing = killed(std::move(process));
            if (auto end = co_await killing; end && !*end) co_return *end;
            co_return unavailable(name, woke == Wake::timedOut ? "was not done in time and was ended" : "was ended: it is time to stop");
        }
    }

private:
    /// How it ended; none: it has not yet, and will be reaped when it does.
    static Task<std::optional<Result<ProgramEnd>>> killed(Watched process) {
        auto& loop = co_await plugin::thisLoop();
        process.running->kill();
        auto wait = process.events->readable.wait(loop.clock().steady() + patienceWithKilled, {});
        co_await wait;
        auto end = process.running->reap();
        if (!end) loop.spawn(bury(std::move(process)));
        co_return end;
    }

    Environment ours_{};
};

}  // namespace

std::unique_ptr<Programs> makePrograms() { return std::make_unique<RealPrograms>(); }

}  // namespace listener
