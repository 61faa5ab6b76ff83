#include "tests/listener/delivery/program_fixture.h"

#include <set>

using namespace listener;
using namespace running;
using plugin::Code;
using plugin::Reaction;
using Verdict = Delivery::Verdict;

namespace {

struct Receiver {
    World world{};
    Scripts scripts{};
    std::unique_ptr<Programs> programs = makePrograms();

    std::vector<Delivery> deliver(const std::vector<std::string>& command, const std::vector<Message>& messages,
                                  plugin::Deadline deadline = plugin::Deadline::max(), std::stop_token stop = {}) {
        const auto sink = makeExec({"archive", command}, *programs);
        CHECK(sink->name() == "archive");
        CHECK(sink->batchLimit() == 1);
        auto deliveries = spooling::deliveriesOf(messages);
        world.run(sink->deliver(deliveries, deadline, std::move(stop)));
        CHECK(hasNoChild());
        return deliveries;
    }
};

/// What there is to know of `message`, a line each.
std::set<std::string> factsOf(const Message& message) {
    return {"POSTERN_ID=" + message.id,
            "POSTERN_MAILBOX=box",
            "POSTERN_FOLDER=" + message.folder,
            "POSTERN_PROTOCOL=imap",
            "POSTERN_POSITION=" + message.position.text,
            "POSTERN_RECEIVED=" + plugin::utcText(message.received),
            "POSTERN_SIZE=" + std::to_string(message.content.size()),
            "POSTERN_SHA256=" + plugin::hexText(message.content.sha256())};
}

std::set<std::string> linesOf(const std::string& text) {
    std::set<std::string> lines;
    std::istringstream all(text);
    for (std::string line; std::getline(all, line);)
        if (line.starts_with("POSTERN_")) lines.insert(line);
    return lines;
}

}  // namespace

SCENARIO("a message is delivered to a program with all that is known of it", "[exec]") {
    Receiver receiver;
    const auto program = receiver.scripts.script("cat > input; env > facts");
    GIVEN("one with everything") {
        auto message = spooling::messageOf(1, bytesOfAllKinds(300'000));
        message.folder = "Büro/Ein=gang";
        message.messageId = "<1@x y>";
        message.flags = {"\\Seen", "$Forwarded", "\\Flagged"};
        const auto deliveries = receiver.deliver({program}, {message});
        CHECK(deliveries[0].verdict() == Verdict::delivered);
        CHECK(receiver.scripts.read("input") == *message.content.inMemory());
        auto facts = factsOf(message);
        facts.insert("POSTERN_MESSAGE_ID=<1@x y>");
        facts.insert("POSTERN_FLAGS=\\Seen $Forwarded \\Flagged");
        CHECK(linesOf(receiver.scripts.read("facts")) == facts);
        CHECK(facts.contains("POSTERN_RECEIVED=2026-10-31T17:32:04Z"));
    }
    GIVEN("one without a content, an id or flags: an empty mail") {
        auto message = spooling::messageOf(1, "");
        message.content = {};
        const auto deliveries = receiver.deliver({program}, {message});
        CHECK(deliveries[0].verdict() == Verdict::delivered);
        CHECK(receiver.scripts.read("input").empty());
        auto facts = factsOf(message);
        facts.insert("POSTERN_FLAGS=");
        CHECK(linesOf(receiver.scripts.read("facts")) == facts);
    }
    GIVEN("one with more flags than the kernel would hand over") {
        auto message = spooling::messageOf(1, "mail");
        for (int i = 0; i < 20'000; ++i) message.flags.push_back("flag" + std::to_string(i));
        CHECK(receiver.deliver({program}, {message})[0].verdict() == Verdict::delivered);
        const auto facts = receiver.scripts.read("facts");
        CHECK(facts.find("POSTERN_FLAGS=flag0 flag1 ") != std::string::npos);
        CHECK(facts.size() < 20'000);
    }
}

SCENARIO("the exit status is the verdict", "[exec]") {
    struct Row {
        std::string end;
        Code code;
        Reaction reaction;
        std::string text;
    };
    const auto row = GENERATE(values<Row>({
        {"exit 1", Code::sinkRefused, Reaction::retryLater, "ended with status 1"},
        {"exit 63", Code::sinkRefused, Reaction::retryLater, "ended with status 63"},
        {"exit 64", Code::sinkRefused, Reaction::retryLater, "ended with status 64 (EX_USAGE)"},
        {"exit 65", Code::messageUnfit, Reaction::setAside, "ended with status 65 (EX_DATAERR)"},
        {"exit 66", Code::sinkRefused, Reaction::retryLater, "ended with status 66 (EX_NOINPUT)"},
        {"exit 69", Code::sinkRefused, Reaction::retryLater, "ended with status 69 (EX_UNAVAILABLE)"},
        {"exit 70", Code::sinkRefused, Reaction::retryLater, "ended with status 70 (EX_SOFTWARE)"},
        {"exit 74", Code::sinkRefused, Reaction::retryLater, "ended with status 74 (EX_IOERR)"},
        {"exit 75", Code::sinkRefused, Reaction::retryLater, "ended with status 75 (EX_TEMPFAIL)"},
        {"exit 77", Code::sinkRefused, Reaction::askOperator, "ended with status 77 (EX_NOPERM)"},
        {"exit 78", Code::sinkRefused, Reaction::askOperator, "ended with status 78 (EX_CONFIG)"},
        {"exit 79", Code::sinkRefused, Reaction::retryLater, "ended with status 79"},
        {"exit 255", Code::sinkRefused, Reaction::retryLater, "ended with status 255"},
        {"kill -KILL $$", Code::sinkRefused, Reaction::retryLater, "was ended by signal 9 (SIGKILL)"},
        {"kill -40 $$", Code::sinkRefused, Reaction::retryLater, "was ended by signal 40"},
    }));
    Receiver receiver;
    const auto program = receiver.scripts.script("cat > /dev/null; " + row.end);
    const auto deliveries = receiver.deliver({program, "--password=s3cret"}, {spooling::messageOf(1, "mail")});
    REQUIRE(deliveries[0].verdict() == Verdict::notDelivered);
    REQUIRE(deliveries[0].error());
    CHECK(deliveries[0].error()->code == row.code);
    CHECK(deliveries[0].error()->reaction == row.reaction);
    CHECK(deliveries[0].error()->what == "the program " + program + " " + row.text);
}

SCENARIO("each message of a batch has its own verdict", "[exec]") {
    Receiver receiver;
    std::vector<Message> messages;
    for (int i = 0; i < 4; ++i) messages.push_back(spooling::messageOf(i, "mail " + std::to_string(i)));
    GIVEN("a program that does not like every message") {
        const auto program = receiver.scripts.script("echo $POSTERN_POSITION $(cat) >> all; [ $POSTERN_POSITION != 1:2 ] || exit 65");
        const auto deliveries = receiver.deliver({program}, messages);
        CHECK(deliveries[0].verdict() == Verdict::delivered);
        CHECK(deliveries[1].verdict() == Verdict::delivered);
        CHECK(deliveries[2].error()->code == Code::messageUnfit);
        CHECK(deliveries[3].verdict() == Verdict::delivered);
        CHECK(receiver.scripts.read("all") == "1:0 mail 0\n1:1 mail 1\n1:2 mail 2\n1:3 mail 3\n");
    }
    GIVEN("no program") {
        for (const auto& delivery : receiver.deliver({receiver.scripts.at("nothing")}, messages)) {
            CHECK_FALSE(spooling::isSettled(delivery));
            CHECK(delivery.error()->code == Code::sinkProgram);
            CHECK(delivery.error()->reaction == Reaction::askOperator);
        }
    }
    GIVEN("a stop in the second one") {
        const auto program = receiver.scripts.script("[ $POSTERN_POSITION != 1:1 ] || { echo > second; sleep 1000; }");
        std::stop_source source;
        const auto stopping = [](Scripts* scripts, std::stop_source stop) -> plugin::Task<void> {
            auto begun = happens([scripts] { return scripts->has("second"); });
            const bool hasBegun = co_await begun;
            CHECK(hasBegun);
            stop.request_stop();
        };
        receiver.world.loop->spawn(stopping(&receiver.scripts, source));
        const auto deliveries = receiver.deliver({program}, messages, plugin::Deadline::max(), source.get_token());
        THEN("the first one is delivered, and the others come again") {
            CHECK(deliveries[0].verdict() == Verdict::delivered);
            for (std::size_t i = 1; i < deliveries.size(); ++i) {
                CHECK_FALSE(spooling::isSettled(deliveries[i]));
                CHECK(deliveries[i].error()->code == Code::sinkUnavailable);
                CHECK(deliveries[i].error()->reaction == Reaction::retryLater);
            }
        }
    }
}

SCENARIO("a sink without a command is a bug", "[exec]") {
    const auto programs = makePrograms();
    CHECK_THROWS_AS(makeExec({"archive", {}}, *programs), std::logic_error);
}
