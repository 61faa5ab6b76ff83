#pragma once

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

/// Whom we trust (one truststore or the system's roots), and one TLS session kept per host and port. Thread-safe.
/// Resumed connections share the certificates of one session, which halves the memory of a parked one. A resumed handshake does not
/// check the chain again; so sessions belong to a context, and changed trust makes a new context.
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

/// The contexts of all truststores, made at first use and again when a file has changed. Thread-safe.
class TlsContexts {
public:
    TlsContexts(plugin::CurrentConfiguration configuration, plugin::Log& log) : configuration_(std::move(configuration)), log_(log) {}

    /// Looks at the truststore's file each time: blocks, call it through offload. "" = the system's roots.
    plugin::Result<std::shared_ptr<TlsContext>> forTruststore(const std::string& alias);
    /// The system's roots, if they have been loaded: never blocks.
    std::shared_ptr<TlsContext> systemIfLoaded();

private:
    struct Loaded {
        std::filesystem::file_time_type written{};
        std::uintmax_t size = 0;
        std::string path{};
        std::shared_ptr<TlsContext> context;
    };
    plugin::Result<std::shared_ptr<TlsContext>> load(const std::string& alias, const std::string& path);

    const plugin::CurrentConfiguration configuration_;
    plugin::Log& log_;
    std::mutex mutex_{};
    std::map<std::string, Loaded, std::less<>> loaded_{};
};

/// The oldest entry of this thread's OpenSSL error queue in plain words; the queue is empty afterwards.
std::string opensslReason();

}  // namespace auth
