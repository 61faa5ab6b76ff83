#include "listener/imap/substitute.h"

#include "listener/imap/lexer.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace listener::imap {

namespace {

constexpr std::size_t headLimit = 16 * 1024;  ///< Exchange's own head is a tenth of that
constexpr std::size_t valueLimit = 1'000;     ///< of a field that might be one of the two
constexpr std::string_view subject = "Retrieval using the IMAP4 protocol failed for the following message:";
constexpr std::string_view sender = "Microsoft Exchange Server";

std::string_view takeLine(std::string_view& text) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

/// The first field of that name, unfolded (RFC 5322 section 2.2.3), without blanks around; "" if there is none.
std::string fieldOf(std::string_view head, std::string_view name) {
    while (!head.empty()) {
        const auto line = takeLine(head);
        if (line.empty()) break;
        const auto colon = line.find(':');
        const bool found = colon != std::string_view::npos && equalsIgnoreCase(line.substr(0, colon), name);
        std::string value{found ? line.substr(colon + 1) : std::string_view{}};
        while (head.starts_with(' ') || head.starts_with('\t')) {
            const auto more = takeLine(head);
            if (found && value.size() < valueLimit) value += more;
        }
        if (!found) continue;
        value.erase(0, std::min(value.find_first_not_of(" \t"), value.size()));
        value.erase(value.find_last_not_of(" \t") + 1);
        return value;
    }
    return {};
}

}  // namespace

bool isSubstitute(std::string_view message) {
    const auto head = message.substr(0, headLimit);
    const auto title = fieldOf(head, "Subject");
    if (!title.starts_with(subject)) return false;
    auto about = std::string_view{title}.substr(subject.size());
    about.remove_prefix(std::min(about.find_first_not_of(" \t\""), about.size()));
    while (about.ends_with('"') || about.ends_with('.')) about.remove_suffix(1);
    if (!parseNumber(about)) return false;
    auto from = fieldOf(head, "From");
    if (const auto address = from.find('<'); address != std::string::npos) from.erase(address);
    std::erase(from, '"');
    from.erase(from.find_last_not_of(" \t") + 1);
    return from == sender;
}

}  // namespace listener::imap
