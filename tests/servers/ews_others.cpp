#include "tests/servers/ews_answering.h"
#include "tests/servers/ews_elements.h"

#include <algorithm>

/// What other clients ask for and the program never does.
namespace servers {

using namespace ews;

namespace {

/// As Exchange compares: numbers by their value, times and names by their letters.
int compared(const std::string& a, const std::string& b) {
    const auto isNumber = [](const std::string& text) { return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos; };
    if (isNumber(a) && isNumber(b) && a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
    return a.compare(b);
}

/// Which of `count` things go into the answer, by the page that was asked for.
struct Page {
    Page(Element* view, std::size_t count, std::size_t most) : of(count) {
        from = std::min(count, view == nullptr ? std::size_t{0} : static_cast<std::size_t>(std::stoul(attribute(view, "Offset"))));
        const auto wanted = attribute(view, "MaxEntriesReturned");
        to = std::min(count, from + std::min(most, wanted.empty() ? most : static_cast<std::size_t>(std::stoul(wanted))));
    }
    std::string opening() const {
        return "<m:RootFolder IndexedPagingOffset=\"" + std::to_string(to) + "\" TotalItemsInView=\"" + std::to_string(of) +
               "\" IncludesLastItemInRange=\"" + (to == of ? "true" : "false") + "\">";
    }
    std::size_t of, from, to;
};

std::string idXml(const EwsItem& item) {
    return "<t:" + item.element + "><t:ItemId Id=\"" + ewsEscaped(item.id) + "\" ChangeKey=\"CQAAABYA1=\"/></t:" + item.element + ">";
}

}  // namespace

/// The conditions somebody asks with; another one is refused.
template <class Of>
bool EwsServer::Answering::meets(const Of& of, Element& expression) const {
    const auto& name = expression.localName();
    const auto parts = childrenOf(expression);
    const auto holds = [&](auto* part) { return meets(of, *part); };
    if (name == "Restriction" || name == "And") return std::all_of(parts.begin(), parts.end(), holds);
    if (name == "Or") return std::any_of(parts.begin(), parts.end(), holds);
    if (name == "Not") return !holds(parts.at(0));
    const auto value = valueOf(of, *parts.at(0));
    if (name == "Exists") return value.has_value();
    if (!value) return false;
    const int order = compared(*value, attribute(below(expression, {"FieldURIOrConstant", "Constant"}), "Value"));
    if (name == "IsEqualTo") return order == 0;
    if (name == "IsNotEqualTo") return order != 0;
    if (name == "IsGreaterThan") return order > 0;
    if (name == "IsGreaterThanOrEqualTo") return order >= 0;
    if (name == "IsLessThan") return order < 0;
    if (name == "IsLessThanOrEqualTo") return order <= 0;
    server_.note("a condition nobody asked with so far: " + name);
    return false;
}

EwsAnswer EwsServer::Answering::findAnyItem(Element& operation) {
    std::string error;
    const auto folder = folderOf(childOf(operation, "ParentFolderIds"), error);
    if (!error.empty()) return soap(failure(error));
    auto items = server_.store_.itemsOf(folder);
    std::sort(items.begin(), items.end(), [](const auto* a, const auto* b) { return a->number > b->number; });  // newest first, where nobody says
    if (auto* restriction = childOf(operation, "Restriction")) std::erase_if(items, [&](const auto* item) { return !meets(*item, *restriction); });
    auto* sorting = childOf(operation, "SortOrder");
    auto orders = sorting == nullptr ? Elements{} : childrenOf(*sorting);
    std::reverse(orders.begin(), orders.end());
    for (auto* order : orders) {
        auto& field = *childrenOf(*order).at(0);
        const bool falling = attribute(order, "Order") == "Descending";
        std::stable_sort(items.begin(), items.end(), [&](const auto* a, const auto* b) {
            const auto comparison = compared(valueOf(*a, field).value_or(""), valueOf(*b, field).value_or(""));
            return falling ? comparison > 0 : comparison < 0;
        });
    }
    const Page page(childOf(operation, "IndexedPageItemView"), items.size(), server_.foundAtOnce);
    std::string found;
    for (auto at = page.from; at < page.to; ++at) found += itemXml(*items[at], *childOf(operation, "ItemShape"));
    return soap(message(page.opening() + "<t:Items>" + found + "</t:Items></m:RootFolder>"));
}

EwsAnswer EwsServer::Answering::findAnyFolder(Element& operation) {
    std::string error;
    const auto parent = folderOf(childOf(operation, "ParentFolderIds"), error);
    if (!error.empty()) return soap(failure(error));
    const bool deep = attribute(&operation, "Traversal") == "Deep";
    if (deep && !parent.empty()) return soap(failure("ErrorInvalidOperation"));  // nobody looks below another folder than the root so far
    std::vector<const EwsFolder*> folders;
    for (const auto& [id, folder] : server_.store_.folders())
        if (deep || folder.parent == parent) folders.push_back(&folder);
    if (auto* restriction = childOf(operation, "Restriction"))
        std::erase_if(folders, [&](const auto* folder) { return !meets(*folder, *restriction); });
    const Page page(childOf(operation, "IndexedPageFolderView"), folders.size(), server_.foldersAtOnce);
    std::string found;
    for (auto at = page.from; at < page.to; ++at) found += folderXml(*folders[at], *childOf(operation, "FolderShape"));
    return soap(message(page.opening() + "<t:Folders>" + found + "</t:Folders></m:RootFolder>"));
}

/// Answers a code, or nothing where it was done: a message is read or not, or has a property of somebody's own.
std::string EwsServer::Answering::updated(EwsItem& item, Element& update) {
    auto& field = *childrenOf(update).at(0);
    const bool sets = update.localName() == "SetItemField";
    auto* object = sets ? childrenOf(update).at(1) : nullptr;
    if (sets && object->localName() != item.element && object->localName() != "Item") return "ErrorIncorrectUpdatePropertyCount";
    if (sets && attribute(&field, "FieldURI") == "message:IsRead") {
        const bool read = textOf(childOf(*object, "IsRead")) == "true";
        if (read) server_.store_.markRead(item.id);
        item.isRead = read;
        return {};
    }
    const auto name = namedProperty(field);
    if (name.empty()) return "ErrorInvalidPropertySet";
    if (!sets)
        item.named.erase(name);
    else
        item.named[name] = textOf(below(*object, {"ExtendedProperty", "Value"}));
    return {};
}

EwsAnswer EwsServer::Answering::updateAnyItem(Element& operation) {
    std::string messages;
    for (auto* change : childrenOf(*childOf(operation, "ItemChanges"))) {
        auto* item = server_.store_.item(attribute(childOf(*change, "ItemId"), "Id"));
        std::string code = item == nullptr ? "ErrorItemNotFound" : "";
        for (auto* update : childrenOf(*childOf(*change, "Updates")))
            if (code.empty()) code = updated(*item, *update);
        messages += code.empty() ? message("<m:Items>" + idXml(*item) + "</m:Items><m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>")
                                 : failure(code);
    }
    return soap(messages);
}

EwsAnswer EwsServer::Answering::moveAnyItem(Element& operation) {
    std::string error, messages;
    const auto target = folderOf(childOf(operation, "ToFolderId"), error);
    const bool tells = textOf(childOf(operation, "ReturnNewItemIds")) != "false";
    for (const auto& id : idsOf(childOf(operation, "ItemIds"))) {
        const std::string code = !error.empty() ? "ErrorToFolderNotFound" : server_.store_.item(id) == nullptr ? "ErrorItemNotFound" : "";
        if (!code.empty()) {
            messages += failure(code);
            continue;
        }
        const auto moved = server_.store_.move(id, target);
        messages += message("<m:Items>" + (tells ? idXml(*server_.store_.item(moved)) : std::string()) + "</m:Items>");
    }
    return soap(messages);
}

EwsAnswer EwsServer::Answering::deleteAnyItem(Element& operation) {
    std::string messages;
    for (const auto& id : idsOf(childOf(operation, "ItemIds"))) {
        const bool known = server_.store_.item(id) != nullptr;
        if (known && attribute(&operation, "DeleteType") == "MoveToDeletedItems")
            server_.store_.move(id, server_.store_.distinguished("deleteditems"));
        else if (known)
            server_.store_.remove(id);
        messages += known ? message("") : failure("ErrorItemNotFound");
    }
    return soap(messages);
}

EwsAnswer EwsServer::Answering::convertId(Element& operation) {
    std::string messages;
    for (auto* id : childrenOf(*childOf(operation, "SourceIds"))) {
        if (id->localName() != "AlternateId" || attribute(id, "Format") != "EwsId" || attribute(&operation, "DestinationFormat") != "EwsId")
            return soap(failure("ErrorInvalidIdMalformed"));
        messages += message("<m:AlternateId xsi:type=\"t:AlternateIdType\" Format=\"EwsId\" Id=\"" + ewsEscaped(attribute(id, "Id")) +
                            "\" Mailbox=\"" + ewsEscaped(server_.user) + "\"/>");
    }
    return soap(messages);
}

}  // namespace servers
