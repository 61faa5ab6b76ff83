#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace listener::imap {

/// A set of UIDs or sequence numbers (RFC 9051 sequence-set, without "*"): 1 to 2^32-1, kept as rising ranges that do not touch.
class UidSet {
public:
    struct Range {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        bool operator==(const Range&) const = default;
    };
    /// Ranges one text may have: more than any answer within Framer::responseLimit can hold is a bug or an attack.
    static constexpr std::size_t rangeLimit = 1 << 19;

    UidSet() = default;
    /// Any order, repetitions allowed. A number outside 1 to 2^32-1 is a bug of ours: std::logic_error.
    explicit UidSet(std::span<const std::uint64_t> numbers);
    /// "1,3:5,9" in any order, ranges in either direction; none where it is not of that form. "*" is refused.
    static std::optional<UidSet> parse(std::string_view text);

    std::string print() const;  ///< as short as it can be; "" for the empty set
    const std::vector<Range>& ranges() const { return ranges_; }
    std::uint64_t count() const;
    bool empty() const { return ranges_.empty(); }
    bool contains(std::uint64_t number) const;
    bool operator==(const UidSet&) const = default;

private:
    void normalise();
    std::vector<Range> ranges_{};
};

/// `ordinals` (rising) cut into pieces that fit into one command each.
/// messages  at most so many of them
/// octets    at most so long when printed (RFC 2683 section 3.2.1.5 asks clients to keep a line below 1000 octets where they can, and servers
///           to take 8000)
std::vector<std::span<const std::uint64_t>> commandSizes(std::span<const std::uint64_t> ordinals, std::size_t messages, std::size_t octets);

}  // namespace listener::imap
