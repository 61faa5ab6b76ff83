#pragma once

#include "auth/channel/http_client.h"
#include "listener/ews/answer.h"
#include "listener/ews/refusal.h"
#include "listener/ews/session.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace listener::ews {

/// Requests to the endpoint, one after the other, over one kept connection. One that a kept connection loses is sent once more: each of ours may be.
/// Errors: those of HttpSession, TokenSource and refusal(); reauthenticate mailboxSignInRefused (the TokenSource knows), askOperator
/// mailboxBasicRefused, mailboxBasicNotOffered (a password); reconnect mailboxProtocol where an answer is no proper one. After reconnect and
/// reauthenticate the session is over. From the look for its token to the last octet of its answer a request has a place of the mailbox's
/// RequestLimit.
class Endpoint {
public:
    explicit Endpoint(Session& session);  ///< outlives it

    /// Sends, and takes the answer up to its first octet. What is left of an answer before costs the connection.
    plugin::Task<plugin::Result<void>> begin(Operation operation, std::stop_token stop);
    /// The next part of the answer; none: it is whole.
    plugin::Task<plugin::Result<std::optional<AnswerPart>>> next(std::stop_token stop);
    /// The rest of the answer is not wanted.
    void abandon();
    /// The answer stays open for what may come: it is none of the requests the server works on.
    void standsOpen() { place_.leave(); }

    /// The whole answer, at least one message and not more than `most`: of how many things it asks. A message that says the server is busy is an
    /// Error, all others are the caller's to judge.
    plugin::Task<plugin::Result<std::vector<ResponseMessage>>> call(Operation operation, std::size_t most, std::stop_token stop);
    /// The same of an operation that asks for one thing.
    plugin::Task<plugin::Result<ResponseMessage>> ask(Operation operation, std::stop_token stop);

    /// Octets of the answer as they come, where it is a stream of documents. Nothing: nothing came until `until`, or `stop` was asked; both do no
    /// harm. An empty text: it has ended.
    plugin::Task<plugin::Result<std::optional<std::string>>> listen(plugin::Deadline until, std::stop_token stop);

    std::optional<Meaning> refusedAs{};  ///< after an Error: of the fault, or the message, that is its reason, where there is one

    /// Requests that belong to one subscription go to one server: that is asked for with each, and its cookie sent. Such an endpoint may lose its
    /// connection, and the session goes on.
    bool affine = false;
    std::string affinity{};  ///< X-BackEndOverrideCookie

private:
    plugin::Task<plugin::Result<auth::HttpRequest>> prepare(const Operation& operation, std::stop_token stop);
    plugin::Task<plugin::Result<void>> judge(const auth::HttpAnswer& answer, std::stop_token stop);
    plugin::Task<std::string> beginning(std::stop_token stop);
    plugin::Error signInRefused(const auth::HttpAnswer& answer);
    std::string allOf(const auth::HttpHeaders& headers, std::string_view name) const;
    plugin::Result<void> faultOf(const AnswerReader& reader);
    void note(Meaning meaning, std::optional<std::chrono::milliseconds> backOff);
    plugin::Error ended(plugin::Error error);
    plugin::Error unreadable(std::string_view why) const;
    plugin::Task<plugin::Result<std::size_t>> readSome(std::stop_token stop);

    Session& session_;
    auth::HttpSession http_;
    RequestLimit::Place place_{};  ///< while a request is under way
    bool kept_ = false;            ///< an answer has come over this connection
    std::string_view during_{};
    std::unique_ptr<AnswerReader> reader_{};
    std::vector<char> buffer_{};
    std::deque<AnswerPart> parts_{};
    std::uint64_t octets_ = 0;           ///< of the answer, so far
    std::size_t progressed_ = 0;         ///< octets since it was waited for last
    std::chrono::nanoseconds waited_{};  ///< for these
    bool again_ = false;                 ///< the schema was lowered
};

/// The server has said that there are too many requests, or connections, of this mailbox at a time: none for a while, and then, if they were no
/// answers that stay open, one after the other.
enum class Hanging { yes, no };
void tooMany(const Session& session, std::optional<std::chrono::milliseconds> backOff, Hanging hanging);

/// The error of a message that is no success.
plugin::Error refusal(const Session& session, const ResponseMessage& message, std::string_view during);

}  // namespace listener::ews
