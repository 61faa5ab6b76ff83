#include "listener/ledger/position_set.h"

#include "plugin/contract/database.h"

#include <limits>
#include <optional>
#include <string>

namespace listener {
namespace {

/// More than any batch or folder has: what a damaged length may claim.
constexpr std::size_t maxOrdinals = 16'000'000;

void put(std::vector<std::uint8_t>& into, std::uint64_t number) {
    for (; number >= 0x80; number >>= 7) into.push_back(static_cast<std::uint8_t>(number | 0x80));
    into.push_back(static_cast<std::uint8_t>(number));
}

std::optional<std::uint64_t> take(std::span<const std::uint8_t>& from) {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && !from.empty(); shift += 7) {
        const std::uint8_t byte = from.front();
        from = from.subspan(1);
        number |= std::uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return number;
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::uint8_t> encodePositions(const std::vector<std::uint64_t>& ordinals) {
    std::vector<std::uint8_t> bytes;
    std::uint64_t end = 0;  // one past the last run
    for (std::size_t first = 0; first < ordinals.size();) {
        if (first > 0 && ordinals[first] < end) throw std::logic_error("the ordinals of a batch do not rise");
        std::size_t next = first + 1;
        while (next < ordinals.size() && ordinals[next] == ordinals[next - 1] + 1) ++next;
        put(bytes, ordinals[first] - end);
        put(bytes, next - first);
        end = ordinals[next - 1] + 1;
        first = next;
    }
    return bytes;
}

std::vector<std::uint64_t> decodePositions(std::span<const std::uint8_t> bytes, const char* what) {
    const auto damaged = [what] {
        return plugin::StoreError(
            {plugin::Reaction::askOperator, plugin::Code::storeDamaged, std::string(what) + " has positions that cannot be read"});
    };
    std::vector<std::uint64_t> ordinals;
    std::uint64_t end = 0;
    while (!bytes.empty()) {
        const auto gap = take(bytes), length = take(bytes);
        if (!gap || !length || *length == 0 || *length > maxOrdinals - ordinals.size()) throw damaged();
        if (*gap > std::numeric_limits<std::uint64_t>::max() - end - *length) throw damaged();
        for (std::uint64_t i = 0; i < *length; ++i) ordinals.push_back(end + *gap + i);
        end += *gap + *length;
    }
    return ordinals;
}

}  // namespace listener
