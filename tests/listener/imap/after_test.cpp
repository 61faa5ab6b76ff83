#include "tests/listener/imap/fixture.h"
#include "tests/servers/transcript.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using listener::AfterAction;
using plugin::Code;
using plugin::Reaction;
using Kind = AfterAction::Kind;
using Numbers = std::vector<std::uint64_t>;

namespace {

struct Case {
    std::string capabilities;
    listener::AfterRequest request;
    std::vector<std::string_view> lines;
    Numbers copied{};
    std::optional<Code> fails{};
};

void check(const Case& given) {
    const auto server = std::make_shared<servers::Transcript>(std::initializer_list<std::string_view>{});
    const auto ready = "S: * PREAUTH [CAPABILITY IMAP4rev1 " + given.capabilities + "] ready";
    for (const std::string_view line :
         {std::string_view{ready}, std::string_view{"C: A1 LIST \"\" \"\""}, std::string_view{"S: * LIST () \"/\" \"\""},
          std::string_view{"S: A1 OK done"}, std::string_view{"C: A2 SELECT \"INBOX\""}, std::string_view{"S: * 9 EXISTS"},
          std::string_view{"S: * OK [UIDVALIDITY 1]"}, std::string_view{"S: * OK [UIDNEXT 10]"}, std::string_view{"S: A2 OK done"}})
        server->add(line);
    for (const auto line : given.lines) server->add(line);
    Fixture fixture{server};
    REQUIRE(fixture.open());
    REQUIRE(fixture.select("INBOX"));
    const auto result = fixture.after(given.request);
    INFO(server->failure());
    INFO((result ? std::string{} : describe(result.error())));
    REQUIRE(server->failure().empty());
    REQUIRE(server->isOver());
    REQUIRE(fixture.copied == given.copied);
    REQUIRE(static_cast<bool>(result) == !given.fails);
    if (given.fails) REQUIRE(result.error().code == *given.fails);
}

listener::AfterRequest request(Kind kind, Numbers ordinals, Numbers copied = {}) { return {{kind, "Done"}, std::move(ordinals), std::move(copied)}; }

}  // namespace

SCENARIO("after-actions touch only what is ours", "[imap]") {
    THEN("leave does nothing") { check({"MOVE UIDPLUS", request(Kind::leave, {1}), {}}); }
    THEN("seen") { check({"", request(Kind::seen, {1, 2, 3, 7}), {"C: A3 UID STORE 1:3,7 +FLAGS.SILENT (\\Seen)", "S: A3 OK done"}}); }
    THEN("delete with UIDPLUS") {
        check({"UIDPLUS",
               request(Kind::remove, {1, 7}),
               {"C: A3 UID STORE 1,7 +FLAGS.SILENT (\\Deleted)", "S: A3 OK done", "C: A4 UID EXPUNGE 1,7", "S: * 1 EXPUNGE", "S: A4 OK done"}});
    }
    THEN("delete without UIDPLUS only marks: a plain EXPUNGE would take others' mail along") {
        check({"", request(Kind::remove, {1, 7}), {"C: A3 UID STORE 1,7 +FLAGS.SILENT (\\Deleted)", "S: A3 OK done"}});
    }
    THEN("seen and move") {
        check({"MOVE",
               request(Kind::seenAndMove, {4}),
               {"C: A3 UID STORE 4 +FLAGS.SILENT (\\Seen)", "S: A3 OK done", "C: A4 UID MOVE 4 \"Done\"", "S: A4 OK done"}});
    }
    THEN("move where copies stand in the target already") {
        check({"MOVE UIDPLUS",
               request(Kind::move, {4, 5, 6}, {5}),
               {"C: A3 UID MOVE 4,6 \"Done\"", "S: A3 OK done", "C: A4 UID STORE 5 +FLAGS.SILENT (\\Deleted)", "S: A4 OK done", "C: A5 UID EXPUNGE 5",
                "S: A5 OK done"}});
        check({"UIDPLUS",
               request(Kind::move, {5}, {5}),
               {"C: A3 UID STORE 5 +FLAGS.SILENT (\\Deleted)", "S: A3 OK done", "C: A4 UID EXPUNGE 5", "S: A4 OK done"}});
    }
    THEN("without MOVE only what the server says it copied is removed") {
        check({"UIDPLUS",
               request(Kind::move, {4, 5, 6}),
               {"C: A3 UID COPY 4:6 \"Done\"", "S: A3 OK [COPYUID 9 4,6 1:2] done", "C: A4 UID STORE 4,6 +FLAGS.SILENT (\\Deleted)", "S: A4 OK done",
                "C: A5 UID EXPUNGE 4,6", "S: A5 OK done"},
               {4, 6}});
    }
}

SCENARIO("what is gone already is done", "[imap]") {
    check({"MOVE",
           request(Kind::move, {4, 5}),
           {"C: A3 UID MOVE 4:5 \"Done\"", "S: A3 NO The specified message set is invalid.", "C: A4 UID SEARCH UID 4:5", "S: * SEARCH",
            "S: A4 OK done"}});
    check({"MOVE",
           request(Kind::move, {4, 5}),
           {"C: A3 UID MOVE 4:5 \"Done\"", "S: A3 NO [EXPUNGEISSUED] Some are gone", "C: A4 UID SEARCH UID 4:5", "S: * SEARCH 5", "S: A4 OK done",
            "C: A5 UID MOVE 4:5 \"Done\"", "S: A5 OK done"}});
}

SCENARIO("a missing target is created once", "[imap]") {
    THEN("where only LIST tells that it is missing") {
        check({"MOVE",
               request(Kind::move, {4}),
               {"C: A3 UID MOVE 4 \"Done\"", "S: A3 NO no", "C: A4 UID SEARCH UID 4", "S: * SEARCH 4", "S: A4 OK done", "C: A5 LIST \"\" \"Done\"",
                "S: A5 OK done", "C: A6 CREATE \"Done\"", "S: A6 NO [ALREADYEXISTS] somebody was faster", "C: A7 UID MOVE 4 \"Done\"",
                "S: A7 OK done"}});
    }
    THEN("a refusal to create it asks the operator") {
        check({"MOVE",
               request(Kind::move, {4}),
               {"C: A3 UID MOVE 4 \"Done\"", "S: A3 NO [TRYCREATE] no", "C: A4 UID SEARCH UID 4", "S: * SEARCH 4", "S: A4 OK done",
                "C: A5 CREATE \"Done\"", "S: A5 NO [NOPERM] no"},
               {},
               Code::mailboxFolderMissing});
    }
    THEN("a second refusal is an error") {
        check({"MOVE",
               request(Kind::move, {4}),
               {"C: A3 UID MOVE 4 \"Done\"", "S: A3 NO [TRYCREATE] no", "C: A4 UID SEARCH UID 4", "S: * SEARCH 4", "S: A4 OK done",
                "C: A5 CREATE \"Done\"", "S: A5 OK done", "C: A6 UID MOVE 4 \"Done\"", "S: A6 NO [TRYCREATE] no", "C: A7 UID SEARCH UID 4",
                "S: * SEARCH 4", "S: A7 OK done"},
               {},
               Code::mailboxCommandRefused});
    }
    THEN("a target that is there and refuses is an error at once") {
        check({"MOVE",
               request(Kind::move, {4}),
               {"C: A3 UID MOVE 4 \"Done\"", "S: A3 NO [OVERQUOTA] full", "C: A4 UID SEARCH UID 4", "S: * SEARCH 4", "S: A4 OK done",
                "C: A5 LIST \"\" \"Done\"", "S: * LIST () \"/\" Done", "S: A5 OK done"},
               {},
               Code::mailboxCommandRefused});
    }
}
