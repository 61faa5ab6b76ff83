#include "listener/imap/framer.h"

#include "listener/imap/lexer.h"

#include <algorithm>

namespace listener::imap {

namespace {

/// Does this line begin a status response or a continuation? Those have no literals.
bool endsWithItsLine(std::string_view text) {
    if (text.starts_with('+')) return true;
    const auto space = text.find(' ');
    if (space == std::string_view::npos) return false;
    const auto word = text.substr(space + 1);
    for (const std::string_view status : {"OK", "NO", "BAD", "BYE", "PREAUTH"}) {
        if (!equalsIgnoreCase(word.substr(0, status.size()), status)) continue;
        const auto after = word.substr(status.size());
        if (after.starts_with(' ') || after.starts_with('\r')) return true;
    }
    return false;
}

struct Announced {
    std::size_t brace = 0;  ///< where "{" stands
    std::string_view digits;
};

/// "{n}" or "{n+}" at the end of a line (given without its CRLF).
std::optional<Announced> announcedLiteral(std::string_view line) {
    if (!line.ends_with('}')) return std::nullopt;
    const auto brace = line.rfind('{');
    if (brace == std::string_view::npos) return std::nullopt;
    auto digits = line.substr(brace + 1, line.size() - brace - 2);
    if (digits.ends_with('+')) digits.remove_suffix(1);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    return Announced{brace, digits};
}

/// What is between the brackets where the text ends with "BODY[] " or "BODY[HEADER.FIELDS (...)] ".
std::optional<std::string_view> sectionAtEnd(std::string_view text) {
    static constexpr std::string_view item = "BODY", fields = "HEADER.FIELDS";
    const auto open = text.rfind('[');
    if (!text.ends_with("] ") || open == std::string_view::npos || open < item.size()) return std::nullopt;
    if (!equalsIgnoreCase(text.substr(open - item.size(), item.size()), item)) return std::nullopt;
    const auto section = text.substr(open + 1, text.size() - open - 3);
    if (!section.empty() && !equalsIgnoreCase(section.substr(0, fields.size()), fields)) return std::nullopt;
    return section;
}

}  // namespace

Framer::Step Framer::refuse(std::string_view why, bool tooLarge) {
    malformed_ = Malformed{why, tooLarge};
    return *malformed_;
}

std::optional<Framer::Body> Framer::announcedBody(std::size_t brace, std::uint64_t size) const {
    if (bodies_ != Bodies::apart || bodyAt_) return std::nullopt;
    auto before = std::string_view{text_}.substr(0, brace);
    if (before.ends_with('~')) before.remove_suffix(1);
    const auto section = sectionAtEnd(before);
    if (!section) return std::nullopt;
    // "* 12 FETCH (": another response may quote these words too
    Lexer lexer{before};
    if (!lexer.take('*') || !lexer.take(' ') || !lexer.number() || !lexer.take(' ')) return std::nullopt;
    if (!equalsIgnoreCase(lexer.atom(), "FETCH")) return std::nullopt;
    return Body{size, section->empty()};
}

Framer::Step Framer::step(std::string_view& input) {
    if (malformed_) return *malformed_;
    if (complete_) {
        complete_ = false;
        text_.clear();
        if (text_.capacity() > 64 * 1024) text_.shrink_to_fit();  // one long SEARCH must not hold a megabyte for the life of the session
        lineFrom_ = 0;
        bodyAt_.reset();
    }
    while (!input.empty()) {
        if (literalLeft_ > 0) {
            const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(literalLeft_, input.size()));
            text_.append(input.substr(0, part));
            input.remove_prefix(part);
            literalLeft_ -= part;
            lineFrom_ = text_.size();
            continue;
        }
        const auto newline = input.find('\n');
        const auto part = newline == std::string_view::npos ? input.size() : newline + 1;
        if (text_.size() + part > limit_) return refuse("a response is longer than any we asked for", true);
        text_.append(input.substr(0, part));
        input.remove_prefix(part);
        if (newline == std::string_view::npos) break;
        const auto line = std::string_view{text_}.substr(lineFrom_);
        if (!line.ends_with("\r\n")) continue;  // a bare LF ends no line of IMAP; some servers have one inside a text
        const auto step = lineEnded();
        if (!std::holds_alternative<NeedMore>(step)) return step;
    }
    return NeedMore{};
}

void Framer::rest() {
    if (!idle()) return;
    std::string{}.swap(text_);
    lineFrom_ = 0;
    bodyAt_.reset();
    complete_ = false;
}

Framer::Step Framer::lineEnded() {
    auto line = std::string_view{text_}.substr(lineFrom_);
    line.remove_suffix(2);
    const auto literal = announcedLiteral(line);
    if (!literal || (lineFrom_ == 0 && endsWithItsLine(text_))) {
        complete_ = true;
        return Complete{};
    }
    const auto size = parseNumber(literal->digits);
    if (!size || *size > bodyLimit) return refuse("a literal of an impossible size is announced", true);
    const auto brace = lineFrom_ + literal->brace;
    lineFrom_ = text_.size();
    if (const auto body = announcedBody(brace, *size)) {
        bodyAt_ = text_.size();
        return *body;
    }
    if (text_.size() + *size > limit_) return refuse("a literal is larger than any we asked for", true);
    literalLeft_ = *size;
    return NeedMore{};
}

}  // namespace listener::imap
