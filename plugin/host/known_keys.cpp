#include "plugin/host/known_keys.h"

#include "plugin/host/nearest.h"
#include "plugin/host/value_form.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace plugin::host {

namespace {

constexpr std::size_t longestAlias = 64;

using Parts = std::vector<std::string>;

Parts split(std::string_view key) {
    Parts parts;
    for (;;) {
        const auto dot = key.find('.');
        parts.emplace_back(key.substr(0, dot));
        if (dot == std::string_view::npos) return parts;
        key.remove_prefix(dot + 1);
    }
}

std::string join(Parts::const_iterator from, Parts::const_iterator to) {
    std::string text;
    for (auto at = from; at != to; ++at) text += (at == from ? "" : ".") + *at;
    return text;
}

bool isVariable(const std::string& part) { return part.size() > 2 && part.front() == '<' && part.back() == '>'; }
bool hasAlias(const Parts& pattern) { return pattern.size() > 2 && isVariable(pattern[1]); }

bool isName(std::string_view text) {
    return !text.empty() && std::none_of(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\t'; });
}
bool isNumber(std::string_view text) {
    return !text.empty() && text.size() < 10 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool matches(const Parts& pattern, const Parts& key) {
    const bool open = isVariable(pattern.back());
    if (open ? key.size() < pattern.size() : key.size() != pattern.size()) return false;
    const auto last = pattern.size() - 1;
    for (std::size_t i = 0; i < last; ++i)
        if (!isVariable(pattern[i]) && pattern[i] != key[i]) return false;
    if (!open) return pattern[last] == key[last];
    const auto rest = join(key.begin() + static_cast<std::ptrdiff_t>(last), key.end());
    return pattern[last] == "<n>" ? isNumber(rest) : isName(rest);
}

/// The alias of a key that would match if aliases could hold dots: "mailbox.my.office.host".
std::optional<std::string> dottedAlias(const Parts& pattern, const Parts& key) {
    if (!hasAlias(pattern) || isVariable(pattern.back()) || key.size() <= pattern.size() || key[0] != pattern[0]) return std::nullopt;
    const auto after = static_cast<std::ptrdiff_t>(pattern.size()) - 2;
    for (std::ptrdiff_t i = 1; i <= after; ++i)
        if (const auto& part = *(pattern.end() - i); !isVariable(part) && part != *(key.end() - i)) return std::nullopt;
    return join(key.begin() + 1, key.end() - after);
}

/// A part with more than a third of its letters wrong is another word, however well the rest fits.
std::size_t partDistance(const std::string& known, const std::string& written) {
    constexpr std::size_t anotherWord = 1000;
    const auto edits = editDistance(known, written);
    return edits <= std::max<std::size_t>(1, std::max(known.size(), written.size()) / 3) ? edits : anotherWord;
}

/// Edits between a written key and a pattern, part by part: a variable part takes any one part for nothing. `meant` is the pattern
/// with the parts as written.
std::size_t distance(const Parts& pattern, const Parts& key, std::string& meant) {
    struct Cell {
        std::size_t cost = std::numeric_limits<std::size_t>::max();
        Parts meant{};
    };
    const auto better = [](Cell& cell, const Cell& from, std::size_t cost, const std::string* part) {
        if (from.cost + cost >= cell.cost) return;
        cell.cost = from.cost + cost;
        cell.meant = from.meant;
        if (part != nullptr) cell.meant.push_back(*part);
    };
    std::vector<std::vector<Cell>> table(pattern.size() + 1, std::vector<Cell>(key.size() + 1));
    table[0][0].cost = 0;
    for (std::size_t i = 0; i <= pattern.size(); ++i)
        for (std::size_t j = 0; j <= key.size(); ++j) {
            auto& cell = table[i][j];
            if (i > 0 && j > 0) {
                const bool variable = isVariable(pattern[i - 1]);
                better(cell, table[i - 1][j - 1], variable ? 0 : partDistance(pattern[i - 1], key[j - 1]), variable ? &key[j - 1] : &pattern[i - 1]);
            }
            if (i > 0) better(cell, table[i - 1][j], isVariable(pattern[i - 1]) ? 1 : pattern[i - 1].size() + 1, &pattern[i - 1]);
            if (j > 0) better(cell, table[i][j - 1], key[j - 1].size() + 1, nullptr);
        }
    const auto& end = table[pattern.size()][key.size()];
    meant = join(end.meant.begin(), end.meant.end());
    return end.cost;
}

std::size_t letters(const Parts& pattern) {
    std::size_t count = 0;
    for (const auto& part : pattern) count += isVariable(part) ? 0 : part.size();
    return count;
}

}  // namespace

KnownKeys::KnownKeys(std::vector<Key> keys) : keys_(std::move(keys)) {
    for (const auto& key : keys_) {
        auto parts = split(key.pattern);
        if (hasAlias(parts) && std::count_if(parts.begin(), parts.end(), isVariable) == 1) ofEachAlias_[parts[0]].push_back(&key);
        patterns_[parts[0]].push_back(Pattern{&key, std::move(parts)});
    }
    // The pattern with the fewest variable parts wins: "a.<x>.rule.default" before "a.<x>.rule.<n>".
    for (auto& [first, patterns] : patterns_)
        std::stable_sort(patterns.begin(), patterns.end(), [](const Pattern& one, const Pattern& other) {
            const auto variables = [](const Pattern& each) { return std::count_if(each.parts.begin(), each.parts.end(), isVariable); };
            return variables(one) < variables(other);
        });
}

const std::vector<KnownKeys::Pattern>& KnownKeys::beginningWith(std::string_view part) const {
    static const std::vector<Pattern> none;
    const auto found = patterns_.find(part);
    return found == patterns_.end() ? none : found->second;
}

std::optional<KnownKeys::Match> KnownKeys::match(std::string_view key) const {
    const auto parts = split(key);
    for (const auto& pattern : beginningWith(parts[0])) {
        if (!matches(pattern.parts, parts)) continue;
        return hasAlias(pattern.parts) ? Match{pattern.key, parts[0], parts[1]} : Match{pattern.key};
    }
    for (const auto& pattern : beginningWith(parts[0]))
        if (auto alias = dottedAlias(pattern.parts, parts)) return Match{pattern.key, parts[0], std::move(*alias)};
    return std::nullopt;
}

std::string KnownKeys::nearest(std::string_view key) const {
    constexpr std::size_t mostParts = 8;  // no pattern has as many; the table grows with them
    const auto written = split(key);
    if (written.size() > mostParts) return {};
    std::string best;
    auto fewest = std::numeric_limits<std::size_t>::max();
    for (const auto& [first, patterns] : patterns_)
        for (const auto& pattern : patterns) {
            std::string meant;
            if (pattern.key->planned) continue;
            const auto edits = distance(pattern.parts, written, meant);
            if (edits >= fewest || edits > std::max<std::size_t>(1, letters(pattern.parts) / 3)) continue;
            fewest = edits;
            best = std::move(meant);
        }
    return best;
}

bool KnownKeys::isPlannedGroup(std::string_view key) const {
    const auto& patterns = beginningWith(key.substr(0, key.find('.')));
    return !patterns.empty() && std::all_of(patterns.begin(), patterns.end(), [](const Pattern& each) { return each.key->planned; });
}

const std::vector<const Key*>& KnownKeys::ofEachAlias(const std::string& group) const {
    static const std::vector<const Key*> none;
    const auto found = ofEachAlias_.find(group);
    return found == ofEachAlias_.end() ? none : found->second;
}

bool KnownKeys::isGroup(std::string_view name) const {
    const auto& patterns = beginningWith(name);
    return std::any_of(patterns.begin(), patterns.end(), [](const Pattern& each) { return hasAlias(each.parts); });
}

std::optional<std::string> badAlias(std::string_view alias) {
    if (alias.empty()) return "the alias is empty";
    const auto bad = std::find_if(alias.begin(), alias.end(), [](char c) {
        return !((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-');
    });
    if (bad != alias.end())
        return "the alias " + shown(alias) + " holds " + characterName(alias.substr(static_cast<std::size_t>(bad - alias.begin())));
    if (alias.size() > longestAlias) return "the alias " + shown(alias) + " has " + std::to_string(alias.size()) + " characters, 64 are the most";
    return std::nullopt;
}

}  // namespace plugin::host
