#pragma once

#include "tests/servers/ews_server.h"

#include <Poco/AutoPtr.h>
#include <Poco/DOM/Document.h>
#include <Poco/DOM/Element.h>

namespace servers {

/// One request, read and answered.
class EwsServer::Answering {
public:
    Answering(EwsServer& server, const EwsRequest& request) : server_(server), request_(request) {}
    EwsAnswer run();
    static std::string operationOf(const std::string& body);

private:
    using Element = Poco::XML::Element;
    using Elements = std::vector<Element*>;

    EwsAnswer dispatch(Element& operation);
    std::optional<EwsAnswer> refuseHeader(Element* header);
    void checkOrder(Element& operation);
    std::string folderOf(Element* container, std::string& error);  ///< that names one
    std::string folderNamed(Element& named, std::string& error);

    EwsAnswer getFolder(Element& operation);
    EwsAnswer findFolder(Element& operation);
    EwsAnswer createFolder(Element& operation);
    EwsAnswer syncFolderItems(Element& operation);
    EwsAnswer findItem(Element& operation);
    EwsAnswer getItem(Element& operation);
    EwsAnswer onItems(Element& operation);
    EwsAnswer subscribe(Element& operation);
    EwsAnswer getStreamingEvents(Element& operation);
    EwsAnswer unsubscribe(Element& operation);
    EwsAnswer convertId(Element& operation);
    EwsAnswer findAnyItem(Element& operation);
    EwsAnswer findAnyFolder(Element& operation);
    EwsAnswer updateAnyItem(Element& operation);
    EwsAnswer moveAnyItem(Element& operation);
    EwsAnswer deleteAnyItem(Element& operation);
    std::string updated(EwsItem& item, Element& update);

    std::string itemXml(const EwsItem& item, Element& shape);
    std::string folderXml(const EwsFolder& folder, Element& shape) const;
    struct Counts {
        std::size_t items = 0, unread = 0, children = 0;
    };
    Counts countsOf(const EwsFolder& folder) const;
    std::optional<std::string> valueOf(const EwsItem& item, Element& field) const;
    std::optional<std::string> valueOf(const EwsFolder& folder, Element& field) const;
    template <class Of>
    std::string extendedProperties(const Of& of, Element& shape) const;
    template <class Of>
    bool meets(const Of& of, Element& expression) const;
    bool isOld() const;
    static Element* changeOf(const std::string& id, Element& operation);
    std::string onItem(const std::string& id, Element& operation, const std::string& target);
    EwsAnswer soap(const std::string& messages) const;
    std::string message(const std::string& content) const;
    std::string failure(const std::string& code) const;
    std::string rest(const char* kind) const;

    EwsServer& server_;
    const EwsRequest& request_;
    std::string name_{};
    bool impersonates_ = false;
};

std::string ewsEscaped(const std::string& text);
std::string ewsEnvelope(const std::string& body, const std::string& version);
std::string ewsStreamedEnvelope(const std::string& body, const std::string& version);  ///< of an answer that stays open: other prefixes

}  // namespace servers
