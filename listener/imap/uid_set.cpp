#include "listener/imap/uid_set.h"

#include "listener/imap/lexer.h"

#include <algorithm>
#include <stdexcept>

namespace listener::imap {

namespace {

constexpr std::uint64_t highest = 0xffff'ffff;

std::size_t digits(std::uint64_t number) {
    std::size_t count = 1;
    for (; number >= 10; number /= 10) ++count;
    return count;
}

std::optional<std::uint32_t> member(std::string_view text) {
    const auto value = parseNumber(text);
    if (!value || *value == 0 || *value > highest) return std::nullopt;
    return static_cast<std::uint32_t>(*value);
}

}  // namespace

UidSet::UidSet(std::span<const std::uint64_t> numbers) {
    for (const auto number : numbers) {
        if (number == 0 || number > highest) throw std::logic_error("not an IMAP UID: " + std::to_string(number));
        const auto uid = static_cast<std::uint32_t>(number);
        if (!ranges_.empty() && ranges_.back().last != highest && ranges_.back().last + 1 == uid)
            ranges_.back().last = uid;
        else
            ranges_.push_back({uid, uid});
    }
    normalise();
}

std::optional<UidSet> UidSet::parse(std::string_view text) {
    UidSet set;
    for (;;) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        const auto colon = part.find(':');
        const auto first = member(part.substr(0, colon));
        const auto last = colon == std::string_view::npos ? first : member(part.substr(colon + 1));
        if (!first || !last || set.ranges_.size() >= rangeLimit) return std::nullopt;
        set.ranges_.push_back({std::min(*first, *last), std::max(*first, *last)});
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    set.normalise();
    return set;
}

void UidSet::normalise() {
    const auto before = [](const Range& a, const Range& b) { return a.first < b.first; };
    if (!std::is_sorted(ranges_.begin(), ranges_.end(), before)) std::sort(ranges_.begin(), ranges_.end(), before);
    std::vector<Range> merged;
    merged.reserve(ranges_.size());
    for (const auto& range : ranges_) {
        if (!merged.empty() && (merged.back().last == highest || range.first <= merged.back().last + 1))
            merged.back().last = std::max(merged.back().last, range.last);
        else
            merged.push_back(range);
    }
    ranges_ = std::move(merged);
}

std::string UidSet::print() const {
    std::string text;
    for (const auto& range : ranges_) {
        if (!text.empty()) text += ',';
        text += std::to_string(range.first);
        if (range.last != range.first) text.append(":").append(std::to_string(range.last));
    }
    return text;
}

std::uint64_t UidSet::count() const {
    std::uint64_t total = 0;
    for (const auto& range : ranges_) total += std::uint64_t{range.last} - range.first + 1;
    return total;
}

bool UidSet::contains(std::uint64_t number) const {
    const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), number, [](std::uint64_t n, const Range& range) { return n < range.first; });
    return after != ranges_.begin() && number <= std::prev(after)->last;
}

std::vector<std::span<const std::uint64_t>> commandSizes(std::span<const std::uint64_t> ordinals, std::size_t messages, std::size_t octets) {
    std::vector<std::span<const std::uint64_t>> pieces;
    while (!ordinals.empty()) {
        std::size_t count = 0, closed = 0, first = 0;  // closed: octets of the ranges before the one at hand, which began with ordinals[first]
        for (; count < ordinals.size() && count < messages; ++count) {
            if (count > 0 && ordinals[count] != ordinals[count - 1] + 1) {
                closed += digits(ordinals[first]) + 1 + (first + 1 < count ? digits(ordinals[count - 1]) + 1 : 0);
                first = count;
            }
            const auto open = digits(ordinals[first]) + (first < count ? 1 + digits(ordinals[count]) : 0);
            if (count > 0 && closed + open > octets) break;
        }
        pieces.push_back(ordinals.subspan(0, count));
        ordinals = ordinals.subspan(count);
    }
    return pieces;
}

}  // namespace listener::imap
