#include "plugin/admin/tls_key.h"

#include <openssl/err.h>

namespace plugin::admin {

namespace {

bool show(SSL& session, const TlsIdentity& identity) {
    std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> chain(sk_X509_new_null(), [](STACK_OF(X509) * each) { sk_X509_free(each); });
    for (const auto& each : identity.chain)
        if (sk_X509_push(chain.get(), each.get()) == 0) return false;
    constexpr int inPlaceOfWhatIsThere = 1;
    return SSL_use_cert_and_key(&session, identity.certificate.get(), identity.key.get(), chain.get(), inPlaceOfWhatIsThere) == 1;
}

/// Called by OpenSSL, which takes 0 for "end the handshake".
int beginHandshake(SSL* session, void* key) {
    const auto identity = static_cast<const TlsKey*>(key)->get();
    return show(*session, *identity) ? 1 : 0;
}

std::string lastFailure() {
    std::string text = "OpenSSL does not say why";
    if (const auto code = ERR_peek_last_error(); code != 0)
        if (const auto* reason = ERR_reason_error_string(code)) text = reason;
    ERR_clear_error();
    return text;
}

}  // namespace

std::string serveWith(SSL_CTX& context, const TlsKey& key) {
    ERR_clear_error();
    if (SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) != 1 || SSL_CTX_set_max_proto_version(&context, 0) != 1) return lastFailure();
    SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_cert_cb(&context, beginHandshake, const_cast<TlsKey*>(&key));  // OpenSSL hands it back as it is
    const std::unique_ptr<SSL, decltype(&SSL_free)> trial(SSL_new(&context), SSL_free);
    if (!trial || !show(*trial, *key.get())) return lastFailure();
    return {};
}

}  // namespace plugin::admin
