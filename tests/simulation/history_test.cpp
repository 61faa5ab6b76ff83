// Plays seeded histories: `history_test` plays POSTERN_HISTORIES (2000) from POSTERN_SEED (1); `history_test SEED` replays one with its log.
#include "tests/simulation/history.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::stoull(text);
}

void show(std::uint64_t seed, const simulation::Verdict& verdict) {
    std::cout << "seed " << seed << ": " << verdict.plot << "\n";
    for (const auto& failure : verdict.failures) std::cout << "  " << failure << "\n";
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2) {
        const auto seed = std::stoull(arguments[1]);
        const auto verdict = simulation::playHistory(seed, true);
        show(seed, verdict);
        return verdict.failures.empty() ? 0 : 1;
    }
    const auto histories = setting("POSTERN_HISTORIES", 2000), first = setting("POSTERN_SEED", 1);
    simulation::Verdict total;
    std::uint64_t failed = 0;
    for (std::uint64_t seed = first; seed < first + histories; ++seed) {
        const auto verdict = simulation::playHistory(seed);
        total.mails += verdict.mails;
        total.delivered += verdict.delivered;
        total.kills += verdict.kills;
        total.powerCuts += verdict.powerCuts;
        total.effects += verdict.effects;
        total.signIns += verdict.signIns;
        total.rebuilds += verdict.rebuilds;
        total.repeats += verdict.repeats;
        total.setAside += verdict.setAside;
        total.givenUp += verdict.givenUp;
        total.replayed += verdict.replayed;
        if (verdict.failures.empty()) continue;
        if (++failed <= 10) show(seed, verdict);
    }
    std::cout << histories << " histories from seed " << first << ": " << total.mails << " mails, " << total.delivered << " delivered, "
              << total.kills << " kills, " << total.powerCuts << " power cuts, " << total.effects << " effects, " << total.signIns << " sign-ins, "
              << total.rebuilds << " folders rebuilt or renamed, " << total.repeats << " repeats, " << total.setAside << " set aside, "
              << total.givenUp << " given up, " << total.replayed << " replayed; " << failed << " failed\n";
    if (failed > 0) std::cout << "replay one with: " << arguments[0] << " SEED\n";
    // Histories in which nothing happens prove nothing.
    const bool busy = histories < 100 || (total.delivered > histories && total.kills > histories / 4 && total.powerCuts > histories / 10);
    if (!busy) std::cout << "too little happened in these histories\n";
    return failed == 0 && busy ? 0 : 1;
}
