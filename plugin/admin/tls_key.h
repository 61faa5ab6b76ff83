#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace plugin::admin {

/// What a TLS server shows and signs with: a private key, the certificate that is for it, and those above it, nearest first. Copies share all of
/// them.
struct TlsIdentity {
    std::shared_ptr<EVP_PKEY> key;
    std::shared_ptr<X509> certificate;
    std::vector<std::shared_ptr<X509>> chain{};
};

/// Thread-safe. The identity in force: who connects from now on gets to see the newest one. It stays in memory.
class TlsKey {
public:
    explicit TlsKey(TlsIdentity first) : identity_(std::make_shared<const TlsIdentity>(std::move(first))) {}
    void replace(TlsIdentity next) {
        auto fresh = std::make_shared<const TlsIdentity>(std::move(next));
        const std::lock_guard lock(mutex_);
        identity_.swap(fresh);
    }
    std::shared_ptr<const TlsIdentity> get() const {
        const std::lock_guard lock(mutex_);
        return identity_;
    }

private:
    mutable std::mutex mutex_{};
    std::shared_ptr<const TlsIdentity> identity_;
};

/// Makes a server's context ask `key` at the beginning of each handshake; TLS 1.2 and 1.3 alone, no renegotiation. `key` outlives the context.
/// Answers what OpenSSL has against the identity, which is tried at once; "": nothing.
std::string serveWith(SSL_CTX& context, const TlsKey& key);

}  // namespace plugin::admin
