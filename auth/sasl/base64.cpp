#include "auth/sasl/base64.h"

#include <array>
#include <cstdint>

namespace auth::sasl {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t foreign = 64;

constexpr std::array<std::uint8_t, 256> makeValues() {
    std::array<std::uint8_t, 256> values{};
    values.fill(foreign);
    for (std::size_t i = 0; i < alphabet.size(); ++i) values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return values;
}
constexpr auto values = makeValues();

std::uint32_t octet(std::string_view text, std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; }

}  // namespace

Secret base64(std::string_view bytes) {
    SecretBuilder out((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const auto group = octet(bytes, at) << 16 | octet(bytes, at + 1) << 8 | octet(bytes, at + 2);
        const std::array four{alphabet[group >> 18], alphabet[group >> 12 & 63], at + 1 < bytes.size() ? alphabet[group >> 6 & 63] : '=',
                              at + 2 < bytes.size() ? alphabet[group & 63] : '='};
        out.add({four.data(), four.size()});
    }
    return out.finish();
}

std::optional<Secret> decodeBase64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    SecretBuilder out(text.size() / 4 * 3 + 1);
    for (std::size_t at = 0; at < text.size(); at += 4) {
        const bool last = at + 4 == text.size();
        const std::size_t padding = !last ? 0U : text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U;
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 4 - padding; ++i) {
            const auto value = values[static_cast<unsigned char>(text[at + i])];
            if (value == foreign) return std::nullopt;
            group |= std::uint32_t{value} << (18 - 6 * i);
        }
        const std::array three{static_cast<char>(group >> 16 & 255), static_cast<char>(group >> 8 & 255), static_cast<char>(group & 255)};
        const auto count = 3 - padding;
        for (auto unused = count; unused < 3; ++unused)
            if (three[unused] != 0) return std::nullopt;  // RFC 4648 3.5: another text would stand for the same bytes
        out.add({three.data(), count});
    }
    return out.finish();
}

Secret base64Url(std::string_view bytes) {
    const auto standard = base64(bytes);
    SecretBuilder out(standard.reveal().size());
    for (const char c : standard.reveal())
        if (c != '=') out.add(c == '+' ? '-' : c == '/' ? '_' : c);
    return out.finish();
}

std::optional<Secret> decodeBase64Url(std::string_view text) {
    if (text.find_first_of("+/=") != std::string_view::npos) return std::nullopt;
    SecretBuilder standard(text.size() + 3);
    for (const char c : text) standard.add(c == '-' ? '+' : c == '_' ? '/' : c);
    standard.add(std::string_view("===").substr(0, (4 - text.size() % 4) % 4));
    const auto padded = standard.finish();
    return decodeBase64(padded.reveal());
}

}  // namespace auth::sasl
