#include "tests/listener/imap/fixture.h"
#include "tests/listener/imap/mini_server.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using plugin::Code;
using plugin::Reaction;
using Numbers = std::vector<std::uint64_t>;

namespace {

struct Folder {
    explicit Folder(servers::Link link = {}) : fixture(server, link) {}
    void enter() {
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
    }
    Numbers received() const {
        Numbers uids;
        for (const auto& message : fixture.received.messages) uids.push_back(message.position.ordinal);
        return uids;
    }
    std::size_t fetches() const {
        return static_cast<std::size_t>(std::count_if(server->commands.begin(), server->commands.end(),
                                                      [](const auto& line) { return line.find("UID FETCH") != std::string::npos; }));
    }
    std::shared_ptr<MiniServer> server = std::make_shared<MiniServer>();
    Fixture fixture;
};

std::string noise(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 12345;
    for (char& c : bytes) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return bytes;
}

}  // namespace

SCENARIO("messages come in commands of two hundred, two under way", "[imap]") {
    Folder folder;
    Numbers uids;
    for (std::uint64_t uid = 1; uid <= 1000; ++uid) {
        folder.server->mails[uid] = "Subject: " + std::to_string(uid) + "\r\n\r\n" + noise(uid);
        uids.push_back(uid);
    }
    folder.server->holdsBack = true;  // the first answer comes only once the second command is there
    folder.enter();
    REQUIRE(folder.fixture.fetch(uids));
    REQUIRE(folder.received() == uids);
    REQUIRE(folder.fetches() == 5);
    for (const auto& message : folder.fixture.received.messages) REQUIRE(bytesOf(message.content) == folder.server->mails[message.position.ordinal]);
}

SCENARIO("a message of any size is what the server sent", "[imap]") {
    const auto size =
        GENERATE(std::size_t{1}, std::size_t{65'535}, std::size_t{65'537}, std::size_t{1} << 20, (std::size_t{1} << 20) + 1, std::size_t{9'000'001});
    const auto chunk = GENERATE(std::size_t{0}, std::size_t{4096}, std::size_t{16'383});
    GIVEN(std::to_string(size) + " octets in reads of " + std::to_string(chunk)) {
        Folder folder{{.chunk = chunk}};
        folder.server->mails = {{1, noise(size)}, {2, "small"}};
        folder.enter();
        REQUIRE(folder.fixture.fetch({1, 2}));
        REQUIRE(folder.received() == Numbers{1, 2});
        const auto& content = folder.fixture.received.messages[0].content;
        REQUIRE((content.inMemory() == nullptr) == (size > listener::Content::memoryLimit));
        REQUIRE(content.size() == size);
        REQUIRE(bytesOf(content) == folder.server->mails[1]);
    }
}

SCENARIO("a message that is gone is left out, one that is refused does not stop the others", "[imap]") {
    Folder folder;
    for (std::uint64_t uid = 1; uid <= 6; ++uid) folder.server->mails[uid] = "mail";
    folder.enter();
    GIVEN("one gone") {
        folder.server->mails.erase(3);
        REQUIRE(folder.fixture.fetch({1, 2, 3, 4}));
        REQUIRE(folder.received() == Numbers{1, 2, 4});
    }
    GIVEN("two refused, with the whole command") {
        folder.server->refused = {2, 4};
        REQUIRE(folder.fixture.fetch({1, 2, 3, 4, 5}));
        REQUIRE(folder.received() == Numbers{1, 3, 5});
        REQUIRE(folder.fetches() == 3);
        REQUIRE(folder.fixture.log.warnings == 2);
    }
}

SCENARIO("a message that is listed and not handed out is left out, and stays listed", "[imap]") {
    Folder folder;
    for (std::uint64_t uid = 1; uid <= 3; ++uid) folder.server->mails[uid] = "mail " + std::to_string(uid);
    folder.server->refused = {2};
    folder.enter();
    GIVEN("a NO about it alone") {
        folder.server->refusal =
            GENERATE(as<std::string>{}, "FETCH failed", "[SERVERBUG] Internal error occurred. Refer to server log", "[LIMIT] too large for us");
        THEN("the others come, and it is still there") {
            REQUIRE(folder.fixture.fetch({1, 2, 3}));
            REQUIRE(folder.received() == Numbers{1, 3});
            REQUIRE(folder.fixture.list()->ordinals == Numbers{1, 2, 3});
        }
        THEN("asked for alone it is no error") {
            REQUIRE(folder.fixture.fetch({2}));
            REQUIRE(folder.received().empty());
            REQUIRE(folder.fixture.list()->ordinals == Numbers{1, 2, 3});
        }
    }
    GIVEN("a NO about the server, not the message") {
        folder.server->refusal = GENERATE(as<std::string>{}, "[UNAVAILABLE] not now", "[INUSE] not now");
        const auto result = folder.fixture.fetch({1, 2, 3});
        REQUIRE(result.error().reaction == Reaction::retryLater);
        REQUIRE(result.error().code == Code::mailboxCommandRefused);
    }
}

SCENARIO("what nobody asked for is no message", "[imap]") {
    Folder folder;
    folder.server->mails[1] = "mail";
    folder.enter();
    const auto answer = GENERATE(as<std::string>{}, "* 1 FETCH (UID 1 BODY[] {4}\r\nmail)\r\n* 1 FETCH (UID 1 BODY[] {4}\r\nagai)\r\n",
                                 "* 9 FETCH (UID 9 BODY[] {4}\r\nelse)\r\n* 1 FETCH (UID 1 BODY[] \"mail\")\r\n",
                                 "* 1 FETCH (FLAGS (\\Seen) UID 1)\r\n* 1 FETCH (UID 1 BODY[] {4}\r\nmail)\r\n",
                                 "* 1 FETCH (UID 2 BODY[] NIL)\r\n* 1 FETCH (BODY[] {4}\r\nmail UID 1)\r\n* 7 EXPUNGE\r\n",
                                 "* 1 FETCH (UID 2 BODY[] {0}\r\n)\r\n* 1 FETCH (BODY[] {4}\r\nlost)\r\n* 1 FETCH (BODY[] {4}\r\nmail UID 1)\r\n");
    folder.server->instead = [&](const std::string& line) {
        return line.find("UID FETCH") == std::string::npos ? std::string{} : answer + line.substr(0, line.find(' ')) + " OK done\r\n";
    };
    REQUIRE(folder.fixture.fetch({1, 2}));
    REQUIRE(folder.received() == Numbers{1});
    REQUIRE(bytesOf(folder.fixture.received.messages[0].content) == "mail");
}

SCENARIO("what fails on the way ends the session with its own cause", "[imap]") {
    Folder folder;
    for (std::uint64_t uid = 1; uid <= 6; ++uid) folder.server->mails[uid] = "mail";
    GIVEN("a receiver that takes nothing") {
        folder.enter();
        folder.fixture.received.refuses = plugin::Error{Reaction::retryLater, Code::sinkUnavailable, "no"};
        REQUIRE(folder.fixture.fetch({1, 2}).error().code == Code::sinkUnavailable);
        REQUIRE(folder.fixture.list().error().reaction == Reaction::reconnect);
    }
    GIVEN("a disk that is full") {
        folder.server->mails[1] = noise(2'000'000);
        folder.enter();
        folder.fixture.disk.setCapacity(1000);
        const auto result = folder.fixture.fetch({1});
        REQUIRE_FALSE(result);
        REQUIRE(result.error().reaction == Reaction::retryLater);
        REQUIRE(folder.received().empty());
    }
    GIVEN("throttling in the middle") {
        folder.enter();
        folder.server->instead = [](const std::string& line) {
            return line.substr(0, line.find(' ')) + " NO Request is throttled. Suggested Backoff Time: 5000 milliseconds\r\n";
        };
        const auto result = folder.fixture.fetch({1, 2});
        REQUIRE(result.error().code == Code::mailboxThrottled);
        REQUIRE(result.error().retryAfter == std::chrono::milliseconds{5000});
    }
    GIVEN("an answer with a wrong tag") {
        folder.enter();
        folder.server->instead = [](const std::string&) { return std::string{"A99 OK done\r\n"}; };
        REQUIRE(folder.fixture.fetch({1}).error().code == Code::mailboxProtocol);
    }
    GIVEN("a message that does not end") {
        folder.enter();
        folder.server->instead = [](const std::string&) { return std::string{"* 1 FETCH (UID 1 BODY[] {5000}\r\nshort"}; };
        REQUIRE(folder.fixture.fetch({1}).error().code == Code::channelTimeout);
        REQUIRE(folder.received().empty());
    }
}

SCENARIO("a stream cut within a message says so", "[imap]") {
    Folder folder{{.cutAfter = 400}};
    folder.server->mails[1] = noise(5000);
    folder.enter();
    const auto result = folder.fixture.fetch({1});
    REQUIRE(result.error().reaction == Reaction::reconnect);
    REQUIRE(result.error().code == Code::messageTruncated);
    REQUIRE(folder.received().empty());
}

SCENARIO("what Exchange gives out in place of a message is marked, and handed over as it came", "[imap]") {
    Folder folder;
    folder.server->mails[1] = "Subject: about Exchange\r\n\r\nRetrieval using the IMAP4 protocol failed for the following message: 2\r\n";
    folder.server->mails[2] =
        "From: \"Microsoft Exchange Server\" <>\r\nSubject: Retrieval using the IMAP4 protocol failed for the following message: 2\r\n\r\nSorry.\r\n";
    folder.enter();
    REQUIRE(folder.fixture.fetch({1, 2}));
    REQUIRE(folder.received() == Numbers{1, 2});
    REQUIRE_FALSE(folder.fixture.received.messages[0].sourceDefect);
    REQUIRE(folder.fixture.received.messages[1].sourceDefect);
    REQUIRE(bytesOf(folder.fixture.received.messages[1].content) == folder.server->mails[2]);
}
