#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace listener::ews {

/// Base64 (RFC 4648 section 4) in pieces, as it stands in XML: blanks and line ends anywhere, padding complete, nothing behind it. Pure.
class Base64Reader {
public:
    /// Adds what is complete to `out`. False: it is not Base64; all later calls say the same.
    bool feed(std::string_view text, std::string& out);
    /// Whether what came is whole: no half group is left.
    bool whole() const { return !broken_ && count_ == 0; }

private:
    std::size_t takeGroups(std::string_view text, std::string& out) const;
    bool take(char c, std::string& out);
    std::uint32_t bits_ = 0;
    unsigned count_ = 0;    ///< characters of the group at hand
    unsigned padding_ = 0;  ///< of them "="
    bool ended_ = false;    ///< a padded group has come
    bool broken_ = false;
};

}  // namespace listener::ews
