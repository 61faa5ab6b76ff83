#include "listener/imap/command.h"

#include <algorithm>

namespace listener::imap {

namespace {

constexpr std::size_t literalMinusLimit = 4096;  // RFC 7888 section 5

/// Quoted strings of IMAP4rev1 hold 7-bit text without line ends; servers limit their length, long ones go as literals.
bool fitsInQuotes(std::string_view text) {
    return text.size() <= 1024 &&
           std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80 && c != '\r' && c != '\n' && c != '\0'; });
}

}  // namespace

Command::Command(std::string_view tag, Literals literals, std::size_t expected) : tag_(tag), literals_(literals) {
    bytes_.reserve(std::max<std::size_t>(expected + 64, 64));  // beyond the short-string buffer, which a move would copy
    bytes_ += tag;
}

Command& Command::word(std::string_view raw) {
    bytes_ += ' ';
    bytes_ += raw;
    return *this;
}

Command& Command::string(std::string_view text) {
    bytes_ += ' ';
    put(text);
    return *this;
}

Command& Command::list(const std::vector<std::string>& texts) {
    bytes_ += " (";
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (i > 0) bytes_ += ' ';
        put(texts[i]);
    }
    bytes_ += ')';
    return *this;
}

void Command::put(std::string_view text) {
    if (fitsInQuotes(text)) {
        bytes_ += '"';
        for (const char c : text) {
            if (c == '"' || c == '\\') bytes_ += '\\';
            bytes_ += c;
        }
        bytes_ += '"';
        return;
    }
    const bool waits = literals_ == Literals::synchronising || (literals_ == Literals::minus && text.size() > literalMinusLimit);
    bytes_.append("{").append(std::to_string(text.size())).append(waits ? "}\r\n" : "+}\r\n");
    if (waits) waits_.push_back(bytes_.size());
    bytes_ += text;
}

Command& Command::end() {
    bytes_ += "\r\n";
    return *this;
}

std::vector<std::string_view> Command::pieces() const {
    std::vector<std::string_view> out;
    std::size_t from = 0;
    for (const auto wait : waits_) {
        out.push_back(std::string_view{bytes_}.substr(from, wait - from));
        from = wait;
    }
    out.push_back(std::string_view{bytes_}.substr(from));
    return out;
}

}  // namespace listener::imap
