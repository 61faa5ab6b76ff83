#include "auth/keystore/key_entry.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

namespace auth {

namespace {

/// Lines that begin a private key, of whichever form.
std::size_t countKeys(std::string_view text) {
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = text.substr(at, end - at);
        const bool begins = line.starts_with("-----BEGIN ") && line.find("PRIVATE KEY-----") != std::string_view::npos;
        count += begins ? 1U : 0U;
        at = end + 1;
    }
    return count;
}

bool atEnd() { return ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE; }

plugin::Result<Certificates> certificatesOf(std::string_view text, const std::string& name) {
    Certificates all;
    const auto bio = reading(text);
    for (;;) {
        ERR_clear_error();
        const std::shared_ptr<X509> one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
        if (one) {
            all.push_back(one);
            continue;
        }
        const bool end = atEnd();
        ERR_clear_error();
        if (!end) return keystoreError(name, "its certificate " + std::to_string(all.size() + 1) + ", or what stands before it, is damaged");
        if (all.empty()) return keystoreError(name, "there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)");
        return all;
    }
}

struct Asked {
    std::string_view password;
    bool asked = false;
};

int givePassword(char* into, int size, int, void* data) {
    auto& asked = *static_cast<Asked*>(data);
    asked.asked = true;
    if (asked.password.empty() || asked.password.size() > static_cast<std::size_t>(size)) return -1;
    std::copy(asked.password.begin(), asked.password.end(), into);
    return static_cast<int>(asked.password.size());
}

}  // namespace

plugin::Result<std::shared_ptr<EVP_PKEY>> readPemKey(std::string_view text, const Secret& password, const std::string& name) {
    const auto bio = reading(text);
    Asked asked{password.reveal()};
    ERR_clear_error();
    std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, givePassword, &asked), &EVP_PKEY_free);
    ERR_clear_error();
    if (key) return key;
    if (asked.asked && password.empty()) return keystoreError(name, "its key is encrypted: .password is needed");
    if (asked.asked) return keystoreError(name, "the password does not fit its key, or the key is damaged");
    return keystoreError(name, "its key is damaged, or of a kind OpenSSL does not have");
}

plugin::Result<Keystore> readPem(std::string_view bytes, const Secret& password, const std::string& alias, const std::string& name) {
    const auto keys = countKeys(bytes);
    if (keys == 0) return keystoreError(name, "there is no private key in it (PEM: -----BEGIN PRIVATE KEY-----)");
    if (keys > 1) return keystoreError(name, "there are several private keys in it: a PEM keystore holds one; use pkcs12, or one file for each");
    auto certificates = certificatesOf(bytes, name);
    if (!certificates) return certificates.error();
    auto key = readPemKey(bytes, password, name);
    if (!key) return key.error();
    auto entry = entryOf(alias, std::move(*key), *certificates);
    if (!entry) return keystoreError(name, "none of its certificates is for its key");
    return Keystore{std::move(*entry)};
}

}  // namespace auth
