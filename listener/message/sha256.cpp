#include "listener/message/sha256.h"

#include <openssl/evp.h>

#include <stdexcept>

namespace listener {
namespace {

// Fetched once: EVP_sha256() looks the algorithm up at each use.
const EVP_MD* algorithm() {
    static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return fetched;
}

// It fails without memory, or where the machine's policy forbids SHA-256; neither leaves anything to do.
void must(int answer) {
    if (answer != 1) throw std::runtime_error("OpenSSL does not do SHA-256");
}

}  // namespace

struct Sha256::State {
    struct Free {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) { must(EVP_DigestInit_ex(state_->context.get(), algorithm(), nullptr)); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) { must(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size())); }

Digest Sha256::finish() {
    Digest digest{};
    must(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr));
    return digest;
}

Digest sha256(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish();
}

}  // namespace listener
