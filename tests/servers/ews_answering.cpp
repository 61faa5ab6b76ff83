#include "tests/servers/ews_answering.h"

#include "tests/servers/ews_elements.h"

#include <Poco/DOM/DOMParser.h>
#include <Poco/DOM/NodeList.h>
#include <Poco/Exception.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace servers {

using namespace ews;

namespace {

/// Direct children of each operation, in the order of the schema.
const std::map<std::string, std::vector<std::string>> orders{
    {"GetFolder", {"FolderShape", "FolderIds"}},
    {"FindFolder", {"FolderShape", "IndexedPageFolderView", "ParentFolderIds"}},
    {"CreateFolder", {"ParentFolderId", "Folders"}},
    {"SyncFolderItems", {"ItemShape", "SyncFolderId", "SyncState", "MaxChangesReturned", "SyncScope"}},
    {"FindItem", {"ItemShape", "IndexedPageItemView", "Restriction", "SortOrder", "ParentFolderIds"}},
    {"GetItem", {"ItemShape", "ItemIds"}},
    {"UpdateItem", {"ItemChanges"}},
    {"MoveItem", {"ToFolderId", "ItemIds"}},
    {"DeleteItem", {"ItemIds"}},
    {"Subscribe", {"StreamingSubscriptionRequest"}},
    {"GetStreamingEvents", {"SubscriptionIds", "ConnectionTimeout"}},
    {"Unsubscribe", {"SubscriptionId"}},
    // of others, in the types' namespace
    {"ItemShape", {"BaseShape", "IncludeMimeContent", "AdditionalProperties"}},
    {"FolderShape", {"BaseShape", "AdditionalProperties"}},
    {"StreamingSubscriptionRequest", {"FolderIds", "EventTypes"}},
};

}  // namespace

std::string ewsEscaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string(1, c);
    return out;
}

std::string ewsEnvelope(const std::string& body, const std::string& version) {
    return "<s:Envelope xmlns:s=\"" + soapNs +
           "\"><s:Header><h:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"20\" MajorBuildNumber=\"9160\" "
           "MinorBuildNumber=\"4\" Version=\"" +
           version + "\" xmlns:h=\"" + typesNs +
           "\"/></s:Header><s:Body "
           "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">" +
           body + "</s:Body></s:Envelope>";
}

/// As Exchange 2010 and 2013 are on record with: github.com/nmarus/node-ews/issues/56, github.com/jamesiarmes/php-ews/issues/453. Some clients look
/// for these very letters.
std::string ewsStreamedEnvelope(const std::string& body, const std::string& version) {
    const auto soap11 = " xmlns:soap11=\"" + soapNs + "\">";
    return "<Envelope xmlns=\"" + soapNs + "\"><soap11:Header" + soap11 +
           "<ServerVersionInfo xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" "
           "MajorVersion=\"15\" "
           "MinorVersion=\"20\" MajorBuildNumber=\"9160\" MinorBuildNumber=\"4\" Version=\"" +
           version + "\" xmlns=\"" + typesNs + "\" /></soap11:Header><soap11:Body" + soap11 + body + "</soap11:Body></Envelope>";
}

std::string EwsServer::Answering::operationOf(const std::string& body) {
    const auto at = body.find("<m:");
    if (at == std::string::npos) return {};
    return body.substr(at + 3, body.find_first_of(" >/", at + 3) - at - 3);
}

EwsAnswer EwsServer::Answering::run() {
    Poco::AutoPtr<Poco::XML::Document> document;
    try {
        Poco::XML::DOMParser parser;
        parser.setFeature(Poco::XML::XMLReader::FEATURE_NAMESPACES, true);
        document = parser.parseString(request_.body);
    } catch (const Poco::Exception& error) {
        server_.note("a request is no XML: " + error.displayText());
        return fault("ErrorInvalidRequest");
    }
    auto* root = document->documentElement();
    if (root->localName() != "Envelope" || root->namespaceURI() != soapNs) {
        server_.note("a request is no SOAP 1.1");
        return fault("ErrorInvalidRequest");
    }
    auto* header = childOf(*root, "Header");
    auto* body = childOf(*root, "Body");
    if (auto refused = refuseHeader(header)) return *refused;
    const auto operations = body == nullptr ? Elements{} : childrenOf(*body);
    if (operations.size() != 1 || operations.front()->namespaceURI() != messagesNs) {
        server_.note("a request has not one operation");
        return fault("ErrorSchemaValidation");
    }
    if (!server_.anyClient) checkOrder(*operations.front());
    name_ = operations.front()->localName();
    return dispatch(*operations.front());
}

std::optional<EwsAnswer> EwsServer::Answering::refuseHeader(Element* header) {
    const auto parts = header == nullptr ? Elements{} : childrenOf(*header);
    for (auto* part : parts)
        if (part->namespaceURI() != typesNs) server_.note("a header is in the wrong namespace");
    const auto version = attribute(header == nullptr ? nullptr : childOf(*header, "RequestServerVersion"), "Version");
    static const std::vector<std::string> known{"Exchange2007_SP1", "Exchange2010",     "Exchange2010_SP1", "Exchange2010_SP2",
                                                "Exchange2013",     "Exchange2013_SP1", "Exchange2016"};
    const auto rank = [](const std::string& name) { return std::find(known.begin(), known.end(), name) - known.begin(); };
    const bool oldest = server_.anyClient && version.empty();  // who names none means that of Exchange 2007
    if (!oldest && rank(version) > rank(server_.newestSchema)) return fault("ErrorInvalidServerVersion");
    auto* person = header == nullptr ? nullptr : childOf(*header, "ExchangeImpersonation");
    impersonates_ = person != nullptr;
    const auto address = person == nullptr ? std::string() : textOf(below(*person, {"ConnectingSID", "SmtpAddress"}));
    switch (server_.impersonation) {
        case Impersonation::required:
            if (!impersonates_)
                return fault("ErrorImpersonationRequired", std::nullopt,
                             "ExchangeImpersonation SOAP header must be present for this type of OAuth token.");
            break;
        case Impersonation::forbidden:
            if (impersonates_) server_.note("somebody is impersonated without need");
            break;
        case Impersonation::denied:
            if (impersonates_) return fault("ErrorImpersonateUserDenied");
            break;
    }
    if (impersonates_ && address != server_.user) return fault("ErrorNonExistentMailbox");
    return std::nullopt;
}

void EwsServer::Answering::checkOrder(Element& element) {
    const auto order = orders.find(element.localName());
    const bool isShape =
        element.localName() == "ItemShape" || element.localName() == "FolderShape" || element.localName() == "StreamingSubscriptionRequest";
    std::size_t at = 0;
    for (auto* child : childrenOf(element)) {
        const bool inTypes = isShape || element.namespaceURI() == typesNs || order == orders.end();
        if (child->namespaceURI() != (inTypes ? typesNs : messagesNs)) server_.note(child->localName() + " is in the wrong namespace");
        if (order != orders.end()) {
            while (at < order->second.size() && order->second[at] != child->localName()) ++at;
            if (at++ == order->second.size()) server_.note(child->localName() + " is out of order in " + element.localName());
        }
        checkOrder(*child);
    }
}

EwsAnswer EwsServer::Answering::dispatch(Element& operation) {
    using Handler = EwsAnswer (Answering::*)(Element&);
    static const std::map<std::string, Handler> handlers{{"GetFolder", &Answering::getFolder},
                                                         {"FindFolder", &Answering::findFolder},
                                                         {"CreateFolder", &Answering::createFolder},
                                                         {"SyncFolderItems", &Answering::syncFolderItems},
                                                         {"FindItem", &Answering::findItem},
                                                         {"GetItem", &Answering::getItem},
                                                         {"UpdateItem", &Answering::onItems},
                                                         {"MoveItem", &Answering::onItems},
                                                         {"DeleteItem", &Answering::onItems},
                                                         {"Subscribe", &Answering::subscribe},
                                                         {"GetStreamingEvents", &Answering::getStreamingEvents},
                                                         {"Unsubscribe", &Answering::unsubscribe}};
    static const std::map<std::string, Handler> ofOthers{{"ConvertId", &Answering::convertId},  {"FindFolder", &Answering::findAnyFolder},
                                                         {"FindItem", &Answering::findAnyItem}, {"UpdateItem", &Answering::updateAnyItem},
                                                         {"MoveItem", &Answering::moveAnyItem}, {"DeleteItem", &Answering::deleteAnyItem}};
    const auto other = ofOthers.find(name_);
    if (server_.anyClient && other != ofOthers.end()) return (this->*other->second)(operation);

    const auto found = handlers.find(name_);
    if (found != handlers.end()) return (this->*found->second)(operation);
    server_.note("an operation nobody needs: " + name_);
    return fault("ErrorInvalidRequest");
}

EwsAnswer EwsServer::Answering::soap(const std::string& messages) const {
    const auto body = "<m:" + name_ + "Response xmlns:m=\"" + messagesNs + "\" xmlns:t=\"" + typesNs + "\"><m:ResponseMessages>" + messages +
                      "</m:ResponseMessages></m:" + name_ + "Response>";
    return {.body = "<?xml version=\"1.0\" encoding=\"utf-8\"?>" + ewsEnvelope(body, server_.serverVersion), .byTheSchema = server_.oddText.empty()};
}
std::string EwsServer::Answering::message(const std::string& content) const {
    return "<m:" + name_ + "ResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>" + content + "</m:" + name_ +
           "ResponseMessage>";
}
/// What a failed message has to have behind its code, by the schema.
std::string EwsServer::Answering::rest(const char*) const {
    if (name_ == "GetItem" || name_ == "MoveItem") return "<m:Items/>";
    if (name_ == "UpdateItem") return "<m:Items/><m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>";
    if (name_ == "GetFolder" || name_ == "CreateFolder") return "<m:Folders/>";
    if (name_ == "SyncFolderItems") return "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>";
    return {};
}
std::string EwsServer::Answering::failure(const std::string& code) const {
    const bool warns = code == "ErrorBatchProcessingStopped";
    return "<m:" + name_ + "ResponseMessage ResponseClass=\"" + (warns ? "Warning" : "Error") +
           "\"><m:MessageText>It cannot be done.</m:MessageText><m:ResponseCode>" + code +
           "</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>" + rest("") + "</m:" + name_ + "ResponseMessage>";
}

/// The folder a FolderId or DistinguishedFolderId names; the root is "".
std::string EwsServer::Answering::folderOf(Element* container, std::string& error) {
    const auto children = container == nullptr ? Elements{} : childrenOf(*container);
    if (children.size() != 1) {
        server_.note("not one folder is named");
        error = "ErrorInvalidRequest";
        return {};
    }
    return folderNamed(*children.front(), error);
}

std::string EwsServer::Answering::folderNamed(Element& named, std::string& error) {
    const auto id = attribute(&named, "Id");
    if (named.localName() == "FolderId" && id == rootId) return {};
    if (named.localName() == "FolderId") {
        if (server_.store_.folder(id) == nullptr) error = "ErrorFolderNotFound";
        return id;
    }
    const auto whose = textOf(below(named, {"Mailbox", "EmailAddress"}));
    const bool own = server_.anyClient && childOf(named, "Mailbox") == nullptr;  // that of whoever signed in
    if (!impersonates_ && !own && whose != server_.user) error = "ErrorNonExistentMailbox";
    if (id == "msgfolderroot" || id == "root") return {};
    auto found = server_.store_.distinguished(id);
    if (found.empty()) error = "ErrorFolderNotFound";
    return found;
}

EwsAnswer EwsServer::Answering::getFolder(Element& operation) {
    std::string error;
    const auto id = folderOf(childOf(operation, "FolderIds"), error);
    const EwsFolder root{.id = rootId, .name = "Top of Information Store"};
    const auto* folder = id.empty() ? &root : server_.store_.folder(id);
    if (!error.empty() || folder == nullptr) return soap(failure(error.empty() ? "ErrorFolderNotFound" : error));
    return soap(message("<m:Folders>" + folderXml(*folder, *childOf(operation, "FolderShape")) + "</m:Folders>"));
}

EwsAnswer EwsServer::Answering::findFolder(Element& operation) {
    std::string error;
    folderOf(childOf(operation, "ParentFolderIds"), error);
    if (!error.empty()) return soap(failure(error));
    auto* view = childOf(operation, "IndexedPageFolderView");
    const auto offset = static_cast<std::size_t>(std::stoul(attribute(view, "Offset")));
    const auto most = std::min<std::size_t>(std::stoul(attribute(view, "MaxEntriesReturned")), server_.foldersAtOnce);
    std::string found;
    std::size_t at = 0;
    for (const auto& [id, folder] : server_.store_.folders())
        if (at++ >= offset && at <= offset + most) found += folderXml(folder, *childOf(operation, "FolderShape"));
    const auto end = std::min(at, offset + most);
    return soap(message("<m:RootFolder IndexedPagingOffset=\"" + std::to_string(end) + "\" TotalItemsInView=\"" + std::to_string(at) +
                        "\" IncludesLastItemInRange=\"" + (end == at ? "true" : "false") + "\"><t:Folders>" + found + "</t:Folders></m:RootFolder>"));
}

EwsAnswer EwsServer::Answering::createFolder(Element& operation) {
    std::string error;
    const auto parent = folderOf(childOf(operation, "ParentFolderId"), error);
    if (!error.empty()) return soap(failure(error));
    const auto name = textOf(below(operation, {"Folders", "Folder", "DisplayName"}));
    if (server_.store_.child(parent, name) != nullptr) return soap(failure("ErrorFolderExists"));
    const auto id = server_.store_.addFolder(parent, name, textOf(below(operation, {"Folders", "Folder", "FolderClass"})));
    return soap(message("<m:Folders><t:Folder><t:FolderId Id=\"" + ewsEscaped(id) + "\" ChangeKey=\"AQAAAA==\"/></t:Folder></m:Folders>"));
}

EwsAnswer EwsServer::Answering::syncFolderItems(Element& operation) {
    std::string error;
    const auto folder = folderOf(childOf(operation, "SyncFolderId"), error);
    if (!error.empty()) return soap(failure(error == "ErrorFolderNotFound" ? "ErrorSyncFolderNotFound" : error));
    auto* state = childOf(operation, "SyncState");
    if (state != nullptr && textOf(state).empty()) server_.note("a SyncState is empty");
    const auto most = static_cast<std::size_t>(std::stoul(textOf(childOf(operation, "MaxChangesReturned"))));
    if (most < 1 || most > 512) return fault("ErrorSchemaValidation");
    const auto page = server_.store_.changesSince(folder, textOf(state), std::min(most, server_.changesAtOnce));
    if (!page) return soap(failure("ErrorInvalidSyncStateData"));
    std::string changes;
    for (const auto& change : page->changes) {
        const auto id = "<t:ItemId Id=\"" + ewsEscaped(change.id) + "\" ChangeKey=\"CQAAABYA1=\"/>";
        const auto* item = server_.store_.item(change.id);
        const auto element = item == nullptr ? std::string("Message") : item->element;
        const auto whole = "<t:" + element + ">" + id + "</t:" + element + ">";
        switch (change.kind) {
            case EwsChange::Kind::created:
                changes += "<t:Create>" + whole + "</t:Create>";
                break;
            case EwsChange::Kind::updated:
                changes += "<t:Update>" + whole + "</t:Update>";
                break;
            case EwsChange::Kind::removed:
                changes += "<t:Delete>" + id + "</t:Delete>";
                break;
            case EwsChange::Kind::read:
                changes += "<t:ReadFlagChange>" + id + "<t:IsRead>true</t:IsRead></t:ReadFlagChange>";
                break;
        }
    }
    return soap(message("<m:SyncState>" + page->state + "</m:SyncState><m:IncludesLastItemInRange>" + (page->last ? "true" : "false") +
                        "</m:IncludesLastItemInRange><m:Changes>" + changes + "</m:Changes>"));
}

EwsAnswer EwsServer::Answering::findItem(Element& operation) {
    std::string error;
    const auto folder = folderOf(childOf(operation, "ParentFolderIds"), error);
    if (!error.empty()) return soap(failure(error));
    auto* view = childOf(operation, "IndexedPageItemView");
    const auto since = attribute(below(operation, {"Restriction", "IsGreaterThanOrEqualTo", "FieldURIOrConstant", "Constant"}), "Value");
    for (auto* by :
         {below(operation, {"Restriction", "IsGreaterThanOrEqualTo", "FieldURI"}), below(operation, {"SortOrder", "FieldOrder", "FieldURI"})})
        if (attribute(by, "FieldURI") != "item:DateTimeReceived") return fault("ErrorUnsupportedPathForQuery");
    const auto order = attribute(below(operation, {"SortOrder", "FieldOrder"}), "Order");
    auto items = server_.store_.itemsOf(folder);
    std::erase_if(items, [&since](const EwsItem* item) { return item->received < since; });
    std::stable_sort(items.begin(), items.end(), [&order](const EwsItem* a, const EwsItem* b) {
        return order == "Descending" ? a->received > b->received : a->received < b->received;
    });
    const auto offset = std::min(items.size(), static_cast<std::size_t>(std::stoul(attribute(view, "Offset"))));
    const auto end = std::min(items.size(), offset + std::min<std::size_t>(std::stoul(attribute(view, "MaxEntriesReturned")), server_.foundAtOnce));
    std::string found;
    for (auto at = offset; at < end; ++at)
        found += "<t:" + items[at]->element + "><t:ItemId Id=\"" + ewsEscaped(items[at]->id) +
                 "\" ChangeKey=\"CQAAABYA1=\"/></t:" + items[at]->element + ">";
    return soap(message("<m:RootFolder IndexedPagingOffset=\"" + std::to_string(end) + "\" TotalItemsInView=\"" + std::to_string(items.size()) +
                        "\" IncludesLastItemInRange=\"" + (end == items.size() ? "true" : "false") + "\"><t:Items>" + found +
                        "</t:Items></m:RootFolder>"));
}

EwsAnswer EwsServer::Answering::getItem(Element& operation) {
    auto* shape = childOf(operation, "ItemShape");
    const bool mime = textOf(childOf(*shape, "IncludeMimeContent")) == "true";
    const auto ids = idsOf(childOf(operation, "ItemIds"));
    if (mime && ids.size() > 10) server_.note("more than ten messages at once");
    std::string messages;
    bool stopped = false;
    for (const auto& id : ids) {
        const auto* item = server_.store_.item(id);
        std::string code = stopped ? "ErrorBatchProcessingStopped" : item == nullptr ? "ErrorItemNotFound" : "";
        auto scripted = server_.itemCodes.find(id);
        if (code.empty() && mime && scripted != server_.itemCodes.end() && !scripted->second.empty()) {
            code = scripted->second.front();
            if (code.ends_with("!"))
                code.pop_back();
            else
                scripted->second.pop_front();
        }
        if (!code.empty()) {
            stopped = stopped || (server_.oneStopsAll && code != "ErrorItemNotFound");
            messages += failure(code);
        } else {
            messages += message("<m:Items>" + itemXml(*item, *shape) + "</m:Items>");
        }
    }
    auto answer = soap(messages);
    if (messages.find("ErrorOfNextYear") != std::string::npos) answer.byTheSchema = false;
    return answer;
}

std::string EwsServer::Answering::onItem(const std::string& id, Element& operation, const std::string& target) {
    if (server_.store_.item(id) == nullptr) return failure("ErrorItemNotFound");
    // Servers before Exchange 2013 SP1 do not know the attribute
    if (name_ != "MoveItem" && !isOld() && attribute(&operation, "SuppressReadReceipts") != "true") server_.note("a read receipt is sent");
    if (name_ != "MoveItem" && isOld() && operation.hasAttribute("SuppressReadReceipts")) return failure("ErrorSchemaValidation");
    if (server_.acts) server_.acts(name_, *server_.store_.item(id));
    if (name_ == "DeleteItem") {
        if (attribute(&operation, "DeleteType") != "MoveToDeletedItems") server_.note("a message is deleted for good");
        server_.store_.move(id, server_.store_.distinguished("deleteditems"));
        return message("");
    }
    if (name_ == "MoveItem") {
        server_.store_.move(id, target);
        return message("<m:Items/>");
    }
    const auto* item = server_.store_.item(id);
    auto* change = changeOf(id, operation);
    auto* field = below(*change, {"Updates", "SetItemField"});
    auto* object = field == nullptr ? nullptr : childOf(*field, item->element);
    if (field == nullptr || attribute(childOf(*field, "FieldURI"), "FieldURI") != "message:IsRead") return failure("ErrorInvalidPropertySet");
    if (object == nullptr) return failure("ErrorIncorrectUpdatePropertyCount");
    if (textOf(childOf(*object, "IsRead")) != "true") return failure("ErrorInvalidPropertySet");
    server_.store_.markRead(id);
    return message("<m:Items/><m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>");
}

bool EwsServer::Answering::isOld() const {
    return server_.newestSchema.starts_with("Exchange2010") || server_.newestSchema.starts_with("Exchange2007");
}

/// What UpdateItem says of one message.
EwsServer::Answering::Element* EwsServer::Answering::changeOf(const std::string& id, Element& operation) {
    for (auto* change : childrenOf(*childOf(operation, "ItemChanges")))
        if (attribute(childOf(*change, "ItemId"), "Id") == id) return change;
    return nullptr;
}

EwsAnswer EwsServer::Answering::onItems(Element& operation) {
    std::string target, error, messages;
    if (name_ == "MoveItem") target = folderOf(childOf(operation, "ToFolderId"), error);
    auto ids = idsOf(childOf(operation, "ItemIds"));
    if (auto* changes = childOf(operation, "ItemChanges"))
        for (auto* change : childrenOf(*changes)) ids.push_back(attribute(childOf(*change, "ItemId"), "Id"));
    for (const auto& id : ids) messages += error.empty() ? onItem(id, operation, target) : failure("ErrorToFolderNotFound");
    return soap(messages);
}

EwsAnswer EwsServer::Answering::subscribe(Element& operation) {
    auto* wanted = childOf(operation, "StreamingSubscriptionRequest");
    std::set<std::string> ids;
    std::string error;
    if (auto* folders = wanted == nullptr ? nullptr : childOf(*wanted, "FolderIds"))
        for (auto* folder : childrenOf(*folders)) ids.insert(folderNamed(*folder, error));
    if (!error.empty()) return soap(failure(error));
    std::set<std::string> types;
    if (auto* asked = wanted == nullptr ? nullptr : childOf(*wanted, "EventTypes"))
        for (auto* type : childrenOf(*asked)) types.insert(textOf(type));
    if (types.empty()) return fault("ErrorSchemaValidation");
    if (!server_.anyClient && request_.header("x-preferserveraffinity") != "true") server_.note("a subscription without affinity");
    if (!request_.header("cookie").empty()) server_.note("a new subscription with the affinity of another one");
    const auto id = "JgBibjFwcj" + std::to_string(++server_.subscriptionIds_) + "=";
    auto& subscription = server_.subscriptions_[id];
    subscription.folders = ids;
    subscription.types = types;
    subscription.affinity = "X-BackEndOverrideCookie=backend" + std::to_string(server_.subscriptionIds_) + "~1";
    auto answer = soap(message("<m:SubscriptionId>" + id + "</m:SubscriptionId>"));
    answer.headers["Set-Cookie"] = subscription.affinity + "; path=/; secure; HttpOnly";
    return answer;
}

EwsAnswer EwsServer::Answering::getStreamingEvents(Element& operation) {
    const auto id = textOf(below(operation, {"SubscriptionIds", "SubscriptionId"}));
    const auto minutes = std::stoul(textOf(childOf(operation, "ConnectionTimeout")));
    if (minutes < 1 || minutes > 30) return fault("ErrorSchemaValidation");
    const auto found = server_.subscriptions_.find(id);
    if (found == server_.subscriptions_.end())
        return soap(
            "<m:GetStreamingEventsResponseMessage ResponseClass=\"Error\"><m:MessageText>Subscription is invalid.</m:MessageText>"
            "<m:ResponseCode>ErrorInvalidSubscription</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:ErrorSubscriptionIds>"
            "<t:SubscriptionId>" +
            id +
            "</t:SubscriptionId></m:ErrorSubscriptionIds><m:ConnectionStatus>Closed</m:ConnectionStatus>"
            "</m:GetStreamingEventsResponseMessage>");
    if (!server_.anyClient && request_.header("cookie") != found->second.affinity) server_.note("the affinity of a subscription is forgotten");
    auto answer = soap("");
    answer.body = server_.streamed(id, "<m:ConnectionStatus>OK</m:ConnectionStatus>");
    answer.streams = id;
    return answer;
}

EwsAnswer EwsServer::Answering::unsubscribe(Element& operation) {
    const auto gone = server_.subscriptions_.erase(textOf(childOf(operation, "SubscriptionId")));
    return soap(gone > 0 ? message("") : failure("ErrorSubscriptionNotFound"));
}

}  // namespace servers
