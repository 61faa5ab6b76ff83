#include "tests/servers/certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace servers {

namespace {

void must(bool done) {
    if (!done) throw std::runtime_error("a test certificate could not be made");
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    must(extension != nullptr);
    must(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

template <class Write>
std::string pemOf(Write write) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), &BIO_free_all);
    must(write(bio.get()) == 1);
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(length)};
}

}  // namespace

std::string Certificate::pem() const {
    return pemOf([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
}
std::string Certificate::keyPem() const {
    return pemOf([&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

Certificate makeCertificate(const CertificateRequest& request, const Certificate* issuer) {
    Certificate made{{X509_new(), &X509_free}, {request.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), &EVP_PKEY_free}};
    must(made.certificate && made.key);
    auto* const certificate = made.certificate.get();
    auto* const signer = issuer != nullptr ? issuer->certificate.get() : certificate;

    unsigned char serial[8];
    must(RAND_bytes(serial, sizeof serial) == 1);
    serial[0] &= 0x7f;
    BIGNUM* const number = BN_bin2bn(serial, sizeof serial, nullptr);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    must(X509_set_version(certificate, 2) == 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), request.beginsInSeconds);
    X509_gmtime_adj(X509_getm_notAfter(certificate), request.endsInSeconds);
    must(X509_set_pubkey(certificate, made.key.get()) == 1);
    auto* const subject = X509_get_subject_name(certificate);
    must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(request.commonName.c_str()), -1, -1, 0) ==
         1);
    must(X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1);

    extend(certificate, signer, NID_basic_constraints, request.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    extend(certificate, signer, NID_key_usage, request.authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    extend(certificate, signer, NID_subject_key_identifier, "hash");
    std::string names;
    for (const auto& name : request.names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
    for (const auto& address : request.addresses) names += (names.empty() ? "IP:" : ",IP:") + address;
    if (!names.empty()) extend(certificate, signer, NID_subject_alt_name, names);
    must(X509_sign(certificate, (issuer != nullptr ? *issuer : made).key.get(), EVP_sha256()) > 0);
    return made;
}

}  // namespace servers
