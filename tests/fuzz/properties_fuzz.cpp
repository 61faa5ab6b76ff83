// The properties reader: whatever the bytes, the same file written in another way says the same.
#include "plugin/host/properties_reader.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using plugin::host::merge;
using plugin::host::parseProperties;
using plugin::host::Properties;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

/// The same entries and problems, the second's lines being `shift` further down.
bool same(const Properties& one, const Properties& other, int shift) {
    if (one.entries.size() != other.entries.size() || one.problems.size() != other.problems.size()) return false;
    for (std::size_t i = 0; i < one.entries.size(); ++i)
        if (one.entries[i].key != other.entries[i].key || one.entries[i].value != other.entries[i].value ||
            one.entries[i].place.line + shift != other.entries[i].place.line)
            return false;
    for (std::size_t i = 0; i < one.problems.size(); ++i)
        if (one.problems[i].what != other.problems[i].what || one.problems[i].place.line + shift != other.problems[i].place.line) return false;
    return true;
}

bool sameSettings(const Properties& one, const Properties& other) {
    if (one.entries.size() != other.entries.size()) return false;
    for (std::size_t i = 0; i < one.entries.size(); ++i)
        if (one.entries[i].key != other.entries[i].key || one.entries[i].value != other.entries[i].value) return false;
    return true;
}

std::string withCrLf(std::string_view text) {
    std::string crlf;
    for (const char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
    return crlf;
}

void entriesAreWhatTheyClaim(const Properties& read, std::string_view text) {
    int lines = 1;
    for (const char c : text) lines += c == '\n' ? 1 : 0;
    int last = 0;
    for (const auto& entry : read.entries) {
        require(!entry.key.empty() && entry.key.find('=') == std::string::npos);
        for (const auto& part : {entry.key, entry.value})
            require(part.empty() || (part.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos && part.find_first_not_of(" \t") == 0 &&
                                     part.find_last_not_of(" \t") == part.size() - 1));
        require(entry.place.line > last && entry.place.line <= lines);
        last = entry.place.line;
    }
    for (const auto& problem : read.problems) require(problem.place.line >= 1 && problem.place.line <= lines);
}

/// Cut after any line that is not continued, the two halves merged are the whole.
void halvesMakeTheWhole(const Properties& whole, std::string_view text) {
    const auto merged = merge({whole});
    int tries = 0;
    for (auto end = text.find('\n'); end != std::string_view::npos && tries < 16; end = text.find('\n', end + 1), ++tries) {
        const auto before = text.substr(0, end);
        if (before.ends_with('\\') || before.ends_with("\\\r")) continue;
        const auto halves = merge({parseProperties(text.substr(0, end + 1), "f"), parseProperties(text.substr(end + 1), "f")});
        require(sameSettings(merged, halves));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto read = parseProperties(text, "f");
    entriesAreWhatTheyClaim(read, text);

    // A byte order mark begins a file, not a line; "\xFF\xFE" refuses it as a whole; past the cap the rest is not read.
    const bool isWhole = read.problems.size() <= plugin::host::mostSyntaxProblems;
    const bool hasMark = text.starts_with("\xEF\xBB\xBF") || text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF");
    if (!hasMark) require(same(read, parseProperties("# a comment ends with its line\\\n" + std::string(text), "f"), 1));
    if (text.find('\r') == std::string_view::npos) require(same(read, parseProperties(withCrLf(text), "f"), 0));
    // Only where no later half begins with such a mark.
    if (isWhole && !hasMark && text.find("\n\xEF\xBB\xBF") == std::string_view::npos && text.find("\n\xFF\xFE") == std::string_view::npos &&
        text.find("\n\xFE\xFF") == std::string_view::npos)
        halvesMakeTheWhole(read, text);
    return 0;
}
