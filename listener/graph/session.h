#pragma once

#include "auth/channel/http_client.h"
#include "listener/graph/answer.h"
#include "listener/graph/graph_mailbox.h"
#include "listener/graph/json.h"
#include "listener/graph/refusal.h"
#include "listener/graph/request.h"
#include "listener/request_limit.h"
#include "plugin/contract/loop.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>

namespace listener::graph {

/// An answer as a whole: of a success its JSON, of anything else what went wrong.
struct Answer {
    int status = 0;
    Json body{};
    Failure failure{};
    std::optional<std::chrono::seconds> retryAfter{};

    bool succeeded() const { return status >= 200 && status < 300; }
};

/// The folder entered last, and what is remembered of its messages.
struct OpenFolder {
    std::string name;
    std::string id;
    IndexedFolder index{};
    bool fresh = false;  ///< the server has just been asked what is new, and nothing has been done since
    /// Its messages by the hash of their ids, and IndexedFolder::next as it was then: made when somebody asks by ids.
    std::unordered_map<std::size_t, std::uint64_t> byId{};
    std::uint64_t byIdUpTo = 0;
    /// Was it read, when the server told of it last? By the hash of the id; bounded, so some are missing.
    std::unordered_map<std::size_t, bool> read{};
};

/// What is true of one session, and how a request is made and answered. Belongs to one loop.
class Session {
public:
    /// Requests under way at a time, each on a connection of its own: Graph takes four for a mailbox and an application, which RequestLimit sees to
    /// whatever other sessions do. A place of it is held from the look for a token to the last octet of the answer.
    static constexpr std::size_t lanes = 3;
    static constexpr std::uint64_t answerLimit = 64 << 20;  ///< octets of JSON: the answer to a $batch repeats whole messages
    static constexpr std::size_t linkLimit = 32 * 1024;     ///< octets

    Session(const Settings& settings, auth::Access& access, ItemIndex& index, plugin::Random& random, plugin::Log& log, const std::string& version,
            plugin::Loop& loop, std::shared_ptr<RequestLimit> limit);

    /// Any answer but 401. Errors: those of HttpSession and TokenSource; reauthenticate mailboxSignInRefused, which the TokenSource has been told;
    /// askOperator mailboxWrongAudience, mailboxProtocol (a success that is not JSON).
    plugin::Task<plugin::Result<Answer>> ask(Request request, std::stop_token stop);
    /// The JSON of a success. Errors: those of ask(), and refused().
    plugin::Task<plugin::Result<Json>> require(Request request, std::stop_token stop);
    /// As ask(), but of a success the body is still to be taken from lane(number).
    struct Begun {
        Answer answer{};
        std::optional<std::uint64_t> announced{};  ///< octets of the body
        bool delimited = false;                    ///< its end is told, so a cut shows
        RequestLimit::Place place{};               ///< until the body is taken
    };
    plugin::Task<plugin::Result<Begun>> begin(Request request, std::size_t lane, std::stop_token stop);
    auth::HttpSession& lane(std::size_t number) { return *lanes_[number]; }

    plugin::Error refused(const Answer& answer, std::string_view during) const;
    plugin::Error refused(const BatchAnswer& answer, std::string_view during);  ///< of a refused token the TokenSource is told
    plugin::Error broken(std::string_view during, std::string_view why) const;  ///< askOperator mailboxProtocol
    std::optional<std::chrono::seconds> retryAfter(std::string_view header) const;
    /// May a link be followed? Errors: askOperator mailboxForeignLink where scheme, host or port are not those of the root: the token would go there.
    plugin::Result<void> allows(const std::string& link) const;
    void close();

    const Settings& settings() const { return settings_; }
    const Addresses& addresses() const { return addresses_; }
    ItemIndex& index() { return index_; }
    RequestLimit& limit() { return *limit_; }
    plugin::Log& log() { return log_; }
    plugin::Loop& loop() { return loop_; }
    const std::string& peer() const { return settings_.url; }

    OpenFolder folder{};
    std::string inbox{};           ///< its id; "" = nobody has asked yet
    bool hasReadMessages = false;  ///< at least one: the right to do so is there
    bool translates = true;        ///< ids of EWS: until that is refused

private:
    struct Sent {
        auth::HttpRequest http{};
        auth::Token token{};  ///< it goes with
        std::string id{};     ///< client-request-id
    };
    plugin::Task<plugin::Result<Sent>> prepare(const Request& request, std::stop_token stop);
    plugin::Result<void> lookAt(const auth::Token& token) const;
    void tellRefused(const auth::Token& token);
    plugin::Result<Answer> judged(const Request& request, const Sent& sent, const auth::HttpAnswer& answer);
    bool repeatsToken(std::string_view text) const;
    plugin::Error concealed(plugin::Error error, std::string_view during) const;

    const Settings settings_;
    auth::Access& access_;
    ItemIndex& index_;
    plugin::Random& random_;
    plugin::Log& log_;
    plugin::Loop& loop_;
    const std::shared_ptr<RequestLimit> limit_;
    const Addresses addresses_;
    const std::string agent_;
    const auth::Identity identity_;
    std::array<std::unique_ptr<auth::HttpSession>, lanes> lanes_{};
    std::optional<auth::Token> token_{};            ///< the last one used
    std::optional<std::uint64_t> refusedNumber_{};  ///< the token it ended with: nothing is sent any more
};

}  // namespace listener::graph
