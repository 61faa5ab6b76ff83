#include "auth/keystore/key_entry.h"

#include "plugin/contract/log.h"
#include "plugin/contract/text.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>

namespace auth {

namespace {

/// A private key as the file has it.
struct KeyBlock {
    std::string name;  // "": none
    std::string_view text;
};
struct Blocks {
    std::vector<KeyBlock> keys{};
    std::vector<std::string_view> certificates{};
};

std::string_view withoutBlanks(std::string_view text) {
    constexpr std::string_view blanks = " \t\r";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

/// "RSA PRIVATE KEY" of the line that begins one; "": another line.
std::string_view typeIn(std::string_view line) {
    constexpr std::string_view begin = "-----BEGIN ", end = "-----";
    if (!line.starts_with(begin)) return {};
    line = withoutBlanks(line.substr(begin.size()));
    return line.ends_with(end) ? line.substr(0, line.size() - end.size()) : std::string_view{};
}

/// Others, of attributes, end so too.
bool isCertificate(std::string_view type) { return type == "CERTIFICATE" || type == "X509 CERTIFICATE" || type == "TRUSTED CERTIFICATE"; }

/// What `openssl pkcs12` writes: the low octet of each UTF-16 unit, which is Latin-1. Others write UTF-8.
std::string utf8Of(std::string_view text) {
    if (plugin::isUtf8(text)) return std::string(text);
    std::string all;
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet < 0x80) all += c;
        if (octet >= 0x80) (all += static_cast<char>(0xc0 | octet >> 6)) += static_cast<char>(0x80 | (octet & 0x3f));
    }
    return all;
}

/// Keys and certificates of a PEM text. What stands between them is ignored, but for the name of the key that follows (`openssl pkcs12` writes
/// "Bag Attributes", and below it "    friendlyName: NAME"). One without an END reaches as far as to the next.
class BlockReader {
public:
    explicit BlockReader(std::string_view text) : text_(text) {
        for (std::size_t at = 0, next = 0; at < text.size(); at = next) {
            next = std::min(text.find('\n', at), text.size() - 1) + 1;
            take(text.substr(at, next - at - (text[next - 1] == '\n' ? 1 : 0)), at, next);
        }
        close(text.size());
    }
    Blocks blocks{};

private:
    void take(std::string_view line, std::size_t at, std::size_t next) {
        constexpr std::string_view naming = "friendlyName:";
        if (const auto type = typeIn(line); !type.empty()) {
            close(at);
            type_ = type;
            begin_ = at;
        } else if (!type_.empty()) {
            if (line.starts_with("-----END ")) close(next);
        } else if (line.starts_with("Bag Attributes")) {
            name_.clear();
        } else if (const auto text = withoutBlanks(line); text.starts_with(naming)) {
            name_ = utf8Of(withoutBlanks(text.substr(naming.size())));
        }
    }
    void close(std::size_t end) {
        const auto block = text_.substr(begin_, end - begin_);
        const bool key = type_.ends_with("PRIVATE KEY"), certificate = isCertificate(type_);
        if (key) blocks.keys.push_back({std::move(name_), block});
        if (certificate) blocks.certificates.push_back(block);
        if (key || certificate) name_.clear();  // parameters of a curve stand between a name and its key
        type_ = {};
    }

    std::string_view text_, type_{};
    std::size_t begin_ = 0;
    std::string name_{};
};

plugin::Result<Certificates> certificatesOf(const std::vector<std::string_view>& blocks, const std::string& name) {
    if (blocks.empty()) return keystoreError(name, "there is no certificate in it (PEM: -----BEGIN CERTIFICATE-----)");
    Certificates all;
    for (const auto& block : blocks) {
        const auto bio = reading(block);
        all.emplace_back(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
        ERR_clear_error();
        if (!all.back()) return keystoreError(name, "its certificate " + std::to_string(all.size()) + " is damaged");
    }
    return all;
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

/// A key that was read, or why not.
struct Opened {
    std::shared_ptr<EVP_PKEY> key;
    bool encrypted;
};

Opened openKey(std::string_view text, const Secret& password) {
    const auto bio = reading(text);
    Asked asked{password.reveal()};
    std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, givePassword, &asked), &EVP_PKEY_free);
    ERR_clear_error();
    return {std::move(key), asked.asked};
}

/// What is told of a key that could not be read; `own`: the setting of a password it could have.
plugin::Error keyError(const std::string& name, const std::string& key, const Opened& opened, const Secret& password, const std::string& own) {
    if (!opened.encrypted) return keystoreError(name, key + " is damaged, or of a kind OpenSSL does not have");
    if (password.empty()) return keystoreError(name, key + " is encrypted: .password" + (own.empty() ? "" : " or " + own) + " is needed");
    return keystoreError(name, "the password does not fit " + key + ", or the key is damaged" + (own.empty() ? "" : "; one of its own is " + own));
}

/// A key without a name is called as the keystore where it is the only one, else by its number.
void nameKeys(std::vector<KeyBlock>& keys, const std::string& alias) {
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (keys[i].name.empty()) keys[i].name = keys.size() == 1 ? alias : std::to_string(i + 1);
}

}  // namespace

plugin::Result<std::shared_ptr<EVP_PKEY>> readPemKey(std::string_view text, const Secret& password, const std::string& name) {
    auto opened = openKey(text, password);
    if (!opened.key) return keyError(name, "its key", opened, password, {});
    return std::move(opened.key);
}

plugin::Result<Keystore> readPem(std::string_view bytes, const Secret& password, const std::string& alias, const std::string& name,
                                 const KeyPasswords& ofKeys) {
    auto [keys, blocks] = BlockReader(bytes).blocks;
    if (keys.empty()) return keystoreError(name, "there is no private key in it (PEM: -----BEGIN PRIVATE KEY-----)");
    nameKeys(keys, alias);
    const auto certificates = certificatesOf(blocks, name);
    if (!certificates) return certificates.error();
    Keystore all;
    for (auto& key : keys) {
        const bool single = keys.size() == 1;
        const auto called = single ? "its key" : "its key '" + plugin::printable(key.name) + "'";
        auto found = ofKeys.find(key.name);
        if (single && found == ofKeys.end()) found = ofKeys.find(alias);
        const bool own = found != ofKeys.end();
        const auto& opens = own ? found->second : password;
        auto opened = openKey(key.text, opens);
        if (!opened.key) return keyError(name, called, opened, opens, own || single ? "" : ".key." + plugin::printable(key.name) + ".password");
        auto entry = entryOf(std::move(key.name), std::move(opened.key), *certificates);
        if (!entry) return keystoreError(name, "none of its certificates is for " + called);
        if (single) entry->otherAlias = alias;
        all.push_back(std::move(*entry));
    }
    return all;
}

}  // namespace auth
