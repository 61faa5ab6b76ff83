#pragma once

#include "tests/system/workplace.h"

#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/SocketAddress.h>

#include <iterator>
#include <string>

namespace systemtest {

/// What the admin port of a running service answers; its status, if asked for. Throws while there is none.
inline std::string adminPage(const Workplace& place, const std::string& path, int* status = nullptr) {
    auto address = servers::readFile(place.data() / "admin.address");
    while (!address.empty() && address.back() == '\n') address.pop_back();
    Poco::Net::HTTPClientSession session{Poco::Net::SocketAddress{address}};
    session.setTimeout(Poco::Timespan{10, 0});
    Poco::Net::HTTPRequest request{Poco::Net::HTTPRequest::HTTP_GET, path, Poco::Net::HTTPRequest::HTTP_1_1};
    session.sendRequest(request);
    Poco::Net::HTTPResponse response;
    auto& body = session.receiveResponse(response);
    if (status != nullptr) *status = response.getStatus();
    return {std::istreambuf_iterator<char>{body}, {}};
}

}  // namespace systemtest
