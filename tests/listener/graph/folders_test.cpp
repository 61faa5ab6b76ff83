#include "tests/listener/graph/fixture.h"

using namespace graphtest;

namespace {

void furnish(GraphServer& graph) {
    graph.change([](GraphStore& store) {
        const auto invoices = store.folder("inbox", "Invoices");
        store.folder(invoices, "2026");
        store.folder(invoices, "in/out");
        store.folder("msgfolderroot", "Projects");
        store.folder(store.folder("msgfolderroot", "R\xc3\xa4te"), "a%b");
        store.folderAt(store.folder("msgfolderroot", "Secret")).hidden = true;
        store.folderAt(store.folder("msgfolderroot", "Unread mail")).search = true;
        return 0;
    });
}

}  // namespace

SCENARIO("folders are found by pattern, the inbox under its name in every language", "[graph]") {
    Fixture fixture;
    furnish(fixture.graph);
    fixture.graph.pages(GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{1000}));
    REQUIRE(fixture.open());
    CHECK(*fixture.folders({"*"}) == Names{"Archiv", "Entw\xc3\xbcrfe", "Gel\xc3\xb6schte Elemente", "Gesendete Elemente", "INBOX", "INBOX/Invoices",
                                           "INBOX/Invoices/2026", "INBOX/Invoices/in//out", "Junk-E-Mail", "Projects", "R\xc3\xa4te",
                                           "R\xc3\xa4te/a%b"});
    CHECK(*fixture.folders({"inbox/%"}) == Names{"INBOX/Invoices"});
    CHECK(*fixture.folders({"Inbox/*"}) == Names{"INBOX/Invoices", "INBOX/Invoices/2026", "INBOX/Invoices/in//out"});
    CHECK(*fixture.folders({"P%"}) == Names{"Projects"});
    CHECK(*fixture.folders({"Nothing*"}) == Names{});
}

SCENARIO("a name is answered as it is, each once", "[graph]") {
    Fixture fixture;
    furnish(fixture.graph);
    REQUIRE(fixture.open());
    CHECK(*fixture.folders({"Projects", "inbox", "INBOX", "Nowhere", "Pro%"}) == Names{"Projects", "INBOX", "Nowhere"});
}

SCENARIO("only what a pattern can fit is looked at", "[graph]") {
    Fixture fixture;
    furnish(fixture.graph);
    REQUIRE(fixture.open());
    const auto before = fixture.graph.count("childFolders");
    REQUIRE(fixture.folders({"P*"}));
    CHECK(fixture.graph.count("childFolders") == before + 1);
}

SCENARIO("folders are found by what they are for", "[graph]") {
    Fixture fixture;
    REQUIRE(fixture.open());
    CHECK(*fixture.folders({"\\Archive", "\\sent", "\\Trash", "\\Junk", "\\Drafts", "\\Flagged"}) ==
          Names{"Archiv", "Gesendete Elemente", "Gel\xc3\xb6schte Elemente", "Junk-E-Mail", "Entw\xc3\xbcrfe"});
    GIVEN("one that lies below others") {
        fixture.graph.change([](GraphStore& store) {
            store.folderAt(store.findFolder("archive")->id).parent = store.folder("inbox", "Old/things");
            return 0;
        });
        CHECK(*fixture.folders({"\\Archive"}) == Names{"INBOX/Old//things/Archiv"});
    }
    GIVEN("one that is not there") {
        fixture.graph.change([](GraphStore& store) {
            store.removeFolder(store.findFolder("archive")->id);
            return 0;
        });
        CHECK(*fixture.folders({"\\Archive", "\\Junk"}) == Names{"Junk-E-Mail"});
    }
}

SCENARIO("folders are entered by their paths", "[graph]") {
    Fixture fixture;
    furnish(fixture.graph);
    REQUIRE(fixture.open());
    for (const auto* path :
         {"INBOX", "inbox", "INBOX/Invoices", "inbox/invoices/2026", "INBOX/Invoices/in//out", "R\xc3\xa4te/a%b", "Posteingang", "PROJECTS"}) {
        INFO(path);
        const auto selected = fixture.select(path);
        CHECK(selected);
    }
    CHECK(fixture.kept->folders.size() == 6);  // INBOX by three names is one folder
    for (const auto* path : {"Nowhere", "INBOX/Nowhere", "INBOX/", "", "/", "Projects/x/y", "Secret", "Unread mail"}) {
        INFO(path);
        const auto selected = fixture.select(path);
        REQUIRE(!selected);
        CHECK(selected.error().reaction == Reaction::askOperator);
        CHECK(selected.error().code == Code::mailboxFolderMissing);
    }
    CHECK(fixture.select("INBOX"));  // the session goes on
}

SCENARIO("a folder that vanishes while it is open is missing", "[graph]") {
    Fixture fixture;
    furnish(fixture.graph);
    fixture.enter("Projects");
    REQUIRE(fixture.list());
    fixture.graph.change([](GraphStore& store) {
        store.removeFolder(store.findFolder(store.findFolder("msgfolderroot")->id, "Projects")->id);
        return 0;
    });
    const auto listed = fixture.list();
    REQUIRE(!listed);
    CHECK(listed.error().code == Code::mailboxFolderMissing);
    CHECK(listed.error().reaction == Reaction::askOperator);
}

SCENARIO("a folder that is renamed is not taken for what it was", "[graph]") {
    Fixture fixture;
    furnish(fixture.graph);
    fixture.enter("Projects");
    fixture.graph.change([](GraphStore& store) {
        store.folderAt(store.findFolder(store.findFolder("msgfolderroot")->id, "Projects")->id).name = "Done";
        return 0;
    });
    const auto selected = fixture.select("Projects");
    REQUIRE(!selected);
    CHECK(selected.error().code == Code::mailboxFolderMissing);
}

SCENARIO("pages of folders that lead elsewhere are not followed", "[graph]") {
    Fixture fixture;
    fixture.graph.pages(1);
    fixture.graph.linksLeadTo("https://evil.example.com");
    REQUIRE(fixture.open());
    const auto found = fixture.folders({"*"});
    REQUIRE(!found);
    CHECK(found.error().code == Code::mailboxForeignLink);
    CHECK(found.error().reaction == Reaction::askOperator);
}
