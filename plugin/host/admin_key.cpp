#include "plugin/host/admin_key.h"

#include "auth/keystore/configured_keystore.h"

#include <utility>

namespace plugin::host {

AdminKey::AdminKey(Parts parts)
    : parts_(std::move(parts)), sealer_({parts_.configuration, *machine_, &parts_.sealKey, parts_.random}), secrets_(*machine_, sealer_) {}

Result<admin::TlsIdentity> AdminKey::read() {
    known_ = parts_.configuration.get();
    const auto alias = known_->text("admin.tls.keystore");
    stamp_ = secrets_.stamp(known_->text("keystore." + alias + ".path"));  // before: what is replaced meanwhile counts as another one
    const auto keystore = auth::configuredKeystore(*known_, alias, secrets_);
    if (!keystore) return keystore.error();
    auto entry = auth::keyCalled(*keystore, known_->text("admin.tls.key_alias"), auth::keystoreName(*known_, alias));
    if (!entry) return entry.error();
    return admin::TlsIdentity{std::move(entry->key), std::move(entry->certificate), std::move(entry->chain)};
}

Result<std::shared_ptr<admin::TlsKey>> AdminKey::first() {
    if (parts_.configuration.get()->text("admin.tls.keystore").empty()) return std::shared_ptr<admin::TlsKey>();
    auto identity = read();
    if (!identity) {
        auto error = identity.error();
        error.what = "admin.tls.keystore: " + error.what;
        return error;
    }
    key_ = std::make_shared<admin::TlsKey>(std::move(*identity));
    return key_;
}

void AdminKey::look() {
    if (!key_) return;
    const auto now = parts_.configuration.get();
    const auto path = now->text("keystore." + now->text("admin.tls.keystore") + ".path");
    if (now == known_ && secrets_.stamp(path) == stamp_) return;
    auto identity = read();
    if (!identity)
        return parts_.log.error("host", "the admin port goes on with the certificate it has: " + describe(identity.error()),
                                {{"code", codeName(identity.error().code)}});
    const bool same = X509_cmp(identity->certificate.get(), key_->get()->certificate.get()) == 0;
    key_->replace(std::move(*identity));
    if (!same) parts_.log.notice("host", "the admin port shows another certificate from now on");
}

}  // namespace plugin::host
