#include "plugin/contract/configuration.h"

#include "plugin/contract/letters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <stdexcept>

namespace plugin {

namespace {

struct Unit {
    std::string_view name;
    std::int64_t factor;
};
constexpr std::array durationUnits{Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::array sizeUnits{Unit{"B", 1},           Unit{"kB", 1000},       Unit{"MB", 1'000'000}, Unit{"GB", 1'000'000'000},
                               Unit{"KiB", 1LL << 10}, Unit{"MiB", 1LL << 20}, Unit{"GiB", 1LL << 30}};

template <std::size_t N>
std::optional<std::int64_t> withUnit(std::string_view text, const std::array<Unit, N>& units) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || number < 0) return std::nullopt;
    const std::string_view name(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const auto unit = std::find_if(units.begin(), units.end(), [&](const Unit& each) { return each.name == name; });
    if (unit == units.end() || number > std::numeric_limits<std::int64_t>::max() / unit->factor) return std::nullopt;
    return number * unit->factor;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

[[noreturn]] void undeclared(std::string_view key) {
    throw std::logic_error("configuration key read with the wrong type or never declared: " + std::string(key));
}

}  // namespace

std::optional<std::chrono::milliseconds> parseDuration(std::string_view text) {
    const auto value = withUnit(text, durationUnits);
    if (!value) return std::nullopt;
    return std::chrono::milliseconds(*value);
}

std::optional<std::uint64_t> parseSize(std::string_view text) {
    const auto value = withUnit(text, sizeUnits);
    if (!value) return std::nullopt;
    return static_cast<std::uint64_t>(*value);
}

std::optional<std::int64_t> parseInteger(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<bool> parseBoolean(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    return std::nullopt;
}

std::vector<std::string> parseList(std::string_view text) {
    std::vector<std::string> items;
    std::string item;
    const auto finish = [&] {
        if (const auto word = trimmed(item); !word.empty()) items.emplace_back(word);
        item.clear();
    };
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
            item += ',';
            ++i;
        } else if (text[i] == ',') {
            finish();
        } else {
            item += text[i];
        }
    }
    finish();
    return items;
}

std::vector<std::string> parseWords(std::string_view text) {
    std::vector<std::string> words;
    while (!(text = trimmed(text)).empty()) {
        const auto end = std::min(text.find_first_of(" \t"), text.size());
        words.emplace_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return words;
}

std::optional<std::vector<std::string>> parseCommand(std::string_view text) {
    std::vector<std::string> words;
    bool within = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool blank = c == ' ' || c == '\t';
        if (!blank && !within) words.emplace_back();
        within = !blank;
        if (blank) continue;
        if (c != '\'' && c != '"') {
            words.back() += c;
            continue;
        }
        const auto end = text.find(c, i + 1);
        if (end == std::string_view::npos) return std::nullopt;
        words.back().append(text.substr(i + 1, end - i - 1));
        i = end;
    }
    if (words.empty() || !words.front().starts_with('/')) return std::nullopt;
    return words;
}

bool isLoopback(std::string_view host) {
    if (host == "::1" || equalsIgnoreCase(host, "localhost")) return true;
    if (!host.starts_with("127.")) return false;  // and three more numbers: "127.example.com" is somebody else
    std::string_view rest = host.substr(4);
    for (int i = 0; i < 3; ++i) {
        unsigned number = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + std::min<std::size_t>(rest.size(), 3), number);
        if (error != std::errc{} || number > 255) return false;
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        if (i < 2 && !rest.starts_with('.')) return false;
        if (i < 2) rest.remove_prefix(1);
    }
    return rest.empty();
}

std::vector<std::string> Configuration::aliases(std::string_view group) const {
    std::vector<std::string> names;
    const auto prefix = std::string(group) + ".";
    for (auto at = settings_.lower_bound(prefix); at != settings_.end() && at->first.starts_with(prefix); ++at) {
        const auto end = at->first.find('.', prefix.size());
        if (end == std::string::npos) continue;  // a key of the group itself
        auto name = at->first.substr(prefix.size(), end - prefix.size());
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::map<std::string, std::string> Configuration::below(std::string_view prefix) const {
    std::map<std::string, std::string> found;
    for (auto at = settings_.lower_bound(prefix); at != settings_.end() && at->first.starts_with(prefix); ++at)
        found.emplace(at->first.substr(prefix.size()), at->second.value);
    return found;
}

bool Configuration::has(std::string_view key) const { return settings_.find(key) != settings_.end(); }

std::string Configuration::text(std::string_view key) const {
    const auto found = settings_.find(key);
    return found == settings_.end() ? std::string{} : found->second.value;
}

const Configuration::Setting& Configuration::at(std::string_view key) const {
    const auto found = settings_.find(key);
    if (found == settings_.end()) undeclared(key);
    return found->second;
}

bool Configuration::boolean(std::string_view key) const {
    const auto value = parseBoolean(at(key).value);
    if (!value) undeclared(key);
    return *value;
}

std::int64_t Configuration::integer(std::string_view key) const {
    const auto value = parseInteger(at(key).value);
    if (!value) undeclared(key);
    return *value;
}

std::chrono::milliseconds Configuration::duration(std::string_view key) const {
    const auto value = parseDuration(at(key).value);
    if (!value) undeclared(key);
    return *value;
}

std::uint64_t Configuration::size(std::string_view key) const {
    const auto value = parseSize(at(key).value);
    if (!value) undeclared(key);
    return *value;
}

std::vector<std::string> Configuration::list(std::string_view key) const { return parseList(text(key)); }
std::vector<std::string> Configuration::words(std::string_view key) const { return parseWords(text(key)); }

Place Configuration::place(std::string_view key) const {
    const auto found = settings_.find(key);
    return found == settings_.end() ? Place{} : found->second.place;
}

}  // namespace plugin
