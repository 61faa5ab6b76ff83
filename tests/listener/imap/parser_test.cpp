#include "listener/imap/parser.h"

#include <catch2/catch.hpp>

#include <string>

using namespace listener::imap;

namespace {

template <class T>
T parsed(std::string_view text, std::optional<std::size_t> bodyAt = {}) {
    const auto line = std::string{text} + "\r\n";
    auto result = parseResponse(line, bodyAt);
    INFO(text);
    REQUIRE(std::holds_alternative<Response>(result));
    auto& response = std::get<Response>(result);
    REQUIRE(std::holds_alternative<T>(response));
    return std::get<T>(std::move(response));
}

bool unreadable(std::string_view text) {
    const auto line = std::string{text} + "\r\n";
    return std::holds_alternative<Unreadable>(parseResponse(line));
}

using Words = std::vector<std::string>;

}  // namespace

SCENARIO("status responses say who is answered, how, and why", "[imap]") {
    THEN("a tagged OK with a code") {
        const auto status = parsed<Status>("A7 OK [READ-WRITE] SELECT completed");
        REQUIRE(status.tag == "A7");
        REQUIRE(status.condition == Condition::ok);
        REQUIRE(status.code.name == "READ-WRITE");
        REQUIRE(status.text == "SELECT completed");
    }
    THEN("an untagged one, in any case, without text") {
        REQUIRE(parsed<Status>("* ok").tag.empty());
        REQUIRE(parsed<Status>("* PreAuth hello").condition == Condition::preauth);
        REQUIRE(parsed<Status>("* BYE Connection closed. 14").text == "Connection closed. 14");
        REQUIRE(parsed<Status>("A1 BAD ").condition == Condition::bad);
    }
    THEN("codes with a number") {
        REQUIRE(parsed<Status>("* OK [UIDVALIDITY 14] ok").code.number == 14u);
        REQUIRE(parsed<Status>("* OK [UIDNEXT 4392]").code.number == 4392u);
        REQUIRE(parsed<Status>("* OK [uidnext 4392] x").code.is("UIDNEXT"));
        REQUIRE_FALSE(parsed<Status>("* OK [UIDNEXT x]").code.number);
    }
    THEN("capabilities in upper case") {
        REQUIRE(parsed<Status>("A1 OK [CAPABILITY IMAP4rev1 auth=XOAUTH2] in").code.arguments == Words{"IMAP4REV1", "AUTH=XOAUTH2"});
        REQUIRE(parsed<CapabilityData>("* CAPABILITY IMAP4rev1  idle ").names == Words{"IMAP4REV1", "IDLE"});
    }
    THEN("COPYUID and APPENDUID, however incomplete") {
        const auto whole = parsed<Status>("* OK [COPYUID 38505 304,319:320 3956:3958] Done").code;
        REQUIRE(whole.number == 38505u);
        REQUIRE(whole.source.print() == "304,319:320");
        REQUIRE(whole.target.print() == "3956:3958");
        REQUIRE(parsed<Status>("* OK [COPYUID 14  ]").code.source.empty());
        REQUIRE(parsed<Status>("A1 OK [APPENDUID 38505 3955] x").code.target.print() == "3955");
    }
    THEN("a code with brackets in quotes, and a text that only looks like one") {
        REQUIRE(parsed<Status>("A1 NO [BADCHARSET (\"a]b\")] no").text == "no");
        REQUIRE(parsed<Status>("A1 NO [no end").text == "[no end");
        REQUIRE(parsed<Status>("A1 NO [AUTHENTICATIONFAILED] x").code.is("AUTHENTICATIONFAILED"));
    }
    THEN("a continuation") {
        REQUIRE(parsed<Continuation>("+ eyJzdGF0").text == "eyJzdGF0");
        REQUIRE(parsed<Continuation>("+").text.empty());
        REQUIRE(parsed<Continuation>("+ ").text.empty());
    }
}

SCENARIO("FETCH answers are read item by item", "[imap]") {
    THEN("all that we ask for, the body apart") {
        const std::string text = "* 12 FETCH (UID 37 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" FLAGS (\\Seen $MDNSent) BODY[] {4072}\r\n)";
        const auto fetch = parsed<Fetch>(text, text.find("\r\n") + 2);
        REQUIRE(fetch.sequence == 12);
        REQUIRE(fetch.uid == 37u);
        REQUIRE(fetch.internalDate == plugin::Wall{std::chrono::seconds{837596665}});
        REQUIRE(fetch.flags == Words{"\\Seen", "$MDNSent"});
        REQUIRE(fetch.body->kind == Body::Kind::apart);
        REQUIRE(fetch.body->size == 4072);
    }
    THEN("a body inside as literal, quoted or NIL, before or after the UID") {
        REQUIRE(parsed<Fetch>("* 1 FETCH (BODY[] {5}\r\na)\r\nb UID 7)").body->text == "a)\r\nb");
        REQUIRE(parsed<Fetch>("* 1 FETCH (BODY[] {5}\r\na)\r\nb UID 7)").uid == 7u);
        REQUIRE(parsed<Fetch>("* 1 FETCH (UID 7 BODY[] \"a \\\"b\\\\\")").body->text == "a \"b\\");
        REQUIRE(parsed<Fetch>("* 1 FETCH (UID 7 BODY[] NIL)").body->kind == Body::Kind::nil);
    }
    THEN("items we do not know are passed over, lists in lists included") {
        const auto fetch = parsed<Fetch>(
            "* 1 FETCH (X-GM-MSGID 1278455344230334865 X-GM-LABELS (\\Inbox \"a (b\") MODSEQ (12121231000) BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" "
            "(\"CHARSET\" "
            "{5}\r\nut)f8) NIL NIL \"7BIT\" 2 1) \"MIXED\") BODY[HEADER.FIELDS (DATE FROM)] {2}\r\nxy UID 9 RFC822.SIZE 17)");
        REQUIRE(fetch.uid == 9u);
        REQUIRE(fetch.size == 17u);
        REQUIRE_FALSE(fetch.body);
    }
    THEN("a date that is none is no date, and the rest stands") {
        const auto fetch = parsed<Fetch>("* 1 FETCH (INTERNALDATE \"yesterday\" UID 3)");
        REQUIRE_FALSE(fetch.internalDate);
        REQUIRE(fetch.uid == 3u);
    }
    THEN("a size the server cannot tell is no size, and the rest stands") {
        const auto fetch = parsed<Fetch>("* 1 FETCH (RFC822.SIZE NIL UID 3)");
        REQUIRE_FALSE(fetch.size);
        REQUIRE(fetch.uid == 3u);
    }
    THEN("what cannot be relied on is unreadable") {
        REQUIRE(unreadable("* 1 FETCH (UID 0)"));
        REQUIRE(unreadable("* 1 FETCH (UID 3 RFC822.SIZE many)"));
        REQUIRE(unreadable("* 1 FETCH (UID 4294967296)"));
        REQUIRE(unreadable("* 1 FETCH (UID x)"));
        REQUIRE(unreadable("* 1 FETCH (UID 7"));
        REQUIRE(unreadable("* 1 FETCH (UID 7) more"));
        REQUIRE(unreadable("* 1 FETCH (FLAGS (\\Seen)"));
        REQUIRE(unreadable("* 1 FETCH (BODY[] {9}\r\nabc)"));
        REQUIRE(unreadable("* 1 FETCH (BODY[] \"abc)"));
        REQUIRE(unreadable("* 1 FETCH UID 7"));
        REQUIRE(unreadable("* 1 FETCH (ENVELOPE " + std::string(40, '(') + std::string(40, ')') + ")"));
    }
}

SCENARIO("searches answer sets", "[imap]") {
    THEN("SEARCH, also empty and with a MODSEQ") {
        REQUIRE(parsed<Search>("* SEARCH 2 84 882 3").found.print() == "2:3,84,882");
        REQUIRE(parsed<Search>("* SEARCH").found.empty());
        REQUIRE(parsed<Search>("* SEARCH ").found.empty());
        REQUIRE(parsed<Search>("* SEARCH 2 5 (MODSEQ 917162500)").found.print() == "2,5");
    }
    THEN("ESEARCH") {
        const auto answer = parsed<Esearch>("* ESEARCH (TAG \"A282\") UID MIN 2 COUNT 3 MAX 47 ALL 2,10:11,47 X-NEW (a b)");
        REQUIRE(answer.tag == "A282");
        REQUIRE(answer.uid);
        REQUIRE(answer.min == 2u);
        REQUIRE(answer.max == 47u);
        REQUIRE(answer.count == 3u);
        REQUIRE(answer.all.print() == "2,10:11,47");
        REQUIRE(parsed<Esearch>("* ESEARCH (TAG A1) UID").all.empty());
        REQUIRE(parsed<Esearch>("* ESEARCH").all.empty());
    }
    THEN("what cannot be relied on is unreadable") {
        REQUIRE(unreadable("* SEARCH 1 x"));
        REQUIRE(unreadable("* SEARCH 0"));
        REQUIRE(unreadable("* SEARCH 4294967296"));
        REQUIRE(unreadable("* ESEARCH (TAG \"A1\") UID ALL 5:*"));
        REQUIRE(unreadable("* ESEARCH (TAG \"A1\") UID COUNT x"));
    }
}

SCENARIO("what informs us is read as far as it can be", "[imap]") {
    THEN("LIST") {
        const auto list = parsed<List>("* LIST (\\HasNoChildren \\Sent) \"/\" \"Gesendete &ANY-\"");
        REQUIRE(list.attributes == Words{"\\HasNoChildren", "\\Sent"});
        REQUIRE(list.delimiter == '/');
        REQUIRE(list.name == "Gesendete &ANY-");
        REQUIRE_FALSE(parsed<List>("* LIST () NIL INBOX").delimiter);
        REQUIRE(parsed<List>("* LIST () \".\" {5}\r\na\"b)c").name == "a\"b)c");
        REQUIRE(parsed<List>("* LIST () \"\\\\\" x").delimiter == '\\');
    }
    THEN("STATUS, EXISTS, EXPUNGE, ID, NAMESPACE") {
        const auto status = parsed<MailboxStatus>("* STATUS \"a b\" (MESSAGES 231 UIDNEXT 44292 X (1) UIDVALIDITY 7)");
        REQUIRE(status.messages == 231u);
        REQUIRE(status.uidNext == 44292u);
        REQUIRE(status.uidValidity == 7u);
        REQUIRE(parsed<Exists>("* 23 EXISTS").count == 23);
        REQUIRE(parsed<Expunge>("* 3 expunge").sequence == 3);
        REQUIRE(parsed<Id>("* ID (\"Name\" \"Dovecot\" \"os\" NIL)").fields == std::vector<std::pair<std::string, std::string>>{{"name", "Dovecot"}});
        REQUIRE(parsed<Id>("* ID NIL").fields.empty());
        const auto names = parsed<Namespace>("* NAMESPACE ((\"INBOX.\" \".\" \"X-P\" (\"a\"))) NIL ((\"#shared.\" \".\")(\"#news.\" NIL))");
        REQUIRE(names.personal.front().prefix == "INBOX.");
        REQUIRE(names.personal.front().delimiter == '.');
        REQUIRE(names.others.empty());
        REQUIRE(names.shared.size() == 2);
    }
    THEN("a broken one, or one nobody knows, is passed over") {
        REQUIRE(parsed<Other>("* LIST whatever").name == "LIST");
        REQUIRE(parsed<Other>("* FLAGS (\\Seen)").name == "FLAGS");
        REQUIRE(parsed<Other>("* 5 RECENT").name == "RECENT");
        REQUIRE(parsed<Other>("* VANISHED (EARLIER) 41,43").name == "VANISHED");
    }
    THEN("no response at all is unreadable") {
        REQUIRE(unreadable(""));
        REQUIRE(unreadable("A1"));
        REQUIRE(unreadable(" OK"));
        REQUIRE(unreadable("A1 WHAT now"));
        REQUIRE(unreadable("* "));
        REQUIRE(unreadable("* 99999999999999999999 EXISTS"));
        REQUIRE(std::holds_alternative<Unreadable>(parseResponse("* OK")));
    }
}
