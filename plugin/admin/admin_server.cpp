#include "plugin/admin/admin_server.h"

#include "plugin/admin/api.h"
#include "plugin/admin/guard.h"
#include "plugin/admin/patience.h"

#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPBufferAllocator.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServerConnection.h>
#include <Poco/Net/HTTPServerParams.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerRequestImpl.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/IPAddress.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SecureServerSocket.h>
#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/TCPServer.h>
#include <Poco/String.h>
#include <Poco/ThreadPool.h>
#include <Poco/Timespan.h>

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <semaphore>
#include <sstream>
#include <thread>

namespace plugin::admin {

namespace {

using Poco::Net::HTTPResponse;

constexpr int mostThreads = 8;
constexpr int mostOfApi = 6;  // of these, so that /healthz is answered however long the others take
constexpr int mostWaiting = 64;
constexpr std::size_t mostUnknown = 20;  // callbacks in ten seconds
const Poco::Timespan withoutAByte(5, 0);
constexpr std::chrono::seconds longestAnswer{2};  // when the port is closed
constexpr Patience::Limits patience{std::chrono::seconds(3), std::chrono::seconds(10), mostWaiting};

struct Answer {
    HTTPResponse::HTTPStatus status = HTTPResponse::HTTP_OK;
    std::string body{};
    std::string type = "text/plain; charset=utf-8";
};

Answer ofApi(ApiAnswer answer) { return {static_cast<HTTPResponse::HTTPStatus>(answer.status), std::move(answer.body), "application/json"}; }

/// For programs where they ask, else one line.
Answer refused(const std::string& path, HTTPResponse::HTTPStatus status, Code code, const std::string& text) {
    if (isApi(path)) return ofApi(apiError(status, code, text));
    return {status, codeName(code) + " " + text + "\n"};
}

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

/// A page for a person's browser: no script, nothing from elsewhere, and nothing of the request in it.
Answer page(HTTPResponse::HTTPStatus status, const std::string& text) {
    return {
        status,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Postern</title></head>\n<body><p>" + text + "</p></body></html>\n",
        "text/html; charset=utf-8"};
}

Answer callbackPage(Brought brought) {
    switch (brought) {
        case Brought::taken:
            return page(HTTPResponse::HTTP_OK, "Postern has its answer. You can close this window; the terminal says how it went on.");
        case Brought::unknown:
            return page(
                HTTPResponse::HTTP_BAD_REQUEST,
                "No sign-in waits for this answer: it has had one already, its time is over, or it was given up. Run <code>postern login</code> "
                "again, and open the address it prints.");
        case Brought::unavailable:
            return page(
                HTTPResponse::HTTP_SERVICE_UNAVAILABLE,
                "Postern cannot take this answer now; its log says why. Reload this page in a moment, or paste its address into the terminal.");
    }
    throw std::logic_error("a callback nobody knows");
}

/// What all requests share.
struct Port {
    AdminParts parts;
    Door door;
    Budget unknown{mostUnknown};
    std::counting_semaphore<mostOfApi> turns{mostOfApi};

    Answer bring(const std::string& query) {
        const auto now = std::chrono::steady_clock::now();
        if (!couldBeOurs(query) && unknown.isSpent(now))  // else two requests a second would lock every sign-in out
            return page(HTTPResponse::HTTP_TOO_MANY_REQUESTS, "Too many answers came that belong to no sign-in. Reload this page in ten seconds.");
        const auto brought = parts.callback.bring(query);
        if (brought == Brought::unknown) unknown.spend(now);
        if (brought == Brought::taken) parts.log.information("admin", "a browser has brought the answer to a sign-in");
        return callbackPage(brought);
    }

    Answer askApi(const std::string& path, const std::string& query, Poco::Net::HTTPServerResponse& response) {
        auto parsed = parseQuestion(path, query);
        if (auto* const refusal = std::get_if<ApiAnswer>(&parsed)) return ofApi(std::move(*refusal));
        if (!turns.try_acquire()) {
            response.set("Retry-After", "1");
            return ofApi(apiError(HTTPResponse::HTTP_SERVICE_UNAVAILABLE, Code::adminBusy, "it answers others already",
                                  "ask again in a second, and fewer things at a time"));
        }
        struct Turn {
            std::counting_semaphore<mostOfApi>& turns;
            ~Turn() { turns.release(); }
        } const turn{turns};
        return ofApi(parts.api(std::get<ApiQuestion>(parsed)));
    }

    Answer answer(const std::string& path, const std::string& query, Poco::Net::HTTPServerResponse& response) {
        if (parts.api && isApi(path)) return askApi(path, query, response);
        if (path == "/healthz")
            return parts.alive() ? Answer{.body = "ok\n"} : Answer{HTTPResponse::HTTP_SERVICE_UNAVAILABLE, "a loop does not answer\n"};
        if (path == "/readyz") return readiness(parts.missing());
        if (path == "/metrics") return {.body = parts.metrics(), .type = "text/plain; version=0.0.4; charset=utf-8"};
        return {HTTPResponse::HTTP_NOT_FOUND, "not found\n"};
    }
    Answer readyOrNot() const {
        const bool ready = parts.missing().empty();
        return {ready ? HTTPResponse::HTTP_OK : HTTPResponse::HTTP_SERVICE_UNAVAILABLE, ready ? "{\"ready\":true}\n" : "{\"ready\":false}\n",
                "application/json"};
    }
    void failed(const char* cause) {
        parts.log.error("admin", "a request could not be answered", {{"code", codeName(Code::internalBug)}, {"cause", printable(cause)}});
        parts.counters.add("postern_errors_total", {{"mailbox", ""}, {"code", codeName(Code::internalBug)}}, 1);
    }
};

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

std::ptrdiff_t fields(const Poco::Net::HTTPServerRequest& request, const std::string& name) {
    return std::count_if(request.begin(), request.end(), [&](const auto& field) { return Poco::icompare(field.first, name) == 0; });
}

Answer answerTo(Port& port, const Asked& asked, const std::string& address, const std::string& query, Poco::Net::HTTPServerResponse& response) {
    auto door = port.door;
    door.address = address;
    switch (admit(asked, door)) {
        case Entry::callback:
            return port.bring(query);
        case Entry::brief:
            return port.readyOrNot();
        case Entry::open:
        case Entry::proved:
            return port.answer(asked.path, query, response);
        case Entry::foreign:
            return refused(asked.path, HTTPResponse::HTTP_FORBIDDEN, Code::adminForbidden,
                           "the Host header must name this port, and Origin is not allowed; other names it has belong into admin.host_names");
        case Entry::unproved:
            response.set("WWW-Authenticate", "Bearer");
            return refused(asked.path, HTTPResponse::HTTP_UNAUTHORIZED, Code::adminForbidden,
                           "send Authorization: Bearer with the content of admin.token");
        case Entry::wrongMethod:
            response.set("Allow", asked.path == door.callback ? "GET" : "GET, HEAD");
            if (isApi(asked.path))
                return ofApi(apiError(HTTPResponse::HTTP_METHOD_NOT_ALLOWED, Code::adminRequest, "the API only reads: GET and HEAD"));
            return {HTTPResponse::HTTP_METHOD_NOT_ALLOWED, asked.path == door.callback ? "only GET\n" : "only GET and HEAD\n"};
    }
    throw std::logic_error("an entry nobody knows");
}

class Handler final : public Poco::Net::HTTPRequestHandler {
public:
    Handler(Port& port, Patience& waits) : port_(port), patience_(waits) {}

    void handleRequest(Poco::Net::HTTPServerRequest& request, Poco::Net::HTTPServerResponse& response) override {
        if (auto* const accepted = dynamic_cast<Poco::Net::HTTPServerRequestImpl*>(&request)) patience_.headIsWhole(accepted->socket());
        try {
            const auto& uri = request.getURI();
            const auto mark = std::min(uri.find('?'), uri.size());
            const auto query = uri.substr(std::min(mark + 1, uri.size()));
            const auto address = plain(request.serverAddress());
            const Asked asked{request.getMethod(),
                              uri.substr(0, mark),
                              header(request, "Host"),
                              header(request, "Origin"),
                              header(request, "Authorization"),
                              isLocal(plain(request.clientAddress()), address)};
            if (fields(request, "Host") > 1)  // RFC 9112 section 3.2
                return send(refused(asked.path, HTTPResponse::HTTP_BAD_REQUEST, Code::adminForbidden, "a request has one Host header"),
                            asked.method == "HEAD", response);
            send(answerTo(port_, asked, address, query, response), asked.method == "HEAD", response);
        } catch (const Poco::Net::NetException&) {  // the other side has gone: nobody is left to be answered
        } catch (const Poco::TimeoutException&) {
        } catch (const std::exception& bug) {
            port_.failed(bug.what());
            refuse(request.getURI(), response);
        } catch (...) {
            port_.failed("no std::exception");
            refuse(request.getURI(), response);
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
        response.set("Referrer-Policy", "no-referrer");
        response.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
        auto& stream = response.send();
        if (!headOnly) stream << answer.body;
        stream.flush();
    }
    static void refuse(const std::string& uri, Poco::Net::HTTPServerResponse& response) noexcept {
        if (response.sent()) return;
        try {
            send(refused(uri, HTTPResponse::HTTP_INTERNAL_SERVER_ERROR, Code::internalBug, "this request could not be answered"), false, response);
        } catch (...) {  // logged and counted by the caller already
        }
    }
    Port& port_;
    Patience& patience_;
};

class Factory final : public Poco::Net::HTTPRequestHandlerFactory {
public:
    Factory(Port& port, Patience& waits) : port_(port), patience_(waits) {}
    Poco::Net::HTTPRequestHandler* createRequestHandler(const Poco::Net::HTTPServerRequest&) override { return new Handler(port_, patience_); }

private:
    Port& port_;
    Patience& patience_;
};

Poco::Net::HTTPServerParams::Ptr limits() {
    Poco::Net::HTTPServerParams::Ptr params(new Poco::Net::HTTPServerParams);
    params->setMaxThreads(mostThreads);
    params->setMaxQueued(mostWaiting);
    params->setTimeout(withoutAByte);
    params->setKeepAlive(false);
    params->setSoftwareVersion("");
    return params;
}

/// Where whoever was called has had its variables, and where the dynamic linker has put registers with what had just been copied.
[[gnu::noinline]] void wipeStackBelow() {
    std::array<char, 64 * 1024> below;
    OPENSSL_cleanse(below.data(), below.size());
}

/// Poco reads requests, with the token or a code in them, into buffers of a pool that it never gives back. Thread-safe.
class Buffers {
public:
    /// While a connection is served.
    class InUse {
    public:
        explicit InUse(Buffers& all) : all_(all) {
            const std::lock_guard lock(all_.mutex_);
            ++all_.served_;
        }
        InUse(const InUse&) = delete;
        InUse& operator=(const InUse&) = delete;
        ~InUse() {
            wipeStackBelow();
            const std::lock_guard lock(all_.mutex_);
            if (--all_.served_ == 0) wipe();  // all of them are in the pool, and nobody takes one meanwhile
        }

    private:
        Buffers& all_;
    };

private:
    using Pool = Poco::Net::HTTPBufferAllocator;
    static constexpr std::size_t most = mostThreads * 6;  // one for the session, and for each stream that is open at a time

    static void wipe() {
        std::array<char*, most> taken{};
        for (auto*& each : taken) each = Pool::allocate(Pool::BUFFER_SIZE);
        for (auto* const each : taken) {
            OPENSSL_cleanse(each, Pool::BUFFER_SIZE);
            Pool::deallocate(each, Pool::BUFFER_SIZE);
        }
    }
    std::mutex mutex_{};
    int served_ = 0;
};

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
    }

private:
    Patience& patience_;
    Buffers& buffers_;
};

class Connections final : public Poco::Net::TCPServerConnectionFactory {
public:
    Connections(Port& port, Patience& waits) : handlers_(new Factory(port, waits)), limits_(limits()), patience_(waits) {}
    Poco::Net::TCPServerConnection* createConnection(const Poco::Net::StreamSocket& socket) override {
        return new Connection(socket, limits_, handlers_, patience_, buffers_);
    }

private:
    Poco::Net::HTTPRequestHandlerFactory::Ptr handlers_;
    Poco::Net::HTTPServerParams::Ptr limits_;
    Patience& patience_;
    Buffers buffers_{};
};

class Server final : public AdminServer {
public:
    Server(const Poco::Net::ServerSocket& socket, AdminParts parts)
        : port_{std::move(parts), {}, Budget{mostUnknown}},
          address_(socket.address().toString()),
          server_(new Connections(port_, patience_), threads_, socket, limits()) {
        auto& token = port_.parts.token;
        const auto digest = token.empty() ? std::string() : digestOf(token);
        OPENSSL_cleanse(token.data(), token.size());
        token.clear();
        port_.door = Door{{}, socket.address().port(), digest, port_.parts.names, port_.parts.tls != nullptr, port_.parts.callback.path};
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
        } catch (const Poco::Exception& exception) {
            port_.failed(exception.what());
        }
    }
    std::string address() const override { return address_; }

private:
    Port port_;
    Patience patience_{patience};
    std::string address_;
    Poco::ThreadPool threads_{"admin", 1, mostThreads};
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
