#include "tests/servers/admin_port.h"

#include "tests/servers/process.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/SocketAddress.h>

#include <iterator>

namespace servers {

namespace {

std::string firstLine(const std::filesystem::path& path) {
    const auto text = readFile(path);
    return text.substr(0, text.find('\n'));
}

}  // namespace

std::string AdminPort::address() const { return firstLine(data_ / "admin.address"); }

std::string AdminPort::number() const {
    const auto address = this->address();
    return address.substr(address.rfind(':') + 1);
}

std::string AdminPort::token() const { return firstLine(data_ / "admin.token"); }

AdminPort::Answer AdminPort::get(const std::string& path, const std::string& token, const std::string& method) const {
    const auto address = this->address();
    if (address.empty()) return {};
    try {
        Poco::Net::HTTPClientSession session{Poco::Net::SocketAddress{address}};
        session.setTimeout(Poco::Timespan{60, 0});
        Poco::Net::HTTPRequest request{method, path, Poco::Net::HTTPRequest::HTTP_1_1};
        if (!token.empty()) request.set("Authorization", "Bearer " + token);
        session.sendRequest(request);
        Poco::Net::HTTPResponse response;
        auto& body = session.receiveResponse(response);
        return {response.getStatus(), {std::istreambuf_iterator<char>{body}, {}}, response.get("Cache-Control", "")};
    } catch (const Poco::Exception&) {
        return {};
    }
}

}  // namespace servers
