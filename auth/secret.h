#pragma once

#include <openssl/crypto.h>

#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// Bytes nobody may see: move-only, wiped at the end, cannot be printed.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string_view text) : bytes_(text.begin(), text.end()) {}
    Secret(Secret&&) noexcept = default;
    Secret& operator=(Secret other) noexcept {
        bytes_.swap(other.bytes_);
        return *this;
    }
    ~Secret() {
        if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
    }
    std::string_view reveal() const { return {bytes_.data(), bytes_.size()}; }  ///< the only way out: grep it in review
    bool empty() const { return bytes_.empty(); }

private:
    std::vector<char> bytes_{};  // not std::string, whose short buffer leaves copies behind
};

std::ostream& operator<<(std::ostream&, const Secret&) = delete;

}  // namespace auth
