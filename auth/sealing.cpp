#include "auth/sealing.h"

#include "auth/digest.h"
#include "plugin/contract/text.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <vector>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

constexpr char version = 1;
constexpr std::size_t keyOctets = 32, idOctets = 8, nonceOctets = 12, tagOctets = 16;
constexpr std::size_t headOctets = 1 + idOctets + nonceOctets;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

void must(int done) {
    if (done != 1) throw std::runtime_error("OpenSSL cannot do AES-256-GCM");
}

const unsigned char* octets(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
int lengthOf(std::string_view text) { return static_cast<int>(text.size()); }

/// What is authenticated beside the text: the head without its nonce, and what the value is bound to.
std::string authenticated(std::string_view head, std::string_view boundTo) {
    std::string all = "postern-sealed";
    all.push_back('\0');
    all.append(head.substr(0, 1 + idOctets)).append(boundTo);
    return all;
}

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string_view withoutLineEnd(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
    return text;
}

std::span<const std::uint8_t> bytesOf(std::string_view text) { return {octets(text), text.size()}; }

std::string binaryId(const Secret& key) {
    const auto named = SecretBuilder(64).add("postern-seal-key-1").add(key.reveal()).finish();
    const auto digest = sha256(named.reveal());
    return {reinterpret_cast<const char*>(digest.data()), idOctets};
}

}  // namespace

std::optional<SealKey> SealKey::parse(std::string_view text) {
    text = withoutLineEnd(text);
    if (text.size() != 2 * keyOctets) return std::nullopt;
    SecretBuilder bytes(keyOctets);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes.add(static_cast<char>(high * 16 + low));
    }
    auto key = bytes.finish();
    auto id = plugin::hexText(bytesOf(binaryId(key)));
    return SealKey(std::move(key), std::move(id));
}

Secret SealKey::fresh(plugin::Random& random) {
    static constexpr std::string_view hex = "0123456789abcdef";
    std::array<std::uint8_t, keyOctets> bytes{};
    random.fill(bytes);
    SecretBuilder text(2 * keyOctets);
    for (const auto byte : bytes) text.add(hex[byte >> 4]).add(hex[byte & 15]);
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return text.finish();
}

std::string SealKey::seal(std::string_view plain, std::string_view boundTo, plugin::Random& random) const {
    std::array<std::uint8_t, nonceOctets> nonce{};
    random.fill(nonce);
    std::string sealed(1, version);
    sealed.append(binaryId(bytes_)).append(reinterpret_cast<const char*>(nonce.data()), nonce.size());
    const auto bound = authenticated(sealed, boundTo);
    sealed.resize(headOctets + plain.size() + tagOctets);
    auto* const text = reinterpret_cast<unsigned char*>(sealed.data()) + headOctets;

    const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    int length = 0;
    must(EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(bytes_.reveal()), nonce.data()));
    must(EVP_EncryptUpdate(context.get(), nullptr, &length, octets(bound), lengthOf(bound)));
    must(EVP_EncryptUpdate(context.get(), text, &length, octets(plain), lengthOf(plain)));
    must(EVP_EncryptFinal_ex(context.get(), text + length, &length));
    must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, tagOctets, text + plain.size()));
    return sealed;
}

std::optional<Secret> SealKey::open(std::string_view sealed, std::string_view boundTo) const {
    if (sealedWith(sealed) != id_) return std::nullopt;
    const auto bound = authenticated(sealed, boundTo);
    const auto text = sealed.substr(headOctets, sealed.size() - headOctets - tagOctets);
    auto tag = std::string(sealed.substr(sealed.size() - tagOctets));
    const auto* const nonce = octets(sealed) + 1 + idOctets;

    struct Wiped {
        std::vector<unsigned char> bytes;
        ~Wiped() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
    } plain{std::vector<unsigned char>(text.size() + 1)};
    const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    int length = 0;
    must(EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(bytes_.reveal()), nonce));
    must(EVP_DecryptUpdate(context.get(), nullptr, &length, octets(bound), lengthOf(bound)));
    must(EVP_DecryptUpdate(context.get(), plain.bytes.data(), &length, octets(text), lengthOf(text)));
    must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, tagOctets, tag.data()));
    if (EVP_DecryptFinal_ex(context.get(), plain.bytes.data() + length, &length) != 1) return std::nullopt;
    return Secret({reinterpret_cast<const char*>(plain.bytes.data()), text.size()});
}

std::optional<std::string> sealedWith(std::string_view sealed) {
    if (sealed.size() < headOctets + tagOctets || sealed.front() != version) return std::nullopt;
    return plugin::hexText(bytesOf(sealed.substr(1, idOctets)));
}

std::string Sealer::where() const {
    const auto written = parts_.configuration.get()->text("server.seal_key");
    if (written.empty()) return parts_.file == nullptr ? "nowhere" : parts_.file->path();
    const auto source = parseSecretSource(written);
    return "server.seal_key, " + (source ? source->where() : std::string("the configuration"));
}

Error Sealer::noKey(std::string what) const { return Error{Reaction::askOperator, Code::storeSealed, std::move(what)}; }

Result<std::optional<SealKey>> Sealer::key() { return keyFrom(parts_.secrets); }

Result<std::optional<SealKey>> Sealer::keyFrom(SecretReader& secrets) {
    std::optional<Secret> text;
    if (const auto written = parts_.configuration.get()->text("server.seal_key"); !written.empty()) {
        const auto source = parseSecretSource(written);
        if (!source) return source.error();
        if (source->kind == SecretSource::Kind::sealed) return noKey("server.seal_key cannot be sealed itself");
        auto read = readSecret(*source, secrets);
        if (!read) return read.error();
        text.emplace(std::move(*read));
    } else if (parts_.file != nullptr) {
        auto read = parts_.file->read();
        if (!read) return read.error();
        if (*read) text.emplace(std::move(**read));
    }
    if (!text) return std::optional<SealKey>{};
    auto parsed = SealKey::parse(text->reveal());
    if (!parsed) return noKey("the seal key (" + where() + ") is not 64 hexadecimal digits, as `openssl rand -hex 32` makes them");
    return parsed;
}

Result<Secret> Sealer::open(std::string_view sealed, std::string_view boundTo, const std::string& name) {
    const auto with = sealedWith(sealed);
    if (!with) return noKey(name + " is not what this version seals");
    auto found = key();
    if (!found) return found.error();
    if (!*found) return noKey(name + " was sealed with the key " + *with + ", and there is none (" + where() + ")");
    if ((*found)->id() != *with) return noKey(name + " was sealed with the key " + *with + "; this one (" + where() + ") is " + (*found)->id());
    auto plain = (*found)->open(sealed, boundTo);
    if (!plain) return noKey(name + " has been changed since it was sealed, or stands in another's place");
    return std::move(*plain);
}

Result<std::string> Sealer::seal(std::string_view plain, std::string_view boundTo, bool mayMake) {
    auto found = keyFrom(parts_.toSeal == nullptr ? parts_.secrets : *parts_.toSeal);
    if (!found) return found.error();
    if (!*found) {
        if (!mayMake || parts_.file == nullptr)
            return noKey("the seal key is missing (" + where() + ") although something was sealed with it: no other one is made");
        const auto made = parts_.file->make(SealKey::fresh(parts_.random));
        if (!made) return made.error();
        found = SealKey::parse(made->reveal());
        if (!*found) return noKey("the seal key (" + where() + ") is not 64 hexadecimal digits, as `openssl rand -hex 32` makes them");
    }
    return (*found)->seal(plain, boundTo, parts_.random);
}

}  // namespace auth
