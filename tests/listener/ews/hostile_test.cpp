// A server that means ill, or has lost its wits: what it says costs neither messages nor memory, and comes to an end.
#include "listener/ews/folder_tree.h"
#include "listener/ews/substitute.h"
#include "tests/listener/ews/fixture.h"

#include "plugin/contract/text.h"

#include <functional>

using namespace ewstest;
using plugin::Code;
using plugin::Reaction;
using Numbers = std::vector<std::uint64_t>;
using servers::EwsAnswer;
using servers::EwsRequest;
using servers::EwsServer;

namespace {

/// A success with this content.
EwsAnswer success(const std::string& operation, const std::string& content) {
    auto answer = EwsServer::refusal(operation, "NoError");
    const std::string error = "ResponseClass=\"Error\"", end = "</m:" + operation + "ResponseMessage>";
    answer.body.replace(answer.body.find(error), error.size(), "ResponseClass=\"Success\"");
    answer.body.insert(answer.body.find(end), content);
    return answer;
}

std::string created(const std::string& id) { return "<t:Create><t:Message><t:ItemId Id=\"" + id + "\" ChangeKey=\"k\"/></t:Message></t:Create>"; }
std::string deleted(const std::string& id) { return "<t:Delete><t:ItemId Id=\"" + id + "\" ChangeKey=\"k\"/></t:Delete>"; }
EwsAnswer changes(const std::string& state, bool last, const std::string& content) {
    return success("SyncFolderItems", "<m:SyncState>" + state + "</m:SyncState><m:IncludesLastItemInRange>" + (last ? "true" : "false") +
                                          "</m:IncludesLastItemInRange><m:Changes>" + content + "</m:Changes>");
}

/// This operation is answered so, the n-th time from 1.
void answerWith(Fixture& fixture, const std::string& operation, std::function<EwsAnswer(std::size_t)> answer) {
    fixture.server.instead = [operation, answer, times = std::size_t{0}](const EwsRequest& request) mutable -> std::optional<EwsAnswer> {
        if (request.operation != operation) return std::nullopt;
        return answer(++times);
    };
}

std::size_t asked(const Fixture& fixture, const std::string& operation) {
    const auto operations = fixture.server.operations();
    return static_cast<std::size_t>(std::count(operations.begin(), operations.end(), operation));
}

}  // namespace

SCENARIO("a message that one page tells of twice is there if it is said to be there at all", "[ews][hostile]") {
    Fixture fixture;
    fixture.begin(1);
    const auto both = GENERATE(created("x") + deleted("x"), deleted("x") + created("x"), created("x") + created("x"));
    answerWith(fixture, "SyncFolderItems", [both](std::size_t) { return changes("next", true, both); });
    REQUIRE(fixture.select("INBOX"));
    CHECK(fixture.list()->ordinals == Numbers{1, 2});
    CHECK(fixture.index->at(0).items.size() == 2);
}

SCENARIO("changes that never end are given up, and what was told is kept", "[ews][hostile]") {
    Fixture fixture;
    fixture.begin(1);
    answerWith(fixture, "SyncFolderItems", [](std::size_t page) { return changes(std::to_string(page), false, created("x")); });
    const auto selected = fixture.select("INBOX");
    REQUIRE_FALSE(selected);
    CHECK((selected.error().code == Code::mailboxProtocol && selected.error().reaction == Reaction::reconnect));
    CHECK(fixture.index->at(0).items.size() == 2);
}

SCENARIO("a search that never ends fills no memory", "[ews][hostile]") {
    Fixture fixture;
    fixture.begin(3);
    answerWith(fixture, "FindItem", [](std::size_t page) {
        std::string items;
        for (int i = 0; i < 250; ++i)
            items += "<t:Message><t:ItemId Id=\"" + std::to_string(page) + "-" + std::to_string(i) + "\" ChangeKey=\"k\"/></t:Message>";
        // The pages overlap, as those of a server do that tells the truth.
        if (page > 1)
            for (int i = 225; i < 250; ++i)
                items += "<t:Message><t:ItemId Id=\"" + std::to_string(page - 1) + "-" + std::to_string(i) + "\" ChangeKey=\"k\"/></t:Message>";
        return success("FindItem", "<m:RootFolder IncludesLastItemInRange=\"false\" IndexedPagingOffset=\"250\" TotalItemsInView=\"9\"><t:Items>" +
                                       items + "</t:Items></m:RootFolder>");
    });
    const auto listed = fixture.list({.receivedSince = std::chrono::sys_days{std::chrono::year{2026} / 11 / 1}, .filterBelow = 4});
    REQUIRE_FALSE(listed);
    CHECK((listed.error().code == Code::mailboxProtocol && listed.error().reaction == Reaction::reconnect));
    CHECK(asked(fixture, "FindItem") < 200);
}

SCENARIO("ids are as long as ids are", "[ews][hostile]") {
    Fixture fixture;
    fixture.begin(1);
    const std::string longest(2048, 'i');
    GIVEN("one that is just short enough") {
        answerWith(fixture, "SyncFolderItems", [&](std::size_t) { return changes("next", true, created(longest)); });
        REQUIRE(fixture.select("INBOX"));
    }
    GIVEN("one that is longer") {
        answerWith(fixture, "SyncFolderItems", [&](std::size_t) { return changes("next", true, created(longest + "i")); });
        const auto selected = fixture.select("INBOX");
        REQUIRE_FALSE(selected);
        CHECK(selected.error().code == Code::mailboxProtocol);
        CHECK(fixture.index->at(0).items.size() == 1);
    }
    GIVEN("odd characters") {
        answerWith(fixture, "SyncFolderItems", [&](std::size_t) { return changes("next", true, created("a&amp;b&lt;&quot;&#10;/ \xc3\xa4")); });
        REQUIRE(fixture.select("INBOX"));
        REQUIRE(fixture.list()->ordinals == Numbers{1, 2});
        CHECK(fixture.index->at(0).items.contains("a&b<\"\n/ \xc3\xa4"));
        fixture.server.instead = {};
        REQUIRE(fixture.fetch({2}));  // the server knows no such message
        CHECK(fixture.server.requests().back().body.find("Id=\"a&amp;b&lt;&quot;&#10;/ \xc3\xa4\"") != std::string::npos);
    }
}

SCENARIO("names of folders that nobody can have given cost nothing", "[ews][hostile]") {
    using listener::ews::FolderEntry;
    const std::string name(1'000, 'n');
    GIVEN("a deep tree") {
        std::vector<FolderEntry> entries{{.element = "Folder", .id = "inbox", .parent = "root", .name = "Posteingang"}};
        for (int i = 0; i < 200; ++i)
            entries.push_back(
                {.element = "Folder", .id = std::to_string(i), .parent = i == 0 ? std::string("root") : std::to_string(i - 1), .name = name});
        for (int i = 0; i < 2'000; ++i)
            entries.push_back({.element = "Folder", .id = "leaf" + std::to_string(i), .parent = "199", .name = "leaf" + std::to_string(i)});
        const listener::ews::FolderTree tree(entries, "inbox");
        std::size_t octets = 0;
        for (const auto& folder : tree.folders()) octets += folder.name.size();
        CHECK(octets < 100'000);
        CHECK(tree.find("INBOX") != nullptr);
        CHECK(tree.find(name + "/" + name) != nullptr);
    }
    GIVEN("a folder below one without a name") {
        const std::vector<FolderEntry> entries{{.element = "Folder", .id = "inbox", .parent = "root", .name = "Posteingang"},
                                               {.element = "Folder", .id = "a", .parent = "root", .name = ""},
                                               {.element = "Folder", .id = "b", .parent = "a", .name = "below"}};
        const listener::ews::FolderTree tree(entries, "inbox");
        CHECK(tree.folders().size() == 1);
    }
    GIVEN("one name that is too long") {
        Fixture fixture;
        fixture.begin(0);
        answerWith(fixture, "FindFolder", [](std::size_t) {
            const auto folder = [](const std::string& id, const std::string& parent, const std::string& called) {
                return "<t:Folder><t:FolderId Id=\"" + id + "\" ChangeKey=\"k\"/><t:ParentFolderId Id=\"" + parent +
                       "\" ChangeKey=\"k\"/><t:DisplayName>" + called + "</t:DisplayName></t:Folder>";
            };
            return success("FindFolder",
                           "<m:RootFolder IncludesLastItemInRange=\"true\" IndexedPagingOffset=\"3\" TotalItemsInView=\"3\"><t:Folders>" +
                               folder("a", "root", std::string(100'000, 'n')) + folder("b", "a", "below") + folder("c", "root", "fine") +
                               "</t:Folders></m:RootFolder>");
        });
        CHECK(*fixture.folders({"*"}) == Fixture::Names{"fine"});
    }
}

SCENARIO("what a server demands without end is not shown without end", "[ews][hostile]") {
    Fixture fixture;
    fixture.server.instead = [](const EwsRequest&) {
        std::string value = "Basic";
        for (int i = 0; i < 300; ++i) value += "\r\nWWW-Authenticate: Scheme" + std::to_string(i) + " realm=\"" + std::string(100, 'r') + "\"";
        return std::optional(EwsServer::plain(401, {{"WWW-Authenticate", value}}));
    };
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Code::mailboxSignInRefused);
    CHECK(opened.error().what.size() < 2'000);
}

SCENARIO("how long to wait is believed within reason", "[ews][hostile]") {
    using std::chrono_literals::operator""h;
    using std::chrono_literals::operator""s;
    struct Row {
        const char* said;
        std::optional<std::chrono::milliseconds> wait;
    };
    const auto [said, wait] = GENERATE(values<Row>({{"-5", std::nullopt},
                                                    {"1e9", std::nullopt},
                                                    {"", std::nullopt},
                                                    {"99999999999999999999999", 24h},
                                                    {"1000000000", 24h},
                                                    {"Fri, 31 Dec 9999 23:59:59 GMT", std::nullopt},
                                                    {"Fri, 01 Jan 2200 00:00:00 GMT", 24h},
                                                    {"Thu, 01 Jan 1970 00:00:00 GMT", 0s}}));
    Fixture fixture;
    fixture.server.instead = [said = said](const EwsRequest&) { return std::optional(EwsServer::plain(503, {{"Retry-After", said}})); };
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Code::mailboxThrottled);
    CHECK(opened.error().retryAfter == wait);
}

SCENARIO("a substitute is a short text whatever the server says of the message", "[ews][hostile]") {
    listener::ews::ItemView item;
    item.subject.assign(3 << 20, 's');
    item.messageId = std::string(5'000, 'x');
    CHECK(listener::ews::substituteFor(item, "why").size() < 3'000);
    item.subject = "a";
    for (int i = 0; i < 1'000; ++i) item.subject += "\xe2\x82\xac";
    CHECK(plugin::isUtf8(listener::ews::substituteFor(item, "why")));
}
