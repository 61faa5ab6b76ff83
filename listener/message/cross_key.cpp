#include "listener/message/cross_key.h"

#include "listener/message/sha256.h"
#include "plugin/contract/letters.h"

#include <iconv.h>

#include <algorithm>
#include <cerrno>

namespace listener {
namespace {

constexpr std::size_t longest = 16 * 1024;  ///< of a field; no more of it is looked at
constexpr std::size_t longestCharset = 40;

bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && isBlank(text.front())) text.remove_prefix(1);
    while (!text.empty() && isBlank(text.back())) text.remove_suffix(1);
    return text;
}

int hexDigit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char letter = plugin::lowerCase(c);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

std::optional<std::string> fromQ(std::string_view text) {
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            bytes += text[i] == '_' ? ' ' : text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hexDigit(text[i + 1]) : -1, low = i + 2 < text.size() ? hexDigit(text[i + 2]) : -1;
        if (high < 0 || low < 0) return std::nullopt;
        bytes += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return bytes;
}

std::optional<std::string> fromBase64(std::string_view text) {
    static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned count = 0;
    while (text.ends_with('=')) text.remove_suffix(1);
    for (const char c : text) {
        const auto value = alphabet.find(c);
        if (value == alphabet.npos) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        if ((count += 6) < 8) continue;
        count -= 8;
        bytes += static_cast<char>(bits >> count);
    }
    return bytes;
}

std::optional<std::string> toUtf8(const std::string& charset, std::string bytes) {
    const auto convert = ::iconv_open("UTF-8", charset.c_str());
    if (convert == reinterpret_cast<::iconv_t>(-1)) return std::nullopt;
    std::string text(bytes.size() * 4 + 16, '\0');
    char *from = bytes.data(), *to = text.data();
    std::size_t left = bytes.size(), room = text.size();
    const bool whole = ::iconv(convert, &from, &left, &to, &room) != static_cast<std::size_t>(-1);
    ::iconv_close(convert);
    if (!whole) return std::nullopt;
    text.resize(text.size() - room);
    return text;
}

struct Word {
    std::string charset, bytes;
    std::size_t end = 0;  ///< of it in the text
};

/// "=?charset*language?B?...?=" at the beginning of `text`.
std::optional<Word> encodedWord(std::string_view text) {
    if (!text.starts_with("=?")) return std::nullopt;
    const auto charset = text.find('?', 2);
    if (charset == text.npos || charset - 2 > longestCharset || charset + 2 >= text.size() || text[charset + 2] != '?') return std::nullopt;
    const auto end = text.find("?=", charset + 3);
    if (end == text.npos) return std::nullopt;
    const auto content = text.substr(charset + 3, end - charset - 3);
    if (std::ranges::any_of(content, isBlank)) return std::nullopt;
    const char encoding = plugin::lowerCase(text[charset + 1]);
    auto bytes = encoding == 'q' ? fromQ(content) : encoding == 'b' ? fromBase64(content) : std::nullopt;
    if (!bytes) return std::nullopt;
    const auto name = text.substr(2, charset - 2);
    return Word{std::string(name.substr(0, name.find('*'))), std::move(*bytes), end + 2};
}

/// Blanks between two encoded words count for nothing, and a character may be cut between them (some write so).
std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        auto word = encodedWord(text.substr(at));
        if (!word) {
            out += text[at++];
            continue;
        }
        auto end = at + word->end;
        for (;;) {
            auto next = end;
            while (next < text.size() && isBlank(text[next])) ++next;
            const auto more = encodedWord(text.substr(next));
            if (!more || !plugin::equalsIgnoreCase(more->charset, word->charset)) break;
            word->bytes += more->bytes;
            end = next + more->end;
        }
        auto readable = toUtf8(word->charset, word->bytes);
        out += readable ? *readable : std::string(text.substr(at, end - at));
        at = end;
        auto next = at;
        while (next < text.size() && isBlank(text[next])) ++next;
        if (encodedWord(text.substr(next))) at = next;
    }
    return out;
}

/// What stands in the last "<>", else the text without comments.
std::string addressIn(std::string_view from) {
    if (const auto open = from.rfind('<'), close = from.rfind('>'); open != from.npos && close != from.npos && close > open)
        from = from.substr(open + 1, close - open - 1);
    std::string address;
    int depth = 0;
    for (const char c : from) {
        depth += c == '(' ? 1 : 0;
        if (depth == 0 && !isBlank(c)) address += plugin::lowerCase(c);
        depth -= c == ')' && depth > 0 ? 1 : 0;
    }
    return address;
}

}  // namespace

std::string readableText(std::string_view body) {
    const auto text = decoded(body.substr(0, longest));
    std::string out;
    for (const char c : trimmed(text))
        if (!isBlank(c))
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    return out;
}

std::uint64_t crossKey(const std::optional<std::string>& messageId, std::string_view from, std::string_view subject) {
    using namespace std::string_view_literals;
    Sha256 hash;
    auto id = messageId ? trimmed(*messageId) : ""sv;
    if (id.starts_with('<') && id.ends_with('>')) id = id.substr(1, id.size() - 2);
    if (!id.empty()) {
        hash.update(id);
    } else {
        const auto sender = addressIn(from.substr(0, longest)), title = readableText(subject);
        if (sender.empty() && title.empty()) return 0;
        hash.update("\0"sv);
        hash.update(sender);
        hash.update("\0"sv);
        hash.update(title);
    }
    const auto digest = hash.finish();
    std::uint64_t key = 0;
    for (std::size_t i = 0; i < 8; ++i) key = key << 8 | digest[i];
    return key == 0 ? 1 : key;
}

}  // namespace listener
