// raw_watcher HOST PORT CA PASSWORD USERS [SPOOL]: the least a program can do to wait for news of many mailboxes over TLS: plain OpenSSL, one
// thread, one epoll set, a session for each line of the file USERS, resumed where the server lets it. What others are measured against.
//
// Prints "waiting N" once all are in IDLE; then "exists USER COUNT NS" for each arrival it is told of, and with SPOOL (a directory that is there)
// "file PATH NS" for each file that gets its name ending in ".eml" in a directory below. NS: CLOCK_REALTIME in nanoseconds. Ends on SIGTERM.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

std::int64_t now() {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// The session all connections begin with: the last the server gave out.
SSL_SESSION* kept = nullptr;

int keep(SSL*, SSL_SESSION* session) {
    if (kept != nullptr) return 0;
    kept = session;
    return 1;
}

SSL_CTX* context(const char* authority) {
    auto* const made = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_load_verify_locations(made, authority, nullptr) != 1) throw std::runtime_error("the authority's certificate cannot be read");
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set1_groups_list(made, "X25519:P-256");
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(made, keep);
    return made;
}

class Wire {
public:
    Wire(SSL_CTX* context, const char* host, const char* port, std::string user) : user_(std::move(user)) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
        ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("no connection");
        const int yes = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        ssl_ = SSL_new(context);
        SSL_set1_host(ssl_, host);
        SSL_set_tlsext_host_name(ssl_, host);
        SSL_set_fd(ssl_, fd_);
        if (kept != nullptr) SSL_set_session(ssl_, kept);
        if (SSL_connect(ssl_) != 1) throw std::runtime_error("no TLS");
    }
    void write(const std::string& text) {
        if (SSL_write(ssl_, text.data(), static_cast<int>(text.size())) <= 0) throw std::runtime_error("cannot write");
    }
    /// Reads on until a line begins so; blocks.
    void expect(const std::string& beginning) {
        char bytes[4096];
        while (text_.find("\n" + beginning) == std::string::npos && !text_.starts_with(beginning)) {
            const int count = SSL_read(ssl_, bytes, sizeof bytes);
            if (count <= 0) throw std::runtime_error(user_ + ": the server ended the sign-in: " + text_);
            text_.append(bytes, static_cast<std::size_t>(count));
        }
        text_ = {};
    }
    /// All there is to read now.
    void tell() {
        char bytes[4096];
        do {
            const int count = SSL_read(ssl_, bytes, sizeof bytes);
            if (count <= 0) throw std::runtime_error(user_ + ": the connection ended");
            text_.append(bytes, static_cast<std::size_t>(count));
        } while (SSL_has_pending(ssl_) != 0);
        const auto time = now();
        for (std::size_t end = 0; (end = text_.find('\n')) != std::string::npos; text_.erase(0, end + 1)) {
            unsigned long exists = 0;
            if (text_.find(" EXISTS\r\n") == end - 8 && std::sscanf(text_.c_str(), "* %lu EXISTS", &exists) == 1)
                std::printf("exists %s %lu %lld\n", user_.c_str(), exists, static_cast<long long>(time));
        }
        std::fflush(stdout);
    }
    int descriptor() const { return fd_; }
    bool resumed() const { return SSL_session_reused(ssl_) == 1; }

private:
    std::string user_;
    std::string text_{};
    SSL* ssl_;
    int fd_;
};

/// The directories of a spool, also those made later.
class Spool {
public:
    explicit Spool(const char* root) : fd_(::inotify_init1(IN_CLOEXEC)) {
        watch(root);
        for (const auto& each : std::filesystem::recursive_directory_iterator(root))
            if (each.is_directory()) watch(each.path());
    }
    void tell() {
        alignas(inotify_event) char bytes[16 * 1024];
        const auto count = ::read(fd_, bytes, sizeof bytes);
        const auto time = now();
        for (ssize_t at = 0; at < count;) {
            const auto* const event = reinterpret_cast<const inotify_event*>(bytes + at);
            at += static_cast<ssize_t>(sizeof *event + event->len);
            const auto path = directories_[event->wd] / (event->len > 0 ? event->name : "");
            if ((event->mask & IN_ISDIR) != 0)
                watch(path);
            else if (path.extension() == ".eml")
                std::printf("file %s %lld\n", path.c_str(), static_cast<long long>(time));
        }
        std::fflush(stdout);
    }
    int descriptor() const { return fd_; }

private:
    void watch(const std::filesystem::path& directory) {
        const int id = ::inotify_add_watch(fd_, directory.c_str(), IN_CREATE | IN_MOVED_TO);
        if (id >= 0) directories_[id] = directory;
    }
    int fd_;
    std::map<int, std::filesystem::path> directories_{};
};

}  // namespace

int main(int count, char** arguments) try {
    if (count != 6 && count != 7) return 64;
    auto* const settings = context(arguments[3]);
    std::vector<std::unique_ptr<Wire>> wires;
    std::size_t resumed = 0;
    std::ifstream users(arguments[5]);
    for (std::string user; std::getline(users, user);) {
        auto wire = std::make_unique<Wire>(settings, arguments[1], arguments[2], user);
        wire->write("a LOGIN " + user + " " + arguments[4] + "\r\nb SELECT INBOX\r\n");
        wire->expect("b OK");
        wire->write("c IDLE\r\n");
        wire->expect("+ ");
        resumed += wire->resumed() ? 1U : 0U;
        wires.push_back(std::move(wire));
    }
    const int set = ::epoll_create1(EPOLL_CLOEXEC);
    const auto add = [set](int fd, std::uint64_t index) {
        epoll_event event{EPOLLIN, {.u64 = index}};
        if (::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) throw std::runtime_error("cannot wait for a socket");
    };
    for (std::size_t i = 0; i < wires.size(); ++i) add(wires[i]->descriptor(), i);
    std::unique_ptr<Spool> spool;
    if (count == 7) {
        spool = std::make_unique<Spool>(arguments[6]);
        add(spool->descriptor(), wires.size());
    }
    std::printf("waiting %zu, %zu of them resumed\n", wires.size(), resumed);
    std::fflush(stdout);
    for (;;) {
        epoll_event event{};
        if (::epoll_wait(set, &event, 1, -1) != 1) continue;
        if (event.data.u64 < wires.size())
            wires[event.data.u64]->tell();
        else
            spool->tell();
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "raw_watcher: %s\n", error.what());
    return 1;
}
