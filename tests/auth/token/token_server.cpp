#include "token_server.h"

#include "jwt_verifier.h"

#include "tests/servers/base64.h"

#include <Poco/String.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace {

std::string http(int status, const std::string& body, const std::string& fields = "", const std::string& type = "application/json;charset=UTF-8") {
    return "HTTP/1.1 " + std::to_string(status) + " Whatever\r\nContent-Type: " + type +
           "\r\nCache-Control: no-store\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n" + fields + "\r\n" + body;
}

std::optional<std::string> formDecoded(const std::string& text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (text[i] == '%') {
            if (i + 2 >= text.size() || !std::isxdigit(static_cast<unsigned char>(text[i + 1])) ||
                !std::isxdigit(static_cast<unsigned char>(text[i + 2])))
                return std::nullopt;
            plain += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else if (text[i] == '+') {
            plain += ' ';
        } else if (std::isalnum(c) != 0 || text[i] == '*' || text[i] == '-' || text[i] == '.' || text[i] == '_') {
            plain += text[i];
        } else {
            return std::nullopt;
        }
    }
    return plain;
}

}  // namespace

struct TokenServer::Request {
    std::string line{};
    std::map<std::string, std::string> fields{};  // lower-case names
    std::string body{};
    bool whole = false;

    static Request read(int fd) {
        Request request;
        std::string input;
        char buffer[4096];
        const auto more = [&] {
            const auto count = ::recv(fd, buffer, sizeof buffer, 0);
            if (count > 0) input.append(buffer, static_cast<std::size_t>(count));
            return count > 0;
        };
        while (input.find("\r\n\r\n") == std::string::npos)
            if (!more() || input.front() == 0x16) return request;  // a TLS handshake is answered with 400, as web servers do
        const auto end = input.find("\r\n\r\n");
        std::istringstream head(input.substr(0, end + 2));
        std::getline(head, request.line, '\r');
        head.get();
        for (std::string line; std::getline(head, line, '\r'); head.get()) {
            const auto colon = line.find(':');
            if (colon == std::string::npos) continue;
            request.fields[Poco::toLower(line.substr(0, colon))] = Poco::trim(line.substr(colon + 1));
        }
        request.body = input.substr(end + 4);
        const auto length = request.fields.count("content-length") == 0 ? 0U : std::stoul(request.fields["content-length"]);
        while (request.body.size() < length) {
            input.clear();
            if (!more()) return request;
            request.body += input;
        }
        request.whole = request.body.size() == length;
        return request;
    }
};

TokenServer::TokenServer(std::map<std::string, Client> clients, Mood mood)
    : clients_(std::move(clients)), mood_(mood), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (listener_ < 0 || ::bind(listener_, any, size) != 0 || ::listen(listener_, 64) != 0 || ::getsockname(listener_, any, &size) != 0)
        throw std::runtime_error("no port on loopback");
    port_ = ntohs(address.sin_port);
    server_ = std::thread([this] { serve(); });
}

TokenServer::~TokenServer() {
    ending_ = true;
    release();
    server_.join();
    for (auto& talk : talks_) talk.join();
    ::close(listener_);
}

void TokenServer::hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
}

void TokenServer::release() {
    {
        const std::lock_guard lock(mutex_);
        held_ = false;
    }
    changed_.notify_all();
}

std::string TokenServer::lastRefusal() const {
    const std::lock_guard lock(mutex_);
    return lastRefusal_;
}

void TokenServer::serve() {
    while (!ending_) {
        pollfd waiting{listener_, POLLIN, 0};
        if (::poll(&waiting, 1, 20) <= 0) continue;  // looks at ending_ now and then
        if (const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); fd >= 0) talks_.emplace_back([this, fd] { talk(fd); });
    }
}

void TokenServer::talk(int fd) {
    timeval patience{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto request = Request::read(fd);
    ++requests_;
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ending_ || (!held_ && mood_ != Mood::silent); });
    }
    const auto bytes = answer(request);
    for (std::size_t sent = 0; sent < bytes.size();) {
        const auto count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) break;  // the client went away: its business
        sent += static_cast<std::size_t>(count);
    }
    ::close(fd);
}

std::string TokenServer::refuse(int status, const std::string& error, const std::string& why) {
    {
        const std::lock_guard lock(mutex_);
        lastRefusal_ = error + ": " + why;
    }
    return http(status, R"({"error":")" + error + R"(","error_description":")" + why + "\"}");
}

std::string TokenServer::answer(const Request& request) {
    switch (mood_) {
        case Mood::silent:
        case Mood::hangsUp:
            return "";
        case Mood::html:
            return http(200, "<!DOCTYPE html><html><body>Please sign in</body></html>", "", "text/html");
        case Mood::throttles:
            return http(429, R"({"error":"temporarily_unavailable"})", "Retry-After: 42\r\n");
        case Mood::broken:
            return http(500, "<html>Internal Server Error</html>", "", "text/html");
        case Mood::mac:
            return http(200, R"({"access_token":"token-of-mac","token_type":"mac"})");
        case Mood::emptyToken:
            return http(200, R"({"access_token":"","token_type":"Bearer"})");
        case Mood::badToken:
            return http(200, "{\"access_token\":\"a\\u0001auth=Bearer b\",\"token_type\":\"Bearer\"}");
        case Mood::repeatsSecret:
            return refuse(401, "invalid_client", "this was sent: " + request.body);
        case Mood::redirects:
            return http(302, "", "Location: http://127.0.0.1:1/other\r\n");
        case Mood::proper:
            break;
    }
    return properAnswer(request);
}

std::string TokenServer::properAnswer(const Request& request) {
    if (!request.whole || request.line != "POST /token HTTP/1.1") return refuse(400, "invalid_request", "not a POST of HTTP/1.1 to /token");
    const auto field = [&](const std::string& name) {
        const auto found = request.fields.find(name);
        return found == request.fields.end() ? std::string() : found->second;
    };
    if (field("host").empty()) return refuse(400, "invalid_request", "no Host");
    if (field("content-type") != "application/x-www-form-urlencoded") return refuse(400, "invalid_request", "wrong content type");

    std::map<std::string, std::string> parameters;
    std::istringstream pairs(request.body);
    for (std::string pair; std::getline(pairs, pair, '&');) {
        const auto equals = pair.find('=');
        const auto name = formDecoded(pair.substr(0, equals));
        const auto value = equals == std::string::npos ? std::nullopt : formDecoded(pair.substr(equals + 1));
        if (!name || !value || value->empty()) return refuse(400, "invalid_request", "the body is not form-encoded");
        if (!parameters.emplace(*name, *value).second) return refuse(400, "invalid_request", "a parameter is given twice");
    }

    if (parameters["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer") {
        if (!field("authorization").empty() || parameters.count("client_secret") + parameters.count("client_assertion") != 0)
            return refuse(400, "invalid_request", "the assertion says who asks");
        return bearerAnswer(parameters);
    }

    std::string id = parameters["client_id"], secret = parameters["client_secret"];
    auto used = Placement::body;
    if (const auto header = field("authorization"); !header.empty()) {
        if (!id.empty() || !secret.empty()) return refuse(400, "invalid_request", "more than one client authentication");
        if (header.substr(0, 6) != "Basic ") return refuse(401, "invalid_client", "not Basic");
        const auto pair = servers::fromBase64(header.substr(6));
        const auto colon = pair.find(':');
        if (colon == std::string::npos) return refuse(400, "invalid_request", "no colon in the credentials");
        const auto raw = clients_.find(pair.substr(0, colon));
        if (raw != clients_.end() && raw->second.placement == Placement::basicRaw) {
            used = Placement::basicRaw;
            id = pair.substr(0, colon);
            secret = pair.substr(colon + 1);
        } else {
            used = Placement::basic;
            const auto plainId = formDecoded(pair.substr(0, colon)), plainSecret = formDecoded(pair.substr(colon + 1));
            if (!plainId || !plainSecret)
                return refuse(400, "invalid_request", "client_id and client_secret in the authorization header are not properly encoded");
            id = *plainId;
            secret = *plainSecret;
        }
    }
    const auto client = clients_.find(id);
    if (client == clients_.end() || client->second.placement != used || client->second.secret != secret)
        return refuse(401, "invalid_client", "client authentication failed");
    if (parameters["grant_type"] != "client_credentials") return refuse(400, "unsupported_grant_type", "only client_credentials");
    if (parameters["scope"].empty()) return refuse(400, "invalid_scope", "no scope");
    if (parameters["scope"] == "forbidden") return refuse(400, "invalid_scope", "this scope is not yours");
    return http(200, R"({"access_token":"token-)" + id.substr(0, 1) + std::to_string(requests_) +
                         R"(","token_type":"Bearer","expires_in":3600,"scope":"granted"})");
}

void TokenServer::trust(const std::string& issuer, std::shared_ptr<EVP_PKEY> key, const std::string& algorithm) {
    const std::lock_guard lock(mutex_);
    issuers_[issuer] = {std::move(key), algorithm};
}

std::string TokenServer::bearerAnswer(const std::map<std::string, std::string>& parameters) {
    const auto no = [this](const std::string& why) { return refuse(400, "invalid_grant", why); };
    const auto assertion = parameters.find("assertion");
    if (assertion == parameters.end()) return refuse(400, "invalid_request", "no assertion");
    try {
        const auto jwt = readJwt(assertion->second);
        const auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
        Issuer issuer;
        bool fresh = false;
        {
            const std::lock_guard lock(mutex_);
            if (const auto known = issuers_.find(jwt.claim("iss")); known != issuers_.end()) issuer = known->second;
            fresh = seen_.insert(jwt.claim("jti")).second;
        }
        if (!issuer.key) return no("an unknown issuer");
        if (!fresh) return no("jti was seen before");
        if (jwt.head("alg") != issuer.algorithm || !jwt.signedBy(issuer.key.get())) return no("Invalid JWT Signature.");
        if (jwt.claim("aud") != url()) return no("not for us");
        if (jwt.claim("sub").empty()) return no("for nobody");
        if (jwt.claim("jti").empty()) return no("no jti");
        if (jwt.number("iat") > now || jwt.number("nbf") > now || jwt.number("exp") <= now || jwt.number("exp") > jwt.number("iat") + 3600)
            return no("Token must be a short-lived token (60 minutes) and in a reasonable timeframe.");
        const auto beside = parameters.find("scope");
        const auto scope = jwt.claims->has("scope") ? jwt.claim("scope") : beside == parameters.end() ? "" : beside->second;
        if (scope.empty()) return refuse(400, "invalid_scope", "no scope");
        return http(200,
                    R"({"access_token":"token-for-)" + jwt.claim("sub") + R"(","token_type":"Bearer","expires_in":3600,"scope":")" + scope + "\"}");
    } catch (const std::exception& exception) {
        return no(exception.what());
    }
}
