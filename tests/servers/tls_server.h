#pragma once

#include "tests/servers/certificates.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace servers {

/// A server on loopback with a free port, TLS or plain, one thread per connection. Strict: what goes wrong in a session, and a handshake
/// the client does not finish, is kept in problems(). The destructor cuts all connections and waits for the sessions to end.
class TlsServer {
public:
    struct Options {
        std::vector<Certificate> chain{};  ///< the server's own first, then intermediates; empty: plain TCP
        int minVersion = TLS1_2_VERSION;
        int maxVersion = TLS1_3_VERSION;
        std::string groups{};  ///< "" = OpenSSL's
        bool demandsClientCertificate = false;
        std::vector<Certificate> clientAuthorities{};  ///< whose client certificates are good; with some, all are asked for one
        bool sendsTickets = true;                      ///< TLS 1.3, by itself after each handshake
        bool plainFirst = false;                       ///< TLS begins where the session says so
        const char* address = "127.0.0.1";             ///< "::1" for IPv6
        int receiveBuffer = 0;                         ///< SO_RCVBUF; 0 = the system's
        int patience = 30;                             ///< seconds of silence that end a session: no test hangs for ever
    };

    /// The server's end of one connection. Blocking; fails with std::runtime_error.
    class Stream {
    public:
        Stream(int fd, SSL* ssl, SSL* later = nullptr) : fd_(fd), ssl_(ssl), later_(later) {}
        std::string read(std::size_t atMost = 65536);  ///< "" = the client has ended the stream in order
        std::string readExactly(std::size_t bytes);
        std::string readLine();                        ///< up to LF, without CR LF; "" also at the end
        std::string readUntil(std::string_view mark);  ///< with the mark
        void write(std::string_view bytes);
        void beginTls();                     ///< of a stream that was plain first
        void deafen();                       ///< from now on the kernel drops what the client sends, acknowledgements too, as a dead line does
        void updateKeys(bool askClientToo);  ///< TLS 1.3 KeyUpdate; goes out with the next write
        void sendTicket();                   ///< TLS 1.3 NewSessionTicket, at once
        void goodbye();                      ///< close_notify, then the end of the stream
        void cut();                          ///< the end of the stream without close_notify
        void reset();                        ///< RST
        bool resumed() const { return ssl_ != nullptr && SSL_session_reused(ssl_) == 1; }
        std::string serverName() const;  ///< SNI; "" = none, or no TLS
        std::string clientName() const;  ///< common name of the client's certificate; "" = it has shown none
        std::string group() const;       ///< of the key exchange

    private:
        int fd_;
        SSL* ssl_;
        SSL* later_;
        std::string buffered_{};
    };
    using Session = std::function<void(Stream&)>;

    TlsServer(const Options& options, Session session);
    ~TlsServer();
    TlsServer(const TlsServer&) = delete;
    TlsServer& operator=(const TlsServer&) = delete;

    std::uint16_t port() const { return port_; }
    int accepted() const { return accepted_; }
    std::vector<std::string> problems() const;

private:
    void acceptAll();
    void serve(int fd);
    void note(const std::string& problem);

    Session session_;
    const bool plainFirst_;
    const int patience_;
    std::shared_ptr<SSL_CTX> context_{};
    int listening_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> accepted_{0};
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_{};
    std::vector<int> open_{};
    std::vector<std::thread> sessions_{};
    std::vector<std::string> problems_{};
    std::thread acceptor_{};
};

/// A port of this machine where nothing listens.
std::uint16_t closedPort();

/// A port that swallows connection attempts: its backlog is full.
class Blackhole {
public:
    Blackhole();
    ~Blackhole();
    Blackhole(const Blackhole&) = delete;
    Blackhole& operator=(const Blackhole&) = delete;
    std::uint16_t port() const { return port_; }

private:
    std::vector<int> sockets_{};
    std::uint16_t port_ = 0;
};

}  // namespace servers
