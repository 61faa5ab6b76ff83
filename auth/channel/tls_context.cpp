#include "auth/channel/tls_context.h"

#include "auth/channel/tls_transport.h"
#include "auth/keystore/configured_keystore.h"
#include "auth/settings_behind.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <system_error>

namespace auth {

namespace {

// Two login processes of one server have ticket keys of their own: a kept session fails half the time and is still the best to keep
// (renewed each time it hardly ever fits). Many misses in a row mean that the server has forgotten it.
constexpr int missesBeforeAnother = 8;
// Larger than any collection of roots.
constexpr std::uintmax_t maxTruststore = 16U << 20;

std::string truststoreName(const std::string& alias, const std::string& path) { return "truststore." + alias + ".path = " + path; }

plugin::Error truststoreError(const std::string& name, const std::string& why) {
    return {plugin::Reaction::askOperator, plugin::Code::channelTruststore, name + ": " + why};
}

void must(bool done, const char* what) {
    if (!done) throw std::runtime_error(std::string("OpenSSL cannot ") + what + ": " + opensslReason());
}

/// Answers why a certificate of the text cannot be used; nothing: all are in the store.
std::optional<std::string> addCertificates(X509_STORE* store, const std::string& pem) {
    struct FreeBio {
        void operator()(BIO* bio) const { BIO_free(bio); }
        void operator()(X509* certificate) const { X509_free(certificate); }
    };
    const std::unique_ptr<BIO, FreeBio> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (!bio) throw std::bad_alloc();
    for (int count = 0;; ++count) {
        ERR_clear_error();
        const std::unique_ptr<X509, FreeBio> certificate(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
        if (!certificate) {
            const bool atEnd = ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            if (!atEnd) return "certificate " + std::to_string(count + 1) + " cannot be read (" + opensslReason() + ")";
            ERR_clear_error();
            if (count == 0) return "there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)";
            return std::nullopt;
        }
        if (X509_STORE_add_cert(store, certificate.get()) != 1) return "certificate " + std::to_string(count + 1) + ": " + opensslReason();
    }
}

}  // namespace

std::string opensslReason() {
    const auto code = ERR_get_error();
    ERR_clear_error();
    const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
    return text != nullptr ? text : "no reason given";
}

plugin::Result<std::shared_ptr<TlsContext>> TlsContext::make(const std::optional<std::string>& pem, const std::string& name) {
    ERR_clear_error();
    std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_client_method()));
    must(context != nullptr, "make a TLS context");
    auto* const ssl = context.get();
    must(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1, "demand TLS 1.2");
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);  // what is read may be a token
    // X25519 first: OpenSSL's own order is fine, Poco's had cost a third of each handshake; said here so that it stays so.
    must(SSL_CTX_set1_groups_list(ssl, "X25519:P-256:P-384") == 1, "set the TLS groups");
    // A read takes what several records hold in one system call: 30 times fewer of them on a big download.
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_read_buffer_len(ssl, 65536);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, TlsTransport::newSession);
    SSL_CTX_set_cert_cb(ssl, TlsTransport::certificateAsked, nullptr);
    if (!pem) {
        must(SSL_CTX_set_default_verify_paths(ssl) == 1, "find the system's roots");
    } else {
        auto* const store = SSL_CTX_get_cert_store(ssl);
        if (auto why = addCertificates(store, *pem)) return truststoreError(name, *why);
        // Whoever puts a server's own certificate into a truststore means it.
        must(X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1, "trust single certificates");
    }
    return std::shared_ptr<TlsContext>(new TlsContext(std::move(context)));
}

plugin::Result<void> TlsContext::show(const KeyEntry& own, const std::string& name) {
    ERR_clear_error();
    const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> chain(sk_X509_new_null(), [](STACK_OF(X509) * each) { sk_X509_free(each); });
    if (!chain) throw std::bad_alloc();
    for (const auto& each : own.chain) sk_X509_push(chain.get(), each.get());
    if (SSL_CTX_use_cert_and_key(context_.get(), own.certificate.get(), own.key.get(), chain.get(), 1) == 1) return {};
    return plugin::Error{plugin::Reaction::askOperator, plugin::Code::channelKeystore,
                         name + ": TLS cannot use the key '" + plugin::printable(own.alias) + "': " + opensslReason()};
}

TlsContext::Session TlsContext::resume(const std::string& hostAndPort, plugin::Steady now) {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(hostAndPort);
    if (found == sessions_.end()) return nullptr;
    const auto& kept = found->second;
    const auto lifetime = std::chrono::seconds(SSL_SESSION_get_timeout(kept.session.get()));
    if (now - kept.since >= lifetime || SSL_SESSION_is_resumable(kept.session.get()) == 0) {
        sessions_.erase(found);
        return nullptr;
    }
    // A copy, which shares the certificates: OpenSSL takes a session that has been resumed once with TLS 1.3 for used up, and not every
    // server hands out another one then.
    return Session(SSL_SESSION_dup(kept.session.get()));
}

void TlsContext::resumed(const std::string& hostAndPort, bool yes) {
    const std::lock_guard lock(mutex_);
    if (const auto found = sessions_.find(hostAndPort); found != sessions_.end()) found->second.failures = yes ? 0 : found->second.failures + 1;
}

void TlsContext::keep(const std::string& hostAndPort, Session session, plugin::Steady now) {
    const std::lock_guard lock(mutex_);
    auto& kept = sessions_[hostAndPort];
    if (kept.session && kept.failures < missesBeforeAnother && SSL_SESSION_is_resumable(kept.session.get()) == 1) {
        const auto lifetime = std::chrono::seconds(SSL_SESSION_get_timeout(kept.session.get()));
        if (now - kept.since < lifetime / 2) return;
    }
    kept = Kept{std::move(session), now};
}

std::shared_ptr<TlsContexts::Slot> TlsContexts::slot(const TlsChoice& choice) {
    const std::lock_guard lock(mutex_);
    auto& found = slots_[choice];
    if (!found) found = std::make_shared<Slot>();
    return found;
}

std::shared_ptr<TlsContext> TlsContexts::systemIfLoaded() {
    const std::lock_guard lock(mutex_);
    const auto found = slots_.find({});
    return found == slots_.end() ? nullptr : found->second->context;
}

plugin::Result<std::shared_ptr<TlsContext>> TlsContexts::get(const TlsChoice& choice) {
    const auto own = slot(choice);
    const std::lock_guard loading(own->loading);
    const auto configuration = configuration_.get();
    auto origin = look(*configuration, choice);
    if (!origin) return origin.error();
    if (own->context && own->origin == *origin) return own->context;
    auto made = load(*configuration, choice, *origin);
    if (!made) return made;  // not remembered: the files are looked at again at the next dial
    own->origin = std::move(*origin);
    const std::lock_guard lock(mutex_);
    own->context = *made;
    return made;
}

plugin::Result<TlsContexts::Origin> TlsContexts::look(const plugin::Configuration& configuration, const TlsChoice& choice) {
    Origin origin;
    if (!choice.truststore.empty()) {
        origin.path = configuration.text("truststore." + choice.truststore + ".path");
        origin.truststore = settingsBehind(configuration, "truststore." + choice.truststore + ".");
        if (origin.path.empty()) return truststoreError("truststore." + choice.truststore, "there is no such truststore, or it has no .path");
        const auto name = truststoreName(choice.truststore, origin.path);
        std::error_code error;
        origin.size = std::filesystem::file_size(origin.path, error);
        if (error) return truststoreError(name, error.message());
        origin.written = std::filesystem::last_write_time(origin.path, error);
        if (error) return truststoreError(name, error.message());
        if (origin.size == 0) return truststoreError(name, "the file is empty");
        if (origin.size > maxTruststore) return truststoreError(name, "the file is larger than any truststore");
    }
    if (!choice.keystore.empty()) {
        const auto prefix = "keystore." + choice.keystore + ".";
        origin.keystore = settingsBehind(configuration, prefix);
        origin.stamp = secrets_.stamp(configuration.text(prefix + "path"));
    }
    return origin;
}

plugin::Result<std::shared_ptr<TlsContext>> TlsContexts::load(const plugin::Configuration& configuration, const TlsChoice& choice, Origin& origin) {
    std::optional<std::string> pem;
    const auto name = choice.truststore.empty() ? "the system's roots" : truststoreName(choice.truststore, origin.path);
    if (!choice.truststore.empty()) {
        std::ifstream file(origin.path, std::ios::binary);
        pem.emplace(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
        if (!file) return truststoreError(name, "the file cannot be read: " + std::generic_category().message(errno));
        auto certificates = truststorePem(configuration, choice.truststore, std::move(*pem), secrets_);
        if (!certificates) return certificates.error();
        pem = std::move(*certificates);
    }
    auto made = TlsContext::make(pem, name);
    if (!made) return made;
    if (pem)
        log_.information("auth.channel", "truststore loaded",
                         {{"truststore", choice.truststore}, {"path", origin.path}, {"bytes", static_cast<std::uint64_t>(origin.size)}});
    if (choice.keystore.empty()) return made;
    const auto shown = show(**made, configuration, choice, origin);
    if (!shown) return shown.error();
    return made;
}

plugin::Result<void> TlsContexts::show(TlsContext& context, const plugin::Configuration& configuration, const TlsChoice& choice, Origin& origin) {
    const auto name = keystoreName(configuration, choice.keystore);
    const auto keystore = configuredKeystore(configuration, choice.keystore, secrets_, &origin.stamp);
    if (!keystore) return keystore.error();
    const auto own = keyCalled(*keystore, choice.keyAlias, name);
    if (!own) return own.error();
    const auto shown = context.show(*own, name);
    if (!shown) return shown.error();
    log_.information("auth.channel", "keystore loaded",
                     {{"keystore", choice.keystore},
                      {"path", configuration.text("keystore." + choice.keystore + ".path")},
                      {"key", plugin::printable(own->alias)}});
    return shown;
}

}  // namespace auth
