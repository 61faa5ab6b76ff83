#include "listener/imap/mailbox_name.h"

#include "listener/imap/lexer.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace listener::imap {

namespace {

/// RFC 3501 section 5.1.3: as Base64, with "," for "/".
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

bool standsForItself(char32_t c) { return c >= 0x20 && c <= 0x7e; }

/// One character off the front of `text`; none: overlong, surrogate, beyond Unicode, cut short.
std::optional<char32_t> takeUtf8(std::string_view& text) {
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || length > text.size()) return std::nullopt;
    char32_t value = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[i]);
        if (next >> 6 != 2) return std::nullopt;
        value = value << 6 | (next & 0x3f);
    }
    static constexpr char32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return std::nullopt;
    text.remove_prefix(length);
    return value;
}

void appendUtf8(std::string& out, char32_t c) {
    const auto put = [&out](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
    } else {
        put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
    }
}

/// The bits of one shifted run, six by six.
class Run {
public:
    void unit(std::string& out, std::uint32_t utf16) {
        bits_ = bits_ << 16 | utf16;
        for (count_ += 16; count_ >= 6; count_ -= 6) out += alphabet[bits_ >> (count_ - 6) & 0x3f];
    }
    void end(std::string& out) {
        if (count_ > 0) out += alphabet[bits_ << (6 - count_) & 0x3f];
        out += '-';
        count_ = 0;
        bits_ = 0;
    }

private:
    std::uint64_t bits_ = 0;
    unsigned count_ = 0;
};

/// What stands between "&" and "-".
std::optional<std::u16string> decodeRun(std::string_view run) {
    std::u16string units;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : run) {
        const auto value = alphabet.find(c);
        if (value == std::string_view::npos) return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xff'ffff;
        if ((count += 6) < 16) continue;
        count -= 16;
        units += static_cast<char16_t>(bits >> count & 0xffff);
    }
    if (count >= 6 || (bits & ((1u << count) - 1)) != 0) return std::nullopt;  // a whole character too many, or bits behind the last one
    return units;
}

/// "/" becomes the server's own; "//" a "/" that separates nothing.
bool separate(std::string& wire, char delimiter) {
    std::string out;
    for (std::size_t i = 0; i < wire.size(); ++i) {
        const bool doubled = wire[i] == '/' && i + 1 < wire.size() && wire[i + 1] == '/';
        if (doubled) ++i;
        if (wire[i] == '/' && !doubled && delimiter == '\0') return false;
        out += wire[i] == '/' && !doubled ? delimiter : wire[i];
    }
    wire = std::move(out);
    return true;
}

bool appendUtf16(std::string& out, const std::u16string& units) {
    for (std::size_t i = 0; i < units.size(); ++i) {
        char32_t c = units[i];
        if (c >= 0xdc00 && c < 0xe000) return false;
        if (c >= 0xd800 && c < 0xdc00) {
            if (++i >= units.size() || units[i] < 0xdc00 || units[i] >= 0xe000) return false;
            c = 0x10000 + ((c - 0xd800) << 10) + (units[i] - 0xdc00u);
        }
        appendUtf8(out, c);
    }
    return true;
}

}  // namespace

std::optional<std::string> encodeMailboxName(std::string_view utf8) {
    std::string out;
    Run run;
    bool shifted = false;
    while (!utf8.empty()) {
        const auto c = takeUtf8(utf8);
        if (!c) return std::nullopt;
        if (standsForItself(*c)) {
            if (shifted) run.end(out);
            shifted = false;
            out += static_cast<char>(*c);
            if (*c == U'&') out += '-';
            continue;
        }
        if (!shifted) out += '&';
        shifted = true;
        if (*c >= 0x10000) {
            run.unit(out, static_cast<std::uint32_t>(0xd800 + ((*c - 0x10000) >> 10)));
            run.unit(out, static_cast<std::uint32_t>(0xdc00 + ((*c - 0x10000) & 0x3ff)));
        } else {
            run.unit(out, static_cast<std::uint32_t>(*c));
        }
    }
    if (shifted) run.end(out);
    return out;
}

std::optional<std::string> decodeMailboxName(std::string_view wire) {
    std::string out;
    while (!wire.empty()) {
        const char c = wire.front();
        wire.remove_prefix(1);
        if (c != '&') {
            if (!standsForItself(static_cast<unsigned char>(c))) return std::nullopt;
            out += c;
            continue;
        }
        const auto end = wire.find('-');
        if (end == std::string_view::npos) return std::nullopt;
        if (end == 0) {
            out += '&';
        } else {
            const auto units = decodeRun(wire.substr(0, end));
            if (!units || !appendUtf16(out, *units)) return std::nullopt;
        }
        wire.remove_prefix(end + 1);
    }
    return out;
}

std::optional<std::string> wireName(std::string_view folder, const Naming& naming) {
    if (folder.empty()) return std::nullopt;
    if (equalsIgnoreCase(folder, "INBOX")) return "INBOX";
    auto wire = encodeMailboxName(folder);
    if (!wire || (naming.delimiter != '/' && !separate(*wire, naming.delimiter))) return std::nullopt;
    const auto isBelow = [&](std::string_view prefix) {
        if (prefix.empty()) return false;
        if (wire->starts_with(prefix)) return true;
        return equalsIgnoreCase(prefix.substr(0, 5), "INBOX") && prefix.size() == 6 && equalsIgnoreCase(wire->substr(0, 6), prefix);
    };
    if (isBelow(naming.prefix) || std::any_of(naming.foreign.begin(), naming.foreign.end(), isBelow)) return wire;
    return naming.prefix + *wire;
}

std::optional<std::string> folderName(std::string_view wire, const Naming& naming) {
    if (equalsIgnoreCase(wire, "INBOX")) return "INBOX";
    const auto from = [&naming](std::string_view part) -> std::optional<std::string> {
        std::string separated;
        for (const char c : part) {
            if (naming.delimiter == '/')
                separated += c;
            else if (c == '/')
                separated += "//";
            else
                separated += naming.delimiter != '\0' && c == naming.delimiter ? '/' : c;
        }
        return decodeMailboxName(separated);
    };
    // Names that lack the prefix come first, as people write them; "INBOX.INBOX.x" is one that cannot do without.
    std::optional<std::string> name;
    if (!naming.prefix.empty() && wire.starts_with(naming.prefix)) name = from(wire.substr(naming.prefix.size()));
    if (name && wireName(*name, naming) == wire) return name;
    name = from(wire);
    if (name && wireName(*name, naming) == wire) return name;
    return std::nullopt;
}

bool sameFolder(std::string_view a, std::string_view b) { return a == b || (equalsIgnoreCase(a, "INBOX") && equalsIgnoreCase(b, "INBOX")); }

bool isPlainUtf8(std::string_view text) {
    while (!text.empty()) {
        const auto c = takeUtf8(text);
        if (!c || *c < 0x20 || (*c >= 0x7f && *c < 0xa0)) return false;
    }
    return true;
}

}  // namespace listener::imap
