#pragma once

#include "tests/servers/tls_server.h"

#include <string>
#include <utility>

namespace servers {

/// A token endpoint on loopback that gives everybody the same token, for servers that have no identity provider of their own.
class TokenEndpoint {
public:
    explicit TokenEndpoint(std::string token)
        : server_({}, [token = std::move(token)](TlsServer::Stream& stream) {
              const auto head = stream.readUntil("\r\n\r\n");
              const auto length = head.find("Content-Length: ");
              if (length != head.npos) stream.readExactly(std::stoul(head.substr(length + 16)));
              const auto body = R"({"access_token":")" + token + R"(","token_type":"Bearer","expires_in":3600})";
              stream.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n\r\n" + body);
          }) {}
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/token"; }

private:
    TlsServer server_;
};

}  // namespace servers
