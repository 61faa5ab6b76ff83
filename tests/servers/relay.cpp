#include "tests/servers/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

namespace servers {

namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

void sendAll(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put <= 0) return;  // its end is noticed where it is read
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
}

void resetAndClose(int fd) {
    const linger now{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(fd);
}

}  // namespace

Relay::Relay(std::uint16_t to, const std::string& where)
    : to_(to), listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), wake_(::eventfd(0, EFD_CLOEXEC)) {
    auto address = loopback(0);
    ::inet_pton(AF_INET, where.c_str(), &address.sin_addr);
    socklen_t length = sizeof address;
    if (::bind(listening_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listening_, 64) != 0)
        throw std::runtime_error(std::string{"relay: "} + std::strerror(errno));
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { work(); });
}

Relay::~Relay() {
    stopping_ = true;
    wake();
    thread_.join();
    for (auto& pair : pairs_) end(pair);
    ::close(listening_);
    ::close(wake_);
}

void Relay::cutAfter(std::uint64_t lines, Cut how) {
    const std::lock_guard lock(mutex_);
    cutAt_ = lines;
    how_ = how;
    lines_ = 0;
    hasCut_ = false;
    trigger_.reset();
    dialogue_.clear();
}

void Relay::cutAfterHearing(std::string text, std::uint64_t lines, Cut how) {
    cutAfter(lines, how);
    const std::lock_guard lock(mutex_);
    trigger_ = std::move(text);
}

bool Relay::hasCut() const {
    const std::lock_guard lock(mutex_);
    return hasCut_;
}

void Relay::swallow(bool on) {
    const std::lock_guard lock(mutex_);
    swallow_ = on;
}

void Relay::rewrite(Rewrite rewrite) {
    const std::lock_guard lock(mutex_);
    rewrite_ = std::move(rewrite);
}

std::size_t Relay::open() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return !pair.draining; }));
}

std::size_t Relay::mostAtOnce() const {
    const std::lock_guard lock(mutex_);
    return most_;
}

std::string Relay::dialogue() const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& line : dialogue_) text += line.substr(0, 200) + "\n";
    return text;
}

bool Relay::heard(std::string_view text) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(dialogue_.begin(), dialogue_.end(),
                       [text](const auto& line) { return line.rfind("C: ", 0) == 0 && line.find(text) != std::string::npos; });
}

void Relay::work() {
    while (!stopping_) {
        std::vector<pollfd> wanted{{wake_, POLLIN, 0}, {listening_, POLLIN, 0}};
        std::map<int, short> events;
        {
            const std::lock_guard lock(mutex_);
            for (const auto& pair : pairs_) {
                wanted.push_back({pair.clientEnded ? -1 : pair.client, POLLIN, 0});
                wanted.push_back({pair.serverEnded ? -1 : pair.server, POLLIN, 0});
            }
        }
        if (::poll(wanted.data(), wanted.size(), -1) < 0 && errno != EINTR) return;
        std::uint64_t woken = 0;
        if (wanted[0].revents != 0 && ::read(wake_, &woken, sizeof woken) > 0) continue;  // a pair may be gone, its numbers used again
        const std::lock_guard lock(mutex_);
        for (const auto& one : wanted)
            if (one.fd >= 0) events[one.fd] = one.revents;
        for (auto pair = pairs_.begin(); pair != pairs_.end();) {
            const bool client = events[pair->client] != 0, server = events[pair->server] != 0;
            const bool goesOn = (!client || serve(*pair, true)) && (!server || serve(*pair, false));
            pair = goesOn ? std::next(pair) : pairs_.erase(pair);
        }
        if ((wanted[1].revents & POLLIN) != 0) accept();
    }
}

void Relay::accept() {
    Pair pair;
    pair.client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (pair.client < 0) return;
    pair.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = loopback(to_);
    if (::connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return end(pair);
    pair.number = ++accepted_;
    const int on = 1;
    for (const int fd : {pair.client, pair.server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pairs_.push_back(pair);
    most_ = std::max(most_, static_cast<std::size_t>(std::count_if(pairs_.begin(), pairs_.end(), [](const Pair& each) { return !each.draining; })));
}

bool Relay::serve(Pair& pair, bool fromClient) {
    char chunk[65536];
    const auto got = ::recv(fromClient ? pair.client : pair.server, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    auto& ended = fromClient ? pair.clientEnded : pair.serverEnded;
    if (got <= 0) {
        ended = true;
        if (pair.draining && !fromClient) pair.awaited = false;
        if (!pair.draining && !pair.dead) ::shutdown(fromClient ? pair.server : pair.client, SHUT_WR);
        const bool over = pair.dead ? pair.clientEnded : pair.clientEnded && pair.serverEnded;
        if (over) end(pair);
        return !over;
    }
    if (!fromClient && std::exchange(pair.awaited, false)) {
        cutOff(pair.server, pair.serverEnded, pair.how);
        return !(pair.clientEnded && pair.serverEnded);
    }
    if (swallow_) pair.dead = true;
    if (pair.dead || pair.draining) return true;
    pass(pair, fromClient, {chunk, static_cast<std::size_t>(got)});
    return pair.client >= 0 || pair.server >= 0;
}

void Relay::pass(Pair& pair, bool fromClient, std::string_view bytes) {
    auto& half = pair.half[fromClient ? 0 : 1];
    const int to = fromClient ? pair.server : pair.client;
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end == std::string_view::npos ? bytes.size() : end + 1);
        if (!rewrite_) sendAll(to, piece);
        half += piece;
        bytes.remove_prefix(piece.size());
        if (piece.back() != '\n') continue;
        if (rewrite_) {
            const auto passed = rewrite_(pair.number, fromClient, half);
            sendAll(to, passed.line);
            if (passed.last) return cut(pair, Cut::fin, false);
        }
        noteLine(fromClient, std::exchange(half, {}));
        if (cutAt_ == 0 || trigger_ || lines_ != cutAt_) continue;
        hasCut_ = true;
        cutAt_ = 0;
        return cut(pair, how_, fromClient);
    }
}

void Relay::cut(Pair& pair, Cut how, bool awaitAnswer) {
    pair.draining = true;
    pair.how = how;
    pair.awaited = awaitAnswer;
    cutOff(pair.client, pair.clientEnded, how);
    if (!awaitAnswer) cutOff(pair.server, pair.serverEnded, how);
}

void Relay::cutOff(int& fd, bool& ended, Cut how) {
    if (how == Cut::fin && fd >= 0) ::shutdown(fd, SHUT_WR);
    if (how != Cut::reset) return;
    if (fd >= 0) resetAndClose(fd);
    fd = -1;
    ended = true;
}

void Relay::cutNow(Cut how) {
    const std::lock_guard lock(mutex_);
    for (auto& pair : pairs_)
        if (!pair.draining) cut(pair, how, false);
    std::erase_if(pairs_, [](const Pair& pair) { return pair.client < 0 && pair.server < 0; });
    wake();
}

void Relay::wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

void Relay::noteLine(bool fromClient, std::string line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    ++lines_;
    if (trigger_ && fromClient && line.find(*trigger_) != std::string::npos) {
        trigger_.reset();
        lines_ = 0;
    }
    dialogue_.push_back((fromClient ? "C: " : "S: ") + line);
    if (dialogue_.size() > 5'000) dialogue_.erase(dialogue_.begin(), dialogue_.begin() + 1'000);
}

/// Both ends are reset unless they have ended already.
void Relay::end(Pair& pair) {
    for (const bool client : {true, false}) {
        auto& fd = client ? pair.client : pair.server;
        if (fd < 0) continue;
        if (client ? pair.clientEnded : pair.serverEnded)
            ::close(fd);
        else
            resetAndClose(fd);
        fd = -1;
    }
}

}  // namespace servers
