#include "tests/listener/delivery/program_fixture.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <csignal>

using namespace listener;
using namespace running;
using plugin::Code;
using plugin::Reaction;

namespace {

struct Runner {
    World world{};
    Scripts scripts{};
    std::unique_ptr<Programs> programs = makePrograms();

    plugin::Result<ProgramEnd> run(Program program, plugin::Deadline deadline = plugin::Deadline::max(), std::stop_token stop = {}) {
        auto end = world.run(programs->run(std::move(program), deadline, std::move(stop)));
        CHECK(hasNoChild());
        return end;
    }
    void succeeds(Program program) {
        const auto end = run(std::move(program));
        if (!end) FAIL(end.error().what);
        CHECK(end->status == 0);
        CHECK(end->signal == 0);
    }
    bool happens(std::function<bool()> condition) { return world.run(running::happens(std::move(condition))); }
};

plugin::Error errorOf(const plugin::Result<ProgramEnd>& end) {
    REQUIRE_FALSE(end);
    return end.error();
}

}  // namespace

SCENARIO("a program reads exactly the bytes it is given", "[program]") {
    Runner runner;
    const auto program = runner.scripts.script("cat > input");
    GIVEN("content in memory") {
        const auto size = GENERATE(std::size_t{0}, 1U, 11U, 65'535U, 65'536U, 65'537U, std::size_t{1} << 20U);
        const auto bytes = bytesOfAllKinds(size);
        runner.succeeds({{program}, {}, inMemory(bytes)});
        CHECK(runner.scripts.read("input") == bytes);
    }
    GIVEN("content in a file") {
        const auto size = GENERATE(std::size_t{0}, 1U, 65'536U, 5'000'001U);
        const auto bytes = bytesOfAllKinds(size);
        const auto disk = plugin::makePosixDisk();
        auto directory = disk->directory(runner.scripts.at("staging"), true);
        REQUIRE(directory);
        auto file = (*directory)->create(0600);
        REQUIRE(file);
        REQUIRE((*file)->append(bytes));
        runner.succeeds({{program}, {}, Content(std::shared_ptr<plugin::File>(std::move(*file)), runner.scripts.at("staging"), sha256(bytes))});
        CHECK(runner.scripts.read("input") == bytes);
    }
    GIVEN("no content") {
        runner.succeeds({{runner.scripts.script("cat > input; readlink /proc/self/fd/0 > name")}});
        CHECK(runner.scripts.read("input").empty());
        CHECK(runner.scripts.read("name") == "/dev/null\n");
    }
    GIVEN("a program that is slow to read") {
        const auto bytes = bytesOfAllKinds(400'000);
        runner.succeeds(
            {{runner.scripts.script("for i in 1 2 3 4 5 6 7 8; do dd bs=50000 count=1 iflag=fullblock status=none; sleep 0.02; done > input")},
             {},
             inMemory(bytes)});
        CHECK(runner.scripts.read("input") == bytes);
    }
}

SCENARIO("a program sees its arguments, its environment and nothing else of ours", "[program]") {
    Scripts scripts;
    ::setenv("POSTERN_TEST_SECRET", "hidden", 1);
    ::setenv("TZ", "Europe/Vienna", 1);
    const int leak = ::open("/dev/null", O_RDONLY);  // without close-on-exec
    std::signal(SIGPIPE, SIG_IGN);
    const auto bytes = GENERATE(std::string(), std::string("mail"));
    {
        Runner runner;
        const auto program = runner.scripts.script(R"sh(
            tr '\0' '\n' < /proc/$$/environ > environment
            for word in "$@"; do echo "[$word]"; done > words
            grep SigIgn /proc/self/status > ignored
            grep SigBlk /proc/self/status > blocked
            ps -o pgid= -p $$ > group
            echo $$ > id)sh");
        runner.succeeds({{program, "two words", "$HOME;'", ""}, {{"A", "1=2"}, {"B", ""}, {"LANG", "ours"}}, inMemory(bytes)});
        auto lines = wordsOf(runner.scripts.read("environment"));
        std::vector<std::string> expected{"A=1=2", "B=", "LANG=ours", "TZ=Europe/Vienna"};
        for (const auto* name : {"PATH", "HOME", "TMPDIR"})
            if (const auto* value = std::getenv(name); value != nullptr) expected.push_back(std::string(name) + "=" + value);
        std::ranges::sort(lines);
        std::ranges::sort(expected);
        CHECK(lines == expected);
        CHECK(runner.scripts.read("words") == "[two words]\n[$HOME;']\n[]\n");
        CHECK((std::stoull(wordsOf(runner.scripts.read("ignored")).back(), nullptr, 16) & 1ULL << (SIGPIPE - 1)) == 0);
        CHECK(wordsOf(runner.scripts.read("blocked")).back() == "0000000000000000");
        CHECK(wordsOf(runner.scripts.read("group")) == wordsOf(runner.scripts.read("id")));
    }
    {
        Runner runner;
        runner.succeeds({{"/bin/sh", "-c", "exec ls -l /proc/self/fd > " + runner.scripts.at("list")}, {}, inMemory(bytes)});
        const auto list = runner.scripts.read("list");
        INFO(list);
        CHECK(list.find(bytes.empty() ? " 0 -> /dev/null" : " 0 -> pipe:") != std::string::npos);
        CHECK(list.find(" 2 -> /dev/null") != std::string::npos);
        CHECK(std::ranges::count(list, '\n') == 5);  // "total", 0, 1 (the list), 2, and the directory being listed
    }
    std::signal(SIGPIPE, SIG_DFL);
    ::close(leak);
    ::unsetenv("POSTERN_TEST_SECRET");
    ::unsetenv("TZ");
}

SCENARIO("how a program ends is told as it is", "[program]") {
    Runner runner;
    GIVEN("an exit status") {
        const auto status = GENERATE(0, 1, 65, 75, 126, 127, 255);
        const auto end = runner.run({{runner.scripts.script("cat > /dev/null; exit " + std::to_string(status))}, {}, inMemory("mail")});
        REQUIRE(end);
        CHECK(end->status == status);
        CHECK(end->signal == 0);
    }
    GIVEN("a signal") {
        const auto end = runner.run({{runner.scripts.script("kill -SEGV $$")}, {}, inMemory("mail")});
        REQUIRE(end);
        CHECK(end->signal == SIGSEGV);
    }
    GIVEN("somebody who has SIGCHLD ignored") {
        std::signal(SIGCHLD, SIG_IGN);
        const auto program = runner.scripts.script("exit 0");
        const auto error = errorOf(runner.run({{program}, {}, inMemory("mail")}));
        std::signal(SIGCHLD, SIG_DFL);
        CHECK(error.code == Code::sinkUnavailable);
        CHECK(error.what == "the program " + program + " ended, but nobody can tell how: SIGCHLD is ignored");
    }
}

SCENARIO("a program need not read what it is given", "[program]") {
    std::signal(SIGPIPE, SIG_DFL);  // what would end us
    Runner runner;
    const auto content = inMemory(bytesOfAllKinds(1 << 20));
    GIVEN("one that ends at once") { runner.succeeds({{runner.scripts.script("exit 0")}, {}, content}); }
    GIVEN("one that reads a little") {
        runner.succeeds({{runner.scripts.script("head -c 100000 > input")}, {}, content});
        CHECK(runner.scripts.read("input") == content.inMemory()->substr(0, 100'000));
    }
    GIVEN("one that closes its input and goes on") {
        runner.succeeds({{runner.scripts.script("exec < /dev/null; sleep 0.1; echo done > end")}, {}, content});
    }
    GIVEN("one that leaves its input to another, which stays") {
        runner.succeeds({{runner.scripts.script("sleep 1000 <&0 & echo $! > left; exit 0")}, {}, content});
        const auto left = wordsOf(runner.scripts.read("left")).front();
        THEN("its end is the end, and the other one is left alone") {
            CHECK_FALSE(isGone(left));
            CHECK(::kill(std::stoi(left), SIGKILL) == 0);
        }
    }
}

SCENARIO("a program that cannot be started needs a person", "[program]") {
    Runner runner;
    const auto bytes = GENERATE(std::string(), std::string("mail"));
    const auto check = [&](const std::string& path, const std::string& why) {
        const auto error = errorOf(runner.run({{path, "s3cret"}, {{"S", "s3cret"}}, inMemory(bytes)}));
        CHECK(error.code == Code::sinkProgram);
        CHECK(error.reaction == Reaction::askOperator);
        CHECK(error.what == "the program " + path + " cannot be started: " + why);
    };
    check(runner.scripts.at("nothing"), "No such file or directory");
    check(runner.scripts.at(""), "Permission denied");
    std::ofstream(runner.scripts.at("plain")) << "#!/bin/sh\n";
    check(runner.scripts.at("plain"), "Permission denied");
    std::ofstream(runner.scripts.at("text")) << "no program\n";
    fs::permissions(runner.scripts.at("text"), fs::perms::owner_all);
    check(runner.scripts.at("text"), "Exec format error");
    std::ofstream(runner.scripts.at("lost")) << "#!/no/such/shell\n";
    fs::permissions(runner.scripts.at("lost"), fs::perms::owner_all);
    check(runner.scripts.at("lost"), "No such file or directory");
    check(runner.scripts.at("plain") + "/below", "Not a directory");
}

#ifndef __SANITIZE_ADDRESS__  // with it comes UBSan, which looks at objects through a pipe of its own, and blames them when there is none
SCENARIO("a machine without descriptors is a trouble that passes", "[program]") {
    Runner runner;
    const auto program = runner.scripts.script("cat > /dev/null; sleep 1000");
    const auto room = GENERATE(0U, 1U, 2U);  // for nothing, for half a pipe, for a pipe alone
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = ::dup(0);
    REQUIRE(next >= 0);
    ::close(next);
    const rlimit narrow{static_cast<rlim_t>(next) + room, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &narrow) == 0);
    const auto end = runner.run({{program}, {}, inMemory("mail")});
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    const auto error = errorOf(end);
    INFO(error.what);
    CHECK(error.code == Code::sinkUnavailable);
    CHECK(error.reaction == Reaction::retryLater);
    CHECK(error.what.find("Too many open files") != std::string::npos);
}
#endif

SCENARIO("a program that is not done in time is killed with all it has started", "[program]") {
    Runner runner;
    const auto program = runner.scripts.script(R"sh(
        trap '' TERM INT HUP
        sleep 1000 &
        first=$!
        (trap '' TERM; sleep 1001 & echo $! > inner; sleep 1002) &
        while [ ! -s inner ]; do sleep 0.01; done
        echo $$ $first $! $(cat inner) > begun.part; mv begun.part begun
        while :; do sleep 1003; done)sh");
    const auto content = GENERATE(Content(), inMemory(bytesOfAllKinds(1 << 20)));
    GIVEN("a deadline") {
        for (auto time = std::chrono::seconds(1); !runner.scripts.has("begun"); time *= 2) {
            const auto error = errorOf(runner.run({{program, "s3cret"}, {}, content}, runner.world.in(time)));
            CHECK(error.code == Code::sinkUnavailable);
            CHECK(error.reaction == Reaction::retryLater);
            CHECK(error.what == "the program " + program + " was not done in time and was ended");
        }
    }
    GIVEN("somebody who asks to stop") {
        std::stop_source source;
        const auto stopping = [](Scripts* scripts, std::stop_source stop) -> plugin::Task<void> {
            auto begun = running::happens([scripts] { return scripts->has("begun"); });
            const bool hasBegun = co_await begun;
            CHECK(hasBegun);
            stop.request_stop();
        };
        runner.world.loop->spawn(stopping(&runner.scripts, source));
        const auto error = errorOf(runner.run({{program}, {}, content}, plugin::Deadline::max(), source.get_token()));
        CHECK(error.code == Code::sinkUnavailable);
        CHECK(error.reaction == Reaction::retryLater);
        CHECK(error.what == "the program " + program + " was ended: it is time to stop");
    }
    const auto processes = wordsOf(runner.scripts.read("begun"));
    REQUIRE(processes.size() == 4);
    for (const auto& process : processes) CHECK(runner.happens([&] { return isGone(process); }));
    CHECK_FALSE(fs::exists("/proc/" + processes.front()));
}

SCENARIO("without time nothing is started", "[program]") {
    Runner runner;
    const auto program = runner.scripts.script("echo > begun");
    std::stop_source source;
    source.request_stop();
    CHECK(errorOf(runner.run({{program}}, plugin::Deadline::min())).code == Code::sinkUnavailable);
    CHECK(errorOf(runner.run({{program}}, plugin::Deadline::max(), source.get_token())).code == Code::sinkUnavailable);
    CHECK_FALSE(runner.scripts.has("begun"));
}

SCENARIO("a message whose staged bytes are damaged never looks whole to a program", "[program]") {
    Runner runner;
    const auto trouble = GENERATE(BadFile::Trouble::readError, BadFile::Trouble::shorter, BadFile::Trouble::otherBytes);
    const auto size = std::size_t{1'000'000};
    const auto good = GENERATE(std::size_t{0}, std::size_t{300'000}, std::size_t{999'999});
    const Content content(std::make_shared<BadFile>(size, good, trouble), "/staging", sha256(std::string(size, 'x')));
    // It knows the size, and does not wait for the end.
    const auto program = runner.scripts.script("head -c 1000000 > input; [ $(wc -c < input) = 1000000 ] && echo > whole; sleep 1000");
    const auto error = errorOf(runner.run({{program}, {}, content}));
    CHECK(error.code == Code::messageStaging);
    CHECK(error.reaction == Reaction::retryLater);
    CHECK(error.what.find("/staging: ") != std::string::npos);
    CHECK_FALSE(runner.scripts.has("whole"));
    if (runner.scripts.has("input")) CHECK(fs::file_size(runner.scripts.at("input")) < size);
}

SCENARIO("programs run side by side, without a thread for each", "[program]") {
    Runner runner;
    const auto threads = [] { return std::distance(fs::directory_iterator("/proc/self/task"), {}); };
    const auto before = threads();
    constexpr std::size_t count = 8;
    const auto program = runner.scripts.script("echo > begun$1; while [ ! -e go ]; do sleep 0.02; done; cat > input$1");
    auto& loop = *runner.world.loop;
    const auto all = [&]() -> plugin::Task<void> {
        std::vector<std::shared_ptr<plugin::Shared<plugin::Result<ProgramEnd>>>> ends;
        for (std::size_t i = 0; i < count; ++i)
            ends.push_back(plugin::start(
                loop, runner.programs->run({{program, std::to_string(i)}, {}, inMemory(bytesOfAllKinds(100'000 + i))}, plugin::Deadline::max(), {})));
        auto begun = running::happens([&] { return runner.scripts.count("begun") == count; });
        const bool hasBegun = co_await begun;
        CHECK(hasBegun);
        CHECK(threads() == before);
        std::ofstream(runner.scripts.at("go")) << "go";
        for (const auto& end : ends) {
            auto wait = end->wait(plugin::Deadline::max(), {});
            co_await wait;
            CHECK(end->get());
        }
    };
    runner.world.run(all());
    for (std::size_t i = 0; i < count; ++i) CHECK(runner.scripts.read("input" + std::to_string(i)) == bytesOfAllKinds(100'000 + i));
    CHECK(hasNoChild());
}

SCENARIO("a loop that goes takes its programs along", "[program]") {
    Scripts scripts;
    const auto program = scripts.script("echo $$ > begun.part; mv begun.part begun; cat > input; echo > whole");
    const auto programs = makePrograms();
    {
        World world;
        world.loop->spawn([](Programs* all, std::string path) -> plugin::Task<void> {
            const Content content(std::make_shared<BadFile>(1 << 30, 1 << 30, BadFile::Trouble::shorter), "/staging", Digest{});
            auto run = all->run({{path}, {}, content}, plugin::Deadline::max(), {});
            co_await run;
        }(programs.get(), program));
        CHECK(world.run(happens([&] { return scripts.has("begun"); })));
        CHECK_FALSE(hasNoChild());
    }
    CHECK(hasNoChild());
    CHECK(isGone(wordsOf(scripts.read("begun")).front()));
    CHECK_FALSE(scripts.has("whole"));
}
