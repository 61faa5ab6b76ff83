#include "listener/message/sha256.h"

#include <algorithm>

namespace listener {

std::string deliveryId(plugin::Wall received, std::string_view mailbox, std::string_view protocol, std::string_view folder,
                       std::string_view position) {
    using namespace std::string_view_literals;
    Sha256 hash;
    hash.update("postern-id-1\0"sv);
    for (const auto part : {mailbox, protocol, folder}) {
        hash.update(part);
        hash.update("\0"sv);
    }
    hash.update(position);
    const auto digest = hash.finish();

    constexpr std::int64_t latest = (std::int64_t{1} << 40) - 1;
    const auto seconds = std::clamp<std::int64_t>(std::chrono::floor<std::chrono::seconds>(received).time_since_epoch().count(), 0, latest);
    std::array<std::uint8_t, 20> bytes{};
    for (std::size_t i = 0; i < 5; ++i) bytes[i] = static_cast<std::uint8_t>(seconds >> (8 * (4 - i)));
    std::copy_n(digest.begin(), 15, bytes.begin() + 5);

    static constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    std::string id;
    id.reserve(32);
    for (std::size_t i = 0; i < bytes.size(); i += 5) {  // 5 octets are 8 characters
        std::uint64_t group = 0;
        for (std::size_t k = 0; k < 5; ++k) group = group << 8 | bytes[i + k];
        for (int shift = 35; shift >= 0; shift -= 5) id += alphabet[group >> shift & 31];
    }
    return id;
}

bool isDeliveryId(std::string_view text) {
    return text.size() == 32 && std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

}  // namespace listener
