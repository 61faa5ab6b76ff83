#include "tests/listener/imap/fixture.h"
#include "tests/servers/transcript.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using plugin::Code;
using plugin::Reaction;

namespace {

using Lines = std::vector<std::string>;

/// A server up to where what is expected is asked for, above UID 4; then these lines.
struct Server {
    explicit Server(const Lines& lines)
        : transcript(std::make_shared<servers::Transcript>(std::initializer_list<std::string_view>{})), fixture(transcript) {
        for (const std::string_view line : {R"(S: * PREAUTH [CAPABILITY IMAP4rev1 NAMESPACE ESEARCH IDLE] ready)", R"(C: A1 NAMESPACE)",
                                            R"(S: * NAMESPACE (("" "/")) NIL NIL)", R"(S: A1 OK done)", R"(C: A2 SELECT "INBOX")"})
            transcript->add(line);
        for (const auto& line : lines) transcript->add(line);
        fixture.mailbox().expect("INBOX", 4);
    }
    bool isContent() const { return transcript->isOver() && transcript->failure().empty(); }

    std::shared_ptr<servers::Transcript> transcript;
    Fixture fixture;
};

Lines joined(Lines lines, const Lines& more) {
    lines.insert(lines.end(), more.begin(), more.end());
    return lines;
}

const Lines selected{"S: * 3 EXISTS", "S: * OK [UIDVALIDITY 7] x", "S: * OK [UIDNEXT 12] x", "S: A2 OK done"};
const Lines searched{"C: A3 UID SEARCH RETURN (ALL) UID 5:80004", R"(S: * ESEARCH (TAG "A3") UID ALL 7,11)", "S: A3 OK done"};
const Lines both = joined(selected, searched);
/// As it is asked for where nothing was expected.
const Lines plainly{R"(C: A4 SELECT "INBOX")",
                    "S: * 3 EXISTS",
                    "S: * OK [UIDVALIDITY 7] x",
                    "S: * OK [UIDNEXT 12] x",
                    "S: A4 OK done",
                    "C: A5 UID SEARCH RETURN (ALL) UID 5:*",
                    R"(S: * ESEARCH (TAG "A5") UID ALL 7,11)",
                    "S: A5 OK done"};
const Lines searchedPlainly{"C: A4 UID SEARCH RETURN (ALL) UID 5:*", R"(S: * ESEARCH (TAG "A4") UID ALL 7,11)", "S: A4 OK done"};

}  // namespace

SCENARIO("what is expected to be asked for comes with the sign-in", "[imap]") {
    GIVEN("a server that answers as expected") {
        Server server{joined(both, {"C: A4 UID SEARCH RETURN (ALL) UID 12:*", R"(S: * ESEARCH (TAG "A4") UID)", "S: A4 OK done"})};
        auto& fixture = server.fixture;
        REQUIRE(fixture.open());
        WHEN("it is asked for") {
            const auto view = fixture.select("INBOX");
            REQUIRE(view);
            const auto listing = fixture.list({.above = 4});
            REQUIRE(listing);
            THEN("it is there, once") {
                CHECK(view->validity == 7);
                CHECK(view->next == 12);
                CHECK(view->exists == 3);
                CHECK(listing->ordinals == std::vector<std::uint64_t>{7, 11});
                CHECK(listing->upTo == 11);
                CHECK_FALSE(server.isContent());
                CHECK(fixture.list({.above = 11})->ordinals.empty());
                CHECK(server.isContent());
            }
        }
        WHEN("only the first is wanted") {
            REQUIRE(fixture.select("INBOX"));
            const auto listing = fixture.list({.above = 4, .limit = 1});
            REQUIRE(listing);
            CHECK(listing->ordinals == std::vector<std::uint64_t>{7});
            CHECK(listing->more);
        }
        WHEN("it is used without having been entered") { CHECK_THROWS_AS(fixture.list(), std::logic_error); }
    }
    GIVEN("mail that comes between the two") {
        Server server{joined(both, {"C: A4 LIST \"\" \"%\"", "S: * 4 EXISTS", "S: * LIST () \"/\" INBOX", "S: A4 OK done"})};
        auto& fixture = server.fixture;
        REQUIRE(fixture.open());
        REQUIRE(fixture.folders({"%"}));
        REQUIRE(fixture.select("INBOX")->exists == 4);
        REQUIRE(fixture.list({.above = 4})->ordinals == std::vector<std::uint64_t>{7, 11});
        THEN("it is news at once") { CHECK(*fixture.watch({"INBOX"}) == std::vector<std::string>{"INBOX"}); }
    }
    GIVEN("a caller who watches instead") {
        Server server{
            joined(both, {R"(C: A4 SELECT "INBOX")", "S: * 3 EXISTS", "S: * OK [UIDVALIDITY 7] x", "S: * OK [UIDNEXT 12] x", "S: A4 OK done"})};
        REQUIRE(server.fixture.open());
        THEN("what is there and was not looked into is news") {
            CHECK(*server.fixture.watch({"INBOX"}) == std::vector<std::string>{"INBOX"});
            CHECK(server.isContent());
        }
    }
}

SCENARIO("where anything is other than expected it is asked for plainly", "[imap]") {
    const Lines no{"S: A2 NO not this one", "C: A3 UID SEARCH RETURN (ALL) UID 5:80004", "S: A3 BAD no folder is open"};
    const Lines twice{"S: * 3 EXISTS",
                      "S: * OK [UIDVALIDITY 7] x",
                      "S: * OK [UIDNEXT 12] x",
                      "S: A2 OK done",
                      "C: A3 UID SEARCH RETURN (ALL) UID 5:80004",
                      R"(S: * ESEARCH (TAG "A3") UID ALL 7)",
                      "S: * 4 EXISTS",
                      "S: A3 OK done"};
    const Lines withoutNext = joined({"S: * 3 EXISTS", "S: * OK [UIDVALIDITY 7] x", "S: A2 OK done"}, searched);
    const Lines far = joined({"S: * 3 EXISTS", "S: * OK [UIDVALIDITY 7] x", "S: * OK [UIDNEXT 80006] x", "S: A2 OK done"}, searched);
    const Lines unsearched = joined(selected, {"C: A3 UID SEARCH RETURN (ALL) UID 5:80004", "S: A3 NO not now"});
    const Lines unanswered = joined(selected, {"C: A3 UID SEARCH RETURN (ALL) UID 5:80004", "S: A3 OK done"});
    const auto [what, lines, plain] =
        GENERATE_COPY(table<std::string, Lines, Lines>({{"SELECT is refused", no, plainly},
                                                        {"mail comes meanwhile", twice, plainly},
                                                        {"UIDNEXT is not told", withoutNext, plainly},
                                                        {"there are more UIDs than one answer holds", far, searchedPlainly},
                                                        {"SEARCH is refused", unsearched, searchedPlainly},
                                                        {"SEARCH is not answered", unanswered, searchedPlainly}}));
    GIVEN(what) {
        Server server{joined(lines, plain)};
        REQUIRE(server.fixture.open());
        REQUIRE(server.fixture.select("INBOX"));
        const auto listing = server.fixture.list({.above = 4});
        INFO(server.transcript->failure());
        REQUIRE(listing);
        CHECK(listing->ordinals == std::vector<std::uint64_t>{7, 11});
        CHECK(server.isContent());
    }
    GIVEN("a caller who wants another part of the folder") {
        Server server{joined(both, {"C: A4 UID SEARCH RETURN (ALL) UID 1:*", R"(S: * ESEARCH (TAG "A4") UID ALL 3,7,11)", "S: A4 OK done"})};
        REQUIRE(server.fixture.open());
        REQUIRE(server.fixture.select("INBOX"));
        CHECK(server.fixture.list()->ordinals == std::vector<std::uint64_t>{3, 7, 11});
        CHECK(server.isContent());
    }
    GIVEN("a caller who wants another folder") {
        Server server{joined(both, {R"(C: A4 SELECT "Other")", "S: * 0 EXISTS", "S: * OK [UIDVALIDITY 8] x", "S: * OK [UIDNEXT 1] x", "S: A4 OK done",
                                    "C: A5 UID SEARCH RETURN (ALL) UID 5:*", R"(S: * ESEARCH (TAG "A5") UID)", "S: A5 OK done"})};
        REQUIRE(server.fixture.open());
        REQUIRE(server.fixture.select("Other")->validity == 8);
        CHECK(server.fixture.list({.above = 4})->ordinals.empty());
        CHECK(server.isContent());
    }
    GIVEN("a folder whose name is not known before the server was asked") {
        Fixture fixture{std::make_shared<servers::Transcript>(
            std::initializer_list<std::string_view>{"S: * PREAUTH [CAPABILITY IMAP4rev1 NAMESPACE] ready", "C: A1 NAMESPACE",
                                                    R"(S: * NAMESPACE (("INBOX." ".")) NIL NIL)", "S: A1 OK done"})};
        fixture.mailbox().expect("Orders", 0);
        REQUIRE(fixture.open());
    }
}

SCENARIO("a server that wants to be left alone is, also when it says so early", "[imap]") {
    const Lines refused{"C: A3 UID SEARCH RETURN (ALL) UID 5:80004", "S: A3 BAD no folder is open"};
    GIVEN("throttling") {
        Server server{joined({"S: A2 NO Request is throttled. Suggested Backoff Time: 299910 milliseconds"}, refused)};
        const auto opened = server.fixture.open();
        REQUIRE(opened.error().reaction == Reaction::retryLater);
        REQUIRE(opened.error().retryAfter);
        REQUIRE(server.fixture.access.tokens().refusals == 0);
    }
    GIVEN("a mailbox that is signed in to and not connected") {
        Server server{joined({"S: A2 BAD User is authenticated but not connected."}, refused)};
        const auto opened = server.fixture.open();
        REQUIRE(opened.error().code == Code::mailboxAccess);
        REQUIRE(server.fixture.access.tokens().refusals == 0);
    }
}
