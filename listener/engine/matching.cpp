#include "listener/engine/matching.h"

#include "listener/engine/key_matching.h"

#include <algorithm>
#include <numeric>

namespace listener {

namespace {

/// The indices of `all`, by key; those of one key in their own order.
template <class T>
std::vector<std::size_t> byKey(std::span<const T> all) {
    std::vector<std::size_t> order(all.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [all](std::size_t a, std::size_t b) { return all[a].matchKey < all[b].matchKey; });
    return order;
}

}  // namespace

Matching::Matching(std::span<const Identified> messages, std::span<const Candidate> candidates)
    : messages_(messages), candidates_(candidates), found_(messages.size()) {
    const auto m = byKey(messages), c = byKey(candidates);
    for (std::size_t i = 0, k = 0; i < m.size();) {
        const auto& key = messages[m[i]].matchKey;
        Group group;
        for (; i < m.size() && messages[m[i]].matchKey == key; ++i) group.messages.push_back(m[i]);
        while (k < c.size() && candidates[c[k]].matchKey < key) ++k;
        for (; k < c.size() && candidates[c[k]].matchKey == key; ++k) group.candidates.push_back(c[k]);
        divide(std::move(group));
    }
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        sampled_[kind] = std::min(samples, likely_[kind].size());
        for (std::size_t i = 0; i < sampled_[kind]; ++i) open_.push_back({{likely_[kind][i].first}, {likely_[kind][i].second}});
    }
}

bool Matching::sameSecond(std::size_t message, std::size_t candidate) const {
    const auto& received = messages_[message].received;
    return received && secondOf(*received) == secondOf(candidates_[candidate].received);
}

bool Matching::sameSize(std::size_t message, std::size_t candidate) const { return messages_[message].size == candidates_[candidate].size; }

/// Finds what date and size tell; the rest of the group waits for contents.
void Matching::divide(Group group) {
    if (group.candidates.empty()) return;
    struct Tied {
        std::vector<std::size_t> messages{}, candidates{};
    };
    std::map<std::pair<std::int64_t, std::uint64_t>, Tied> ties;
    for (const auto candidate : group.candidates)
        ties[{secondOf(candidates_[candidate].received), candidates_[candidate].size}].candidates.push_back(candidate);
    for (const auto message : group.messages) {
        const auto& one = messages_[message];
        if (!one.received || !one.size) continue;
        const auto tie = ties.find({secondOf(*one.received), *one.size});
        if (tie != ties.end()) tie->second.messages.push_back(message);
    }
    std::vector<std::size_t> taken;
    for (const auto& [of, tie] : ties) {
        if (tie.messages.size() != 1 || tie.candidates.size() != 1 || candidates_[tie.candidates.front()].removed) continue;
        found_[tie.messages.front()] = tie.candidates.front();
        taken.push_back(tie.candidates.front());
    }
    std::sort(taken.begin(), taken.end());
    std::erase_if(group.messages, [this](std::size_t message) { return found_[message].has_value(); });
    std::erase_if(group.candidates, [&taken](std::size_t candidate) { return std::binary_search(taken.begin(), taken.end(), candidate); });
    if (group.messages.empty() || group.candidates.empty()) return;
    if (group.messages.size() == 1 && group.candidates.size() == 1) {
        const Pair pair{group.messages.front(), group.candidates.front()};
        const bool second = sameSecond(pair.first, pair.second), size = sameSize(pair.first, pair.second);
        if (second != size && !candidates_[pair.second].removed) {
            likely_[second ? sizeDiffers : dateDiffers].push_back(pair);
            return;
        }
    }
    open_.push_back(std::move(group));
}

std::vector<std::uint64_t> Matching::question() const {
    std::vector<std::uint64_t> ordinals;
    for (const auto& group : open_)
        for (const auto message : group.messages) ordinals.push_back(messages_[message].ordinal);
    std::sort(ordinals.begin(), ordinals.end());
    return ordinals;
}

void Matching::answer(const std::map<std::uint64_t, Digest>& contents) {
    const auto asked = std::exchange(open_, {});
    for (const auto& group : asked) {
        compared_ += group.messages.size();
        judge(group, contents);
    }
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        auto pairs = std::exchange(likely_[kind], {});
        const auto sampled = std::exchange(sampled_[kind], 0);
        const bool allSame = std::all_of(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(sampled),
                                         [this](const Pair& pair) { return found_[pair.first] == pair.second; });
        for (auto i = sampled; i < pairs.size(); ++i) {
            if (allSame)
                found_[pairs[i].first] = pairs[i].second;
            else
                open_.push_back({{pairs[i].first}, {pairs[i].second}});
        }
    }
}

void Matching::judge(const Group& group, const std::map<std::uint64_t, Digest>& contents) {
    std::multimap<Digest, std::size_t> left;
    for (const auto candidate : group.candidates) left.emplace(candidates_[candidate].sha256, candidate);
    // Of equal ones the one to be there is the one nobody has taken away.
    enum class Pass { standing, removed, otherSecond };
    for (const auto pass : {Pass::standing, Pass::removed, Pass::otherSecond})
        for (const auto message : group.messages) {
            const auto content = contents.find(messages_[message].ordinal);
            if (found_[message] || content == contents.end()) continue;
            const auto [from, to] = left.equal_range(content->second);
            const auto same = std::find_if(from, to, [this, pass, message](const auto& each) {
                return (pass == Pass::otherSecond || sameSecond(message, each.second)) &&
                       (pass == Pass::removed || !candidates_[each.second].removed);
            });
            if (same == to) continue;
            found_[message] = same->second;
            left.erase(same);
        }
}

}  // namespace listener
