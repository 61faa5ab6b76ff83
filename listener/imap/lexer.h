#pragma once

#include "plugin/contract/letters.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace listener::imap {

// IMAP compares ASCII without case, whatever the locale.
using plugin::containsIgnoreCase;
using plugin::equalsIgnoreCase;
std::string upperCase(std::string_view text);
/// Decimal digits only, up to 64 bits (RFC 9051 number64); none if empty, foreign or larger.
std::optional<std::uint64_t> parseNumber(std::string_view digits);

/// Reads the words of one response from left to right (RFC 9051 section 9). Tolerant where servers are known to be loose; never reads past the end.
class Lexer {
public:
    /// Deepest nesting we follow; BODYSTRUCTURE of real mails stays far below.
    static constexpr int depthLimit = 32;

    /// leftOut  where the octets of a literal are missing (Framer::bodyAt)      from  where to begin
    explicit Lexer(std::string_view text, std::optional<std::size_t> leftOut = {}, std::size_t from = 0)
        : text_(text), leftOut_(leftOut), at_(from) {}

    bool atEnd() const { return at_ >= text_.size(); }
    char peek() const { return atEnd() ? '\0' : text_[at_]; }
    bool take(char c);
    void skipSpaces();
    std::string_view rest() const { return text_.substr(at_); }
    std::string_view since(std::size_t from) const { return text_.substr(from, at_ - from); }
    std::size_t position() const { return at_; }

    /// Up to the next blank, bracket, quote or control character; may be empty. "[" and "]" belong to it with what they enclose: BODY[HEADER].
    std::string_view atom();
    std::optional<std::uint64_t> number();

    struct String {
        enum class Kind { text, nil, leftOut };
        Kind kind = Kind::text;
        std::string text{};      ///< Kind::text
        std::uint64_t size = 0;  ///< Kind::leftOut: octets
    };
    /// Quoted, literal, NIL, or a bare atom (astring).
    std::optional<String> string();
    /// Over one value of any kind: atom, string, list.
    bool skipValue(int depth = 0);

private:
    std::optional<String> quoted();
    std::optional<String> literal();

    std::string_view text_;
    std::optional<std::size_t> leftOut_;
    std::size_t at_;
};

}  // namespace listener::imap
