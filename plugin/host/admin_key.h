#pragma once

#include "auth/sealing.h"
#include "plugin/admin/tls_key.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/result.h"

#include <memory>
#include <optional>
#include <stop_token>

namespace plugin::host {

/// The admin port's key and certificate: those of admin.tls.keystore, read again when its file, that of its password, or the configuration has
/// changed. One that cannot be used is told of once for each cause and tried again every minute; the one before stays in force. Used by one thread
/// at a time; its members block for files and passwords, which may come from programs.
class AdminKey {
public:
    struct Parts {
        CurrentConfiguration configuration;
        auth::SealKeyFile& sealKey;
        Random& random;
        Log& log;
        Clock& clock;
        std::stop_token stop;  ///< programs that give passwords are ended
    };
    explicit AdminKey(Parts parts);

    /// At the start. Null: admin.tls.keystore is not set. Errors: those of configuredKeystore() and keyCalled().
    Result<std::shared_ptr<admin::TlsKey>> first();
    void look();  ///< now and then

private:
    struct Seen {
        std::shared_ptr<const Configuration> configuration{};
        std::optional<auth::SecretReader::Stamp> keystore{}, password{};
        bool operator==(const Seen&) const = default;
    };
    Seen now();
    Result<admin::TlsIdentity> read(const Configuration& configuration);

    Parts parts_;
    std::unique_ptr<auth::SecretReader> machine_;
    auth::Sealer sealer_;
    auth::OpeningReader secrets_;
    std::shared_ptr<admin::TlsKey> key_{};
    Seen taken_{};        // what is in force was read of this
    Seen tried_{};        // and this could not be used
    Deadline again_{};    // when that is tried again
    std::string told_{};  // of it
};

}  // namespace plugin::host
