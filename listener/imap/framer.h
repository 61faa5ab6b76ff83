#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace listener::imap {

/// Cuts the stream of a server into responses (RFC 9051 section 2.2.2; literals: section 4.3). Pure: octets in, frames out.
/// However the network cuts the stream, the frames are the same.
///
/// Status responses (OK NO BAD BYE PREAUTH) and continuations end with their line: their text may end in "{5}" and means nothing by it.
/// In all others "{n}" before the line's end announces n octets that belong to the response.
///
/// The body of a message, or fields of its head (the literal after "BODY[]" or "BODY[HEADER.FIELDS (...)]" in a FETCH), may be larger than memory.
/// With `bodies = Bodies::apart` it is announced by Body and its octets are the caller's to take; all else, and every literal with Bodies::inside, is
/// collected in text().
class Framer {
public:
    enum class Bodies { inside, apart };
    struct NeedMore {};  ///< all of the input is taken, the response goes on
    struct Body {
        std::uint64_t size = 0;
        bool whole = true;  ///< the message; else fields of its head
    };                      ///< take so many octets from the stream, then call step() again
    struct Complete {};     ///< text() holds a response; the next step() begins another one
    struct Malformed {
        std::string_view why;
        bool tooLarge = false;  ///< it is not wrong, only larger than we accept
    };
    using Step = std::variant<NeedMore, Body, Complete, Malformed>;

    /// A response without message bodies: the longest we ask for lists 80,000 UIDs of up to 11 octets. Also the most memory one may take.
    static constexpr std::size_t responseLimit = 1 << 20;
    /// RFC 3501 section 9: `number` is 32 bits wide. Nothing larger can be a message.
    static constexpr std::uint64_t bodyLimit = 0xffff'ffff;

    explicit Framer(std::size_t limit = responseLimit) : limit_(limit) {}

    void bodies(Bodies bodies) { bodies_ = bodies; }
    /// Takes octets off the front of `input`. After Malformed nothing more can be made of the stream.
    Step step(std::string_view& input);
    /// The response with its line ends; octets of a body that stood apart are left out.
    std::string_view text() const { return text_; }
    /// Where in text() the octets of that body were left out: right behind its "{n}" CRLF.
    std::optional<std::size_t> bodyAt() const { return bodyAt_; }
    /// True between two responses.
    bool idle() const { return complete_ || text_.empty(); }
    /// Between two responses: gives back the memory of the one before.
    void rest();

private:
    Step lineEnded();
    Step refuse(std::string_view why, bool tooLarge = false);
    std::optional<Body> announcedBody(std::size_t brace, std::uint64_t size) const;

    std::size_t limit_;
    Bodies bodies_ = Bodies::inside;
    std::string text_{};
    std::size_t lineFrom_ = 0;       ///< where in text_ the line at hand begins
    std::uint64_t literalLeft_ = 0;  ///< octets of a collected literal still to come
    std::optional<std::size_t> bodyAt_{};
    bool complete_ = false;
    std::optional<Malformed> malformed_{};
};

}  // namespace listener::imap
