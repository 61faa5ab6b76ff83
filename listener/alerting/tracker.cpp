#include "listener/alerting/tracker.h"

#include "plugin/contract/text.h"

namespace listener {
namespace {

constexpr std::size_t longest = 1000;  // octets of a text: an environment variable and a pager's line

/// One line of proper UTF-8: what goes into an environment and onto people's screens.
std::string plain(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto length = plugin::utf8Length(text);
        if (out.size() + length > longest) return out + "...";
        const auto first = static_cast<unsigned char>(text.front());
        if (length == 0)
            out += '?';
        else if (first < 0x20 || first == 0x7f)
            out += ' ';
        else
            out += text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out;
}

plugin::Wall stored(plugin::Wall time) { return std::chrono::floor<std::chrono::milliseconds>(time); }

}  // namespace

std::vector<Tracker::Change> Tracker::observe(const std::vector<Condition>& now, plugin::Steady steady, plugin::Wall wall) {
    wall = stored(wall);
    std::vector<Change> changes;
    std::map<ConditionKey, const Condition*> current;
    for (const auto& condition : now) current.emplace(ConditionKey{plain(condition.kind), plain(condition.subject)}, &condition);
    for (auto entry = known_.begin(); entry != known_.end();) {
        auto& [key, known] = *entry;
        const auto found = current.find(key);
        const bool hidden = found == current.end() ? current.contains({key.kind, {}}) : !found->second->known;
        if (hidden)
            known.seen.reset(), known.away.reset();
        else if (found == current.end())
            absent(known, steady, wall, changes);
        const bool forgettable = !known.raised && !known.seen && (!known.cleared || steady - *known.cleared > flapping);
        entry = forgettable ? known_.erase(entry) : std::next(entry);
    }
    for (const auto& [key, condition] : current)
        if (condition->known) present(key, *condition, steady, wall, changes);
    return changes;
}

void Tracker::present(const ConditionKey& key, const Condition& condition, plugin::Steady steady, plugin::Wall wall, std::vector<Change>& changes) {
    auto& known = known_[key];
    known.away.reset();
    if (known.raised) return;
    if (!known.seen) {
        known.seen = steady;
        known.condition.since = wall;
    }
    if (steady - *known.seen < condition.settling) return;
    known.seen.reset();
    known.raised = true;
    known.flaps = known.cleared && steady - *known.cleared <= flapping;
    known.condition = Raised{key, condition.code, plain(condition.what), known.condition.since, wall};
    changes.push_back({Change::To::raised, known.condition, wall});
}

void Tracker::absent(Known& known, plugin::Steady steady, plugin::Wall wall, std::vector<Change>& changes) {
    known.seen.reset();
    if (!known.raised) return;
    if (!known.away) known.away = steady;
    if (known.flaps && steady - *known.away < calm) return;
    known.raised = false;
    known.away.reset();
    known.cleared = steady;
    changes.push_back({Change::To::cleared, known.condition, wall});
}

void Tracker::restoreRaised(Raised condition) {
    auto& known = known_[condition.key];
    known.raised = true;
    known.condition = std::move(condition);
}

void Tracker::restoreCleared(const ConditionKey& key, plugin::Steady cleared) { known_[key].cleared = cleared; }

std::vector<Raised> Tracker::raised() const {
    std::vector<Raised> all;
    for (const auto& [key, known] : known_)
        if (known.raised) all.push_back(known.condition);
    return all;
}

std::map<std::string, std::size_t> Tracker::countByKind() const {
    std::map<std::string, std::size_t> counts;
    for (const auto kind : alertKinds) counts.emplace(kind, 0);
    for (const auto& [key, known] : known_) counts[key.kind] += known.raised ? 1 : 0;
    return counts;
}

}  // namespace listener
