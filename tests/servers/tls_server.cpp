#include "tests/servers/tls_server.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace servers {

namespace {

std::string sslReason(const char* doing) {
    const auto code = ERR_get_error();
    const char* const reason = code == 0 ? std::strerror(errno) : ERR_reason_error_string(code);
    ERR_clear_error();
    return std::string(doing) + ": " + (reason == nullptr ? "?" : reason);
}

[[noreturn]] void fail(const char* doing) { throw std::runtime_error(sslReason(doing)); }

int listenOn(const char* address, int backlog, std::uint16_t& port, int receiveBuffer = 0) {
    const bool six = std::strchr(address, ':') != nullptr;
    sockaddr_storage storage{};
    socklen_t length = 0;
    if (six) {
        auto& to = reinterpret_cast<sockaddr_in6&>(storage);
        to.sin6_family = AF_INET6;
        ::inet_pton(AF_INET6, address, &to.sin6_addr);
        length = sizeof to;
    } else {
        auto& to = reinterpret_cast<sockaddr_in&>(storage);
        to.sin_family = AF_INET;
        ::inet_pton(AF_INET, address, &to.sin_addr);
        length = sizeof to;
    }
    const int fd = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receiveBuffer != 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, sizeof receiveBuffer);
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0 || ::listen(fd, backlog) != 0) {
        ::close(fd);
        throw std::runtime_error(std::string("cannot listen on ") + address + ": " + std::strerror(errno));
    }
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
    port = ntohs(six ? reinterpret_cast<sockaddr_in6&>(storage).sin6_port : reinterpret_cast<sockaddr_in&>(storage).sin_port);
    return fd;
}

std::shared_ptr<SSL_CTX> contextOf(const TlsServer::Options& options) {
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
    const auto& own = options.chain.front();
    SSL_CTX_set_min_proto_version(context.get(), options.minVersion);
    SSL_CTX_set_max_proto_version(context.get(), options.maxVersion);
    if (!options.sendsTickets) SSL_CTX_set_num_tickets(context.get(), 0);
    if (!options.groups.empty()) SSL_CTX_set1_groups_list(context.get(), options.groups.c_str());
    if (SSL_CTX_use_certificate(context.get(), own.certificate.get()) != 1 || SSL_CTX_use_PrivateKey(context.get(), own.key.get()) != 1)
        fail("certificate");
    for (std::size_t i = 1; i < options.chain.size(); ++i) SSL_CTX_add1_chain_cert(context.get(), options.chain[i].certificate.get());
    static constexpr unsigned char name[] = "postern-test";
    SSL_CTX_set_session_id_context(context.get(), name, sizeof name);
    for (const auto& each : options.clientAuthorities) X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), each.certificate.get());
    if (options.demandsClientCertificate)
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    else if (!options.clientAuthorities.empty())
        SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    return context;
}

}  // namespace

std::string TlsServer::Stream::read(std::size_t atMost) {
    if (!buffered_.empty()) {
        auto taken = buffered_.substr(0, atMost);
        buffered_.erase(0, taken.size());
        return taken;
    }
    std::string into(atMost, '\0');
    if (ssl_ == nullptr) {
        const auto got = ::recv(fd_, into.data(), into.size(), 0);
        if (got < 0) fail("recv");
        into.resize(static_cast<std::size_t>(got));
        return into;
    }
    ERR_clear_error();
    const int got = SSL_read(ssl_, into.data(), static_cast<int>(into.size()));
    if (got <= 0 && SSL_get_error(ssl_, got) != SSL_ERROR_ZERO_RETURN) fail("SSL_read");
    into.resize(static_cast<std::size_t>(std::max(got, 0)));
    return into;
}

std::string TlsServer::Stream::readExactly(std::size_t bytes) {
    std::string all;
    while (all.size() < bytes) {
        const auto more = read(bytes - all.size());
        if (more.empty()) throw std::runtime_error("the client ended the stream too early");
        all += more;
    }
    return all;
}

std::string TlsServer::Stream::readUntil(std::string_view mark) {
    std::string all;
    for (;;) {
        const auto more = read();
        if (more.empty()) return all;
        const auto from = all.size() < mark.size() ? 0 : all.size() - mark.size();
        all += more;
        if (const auto found = all.find(mark, from); found != std::string::npos) {
            buffered_ = all.substr(found + mark.size()) + buffered_;
            all.resize(found + mark.size());
            return all;
        }
    }
}

std::string TlsServer::Stream::readLine() {
    auto line = readUntil("\n");
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
    return line;
}

void TlsServer::Stream::write(std::string_view bytes) {
    while (!bytes.empty()) {
        ERR_clear_error();
        const auto put = ssl_ == nullptr ? ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                         : SSL_write(ssl_, bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1U << 20)));
        if (put <= 0) fail("write");
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
}

void TlsServer::Stream::beginTls() {
    ssl_ = std::exchange(later_, nullptr);
    SSL_set_fd(ssl_, fd_);
    ERR_clear_error();
    if (SSL_accept(ssl_) != 1) fail("handshake");
}
void TlsServer::Stream::deafen() {
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog program{1, &nothing};
    if (::setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) fail("SO_ATTACH_FILTER");
}
void TlsServer::Stream::updateKeys(bool askClientToo) {
    if (SSL_key_update(ssl_, askClientToo ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(ssl_) != 1)
        fail("key update");
}
void TlsServer::Stream::sendTicket() {
    if (SSL_new_session_ticket(ssl_) != 1 || SSL_do_handshake(ssl_) != 1) fail("ticket");
}
void TlsServer::Stream::goodbye() {
    if (ssl_ != nullptr) SSL_shutdown(ssl_);
    ::shutdown(fd_, SHUT_WR);
}
void TlsServer::Stream::cut() {
    if (ssl_ != nullptr) SSL_set_quiet_shutdown(ssl_, 1);
    ::shutdown(fd_, SHUT_RDWR);
}
void TlsServer::Stream::reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    if (ssl_ != nullptr) SSL_set_quiet_shutdown(ssl_, 1);
}
std::string TlsServer::Stream::serverName() const {
    if (ssl_ == nullptr) return {};
    const char* const name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name == nullptr ? "" : name;
}
std::string TlsServer::Stream::clientName() const {
    const auto* const certificate = SSL_get0_peer_certificate(ssl_);
    char name[256] = "";
    if (certificate != nullptr) X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    return name;
}
std::string TlsServer::Stream::group() const {
    const char* const name = OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(ssl_)));
    return name == nullptr ? "" : name;
}

TlsServer::TlsServer(const Options& options, Session session)
    : session_(std::move(session)), plainFirst_(options.plainFirst), patience_(options.patience) {
    if (!options.chain.empty()) context_ = contextOf(options);
    listening_ = listenOn(options.address, 64, port_, options.receiveBuffer);
    acceptor_ = std::thread([this] { acceptAll(); });
}

TlsServer::~TlsServer() {
    stopping_ = true;
    ::shutdown(listening_, SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (auto& session : sessions_) session.join();
    ::close(listening_);
}

std::vector<std::string> TlsServer::problems() const {
    const std::lock_guard lock(mutex_);
    return problems_;
}

void TlsServer::note(const std::string& problem) {
    const std::lock_guard lock(mutex_);
    if (!stopping_) problems_.push_back(problem);
}

void TlsServer::acceptAll() {
    for (;;) {
        const int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) {
            if (stopping_ || errno != EINTR) return;
            continue;
        }
        ++accepted_;
        const std::lock_guard lock(mutex_);
        open_.push_back(fd);
        sessions_.emplace_back([this, fd] { serve(fd); });
    }
}

void TlsServer::serve(int fd) {
    sigset_t pipe;  // OpenSSL writes to a socket the client has closed
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    const timeval patience{patience_, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const int atOnce = 1;  // or closing with something unread throws away what was written behind a ticket
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &atOnce, sizeof atOnce);
    {
        const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(context_ ? SSL_new(context_.get()) : nullptr, &SSL_free);
        try {
            Stream stream(fd, nullptr, ssl.get());
            if (ssl && !plainFirst_) stream.beginTls();
            session_(stream);
        } catch (const std::exception& error) {
            note(error.what());
        }
    }
    const std::lock_guard lock(mutex_);
    std::erase(open_, fd);
    ::close(fd);
}

std::uint16_t closedPort() {
    std::uint16_t port = 0;
    ::close(listenOn("127.0.0.1", 1, port));
    return port;
}

Blackhole::Blackhole() {
    sockets_.push_back(listenOn("127.0.0.1", 0, port_));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (;;) {  // until one is no longer let in
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sockets_.push_back(fd);
        if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) continue;
        pollfd one{fd, POLLOUT, 0};
        if (::poll(&one, 1, 100) == 0) return;
        if (sockets_.size() > 64) throw std::runtime_error("this kernel's backlog cannot be filled");
    }
}
Blackhole::~Blackhole() {
    for (const int fd : sockets_) ::close(fd);
}

}  // namespace servers
