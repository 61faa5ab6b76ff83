#include "tests/listener/imap/fixture.h"
#include "tests/listener/imap/mini_server.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using plugin::Code;
using Numbers = std::vector<std::uint64_t>;

namespace {

constexpr std::uint64_t limit = 2'000;

/// A message of exactly so many octets.
std::string mail(int number, std::size_t size) {
    const auto n = std::to_string(number);
    auto bytes = "Received: by somebody\r\nmessage-id: <" + n + "@example.com>\r\nSubject: number\r\n " + n + "\r\nFrom: a@example.com\r\n\r\n";
    bytes.resize(size, 'x');
    return bytes;
}

struct Folder {
    explicit Folder(servers::Link link = {}) : fixture(server, link) { fixture.received.limit = limit; }
    void enter() {
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
    }
    const listener::Fetched& message(std::uint64_t uid) const {
        const auto& all = fixture.received.messages;
        const auto found = std::find_if(all.begin(), all.end(), [uid](const auto& each) { return each.position.ordinal == uid; });
        if (found == all.end()) throw std::logic_error("message " + std::to_string(uid) + " did not come");
        return *found;
    }
    Numbers received() const {
        Numbers uids;
        for (const auto& message : fixture.received.messages) uids.push_back(message.position.ordinal);
        std::sort(uids.begin(), uids.end());
        return uids;
    }
    /// The UID FETCH commands, without their tags.
    std::vector<std::string> fetches() const {
        std::vector<std::string> lines;
        for (const auto& line : server->commands)
            if (const auto at = line.find("UID FETCH "); at != std::string::npos) lines.push_back(line.substr(at + 10));
        return lines;
    }
    void requireWhole(std::uint64_t uid) const {
        INFO("message " << uid);
        REQUIRE_FALSE(message(uid).tooLarge);
        REQUIRE(bytesOf(message(uid).content) == server->mails[uid]);
    }
    void requireTooLarge(std::uint64_t uid, std::uint64_t octets) const {
        INFO("message " << uid);
        REQUIRE(message(uid).tooLarge == octets);
        REQUIRE(message(uid).content.size() == 0);
        REQUIRE(message(uid).content.file() == nullptr);
        const auto whole = listener::readHead(server->mails[uid]);
        REQUIRE(message(uid).head.matchKey == whole.matchKey);
        REQUIRE(message(uid).head.messageId == whole.messageId);
    }

    std::shared_ptr<MiniServer> server = std::make_shared<MiniServer>();
    Fixture fixture;
};

const std::string sizes = " (UID RFC822.SIZE)";
const std::string heads = " (UID INTERNALDATE FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)])";
const std::string messages = " (UID INTERNALDATE FLAGS BODY.PEEK[])";

}  // namespace

SCENARIO("a message past the limit comes as its head, and those around it as they are", "[imap]") {
    const auto chunk = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{999});
    GIVEN("reads of " + std::to_string(chunk)) {
        Folder folder{{.chunk = chunk}};
        folder.server->mails = {{1, mail(1, 500)}, {2, mail(2, limit)}, {3, mail(3, limit + 1)}, {5, mail(5, 5'000'000)}, {6, mail(6, 700)}, {9, ""}};
        folder.server->flags[5] = "\\Recent \\Seen $Label1";
        folder.server->dates[5] = "21-Nov-2026 13:14:15 +0200";
        folder.enter();
        REQUIRE(folder.fixture.fetch({1, 2, 3, 4, 5, 6, 9}));
        REQUIRE(folder.received() == Numbers{1, 2, 3, 5, 6, 9});
        for (const auto uid : {1, 2, 6, 9}) folder.requireWhole(static_cast<std::uint64_t>(uid));
        folder.requireTooLarge(3, limit + 1);
        folder.requireTooLarge(5, 5'000'000);
        THEN("date and flags are the message's") {
            using namespace std::chrono_literals;
            REQUIRE(folder.message(5).received == std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} + 11h + 14min + 15s);
            REQUIRE(folder.message(5).flags == std::vector<std::string>{"\\Seen", "$Label1"});
            REQUIRE(folder.message(5).position.text == "77:5");
        }
        THEN("of what is too large no body was asked for") {
            REQUIRE(folder.fetches() == std::vector<std::string>{"1:6,9" + sizes, "3,5" + heads, "1:2,4,6,9" + messages, "9" + sizes});
        }
    }
}

SCENARIO("without a limit no size is asked for", "[imap]") {
    Folder folder;
    folder.fixture.received.limit.reset();
    folder.server->mails = {{1, mail(1, 500)}, {2, mail(2, 3'000'000)}};
    folder.enter();
    REQUIRE(folder.fixture.fetch({1, 2}));
    folder.requireWhole(1);
    folder.requireWhole(2);
    REQUIRE(folder.fetches() == std::vector<std::string>{"1:2" + messages});
}

SCENARIO("a size the server only estimates is believed where it is too large, and judged by what comes where it is not", "[imap]") {
    Folder folder;
    GIVEN("estimates in both directions") {
        folder.server->mails = {{1, mail(1, 500)}, {2, mail(2, 6'000'000)}, {3, mail(3, 600)}, {4, mail(4, limit + 1)}, {5, mail(5, limit)}};
        folder.server->sizes = {{2, "1999"}, {3, "2001"}, {4, "2000"}, {5, "1"}};
        folder.enter();
        THEN("what is too large leaves nothing behind, not even for a moment") {
            folder.fixture.received.limit = GENERATE(as<std::uint64_t>{}, limit, 1'500'000);
            folder.server->sizes[3] = "1500001";
            folder.fixture.disk.setCapacity(1'000);
            const auto fetched = folder.fixture.fetch({1, 2, 3, 4, 5});
            INFO((fetched ? std::string{} : describe(fetched.error())));
            REQUIRE(fetched);
            REQUIRE(folder.received() == Numbers{1, 2, 3, 4, 5});
            folder.requireTooLarge(2, 6'000'000);
            folder.requireTooLarge(3, 1'500'001);
            if (folder.fixture.received.limit == limit)
                folder.requireTooLarge(4, limit + 1);
            else
                folder.requireWhole(4);
            folder.requireWhole(1);
            folder.requireWhole(5);
        }
    }
    GIVEN("no size for some") {
        folder.server->mails = {{1, mail(1, 500)}, {2, mail(2, 3'000)}, {3, mail(3, 400)}, {4, mail(4, 4'000)}};
        const auto unknown = GENERATE(as<std::string>{}, "", "NIL");
        folder.server->sizes = {{1, unknown}, {2, unknown}};
        folder.enter();
        REQUIRE(folder.fixture.fetch({1, 2, 3, 4}));
        REQUIRE(folder.received() == Numbers{1, 2, 3, 4});
        folder.requireWhole(1);
        folder.requireTooLarge(2, 3'000);
        folder.requireWhole(3);
        folder.requireTooLarge(4, 4'000);
        REQUIRE(folder.fetches() == std::vector<std::string>{"1:4" + sizes, "4" + heads, "1:3" + messages});
    }
    GIVEN("a body in quotes") {
        folder.server->mails = {{1, "Subject: a"}, {2, "Subject: b"}};
        folder.fixture.received.limit = 9;
        folder.server->sizes = {{1, "1"}, {2, "1"}};
        folder.enter();
        folder.server->instead = [](const std::string& line) {
            if (line.find("PEEK[]") == std::string::npos) return std::string{};
            return "* 1 FETCH (UID 1 BODY[] \"Subject: a\")\r\n* 2 FETCH (UID 2 BODY[] {10}\r\nSubject: b)\r\n" + line.substr(0, line.find(' ')) +
                   " OK done\r\n";
        };
        REQUIRE(folder.fixture.fetch({1, 2}));
        folder.requireTooLarge(1, 10);
        folder.requireTooLarge(2, 10);
    }
}

SCENARIO("the match key of a head alone is that of the whole message, however odd the head", "[imap]") {
    const auto head = GENERATE(as<std::string>{}, "Subject: a\r\nSubject: b\r\nFROM:x\r\n\r\n", "X: y\r\n\r\n", "\r\n",
                               "Subject: gr\xfc\xdf\r\n\tfolded\r\n   twice\r\nDate:\r\nMessage-ID:   <1@x>  \r\n\r\n",
                               "Received: a\r\n message-id: <not@this>\r\nMessage-Id: <this@one>\r\nSubjects: no\r\n\r\nSubject: body\r\n");
    Folder folder;
    folder.server->mails = {{1, head + std::string(3'000, 'x')}, {2, head + std::string(3'000, 'y')}, {3, "Subject: small\r\n\r\n"}};
    folder.server->sizes[2] = "100";
    folder.enter();
    REQUIRE(folder.fixture.fetch({1, 2, 3}));
    folder.requireTooLarge(1, head.size() + 3'000);
    folder.requireTooLarge(2, head.size() + 3'000);
    folder.requireWhole(3);
    THEN("identify() tells the same") {
        std::map<std::uint64_t, listener::Digest> keys;
        const listener::IdentifiedTaker taker = [&keys](listener::Identified message) -> plugin::Result<void> {
            keys[message.ordinal] = message.matchKey;
            return {};
        };
        REQUIRE(folder.fixture.loop.run(folder.fixture.mailbox().identify(taker, {})));
        for (const auto uid : {1U, 2U, 3U}) REQUIRE(keys[uid] == folder.message(uid).head.matchKey);
    }
}

SCENARIO("a head that has no end is not kept whole", "[imap]") {
    Folder folder;
    auto endless = "Message-ID: <1@example.com>\r\n" + std::string(listener::headLimit, 'x') + "\r\nSubject: too late\r\n\r\n";
    folder.server->mails = {{1, endless}, {2, mail(2, 10)}};
    folder.server->sizes[1] = "100";
    folder.enter();
    REQUIRE(folder.fixture.fetch({1, 2}));
    folder.requireTooLarge(1, endless.size());
    folder.requireWhole(2);
}

SCENARIO("sizes are asked for ahead, so that no body is waited for on their account", "[imap]") {
    Folder folder;
    Numbers uids;
    for (std::uint64_t uid = 1; uid <= 1'600; ++uid) {
        folder.server->mails[uid] = mail(static_cast<int>(uid), uid % 400 == 7 ? limit + uid : 150);
        uids.push_back(uid);
    }
    folder.enter();
    REQUIRE(folder.fixture.fetch(uids));
    REQUIRE(folder.received() == uids);
    for (const auto uid : uids) uid % 400 == 7 ? folder.requireTooLarge(uid, limit + uid) : folder.requireWhole(uid);
    const auto fetches = folder.fetches();
    REQUIRE(fetches.size() == 8 + 8 + 4);
    for (std::size_t i = 0; i < 6; ++i) REQUIRE(fetches[i].ends_with(sizes));
    const auto isBodies = [](const std::string& line) { return line.ends_with(messages); };
    const auto lastSizes = std::find_if(fetches.rbegin(), fetches.rend(), [](const auto& line) { return line.ends_with(sizes); }).base();
    REQUIRE(std::count_if(lastSizes, fetches.end(), isBodies) >= 4);
}

SCENARIO("what is refused or gone is left out, sized or not", "[imap]") {
    Folder folder;
    for (int uid = 1; uid <= 6; ++uid) folder.server->mails[static_cast<std::uint64_t>(uid)] = mail(uid, uid % 2 == 0 ? 3'000 : 300);
    folder.enter();
    GIVEN("heads and messages that are refused with their commands") {
        folder.server->refused = {2, 3};
        REQUIRE(folder.fixture.fetch({1, 2, 3, 4, 5, 6}));
        REQUIRE(folder.received() == Numbers{1, 4, 5, 6});
        REQUIRE(folder.fixture.log.warnings == 2);
    }
    GIVEN("sizes that are refused: each is judged as it comes") {
        folder.server->instead = [](const std::string& line) {
            return line.ends_with(sizes) ? line.substr(0, line.find(' ')) + " NO FETCH failed\r\n" : std::string{};
        };
        REQUIRE(folder.fixture.fetch({1, 2, 3, 4}));
        REQUIRE(folder.received() == Numbers{1, 2, 3, 4});
        folder.requireWhole(1);
        folder.requireTooLarge(2, 3'000);
        folder.requireTooLarge(4, 3'000);
    }
    GIVEN("throttling when sizes are asked for") {
        folder.server->instead = [](const std::string& line) {
            return line.substr(0, line.find(' ')) + " NO Request is throttled. Suggested Backoff Time: 5000 milliseconds\r\n";
        };
        REQUIRE(folder.fixture.fetch({1, 2}).error().code == Code::mailboxThrottled);
    }
    GIVEN("one that goes between its size and its head") {
        const auto answer = GENERATE(as<std::string>{}, "", "* 2 FETCH (UID 2 BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] NIL)\r\n",
                                     "* 2 FETCH (UID 2 BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] {0}\r\n)\r\n");
        folder.server->instead = [&](const std::string& line) {
            if (!line.ends_with(heads)) return std::string{};
            folder.server->mails.erase(2);
            return answer + line.substr(0, line.find(' ')) + " OK done\r\n";
        };
        REQUIRE(folder.fixture.fetch({1, 2, 3}));
        REQUIRE(folder.received() == Numbers{1, 3});
    }
    GIVEN("one whose head has none of the fields, and is sent as nothing") {
        folder.server->mails[2] = "X: y\r\n\r\n" + std::string(3'000, 'x');
        folder.server->instead = [](const std::string& line) {
            if (!line.ends_with(heads)) return std::string{};
            return "* 2 FETCH (UID 2 BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] {0}\r\n)\r\n" + line.substr(0, line.find(' ')) +
                   " OK done\r\n";
        };
        REQUIRE(folder.fixture.fetch({1, 2, 3}));
        REQUIRE(folder.received() == Numbers{1, 2, 3});
        folder.requireTooLarge(2, 3'008);
    }
    GIVEN("heads nobody asked for, and one that comes twice") {
        const std::string item = " BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] {2}\r\n\r\n)\r\n";
        folder.server->instead = [&](const std::string& line) {
            if (!line.ends_with(heads)) return std::string{};
            return "* 1 FETCH (UID 1" + item + "* 9 FETCH (UID 9" + item + "* 2 FETCH (UID 2" + item + "* 2 FETCH (UID 2" + item + "* 3 FETCH (" +
                   item.substr(1) + line.substr(0, line.find(' ')) + " OK done\r\n";
        };
        REQUIRE(folder.fixture.fetch({1, 2, 3}));
        REQUIRE(folder.received() == Numbers{1, 2, 3});
        folder.requireWhole(1);
        REQUIRE(folder.message(2).tooLarge == 3'000u);
    }
}

SCENARIO("a receiver that has enough ends the fetch in order, also while sizes are under way", "[imap]") {
    Folder folder;
    Numbers uids;
    for (std::uint64_t uid = 1; uid <= 2'000; ++uid) {
        folder.server->mails[uid] = mail(static_cast<int>(uid), uid == 3 ? 3'000 : 150);
        uids.push_back(uid);
    }
    folder.enter();
    folder.fixture.received.enoughAfter = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{300});
    REQUIRE(folder.fixture.fetch(uids));
    REQUIRE(folder.received().size() >= *folder.fixture.received.enoughAfter);
    REQUIRE(folder.received().size() <= *folder.fixture.received.enoughAfter + 6 * 200);
    THEN("the session goes on") { REQUIRE(folder.fixture.list()->ordinals == uids); }
}

SCENARIO("a stream cut within what is thrown away says so", "[imap]") {
    Folder folder{{.cutAfter = 3'000}};
    folder.server->mails[1] = mail(1, 500'000);
    folder.server->sizes[1] = "100";
    folder.enter();
    const auto result = folder.fixture.fetch({1});
    REQUIRE(result.error().reaction == plugin::Reaction::reconnect);
    REQUIRE(result.error().code == Code::messageTruncated);
    REQUIRE(folder.received().empty());
}
