#include "auth/keystore/key_entry.h"

#include "plugin/contract/log.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include <algorithm>

namespace auth {

namespace {

// Bags within bags; nobody writes more than one.
constexpr int maxDepth = 4;

struct Free {
    void operator()(PKCS12* file) const { PKCS12_free(file); }
    void operator()(PKCS8_PRIV_KEY_INFO* key) const { PKCS8_PRIV_KEY_INFO_free(key); }
    void operator()(STACK_OF(PKCS7) * parts) const { sk_PKCS7_pop_free(parts, PKCS7_free); }
    void operator()(STACK_OF(PKCS12_SAFEBAG) * bags) const { sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free); }
    void operator()(char* text) const { OPENSSL_free(text); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

/// An empty password is written in two ways (RFC 7292 appendix B.1): as none, or as an empty one.
struct Password {
    const char* text;
    int length;
};

Password passwordOf(const Secret& secret) { return {secret.empty() ? nullptr : secret.reveal().data(), static_cast<int>(secret.reveal().size())}; }

struct FoundKey {
    std::string alias;
    std::string id;  // localKeyID
    std::shared_ptr<EVP_PKEY> key;
};
struct FoundCertificate {
    std::string id;
    std::shared_ptr<X509> certificate;
};

std::string aliasOf(PKCS12_SAFEBAG* bag) {
    const Owned<char> text(PKCS12_get_friendlyname(bag));
    return text ? std::string(text.get()) : std::string{};
}

std::string idOf(const PKCS12_SAFEBAG* bag) {
    const auto* const value = PKCS12_SAFEBAG_get0_attr(bag, NID_localKeyID);
    if (value == nullptr || value->type != V_ASN1_OCTET_STRING) return {};
    const auto* const bytes = value->value.octet_string;
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(bytes)), static_cast<std::size_t>(ASN1_STRING_length(bytes))};
}

enum class Wanted { keys, certificates };

class Reader {
public:
    Reader(Password password, const KeyPasswords& ofKeys, Wanted wanted, const std::string& name)
        : password_(password), ofKeys_(ofKeys), wanted_(wanted), name_(name) {}

    std::optional<plugin::Error> take(const PKCS12* file) {
        const Owned<STACK_OF(PKCS7)> parts(PKCS12_unpack_authsafes(file));
        if (!parts) return keystoreError(name_, "it is damaged");
        for (int i = 0; i < sk_PKCS7_num(parts.get()); ++i) {
            auto* const part = sk_PKCS7_value(parts.get(), i);
            const bool plain = PKCS7_type_is_data(part) == 1;
            if (!plain && PKCS7_type_is_encrypted(part) != 1) continue;  // for a public key: nobody writes it
            const Owned<STACK_OF(PKCS12_SAFEBAG)> bags(plain ? PKCS12_unpack_p7data(part)
                                                             : PKCS12_unpack_p7encdata(part, password_.text, password_.length));
            if (!bags) return sealed("a part of it");
            if (auto error = take(bags.get(), maxDepth)) return error;
        }
        return std::nullopt;
    }

    plugin::Result<Certificates> certificates() const {
        if (certificates_.empty()) return keystoreError(name_, "there is no certificate in it");
        Certificates all;
        for (const auto& each : certificates_) all.push_back(each.certificate);
        return all;
    }

    plugin::Result<Keystore> keystore() {
        if (keys_.empty()) return keystoreError(name_, "there is no private key in it");
        Keystore all;
        for (auto& found : keys_) {
            // Of several certificates for one key, as after a renewal, the one that is said to be its own.
            std::stable_partition(certificates_.begin(), certificates_.end(),
                                  [&](const auto& each) { return !found.id.empty() && each.id == found.id; });
            Certificates ordered;
            for (const auto& each : certificates_) ordered.push_back(each.certificate);
            auto entry = entryOf(found.alias, found.key, ordered);
            if (!entry) return keystoreError(name_, "none of its certificates is for its key '" + plugin::printable(found.alias) + "'");
            all.push_back(std::move(*entry));
        }
        return all;
    }

private:
    plugin::Error sealed(const std::string& what) {
        if (failedForAlgorithm())
            return keystoreError(name_, what +
                                            " is encrypted with an algorithm OpenSSL no longer has: write it anew, for example with "
                                            "openssl pkcs12 -legacy -in old.p12 -nodes | openssl pkcs12 -export -out new.p12");
        return keystoreError(name_, "the password does not fit " + what + ", or it is damaged");
    }

    std::optional<plugin::Error> take(const STACK_OF(PKCS12_SAFEBAG) * bags, int depth) {
        for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags); ++i)
            if (auto error = take(sk_PKCS12_SAFEBAG_value(bags, i), depth)) return error;
        return std::nullopt;
    }

    std::optional<plugin::Error> take(PKCS12_SAFEBAG* bag, int depth) {
        switch (PKCS12_SAFEBAG_get_nid(bag)) {
            case NID_keyBag:
                return wanted_ == Wanted::keys ? takeKey(bag, PKCS12_SAFEBAG_get0_p8inf(bag)) : std::nullopt;
            case NID_pkcs8ShroudedKeyBag:
                return wanted_ == Wanted::keys ? takeEncryptedKey(bag) : std::nullopt;
            case NID_certBag: {
                if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate) return std::nullopt;
                std::shared_ptr<X509> certificate(PKCS12_SAFEBAG_get1_cert(bag), &X509_free);
                if (!certificate) return keystoreError(name_, "a certificate in it cannot be read");
                certificates_.push_back({idOf(bag), std::move(certificate)});
                return std::nullopt;
            }
            case NID_safeContentsBag:
                return depth == 0 ? std::nullopt : take(PKCS12_SAFEBAG_get0_safes(bag), depth - 1);
            default:
                return std::nullopt;
        }
    }

    std::optional<plugin::Error> takeEncryptedKey(PKCS12_SAFEBAG* bag) {
        const auto alias = aliasOf(bag);
        const auto own = ofKeys_.find(alias);
        const auto password = own == ofKeys_.end() ? password_ : passwordOf(own->second);
        const Owned<PKCS8_PRIV_KEY_INFO> key(PKCS12_decrypt_skey(bag, password.text, password.length));
        if (key) return takeKey(bag, key.get());
        auto error = sealed("its key '" + plugin::printable(alias) + "'");
        if (own == ofKeys_.end()) error.what += "; one of its own is .key." + (alias.empty() ? "<alias>" : plugin::printable(alias)) + ".password";
        return error;
    }

    std::optional<plugin::Error> takeKey(PKCS12_SAFEBAG* bag, const PKCS8_PRIV_KEY_INFO* info) {
        std::shared_ptr<EVP_PKEY> key(EVP_PKCS82PKEY(info), &EVP_PKEY_free);
        auto alias = aliasOf(bag);
        if (!key) return keystoreError(name_, "its key '" + plugin::printable(alias) + "' is of a kind OpenSSL does not have");
        keys_.push_back({std::move(alias), idOf(bag), std::move(key)});
        return std::nullopt;
    }

    const Password password_;
    const KeyPasswords& ofKeys_;
    const Wanted wanted_;
    const std::string& name_;
    std::vector<FoundKey> keys_{};
    std::vector<FoundCertificate> certificates_{};
};

/// Reads the file, and answers what `result` makes of it.
template <class Result>
Result opened(std::string_view bytes, const Secret& password, const KeyPasswords& ofKeys, Wanted wanted, const std::string& name,
              Result (*result)(Reader&)) {
    const struct Quiet {  // nothing of this stays in the error queue
        ~Quiet() { ERR_clear_error(); }
    } quiet;
    ERR_clear_error();
    const auto bio = reading(bytes);
    const Owned<PKCS12> file(d2i_PKCS12_bio(bio.get(), nullptr));
    if (!file) return keystoreError(name, "it is no PKCS#12 file");
    auto given = passwordOf(password);
    if (PKCS12_mac_present(file.get()) == 1 && PKCS12_verify_mac(file.get(), given.text, given.length) != 1) {
        if (password.empty()) given.text = "";
        if (!password.empty() || PKCS12_verify_mac(file.get(), given.text, given.length) != 1)
            return keystoreError(name, password.empty() ? "it is encrypted: .password is needed" : "the password does not fit, or it is damaged");
    }
    ERR_clear_error();
    Reader reader(given, ofKeys, wanted, name);
    if (auto error = reader.take(file.get())) return *error;
    return result(reader);
}

}  // namespace

plugin::Result<Keystore> readPkcs12(std::string_view bytes, const Secret& password, const std::string& name, const KeyPasswords& ofKeys) {
    return opened<plugin::Result<Keystore>>(bytes, password, ofKeys, Wanted::keys, name, [](Reader& reader) { return reader.keystore(); });
}

plugin::Result<Certificates> readPkcs12Certificates(std::string_view bytes, const Secret& password, const std::string& name) {
    return opened<plugin::Result<Certificates>>(bytes, password, {}, Wanted::certificates, name,
                                                [](Reader& reader) { return reader.certificates(); });
}

}  // namespace auth
