#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace simulation {

/// What one seed's history showed.
struct Verdict {
    std::vector<std::string> failures{};  ///< empty: every promise held
    std::string plot{};                   ///< what the dice chose, for people who replay it
    std::uint64_t mails = 0, delivered = 0, kills = 0, powerCuts = 0, effects = 0, dialogues = 0, rebuilds = 0, refused = 0, untold = 0;
    std::uint64_t repeats = 0, setAside = 0, givenUp = 0, replayed = 0;
};

/// Plays one history over this protocol (imap, ews, graph) to its end: mail arrives, connections are cut, writes fail, the process dies at any effect
/// and starts again, clocks jump; then the weather clears, and the promises are checked. `trace`: the log of all processes to standard error.
Verdict playHistory(const std::string& protocol, std::uint64_t seed, bool trace = false);

}  // namespace simulation
