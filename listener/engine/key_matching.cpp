#include "listener/engine/key_matching.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <tuple>

namespace listener {

std::int64_t secondOf(plugin::Wall time) { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

namespace {

class KeyMatching {
public:
    KeyMatching(std::span<const Identified> messages, std::span<const Candidate> candidates, std::vector<std::optional<std::size_t>> known,
                std::vector<bool> excluded)
        : messages_(messages),
          candidates_(candidates),
          found_(std::move(known)),
          doubted_(messages.size()),
          taken_(std::move(excluded)),
          undecided_(candidates.size()) {
        found_.resize(messages.size());
        taken_.resize(candidates.size());
        for (const auto& found : found_)
            if (found) taken_[*found] = true;
    }

    ByKeys run() && {
        using Second = std::optional<std::int64_t>;
        using Exact = std::optional<std::tuple<Digest, std::int64_t>>;
        using Cross = std::optional<std::tuple<std::uint64_t, std::int64_t>>;
        const auto second = [](const Identified& message) { return message.received ? Second(secondOf(*message.received)) : Second{}; };
        const std::function exactOf = [second](const Identified& message) -> Exact {
            const auto received = second(message);
            return received ? Exact({message.matchKey, *received}) : std::nullopt;
        };
        const std::function exact = [](const Candidate& one) -> Exact { return {{one.matchKey, secondOf(one.received)}}; };
        // Copies of one mail that came by different ways have all but the second in common.
        const std::function keyOf = [](const Identified& message) { return message.received ? std::nullopt : std::optional(message.matchKey); };
        const std::function key = [](const Candidate& one) { return std::optional(one.matchKey); };
        const std::function crossOf = [second](const Identified& message) -> Cross {
            const auto received = second(message);
            return received && message.crossKey != 0 ? Cross({message.crossKey, *received}) : std::nullopt;
        };
        const std::function cross = [](const Candidate& one) -> Cross {
            return one.crossKey != 0 ? Cross({one.crossKey, secondOf(one.received)}) : std::nullopt;
        };
        pair(exactOf, exact);
        pair(keyOf, key);
        pair(crossOf, cross);
        ByKeys told{.found = std::move(found_), .doubtful = std::move(doubted_)};
        for (std::size_t i = 0; i < messages_.size(); ++i)
            if (told.found[i]) told.doubtful[i] = false;
        for (std::size_t i = 0; i < candidates_.size(); ++i)
            if (undecided_[i] && !taken_[i]) told.undecided.push_back(i);
        return told;
    }

private:
    /// Those of one value in their own order, unless there are more messages than candidates.
    template <class Value>
    void pair(const std::function<std::optional<Value>(const Identified&)>& ofMessage,
              const std::function<std::optional<Value>(const Candidate&)>& ofCandidate) {
        struct Group {
            std::vector<std::size_t> messages{}, candidates{}, undecided{};  ///< of the candidates those that nobody has taken away
        };
        std::map<Value, Group> groups;
        for (std::size_t i = 0; i < candidates_.size(); ++i) {
            if (taken_[i]) continue;
            const auto value = ofCandidate(candidates_[i]);
            if (!value) continue;
            auto& group = groups[*value];
            if (!candidates_[i].removed) (candidates_[i].undecided ? group.undecided : group.candidates).push_back(i);
        }
        for (std::size_t i = 0; i < messages_.size(); ++i) {
            if (found_[i]) continue;
            const auto value = ofMessage(messages_[i]);
            const auto group = value ? groups.find(*value) : groups.end();
            if (group != groups.end()) group->second.messages.push_back(i);
        }
        for (const auto& [value, group] : groups) {
            if (group.messages.size() > group.candidates.size()) {
                for (const auto message : group.messages) doubted_[message] = true;
                for (const auto candidate : group.candidates) undecided_[candidate] = true;
                for (const auto candidate : group.undecided) undecided_[candidate] = true;
                continue;
            }
            for (std::size_t i = 0; i < group.messages.size(); ++i) {
                found_[group.messages[i]] = group.candidates[i];
                taken_[group.candidates[i]] = true;
            }
        }
    }

    std::span<const Identified> messages_;
    std::span<const Candidate> candidates_;
    std::vector<std::optional<std::size_t>> found_;
    std::vector<bool> doubted_;
    std::vector<bool> taken_;      ///< of the candidates: not to be found any more
    std::vector<bool> undecided_;  ///< of the candidates
};

}  // namespace

ByKeys matchByKeys(std::span<const Identified> messages, std::span<const Candidate> candidates, std::vector<std::optional<std::size_t>> known,
                   std::vector<bool> excluded) {
    return KeyMatching(messages, candidates, std::move(known), std::move(excluded)).run();
}

}  // namespace listener
