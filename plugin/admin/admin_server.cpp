#include "plugin/admin/admin_server.h"

#include "plugin/admin/guard.h"

#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/IPAddress.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/ThreadPool.h>
#include <Poco/Timespan.h>

#include <sstream>

namespace plugin::admin {

namespace {

using Poco::Net::HTTPResponse;

constexpr int mostThreads = 4;
constexpr int mostWaiting = 16;
const Poco::Timespan patience(5, 0);

struct Answer {
    HTTPResponse::HTTPStatus status = HTTPResponse::HTTP_OK;
    std::string body{};
    std::string type = "text/plain; charset=utf-8";
};

Answer readiness(const std::vector<std::string>& missing) {
    Poco::JSON::Array reasons;
    for (const auto& each : missing) reasons.add(each);
    Poco::JSON::Object object(Poco::JSON_PRESERVE_KEY_ORDER);
    object.set("ready", missing.empty());
    object.set("reasons", reasons);
    std::ostringstream body;
    object.stringify(body);
    body << '\n';
    return {missing.empty() ? HTTPResponse::HTTP_OK : HTTPResponse::HTTP_SERVICE_UNAVAILABLE, body.str(), "application/json"};
}

/// What all requests share.
struct Port {
    AdminParts parts;
    Door door;

    Answer answer(const std::string& path) const {
        if (path == "/healthz")
            return parts.alive() ? Answer{.body = "ok\n"} : Answer{HTTPResponse::HTTP_SERVICE_UNAVAILABLE, "a loop does not answer\n"};
        if (path == "/readyz") return readiness(parts.missing());
        if (path == "/metrics") return {.body = parts.metrics(), .type = "text/plain; version=0.0.4; charset=utf-8"};
        return {HTTPResponse::HTTP_NOT_FOUND, "not found\n"};
    }
    void failed(const char* cause) {
        parts.log.error("admin", "a request could not be answered", {{"code", codeName(Code::internalBug)}, {"cause", printable(cause)}});
        parts.counters.add("postern_errors_total", {{"mailbox", ""}, {"code", codeName(Code::internalBug)}}, 1);
    }
};

std::optional<std::string> header(const Poco::Net::HTTPServerRequest& request, const char* name) {
    if (!request.has(name)) return std::nullopt;
    return request.get(name);
}

Answer answerTo(const Port& port, const Asked& asked, Poco::Net::HTTPServerResponse& response) {
    switch (admit(asked, port.door)) {
        case Entry::open:
        case Entry::proved:
            return port.answer(asked.path);
        case Entry::foreign:
            return {HTTPResponse::HTTP_FORBIDDEN, "PO-9002 the Host header must name this port on this machine, and Origin is not allowed\n"};
        case Entry::unproved:
            response.set("WWW-Authenticate", "Bearer");
            return {HTTPResponse::HTTP_UNAUTHORIZED, "PO-9002 send Authorization: Bearer with the content of admin.token\n"};
        case Entry::wrongMethod:
            response.set("Allow", "GET, HEAD");
            return {HTTPResponse::HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n"};
    }
    throw std::logic_error("an entry nobody knows");
}

class Handler final : public Poco::Net::HTTPRequestHandler {
public:
    explicit Handler(Port& port) : port_(port) {}

    void handleRequest(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response) override {
        try {
            const auto& uri = request.getURI();
            const Asked asked{request.getMethod(), uri.substr(0, uri.find('?')), header(request, "Host"), header(request, "Origin"),
                              header(request, "Authorization")};
            send(answerTo(port_, asked, response), asked.method == "HEAD", response);
        } catch (const Poco::Net::NetException&) {  // the other side has gone: nobody is left to be answered
        } catch (const Poco::TimeoutException&) {
        } catch (const std::exception& bug) {
            port_.failed(bug.what());
            refuse(response);
        } catch (...) {
            port_.failed("no std::exception");
            refuse(response);
        }
    }

private:
    static void send(const Answer& answer, bool headOnly, Poco::Net::HTTPServerResponse& response) {
        response.setStatusAndReason(answer.status);
        response.setContentType(answer.type);
        response.setContentLength64(static_cast<Poco::Int64>(answer.body.size()));
        response.setKeepAlive(false);
        response.set("Cache-Control", "no-store");
        response.set("X-Content-Type-Options", "nosniff");
        auto& stream = response.send();
        if (!headOnly) stream << answer.body;
        stream.flush();
    }
    static void refuse(Poco::Net::HTTPServerResponse& response) noexcept {
        if (response.sent()) return;
        try {
            send({HTTPResponse::HTTP_INTERNAL_SERVER_ERROR, "PO-9003 this request could not be answered\n"}, false, response);
        } catch (...) {  // logged and counted by the caller already
        }
    }
    Port& port_;
};

class Factory final : public Poco::Net::HTTPRequestHandlerFactory {
public:
    explicit Factory(Port& port) : port_(port) {}
    Poco::Net::HTTPRequestHandler* createRequestHandler(const Poco::Net::HTTPServerRequest&) override { return new Handler(port_); }

private:
    Port& port_;
};

Poco::Net::HTTPServerParams::Ptr limits() {
    Poco::Net::HTTPServerParams::Ptr params(new Poco::Net::HTTPServerParams);
    params->setMaxThreads(mostThreads);
    params->setMaxQueued(mostWaiting);
    params->setTimeout(patience);
    params->setKeepAlive(false);
    params->setSoftwareVersion("");
    return params;
}

class Server final : public AdminServer {
public:
    Server(const Poco::Net::ServerSocket& socket, AdminParts parts)
        : port_{std::move(parts), Door{socket.address().host().toString(), socket.address().port(), ""}},
          address_(socket.address().toString()),
          server_(new Factory(port_), threads_, socket, limits()) {
        port_.door.token = port_.parts.token;
        server_.start();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() override {
        try {
            server_.stopAll(false);
            threads_.joinAll();
        } catch (const Poco::Exception& exception) {
            port_.failed(exception.what());
        }
    }
    std::string address() const override { return address_; }

private:
    Port port_;
    std::string address_;
    Poco::ThreadPool threads_{"admin", 1, mostThreads};
    Poco::Net::HTTPServer server_;
};

}  // namespace

Result<std::unique_ptr<AdminServer>> openAdminPort(const std::string& host, std::uint16_t port, AdminParts parts) {
    const auto refuse = [&](const std::string& why) {
        return Error{Reaction::askOperator, Code::adminAddress, "admin.address " + host + " port " + std::to_string(port) + ": " + why};
    };
    Poco::Net::IPAddress address;
    if (!Poco::Net::IPAddress::tryParse(host == "localhost" ? "127.0.0.1" : host, address))
        return refuse("not an address of this machine; use 127.0.0.1");
    if (!address.isLoopback()) return refuse("beyond this machine it needs TLS, which is not in this version; use 127.0.0.1");
    try {
        Poco::Net::ServerSocket socket;
        socket.bind(Poco::Net::SocketAddress(address, port), true, false);  // an address left in TIME_WAIT may be used, one in use may not
        socket.listen(mostWaiting);
        return std::unique_ptr<AdminServer>(std::make_unique<Server>(socket, std::move(parts)));
    } catch (const Poco::Exception& exception) {
        return refuse(exception.displayText());
    }
}

}  // namespace plugin::admin
