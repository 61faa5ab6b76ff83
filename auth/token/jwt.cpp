#include "auth/token/jwt.h"

#include "auth/keystore/key_description.h"
#include "auth/sasl/base64.h"
#include "plugin/contract/text.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <array>
#include <new>
#include <span>
#include <stdexcept>

namespace auth {

namespace {

constexpr int fewestRsaBits = 2048;     // RFC 7518 sections 3.3 and 3.5
constexpr std::size_t coordinate = 32;  // of P-256

using Bytes = std::vector<unsigned char>;

std::string_view text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

bool isRsa(EVP_PKEY& key) { return EVP_PKEY_get_base_id(&key) == EVP_PKEY_RSA || EVP_PKEY_get_base_id(&key) == EVP_PKEY_RSA_PSS; }

bool isP256(EVP_PKEY& key) {
    std::array<char, 32> group{};
    return EVP_PKEY_get_base_id(&key) == EVP_PKEY_EC && EVP_PKEY_get_group_name(&key, group.data(), group.size(), nullptr) == 1 &&
           std::string_view(group.data()) == "prime256v1";
}

void must(bool done, const char* what) {
    if (done) return;
    ERR_clear_error();
    throw std::runtime_error(std::string("OpenSSL cannot ") + what);
}

/// DER of ECDSA-Sig-Value (RFC 3279 section 2.2.3) as r and s (RFC 7518 section 3.4).
Bytes joined(const Bytes& der) {
    const auto* at = der.data();
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
    must(pair != nullptr, "read its own signature");
    Bytes both(2 * coordinate);
    must(BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), both.data(), coordinate) == coordinate &&
             BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), both.data() + coordinate, coordinate) == coordinate,
         "write a signature");
    return both;
}

Bytes signature(std::string_view input, EVP_PKEY& key, JwtAlgorithm algorithm) {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_PKEY_CTX* parameters = nullptr;  // the context's
    must(context && EVP_DigestSignInit(context.get(), &parameters, EVP_sha256(), nullptr, &key) == 1, "sign with this key");
    if (algorithm == JwtAlgorithm::ps256)
        must(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                 EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1,
             "sign with RSA-PSS");
    const auto* const bytes = reinterpret_cast<const unsigned char*>(input.data());
    std::size_t length = 0;
    must(EVP_DigestSign(context.get(), nullptr, &length, bytes, input.size()) == 1, "sign");
    Bytes made(length);
    must(EVP_DigestSign(context.get(), made.data(), &length, bytes, input.size()) == 1, "sign");
    made.resize(length);
    return algorithm == JwtAlgorithm::es256 ? joined(made) : made;
}

std::string member(std::string_view name, std::string_view value) { return plugin::jsonText(name) + ":" + plugin::jsonText(value); }
std::string member(std::string_view name, plugin::Wall time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
    return plugin::jsonText(name) + ":" + std::to_string(seconds);
}

std::string derOf(X509& certificate) {
    unsigned char* bytes = nullptr;
    const int length = i2d_X509(&certificate, &bytes);
    must(length > 0, "write a certificate");
    std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
    OPENSSL_free(bytes);
    return der;
}

/// RFC 7515 section 4.1. "x5c" is in ordinary Base64, all else in that for URLs.
std::string header(const JwtKey& key) {
    std::string json = "{" + member("alg", nameOf(key.algorithm)) + "," + member("typ", "JWT");
    if (!key.keyId.empty()) json += "," + member("kid", key.keyId);
    if (key.certificate) {
        json += "," + member("x5t", sasl::base64Url(digestOf(*key.certificate, EVP_sha1())).reveal());
        json += "," + member("x5t#S256", sasl::base64Url(digestOf(*key.certificate, EVP_sha256())).reveal());
        json += ",\"x5c\":[" + plugin::jsonText(sasl::base64(derOf(*key.certificate)).reveal());
        for (const auto& each : key.chain) json += "," + plugin::jsonText(sasl::base64(derOf(*each)).reveal());
        json += "]";
    }
    return json + "}";
}

std::string payload(const JwtClaims& claims) {
    std::string json = "{" + member("iss", claims.issuer);
    if (!claims.subject.empty()) json += "," + member("sub", claims.subject);
    json += "," + member("aud", claims.audience);
    if (!claims.id.empty()) json += "," + member("jti", claims.id);
    json += "," + member("iat", claims.issuedAt) + "," + member("nbf", claims.issuedAt) + "," + member("exp", claims.issuedAt + claims.life);
    for (const auto& [name, value] : claims.more) json += "," + member(name, value);
    return json + "}";
}

}  // namespace

std::string_view nameOf(JwtAlgorithm algorithm) {
    switch (algorithm) {
        case JwtAlgorithm::rs256:
            return "RS256";
        case JwtAlgorithm::ps256:
            return "PS256";
        case JwtAlgorithm::es256:
            break;
    }
    return "ES256";
}

std::optional<JwtAlgorithm> jwtAlgorithmCalled(std::string_view name) {
    for (const auto each : {JwtAlgorithm::rs256, JwtAlgorithm::ps256, JwtAlgorithm::es256})
        if (nameOf(each) == name) return each;
    return std::nullopt;
}

JwtAlgorithm usualAlgorithm(EVP_PKEY& key, JwtAlgorithm ofRsa) {
    if (EVP_PKEY_get_base_id(&key) == EVP_PKEY_RSA_PSS) return JwtAlgorithm::ps256;
    return isRsa(key) ? ofRsa : JwtAlgorithm::es256;
}

std::optional<std::string> misfit(EVP_PKEY& key, JwtAlgorithm algorithm) {
    const auto wants = std::string(nameOf(algorithm));
    if (algorithm == JwtAlgorithm::es256) return isP256(key) ? std::nullopt : std::optional(wants + " wants an EC key on P-256");
    if (!isRsa(key)) return wants + " wants an RSA key";
    if (algorithm == JwtAlgorithm::rs256 && EVP_PKEY_get_base_id(&key) != EVP_PKEY_RSA) return wants + " wants an RSA key that is not for PSS alone";
    if (EVP_PKEY_get_bits(&key) < fewestRsaBits) return wants + " wants an RSA key of " + std::to_string(fewestRsaBits) + " bits or more";
    return std::nullopt;
}

plugin::Result<Secret> signedJwt(const JwtKey& key, const JwtClaims& claims) {
    if (const auto why = misfit(*key.key, key.algorithm)) return plugin::Error{plugin::Reaction::askOperator, plugin::Code::configConflict, *why};
    SecretBuilder jwt(1024);
    const auto head = sasl::base64Url(header(key)), body = sasl::base64Url(payload(claims));
    jwt.add(head.reveal()).add('.').add(body.reveal());
    const auto input = jwt.finish();
    const auto proof = sasl::base64Url(text(signature(input.reveal(), *key.key, key.algorithm)));
    return SecretBuilder(input.reveal().size() + proof.reveal().size() + 1).add(input.reveal()).add('.').add(proof.reveal()).finish();
}

std::string newJwtId(plugin::Random& random) {
    std::array<std::uint8_t, 16> bytes{};
    random.fill(bytes);
    bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
    bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
    auto text = plugin::hexText(bytes);
    for (const std::size_t at : {8U, 13U, 18U, 23U}) text.insert(at, 1, '-');
    return text;
}

}  // namespace auth
