#pragma once

#include "listener/graph/json.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What Graph answers, as values: tolerant of fields nobody asked for, strict about what is relied on. Pure.
namespace listener::graph {

/// A message of a delta page: new, changed, or told again.
struct MessageChange {
    std::string id;
    std::optional<std::chrono::sys_seconds> received{};
    std::optional<bool> read{};
    bool gone = false;  ///< "@removed": deleted, or moved elsewhere
};
/// May be empty and go on all the same. Exactly one of the links is set.
struct MessagePage {
    std::vector<MessageChange> messages{};
    std::string next{};   ///< @odata.nextLink: more is to come
    std::string delta{};  ///< @odata.deltaLink: that was all
};
/// Nothing: no list, a message without an id, no link to go on with. Of both links the one that has more to come counts.
std::optional<MessagePage> messagePage(const Json& json);

struct FolderEntry {
    std::string id;
    std::string name;      ///< "": it has none anybody could write
    std::string parent{};  ///< "": the server does not say
    std::uint64_t children = 0;
    bool hidden = false;
    bool search = false;  ///< shows messages of other folders
};
struct FolderPage {
    std::vector<FolderEntry> folders{};
    std::string next{};
};
std::optional<FolderEntry> folderEntry(const Json& json);
std::optional<FolderPage> folderPage(const Json& json);

/// An answer that is not a success, of a request or of one in a $batch.
struct Failure {
    int status = 0;
    std::string code{};     ///< error.code, and behind it the codes of inner errors, "." separates; "": the body is not Graph's
    std::string message{};  ///< for people
    std::string requestId{}, clientRequestId{};
};
Failure readFailure(int status, std::string_view body);

struct BatchAnswer {
    std::size_t number = 0;  ///< of the request, from 0
    int status = 0;
    std::string retryAfter{};                ///< header; "" = none
    std::optional<MessageChange> message{};  ///< where the body is one
    Failure failure{};                       ///< where the status is 300 or above
};
/// Nothing: not a $batch's answer, an id that was not asked, or one that comes twice. Some may be missing. `count`: requests asked.
std::optional<std::vector<BatchAnswer>> batchAnswers(const Json& json, std::size_t count);

struct Translation {
    std::string source, target;
};
/// What translateExchangeIds was able to translate: an entry with an error, or without one of the ids, is left out. Nothing: not its answer.
std::optional<std::vector<Translation>> translations(const Json& json);

}  // namespace listener::graph
