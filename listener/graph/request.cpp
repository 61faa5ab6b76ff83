#include "listener/graph/request.h"

#include "listener/graph/values.h"
#include "plugin/contract/text.h"

#include <stdexcept>

namespace listener::graph {

namespace {

const std::string pageOf = "odata.maxpagesize=" + std::to_string(pageSize);
constexpr std::string_view ofFolders = "$select=id,displayName,parentFolderId,childFolderCount,isHidden";

}  // namespace

Addresses::Addresses(std::string root, std::string_view user) : root_(std::move(root)), mailbox_("/users/" + percentEncoded(user)) {}

std::string Addresses::absolute(const std::string& path) const { return root_ + "/v1.0" + path; }
std::string Addresses::messagePath(std::string_view message) const { return mailbox_ + "/messages/" + percentEncoded(message); }

Request Addresses::folder(std::string_view folder) const {
    return {.url = absolute(mailbox_ + "/mailFolders/" + percentEncoded(folder) + "?" + std::string(ofFolders)), .during = "looking for a folder"};
}

Request Addresses::childFolders(std::string_view folder) const {
    return {.url = absolute(mailbox_ + "/mailFolders/" + percentEncoded(folder) + "/childFolders?" + std::string(ofFolders) +
                            "&$top=" + std::to_string(folderPageSize)),
            .during = "listing folders"};
}

Request Addresses::createFolder(std::string_view parent, std::string_view name) const {
    return {.method = "POST",
            .url = absolute(mailbox_ + "/mailFolders/" + percentEncoded(parent) + "/childFolders"),
            .during = "creating a folder",
            .body = "{\"displayName\":" + plugin::jsonText(name) + "}"};
}

Request Addresses::changes(std::string_view folder) const {
    auto request = moreChanges(absolute(mailbox_ + "/mailFolders/" + percentEncoded(folder) + "/messages/delta?$select=id,receivedDateTime,isRead"));
    return request;
}

Request Addresses::moreChanges(std::string link) { return {.url = std::move(link), .during = "asking what is new in a folder", .prefer = pageOf}; }
Request Addresses::moreFolders(std::string link) { return {.url = std::move(link), .during = "listing folders"}; }

Request Addresses::content(std::string_view message) const {
    return {.url = absolute(messagePath(message) + "/$value"), .during = "fetching a message"};
}

Request Addresses::translate(const std::vector<std::string>& ids) const {
    if (ids.empty() || ids.size() > translatedAtOnce) throw std::logic_error("a translation of " + std::to_string(ids.size()) + " ids");
    std::string body = "{\"inputIds\":[";
    for (const auto& id : ids) body += (&id == &ids.front() ? "" : ",") + plugin::jsonText(id);
    return {.method = "POST",
            .url = absolute(mailbox_ + "/translateExchangeIds"),
            .during = "translating ids of EWS",
            .body = body + "],\"sourceIdType\":\"ewsId\",\"targetIdType\":\"restImmutableEntryId\"}"};
}

BatchItem Addresses::isRead(std::string_view message) const { return {.url = messagePath(message) + "?$select=id,receivedDateTime,isRead"}; }
BatchItem Addresses::markRead(std::string_view message) const { return {"PATCH", messagePath(message), "{\"isRead\":true}", "return=minimal"}; }
BatchItem Addresses::move(std::string_view message, std::string_view toFolder) const {
    return {"POST", messagePath(message) + "/move", "{\"destinationId\":" + plugin::jsonText(toFolder) + "}"};
}

Request Addresses::batch(const std::vector<BatchItem>& items, std::string during) const {
    if (items.empty() || items.size() > batchSize) throw std::logic_error("a $batch of " + std::to_string(items.size()) + " requests");
    std::string body = "{\"requests\":[";
    for (std::size_t i = 0; i < items.size(); ++i) {
        const auto& item = items[i];
        if (i > 0) body += ',';
        body += "{\"id\":\"" + std::to_string(i + 1) + "\",\"method\":" + plugin::jsonText(item.method) + ",\"url\":" + plugin::jsonText(item.url) +
                ",\"headers\":{\"Prefer\":" +
                plugin::jsonText(item.prefer.empty() ? std::string(immutableIds) : item.prefer + ", " + std::string(immutableIds));
        if (!item.body.empty()) body += ",\"Content-Type\":\"application/json\"";
        body += '}';
        if (!item.body.empty()) body += ",\"body\":" + item.body;
        body += '}';
    }
    return {.method = "POST",
            .url = absolute("/$batch"),
            .during = std::move(during),
            .body = body + "]}",
            .places = std::min(items.size(), batchAtOnce)};
}

}  // namespace listener::graph
