#include "listener/imap/finding.h"
#include "tests/listener/imap/fixture.h"
#include "tests/servers/transcript.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using plugin::Code;
using plugin::Reaction;
using Names = std::vector<std::string>;

namespace {

/// A mailbox that is signed in at a server with this hierarchy.
struct Mailbox {
    Mailbox(std::string_view capabilities, std::string_view names, const std::vector<std::string>& lines)
        : server(std::make_shared<servers::Transcript>(std::initializer_list<std::string_view>{})),
          fixture((prepare(capabilities, names, lines), server)) {
        REQUIRE(fixture.open());
    }
    Names find(Names patterns) {
        const auto found = fixture.folders(std::move(patterns));
        INFO(server->failure());
        INFO((found ? std::string{} : describe(found.error())));
        REQUIRE(found);
        return *found;
    }
    std::shared_ptr<servers::Transcript> server;
    Fixture fixture;

private:
    void prepare(std::string_view capabilities, std::string_view names, const std::vector<std::string>& lines) {
        server->add("S: * PREAUTH [CAPABILITY IMAP4rev1 NAMESPACE " + std::string{capabilities} + "] ready");
        server->add("C: A1 NAMESPACE");
        server->add("S: * NAMESPACE " + std::string{names});
        server->add("S: A1 OK done");
        for (const auto& line : lines) server->add(line);
    }
};

constexpr std::string_view plain = "((\"\" \"/\")) NIL NIL";
constexpr std::string_view courier = "((\"INBOX.\" \".\")) NIL ((\"shared.\" \".\"))";

}  // namespace

SCENARIO("folders without a wildcard are answered as they are, without a question", "[imap]") {
    Mailbox mailbox{"", plain, {}};
    REQUIRE(mailbox.find({"Sales", "inbox", "Nowhere", "INBOX", "Sales"}) == Names{"Sales", "inbox", "Nowhere"});
}

SCENARIO("wildcards find what the server lists", "[imap]") {
    GIVEN("a plain hierarchy with folders nobody can enter") {
        Mailbox mailbox{"",
                        plain,
                        {"C: A2 LIST \"\" \"Sales/*\"", "S: * LIST (\\HasNoChildren) \"/\" Sales/b", "S: * LIST (\\Noselect) \"/\" Sales/none",
                         "S: * LIST (\\NonExistent) \"/\" Sales/gone", "S: * LIST () \"/\" \"Sales/a/&APwA3w-\"", "S: * LIST () \"/\" {7}",
                         "S: Sales/c", "S: * LIST () \"/\" Elsewhere", "S: A2 OK done", "C: A3 LIST \"\" \"%\"", "S: * LIST () \"/\" INBOX",
                         "S: * LIST () \"/\" Sales", "S: * LIST () \"/\" Sales/a/x", "S: A3 OK done"}};
        REQUIRE(mailbox.find({"Sales/*", "Sales/b", "%"}) == Names{"Sales/a/üß", "Sales/b", "Sales/c", "INBOX", "Sales"});
        REQUIRE(mailbox.server->isOver());
    }
    GIVEN("everything below INBOX, as Courier keeps it") {
        Mailbox mailbox{
            "",
            courier,
            {"C: A2 LIST \"\" \"INBOX.*\"", "S: * LIST (\\Unmarked) \".\" \"INBOX.Sales.2026\"", "S: * LIST () \".\" \"INBOX.A/B\"",
             "S: * LIST () \".\" \"INBOX.INBOX.x\"", "S: * LIST () \".\" \"INBOX\"", "S: A2 OK done", "C: A3 LIST \"\" \"INBOX\"",
             "S: * LIST () \".\" INBOX", "S: A3 OK done", "C: A4 LIST \"\" \"shared.*\"", "S: * LIST () \".\" shared.all", "S: A4 OK done"}};
        REQUIRE(mailbox.find({"*", "INBOX/Sales/2026", "shared/*"}) == Names{"A//B", "INBOX", "INBOX/INBOX/x", "Sales/2026", "shared/all"});
        REQUIRE(mailbox.server->isOver());
    }
    GIVEN("other people's folders in between") {
        Mailbox mailbox{"",
                        "((\"\" \"/\")) ((\"Other Users/\" \"/\")) ((\"Public/\" \"/\"))",
                        {"C: A2 LIST \"\" \"*\"", "S: * LIST () \"/\" Own", "S: * LIST () \"/\" \"Other Users/bob/Own\"",
                         "S: * LIST () \"/\" Public/all", "S: A2 OK done"}};
        REQUIRE(mailbox.find({"*"}) == Names{"Own"});
    }
    GIVEN("a pattern with characters that modified UTF-7 writes together with their neighbours") {
        Mailbox mailbox{
            "",
            plain,
            {"C: A2 LIST \"\" \"Sales/*\"", "S: * LIST () \"/\" \"Sales/Gr&APwA3w-e\"", "S: * LIST () \"/\" \"Sales/Other\"", "S: A2 OK done"}};
        REQUIRE(mailbox.find({"Sales/Gr\xc3\xbc*"}) == Names{"Sales/Grüße"});
    }
    GIVEN("a server that refuses") {
        Mailbox mailbox{"", plain, {"C: A2 LIST \"\" \"*\"", "S: A2 NO [UNAVAILABLE] later"}};
        REQUIRE(mailbox.fixture.folders({"*"}).error().reaction == Reaction::retryLater);
    }
}

SCENARIO("a folder is found by its use", "[imap]") {
    GIVEN("a server that has to be asked for uses") {
        Mailbox mailbox{"SPECIAL-USE LIST-EXTENDED",
                        plain,
                        {"C: A2 LIST \"\" \"*\" RETURN (SPECIAL-USE)", "S: * LIST (\\HasNoChildren) \"/\" INBOX",
                         "S: * LIST (\\HasNoChildren \\Archive) \"/\" Archiv", "S: * LIST (\\junk) \"/\" Spam", "S: * LIST (\\Sent) \"/\" b",
                         "S: * LIST (\\Sent) \"/\" a", "S: A2 OK done"}};
        REQUIRE(mailbox.find({"\\Sent", "\\Archive", "\\Junk", "\\Trash"}) == Names{"a", "b", "Archiv", "Spam"});
        REQUIRE(mailbox.server->isOver());
    }
    GIVEN("one that says so unasked, or refuses to be asked") {
        Mailbox mailbox{"SPECIAL-USE LIST-EXTENDED",
                        plain,
                        {"C: A2 LIST \"\" \"*\" RETURN (SPECIAL-USE)", "S: A2 BAD what?", "C: A3 LIST \"\" \"*\"", "S: * LIST (\\Trash) \"/\" Bin",
                         "S: A3 OK done"}};
        REQUIRE(mailbox.find({"\\Trash"}) == Names{"Bin"});
    }
    GIVEN("Exchange, whose LIST tells uses") {
        Mailbox mailbox{"", plain, {"C: A2 LIST \"\" \"*\"", "S: * LIST (\\HasNoChildren \\Trash) \"/\" \"Deleted Items\"", "S: A2 OK done"}};
        REQUIRE(mailbox.find({"\\trash"}) == Names{"Deleted Items"});
    }
}

SCENARIO("names written as they should not be are used as they read, or left out", "[imap]") {
    Mailbox mailbox{"",
                    plain,
                    {"C: A2 LIST \"\" \"*\"",
                     "S: * LIST () \"/\" \"Gr\xc3\xbc\xc3\x9f"
                     "e\"",
                     "S: * LIST () \"/\" \"Gr\xfc\xdf"
                     "e\"",
                     "S: * LIST () \"/\" \"R&D\"",
                     "S: * LIST () \"/\" \"Q&-A\"",
                     "S: * LIST () \"/\" \"Q&A\"",
                     "S: A2 OK done",
                     "C: A3 SELECT {7}",
                     "S: + go on",
                     "C: Gr\xc3\xbc\xc3\x9f"
                     "e",
                     "S: * 0 EXISTS",
                     "S: * OK [UIDVALIDITY 1]",
                     "S: * OK [UIDNEXT 1]",
                     "S: A3 OK done",
                     "C: A4 SELECT \"R&D\"",
                     "S: * 0 EXISTS",
                     "S: * OK [UIDVALIDITY 1]",
                     "S: * OK [UIDNEXT 1]",
                     "S: A4 OK done",
                     "C: A5 SELECT \"Q&-A\"",
                     "S: * 0 EXISTS",
                     "S: * OK [UIDVALIDITY 1]",
                     "S: * OK [UIDNEXT 1]",
                     "S: A5 OK done"}};
    REQUIRE(mailbox.find({"*"}) == Names{"Gr\xc3\xbc\xc3\x9f"
                                         "e",
                                         "Q&A", "R&D"});
    REQUIRE(
        mailbox.fixture.select("Gr\xc3\xbc\xc3\x9f"
                               "e"));
    REQUIRE(mailbox.fixture.select("R&D"));
    REQUIRE(mailbox.fixture.select("Q&A"));
    REQUIRE(mailbox.server->isOver());
    REQUIRE(mailbox.fixture.log.warnings == 1);
}

SCENARIO("more folders than anybody meant are an error, and the session goes on", "[imap]") {
    std::vector<std::string> lines{"C: A2 LIST \"\" \"*\""};
    for (std::size_t i = 0; i <= listener::imap::folderLimit; ++i) lines.push_back("S: * LIST () \"/\" f" + std::to_string(i));
    for (const auto& line : {"S: A2 OK done", "C: A3 LIST \"\" \"%x\"", "S: A3 OK done"}) lines.emplace_back(line);
    Mailbox mailbox{"", plain, lines};
    const auto found = mailbox.fixture.folders({"*"});
    REQUIRE_FALSE(found);
    REQUIRE(found.error().reaction == Reaction::askOperator);
    REQUIRE(found.error().code == Code::mailboxTooLarge);
    REQUIRE(found.error().what.find("10000") != std::string::npos);
    REQUIRE(mailbox.find({"%x"}).empty());
}
