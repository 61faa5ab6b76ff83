#include "listener/imap/lexer.h"

#include <algorithm>
#include <charconv>

namespace listener::imap {

std::string upperCase(std::string_view text) {
    std::string upper{text};
    for (char& c : upper)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return upper;
}

std::optional<std::uint64_t> parseNumber(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

bool Lexer::take(char c) {
    if (peek() != c || atEnd()) return false;
    ++at_;
    return true;
}

void Lexer::skipSpaces() {
    while (take(' ')) {
    }
}

std::string_view Lexer::atom() {
    const auto from = at_;
    bool inBrackets = false;
    for (; !atEnd(); ++at_) {
        const char c = text_[at_];
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) break;
        if (inBrackets) {
            inBrackets = c != ']';
        } else if (c == '[') {
            inBrackets = true;
        } else if (c == ' ' || c == '(' || c == ')' || c == '"' || c == '{') {
            break;
        }
    }
    return since(from);
}

std::optional<std::uint64_t> Lexer::number() {
    const auto from = at_;
    while (!atEnd() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return parseNumber(since(from));
}

std::optional<Lexer::String> Lexer::quoted() {
    String value;
    for (++at_; !atEnd(); ++at_) {
        char c = text_[at_];
        if (c == '"') {
            ++at_;
            return value;
        }
        if (c == '\\') {
            if (++at_ >= text_.size()) return std::nullopt;
            c = text_[at_];
        }
        if (c == '\r' || c == '\n') return std::nullopt;
        value.text += c;
    }
    return std::nullopt;
}

std::optional<Lexer::String> Lexer::literal() {
    take('~');
    if (!take('{')) return std::nullopt;
    const auto size = number();
    take('+');
    if (!size || !take('}') || !take('\r') || !take('\n')) return std::nullopt;
    if (leftOut_ == at_) return String{String::Kind::leftOut, {}, *size};
    if (*size > text_.size() - at_) return std::nullopt;
    String value;
    value.text = text_.substr(at_, static_cast<std::size_t>(*size));
    at_ += static_cast<std::size_t>(*size);
    return value;
}

std::optional<Lexer::String> Lexer::string() {
    if (peek() == '"') return quoted();
    if (peek() == '{' || (peek() == '~' && at_ + 1 < text_.size() && text_[at_ + 1] == '{')) return literal();
    const auto word = atom();
    if (word.empty()) return std::nullopt;
    if (equalsIgnoreCase(word, "NIL")) return String{String::Kind::nil, {}, 0};
    return String{String::Kind::text, std::string{word}, 0};
}

bool Lexer::skipValue(int depth) {
    if (!take('(')) return string().has_value();
    if (depth >= depthLimit) return false;
    for (;;) {
        skipSpaces();
        if (take(')')) return true;
        if (atEnd() || !skipValue(depth + 1)) return false;
    }
}

}  // namespace listener::imap
