#include "plugin/host/admin_key.h"

#include "auth/keystore/configured_keystore.h"

#include <utility>

namespace plugin::host {

namespace {

constexpr std::chrono::seconds retryAfter{55};  // looked at every few seconds: about a minute

}  // namespace

AdminKey::AdminKey(Parts parts)
    : parts_(std::move(parts)),
      machine_(auth::makeSecretReader(parts_.stop)),
      sealer_({parts_.configuration, *machine_, &parts_.sealKey, parts_.random}),
      secrets_(*machine_, sealer_) {}

/// What tells that there is something to be read: the configuration, the keystore's file, and that of its password.
AdminKey::Seen AdminKey::now() {
    auto configuration = parts_.configuration.get();
    const auto prefix = "keystore." + configuration->text("admin.tls.keystore") + ".";
    Seen seen{configuration, secrets_.stamp(configuration->text(prefix + "path")), {}};
    if (const auto password = auth::parseSecretSource(configuration->text(prefix + "password"))) seen.password = auth::stampOf(*password, secrets_);
    return seen;
}

Result<admin::TlsIdentity> AdminKey::read(const Configuration& configuration) {
    const auto alias = configuration.text("admin.tls.keystore");
    const auto keystore = auth::configuredKeystore(configuration, alias, secrets_);
    if (!keystore) return keystore.error();
    auto entry = auth::keyCalled(*keystore, configuration.text("admin.tls.key_alias"), auth::keystoreName(configuration, alias));
    if (!entry) return entry.error();
    return admin::TlsIdentity{std::move(entry->key), std::move(entry->certificate), std::move(entry->chain)};
}

Result<std::shared_ptr<admin::TlsKey>> AdminKey::first() {
    if (parts_.configuration.get()->text("admin.tls.keystore").empty()) return std::shared_ptr<admin::TlsKey>();
    auto seen = now();  // before it is read: what is replaced meanwhile counts as another one
    auto identity = read(*seen.configuration);
    if (!identity) {
        auto error = identity.error();
        error.what = "admin.tls.keystore: " + error.what;
        return error;
    }
    taken_ = std::move(seen);
    key_ = std::make_shared<admin::TlsKey>(std::move(*identity));
    return key_;
}

void AdminKey::look() {
    if (!key_) return;
    auto seen = now();
    const auto time = parts_.clock.steady();
    if (seen == taken_ || (seen == tried_ && time < again_)) return;
    auto identity = read(*seen.configuration);
    if (!identity && identity.error().code == Code::channelStopped) return;
    if (!identity) {
        tried_ = std::move(seen);
        again_ = time + retryAfter;
        auto text = "the admin port goes on with the certificate it has: " + describe(identity.error());
        if (text != told_) parts_.log.error("host", text, {{"code", codeName(identity.error().code)}});
        told_ = std::move(text);
        return;
    }
    taken_ = std::move(seen);
    tried_ = {};
    told_.clear();
    const bool same = X509_cmp(identity->certificate.get(), key_->get()->certificate.get()) == 0;
    key_->replace(std::move(*identity));
    if (!same) parts_.log.notice("host", "the admin port shows another certificate from now on");
}

}  // namespace plugin::host
