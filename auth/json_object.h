#pragma once

#include "auth/secret.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

/// The members of one JSON object (RFC 8259), read in place of a general document model because they may be tokens: a member's text is
/// wiped, a model would leave copies. Values inside members are kept as they were written.
class JsonObject {
public:
    enum class Kind { string, number, boolean, null, array, object };
    struct Member {
        std::string name;
        Kind kind = Kind::null;
        Secret text{};  ///< of a string: its characters, UTF-8, unescaped; of all others: as written
    };

    static constexpr unsigned maxDepth = 32;
    static constexpr std::size_t maxMembers = 256;

    /// Nothing: not one complete object, or past the limits. Of two members with one name the later counts. A leading byte order mark is
    /// passed over; octets above 0x7f in strings are taken as they are.
    static std::optional<JsonObject> parse(std::string_view text);

    const Member* find(std::string_view name) const;
    /// The characters of a string member; nothing if there is none of that name and kind.
    std::optional<std::string_view> string(std::string_view name) const;
    /// A whole number, written as a number (3599, 3599.0) or as a string ("3599").
    std::optional<std::int64_t> integer(std::string_view name) const;
    const std::vector<Member>& members() const { return members_; }

private:
    std::vector<Member> members_{};
};

}  // namespace auth
