#pragma once

#include "auth/secret.h"
#include "plugin/contract/result.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

using Certificates = std::vector<std::shared_ptr<X509>>;

/// A private key, the certificate that is for it, and those above that one as far as the keystore has them: nearest first, without a root,
/// which the other side has or does not trust. Copies share all of them.
struct KeyEntry {
    std::string alias;
    std::shared_ptr<EVP_PKEY> key;
    std::shared_ptr<X509> certificate;
    Certificates chain{};
    std::string otherAlias{};  ///< it may be asked for by this as well; "": by none

    bool isCalled(std::string_view name) const { return !name.empty() && (alias == name || otherAlias == name); }
};
using Keystore = std::vector<KeyEntry>;

/// Of keys that have a password of their own, by alias.
using KeyPasswords = std::map<std::string, Secret, std::less<>>;

/// PKCS#12 (RFC 7292): any number of keys; the friendlyName of a key is its alias, "" where it has none. Which certificate is for a key say
/// localKeyID and the key itself. One password for everything, which may be empty, but for the keys in `ofKeys`.
/// `name` is for errors: askOperator channelKeystore, which say what is wrong and what to do. Pure; blocks for as long as the file's own
/// iteration counts demand.
plugin::Result<Keystore> readPkcs12(std::string_view bytes, const Secret& password, const std::string& name, const KeyPasswords& ofKeys = {});

/// Every certificate of a PKCS#12 file, whether a key of it is for it or not, in its order; keys are left alone. Errors as above.
plugin::Result<Certificates> readPkcs12Certificates(std::string_view bytes, const Secret& password, const std::string& name);

/// PEM: any number of private keys (PKCS#8 or the older forms, encrypted or not) and certificates, in any order. The alias of a key is the
/// friendlyName of the "Bag Attributes" before it, as `openssl pkcs12` writes them; without one it is `alias` where there is one key, else the
/// key's number in the file, from 1. The only key may be asked for as `alias` though it has a name. Of several certificates for a key the first is
/// its own. `password` is for all but those in `ofKeys`. Errors as above. Pure.
plugin::Result<Keystore> readPem(std::string_view bytes, const Secret& password, const std::string& alias, const std::string& name,
                                 const KeyPasswords& ofKeys = {});

/// The key of that alias; "": the only one. Errors askOperator channelKeystore: none, several; they tell which there are.
plugin::Result<KeyEntry> keyCalled(const Keystore& keystore, std::string_view alias, const std::string& name);

}  // namespace auth
