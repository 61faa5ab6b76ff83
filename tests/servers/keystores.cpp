#include "tests/servers/keystores.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include <stdexcept>

namespace servers {

namespace {

void must(bool done) {
    if (!done) throw std::runtime_error("a test keystore could not be made");
}

std::string taken(BIO* bio) {
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio, &text);
    std::string all(text, static_cast<std::size_t>(length));
    BIO_free_all(bio);
    return all;
}

/// A library of its own, so that nobody else gets what OpenSSL calls legacy.
OSSL_LIB_CTX* legacyLibrary() {
    static OSSL_LIB_CTX* const library = [] {
        auto* const made = OSSL_LIB_CTX_new();
        must(made != nullptr && OSSL_PROVIDER_load(made, "legacy") != nullptr && OSSL_PROVIDER_load(made, "default") != nullptr);
        return made;
    }();
    return library;
}

}  // namespace

std::string pkcs12(const std::vector<Pkcs12Part>& parts, const std::string& password, const Pkcs12Options& options) {
    auto* const library = options.legacy ? legacyLibrary() : nullptr;
    STACK_OF(PKCS12_SAFEBAG)* keys = nullptr;
    STACK_OF(PKCS12_SAFEBAG)* certificates = nullptr;
    unsigned char id[] = {0};
    for (const auto& part : parts) {
        ++id[0];
        bool first = part.marked && part.key != nullptr;
        for (const auto& each : part.certificates) {
            auto* const bag = PKCS12_add_cert(&certificates, each.certificate.get());
            must(bag != nullptr && (!first || PKCS12_add_localkeyid(bag, id, 1) == 1));
            first = false;
        }
        if (part.key == nullptr) continue;
        const auto& secret = options.keyPassword.empty() ? password : options.keyPassword;
        auto* const bag = PKCS12_add_key_ex(&keys, part.key->key.get(), 0, 2048, NID_aes_256_cbc, secret.c_str(), library, nullptr);
        must(bag != nullptr);
        if (!part.alias.empty()) must(PKCS12_add_friendlyname_utf8(bag, part.alias.c_str(), -1) == 1);
        if (part.marked) must(PKCS12_add_localkeyid(bag, id, 1) == 1);
    }
    STACK_OF(PKCS7)* safes = nullptr;
    const int cipher = options.legacy ? NID_pbe_WithSHA1And40BitRC2_CBC : NID_aes_256_cbc;
    if (certificates != nullptr) must(PKCS12_add_safe_ex(&safes, certificates, cipher, 2048, password.c_str(), library, nullptr) == 1);
    if (keys != nullptr) must(PKCS12_add_safe_ex(&safes, keys, -1, 0, nullptr, library, nullptr) == 1);
    sk_PKCS12_SAFEBAG_pop_free(certificates, PKCS12_SAFEBAG_free);
    sk_PKCS12_SAFEBAG_pop_free(keys, PKCS12_SAFEBAG_free);
    auto* const file = PKCS12_add_safes_ex(safes, 0, library, nullptr);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    must(file != nullptr);
    if (options.authenticated) must(PKCS12_set_mac(file, password.c_str(), -1, nullptr, 0, 2048, EVP_sha256()) == 1);
    auto* const bio = BIO_new(BIO_s_mem());
    must(i2d_PKCS12_bio(bio, file) == 1);
    PKCS12_free(file);
    return taken(bio);
}

std::string encryptedKeyPem(const Certificate& certificate, const std::string& password, bool older) {
    auto* const bio = BIO_new(BIO_s_mem());
    const auto length = static_cast<int>(password.size());
    auto* const key = certificate.key.get();
    if (older)
        must(PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_256_cbc(), reinterpret_cast<const unsigned char*>(password.data()), length,
                                                  nullptr, nullptr) == 1);
    else
        must(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), password.data(), length, nullptr, nullptr) == 1);
    return taken(bio);
}

}  // namespace servers
