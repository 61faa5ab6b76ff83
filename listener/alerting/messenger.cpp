#include "listener/alerting/messenger.h"

#include "auth/channel/http_client.h"
#include "listener/delivery/webhook_signature.h"
#include "listener/message/sha256.h"
#include "plugin/contract/loop.h"

#include <algorithm>
#include <array>

namespace listener {

using plugin::Error;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::chrono::seconds restTime{2};

Error notTold(std::string what) { return {plugin::Reaction::retryLater, plugin::Code::alertNotSent, std::move(what)}; }

bool fitsHeader(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

struct Secrets {
    auth::HttpHeaders headers{};
    std::vector<auth::Secret> keys{};  // of the signature; empty: there is none
};

/// Blocks where a value is the source of a secret.
Result<Secrets> secretsOf(const AlertSettings& settings, auth::Access& access) {
    Secrets secrets;
    for (const auto& [name, value] : settings.headers) {
        const auto secret = access.secret(value);
        if (!secret) return secret.error();
        if (!fitsHeader(secret->reveal())) return notTold("the value of its header " + name + " has a control character");
        secrets.headers.add(name, std::string(secret->reveal()));
    }
    if (settings.signingSecret.empty()) return secrets;
    const auto written = access.secret(settings.signingSecret);
    if (!written) return written.error();
    auto keys = webhookKeys(*written);
    if (!keys) return keys.error();
    secrets.keys = std::move(*keys);
    return secrets;
}

class Webhook final : public Messenger {
public:
    Webhook(AlertSettings settings, std::string instance, auth::Access& access)
        : settings_(std::move(settings)), instance_(std::move(instance)), access_(access) {}

    Task<Result<void>> tell(Notice notice, plugin::Deadline deadline, std::stop_token stop) override {
        auto& loop = co_await plugin::thisLoop();
        auto reading = plugin::offload(loop, [settings = settings_, &access = access_] { return secretsOf(settings, access); });
        auto secrets = co_await reading;
        if (!secrets) co_return secrets.error();
        auto request = requestOf(notice, std::move(*secrets), loop.clock().wall());
        auth::HttpSession session(access_.dialer(), auth::HttpSession::Keep::no);
        auto answer = co_await session.begin(std::move(request), deadline, stop);
        if (!answer) co_return answer.error();
        auto rest = readRest(&session, std::min<plugin::Deadline>(deadline, loop.clock().steady() + restTime), stop);
        co_await rest;
        if (answer->status / 100 != 2) co_return notTold("the answer has the HTTP status " + std::to_string(answer->status));
        co_return Result<void>{};
    }

private:
    auth::HttpRequest requestOf(const Notice& notice, Secrets secrets, plugin::Wall now) const {
        auth::HttpRequest request;
        request.method = "POST";
        request.url = settings_.url;
        request.truststore = settings_.truststore;
        request.proxy = settings_.proxy;
        request.body = payload(notice, instance_);
        request.headers = std::move(secrets.headers);
        const auto id = idempotencyKey(notice, settings_.name);
        request.headers.add("Content-Type", "application/json");
        request.headers.add("Idempotency-Key", id);
        if (secrets.keys.empty()) return request;
        const auto timestamp = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
        WebhookSigner signer(secrets.keys, id, timestamp);
        signer.update(request.body);
        request.headers.add("webhook-id", id);
        request.headers.add("webhook-timestamp", std::to_string(timestamp));
        request.headers.add("webhook-signature", signer.finish());
        return request;
    }

    /// A body changes no answer; but some servers take a client that leaves before its end for one that has given up. `session` outlives the task.
    static Task<void> readRest(auth::HttpSession* session, plugin::Deadline deadline, std::stop_token stop) {
        std::array<char, 4096> piece{};
        for (;;) {
            auto got = co_await session->read(piece, deadline, stop);
            if (!got || *got == 0) co_return;
        }
    }

    AlertSettings settings_;
    std::string instance_;
    auth::Access& access_;
};

class ProgramCall final : public Messenger {
public:
    ProgramCall(AlertSettings settings, std::string instance, Programs& programs)
        : settings_(std::move(settings)), instance_(std::move(instance)), programs_(programs) {}

    Task<Result<void>> tell(Notice notice, plugin::Deadline deadline, std::stop_token stop) override {
        auto bytes = std::make_shared<const std::string>(payload(notice, instance_));
        const auto digest = sha256(*bytes);
        Program program{settings_.command, environment(notice), Content(std::move(bytes), digest)};
        auto end = co_await programs_.run(std::move(program), deadline, stop);
        if (!end) co_return end.error();
        if (end->signal != 0) co_return notTold("the program was ended by signal " + std::to_string(end->signal));
        if (end->status != 0) co_return notTold("the program ended with status " + std::to_string(end->status));
        co_return Result<void>{};
    }

private:
    AlertSettings settings_;
    std::string instance_;
    Programs& programs_;
};

}  // namespace

std::unique_ptr<Messenger> makeWebhook(AlertSettings settings, std::string instance, auth::Access& access) {
    return std::make_unique<Webhook>(std::move(settings), std::move(instance), access);
}

std::unique_ptr<Messenger> makeProgramCall(AlertSettings settings, std::string instance, Programs& programs) {
    return std::make_unique<ProgramCall>(std::move(settings), std::move(instance), programs);
}

}  // namespace listener
