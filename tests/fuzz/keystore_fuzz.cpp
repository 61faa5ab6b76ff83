// Files with keys: PEM, PKCS#12, and the key file of a service account. They are an administrator's own, and often damaged.
#include "auth/keystore/key_description.h"
#include "auth/keystore/keystore.h"
#include "auth/token/service_account.h"
#include "plugin/contract/log.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

const std::string name = "keystore.k.path = /k";
const std::string password = "hunter2";

void require(bool holds) {
    if (!holds) std::abort();
}

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// What cannot be read is told in one printable line that has no secret in it.
void refused(const plugin::Error& error) {
    const auto text = plugin::describe(error);
    require(printable(text) && text.size() < 4096 && text.find(name) != std::string::npos);
    require(text.find(password) == std::string::npos && text.find("PRIVATE KEY-----\n") == std::string::npos);
    require(error.reaction == plugin::Reaction::askOperator);
}

/// Whatever is read is whole: each key has the certificate that is for it.
void keystore(const plugin::Result<auth::Keystore>& read) {
    if (!read) return refused(read.error());
    require(!read->empty());
    for (const auto& entry : *read) {
        require(entry.key && entry.certificate && X509_check_private_key(entry.certificate.get(), entry.key.get()) == 1);
        const auto told = auth::describe(entry);
        require(told.sha1.size() == 40 && told.sha256.size() == 64 && !told.type.empty());
        require(auth::pemOf(*entry.certificate).starts_with("-----BEGIN CERTIFICATE-----\n"));
    }
}

void account(std::string_view text) {
    const auto read = auth::readServiceAccount(text, name);
    if (!read) return refused(read.error());
    require(read->key && !read->email.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    const auth::Secret secret(password);
    auth::KeyPasswords ofKeys;
    ofKeys.emplace("mine", auth::Secret(password));
    const auto pem = auth::readPem(bytes, secret, "k", name, ofKeys);
    keystore(pem);
    if (pem)
        for (const auto& entry : *pem) require(!entry.alias.empty() && plugin::isUtf8(entry.alias));
    keystore(auth::readPkcs12(bytes, secret, name, ofKeys));
    const auto certificates = auth::readPkcs12Certificates(bytes, secret, name);
    require(!certificates || !certificates->empty());
    account(bytes);
    return 0;
}
