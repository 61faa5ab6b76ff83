#pragma once

#include "auth/channel/tls_context.h"
#include "auth/channel/transport.h"
#include "plugin/contract/clock.h"

#include <memory>
#include <optional>
#include <string>

namespace auth {

/// The client's side of TLS 1.2 or newer above another transport, which may itself be TLS. Belongs to one loop.
class TlsTransport final : public Transport {
public:
    struct Peer {
        std::string host;         ///< name or address the certificate must name; also SNI where it is a name
        std::string hostAndPort;  ///< for the kept session, and for errors until rename()
    };
    /// `lower` outlives this. `clock` tells whether certificates are valid now.
    TlsTransport(Transport& lower, std::shared_ptr<TlsContext> context, Peer peer, plugin::Clock& clock);
    ~TlsTransport() override;  ///< says goodbye (close_notify) if that needs no waiting
    TlsTransport(const TlsTransport&) = delete;
    TlsTransport& operator=(const TlsTransport&) = delete;

    /// One step of the handshake: moved = done, the other side is who it should be; never ended.
    Moved tryHandshake();
    Moved tryRead(std::span<char> into) override;
    Moved tryWrite(std::string_view bytes) override;
    Moved tryFlush() override;
    plugin::Error failure() const override { return failure_ ? *failure_ : *unsent_; }

    std::string security() const;  ///< "TLSv1.3 TLS_AES_256_GCM_SHA384"
    /// Another name for errors: behind a proxy that is spoken to with TLS the other side is not the one TLS was agreed on with.
    void rename(std::string name) { name_ = std::move(name); }
    bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

    /// What a TlsContext tells OpenSSL to call when a server gives a session.
    static int newSession(SSL* ssl, SSL_SESSION* session);
    /// ... and when it asks for a certificate of ours.
    static int certificateAsked(SSL* ssl, void*);

private:
    struct Glue;  // what OpenSSL calls

    Moved outcome(int returned);
    Moved flushOut();
    void hearWhy();
    plugin::Error handshakeError(unsigned long code) const;
    plugin::Error certificateError(long result) const;
    std::optional<plugin::Error> ownCertificateError(unsigned long code) const;

    Transport& lower_;
    const std::shared_ptr<TlsContext> context_;
    const Peer peer_;
    std::string name_;  // for errors
    plugin::Clock& clock_;
    std::unique_ptr<SSL, TlsContext::Free> ssl_;
    bool offered_ = false;  // a session to resume
    bool asked_ = false;    // for a certificate of ours
    bool established_ = false;
    bool lowerFailed_ = false;
    std::string out_{};          // records the layer below has not taken yet
    std::string certificate_{};  // of the refused one: what a person wants to know of it
    std::optional<plugin::Error> failure_{};
    std::optional<plugin::Error> unsent_{};  // nothing more can be written; what has come can still be read
};

}  // namespace auth
