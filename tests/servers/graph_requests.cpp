// What GraphServer answers to each kind of request.
#include "tests/servers/graph_exchange.h"

namespace servers {

namespace {

constexpr std::size_t mostInBatch = 20, mostTranslated = 1000;

}  // namespace

GraphServer::Reply GraphServer::inside(Asked& asked) {
    if (const auto link = links_.find(asked.target); link != links_.end()) {
        const auto what = link->second;
        if (asked.method != "GET") return problem("a link is followed by " + asked.method);
        if (asked.target.find("/users/" + encoded(user_) + "/") == std::string::npos)
            return Reply::error(404, "ErrorInvalidUser", "The requested user is invalid.");
        return what.children ? children(asked, what.folder, *what.children) : delta(asked, what.folder, what.token);
    }
    auto path = split(asked.path(), '/');
    const std::size_t from = asked.batched ? 1 : 2;  // of a $batch the version is not part of it
    if (path.size() < from + 3 || (!asked.batched && path[1] != "v1.0") || path[from] != "users") return problem("no such address: " + asked.target);
    for (auto& part : path) {
        const auto plain = decoded(part);
        if (!plain) return problem("not encoded as it should be, " + part + ": " + asked.target);
        part = *plain;
    }
    if (opensAll_) user_ = path[from + 1];
    if (path[from + 1] != user_) return Reply::error(404, "ErrorInvalidUser", "The requested user '" + path[from + 1] + "' is invalid.");
    path.erase(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(from + 2));
    if (path.size() == 1 && path[0] == "translateExchangeIds") return translate(asked);
    return path[0] == "mailFolders" ? folders(asked, path)
           : path[0] == "messages"  ? messages(asked, path)
                                    : problem("no such address: " + asked.target);
}

std::string GraphServer::given(const std::string& path, Given what) {
    links_[path] = std::move(what);
    return (leadTo_.empty() ? url() : leadTo_) + path;
}

// Folders.
namespace {

Object::Ptr shown(const GraphStore& store, const GraphStore::Folder& folder) {
    Object::Ptr object(new Object);
    if (folder.search) object->set("@odata.type", "#microsoft.graph.mailSearchFolder");
    object->set("id", folder.id).set("displayName", folder.name).set("parentFolderId", folder.parent);
    object->set("childFolderCount", static_cast<int>(store.children(folder.id).size())).set("isHidden", folder.hidden).set("sizeInBytes", 1);
    return object;
}

Object::Ptr shown(const GraphStore::Mail& mail) {
    Object::Ptr object(new Object);
    object->set("@odata.etag", "W/\"CQAAABYAAAA\"").set("id", mail.id).set("receivedDateTime", mail.received);
    if (mail.id.size() % 2 == 0)
        object->set("isRead", mail.read);
    else
        object->set("isRead", mail.read ? "true" : "false");  // as in some of Microsoft's examples
    return object;
}

/// As it is answered where nobody says what of it is wanted: with all there is in it.
Object::Ptr shownWhole(const GraphStore::Mail& mail) {
    auto object = shown(mail);
    auto text = mail.bytes;
    for (auto& octet : text)
        if (static_cast<unsigned char>(octet) >= 0x80) octet = '?';  // JSON is UTF-8, whatever the mail is
    Object::Ptr body(new Object);
    body->set("contentType", "text").set("content", text);
    object->set("body", body).set("parentFolderId", mail.folder);
    return object;
}

bool selects(const std::string& fields, const std::set<std::string>& known) {
    const auto asked = split(fields, ',');
    return !asked.empty() && std::all_of(asked.begin(), asked.end(), [&known](const auto& each) { return known.contains(each); });
}

}  // namespace

GraphServer::Reply GraphServer::folders(Asked& asked, const std::vector<std::string>& path) {
    if (path.size() < 2) return problem("no such address: " + asked.target);
    const auto* folder = store_.findFolder(path[1]);
    if (folder == nullptr)
        return Reply::error(404, "ErrorItemNotFound",
                            "The specified object was not found in the store., The process failed to get the correct properties.");
    static const std::set<std::string> fields{"id", "displayName", "parentFolderId", "childFolderCount", "isHidden"};
    for (const auto& [name, value] : asked.options) {
        const bool top = name == "$top" && path.size() == 3 && std::stoul(value) <= 1000;
        const bool select = name == "$select" && (path.size() == 4 || selects(value, fields));
        if (!top && !select) return problem("an option that is not known here, " + name + "=" + value);
    }
    if (path.size() == 2 && asked.method == "GET") return Reply::of(shown(store_, *folder));
    if (path.size() == 3 && path[2] == "childFolders" && asked.method == "GET") return children(asked, folder->id, 0);
    if (path.size() == 3 && path[2] == "childFolders" && asked.method == "POST") return createFolder(asked, folder->id);
    if (path.size() == 4 && path[2] == "messages" && path[3] == "delta" && asked.method == "GET") {
        if (!selects(asked.options["$select"], {"id", "receivedDateTime", "isRead"})) return problem("no such fields: " + asked.options["$select"]);
        return delta(asked, folder->id, "");
    }
    return problem("no such address: " + asked.method + " " + asked.target);
}

GraphServer::Reply GraphServer::children(Asked& asked, const std::string& folder, std::size_t from) {
    std::vector<const GraphStore::Folder*> all;
    for (const auto* child : store_.children(folder))
        if (!child->hidden) all.push_back(child);
    auto size = pages_;
    if (const auto top = asked.options.find("$top"); top != asked.options.end())
        size = std::min(size, static_cast<std::size_t>(std::stoul(top->second)));
    Array::Ptr list(new Array);
    for (auto i = from; i < std::min(from + size, all.size()); ++i) list->add(shown(store_, *all[i]));
    Object::Ptr page(new Object);
    page->set("value", list);
    if (from + size < all.size())
        page->set("@odata.nextLink",
                  given("/v1.0/users/" + encoded(user_) + "/mailFolders/" + encoded(folder) + "/childFolders?$skip=" + std::to_string(from + size),
                        {folder, "", from + size}));
    return Reply::of(page);
}

GraphServer::Reply GraphServer::createFolder(Asked& asked, const std::string& parent) {
    const auto body = parsed(asked.body);
    if (!body || body->size() != 1 || !body->has("displayName")) return problem("a folder is made of its displayName: " + asked.body);
    const auto name = body->getValue<std::string>("displayName");
    if (store_.findFolder(parent, name) != nullptr) return Reply::error(409, "ErrorFolderExists", "A folder with the specified name already exists.");
    return Reply::of(shown(store_, *store_.findFolder(store_.folder(parent, name))), 201);
}

GraphServer::Reply GraphServer::delta(Asked& asked, const std::string& folder, const std::string& token) {
    std::size_t size = 10;
    for (const auto& preference : split(asked.header("prefer"), ','))
        if (const auto at = preference.find("maxpagesize="); at != std::string::npos) size = std::stoul(preference.substr(at + 12));
    if (store_.findFolder(folder) == nullptr) return Reply::error(404, "ErrorItemNotFound", "The specified object was not found in the store.");
    const auto changes = store_.changes(folder, token, std::min(size, pages_));
    if (!changes)
        return Reply::error(expiredStatus_, expiredCode_, "The sync state generation is not found; generation=605;[highest=841][lowest=631].");
    Array::Ptr list(new Array);
    for (const auto& [id, here] : changes->entries) {
        Object::Ptr entry(new Object);
        if (here) {
            entry = shown(*store_.find(id));
        } else {
            Object::Ptr reason(new Object);
            reason->set("reason", store_.find(id) == nullptr ? "deleted" : "changed");
            entry->set("id", id).set("@removed", reason);
        }
        list->add(entry);
    }
    Object::Ptr page(new Object);
    page->set("@odata.context", "https://graph.microsoft.com/v1.0/$metadata#Collection(message)").set("value", list);
    const auto path = "/v1.0/users/" + encoded(user_) + "/mailFolders/" + encoded(folder) + "/messages/delta?" +
                      (changes->last ? "$deltatoken=" : "$skiptoken=") + changes->token;
    page->set(changes->last ? "@odata.deltaLink" : "@odata.nextLink", given(path, {folder, changes->token, {}}));
    return Reply::of(page);
}

// Messages.
GraphServer::Reply GraphServer::messages(Asked& asked, const std::vector<std::string>& path) {
    if (path.size() < 2 || path.size() > 3) return problem("no such address: " + asked.target);
    for (const auto& [name, value] : asked.options)
        if (name != "$select" || asked.method != "GET" || path.size() != 2 || !selects(value, {"id", "receivedDateTime", "isRead"}))
            return problem("an option that is not known here, " + name + "=" + value);
    const auto* mail = store_.find(path[1]);
    if (mail == nullptr) return Reply::error(404, "ErrorItemNotFound", "The specified object was not found in the store.");
    if (path.size() == 3 && path[2] == "$value" && asked.method == "GET") return content(path[1]);
    if (path.size() == 3 && path[2] == "move" && asked.method == "POST") return move(asked, path[1]);
    if (path.size() == 2 && asked.method == "PATCH") return change(asked, path[1]);
    if (path.size() == 2 && asked.method == "GET") return Reply::of(shown(*mail));
    return problem("no such address: " + asked.method + " " + asked.target);
}

GraphServer::Reply GraphServer::content(const std::string& id) {
    if (const auto bad = poison_.find(id); bad != poison_.end()) {
        auto reply = Reply::error(bad->second.status, bad->second.code, "An internal server error occurred.");
        reply.headers = bad->second.headers;
        return reply;
    }
    Reply reply;
    reply.type = "text/plain";
    reply.message = true;
    reply.body = store_.find(id)->bytes;
    if (rendersAnew_) render(reply.body);
    if (handsOut_) handsOut_(store_.find(id)->bytes, reply.body);
    return reply;
}

void GraphServer::render(std::string& bytes) {
    const auto number = std::to_string(++renderings_);
    static const std::string boundary = "=_boundary_";
    for (auto at = bytes.find(boundary); at != std::string::npos; at = bytes.find(boundary)) bytes.replace(at, boundary.size(), "_" + number + "_");
    const auto end = bytes.find("\r\n\r\n");
    bytes.insert(renderings_ % 2 == 0 || end == std::string::npos ? 0 : end + 2, "X-MS-Exchange-Rendering: " + number + "\r\n");
}

GraphServer::Reply GraphServer::change(Asked& asked, const std::string& id) {
    const auto body = parsed(asked.body);
    if (!body || body->size() != 1 || !body->has("isRead") || !body->get("isRead").isBoolean())
        return problem("of a message only isRead is changed: " + asked.body);
    if (acts_) acts_("read", *store_.find(id));
    store_.markRead(id, body->getValue<bool>("isRead"));
    if (asked.header("prefer").find("return=minimal") == std::string::npos) return Reply::of(shownWhole(*store_.find(id)));
    Reply nothing;
    nothing.status = 204;
    return nothing;
}

GraphServer::Reply GraphServer::move(Asked& asked, const std::string& id) {
    const auto body = parsed(asked.body);
    if (!body || body->size() != 1 || !body->has("destinationId")) return problem("a move has a destinationId alone: " + asked.body);
    const auto target = body->getValue<std::string>("destinationId");
    if (store_.findFolder(target) == nullptr) return Reply::error(404, "ErrorItemNotFound", "The specified object was not found in the store.");
    if (acts_) acts_("moved", *store_.find(id));
    store_.move(id, target);
    return Reply::of(shownWhole(*store_.find(id)), 201);
}

GraphServer::Reply GraphServer::batch(Asked& asked) {
    const auto body = parsed(asked.body);
    const auto requests = body ? body->getArray("requests") : Array::Ptr();
    if (asked.method != "POST" || !requests || requests->size() == 0 || requests->size() > mostInBatch)
        return problem("a $batch has 1 to 20 requests");
    Array::Ptr answers(new Array);
    std::set<std::string> ids;
    for (std::size_t i = requests->size(); i-- > 0;) {  // in any order
        const auto item = requests->getObject(static_cast<unsigned>(i));
        Asked one{.method = item->optValue<std::string>("method", ""), .target = item->optValue<std::string>("url", ""), .body = {}, .batched = true};
        const auto id = item->optValue<std::string>("id", "");
        if (id.empty() || !ids.insert(id).second || !one.target.starts_with("/users/"))
            return problem("a request of a $batch without an id of its own, or a relative url: " + one.target);
        if (const auto headers = item->getObject("headers"))
            for (const auto& [name, value] : *headers) one.headers[lowered(name)] = value.convert<std::string>();
        if (const auto inner = item->getObject("body")) one.body = written(inner);
        requests_.push_back("BATCH " + one.method + " " + one.target);
        auto reply = scripted(requests_.back());
        if (!reply) reply = throttled();
        if (!reply) reply = wellFormed(one) ? inside(one) : Reply::error(400, "BadRequest", problems_.back());
        Object::Ptr answer(new Object), headers(new Object);
        for (const auto& [name, value] : reply->headers) headers->set(name, value);
        answer->set("id", id).set("status", reply->status).set("headers", headers);
        if (reply->object) answer->set("body", reply->object);
        if (reply->status != 0) answers->add(answer);
    }
    Object::Ptr whole(new Object);
    whole->set("responses", answers);
    return Reply::of(whole);
}

GraphServer::Reply GraphServer::translate(Asked& asked) {
    const auto body = parsed(asked.body);
    const auto ids = body ? body->getArray("inputIds") : Array::Ptr();
    if (asked.method != "POST" || asked.batched || !asked.options.empty() || !ids || ids->size() == 0 || ids->size() > mostTranslated)
        return problem("1 to 1000 ids are translated by POST: " + asked.method + " " + asked.target);
    if (body->size() != 3 || body->optValue<std::string>("sourceIdType", "") != "ewsId" ||
        body->optValue<std::string>("targetIdType", "") != "restImmutableEntryId")
        return problem("ids of EWS become immutable ones, and nothing else is said: " + asked.body.substr(asked.body.size() / 2));
    Translations all;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < ids->size(); ++i) {
        const auto each = ids->get(static_cast<unsigned>(i));
        if (!each.isString() || !seen.insert(each.convert<std::string>()).second) return problem("an id that is no text, or comes twice");
        const auto found = ewsIds_.find(each.convert<std::string>());
        all.emplace_back(each.convert<std::string>(), found == ewsIds_.end() ? std::string() : found->second);
    }
    if (!mayTranslate_) return Reply::error(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
    if (onTranslation_) onTranslation_(all);
    Array::Ptr list(new Array);
    for (const auto& [source, target] : all) {
        Object::Ptr entry(new Object), error(new Object);
        entry->set("sourceId", source);
        if (target.empty())
            error->set("code", "ErrorItemNotFound").set("message", "The item is not found."), entry->set("errorDetails", error);
        else
            entry->set("targetId", target);
        list->add(entry);
    }
    Object::Ptr whole(new Object);
    whole->set("@odata.context", "https://graph.microsoft.com/v1.0/$metadata#Collection(microsoft.graph.convertIdResult)").set("value", list);
    return Reply::of(whole);
}

}  // namespace servers
