#include "listener/alerting/messenger.h"

#include "auth/channel/http_client.h"
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

/// Blocks where a value is the source of a secret.
Result<auth::HttpHeaders> headersOf(const std::map<std::string, std::string>& written, auth::Access& access) {
    auth::HttpHeaders headers;
    for (const auto& [name, value] : written) {
        const auto secret = access.secret(value);
        if (!secret) return secret.error();
        if (!fitsHeader(secret->reveal())) return notTold("the value of its header " + name + " has a control character");
        headers.add(name, std::string(secret->reveal()));
    }
    return headers;
}

class Webhook final : public Messenger {
public:
    Webhook(AlertSettings settings, std::string instance, auth::Access& access)
        : settings_(std::move(settings)), instance_(std::move(instance)), access_(access) {}

    Task<Result<void>> tell(Notice notice, plugin::Deadline deadline, std::stop_token stop) override {
        auto& loop = co_await plugin::thisLoop();
        auto reading = plugin::offload(loop, [written = settings_.headers, &access = access_] { return headersOf(written, access); });
        auto headers = co_await reading;
        if (!headers) co_return headers.error();
        auth::HttpRequest request;
        request.method = "POST";
        request.url = settings_.url;
        request.headers = std::move(*headers);
        request.headers.add("Content-Type", "application/json");
        request.headers.add("Idempotency-Key", idempotencyKey(notice, settings_.name));
        request.body = payload(notice, instance_);
        request.truststore = settings_.truststore;
        request.proxy = settings_.proxy;
        auth::HttpSession session(access_.dialer(), auth::HttpSession::Keep::no);
        auto answer = co_await session.begin(std::move(request), deadline, stop);
        if (!answer) co_return answer.error();
        auto rest = readRest(&session, std::min<plugin::Deadline>(deadline, loop.clock().steady() + restTime), stop);
        co_await rest;
        if (answer->status / 100 != 2) co_return notTold("the answer has the HTTP status " + std::to_string(answer->status));
        co_return Result<void>{};
    }

private:
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
