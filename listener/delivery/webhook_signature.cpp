#include "listener/delivery/webhook_signature.h"

#include "auth/sasl/base64.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <stdexcept>

namespace listener {
namespace {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;

constexpr std::string_view marked = "whsec_";

struct Free {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using Mac = std::unique_ptr<EVP_MAC_CTX, Free>;

// Fetched once: looking an algorithm up costs more than signing a small message.
EVP_MAC* algorithm() {
    static EVP_MAC* const fetched = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    return fetched;
}

// It fails without memory, or where the machine's policy forbids HMAC-SHA256; neither leaves anything to do.
void must(int answer) {
    if (answer != 1) throw std::runtime_error("OpenSSL does not do HMAC-SHA256");
}

Mac begun(std::string_view key) {
    Mac mac(EVP_MAC_CTX_new(algorithm()));
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    must(mac ? EVP_MAC_init(mac.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), parameters) : 0);
    return mac;
}

}  // namespace

plugin::Result<std::vector<auth::Secret>> webhookKeys(const auth::Secret& written) {
    constexpr std::string_view blanks = " \t\r\n";
    std::vector<auth::Secret> keys;
    auto rest = written.reveal();
    while (true) {
        rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
        if (rest.empty()) break;
        const auto one = rest.substr(0, rest.find_first_of(blanks));
        rest.remove_prefix(one.size());
        if (!one.starts_with(marked)) {
            keys.emplace_back(one);
            continue;
        }
        auto decoded = auth::sasl::decodeBase64(one.substr(marked.size()));
        if (!decoded || decoded->empty())
            return Error{Reaction::askOperator, Code::configBadValue, "the signing secret begins with whsec_, but what follows is no Base64"};
        keys.push_back(std::move(*decoded));
    }
    if (keys.empty()) return Error{Reaction::askOperator, Code::configBadValue, "the signing secret is empty"};
    return keys;
}

struct WebhookSigner::State {
    std::vector<Mac> macs{};
};

WebhookSigner::WebhookSigner(const std::vector<auth::Secret>& keys, std::string_view id, std::int64_t timestamp) : state_(std::make_unique<State>()) {
    for (const auto& key : keys) state_->macs.push_back(begun(key.reveal()));
    update(std::string(id) + "." + std::to_string(timestamp) + ".");
}
WebhookSigner::~WebhookSigner() = default;
WebhookSigner::WebhookSigner(WebhookSigner&&) noexcept = default;

void WebhookSigner::update(std::string_view body) {
    for (const auto& mac : state_->macs) must(EVP_MAC_update(mac.get(), reinterpret_cast<const unsigned char*>(body.data()), body.size()));
}

std::string WebhookSigner::finish() {
    std::string value;
    for (const auto& mac : state_->macs) {
        std::array<unsigned char, 32> octets{};
        std::size_t size = 0;
        must(EVP_MAC_final(mac.get(), octets.data(), &size, octets.size()));
        const auto text = auth::sasl::base64({reinterpret_cast<const char*>(octets.data()), size});
        value.append(value.empty() ? "v1," : " v1,").append(text.reveal());
    }
    return value;
}

}  // namespace listener
