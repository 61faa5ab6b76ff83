#pragma once

#include "tests/servers/relay.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace systemtest {

/// How a server asks for time.
struct Refusal {
    enum class How {
        status,   ///< of HTTP, with Retry-After
        fault,    ///< of EWS: ErrorServerBusy with BackOffMilliseconds
        message,  ///< the same within an answer that is none
        no,       ///< of IMAP
        bad,
        bye,  ///< of IMAP, and the connection ends
    };
    std::string at{};  ///< stands in what is refused: an operation of EWS; "GET /v1.0/..." or "BATCH PATCH /users/..." of Graph; a command of IMAP
    How how = How::status;
    int status = 429;
    std::chrono::seconds rest{3};  ///< what it asks for
    std::string code{};            ///< of IMAP, instead of a time: "LIMIT"
};

/// What a server is asked about one mailbox, and what it refused. Moments are those of the server, before it answers: whoever hears of a refusal
/// hears of it later. Thread-safe.
class Record {
public:
    using Moment = std::chrono::steady_clock::time_point;
    struct Asked {
        Moment when{};
        std::string what{};
    };
    void asked(std::string what);
    void refused(std::string what);
    std::optional<Asked> refusal() const;  ///< the first one
    std::vector<Asked> since() const;      ///< what was asked after it

private:
    mutable std::mutex mutex_{};
    std::vector<Asked> asked_{};
    std::optional<Asked> refusal_{};
    std::size_t before_ = 0;
};

/// A way to an IMAP server on which single commands are refused in its place: the server gets a NOOP for them, and its answer to that is changed, so
/// that all answers come in their order. Thread-safe.
class ThrottledImap {
public:
    explicit ThrottledImap(std::uint16_t server);
    std::uint16_t port() const { return relay_.port(); }
    void note(const std::string& user, std::shared_ptr<Record> record);  ///< what his sessions ask, from AUTHENTICATE on
    void refuse(const std::string& user, Refusal refusal);               ///< the next one

private:
    struct User {
        std::shared_ptr<Record> record{};
        std::optional<Refusal> refusal{};
    };
    struct Session {
        std::string user{};
        std::map<std::string, Refusal> refused{};  ///< by the command's tag
    };
    servers::Relay::Passed pass(std::uint64_t connection, bool fromClient, std::string line);
    servers::Relay::Passed ask(Session& session, std::string line);
    std::string userIn(const std::string& line) const;

    std::mutex mutex_{};
    std::map<std::string, User> users_{};
    std::map<std::uint64_t, Session> sessions_{};
    servers::Relay relay_;
};

}  // namespace systemtest
