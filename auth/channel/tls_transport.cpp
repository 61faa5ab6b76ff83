#include "auth/channel/tls_transport.h"

#include "plugin/contract/log.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

namespace auth {

namespace {

// Certificates of big providers carry hundreds of names.
constexpr int maxNamesTold = 12;
// Of records that wait for the layer below: one of ours, and answers to what the other side does to the keys, with room to spare.
constexpr std::size_t maxHeld = 64 * 1024;

bool isAddress(const std::string& host) {
    unsigned char bytes[16];
    return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

std::string text(const X509_NAME* name) {
    char line[256] = "";
    X509_NAME_oneline(name, line, sizeof line);
    return plugin::printable(line);
}

std::string addressText(const ASN1_OCTET_STRING* address) {
    char line[INET6_ADDRSTRLEN] = "";
    const int length = ASN1_STRING_length(address);
    if (length == 4 || length == 16) ::inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(address), line, sizeof line);
    return line;
}

/// "mail.example.org, 192.0.2.1"
std::string namesOf(const X509* certificate) {
    struct FreeNames {
        void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
    };
    const std::unique_ptr<GENERAL_NAMES, FreeNames> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::string list;
    int told = 0;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto* const name = sk_GENERAL_NAME_value(names.get(), i);
        std::string one;
        if (name->type == GEN_DNS) {
            const auto* const bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
            one = plugin::printable({bytes, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))});
        } else if (name->type == GEN_IPADD) {
            one = addressText(name->d.iPAddress);
        }
        if (one.empty()) continue;
        if (++told > maxNamesTold) return list + " and more";
        list += (list.empty() ? "" : ", ") + one;
    }
    return list.empty() ? "no host name but " + text(X509_get_subject_name(certificate)) : list;
}

std::string dateText(const ASN1_TIME* time) {
    tm date{};
    char line[32] = "an unreadable date";
    if (ASN1_TIME_to_tm(time, &date) == 1) std::strftime(line, sizeof line, "%Y-%m-%d %H:%M:%S UTC", &date);
    return line;
}

/// What of this certificate explains the refusal.
std::string explain(const X509* certificate, int error) {
    switch (error) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "it names " + namesOf(certificate);
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return text(X509_get_subject_name(certificate)) + " ended on " + dateText(X509_get0_notAfter(certificate));
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return text(X509_get_subject_name(certificate)) + " begins on " + dateText(X509_get0_notBefore(certificate));
        default:
            return "certificate " + text(X509_get_subject_name(certificate)) + ", issued by " + text(X509_get_issuer_name(certificate));
    }
}

}  // namespace

/// The callbacks OpenSSL makes and the BIO that stands for the transport below.
struct TlsTransport::Glue {
    static int index() {
        static const int slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
        return slot;
    }
    static TlsTransport* of(const SSL* ssl) { return static_cast<TlsTransport*>(SSL_get_ex_data(ssl, index())); }

    static int verify(int good, X509_STORE_CTX* store) {
        if (good == 1) return good;
        auto* const ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
        auto* const self = of(ssl);
        const auto* const certificate = X509_STORE_CTX_get_current_cert(store);
        if (self != nullptr && certificate != nullptr) self->certificate_ = explain(certificate, X509_STORE_CTX_get_error(store));
        return good;
    }

    static int read(BIO* bio, char* into, int size) {
        BIO_clear_retry_flags(bio);
        if (size <= 0) return 0;
        auto* const self = static_cast<TlsTransport*>(BIO_get_data(bio));
        return done(bio, *self, self->lower_.tryRead({into, static_cast<std::size_t>(size)}));
    }
    /// Takes everything: OpenSSL must not be left with half a record. A read that has to answer a KeyUpdate would then fail with "bad
    /// length", since it writes the answer where the record's rest should come.
    static int write(BIO* bio, const char* bytes, int size) {
        BIO_clear_retry_flags(bio);
        if (size <= 0) return 0;
        auto* const self = static_cast<TlsTransport*>(BIO_get_data(bio));
        if (self->out_.size() > maxHeld) return done(bio, *self, {State::wantWrite});
        self->out_.append(bytes, static_cast<std::size_t>(size));
        // An alert about what has just gone wrong: the layer below may be TLS too, and would forget the reason. It goes out once that is read.
        if (ERR_peek_error() != 0) return size;
        if (self->flushOut().state != State::failed) return size;
        if (self->established_) self->unsent_ = self->lower_.failure();
        return self->established_ ? -1 : done(bio, *self, {State::failed});
    }
    static int done(BIO* bio, TlsTransport& self, Moved moved) {
        switch (moved.state) {
            case State::moved:
                return static_cast<int>(moved.bytes);
            case State::ended:
                BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
                return 0;
            case State::wantRead:
                BIO_set_retry_read(bio);
                return -1;
            case State::wantWrite:
                BIO_set_retry_write(bio);
                return -1;
            case State::failed:
                self.lowerFailed_ = true;
                return -1;
        }
        return -1;
    }
    static long control(BIO* bio, int command, long, void*) {
        switch (command) {
            case BIO_CTRL_FLUSH:
                return 1;
            case BIO_CTRL_EOF:
                return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
            default:
                return 0;
        }
    }
    static const BIO_METHOD* method() {
        static const BIO_METHOD* const made = [] {
            auto* const fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "transport");
            if (fresh == nullptr) throw std::bad_alloc();
            BIO_meth_set_read(fresh, read);
            BIO_meth_set_write(fresh, write);
            BIO_meth_set_ctrl(fresh, control);
            return fresh;
        }();
        return made;
    }
};

TlsTransport::TlsTransport(Transport& lower, std::shared_ptr<TlsContext> context, Peer peer, plugin::Clock& clock)
    : lower_(lower), context_(std::move(context)), peer_(std::move(peer)), name_(peer_.hostAndPort), clock_(clock), ssl_(SSL_new(context_->get())) {
    auto* const bio = ssl_ ? BIO_new(Glue::method()) : nullptr;
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);  // owns it

    SSL_set_ex_data(ssl_.get(), Glue::index(), this);
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, Glue::verify);

    auto* const check = SSL_get0_param(ssl_.get());
    X509_VERIFY_PARAM_set_time(check, std::chrono::system_clock::to_time_t(clock_.wall()));
    auto host = peer_.host;
    if (isAddress(host)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(check, host.c_str()) != 1) throw std::logic_error("an IP address OpenSSL cannot read: " + host);
    } else {
        if (host.ends_with('.')) host.pop_back();  // the root's dot is for resolvers; certificates and SNI have none (RFC 6066 section 3)
        X509_VERIFY_PARAM_set_hostflags(check, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (host.empty() || X509_VERIFY_PARAM_set1_host(check, host.c_str(), host.size()) != 1)
            throw std::logic_error("a host name no certificate can have: " + plugin::printable(host));
        if (SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) != 1) throw std::bad_alloc();
    }
    SSL_set_connect_state(ssl_.get());
    if (auto session = context_->resume(peer_.hostAndPort, clock_.steady())) offered_ = SSL_set_session(ssl_.get(), session.get()) == 1;
}

/// TLS 1.3 sends its sessions whenever it likes after the handshake, usually with the first bytes we read.
int TlsTransport::newSession(SSL* ssl, SSL_SESSION* session) {
    auto* const self = Glue::of(ssl);
    if (self == nullptr) return 0;
    self->context_->keep(self->peer_.hostAndPort, TlsContext::Session(session), self->clock_.steady());
    return 1;  // the reference is ours now
}

int TlsTransport::certificateAsked(SSL* ssl, void*) {
    if (auto* const self = Glue::of(ssl); self != nullptr) self->asked_ = true;
    return 1;
}

TlsTransport::~TlsTransport() {
    ERR_clear_error();
    if (established_ && !failure_ && !unsent_) {
        SSL_shutdown(ssl_.get());
        tryFlush();
    }
    // OpenSSL takes the session of a connection that ends without goodbye for bad, and with it the kept one.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    ERR_clear_error();
}

Transport::Moved TlsTransport::flushOut() {
    std::size_t taken = 0;
    Moved moved{State::moved};
    while (taken < out_.size() && moved.state == State::moved) {
        moved = lower_.tryWrite(std::string_view(out_).substr(taken));
        taken += moved.bytes;
    }
    if (taken == out_.size())
        std::string().swap(out_);  // its memory too: channels wait for long
    else
        out_.erase(0, taken);
    return {moved.state};
}

Transport::Moved TlsTransport::tryFlush() {
    if (failure_ || unsent_) return {State::failed};
    auto moved = flushOut();
    if (moved.state == State::moved) moved = lower_.tryFlush();
    if (moved.state == State::failed) {
        (established_ ? unsent_ : failure_) = lower_.failure();
        if (established_) hearWhy();
    }
    return moved;
}

/// Who ends a connection may have said why, before what we sent met its reset: that tells more than the reset.
void TlsTransport::hearWhy() {
    char one = 0;
    std::size_t got = 0;
    ERR_clear_error();
    const int done = SSL_peek_ex(ssl_.get(), &one, 1, &got);
    const auto code = ERR_peek_error();
    if (done != 1 && ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET)
        outcome(done);
    else
        ERR_clear_error();
}

Transport::Moved TlsTransport::tryHandshake() {
    if (failure_) return {State::failed};
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    const auto met = done == 1 ? Moved{State::moved} : outcome(done);
    if (met.state == State::failed) return met;
    if (const auto flushed = tryFlush(); flushed.state != State::moved) return flushed;  // who waits for an answer must have asked
    if (met.state != State::moved || established_) return met;
    established_ = true;
    if (offered_) context_->resumed(peer_.hostAndPort, resumed());
    return met;
}

Transport::Moved TlsTransport::tryRead(std::span<char> into) {
    if (const auto taken = takeUnread(into); taken > 0) return {State::moved, taken};
    if (failure_) return {State::failed};
    if (!out_.empty()) tryFlush();  // where it cannot, what the other side said before may still be here
    std::size_t all = 0;
    while (all < into.size()) {  // one record at a time is what OpenSSL gives
        ERR_clear_error();
        std::size_t got = 0;
        const int done = SSL_read_ex(ssl_.get(), into.data() + all, into.size() - all, &got);
        all += got;
        if (done == 1) continue;
        const auto met = outcome(done);
        return all > 0 ? Moved{State::moved, all} : met;  // an end or a failure is met again by the next try
    }
    return {State::moved, all};
}

Transport::Moved TlsTransport::tryWrite(std::string_view bytes) {
    if (const auto flushed = tryFlush(); flushed.state != State::moved) return flushed;
    ERR_clear_error();
    std::size_t put = 0;
    const int done = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put);
    if (done == 1) return {State::moved, put};
    if (!unsent_) return outcome(done);
    hearWhy();
    return {State::failed};
}

Transport::Moved TlsTransport::outcome(int returned) {
    switch (SSL_get_error(ssl_.get(), returned)) {
        case SSL_ERROR_WANT_READ:
            return {State::wantRead};
        case SSL_ERROR_WANT_WRITE:
            return {State::wantWrite};
        case SSL_ERROR_ZERO_RETURN:
            if (established_) return {State::ended};
            break;
        default:
            break;
    }
    const auto code = ERR_peek_error();
    if (!established_) {
        failure_ = handshakeError(code);
    } else if (lowerFailed_) {
        failure_ = lower_.failure();
    } else if (unsent_ && code == 0) {  // reading has to write now and then
        failure_ = unsent_;
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        // Whoever sits on the way can cut, but not say goodbye: what came so far may not be all (RFC 8446 section 6.1).
        failure_ = plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelClosed, name_ + " has cut the connection (no TLS close_notify)"};
    } else if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET) {
        // TLS 1.3 tells us only now what it dislikes of our handshake: a missing client certificate, for one.
        failure_ = ownCertificateError(code);
        if (!failure_)
            failure_ = plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelTlsHandshake, name_ + " ended TLS: " + opensslReason()};
    } else {
        failure_ = plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelClosed, "TLS with " + name_ + " failed: " + opensslReason()};
    }
    ERR_clear_error();
    if (!lowerFailed_ && !unsent_) flushOut();
    return {State::failed};
}

plugin::Error TlsTransport::handshakeError(unsigned long code) const {
    using plugin::Code;
    using plugin::Reaction;
    if (const long result = SSL_get_verify_result(ssl_.get()); result != X509_V_OK) return certificateError(result);
    if (lowerFailed_) {
        auto error = lower_.failure();
        error.what += " during the TLS handshake";
        return error;
    }
    if (auto error = ownCertificateError(code)) return *error;
    const bool ssl = ERR_GET_LIB(code) == ERR_LIB_SSL;
    const int reason = ERR_GET_REASON(code);
    if (ssl && (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST))
        return {Reaction::reconnect, Code::channelNotTls, name_ + " answers, but does not speak TLS"};
    if (code == 0 || (ssl && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING))
        return {Reaction::reconnect, Code::channelClosed, name_ + " closed the connection during the TLS handshake"};
    const char* const why = ERR_reason_error_string(code);
    return {Reaction::reconnect, Code::channelTlsHandshake, "no TLS with " + name_ + ": " + (why != nullptr ? why : "no reason given")};
}

/// Whether the other side has something against our certificate, or against there being none (RFC 8446 section 6.2). Before TLS 1.3 it calls
/// a missing one a failed handshake; alerts of certificates are never about its own.
std::optional<plugin::Error> TlsTransport::ownCertificateError(unsigned long code) const {
    if (!asked_ || ERR_GET_LIB(code) != ERR_LIB_SSL) return std::nullopt;
    const auto* const own = SSL_get_certificate(ssl_.get());
    const int alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;
    constexpr std::array ofCertificates{SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED,
                                        SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_UNKNOWN,     SSL_AD_UNKNOWN_CA,
                                        SSL_AD_CERTIFICATE_REQUIRED};
    const bool certificate = std::find(ofCertificates.begin(), ofCertificates.end(), alert) != ofCertificates.end();
    if (!certificate && (own != nullptr || alert != SSL_AD_HANDSHAKE_FAILURE)) return std::nullopt;
    const char* const said = ERR_reason_error_string(code);
    const auto why = std::string(" (") + (said != nullptr ? said : "no reason given") + ")";
    const auto what = own == nullptr ? " demands a client certificate, and no .keystore is named for it"
                                     : " refuses our client certificate " + text(X509_get_subject_name(own));
    return plugin::Error{plugin::Reaction::askOperator, plugin::Code::channelTlsHandshake, name_ + what + why};
}

plugin::Error TlsTransport::certificateError(long result) const {
    using plugin::Code;
    const auto told = certificate_.empty() ? std::string{} : " (" + certificate_ + ")";
    const auto error = [&](Code code, const std::string& what) { return plugin::Error{plugin::Reaction::askOperator, code, what + told}; };
    switch (result) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return error(Code::channelCertificateName, "the certificate of " + name_ + " is not for " + peer_.host);
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return error(Code::channelCertificateExpired, "the certificate of " + name_ + " has expired");
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return error(Code::channelCertificateExpired, "the certificate of " + name_ + " is not valid yet");
        default:
            return error(Code::channelCertificateUntrusted,
                         "the certificate of " + name_ + " is not trusted: " + X509_verify_cert_error_string(result));
    }
}

std::string TlsTransport::security() const { return std::string(SSL_get_version(ssl_.get())) + " " + SSL_get_cipher_name(ssl_.get()); }

}  // namespace auth
