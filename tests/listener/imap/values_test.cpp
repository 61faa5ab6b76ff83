#include "listener/imap/command.h"
#include "listener/imap/date.h"
#include "listener/imap/mailbox_name.h"
#include "listener/imap/refusal.h"
#include "listener/imap/uid_set.h"

#include "listener/imap/substitute.h"

#include <catch2/catch.hpp>

using namespace listener::imap;
using Numbers = std::vector<std::uint64_t>;

SCENARIO("sets of UIDs are written as short as they can be", "[imap]") {
    THEN("neighbours become ranges, whatever the order") {
        REQUIRE(UidSet{Numbers{3, 1, 2, 9, 2}}.print() == "1:3,9");
        REQUIRE(UidSet{Numbers{4294967295, 4294967294}}.print() == "4294967294:4294967295");
        REQUIRE(UidSet{Numbers{}}.print().empty());
    }
    THEN("texts are read in any order and direction, and written back in one") {
        REQUIRE(UidSet::parse("9,5:3,4:6")->print() == "3:6,9");
        REQUIRE(UidSet::parse("1:4294967295")->count() == 4294967295u);
        REQUIRE(UidSet::parse("1:3")->contains(3));
        REQUIRE_FALSE(UidSet::parse("1:3,5")->contains(4));
    }
    THEN("what is no set is refused") {
        for (const std::string_view text : {"", "0", "1:", ":1", "1,,2", "*", "1:*", "4294967296", "a", "1 2", "-1"}) {
            INFO(text);
            REQUIRE_FALSE(UidSet::parse(text));
        }
    }
    THEN("commands are cut by messages and by octets, and nothing gets lost") {
        Numbers many;
        for (std::uint64_t uid = 1; uid < 5000; uid += uid % 7 == 0 ? 2 : 1) many.push_back(uid * 1000 + uid % 3);
        Numbers together;
        for (const auto piece : commandSizes(many, 200, 300)) {
            REQUIRE(piece.size() <= 200);
            REQUIRE(UidSet{piece}.print().size() <= 300);
            together.insert(together.end(), piece.begin(), piece.end());
        }
        REQUIRE(together == many);
        REQUIRE(commandSizes(Numbers{1, 2, 3, 4}, 1000, 4).size() == 1);
    }
    THEN("a UID that cannot be is our own bug") { REQUIRE_THROWS_AS(UidSet{Numbers{0}}, std::logic_error); }
}

SCENARIO("folder names travel as modified UTF-7", "[imap]") {
    struct Row {
        std::string_view utf8, wire;
    };
    const auto row = GENERATE(values<Row>({{"INBOX", "INBOX"},
                                           {"Gelöscht", "Gel&APY-scht"},
                                           {"A&B", "A&-B"},
                                           {"~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"},
                                           {"😀", "&2D3eAA-"},
                                           {"", ""},
                                           {"\t", "&AAk-"}}));
    THEN(std::string{row.wire}) {
        REQUIRE(encodeMailboxName(row.utf8) == std::string{row.wire});
        REQUIRE(decodeMailboxName(row.wire) == std::string{row.utf8});
    }
    THEN("what is not UTF-8, or not modified UTF-7, is refused") {
        for (const std::string_view bad : {"\xff", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) REQUIRE_FALSE(encodeMailboxName(bad));
        for (const std::string_view bad : {"&", "&AB", "&A-", "&AAA-x&", "\xc3\xb6", "&2D0-", "&3gA-", "&APZ-", "&!!!-"}) {
            INFO(bad);
            REQUIRE_FALSE(decodeMailboxName(bad));
        }
    }
}

SCENARIO("the configuration's folder names fit every server", "[imap]") {
    const Naming plain{}, courier{'.', "INBOX.", {"#shared."}}, flat{'\0', "", {}};
    THEN("INBOX is INBOX in any case") {
        REQUIRE(wireName("inbox", courier) == "INBOX");
        REQUIRE(wireName("INBOX", plain) == "INBOX");
    }
    THEN("the server's delimiter and prefix are put in") {
        REQUIRE(wireName("Sales/Done", plain) == "Sales/Done");
        REQUIRE(wireName("Sales/Done", courier) == "INBOX.Sales.Done");
        REQUIRE(wireName("INBOX/Done", courier) == "INBOX.Done");
        REQUIRE(wireName("#shared/a", courier) == "#shared.a");
    }
    THEN("what cannot exist there is refused") {
        REQUIRE_FALSE(wireName("a/b", flat));
        REQUIRE_FALSE(wireName("", plain));
        REQUIRE_FALSE(wireName("\xff", plain));
    }
}

SCENARIO("INTERNALDATE is a moment", "[imap]") {
    const auto at = [](std::int64_t seconds) { return plugin::Wall{std::chrono::seconds{seconds}}; };
    REQUIRE(parseInternalDate("17-Jul-1996 02:44:25 -0700") == at(837596665));
    REQUIRE(parseInternalDate(" 1-Jan-1970 00:00:00 +0000") == at(0));
    REQUIRE(parseInternalDate("1-jan-1970 05:30:00 +0530") == at(0));
    REQUIRE(parseInternalDate("29-Feb-2024 23:59:60 +0000") == at(1709251200));
    for (const std::string_view bad :
         {"", "29-Feb-2023 00:00:00 +0000", "01-Foo-2023 00:00:00 +0000", "01-Jan-2023 24:00:00 +0000", "01-Jan-2023 00:00:00",
          "01-Jan-2023 00:00:00 GMT", "01-Jan-2023 00:00:00 +0000 ", "01-Jan-0001 00:00:00 +0000", "00-Jan-2023 00:00:00 +0000"}) {
        INFO(bad);
        REQUIRE_FALSE(parseInternalDate(bad));
    }
    REQUIRE(searchDate(at(1709251200), 0) == "1-Mar-2024");
    REQUIRE(searchDate(at(1709251200), -1) == "29-Feb-2024");
}

SCENARIO("a command is quoted, or waits where it must", "[imap]") {
    const auto pieces = [](Literals literals, std::string_view text) {
        Command command{"A1", literals};
        command.word("LOGIN").string(text).string("x").end();
        std::vector<std::string> out;
        for (const auto piece : command.pieces()) out.emplace_back(piece);
        return out;
    };
    using Pieces = std::vector<std::string>;
    REQUIRE(pieces(Literals::plus, "a \"b\\") == Pieces{"A1 LOGIN \"a \\\"b\\\\\" \"x\"\r\n"});
    REQUIRE(pieces(Literals::synchronising, "ö") == Pieces{"A1 LOGIN {2}\r\n", "ö \"x\"\r\n"});
    REQUIRE(pieces(Literals::plus, "a\r\nb") == Pieces{"A1 LOGIN {4+}\r\na\r\nb \"x\"\r\n"});
    REQUIRE(pieces(Literals::minus, "ö") == Pieces{"A1 LOGIN {2+}\r\nö \"x\"\r\n"});
    REQUIRE(pieces(Literals::minus, std::string(4097, 'y')).size() == 2);
}

SCENARIO("a refusal says what to do next", "[imap]") {
    using plugin::Code;
    using plugin::Reaction;
    struct Row {
        Condition condition;
        std::string_view code, text;
        Reaction reaction;
        Code expected;
    };
    const auto row = GENERATE(values<Row>({
        {Condition::bad, "", "User is authenticated but not connected.", Reaction::askOperator, Code::mailboxAccess},
        {Condition::no, "", "Request is throttled. Suggested Backoff Time: 299910 milliseconds", Reaction::retryLater, Code::mailboxThrottled},
        {Condition::bye, "", "Request is throttled. Suggested Backoff Time: 5 milliseconds", Reaction::retryLater, Code::mailboxThrottled},
        {Condition::no, "ALERT", "Too many simultaneous connections. (Failure)", Reaction::retryLater, Code::mailboxThrottled},
        {Condition::no, "AUTHORIZATIONFAILED", "no", Reaction::askOperator, Code::mailboxAccess},
        {Condition::no, "NOPERM", "no", Reaction::askOperator, Code::mailboxCommandRefused},
        {Condition::no, "UNAVAILABLE", "later", Reaction::retryLater, Code::mailboxCommandRefused},
        {Condition::bye, "", "Session expired, please login again.", Reaction::reconnect, Code::mailboxClosedByServer},
        {Condition::no, "", "", Reaction::retryLater, Code::mailboxCommandRefused},
    }));
    THEN(std::string{row.text}) {
        Status status;
        status.condition = row.condition;
        status.code.name = row.code;
        status.text = row.text;
        const auto error = refusal(status, "imap.example.com:993", "SELECT");
        REQUIRE(error.reaction == row.reaction);
        REQUIRE(error.code == row.expected);
        REQUIRE(error.what.starts_with("imap.example.com:993: SELECT: "));
    }
    THEN("the time named is the time waited, within a day") {
        REQUIRE(suggestedBackoff("x Suggested Backoff Time: 299910 milliseconds") == std::chrono::milliseconds{299910});
        REQUIRE(suggestedBackoff("Suggested Backoff Time: 99999999999999999 milliseconds") == std::chrono::hours{24});
        REQUIRE_FALSE(suggestedBackoff("Suggested Backoff Time: soon"));
    }
}

SCENARIO("what Exchange gives out in place of a message is told from a mail about it", "[imap]") {
    using listener::imap::isSubstitute;
    const std::string from = "From: \"Microsoft Exchange Server\" <>\r\n";
    const std::string title = "Subject: Retrieval using the IMAP4 protocol failed for the following message:";
    const std::string body = "\r\nThe server couldn't retrieve the following message:\r\n";
    REQUIRE(isSubstitute(from + title + " 14\r\n" + body));
    REQUIRE(isSubstitute("Date: x\r\nfrom: Microsoft Exchange Server\r\n" + title + "\r\n 14\r\n" + body));
    REQUIRE(isSubstitute(title + " 14\n" + "From: Microsoft Exchange Server\n\n"));
    REQUIRE_FALSE(isSubstitute("From: somebody <a@b>\r\n" + title + " 14\r\n" + body));
    REQUIRE_FALSE(isSubstitute("From: Microsoft Exchange Server fans <a@b>\r\n" + title + " 14\r\n" + body));
    REQUIRE_FALSE(isSubstitute(from + "Subject: Re: Retrieval using the IMAP4 protocol failed for the following message: 14\r\n" + body));
    REQUIRE_FALSE(isSubstitute(from + title + " how to mend it\r\n" + body));
    REQUIRE_FALSE(isSubstitute(from + title + "\r\n\r\n"));
    REQUIRE_FALSE(isSubstitute(from + "\r\n" + title + " 14\r\n"));
    REQUIRE_FALSE(isSubstitute(""));
}

SCENARIO("a folder's name leads to the wire and back", "[imap]") {
    static const Naming slashes{'/', "", {}}, dots{'.', "", {}}, courier{'.', "INBOX.", {"shared."}}, flat{'\0', "", {}};
    struct Row {
        std::string wire;
        const Naming* naming;
        std::string name;
    };
    const auto row = GENERATE_COPY(values<Row>({{"inbox", &slashes, "INBOX"},
                                                {"Sales/2026", &slashes, "Sales/2026"},
                                                {"Gr&APwA3w-e/&ZeVnLIqe-", &slashes,
                                                 "Gr\xc3\xbc\xc3\x9f"
                                                 "e/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
                                                {"R&-D", &slashes, "R&D"},
                                                {"a.b", &slashes, "a.b"},
                                                {"Sales.2026", &dots, "Sales/2026"},
                                                {"Sales.A/B", &dots, "Sales/A//B"},
                                                {"INBOX.Sales.2026", &courier, "Sales/2026"},
                                                {"INBOX.INBOX", &courier, "INBOX/INBOX"},
                                                {"INBOX.shared.x", &courier, "INBOX/shared/x"},
                                                {"shared.all", &courier, "shared/all"},
                                                {"INBOX", &courier, "INBOX"},
                                                {"A.B", &flat, "A.B"},
                                                {"A/B", &flat, "A//B"}}));
    INFO(row.wire);
    REQUIRE(folderName(row.wire, *row.naming) == row.name);
    REQUIRE(sameFolder(*wireName(row.name, *row.naming), row.wire));
}

SCENARIO("a name on the wire that no name of ours leads to has none", "[imap]") {
    const Naming slashes{'/', "", {}}, dots{'.', "", {}};
    for (const auto wire : {"Gr\xc3\xbc\xc3\x9f", "Gr\xfc\xdf", "R&D", "a&", "&AAA"}) REQUIRE_FALSE(folderName(wire, slashes));
    REQUIRE_FALSE(folderName("a./b", dots));
}
