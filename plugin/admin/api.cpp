#include "plugin/admin/api.h"

#include "plugin/contract/text.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace plugin::admin {

namespace {

constexpr std::string_view every = "/api/";
constexpr std::string_view root = "/api/v1/";
constexpr std::size_t longestWhat = 32, longestName = 64, longestParameter = 4096;
constexpr int badRequest = 400, notFound = 404;

bool isLetter(char c) { return c >= 'a' && c <= 'z'; }
bool isOfNames(char c) { return isLetter(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }

/// Nothing: an escape is broken.
std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            out += text[at];
            continue;
        }
        const auto* const digits = text.data() + at + 1;
        unsigned octet = 0;
        if (at + 2 >= text.size() || std::from_chars(digits, digits + 2, octet, 16).ptr != digits + 2) return std::nullopt;
        out += static_cast<char>(octet);
        at += 2;
    }
    return out;
}

ApiAnswer broken() { return apiError(badRequest, Code::adminRequest, "an escape in the address is broken: it is a % and two hexadecimal digits"); }
ApiAnswer unknown() { return apiError(notFound, Code::adminRequest, "there is nothing at this address"); }

/// What stands before the first `mark` of `text`, which is taken away from it with the mark.
std::string_view cut(std::string_view& text, char mark) {
    const auto end = std::min(text.find(mark), text.size());
    const auto piece = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return piece;
}

std::optional<ApiAnswer> takeParameters(std::string_view query, ApiQuestion& question) {
    while (!query.empty()) {
        auto field = cut(query, '&');
        const auto name = decoded(cut(field, '='));
        auto value = decoded(field);
        if (!name || !value) return broken();
        if (value->size() > longestParameter || value->find('\0') != std::string::npos || !isUtf8(*value) || !isUtf8(*name))
            return apiError(badRequest, Code::adminRequest,
                            "a parameter is at most " + std::to_string(longestParameter) + " octets of UTF-8, without NUL");
        if (!question.parameters.emplace(*name, std::move(*value)).second)
            return apiError(badRequest, Code::adminRequest, "the parameter " + *name + " stands there twice");
    }
    return std::nullopt;
}

}  // namespace

ApiAnswer apiError(int status, Code code, std::string_view text, std::string_view next) {
    if (const auto* const entry = findCode(code); next.empty() && entry != nullptr) next = entry->next;
    return {status,
            "{\"error\": {\"code\": " + jsonText(codeName(code)) + ", \"text\": " + jsonText(text) + ", \"next\": " + jsonText(next) + "}}\n"};
}

bool isApi(std::string_view path) { return path.starts_with(every); }

std::variant<ApiQuestion, ApiAnswer> parseQuestion(std::string_view path, std::string_view query) {
    if (!path.starts_with(root)) return unknown();
    path.remove_prefix(root.size());
    const bool named = path.find('/') != std::string_view::npos;
    auto what = decoded(cut(path, '/'));
    auto name = decoded(path);
    if (!what || !name) return broken();
    if (what->empty() || what->size() > longestWhat || !std::all_of(what->begin(), what->end(), isLetter)) return unknown();
    if (name->empty() == named || name->size() > longestName || !std::all_of(name->begin(), name->end(), isOfNames)) return unknown();
    ApiQuestion question{std::move(*what), std::move(*name)};
    if (auto refusal = takeParameters(query, question)) return std::move(*refusal);
    return question;
}

}  // namespace plugin::admin
