#include "plugin/host/service_port.h"

#include "auth/login/callback_desk.h"
#include "plugin/contract/waiting.h"
#include "plugin/host/host_keys.h"

#include <openssl/crypto.h>

#include <utility>

namespace plugin::host {

namespace {

constexpr int unavailable = 503;

}  // namespace

Result<void> ServicePort::open() {
    const auto configuration = parts_.configuration.get();
    const auto address = parseAddress(configuration->text("admin.address"));
    if (!address) return {};
    auto token = parts_.directory.adminToken(parts_.random);
    if (!token) return token.error();
    key_.emplace(AdminKey::Parts{parts_.configuration, parts_.sealKey, parts_.random, parts_.log, parts_.clock, parts_.stop});
    auto key = key_->first();
    if (!key) return key.error();
    const bool tls = *key != nullptr;
    auto opened =
        admin::openAdminPort(address->host, static_cast<std::uint16_t>(address->port),
                             {[this] { return parts_.loops.alive(aliveWithin); }, [this] { return missing(); },
                              [this] { return parts_.metrics.page(); }, std::move(*token), parts_.log, parts_.metrics, adminNames(*configuration),
                              callback(), std::move(*key), [this](const admin::ApiQuestion& question) { return ask(question); }});
    if (!opened) return opened.error();
    server_ = std::move(*opened);
    parts_.log.notice("host", "the admin port is open", {{"address", server_->address()}, {"tls", tls ? "yes" : "no"}});
    return parts_.directory.writeAdminAddress(server_->address());
}

void ServicePort::up(Work work) {
    const std::lock_guard lock(mutex_);
    work_.emplace(work);
}

void ServicePort::down(std::string why) {
    const std::lock_guard lock(mutex_);
    work_.reset();
    phase_ = std::move(why);
}

void ServicePort::look() {
    if (!server_ || looking_.exchange(true)) return;
    parts_.loops.all().front()->work([this] {
        const struct Done {
            std::atomic<bool>& looking;
            ~Done() { looking = false; }
        } done{looking_};
        key_->look();
    });
}

void ServicePort::close() {
    server_.reset();
    parts_.directory.removeAdminAddress();
}

std::optional<ServicePort::Work> ServicePort::work() const {
    const std::lock_guard lock(mutex_);
    return work_;
}

std::vector<std::string> ServicePort::missing() const {
    auto problems = parts_.packages.problems();
    const std::lock_guard lock(mutex_);
    if (!work_) {
        problems.insert(problems.begin(), phase_);
    } else if (auto failure = work_->database.failure()) {
        problems.insert(problems.begin(), std::move(*failure));
    }
    return problems;
}

admin::CallbackPath ServicePort::callback() {
    const auto configuration = parts_.configuration.get();
    if (!configuration->has("admin.public_url")) return {};
    return {publicPath(*configuration) + "/oauth-callback", [this](std::string query) { return bring(std::move(query)); }};
}

/// What browsers bring is put down for the process that waits for it.
admin::Brought ServicePort::bring(std::string query) {
    const auto work = this->work();
    if (!work) return admin::Brought::unavailable;
    const auto brought = waitFor(*parts_.loops.all().front(), work->callbacks.bring(auth::Secret(query)));
    OPENSSL_cleanse(query.data(), query.size());
    if (!brought)
        parts_.log.error("host", "the answer to a sign-in could not be put down: " + describe(brought.error()),
                         {{"code", codeName(brought.error().code)}});
    return !brought ? admin::Brought::unavailable : *brought ? admin::Brought::taken : admin::Brought::unknown;
}

/// Until the service is up, and once it stops, there is nothing to ask.
admin::ApiAnswer ServicePort::ask(const admin::ApiQuestion& question) const {
    const auto work = this->work();
    if (!work) return admin::apiError(unavailable, Code::adminBusy, "the service is starting or stopping");
    return work->api.answer(question);
}

}  // namespace plugin::host
