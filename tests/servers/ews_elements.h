#pragma once

#include <Poco/DOM/Element.h>

#include <initializer_list>
#include <string>
#include <vector>

/// How an element of a request is read.
namespace servers::ews {

using Poco::XML::Element;
using Poco::XML::Node;

inline const std::string soapNs = "http://schemas.xmlsoap.org/soap/envelope/";
inline const std::string typesNs = "http://schemas.microsoft.com/exchange/services/2006/types";
inline const std::string messagesNs = "http://schemas.microsoft.com/exchange/services/2006/messages";

inline std::vector<Element*> childrenOf(const Node& node) {
    std::vector<Element*> found;
    for (auto* child = node.firstChild(); child != nullptr; child = child->nextSibling())
        if (auto* element = dynamic_cast<Element*>(child)) found.push_back(element);
    return found;
}
inline Element* childOf(const Node& node, const std::string& name) {
    for (auto* child : childrenOf(node))
        if (child->localName() == name) return child;
    return nullptr;
}
inline Element* below(Element& element, std::initializer_list<const char*> path) {
    auto* at = &element;
    for (const auto* name : path)
        if (at != nullptr) at = childOf(*at, name);
    return at;
}
inline std::string textOf(Element* element) { return element == nullptr ? std::string() : std::string(element->innerText()); }
inline std::string attribute(Element* element, const char* name) {
    return element == nullptr ? std::string() : std::string(element->getAttribute(name));
}

inline std::vector<std::string> idsOf(Element* container) {
    std::vector<std::string> ids;
    if (container != nullptr)
        for (auto* child : childrenOf(*container)) ids.push_back(attribute(child, "Id"));
    return ids;
}

inline const std::string rootId = "AAMkAGRoot=";

/// A property of MAPI that has a name or a number within a set: "Common/34160"; "": it has a tag, or is none.
inline std::string namedProperty(Element& field) {
    const auto set = attribute(&field, "DistinguishedPropertySetId") + attribute(&field, "PropertySetId");
    return set.empty() ? std::string() : set + "/" + attribute(&field, "PropertyId") + attribute(&field, "PropertyName");
}

}  // namespace servers::ews
