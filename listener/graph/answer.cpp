#include "listener/graph/answer.h"

#include "listener/graph/values.h"

#include <charconv>
#include <set>

namespace listener::graph {

namespace {

constexpr std::size_t longestId = 2048;    // real ones have some 150 characters
constexpr std::size_t longestName = 1024;  // real ones have 255 characters at most
constexpr unsigned innerErrors = 4;

std::string stringOf(const Json& json, std::string_view name) { return std::string(json.string(name).value_or("")); }

const std::vector<Json>* listOf(const Json& json, std::string_view name) {
    const auto* list = json.find(name);
    return list != nullptr && list->kind() == Json::Kind::array ? &list->items() : nullptr;
}

bool isId(std::string_view text) {
    return !text.empty() && text.size() <= longestId && text.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
}

std::optional<MessageChange> messageChange(const Json& json) {
    MessageChange change{.id = stringOf(json, "id")};
    if (!isId(change.id)) return std::nullopt;
    change.gone = json.find("@removed") != nullptr;
    if (const auto received = json.string("receivedDateTime")) change.received = parseDateTime(*received);
    change.read = json.boolean("isRead");
    return change;
}

Failure readError(int status, const Json& json) {
    Failure failure{.status = status};
    const auto* error = json.find("error");
    for (unsigned depth = 0; error != nullptr && depth < innerErrors; ++depth) {
        if (const auto code = error->string("code"); code && !code->empty()) failure.code += (failure.code.empty() ? "" : ".") + std::string(*code);
        if (failure.message.empty()) failure.message = stringOf(*error, "message");
        if (failure.requestId.empty()) failure.requestId = stringOf(*error, "request-id");
        const auto* inner = error->find("innerError");
        error = inner != nullptr ? inner : error->find("innererror");
    }
    return failure;
}

}  // namespace

std::optional<MessagePage> messagePage(const Json& json) {
    const auto* list = listOf(json, "value");
    MessagePage page{.messages = {}, .next = stringOf(json, "@odata.nextLink"), .delta = stringOf(json, "@odata.deltaLink")};
    if (list == nullptr || (page.next.empty() && page.delta.empty())) return std::nullopt;
    if (!page.next.empty()) page.delta.clear();
    for (const auto& item : *list) {
        auto change = messageChange(item);
        if (!change) return std::nullopt;
        page.messages.push_back(std::move(*change));
    }
    return page;
}

std::optional<FolderEntry> folderEntry(const Json& json) {
    FolderEntry entry{.id = stringOf(json, "id"), .name = stringOf(json, "displayName"), .parent = stringOf(json, "parentFolderId")};
    if (!isId(entry.id)) return std::nullopt;
    if (!isId(entry.parent)) entry.parent.clear();
    if (entry.name.size() > longestName) entry.name.clear();
    entry.children = json.number("childFolderCount").value_or(0);
    entry.hidden = json.boolean("isHidden").value_or(false);
    entry.search = json.string("@odata.type") == "#microsoft.graph.mailSearchFolder";
    return entry;
}

std::optional<FolderPage> folderPage(const Json& json) {
    const auto* list = listOf(json, "value");
    if (list == nullptr) return std::nullopt;
    FolderPage page{.folders = {}, .next = stringOf(json, "@odata.nextLink")};
    for (const auto& item : *list) {
        auto entry = folderEntry(item);
        if (!entry) return std::nullopt;
        page.folders.push_back(std::move(*entry));
    }
    return page;
}

Failure readFailure(int status, std::string_view body) {
    const auto json = Json::parse(body);
    return json ? readError(status, *json) : Failure{.status = status};
}

std::optional<std::vector<BatchAnswer>> batchAnswers(const Json& json, std::size_t count) {
    const auto* list = listOf(json, "responses");
    if (list == nullptr) return std::nullopt;
    std::vector<BatchAnswer> answers;
    std::set<std::size_t> seen;
    for (const auto& item : *list) {
        const auto id = stringOf(item, "id");
        BatchAnswer answer;
        const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), answer.number);
        if (error != std::errc{} || end != id.data() + id.size() || answer.number == 0 || answer.number > count) return std::nullopt;
        const auto status = item.number("status").value_or(0);
        if (!seen.insert(answer.number--).second || status < 200 || status > 599) return std::nullopt;
        answer.status = static_cast<int>(status);
        if (const auto* headers = item.find("headers"))
            for (std::size_t i = 0; i < headers->names().size(); ++i)
                if (equalsIgnoreCase(headers->names()[i], "Retry-After")) answer.retryAfter = headers->items()[i].text();
        const auto* body = item.find("body");
        if (answer.status >= 300)
            answer.failure = body != nullptr ? readError(answer.status, *body) : Failure{.status = answer.status};
        else if (body != nullptr)
            answer.message = messageChange(*body);
        answers.push_back(std::move(answer));
    }
    return answers;
}

std::optional<std::vector<Translation>> translations(const Json& json) {
    const auto* list = listOf(json, "value");
    if (list == nullptr) return std::nullopt;
    std::vector<Translation> all;
    for (const auto& item : *list) {
        const auto* const failed = item.find("errorDetails");
        Translation one{stringOf(item, "sourceId"), stringOf(item, "targetId")};
        if ((failed == nullptr || failed->kind() == Json::Kind::null) && isId(one.source) && isId(one.target)) all.push_back(std::move(one));
    }
    return all;
}

}  // namespace listener::graph
