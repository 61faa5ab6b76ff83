#pragma once

#include "listener/engine/round.h"

#include <cstdint>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace listener {

/// A message held back: it is like one that is known from elsewhere.
struct Suspect {
    std::uint64_t ordinal = 0;
    std::vector<Likeness> like{};
};

/// What is known of single messages before they are delivered.
struct Guidance {
    std::map<std::uint64_t, std::string> ids{};  ///< to be delivered under this id, not under that of their position
    std::set<std::uint64_t> own{};               ///< messages in their own right, whatever they are like
};

/// Tells what became of suspects by looking where their likes were: a like that is no longer there was moved here, one that still is there
/// was copied. Each like is found once.
class Recognition {
public:
    struct Outcome {
        std::vector<std::pair<std::int64_t, std::uint64_t>> moved{};  ///< row, ordinal here: delivered already
        std::vector<std::uint64_t> left{};                            ///< to be delivered as `guidance` says now
        std::set<std::string> disordered{};  ///< folders whose positions tell nothing now: their suspects are neither moved nor left
    };
    /// `hopeless`: folders that cannot be looked into; what was there counts as still there. Afterwards another folder may be entered.
    Recognition(const RoundParts& parts, Mailbox& mailbox, const std::set<std::string>& hopeless, std::stop_token stop)
        : parts_(parts), mailbox_(mailbox), hopeless_(hopeless), stop_(std::move(stop)) {}
    plugin::Task<plugin::Result<Outcome>> run(std::vector<Suspect> suspects, Guidance& guidance);

private:
    /// A folder likes were in: what is there of it now.
    struct Place {
        std::uint64_t lowest = 0;  ///< of the likes
        bool missing = false, disordered = false, closed = false;
        std::vector<std::uint64_t> ordinals{};
    };
    plugin::Task<plugin::Result<void>> visit(const FolderRecord& record, Place& place);
    plugin::Task<plugin::Result<void>> visitAll(const std::vector<Suspect>& suspects);
    bool stillThere(const Likeness& like) const;
    bool isDisordered(const Suspect& suspect) const;

    const RoundParts& parts_;
    Mailbox& mailbox_;
    const std::set<std::string>& hopeless_;
    std::stop_token stop_;
    std::map<std::int64_t, Place> places_{};  ///< by record
};

}  // namespace listener
