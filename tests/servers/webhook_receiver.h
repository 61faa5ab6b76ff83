#pragma once

#include "tests/servers/tls_server.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace servers {

/// The system behind: an HTTP/1.1 server on loopback with a free port that takes mails as a webhook. It shares no code with the program, and is
/// strict: whatever a request lacks or has wrongly is in problems() and answered with 400, so that nothing wrong is ever settled. Checked on every
/// request: method, path, Host, Content-Type, one Content-Length and no coding, the exact octets (X-Postern-Sha256), webhook-id and Idempotency-Key
/// (the same, 32 of a-z2-7), webhook-timestamp, webhook-signature, X-Postern-Mailbox, -Folder, -Received. Takes a message twice without complaint, as
/// a receiver that knows ids does, and counts it. Thread-safe.
class WebhookReceiver {
public:
    struct Options {
        std::vector<Certificate> chain{};  ///< empty: plain http
        bool demandsClientCertificate = false;
        std::vector<Certificate> clientAuthorities{};  ///< who may have signed it
        bool takesReferences = false;                  ///< application/json instead of the message, whose X-Postern-Sha256 it has all the same
        std::string path = "/hook";
        std::string key{};                             ///< octets of the signing key; empty: a request must not be signed
        std::map<std::string, std::string> demands{};  ///< headers that must be there with exactly that value; names in lower case
        std::chrono::seconds tolerance{300};           ///< of webhook-timestamp
        std::function<std::int64_t()> now{};           ///< seconds since 1970; none: the system's
        std::size_t keepsBodiesUpTo = 4096;            ///< octets; longer ones are only hashed
        int receiveBuffer = 0;                         ///< as TlsServer's
    };

    struct Request {
        std::string id, mailbox, folder, received, sha256;
        std::int64_t timestamp = 0;
        std::uint64_t size = 0;
        std::string body{};                          ///< "" past keepsBodiesUpTo
        std::map<std::string, std::string> headers;  ///< names in lower case
        int connection = 0;                          ///< which, from 1
        bool isWhole = false;                        ///< its body was read to the end, and all of it is right
        bool isRepeat = false;                       ///< the id had been taken before
        int answered = 0;                            ///< status; 0: none, or not whole
    };

    /// What one request is answered with.
    struct Reply {
        enum class Way {
            whole,    ///< the answer, once the request is whole
            early,    ///< the answer before the body is read; then what comes is read and dropped until the client ends, or the body does
            half,     ///< only `raw`, then the end of the stream
            hang,     ///< nothing, until the client gives up
            deaf,     ///< the same, and the body is not read either
            reset,    ///< RST once the request is whole
            resetMid  ///< RST once the head is here
        };
        int status = 200;
        std::vector<std::pair<std::string, std::string>> headers{};
        std::string body{};
        Way way = Way::whole;
        std::string raw{};   ///< sent before the answer as it is: interim answers
        bool close = false;  ///< "Connection: close", and does
        bool drops = false;  ///< closes after the answer without having said so
        std::string stub{};  ///< instead of `body`, which is announced nevertheless: the rest never comes
    };
    static Reply answer(int status, std::vector<std::pair<std::string, std::string>> headers = {}, std::string body = {}) {
        return {.status = status, .headers = std::move(headers), .body = std::move(body)};
    }

    WebhookReceiver() : WebhookReceiver(Options()) {}
    explicit WebhookReceiver(Options options);
    ~WebhookReceiver();
    WebhookReceiver(const WebhookReceiver&) = delete;
    WebhookReceiver& operator=(const WebhookReceiver&) = delete;

    std::uint16_t port() const { return port_; }
    std::string url() const;  ///< of 127.0.0.1

    /// The next requests are answered with these, in this order; then with what decide() says, or 200. What is wrong gets 400 all the same.
    /// A decision is made when the head is here, the body not yet, on the thread of that connection. It may wait.
    void script(std::vector<Reply> replies);
    void decide(std::function<Reply(const Request&)> decision);

    std::vector<Request> requests() const;  ///< every one whose head was whole, in the order they came
    std::size_t count() const;
    /// Ids that came whole and were answered with 2xx, and what they hold: SHA-256 in hex. From before the answer is sent.
    std::map<std::string, std::string> taken() const;
    std::size_t repeats() const;  ///< whole requests for an id that had been taken before
    int connections() const { return server_->accepted(); }
    std::vector<std::string> problems() const;
    /// Waits until so many ids are taken. False: not in time.
    bool waitForTaken(std::size_t ids, std::chrono::milliseconds time = std::chrono::seconds(20)) const;

private:
    struct Incoming;
    void serve(TlsServer::Stream& stream);
    bool serveOne(TlsServer::Stream& stream, int connection);
    void checkHead(Incoming& incoming) const;
    std::pair<std::size_t, Reply> record(Incoming& incoming);
    void readBody(TlsServer::Stream& stream, Incoming& incoming) const;
    void checkBody(Incoming& incoming) const;
    void settle(std::size_t number, const Incoming& incoming, int status);
    static bool respond(TlsServer::Stream& stream, const Reply& reply);
    void note(std::size_t number, Incoming& incoming);

    const Options options_;
    mutable std::mutex mutex_{};
    mutable std::condition_variable changed_{};
    std::deque<Reply> script_{};
    std::function<Reply(const Request&)> decision_{};
    std::vector<Request> requests_{};
    std::map<std::string, std::string> taken_{};
    std::vector<std::string> problems_{};
    std::size_t repeats_ = 0;
    bool stopping_ = false;
    std::atomic<std::uint16_t> port_{0};  ///< sessions ask for it, also while the server is being destroyed
    int connections_ = 0;
    std::unique_ptr<TlsServer> server_{};
};

}  // namespace servers
