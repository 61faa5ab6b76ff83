#include "tests/servers/tunnel.h"

#include "tests/servers/base64.h"

#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/StreamSocket.h>

#include <algorithm>
#include <array>

namespace servers {

using Poco::Net::SocketAddress;
using Poco::Net::StreamSocket;

namespace {

const Poco::Timespan aMoment{0, 100'000};

}  // namespace

Tunnel::Tunnel(std::map<std::string, std::uint16_t> ways)
    : ways_(std::move(ways)), listening_(std::make_unique<Poco::Net::ServerSocket>(SocketAddress("127.0.0.1", 0))) {
    port_ = listening_->address().port();
    acceptor_ = std::thread([this] { acceptAll(); });
}

Tunnel::~Tunnel() {
    stopping_ = true;
    acceptor_.join();
    for (auto& session : sessions_) session.join();
}

void Tunnel::demand(const std::string& user, const std::string& password) {
    const std::lock_guard lock(mutex_);
    credentials_ = "Basic " + base64(user + ":" + password);
}

void Tunnel::deny(const std::string& target) {
    const std::lock_guard lock(mutex_);
    denied_.push_back(target);
}

std::vector<std::string> Tunnel::asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
}

void Tunnel::acceptAll() {
    while (!stopping_)
        if (listening_->poll(aMoment, Poco::Net::Socket::SELECT_READ))
            sessions_.emplace_back([this, client = listening_->acceptConnection()]() mutable {
                try {
                    serve(client);
                } catch (const Poco::Exception&) {  // an end went away: the other end's is closed with it
                }
            });
}

void Tunnel::serve(StreamSocket& client) {
    std::string head;
    std::array<char, 4096> piece{};
    while (head.find("\r\n\r\n") == std::string::npos) {
        if (stopping_) return;
        if (!client.poll(aMoment, Poco::Net::Socket::SELECT_READ)) continue;
        const int got = client.receiveBytes(piece.data(), static_cast<int>(piece.size()));
        if (got <= 0) return;
        head.append(piece.data(), static_cast<std::size_t>(got));
    }
    const auto refused = answer(head);
    if (!refused.empty()) {
        const auto whole = "HTTP/1.1 " + refused + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        client.sendBytes(whole.data(), static_cast<int>(whole.size()));
        return;
    }
    const std::string_view dug = "HTTP/1.1 200 Connection established\r\n\r\n";
    const auto target = head.substr(8, head.find(' ', 8) - 8);
    StreamSocket server{SocketAddress("127.0.0.1", ways_.at(target))};
    client.sendBytes(dug.data(), static_cast<int>(dug.size()));
    pass(client, server);
}

std::string Tunnel::answer(const std::string& head) {
    const std::lock_guard lock(mutex_);
    if (head.rfind("CONNECT ", 0) != 0) return "405 Method Not Allowed";
    const auto target = head.substr(8, head.find(' ', 8) - 8);
    asked_.push_back(target);
    if (!credentials_.empty() && head.find("Proxy-Authorization: " + credentials_ + "\r\n") == std::string::npos)
        return "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"";
    if (std::find(denied_.begin(), denied_.end(), target) != denied_.end()) return "403 Forbidden";
    return ways_.contains(target) ? "" : "502 Bad Gateway";
}

/// Until one end has ended.
void Tunnel::pass(StreamSocket& client, StreamSocket& server) const {
    std::array<char, 65'536> piece{};
    while (!stopping_) {
        Poco::Net::Socket::SocketList readable{client, server}, none, failed;
        if (Poco::Net::Socket::select(readable, none, failed, aMoment) == 0) continue;
        for (auto& each : readable) {
            StreamSocket from(each);
            const int got = from.receiveBytes(piece.data(), static_cast<int>(piece.size()));
            if (got <= 0) return;
            auto& to = each == client ? server : client;
            for (int sent = 0; sent < got;) sent += to.sendBytes(piece.data() + sent, got - sent);
        }
    }
}

}  // namespace servers
