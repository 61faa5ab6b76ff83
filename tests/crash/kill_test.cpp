#include "tests/crash/kill_storm.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <iostream>

using namespace crash;

namespace {

unsigned long setting(const char* name, unsigned long otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::stoul(text);
}

void show(const std::string& what, const Figures& figures) {
    std::cout << what << ": kills=" << figures.kills << " mails=" << figures.mails << " lost=" << figures.lost << " twice=" << figures.twice
              << " foreign=" << figures.foreign << " misplaced=" << figures.misplaced << " leftovers=" << figures.leftovers
              << " repeats=" << figures.repeats << " copies=" << figures.copies << std::endl;
}

}  // namespace

/// POSTERN_KILLS: how many (170); POSTERN_KILLS_SEED: the same choices again (the moments differ: the processes are real).
SCENARIO("kill -9 at random moments loses nothing and delivers nothing under a second id, whatever the sink", "[system][crash]") {
    const bool told = std::getenv("POSTERN_KILLS") != nullptr;
    const auto wanted = setting("POSTERN_KILLS", 170);
    const auto seed = static_cast<unsigned>(setting("POSTERN_KILLS_SEED", std::random_device{}()));
    INFO("seed " << seed);
    std::minstd_rand random{seed};
    const auto perMailbox = std::min<std::size_t>(100, wanted / ways().size());
    Figures all;
    for (std::size_t round = 0; all.kills < wanted; ++round) {
        const auto& way = ways()[round % ways().size()];
        INFO(way.name << ", mailbox " << round);
        KillStorm storm{way, random};
        std::size_t kills = 0;
        for (std::size_t lives = 0; kills < perMailbox && lives < 20 * perMailbox; ++lives)
            if (storm.liveAndDie()) ++kills;
        INFO(storm.error());
        REQUIRE(kills == perMailbox);
        const auto status = storm.settle();
        INFO(storm.error());
        REQUIRE(status == 0);
        auto figures = storm.count();
        figures.kills = kills;
        CHECK(figures.mails > 0);
        CHECK(figures.lost == 0);
        CHECK(figures.twice == 0);
        CHECK(figures.foreign == 0);
        CHECK(figures.misplaced == 0);
        CHECK(figures.leftovers == 0);
        if (!way.mayCopyTwice) CHECK(figures.copies == 0);
        all += figures;
        if (told) show(std::to_string(round) + " " + way.name, figures);
    }
    if (told) show("all (seed " + std::to_string(seed) + ")", all);
}
