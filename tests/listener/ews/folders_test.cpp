#include "tests/listener/ews/fixture.h"

using namespace ewstest;
using plugin::Code;
using plugin::Reaction;
using Names = Fixture::Names;

SCENARIO("folders are found by pattern and by use", "[ews]") {
    Fixture fixture;
    auto& store = fixture.server.store();
    const auto invoices = store.addFolder(store.distinguished("inbox"), "Invoices");
    store.addFolder(invoices, "2026/11");
    store.addFolder("", "Archiv");
    store.addFolder("", "Kontakte", "IPF.Contact");
    fixture.server.foldersAtOnce = GENERATE(std::size_t{500}, std::size_t{2});
    REQUIRE(fixture.open());
    CHECK(*fixture.folders({"INBOX", "Anywhere"}) == Names{"INBOX", "Anywhere"});
    CHECK(fixture.server.operations() == Names{"GetFolder"});
    CHECK(*fixture.folders({"INBOX/*"}) == Names{"INBOX/Invoices", "INBOX/Invoices/2026//11"});
    CHECK(*fixture.folders({"inbox/%"}) == Names{"INBOX/Invoices"});
    CHECK(*fixture.folders({"*"}) ==
          Names{"Archiv", "Deleted Items", "Drafts", "INBOX", "INBOX/Invoices", "INBOX/Invoices/2026//11", "Junk Email", "Sent Items"});
    CHECK(*fixture.folders({"Archiv", "A*", "\\Sent", "\\Trash", "\\Archive", "\\Flagged", "Sent Items"}) ==
          Names{"Archiv", "Sent Items", "Deleted Items"});
}

SCENARIO("an older server that does not know a folder's use has no such folder", "[ews]") {
    Fixture fixture;
    REQUIRE(fixture.open());
    fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.body.find("\"archive\"") == std::string::npos) return std::nullopt;
        return servers::EwsServer::fault("ErrorSchemaValidation");
    };
    CHECK(*fixture.folders({"\\Archive", "INBOX"}) == Names{"INBOX"});
}

SCENARIO("a folder is entered by its name, whatever the inbox is called", "[ews]") {
    Fixture fixture;
    auto& store = fixture.server.store();
    const auto invoices = store.addFolder(store.distinguished("inbox"), "Invoices");
    fixture.server.deliver(invoices, mail("1"));
    REQUIRE(fixture.open());
    CHECK(fixture.select("Inbox/Invoices")->exists == 1);
    CHECK(fixture.select("inbox")->exists == 0);
    GIVEN("one that is not there") {
        const auto selected = fixture.select("Invoices");
        REQUIRE_FALSE(selected);
        CHECK((selected.error().code == Code::mailboxFolderMissing && selected.error().reaction == Reaction::askOperator));
    }
    GIVEN("another folder that has taken the name meanwhile") {
        const auto before = fixture.select("INBOX/Invoices");
        store.removeFolder(invoices);
        const auto other = store.addFolder(store.distinguished("inbox"), "Invoices");
        fixture.server.deliver(other, mail("2"));
        fixture.server.deliver(other, mail("3"));
        const auto now = fixture.select("INBOX/Invoices");
        REQUIRE(now);
        CHECK(now->exists == 2);
        CHECK(now->validity != before->validity);
    }
    GIVEN("one that is removed for good") {
        REQUIRE(fixture.select("INBOX/Invoices"));
        store.removeFolder(invoices);
        CHECK(fixture.select("INBOX/Invoices").error().code == Code::mailboxFolderMissing);
    }
    GIVEN("one that was renamed some time ago, and another in its place") {
        REQUIRE(fixture.select("INBOX/Invoices"));
        store.folder(invoices)->name = "Old";
        const auto other = store.addFolder(store.distinguished("inbox"), "Invoices");
        fixture.server.deliver(other, mail("2"));
        fixture.server.deliver(other, mail("3"));
        fixture.loop.clock().pass(std::chrono::minutes{6});
        CHECK(fixture.select("INBOX/Invoices")->exists == 2);
    }
}

SCENARIO("names with characters XML does not have are read", "[ews]") {
    Fixture fixture;
    fixture.server.oddText = "&#x0;&#x1f;";
    fixture.server.store().addFolder("", "Odd");
    REQUIRE(fixture.open());
    const auto folders = fixture.folders({"O*"});
    REQUIRE(folders);
    CHECK(*folders == Names{"Odd\xef\xbf\xbd\xef\xbf\xbd"});
    CHECK(fixture.select(folders->front()));
}
