#pragma once

#include "auth/sealing.h"
#include "plugin/admin/tls_key.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/result.h"

#include <memory>
#include <optional>

namespace plugin::host {

/// The admin port's key and certificate: those of admin.tls.keystore, read again when its file or the configuration has changed. A newer one that
/// cannot be used is told of once, and the one before stays in force. Used by one thread; its members block for files and passwords.
class AdminKey {
public:
    struct Parts {
        CurrentConfiguration configuration;
        auth::SealKeyFile& sealKey;
        Random& random;
        Log& log;
    };
    explicit AdminKey(Parts parts);

    /// At the start. Null: admin.tls.keystore is not set. Errors: those of configuredKeystore() and keyCalled().
    Result<std::shared_ptr<admin::TlsKey>> first();
    void look();  ///< now and then

private:
    Result<admin::TlsIdentity> read();

    Parts parts_;
    std::unique_ptr<auth::SecretReader> machine_ = auth::makeSecretReader();
    auth::Sealer sealer_;
    auth::OpeningReader secrets_;
    std::shared_ptr<admin::TlsKey> key_{};
    std::shared_ptr<const Configuration> known_{};
    std::optional<auth::SecretReader::Stamp> stamp_{};
};

}  // namespace plugin::host
