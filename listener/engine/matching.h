#pragma once

#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace listener {

/// Which message of a folder is which known one, where positions tell nothing: as multisets. Pure: no I/O; memory: indices only.
///
/// Messages and candidates are the same only where their match keys are (Message-ID, Date, From, Subject). Among those of one key:
///   1. one of each with the same second and the same size: the same message.
///   2. one of each left over, of which only the size differs (some servers estimate it), or only the date (a restored backup): of each of
///      these two kinds `samples` are compared by content; if all prove the same, so are the others.
///   3. everything else is compared by content (SHA-256): a candidate of the same second before one of another.
/// A candidate that we took away ourselves (it stays where the server cannot remove) is found again only by its content and its second.
/// What has no match is new, or gone. What this cannot see: one known message gone, and one new with the same four fields, second and size. A content
/// the server does not hand out matches nothing: rather delivered than lost.
class Matching {
public:
    static constexpr std::size_t samples = 20;

    /// `messages` by rising ordinal; `candidates` in the order in which they should be found. Both outlive the object.
    Matching(std::span<const Identified> messages, std::span<const Candidate> candidates);

    /// Ordinals (rising) of messages whose content has to be known to go on; empty: done.
    std::vector<std::uint64_t> question() const;
    /// Of those asked for; one that is left out cannot be had.
    void answer(const std::map<std::uint64_t, Digest>& contents);

    /// Beside `messages`: the candidate each of them is.
    const std::vector<std::optional<std::size_t>>& found() const { return found_; }
    std::size_t compared() const { return compared_; }  ///< by content

private:
    using Pair = std::pair<std::size_t, std::size_t>;  ///< message, candidate
    /// Messages and candidates of one key that only their content tells apart.
    struct Group {
        std::vector<std::size_t> messages{};
        std::vector<std::size_t> candidates{};
    };
    enum Kind : std::size_t { sizeDiffers, dateDiffers, kinds };

    void divide(Group group);
    bool sameSecond(std::size_t message, std::size_t candidate) const;
    bool sameSize(std::size_t message, std::size_t candidate) const;
    void judge(const Group& group, const std::map<std::uint64_t, Digest>& contents);

    std::span<const Identified> messages_;
    std::span<const Candidate> candidates_;
    std::vector<std::optional<std::size_t>> found_;
    std::vector<Group> open_{};                      ///< to be compared by content
    std::array<std::vector<Pair>, kinds> likely_{};  ///< waiting for what the samples show
    std::array<std::size_t, kinds> sampled_{};       ///< how many of open_'s last groups, in this order, are samples of each
    std::size_t compared_ = 0;
};

}  // namespace listener
