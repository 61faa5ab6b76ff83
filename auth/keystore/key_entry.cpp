#include "auth/keystore/key_entry.h"

#include "plugin/contract/log.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>

namespace auth {

namespace {

// A way to a root is three long, and never longer than verifiers accept.
constexpr std::size_t maxChain = 10;
constexpr std::size_t maxAliasesTold = 12;

bool isRoot(X509* certificate) { return X509_check_issued(certificate, certificate) == X509_V_OK; }

/// "'a', 'b' and one without a name"
std::string aliasesOf(const Keystore& keystore) {
    std::string list;
    for (std::size_t i = 0; i < keystore.size(); ++i) {
        if (i == maxAliasesTold) return list + " and more";
        const auto& alias = keystore[i].alias;
        list += (i == 0 ? "" : ", ") + (alias.empty() ? "one without a name" : "'" + plugin::printable(alias) + "'");
    }
    return list;
}

}  // namespace

plugin::Error keystoreError(const std::string& name, const std::string& why) {
    return {plugin::Reaction::askOperator, plugin::Code::channelKeystore, name + ": " + why};
}

std::optional<KeyEntry> entryOf(std::string alias, std::shared_ptr<EVP_PKEY> key, const Certificates& certificates) {
    const auto fits = [&](const auto& each) { return X509_check_private_key(each.get(), key.get()) == 1; };
    const auto own = std::find_if(certificates.begin(), certificates.end(), fits);
    ERR_clear_error();
    if (own == certificates.end()) return std::nullopt;
    KeyEntry entry{std::move(alias), std::move(key), *own};
    for (auto* below = own->get(); entry.chain.size() < maxChain && !isRoot(below); below = entry.chain.back().get()) {
        const auto above = std::find_if(certificates.begin(), certificates.end(),
                                        [&](const auto& each) { return each.get() != below && X509_check_issued(each.get(), below) == X509_V_OK; });
        if (above == certificates.end() || isRoot(above->get())) break;
        entry.chain.push_back(*above);
    }
    return entry;
}

std::unique_ptr<BIO, decltype(&BIO_free)> reading(std::string_view bytes) {
    std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(bytes.empty() ? "" : bytes.data(), static_cast<int>(bytes.size())), &BIO_free);
    if (!bio) throw std::bad_alloc();
    return bio;
}

bool failedForAlgorithm() {
    bool found = false;
    while (const auto code = ERR_get_error()) {
        const auto reason = ERR_GET_REASON(code);
        found = found || reason == ERR_R_UNSUPPORTED || (ERR_GET_LIB(code) == ERR_LIB_EVP && reason == EVP_R_UNSUPPORTED_ALGORITHM);
    }
    return found;
}

plugin::Result<KeyEntry> keyCalled(const Keystore& keystore, std::string_view alias, const std::string& name) {
    if (alias.empty()) {
        if (keystore.size() == 1) return keystore.front();
        return keystoreError(name, "it holds several keys: say which with .key_alias (" + aliasesOf(keystore) + ")");
    }
    const auto called = [&](const KeyEntry& each) { return each.isCalled(alias); };
    const auto found = std::find_if(keystore.begin(), keystore.end(), called);
    if (found == keystore.end()) return keystoreError(name, "it holds no key called '" + plugin::printable(alias) + "', but " + aliasesOf(keystore));
    if (std::count_if(keystore.begin(), keystore.end(), called) > 1)
        return keystoreError(name, "it holds several keys called '" + plugin::printable(alias) + "': give them different names");
    return *found;
}

}  // namespace auth
