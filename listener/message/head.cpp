#include "listener/message/cross_key.h"
#include "listener/message/message.h"
#include "listener/message/sha256.h"
#include "plugin/contract/letters.h"
#include "plugin/contract/text.h"

#include <algorithm>

namespace listener {
namespace {

constexpr std::array<std::string_view, 4> matched{"message-id", "date", "from", "subject"};
using Bodies = std::array<std::optional<std::string_view>, matched.size()>;

bool isBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view withoutLineEnd(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

/// The first line of `text` with its LF.
std::string_view firstLine(std::string_view text) {
    const auto end = text.find('\n');
    return text.substr(0, end == text.npos ? text.size() : end + 1);
}

void note(std::string_view field, Bodies& bodies) {
    const auto colon = field.find(':');
    if (colon == field.npos) return;
    auto name = field.substr(0, colon);
    while (!name.empty() && isBlank(name.back())) name.remove_suffix(1);  // "Subject :", RFC 5322 section 4.5
    for (std::size_t i = 0; i < matched.size(); ++i)
        if (!bodies[i] && plugin::equalsIgnoreCase(name, matched[i])) bodies[i] = withoutLineEnd(field.substr(colon + 1));
}

Bodies readFields(std::string_view head) {
    Bodies bodies{};
    while (!head.empty()) {
        auto field = firstLine(head);
        if (withoutLineEnd(field).empty()) break;
        for (auto rest = head.substr(field.size()); !rest.empty() && isBlank(rest.front()); rest = head.substr(field.size())) {
            const auto more = firstLine(rest);
            field = head.substr(0, field.size() + more.size());
        }
        note(field, bodies);
        head.remove_prefix(field.size());
    }
    return bodies;
}

/// Unfolded (RFC 5322 section 2.2.3) and without blanks around; none where that is not a line of text people and programs can handle.
std::optional<std::string> asText(std::string_view body) {
    static constexpr std::size_t longest = 998;  // a line of RFC 5322; past that no server searches for it
    std::string text;
    for (std::size_t i = 0; i < body.size(); ++i) {
        const auto rest = body.substr(i);
        if (rest.starts_with("\r\n")) ++i;
        if (rest.starts_with("\r\n") || rest.starts_with('\n')) continue;
        text += body[i];
        if (text.size() > 4 * longest) return std::nullopt;
    }
    while (!text.empty() && isBlank(text.back())) text.pop_back();
    text.erase(0, std::min(text.find_first_not_of(" \t"), text.size()));
    const bool control = std::ranges::any_of(text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
    if (text.empty() || text.size() > longest || control || !plugin::isUtf8(text)) return std::nullopt;
    return text;
}

}  // namespace

Head readHead(std::string_view beginning) {
    using namespace std::string_view_literals;
    const auto bodies = readFields(beginning.substr(0, headLimit));
    Sha256 hash;
    for (const auto& body : bodies) {
        hash.update(body.value_or(""sv));
        hash.update("\0"sv);
    }
    Head head;
    head.matchKey = hash.finish();
    if (bodies[0]) head.messageId = asText(*bodies[0]);
    head.crossKey = crossKey(head.messageId, bodies[2].value_or(""sv), bodies[3].value_or(""sv));
    return head;
}

}  // namespace listener
