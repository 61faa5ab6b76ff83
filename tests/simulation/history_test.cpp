// Plays seeded histories: `history_test PROTOCOL` (imap, ews, graph) plays POSTERN_HISTORIES (2000; by ews and graph 500) from POSTERN_SEED (1);
// `history_test PROTOCOL SEED` replays one with its log.
#include "tests/simulation/history.h"
#include "tests/simulation/sim_text.h"

#include <iostream>
#include <string>

namespace {

void show(std::uint64_t seed, const simulation::Verdict& verdict) {
    std::cout << "seed " << seed << ": " << verdict.plot << "\n";
    for (const auto& failure : verdict.failures) std::cout << "  " << failure << "\n";
}

}  // namespace

int main(int count, char** arguments) {
    const std::string protocol = count < 2 ? "" : arguments[1];
    if (protocol != "imap" && protocol != "ews" && protocol != "graph") {
        std::cerr << "usage: " << arguments[0] << " imap|ews|graph [SEED]\n";
        return 64;
    }
    if (count > 2) {
        const auto seed = std::stoull(arguments[2]);
        const auto verdict = simulation::playHistory(protocol, seed, true);
        show(seed, verdict);
        return verdict.failures.empty() ? 0 : 1;
    }
    const auto histories = simulation::setting("POSTERN_HISTORIES", protocol == "imap" ? 2000 : 500), first = simulation::setting("POSTERN_SEED", 1);
    simulation::Verdict total;
    std::uint64_t failed = 0;
    for (std::uint64_t seed = first; seed < first + histories; ++seed) {
        const auto verdict = simulation::playHistory(protocol, seed);
        total.mails += verdict.mails;
        total.delivered += verdict.delivered;
        total.kills += verdict.kills;
        total.powerCuts += verdict.powerCuts;
        total.effects += verdict.effects;
        total.dialogues += verdict.dialogues;
        total.rebuilds += verdict.rebuilds;
        total.repeats += verdict.repeats;
        total.setAside += verdict.setAside;
        total.givenUp += verdict.givenUp;
        total.replayed += verdict.replayed;
        total.refused += verdict.refused;
        total.untold += verdict.untold;
        if (verdict.failures.empty()) continue;
        if (++failed <= 10) show(seed, verdict);
    }
    std::cout << histories << " histories by " << protocol << " from seed " << first << ": " << total.mails << " mails, " << total.delivered
              << " delivered, " << total.kills << " kills, " << total.powerCuts << " power cuts, " << total.effects << " effects, " << total.dialogues
              << (protocol == "imap" ? " sign-ins, " : " requests, ") << total.rebuilds << " folders rebuilt or renamed, " << total.repeats
              << " repeats, " << total.setAside << " set aside, " << total.givenUp << " given up, " << total.replayed << " replayed, "
              << total.refused << " refused, " << total.untold << " not told; " << failed << " failed\n";
    if (failed > 0) std::cout << "replay one with: " << arguments[0] << " " << protocol << " SEED\n";
    // Histories in which nothing happens prove nothing.
    const bool moody = protocol == "imap" || (total.refused > histories / 2 && (protocol == "graph" || total.untold > histories / 4));
    const bool busy = histories < 100 || (total.delivered > histories && total.kills > histories / 4 && total.powerCuts > histories / 10 &&
                                          total.rebuilds > histories / 4 && total.repeats > histories / 4 && total.replayed > histories / 4 && moody);
    if (!busy) std::cout << "too little happened in these histories\n";
    return failed == 0 && busy ? 0 : 1;
}
