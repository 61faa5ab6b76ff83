#include "listener/graph/answer.h"
#include "listener/graph/json.h"
#include "listener/graph/request.h"
#include "listener/graph/values.h"
#include "plugin/contract/clock.h"

#include <catch2/catch.hpp>

using namespace listener::graph;
using Texts = std::vector<std::string>;

SCENARIO("JSON is read as it is meant", "[graph]") {
    const auto json = Json::parse(
        "\xef\xbb\xbf {\"a\": [1, -2.5e3, true, false, null, {}], \"s\": \"\\u00e4\\n\\ud83d\\ude00\\/\\ud800x\", \"n\": 12, \"a2\": []} ");
    REQUIRE(json);
    CHECK(json->find("a")->items().size() == 6);
    CHECK(json->find("a")->items()[1].text() == "-2.5e3");
    CHECK(*json->string("s") == "\xc3\xa4\n\xf0\x9f\x98\x80/\xef\xbf\xbdx");
    CHECK(json->number("n") == 12U);
    CHECK(!json->number("s"));
    CHECK(!json->string("n"));
    CHECK(json->find("nothing") == nullptr);
    CHECK(*Json::parse("{\"x\":1,\"x\":2}")->number("x") == 2);  // of two with one name the later
    CHECK(Json::parse("{\"r\":\"true\",\"s\":false}")->boolean("r") == true);
    CHECK(Json::parse("{\"r\":\"true\",\"s\":false}")->boolean("s") == false);
    CHECK(!Json::parse("{\"r\":\"yes\"}")->boolean("r"));
    CHECK(!Json::parse("{\"r\":-1}")->number("r"));
    CHECK(!Json::parse("{\"r\":18446744073709551616}")->number("r"));
}

SCENARIO("what is not JSON is not read", "[graph]") {
    for (const auto* text : {"",    " ",      "{",       "{}x",         "[1,]", "{\"a\"}", "{\"a\":}", "{'a':1}", "01",  "1.",
                             "tru", "\"\t\"", "\"\\x\"", "\"\\u12g4\"", "nul",  "[1 2]",   "\"\xff\"", "<html>",  "\"a", "-"}) {
        INFO(text);
        CHECK(!Json::parse(text));
    }
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK(Json::parse(nested(Json::maxDepth - 1)));
    CHECK(!Json::parse(nested(Json::maxDepth)));
    CHECK(!Json::parse(nested(1'000'000)));
    std::string many = "[0";
    for (std::size_t i = 0; i < Json::maxValues; ++i) many += ",0";
    CHECK(!Json::parse(many + "]"));
}

SCENARIO("dates are read in the forms Graph writes them", "[graph]") {
    const auto seconds = [](const char* text) { return parseDateTime(text)->time_since_epoch().count(); };
    CHECK(seconds("2026-11-22T08:15:00Z") == 1'795'335'300);
    CHECK(seconds("2026-11-22T08:15:00.1234567Z") == 1'795'335'300);
    CHECK(seconds("2026-11-22T09:15:00+01:00") == 1'795'335'300);
    CHECK(seconds("2026-11-22T03:45:00-04:30") == 1'795'335'300);
    CHECK(seconds("1969-12-31T23:59:59Z") == -1);
    CHECK(plugin::Wall(*parseDateTime("2250-12-31T23:59:59Z")) > plugin::Wall(*parseDateTime("1700-01-01T00:00:00Z")));
    for (const auto* text :
         {"", "2026-11-22", "2026-11-22T08:15Z", "2026-11-22T08:15:00", "2026-13-22T08:15:00Z", "2026-02-30T08:15:00Z", "2026-11-22T24:15:00Z",
          "2026-11-22T08:15:00.Z", "2026-11-22T08:15:00Zx", "0001-01-01T00:00:00Z", "2026-11-22T08:15:00+1:00", "99999-01-01T00:00:00Z",
          "1601-01-01T00:00:00Z", "2262-04-12T00:00:00Z", "4501-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}) {
        INFO(text);
        CHECK(!parseDateTime(text));
    }
}

SCENARIO("users, ids and names are encoded in addresses", "[graph]") {
    const Addresses addresses("https://graph.microsoft.us", "guest_partner.com#EXT#@contoso.com");
    CHECK(addresses.folder("inbox").url ==
          "https://graph.microsoft.us/v1.0/users/guest_partner.com%23EXT%23%40contoso.com/mailFolders/inbox?$select=id,displayName,parentFolderId,"
          "childFolderCount,isHidden");
    CHECK(addresses.content("AAk/+=\xc3\xa4 ").url ==
          "https://graph.microsoft.us/v1.0/users/guest_partner.com%23EXT%23%40contoso.com/messages/AAk%2F%2B%3D%C3%A4%20/$value");
    CHECK(addresses.createFolder("inbox", "a\"b\n").body == "{\"displayName\":\"a\\\"b\\n\"}");
    CHECK(addresses.changes("inbox").url.ends_with("/mailFolders/inbox/messages/delta?$select=id,receivedDateTime,isRead"));
    CHECK(Addresses::moreChanges("https://x/?a=%20").url == "https://x/?a=%20");
    const auto batch = addresses.batch({addresses.markRead("1"), addresses.move("2", "to")}, "doing");
    CHECK(Json::parse(batch.body));
    CHECK(batch.body.find(R"("method":"PATCH","url":"/users/guest_partner.com%23EXT%23%40contoso.com/messages/1",)"
                          R"("headers":{"Prefer":"return=minimal, IdType=\"ImmutableId\"")") != std::string::npos);
    CHECK(batch.body.find("\"url\":\"/users/guest_partner.com%23EXT%23%40contoso.com/messages/2/move\"") != std::string::npos);
    CHECK_THROWS_AS(addresses.batch(std::vector<BatchItem>(batchSize + 1), "doing"), std::logic_error);
}

namespace {

std::optional<MessagePage> page(const std::string& text) { return messagePage(*Json::parse(text)); }

}  // namespace

SCENARIO("a page of changes is read with what it is not asked for, and not without what is needed", "[graph]") {
    const auto full = page(R"({"@odata.context":"x","value":[
        {"@odata.etag":"W/1","id":"A","receivedDateTime":"2026-11-22T08:15:00Z","isRead":"true","new":{"x":[1]}},
        {"id":"B","isRead":false},{"id":"C","@removed":{"reason":"changed"}}],"@odata.deltaLink":"https://g/d"})");
    REQUIRE(full);
    REQUIRE(full->messages.size() == 3);
    CHECK(full->messages[0].read == true);
    CHECK(full->messages[0].received);
    CHECK(full->messages[1].read == false);
    CHECK(!full->messages[1].received);
    CHECK(full->messages[2].gone);
    CHECK(full->delta == "https://g/d");
    CHECK(page(R"({"value":[],"@odata.nextLink":"https://g/n"})")->messages.empty());
    const auto both = page(R"({"value":[],"@odata.nextLink":"https://g/n","@odata.deltaLink":"https://g/d"})");
    CHECK((both->next == "https://g/n" && both->delta.empty()));
    CHECK(!page(R"({"value":[]})"));
    CHECK(!page(R"({"@odata.deltaLink":"https://g/d"})"));
    CHECK(!page(R"({"value":{},"@odata.deltaLink":"https://g/d"})"));
    CHECK(!page(R"({"value":[{"isRead":true}],"@odata.deltaLink":"https://g/d"})"));
    CHECK(!page(R"({"value":[{"id":""}],"@odata.deltaLink":"https://g/d"})"));
    CHECK(!page(R"({"value":[7],"@odata.deltaLink":"https://g/d"})"));
    CHECK(!page(R"([])"));
}

SCENARIO("folders, errors and the answers of a $batch are read", "[graph]") {
    const auto folders = folderPage(*Json::parse(
        R"({"value":[{"id":"1","displayName":"R\u00e4te","childFolderCount":2,"isHidden":true},{"@odata.type":"#microsoft.graph.mailSearchFolder","id":"2"}]})"));
    REQUIRE(folders);
    CHECK(folders->folders[0].name == "R\xc3\xa4te");
    CHECK(folders->folders[0].children == 2);
    CHECK(folders->folders[0].hidden);
    CHECK(folders->folders[1].search);
    CHECK(!folderPage(*Json::parse(R"({"value":[{"displayName":"x"}]})")));

    const auto failure =
        readFailure(404, R"({"error":{"code":"ErrorItemNotFound","message":"gone","innerError":{"request-id":"r-1","code":"inner"}}})");
    CHECK(failure.code == "ErrorItemNotFound.inner");
    CHECK(failure.message == "gone");
    CHECK(failure.requestId == "r-1");
    CHECK(readFailure(502, "<html>").code.empty());
    CHECK(readFailure(502, "{\"error\":\"x\"}").code.empty());

    const auto answers =
        batchAnswers(*Json::parse(R"({"responses":[{"id":"2","status":429,"headers":{"retry-after":"7"},"body":{"error":{"code":"TooManyRequests"}}},
        {"id":"1","status":200,"body":{"id":"A","isRead":true}},{"id":"3","status":500,"headers":{"Retry-After":9},"body":"bm90IEpTT04="}]})"),
                     3);
    REQUIRE(answers);
    CHECK((*answers)[0].number == 1);
    CHECK((*answers)[0].retryAfter == "7");
    CHECK((*answers)[0].failure.code == "TooManyRequests");
    CHECK((*answers)[1].message->read == true);
    CHECK((*answers)[2].retryAfter == "9");
    for (const auto* wrong : {R"({"responses":[{"id":"4","status":200}]})", R"({"responses":[{"id":"0","status":200}]})",
                              R"({"responses":[{"id":"x","status":200}]})", R"({"responses":[{"id":"1","status":200},{"id":"1","status":200}]})",
                              R"({"responses":[{"id":"1"}]})", R"({"responses":[{"id":"1","status":102}]})", R"({"responses":7})", R"({})"}) {
        INFO(wrong);
        CHECK(!batchAnswers(*Json::parse(wrong), 3));
    }
}
