#include "listener/ews/request.h"

#include "plugin/contract/text.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace listener::ews {

namespace {

/// As text or as the value of an attribute; characters XML does not have become U+FFFD.
std::string escaped(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const char c = text.front();
        const auto length = plugin::utf8Length(text);
        const auto octet = static_cast<unsigned char>(c);
        if (c == '&') {
            out += "&amp;";
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else if (c == '"') {
            out += "&quot;";
        } else if (octet < 0x20 && (c == '\t' || c == '\n' || c == '\r')) {
            out += "&#" + std::to_string(octet) + ";";
        } else if (length == 0 || octet < 0x20 || text.starts_with("\xef\xbf\xbe") || text.starts_with("\xef\xbf\xbf")) {
            out += "\xef\xbf\xbd";
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out;
}

std::string element(std::string_view name, std::string_view content) {
    std::string out = "<";
    out.append(name).append(">").append(content).append("</").append(name.substr(0, name.find(' '))).append(">");
    return out;
}
std::string emptyElement(std::string_view name, std::string_view attribute, std::string_view value) {
    std::string out = "<";
    out.append(name).append(" ").append(attribute).append("=\"").append(escaped(value)).append("\"/>");
    return out;
}
std::string field(std::string_view uri) { return emptyElement("t:FieldURI", "FieldURI", uri); }
std::string fields(std::initializer_list<std::string_view> uris) {
    std::string out;
    for (const auto uri : uris) out += field(uri);
    return element("t:AdditionalProperties", out);
}

const std::string idOnly = "<t:BaseShape>IdOnly</t:BaseShape>";

std::string folderId(const FolderRef& folder) {
    if (!folder.id.empty()) return emptyElement("t:FolderId", "Id", folder.id);
    if (folder.mailbox.empty()) return emptyElement("t:DistinguishedFolderId", "Id", folder.distinguished);
    const auto whose = element("t:Mailbox", element("t:EmailAddress", escaped(folder.mailbox)));
    return "<t:DistinguishedFolderId Id=\"" + escaped(folder.distinguished) + "\">" + whose + "</t:DistinguishedFolderId>";
}

std::string itemIds(std::span<const std::string> ids) {
    std::string out;
    for (const auto& id : ids) out += emptyElement("t:ItemId", "Id", id);
    return element("m:ItemIds", out);
}

std::string page(std::string_view name, std::uint64_t most, std::uint64_t offset) {
    return "<m:" + std::string(name) + " MaxEntriesReturned=\"" + std::to_string(most) + "\" Offset=\"" + std::to_string(offset) +
           "\" BasePoint=\"Beginning\"/>";
}

std::string silence(Receipts receipts) { return receipts == Receipts::suppressed ? " SuppressReadReceipts=\"true\"" : ""; }

}  // namespace

std::string envelope(const Operation& operation, std::string_view version, std::string_view impersonated) {
    std::string out =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
        "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" "
        "xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" "
        "xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\">";
    auto header = emptyElement("t:RequestServerVersion", "Version", version);
    if (!impersonated.empty())
        header += element("t:ExchangeImpersonation", element("t:ConnectingSID", element("t:SmtpAddress", escaped(impersonated))));
    out += element("soap:Header", header);
    out += element("soap:Body", operation.body);
    return out + "</soap:Envelope>";
}

Operation getFolder(const FolderRef& folder) {
    const auto shape = element("m:FolderShape", idOnly + fields({"folder:DisplayName", "folder:ParentFolderId", "folder:FolderClass"}));
    return {"GetFolder", element("m:GetFolder", shape + element("m:FolderIds", folderId(folder)))};
}

Operation findFolders(const FolderRef& below, std::uint64_t offset) {
    const auto shape = element("m:FolderShape", idOnly + fields({"folder:DisplayName", "folder:ParentFolderId", "folder:FolderClass"}));
    return {"FindFolder", element("m:FindFolder Traversal=\"Deep\"",
                                  shape + page("IndexedPageFolderView", folderPage, offset) + element("m:ParentFolderIds", folderId(below)))};
}

Operation createFolder(const FolderRef& parent, std::string_view name) {
    const auto folder = element("t:Folder", element("t:FolderClass", "IPF.Note") + element("t:DisplayName", escaped(name)));
    return {"CreateFolder", element("m:CreateFolder", element("m:ParentFolderId", folderId(parent)) + element("m:Folders", folder))};
}

Operation syncFolderItems(const std::string& folder, std::string_view state) {
    auto content = element("m:ItemShape", idOnly) + element("m:SyncFolderId", folderId({.id = folder}));
    if (!state.empty()) content += element("m:SyncState", escaped(state));
    content += element("m:MaxChangesReturned", std::to_string(changesPage)) + element("m:SyncScope", "NormalItems");
    return {"SyncFolderItems", element("m:SyncFolderItems", content)};
}

Operation findItems(const std::string& folder, plugin::Wall since, std::uint64_t offset) {
    const auto constant = element("t:FieldURIOrConstant", emptyElement("t:Constant", "Value", plugin::utcText(since)));
    const auto restriction = element("m:Restriction", element("t:IsGreaterThanOrEqualTo", field("item:DateTimeReceived") + constant));
    const auto order = element("m:SortOrder", element("t:FieldOrder Order=\"Ascending\"", field("item:DateTimeReceived")));
    return {"FindItem",
            element("m:FindItem Traversal=\"Shallow\"", element("m:ItemShape", idOnly) + page("IndexedPageItemView", itemPage, offset) + restriction +
                                                            order + element("m:ParentFolderIds", folderId({.id = folder})))};
}

Operation getItems(std::span<const std::string> ids, ItemShape shape) {
    std::string content = idOnly;
    switch (shape) {
        case ItemShape::sizes:
            content += fields({"item:Size", "item:DateTimeReceived", "message:IsRead"});
            break;
        case ItemShape::mime:
            content += element("t:IncludeMimeContent", "true") + fields({"item:DateTimeReceived", "message:IsRead"});
            break;
        case ItemShape::properties:
            content += fields({"item:Subject", "item:DateTimeReceived", "item:DateTimeSent", "message:InternetMessageId", "message:IsRead"});
            break;
    }
    return {"GetItem", element("m:GetItem", element("m:ItemShape", content) + itemIds(ids))};
}

bool canBeRead(std::string_view element) {
    // MessageType of types.xsd, and what extends it
    constexpr std::array<std::string_view, 5> known{"Message", "MeetingMessage", "MeetingRequest", "MeetingResponse", "MeetingCancellation"};
    return std::find(known.begin(), known.end(), element) != known.end();
}

Operation markRead(std::span<const std::string> ids, std::string_view kind, Receipts receipts) {
    const auto item = element("t:" + std::string{kind}, element("t:IsRead", "true"));
    const auto set = element("t:Updates", element("t:SetItemField", field("message:IsRead") + item));
    std::string changes;
    for (const auto& id : ids) changes += element("t:ItemChange", emptyElement("t:ItemId", "Id", id) + set);
    const std::string update = "m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" MessageDisposition=\"SaveOnly\"";
    return {"UpdateItem", element(update + silence(receipts), element("m:ItemChanges", changes))};
}

Operation moveItems(std::span<const std::string> ids, const std::string& target) {
    return {"MoveItem", element("m:MoveItem", element("m:ToFolderId", folderId({.id = target})) + itemIds(ids))};
}

Operation deleteItems(std::span<const std::string> ids, Receipts receipts) {
    return {"DeleteItem", element("m:DeleteItem DeleteType=\"MoveToDeletedItems\"" + silence(receipts), itemIds(ids))};
}

Operation subscribe(std::span<const std::string> folders) {
    std::string ids, types;
    for (const auto& folder : folders) ids += folderId({.id = folder});
    for (const std::string_view type : {"NewMailEvent", "CreatedEvent", "MovedEvent"}) types += element("t:EventType", type);
    const auto request = element("m:StreamingSubscriptionRequest", element("t:FolderIds", ids) + element("t:EventTypes", types));
    return {"Subscribe", element("m:Subscribe", request)};
}

Operation getStreamingEvents(std::string_view subscription, unsigned minutes) {
    const auto ids = element("m:SubscriptionIds", element("t:SubscriptionId", escaped(subscription)));
    return {"GetStreamingEvents", element("m:GetStreamingEvents", ids + element("m:ConnectionTimeout", std::to_string(minutes)))};
}

Operation unsubscribe(std::string_view subscription) {
    return {"Unsubscribe", element("m:Unsubscribe", element("m:SubscriptionId", escaped(subscription)))};
}

}  // namespace listener::ews
