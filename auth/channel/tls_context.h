#pragma once

#include "auth/keystore/keystore.h"
#include "auth/secret_source.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/result.h"

#include <openssl/ssl.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace auth {

/// Whom we trust (one truststore or the system's roots), who we are (one key of a keystore, or nobody), and one TLS session kept per host and
/// port. Thread-safe. Resumed connections share the certificates of one session, which halves the memory of a parked one. A resumed handshake
/// does not check the chain again, and makes us who we were; so sessions belong to a context, and changed trust or another key makes a new one.
class TlsContext {
public:
    struct Free {
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
        void operator()(SSL* ssl) const { SSL_free(ssl); }
        void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
    };
    using Session = std::unique_ptr<SSL_SESSION, Free>;

    /// Takes a PEM text of certificates, each of which is trusted by itself, also when it is no root; nothing: the system's roots.
    /// Errors askOperator channelTruststore: no certificate, or one that cannot be read; `name` says where the text comes from.
    static plugin::Result<std::shared_ptr<TlsContext>> make(const std::optional<std::string>& pem, const std::string& name);

    /// Shows this certificate to whoever asks for one. Before the first connection. `name` says where it comes from.
    /// Errors askOperator channelKeystore: TLS cannot use it, or not safely.
    plugin::Result<void> show(const KeyEntry& own, const std::string& name);

    SSL_CTX* get() const { return context_.get(); }
    /// A session to resume, or null.
    Session resume(const std::string& hostAndPort, plugin::Steady now);
    /// What the handshake made of the session resume() gave.
    void resumed(const std::string& hostAndPort, bool yes);
    void keep(const std::string& hostAndPort, Session session, plugin::Steady now);

private:
    struct Kept {
        Session session;
        plugin::Steady since;
        int failures = 0;
    };
    explicit TlsContext(std::unique_ptr<SSL_CTX, Free> context) : context_(std::move(context)) {}

    const std::unique_ptr<SSL_CTX, Free> context_;
    std::mutex mutex_{};
    std::map<std::string, Kept, std::less<>> sessions_{};
};

/// Aliases of the configuration: whom to trust and who to be.
struct TlsChoice {
    std::string truststore{};  ///< "" = the system's roots
    std::string keystore{};    ///< "" = no certificate of ours is shown
    std::string keyAlias{};
    auto operator<=>(const TlsChoice&) const = default;
};

/// The contexts of all truststores and keystores, made at first use and again when a file, or what the configuration says of it, has changed.
/// Thread-safe. `secrets` and `log` outlive it.
class TlsContexts {
public:
    TlsContexts(plugin::CurrentConfiguration configuration, SecretReader& secrets, plugin::Log& log)
        : configuration_(std::move(configuration)), secrets_(secrets), log_(log) {}

    /// Looks at the files each time: blocks, call it through offload. Errors askOperator: channelTruststore, channelKeystore (that one may also
    /// be retryLater).
    plugin::Result<std::shared_ptr<TlsContext>> get(const TlsChoice& choice);
    /// The system's roots and no certificate of ours, if they have been loaded: never blocks.
    std::shared_ptr<TlsContext> systemIfLoaded();

private:
    /// What of the files and of the configuration a context was made from.
    struct Origin {
        std::string path{};        // of the truststore
        std::string truststore{};  // its settings
        std::filesystem::file_time_type written{};
        std::uintmax_t size = 0;
        std::string keystore{};  // its settings
        std::optional<SecretReader::Stamp> stamp{};
        bool operator==(const Origin&) const = default;
    };
    struct Slot {
        std::mutex loading{};  // so that a thundering herd loads once; held while files are read and a password is got
        Origin origin{};       // of the one who loads
        std::shared_ptr<TlsContext> context{};
    };
    plugin::Result<Origin> look(const plugin::Configuration& configuration, const TlsChoice& choice);
    plugin::Result<std::shared_ptr<TlsContext>> load(const plugin::Configuration& configuration, const TlsChoice& choice, Origin& origin);
    plugin::Result<void> show(TlsContext& context, const plugin::Configuration& configuration, const TlsChoice& choice, Origin& origin);
    std::shared_ptr<Slot> slot(const TlsChoice& choice);

    const plugin::CurrentConfiguration configuration_;
    SecretReader& secrets_;
    plugin::Log& log_;
    std::mutex mutex_{};  // for the map and the contexts in it, never held for long
    std::map<TlsChoice, std::shared_ptr<Slot>> slots_{};
};

/// The oldest entry of this thread's OpenSSL error queue in plain words; the queue is empty afterwards.
std::string opensslReason();

}  // namespace auth
