#include "plugin/admin/admin_server.h"

#include "plugin/admin/answering.h"
#include "plugin/admin/buffers.h"
#include "plugin/admin/patience.h"
#include "plugin/contract/bug.h"

#include <Poco/Exception.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServerConnection.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerRequestImpl.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/IPAddress.h>
#include <Poco/Net/SecureServerSocket.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/TCPServer.h>
#include <Poco/String.h>
#include <Poco/ThreadPool.h>
#include <Poco/Timespan.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <thread>

namespace plugin::admin {

namespace {

constexpr int mostWaiting = 64;
constexpr std::size_t mostBuffers = mostAtATime * 6;  // one for the session, and for each stream that is open at a time
const Poco::Timespan withoutAByte(5, 0);
constexpr std::chrono::seconds longestAnswer{2};  // when the port is closed
constexpr Patience::Limits patience{std::chrono::seconds(3), std::chrono::seconds(10), mostWaiting};

/// As a socket of IPv6 that takes both shows one of IPv4: as such (RFC 4291 2.5.5.2).
std::string plain(const Poco::Net::SocketAddress& address) {
    constexpr std::string_view mapped = "::ffff:";
    const auto text = address.host().toString();
    const bool four = text.starts_with(mapped) && text.find('.') != std::string::npos;
    return four ? text.substr(mapped.size()) : text;
}

/// Whether somebody on this machine has connected, be it to an address others can reach.
bool isLocal(const std::string& peer, const std::string& own) { return peer == own || peer == "::1" || peer.starts_with("127."); }

std::optional<std::string> header(const Poco::Net::HTTPServerRequest& request, const char* name) {
    if (!request.has(name)) return std::nullopt;
    return request.get(name);
}

std::size_t fields(const Poco::Net::HTTPServerRequest& request, const std::string& name) {
    const auto count = std::count_if(request.begin(), request.end(), [&](const auto& field) { return Poco::icompare(field.first, name) == 0; });
    return static_cast<std::size_t>(count);
}

Request read(const Poco::Net::HTTPServerRequest& request) {
    const auto& uri = request.getURI();
    const auto mark = std::min(uri.find('?'), uri.size());
    const auto address = plain(request.serverAddress());
    return {{request.getMethod(), uri.substr(0, mark), header(request, "Host"), header(request, "Origin"), header(request, "Authorization"),
             isLocal(plain(request.clientAddress()), address)},
            uri.substr(std::min(mark + 1, uri.size())),
            address,
            fields(request, "Host")};
}

class Handler final : public Poco::Net::HTTPRequestHandler {
public:
    Handler(Answering& answering, Patience& waits) : answering_(answering), patience_(waits) {}

    void handleRequest(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response) override {
        try {
            if (auto* const accepted = dynamic_cast<Poco::Net::HTTPServerRequestImpl*>(&request)) patience_.headIsWhole(accepted->socket());
            send(answering_.answer(read(request)), request.getMethod() == "HEAD", response);
        } catch (const Poco::IOException&) {  // the other side has gone: nobody is left to be answered
        } catch (const Poco::TimeoutException&) {
        } catch (...) {
            answering_.tell("a request could not be read, or its answer not be sent");
        }
    }

private:
    static void send(const Answer& answer, bool headOnly, Poco::Net::HTTPServerResponse& response) {
        response.setStatusAndReason(static_cast<Poco::Net::HTTPResponse::HTTPStatus>(answer.status));
        response.setContentType(answer.type);
        response.setContentLength64(static_cast<Poco::Int64>(answer.body.size()));
        response.setKeepAlive(false);
        response.set("Cache-Control", "no-store");
        response.set("X-Content-Type-Options", "nosniff");
        response.set("Referrer-Policy", "no-referrer");
        response.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
        for (const auto& [name, value] : answer.fields) response.set(name, value);
        auto& stream = response.send();
        if (!headOnly) stream << answer.body;
        stream.flush();
    }
    Answering& answering_;
    Patience& patience_;
};

class Factory final : public Poco::Net::HTTPRequestHandlerFactory {
public:
    Factory(Answering& answering, Patience& waits) : answering_(answering), patience_(waits) {}
    Poco::Net::HTTPRequestHandler* createRequestHandler(const Poco::Net::HTTPServerRequest&) override { return new Handler(answering_, patience_); }

private:
    Answering& answering_;
    Patience& patience_;
};

Poco::Net::HTTPServerParams::Ptr limits() {
    Poco::Net::HTTPServerParams::Ptr params(new Poco::Net::HTTPServerParams);
    params->setMaxThreads(mostAtATime);
    params->setMaxQueued(mostWaiting);
    params->setTimeout(withoutAByte);
    params->setKeepAlive(false);
    params->setSoftwareVersion("");
    return params;
}

/// Poco's, but that it is watched over.
class Connection final : public Poco::Net::HTTPServerConnection {
public:
    Connection(const Poco::Net::StreamSocket& socket, Poco::Net::HTTPServerParams::Ptr params, Poco::Net::HTTPRequestHandlerFactory::Ptr factory,
               Patience& waits, Buffers& buffers)
        : Poco::Net::HTTPServerConnection(socket, std::move(params), std::move(factory)), patience_(waits), buffers_(buffers) {}

    void run() override {
        const Buffers::InUse inUse(buffers_);
        const Patience::Served served(patience_, socket());
        try {
            Poco::Net::HTTPServerConnection::run();
        } catch (const Poco::Exception&) {  // no TLS came about, or the line broke: whoever asked knows
        }
        served.drain();
    }

private:
    Patience& patience_;
    Buffers& buffers_;
};

class Connections final : public Poco::Net::TCPServerConnectionFactory {
public:
    Connections(Answering& answering, Patience& waits) : handlers_(new Factory(answering, waits)), limits_(limits()), patience_(waits) {}
    Poco::Net::TCPServerConnection* createConnection(const Poco::Net::StreamSocket& socket) override {
        return new Connection(socket, limits_, handlers_, patience_, buffers_);
    }

private:
    Poco::Net::HTTPRequestHandlerFactory::Ptr handlers_;
    Poco::Net::HTTPServerParams::Ptr limits_;
    Patience& patience_;
    Buffers buffers_{mostBuffers};
};

class Server final : public AdminServer {
public:
    Server(const Poco::Net::ServerSocket& socket, AdminParts parts)
        : log_(parts.log),
          counters_(parts.counters),
          answering_(std::move(parts), socket.address().port()),
          address_(socket.address().toString()),
          server_(new Connections(answering_, patience_), threads_, socket, limits()) {
        server_.setConnectionFilter(new Doorkeeper(patience_));
        server_.start();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() override {
        try {
            server_.stop();
            const auto until = std::chrono::steady_clock::now() + longestAnswer;
            while (threads_.used() > 0) {  // again: one may have been on its way to its thread
                patience_.lose(std::chrono::steady_clock::now() < until ? Patience::Which::headMissing : Patience::Which::all);
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
            }
            threads_.joinAll();
        } catch (const Poco::Exception&) {
            tellBug(log_, counters_, "admin", "the port could not be closed in order", std::current_exception());
        }
    }
    std::string address() const override { return address_; }

private:
    Log& log_;
    Metrics& counters_;
    Answering answering_;
    Patience patience_{patience};
    std::string address_;
    Poco::ThreadPool threads_{"admin", 1, mostAtATime};
    Poco::Net::TCPServer server_;
};

/// A server's context that knows no certificate but what `key` shows.
Result<Poco::Net::Context::Ptr> contextOf(const TlsKey& key) {
    Poco::Net::Context::Params params;
    params.verificationMode = Poco::Net::Context::VERIFY_NONE;  // of clients: they show none
    params.loadDefaultCAs = false;
    params.cipherList = "ECDHE+AESGCM:ECDHE+CHACHA20";  // of TLS 1.2
    Poco::Net::Context::Ptr context(new Poco::Net::Context(Poco::Net::Context::TLS_SERVER_USE, params));
    if (auto refusal = serveWith(*context->sslContext(), key); !refusal.empty())
        return Error{Reaction::askOperator, Code::channelKeystore, "admin.tls.keystore: OpenSSL does not take this key and certificate: " + refusal};
    return context;
}

Result<std::unique_ptr<AdminServer>> listenAt(const Poco::Net::SocketAddress& address, AdminParts parts) {
    const auto open = [&](Poco::Net::ServerSocket& socket) {
        socket.bind(address, true, false);  // an address left in TIME_WAIT may be used, one in use may not
        socket.listen(mostWaiting);
        return std::unique_ptr<AdminServer>(std::make_unique<Server>(socket, std::move(parts)));
    };
    if (!parts.tls) {
        Poco::Net::ServerSocket socket;
        return open(socket);
    }
    auto context = contextOf(*parts.tls);
    if (!context) return context.error();
    Poco::Net::SecureServerSocket socket(*context);
    return open(socket);
}

}  // namespace

Result<std::unique_ptr<AdminServer>> openAdminPort(const std::string& host, std::uint16_t port, AdminParts parts) {
    const auto refuse = [&](const std::string& why) {
        return Error{Reaction::askOperator, Code::adminAddress, "admin.address " + host + " port " + std::to_string(port) + ": " + why};
    };
    Poco::Net::IPAddress address(Poco::Net::IPAddress::IPv6);  // "::", which Poco does not parse
    if (host != "::" && !Poco::Net::IPAddress::tryParse(host == "localhost" ? "127.0.0.1" : host, address))
        return refuse("not an address of this machine; use 127.0.0.1");
    if (!address.isLoopback() && !parts.tls) return refuse("beyond this machine it needs TLS: set admin.tls.keystore, or use 127.0.0.1");
    try {
        return listenAt(Poco::Net::SocketAddress(address, port), std::move(parts));
    } catch (const Poco::Exception& exception) {
        return refuse(exception.displayText());
    }
}

}  // namespace plugin::admin
