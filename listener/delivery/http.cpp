#include "listener/delivery/http.h"

#include "auth/channel/http_client.h"
#include "listener/delivery/http_secrets.h"
#include "listener/delivery/http_verdict.h"
#include "listener/delivery/staged_body.h"
#include "listener/delivery/webhook_signature.h"
#include "listener/message/metadata.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/percent.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <array>
#include <limits>

namespace listener {
namespace {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

/// An answer's body is not what a delivery waits for: past this much of it, or this long, the connection is given up instead.
constexpr std::size_t bodyLimit = 64 * 1024;
constexpr std::chrono::seconds bodyTime{2};
/// A connection that has been idle for longer is not used again: servers close them, and what stands in between forgets them without a word.
constexpr std::chrono::seconds idleTime{30};
/// No sink is given that many calls at a time by anybody sensible.
constexpr std::size_t mostIdle = 64;
/// So much of a message is compared with what a receiver says about it: addresses, subject, the beginning of the text.
constexpr std::size_t comparedSize = 16 * 1024;

/// Octets a header cannot have, and "%", as %XX; blanks at either end too, which a header would lose.
std::string headerText(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool isEdge = c == ' ' && (i == 0 || i + 1 == text.size());
        if (c >= 0x20 && c < 0x7f && c != '%' && !isEdge)
            result += c;
        else
            result += plugin::percentOctet(c);
    }
    return result;
}

/// The connections nobody uses at the moment, the one used last on top.
class Connections {
public:
    Connections(auth::Dialer& dialer, plugin::Clock& clock) : dialer_(dialer), clock_(clock) {}

    std::unique_ptr<auth::HttpSession> take() {
        std::erase_if(idle_, [now = clock_.steady()](const auto& one) { return now - one.since > idleTime; });
        if (idle_.empty()) return std::make_unique<auth::HttpSession>(dialer_);
        auto session = std::move(idle_.back().session);
        idle_.pop_back();
        return session;
    }
    void giveBack(std::unique_ptr<auth::HttpSession> session) {
        if (idle_.size() < mostIdle) idle_.push_back({std::move(session), clock_.steady()});
    }

private:
    struct Idle {
        std::unique_ptr<auth::HttpSession> session;
        plugin::Steady since;
    };
    auth::Dialer& dialer_;
    plugin::Clock& clock_;
    std::vector<Idle> idle_{};
};

class Http final : public Sink {
public:
    Http(HttpSettings settings, auth::Access& access, plugin::Clock& clock)
        : settings_(std::move(settings)),
          access_(access),
          clock_(clock),
          connections_(access.dialer(), clock),
          reading_(std::make_shared<SecretsReading>(SecretsReading{settings_, access})) {}

    const std::string& name() const override { return settings_.name; }
    std::size_t batchLimit() const override { return 1; }

    Task<void> deliver(std::span<Delivery> batch, Deadline deadline, std::stop_token stop) override {
        auto& loop = co_await plugin::thisLoop();
        auto reading = readSecrets(deadline, stop);
        auto read = co_await reading;
        const auto* secrets = read ? &**read : nullptr;
        auto session = connections_.take();
        for (auto& delivery : batch) {
            if (secrets == nullptr) {
                delivery.refused(read.error());
            } else if (stop.stop_requested() || loop.clock().steady() >= deadline) {
                delivery.refused({Reaction::retryLater, Code::sinkUnavailable, "sink " + settings_.name + ": no time left to send the message"});
            } else {
                auto one = deliverOne(&delivery, session.get(), secrets, deadline, stop);
                co_await one;
            }
        }
        connections_.giveBack(std::move(session));
    }

private:
    using Secrets = std::shared_ptr<const HttpSecrets>;

    /// What reading the secrets needs, and the reading that is under way. It may outlive the sink.
    struct SecretsReading {
        HttpSettings settings;
        auth::Access& access;
        std::shared_ptr<plugin::Shared<Result<Secrets>>> flight{};

        Result<Secrets> read() const {
            auto secrets = readHttpSecrets(settings, access);
            if (!secrets) return secrets.error();
            return Secrets(std::make_shared<const HttpSecrets>(std::move(*secrets)));
        }
    };

    /// One reading at a time, however many calls wait for it: a source that blocks must not block the workers of everybody.
    Task<Result<Secrets>> readSecrets(Deadline deadline, std::stop_token stop) {
        if (!readingBlocks(settings_)) co_return reading_->read();
        auto& loop = co_await plugin::thisLoop();
        if (!reading_->flight) reading_->flight = plugin::start(loop, readOnce(reading_));
        const auto flight = reading_->flight;
        auto landing = flight->wait(deadline, stop);
        if (co_await landing == plugin::Wake::done) co_return std::as_const(flight->get());
        co_return Error{Reaction::retryLater, Code::sinkUnavailable, "sink " + settings_.name + ": its secrets could not be read in time"};
    }
    static Task<Result<Secrets>> readOnce(std::shared_ptr<SecretsReading> reading) {
        auto& loop = co_await plugin::thisLoop();
        auto work = plugin::offload(loop, [reading] { return reading->read(); });
        auto secrets = co_await work;
        reading->flight.reset();
        co_return secrets;
    }

    using Tokens = std::vector<std::shared_ptr<const auth::Secret>>;

    /// Pointers to what the caller keeps until this has ended.
    Task<void> deliverOne(Delivery* delivery, auth::HttpSession* session, const HttpSecrets* secrets, Deadline deadline, std::stop_token stop) {
        Tokens shown;
        while (true) {
            auto asking = ask(deadline, stop);
            auto token = co_await asking;
            if (!token) {
                const bool isSecond = !shown.empty() && token.error().code == Code::tokenRenewalTooSoon;
                co_return delivery->refused(isSecond ? refusesFreshOnes(token.error()) : unanswered(token.error()));
            }
            auto sending = send(&delivery->message(), session, secrets, *token, deadline, stop);
            auto reply = co_await sending;
            if (!reply) co_return delivery->refused(unanswered(reply.error()));
            if (*token) shown.push_back((*token)->secret);
            if (reply->status == 401 && shown.size() == 1) {
                access_.tokens().refused(identity(), **token);
                continue;
            }
            auto settling = settle(delivery, secrets, &*reply, std::move(shown));
            co_await settling;
            co_return;
        }
    }

    /// Nothing: the sink has no credential.
    Task<Result<std::optional<auth::Token>>> ask(Deadline deadline, std::stop_token stop) {
        if (settings_.credential.empty()) co_return std::optional<auth::Token>{};
        auto asking = access_.tokens().token(identity(), deadline, stop);
        auto token = co_await asking;
        if (!token) co_return token.error();
        co_return std::optional(std::move(*token));
    }
    auth::Identity identity() const { return {settings_.credential, "", std::nullopt}; }

    /// The fresh token of a moment ago was refused, and a still fresher one is not asked for yet.
    Error refusesFreshOnes(const Error& tooSoon) const {
        return {Reaction::askOperator, Code::sinkSignIn,
                originOf(settings_.url) + " answers 401 (it refuses fresh tokens of credential " + settings_.credential + " too)",
                tooSoon.retryAfter};
    }

    /// One request, and its answer's head and as much of its body as is worth reading.
    Task<Result<HttpReply>> send(const Message* message, auth::HttpSession* session, const HttpSecrets* secrets, std::optional<auth::Token> token,
                                 Deadline deadline, std::stop_token stop) {
        auto preparing = request(message, secrets, std::move(token));
        auto prepared = co_await preparing;
        if (!prepared) co_return prepared.error();
        auto asking = session->begin(std::move(*prepared), deadline, stop);
        auto answer = co_await asking;
        if (!answer) co_return answer.error();
        HttpReply reply{answer->status, std::move(answer->headers), {}};
        auto reading = readBody(session, deadline, stop);
        reply.text = co_await reading;
        co_return reply;
    }

    /// The beginning of the body. The rest is read only so that the connection can be used again; whatever goes wrong here changes no answer.
    Task<std::string> readBody(auth::HttpSession* session, Deadline deadline, std::stop_token stop) {
        auto& loop = co_await plugin::thisLoop();
        const auto until = std::min(deadline, loop.clock().steady() + bodyTime);
        std::string text;
        std::array<char, 4096> piece{};
        for (std::size_t total = 0; total < bodyLimit;) {
            auto reading = session->read(piece, until, stop);
            auto got = co_await reading;
            if (!got || *got == 0) co_return text;
            total += *got;
            text.append(piece.data(), std::min(*got, replyTextLimit - text.size()));
        }
        session->close();
        co_return text;
    }

    Task<Result<auth::HttpRequest>> request(const Message* message, const HttpSecrets* secrets, std::optional<auth::Token> token) {
        const auto content = bodyOf(*message);
        auth::HttpRequest request{.method = "POST", .url = settings_.url};
        request.truststore = settings_.truststore;
        request.keystore = settings_.keystore;
        request.keyAlias = settings_.keyAlias;
        request.proxy = settings_.proxy;
        request.limits.body = std::numeric_limits<std::uint64_t>::max();  // readBody() has its own: a long body takes nothing back
        const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch().count();
        addOurs(request.headers, *message, now);
        for (const auto& [name, value] : secrets->headers) request.headers.add(name, std::string(value.reveal()));
        if (!request.headers.find("User-Agent")) request.headers.add("User-Agent", "Postern");
        if (token) request.headers.add("Authorization", std::string("Bearer ").append(token->secret->reveal()));
        if (content.file() != nullptr)
            request.source = stagedBody(content);
        else if (content.inMemory() != nullptr)
            request.body = *content.inMemory();
        else
            throw std::logic_error("message " + message->id + " has no content");
        if (!secrets->keys.empty()) {
            auto signing = addSignature(&request.headers, message->id, content, secrets, now);
            auto isSigned = co_await signing;
            if (!isSigned) co_return isSigned.error();
        }
        co_return request;
    }

    static void addOurs(auth::HttpHeaders& headers, const Message& message, std::int64_t now) {
        headers.add("Content-Type", message.reference.empty() ? "message/rfc822" : "application/json");
        headers.add("Idempotency-Key", message.id);
        headers.add("webhook-id", message.id);
        headers.add("webhook-timestamp", std::to_string(now));
        headers.add("X-Postern-Mailbox", message.mailbox);
        headers.add("X-Postern-Folder", headerText(message.folder));
        headers.add("X-Postern-Received", plugin::utcText(message.received));
        headers.add("X-Postern-Sha256", plugin::hexText(message.content.sha256()));
    }

    /// What is sent: the message, or of one that is too large for this sink what is known of it, and where it lies.
    static Content bodyOf(const Message& message) {
        if (message.reference.empty()) return message.content;
        return Content(std::make_shared<const std::string>(metadataJson(message)), message.content.sha256());
    }

    Task<Result<void>> addSignature(auth::HttpHeaders* headers, std::string id, Content body, const HttpSecrets* secrets, std::int64_t now) {
        auto signer = std::make_shared<WebhookSigner>(secrets->keys, std::move(id), now);
        if (body.inMemory() != nullptr) {
            signer->update(*body.inMemory());
        } else {
            auto& loop = co_await plugin::thisLoop();
            auto work = plugin::offload(loop, [body, signer] { return signStaged(body, *signer); });
            auto read = co_await work;
            if (!read) co_return read;
        }
        headers->add("webhook-signature", signer->finish());
        co_return Result<void>{};
    }

    Task<void> settle(Delivery* delivery, const HttpSecrets* secrets, const HttpReply* reply, Tokens tokens) {
        Hidden hidden;
        std::string shown;
        if (!settles(reply->status)) {
            auto hiding = hide(&delivery->message(), secrets, std::move(tokens));
            hidden = co_await hiding;
            shown = shownText(*reply, hidden);
        }
        judge(*delivery, originOf(settings_.url), *reply, shown, hidden, clock_.wall());
    }

    /// What the receiver knows from us and nobody else shall: the texts of answers are looked through for it.
    Task<Hidden> hide(const Message* message, const HttpSecrets* secrets, Tokens tokens) {
        Hidden hidden;
        for (const auto& header : secrets->headers) hidden.addHeader(header.second.reveal());
        for (const auto& key : secrets->keys) hidden.addKey(key.reveal());
        for (const auto& token : tokens) hidden.add(token->reveal());
        if (const auto url = auth::parseHttpUrl(settings_.url); url && url->target.size() > 12) hidden.add(url->target);  // a short path is no secret
        if (message->content.inMemory() != nullptr) {
            hidden.addMessage(std::string_view(*message->content.inMemory()).substr(0, comparedSize));
            co_return hidden;
        }
        auto& loop = co_await plugin::thisLoop();
        auto work = plugin::offload(loop, [content = message->content] {
            std::string beginning(comparedSize, '\0');
            const auto got = content.file()->readAt(0, beginning);
            return beginning.substr(0, got ? *got : 0);
        });
        auto beginning = co_await work;
        hidden.addMessage(beginning);
        co_return hidden;
    }

    HttpSettings settings_;
    auth::Access& access_;
    plugin::Clock& clock_;
    Connections connections_;
    const std::shared_ptr<SecretsReading> reading_;
};

}  // namespace

std::unique_ptr<Sink> makeHttp(HttpSettings settings, auth::Access& access, plugin::Clock& clock) {
    return std::make_unique<Http>(std::move(settings), access, clock);
}

}  // namespace listener
