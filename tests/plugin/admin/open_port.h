#pragma once

#include "plugin/admin/admin_server.h"
#include "tests/plugin/host/host_fakes.h"

#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <Poco/StreamCopier.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fakes {

/// An admin port that is open, and shows what a test puts into it.
struct Port {
    fakes::Log log{};
    Counters counters{};
    std::atomic<bool> alive{true};
    std::vector<std::string> missing{};  // set before a request, read by the server's threads afterwards
    bool broken = false;
    plugin::admin::Brought brought = plugin::admin::Brought::taken;
    std::vector<std::string> queries{};  // written by the server's threads, read after an answer
    std::string token = std::string(64, 'a');
    std::function<plugin::admin::ApiAnswer(const plugin::admin::ApiQuestion&)> api{};  // set before the first request below /api/v1/
    std::unique_ptr<plugin::admin::AdminServer> server{};

    explicit Port(const std::string& host = "127.0.0.1") {
        auto opened =
            plugin::admin::openAdminPort(host, 0,
                                         {[this] { return alive.load(); },
                                          [this] { return missing; },
                                          [this]() -> std::string {
                                              if (broken) throw std::runtime_error("the page broke");
                                              return "postern_up 1\n";
                                          },
                                          token,
                                          log,
                                          counters,
                                          {},
                                          {"/oauth-callback",
                                           [this](const std::string& query) {
                                               queries.push_back(query);
                                               return brought;
                                           }},
                                          {},
                                          [this](const plugin::admin::ApiQuestion& question) {
                                              return api ? api(question) : plugin::admin::apiError(404, plugin::Code::adminRequest, "nothing");
                                          }});
        if (!opened) throw std::runtime_error(opened.error().what);
        server = std::move(*opened);
    }
    struct Answer {
        int status = 0;
        std::string body{};
        Poco::Net::HTTPResponse head{};
    };
    Answer ask(const std::string& path, const std::string& method = "GET",
               const std::vector<std::pair<std::string, std::string>>& headers = {}) const {
        Poco::Net::HTTPClientSession session{Poco::Net::SocketAddress(server->address())};
        Poco::Net::HTTPRequest request(method, path, "HTTP/1.1");
        request.setHost(server->address());
        for (const auto& [name, value] : headers) request.set(name, value);
        session.sendRequest(request);
        Answer answer;
        auto& body = session.receiveResponse(answer.head);
        Poco::StreamCopier::copyToString(body, answer.body);
        answer.status = answer.head.getStatus();
        return answer;
    }
    /// What is answered to these octets, up to the end of the connection.
    std::string raw(const std::string& octets) const {
        Poco::Net::StreamSocket socket{Poco::Net::SocketAddress(server->address())};
        std::string all;
        char piece[4096];
        try {
            socket.sendBytes(octets.data(), static_cast<int>(octets.size()));
            for (int count = 1; count > 0;) {
                count = socket.receiveBytes(piece, sizeof piece);
                all.append(piece, static_cast<std::size_t>(std::max(count, 0)));
            }
        } catch (const Poco::Exception&) {  // it was cut off
        }
        return all;
    }
    /// A request for that target, with what else stands in its head.
    std::string head(const std::string& target, const std::string& method = "GET", const std::string& more = {}) const {
        return method + " " + target + " HTTP/1.1\r\nHost: " + server->address() + "\r\n" + more + "\r\n";
    }
};

}  // namespace fakes
