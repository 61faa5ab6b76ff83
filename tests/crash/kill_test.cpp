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

/// Which, and how many kills of each in the suite.
std::vector<std::pair<std::string, unsigned long>> protocols() {
    const char* one = std::getenv("POSTERN_KILLS_PROTOCOL");
    if (one != nullptr) return {{one, 170}};
    return {{"imap", 170}, {"ews", 36}, {"graph", 36}};
}

/// So many deaths of programs that work on one mailbox, and what has become of it.
Figures storm(const Way& way, std::size_t wanted, std::minstd_rand& random) {
    KillStorm storm{way, random};
    std::size_t kills = 0;
    for (std::size_t lives = 0; kills < wanted && lives < 20 * wanted; ++lives)
        if (storm.liveAndDie()) ++kills;
    INFO(storm.error());
    REQUIRE(kills == wanted);
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
    return figures;
}

}  // namespace

/// POSTERN_KILLS_PROTOCOL: imap, ews or graph (all); POSTERN_KILLS: how many of each; POSTERN_KILLS_SEED: the same choices again (the moments differ:
/// the processes are real).
SCENARIO("kill -9 at random moments loses nothing and delivers nothing under a second id, whatever the protocol and the sinks", "[system][crash]") {
    const bool told = std::getenv("POSTERN_KILLS") != nullptr;
    const auto seed = static_cast<unsigned>(setting("POSTERN_KILLS_SEED", std::random_device{}()));
    INFO("seed " << seed);
    std::minstd_rand random{seed};
    for (const auto& [protocol, usual] : protocols()) {
        const auto all = ways(protocol);
        const auto wanted = setting("POSTERN_KILLS", usual);
        const auto perMailbox = std::max<std::size_t>(1, std::min<std::size_t>(100, wanted / all.size()));
        Figures sum;
        for (std::size_t round = 0; sum.kills < wanted; ++round) {
            const auto& way = all[round % all.size()];
            INFO(way.name << ", mailbox " << round);
            const auto figures = storm(way, perMailbox, random);
            sum += figures;
            if (told) show(std::to_string(round) + " " + way.name, figures);
        }
        if (told) show("all by " + protocol + " (seed " + std::to_string(seed) + ")", sum);
    }
}
