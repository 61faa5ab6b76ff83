#include "tests/servers/base64.h"
#include "tests/servers/ews_answering.h"
#include "tests/servers/ews_elements.h"

#include <cstdlib>

/// What a folder and a message look like, by the shape that was asked for.
namespace servers {

using namespace ews;

namespace {

std::string headerOf(const EwsItem& item, const std::string& name) {
    const auto at = item.mime.find(name + ": ");
    return at == std::string::npos ? std::string() : item.mime.substr(at + name.size() + 2, item.mime.find("\r\n", at) - at - name.size() - 2);
}

std::vector<Element*> askedFor(Element& shape) {
    auto* more = childOf(shape, "AdditionalProperties");
    return more == nullptr ? std::vector<Element*>() : childrenOf(*more);
}
std::set<std::string> fieldsOf(Element& shape) {
    std::set<std::string> asked;
    for (auto* field : askedFor(shape)) asked.insert(attribute(field, "FieldURI"));
    return asked;
}
unsigned long tagOf(Element& field) { return std::strtoul(attribute(&field, "PropertyTag").c_str(), nullptr, 0); }
bool asksForMore(Element& shape) { return textOf(childOf(shape, "BaseShape")) != "IdOnly"; }

}  // namespace

/// What a field of a message holds; extended ones by their number in MAPI, as far as somebody asks for them. Nothing: it has none such.
std::optional<std::string> EwsServer::Answering::valueOf(const EwsItem& item, Element& field) const {
    const auto name = attribute(&field, "FieldURI");
    if (name == "item:Subject") return headerOf(item, "Subject");
    if (name == "item:DateTimeReceived" || name == "item:DateTimeSent") return item.received;
    if (name == "item:Size") return std::to_string(item.size.value_or(item.mime.size()));
    if (name == "message:IsRead") return item.isRead ? "true" : "false";
    if (const auto found = item.named.find(namedProperty(field)); found != item.named.end()) return found->second;
    switch (tagOf(field)) {
        case 0x0037:
            return headerOf(item, "Subject");
        case 0x0e06:
            return item.received;  // PR_MESSAGE_DELIVERY_TIME
        case 0x0e07:
            return item.isRead ? "1" : "0";  // PR_MESSAGE_FLAGS
        case 0x0e08:
            return std::to_string(item.mime.size());  // PR_MESSAGE_SIZE
        case 0x0e23:
            return std::to_string(item.number);  // PR_INTERNET_ARTICLE_NUMBER, which IMAP has for UID
        case 0x0ff9:
            return base64(item.id);  // PR_RECORD_KEY
        case 0x1035:
            return headerOf(item, "Message-ID");  // PR_INTERNET_MESSAGE_ID
        case 0x3008:
            return item.received;  // PR_LAST_MODIFICATION_TIME
        default:
            return std::nullopt;
    }
}

std::optional<std::string> EwsServer::Answering::valueOf(const EwsFolder& folder, Element& field) const {
    const auto counts = countsOf(folder);
    switch (tagOf(field)) {
        case 0x3001:
            return folder.name;
        case 0x3602:
            return std::to_string(counts.items);
        case 0x3603:
            return std::to_string(counts.unread);
        case 0x360a:
            return counts.children > 0 ? "true" : "false";
        case 0x3613:
            return folder.folderClass;
        case 0x670a:
            return server_.store_.changedAt(folder.id);  // PR_LOCAL_COMMIT_TIME_MAX
        case 0x6751:
            return std::to_string(server_.store_.nextNumber());  // PR_ARTICLE_NUM_NEXT
        default:
            return std::nullopt;
    }
}

EwsServer::Answering::Counts EwsServer::Answering::countsOf(const EwsFolder& folder) const {
    Counts counts;
    for (const auto* item : server_.store_.itemsOf(folder.id)) {
        ++counts.items;
        if (!item->isRead) ++counts.unread;
    }
    const auto id = folder.id == rootId ? std::string() : folder.id;
    for (const auto& [each, other] : server_.store_.folders())
        if (other.parent == id) ++counts.children;
    return counts;
}

template <class Of>
std::string EwsServer::Answering::extendedProperties(const Of& of, Element& shape) const {
    std::string out;
    for (auto* field : askedFor(shape)) {
        const auto value = field->localName() == "ExtendedFieldURI" ? valueOf(of, *field) : std::nullopt;
        if (!value) continue;
        out += "<t:ExtendedProperty><t:ExtendedFieldURI";
        for (const auto* name : {"DistinguishedPropertySetId", "PropertySetId", "PropertyTag", "PropertyName", "PropertyId", "PropertyType"})
            if (field->hasAttribute(name)) out += std::string(" ") + name + "=\"" + ewsEscaped(attribute(field, name)) + "\"";
        out += "/><t:Value>" + ewsEscaped(*value) + "</t:Value></t:ExtendedProperty>";
    }
    return out;
}

std::string EwsServer::Answering::folderXml(const EwsFolder& folder, Element& shape) const {
    const auto asked = fieldsOf(shape);
    const bool all = asksForMore(shape);
    auto out = "<t:FolderId Id=\"" + ewsEscaped(folder.id) + "\" ChangeKey=\"AQAAAA==\"/><t:ParentFolderId Id=\"" +
               (folder.parent.empty() ? rootId : ewsEscaped(folder.parent)) + "\" ChangeKey=\"AQAAAA==\"/><t:FolderClass>" + folder.folderClass +
               "</t:FolderClass><t:DisplayName>" + ewsEscaped(folder.name) + server_.oddText + "</t:DisplayName>";
    const auto counted = [&](const char* name, std::size_t(Counts::*count)) {
        if (!all && !asked.contains(std::string("folder:") + name)) return std::string();
        return std::string("<t:") + name + ">" + std::to_string(countsOf(folder).*count) + "</t:" + name + ">";
    };
    out += counted("TotalCount", &Counts::items) + counted("ChildFolderCount", &Counts::children) + extendedProperties(folder, shape);
    if (folder.element == "Folder") out += counted("UnreadCount", &Counts::unread);
    return "<t:" + folder.element + ">" + out + "</t:" + folder.element + ">";
}

std::string EwsServer::Answering::itemXml(const EwsItem& item, Element& shape) {
    auto asked = fieldsOf(shape);
    if (asksForMore(shape))
        asked.insert({"item:Subject", "item:DateTimeReceived", "item:Size", "item:DateTimeSent", "message:InternetMessageId", "message:IsRead"});
    std::string out;
    if (textOf(childOf(shape, "IncludeMimeContent")) == "true" || asked.contains("item:MimeContent")) {
        auto mime = item.mime;
        if (server_.rendersAnew) mime = "X-Rendering: " + std::to_string(++server_.renderings_) + "\r\n" + mime;
        if (server_.handsOut) server_.handsOut(item.mime, mime);
        out += "<t:MimeContent CharacterSet=\"UTF-8\">" + base64(mime) + "</t:MimeContent>";
    }
    out += "<t:ItemId Id=\"" + ewsEscaped(item.id) + "\" ChangeKey=\"CQAAABYA1=\"/>";
    const auto subject = item.mime.find("Subject: ");
    if (asked.contains("item:Subject") && subject != std::string::npos)
        out += "<t:Subject>" + ewsEscaped(item.mime.substr(subject + 9, item.mime.find("\r\n", subject) - subject - 9)) + server_.oddText +
               "</t:Subject>";
    if (asked.contains("item:DateTimeReceived")) out += "<t:DateTimeReceived>" + item.received + "</t:DateTimeReceived>";
    if (asked.contains("item:Size")) out += "<t:Size>" + std::to_string(item.size.value_or(item.mime.size())) + "</t:Size>";
    if (asked.contains("item:DateTimeSent")) out += "<t:DateTimeSent>" + item.received + "</t:DateTimeSent>";
    out += extendedProperties(item, shape);
    if (item.element == "Message" && asked.contains("message:InternetMessageId"))
        out += "<t:InternetMessageId>&lt;told@contoso.example&gt;</t:InternetMessageId>";
    if ((item.element == "Message" || item.element.starts_with("Meeting")) && asked.contains("message:IsRead"))
        out += std::string("<t:IsRead>") + (item.isRead ? "true" : "false") + "</t:IsRead>";
    return "<t:" + item.element + ">" + out + "</t:" + item.element + ">";
}

}  // namespace servers
