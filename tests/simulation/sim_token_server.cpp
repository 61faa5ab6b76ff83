#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_text.h"

namespace simulation {

/// HTTP/1.1, one request after another.
class TokenPeer final : public Peer {
public:
    explicit TokenPeer(TokenServer& server) : server_(server) {}
    void connected(Connection&) override {}
    void received(Connection& connection, std::string_view bytes) override {
        input_.append(bytes);
        for (;;) {
            const auto head = input_.find("\r\n\r\n");
            if (head == std::string::npos) return;
            const auto field = upper(input_.substr(0, head)).find("\r\nCONTENT-LENGTH:");
            const auto size = field == std::string::npos ? 0 : std::stoul(input_.substr(field + 17));
            if (input_.size() < head + 4 + size) return;
            const auto request = input_.substr(0, head + 4 + size);
            input_.erase(0, request.size());
            connection.send(server_.answer(request));
        }
    }

private:
    TokenServer& server_;
    std::string input_{};
};

std::unique_ptr<Peer> TokenServer::accept() { return std::make_unique<TokenPeer>(*this); }

bool TokenServer::valid(const std::string& token) const {
    const auto found = tokens_.find(token);
    return found != tokens_.end() && clock_.steady() < found->second;
}

plugin::Steady TokenServer::endOf(const std::string& token) const { return tokens_.at(token); }

std::string TokenServer::answer(const std::string& request) {
    const auto http = [](const std::string& status, const std::string& type, const std::string& body, const std::string& more = {}) {
        return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" +
               body;
    };
    const auto wrong = [&](const std::string& what) {
        violations.push_back(what + " in " + request);
        return http("400 Bad Request", "application/json", R"({"error":"invalid_request"})");
    };
    if (moodOneIn != 0 && dice_.oneIn(moodOneIn)) {
        switch (dice_.below(4)) {
            case 0:
                return http("503 Service Unavailable", "text/html", "<html>busy</html>");
            case 1:
                return http("429 Too Many Requests", "application/json", R"({"error":"temporarily_unavailable"})", "Retry-After: 7\r\n");
            case 2:
                return http("200 OK", "text/html", "<html>please sign in</html>");
            default:
                return http("500 Internal Server Error", "text/plain", "");
        }
    }
    if (!request.starts_with("POST /token HTTP/1.1\r\n")) return wrong("not POST /token");
    if (request.find("\r\nAuthorization: Basic " + basic_ + "\r\n") == std::string::npos) return wrong("no or another Basic header");
    if (request.find("application/x-www-form-urlencoded") == std::string::npos) return wrong("no form");
    const auto body = request.substr(request.find("\r\n\r\n") + 4);
    if (body.find("grant_type=client_credentials") == std::string::npos || body.find("client_secret") != std::string::npos)
        return wrong("not the grant, or the secret twice");
    const auto token = "token-" + std::to_string(++issued);
    tokens_[token] = clock_.steady() + life;
    return http("200 OK", "application/json",
                R"({"token_type":"Bearer","expires_in":)" + std::to_string(life.count()) + R"(,"access_token":")" + token + "\"}");
}

}  // namespace simulation
