// A server that means ill, or has lost its wits: what it says costs neither messages nor memory.
#include "tests/listener/graph/fixture.h"

using namespace graphtest;

SCENARIO("a date the clock cannot hold is none, and the message is there all the same", "[graph][hostile]") {
    Fixture fixture;
    const auto* const date = GENERATE("4501-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1601-01-01T00:00:00Z");
    const auto id = fixture.graph.deliver(mail("odd"), date);
    fixture.enter();
    REQUIRE(fixture.list()->ordinals == Numbers{1});
    CHECK_FALSE(fixture.kept->folders.begin()->second.items.at(id).item.received);
    const auto now = fixture.loop.clock().wall();
    REQUIRE(fixture.fetch({1}));
    REQUIRE(fixture.received.messages.size() == 1);
    CHECK(fixture.received.messages.front().received >= std::chrono::floor<std::chrono::seconds>(now));
}

SCENARIO("names of folders that nobody can have given cost nothing", "[graph][hostile]") {
    Fixture fixture;
    fixture.graph.change([](GraphStore& store) {
        store.folder(store.folder("msgfolderroot", std::string(100'000, 'n')), "below");
        std::string parent = "msgfolderroot";
        for (int i = 0; i < 20; ++i) parent = store.folder(parent, std::string(1'000, 'd'));
        store.folder("msgfolderroot", "fine");
        return 0;
    });
    REQUIRE(fixture.open());
    const auto found = fixture.folders({"*"});
    REQUIRE(found);
    CHECK(std::count(found->begin(), found->end(), "fine") == 1);
    CHECK(std::all_of(found->begin(), found->end(), [](const std::string& path) { return path.size() <= 4'096; }));
    CHECK(std::none_of(found->begin(), found->end(), [](const std::string& path) { return path.find("below") != std::string::npos; }));
    CHECK(std::count_if(found->begin(), found->end(), [](const std::string& path) { return path.starts_with("dd"); }) == 4);
}
