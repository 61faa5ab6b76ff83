#pragma once

#include "auth/secret_memory.h"

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// Bytes nobody may see: move-only, in memory that no core file holds and that is wiped at the end (secret_memory.h), cannot be printed.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string_view text) : bytes_(text.begin(), text.end()) {}
    Secret(Secret&&) noexcept = default;
    Secret& operator=(Secret other) noexcept {
        bytes_.swap(other.bytes_);
        return *this;
    }
    std::string_view reveal() const { return {bytes_.data(), bytes_.size()}; }  ///< the only way out: grep it in review
    bool empty() const { return bytes_.empty(); }

private:
    friend class SecretBuilder;
    std::vector<char, SecretAllocator<char>> bytes_{};  // not std::string, whose short buffer leaves copies behind
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;

/// Puts a Secret together piece by piece; what growing leaves behind is wiped.
class SecretBuilder {
public:
    explicit SecretBuilder(std::size_t expected = 64) { secret_.bytes_.reserve(expected); }

    SecretBuilder& add(std::string_view text) {
        secret_.bytes_.insert(secret_.bytes_.end(), text.begin(), text.end());
        return *this;
    }
    bool empty() const { return secret_.empty(); }
    SecretBuilder& add(char octet) { return add(std::string_view(&octet, 1)); }
    Secret finish() { return std::move(secret_); }

private:
    Secret secret_{};
};

/// A second Secret with the same bytes, for the few who must keep one of their own.
inline Secret copyOf(const Secret& secret) { return Secret(secret.reveal()); }

/// Whether a part of the secret worth having stands in a text that somebody else wrote: then the text is shown to nobody.
inline bool repeatsPartOf(std::string_view secret, std::string_view text) {
    constexpr std::size_t longest = 12, shortest = 6;
    if (secret.empty()) return false;
    const auto part = std::clamp(secret.size() * 3 / 4, shortest, longest);
    if (secret.size() <= part) return text.find(secret) != std::string_view::npos;
    for (std::size_t at = 0; at + part <= text.size(); ++at)
        if (secret.find(text.substr(at, part)) != std::string_view::npos) return true;
    return false;
}

}  // namespace auth
