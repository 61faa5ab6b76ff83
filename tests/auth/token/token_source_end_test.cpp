// What a process does with refresh tokens when it ends.
#include "grants_world.h"

using namespace auth;
using namespace std::chrono_literals;
using plugin::Code;

SCENARIO("a process that ends sends no refresh token any more", "[grants][ending]") {
    GrantsWorld world;
    world.processes.push_back(world.start());
    world.processes[0].tokens->beginNoMore();
    const auto none = world.token();
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::channelStopped);
    CHECK(world.provider.refreshes == 0);
    CHECK_FALSE(world.processes[0].tokens->refreshing());
    THEN("others go on, and what they store serves here too") {
        CHECK(world.text(1) == "access-secret-1");
        world.pass(2s);
        CHECK(world.text() == "access-secret-1");
    }
}

SCENARIO("a refresh that is under way when the process ends is stored", "[grants][ending]") {
    GrantsWorld world;
    bool wasCounted = false;
    world.endpoint.whenAsked = [&] {
        world.processes[0].tokens->beginNoMore();
        wasCounted = world.processes[0].tokens->refreshing();
    };
    CHECK(world.text() == "access-secret-1");
    CHECK(wasCounted);
    CHECK_FALSE(world.processes[0].tokens->refreshing());
    CHECK(world.stored()->refreshToken.reveal() == "refresh-secret-1");
}

SCENARIO("what could not be stored is tried once more at the end, and told when it is lost", "[grants][ending]") {
    GrantsWorld world;
    auto& process = world.processes[0];
    process.database->failing = true;
    CHECK(world.text() == "PO-7002");
    process.tokens->beginNoMore();
    GIVEN("a store that has room again") {
        process.database->failing = false;
        bool wasSeen = false;
        process.database->whenWritten = [&] { wasSeen = process.tokens->refreshing(); };
        CHECK(world.loop.run(process.tokens->keepRest()).empty());
        CHECK(wasSeen);  // by whoever ends the process meanwhile
        CHECK_FALSE(process.tokens->refreshing());
        CHECK(world.stored()->refreshToken.reveal() == "refresh-secret-1");
        CHECK_FALSE(world.locks.isHeld("m"));
        THEN("nothing is left to be stored") { CHECK(world.loop.run(process.tokens->keepRest()).empty()); }
    }
    GIVEN("a store that has none") {
        for (int attempt = 0; attempt < 2; ++attempt) {
            const auto lost = world.loop.run(process.tokens->keepRest());
            REQUIRE(lost.size() == 1);
            CHECK(lost[0].code == Code::storeDiskFull);
            CHECK(lost[0].what.find("credential m: ") == 0);
            CHECK(lost[0].what.find("put another one where credential.m.refresh_token reads it") != std::string::npos);
            CHECK(lost[0].what.find("secret-") == std::string::npos);
        }
    }
}

SCENARIO("where nothing waits to be stored nothing is lost", "[grants][ending]") {
    GrantsWorld world;
    CHECK(world.text() == "access-secret-1");
    CHECK(world.loop.run(world.processes[0].tokens->keepRest()).empty());
}
