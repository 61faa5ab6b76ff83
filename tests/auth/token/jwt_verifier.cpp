#include "jwt_verifier.h"

#include "tests/servers/base64.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include <sstream>
#include <stdexcept>

namespace {

std::string derOf(const std::string& both) {
    if (both.size() != 64) throw std::runtime_error("an ES256 signature has 64 octets, not " + std::to_string(both.size()));
    const auto* const bytes = reinterpret_cast<const unsigned char*>(both.data());
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), &ECDSA_SIG_free);
    ECDSA_SIG_set0(pair.get(), BN_bin2bn(bytes, 32, nullptr), BN_bin2bn(bytes + 32, 32, nullptr));
    unsigned char* der = nullptr;
    const int length = i2d_ECDSA_SIG(pair.get(), &der);
    std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(length));
    OPENSSL_free(der);
    return text;
}

}  // namespace

ReadJwt readJwt(const std::string& text) {
    const auto first = text.find('.'), second = text.find('.', first + 1);
    if (first == std::string::npos || second == std::string::npos || text.find('.', second + 1) != std::string::npos)
        throw std::runtime_error("not three parts");
    const auto object = [](const std::string& part) {
        return Poco::JSON::Parser().parse(servers::fromBase64Url(part)).extract<Poco::JSON::Object::Ptr>();
    };
    return {object(text.substr(0, first)), object(text.substr(first + 1, second - first - 1)), text.substr(0, second),
            servers::fromBase64Url(text.substr(second + 1))};
}

bool ReadJwt::signedBy(EVP_PKEY* key) const {
    const auto algorithm = head("alg");
    const auto proof = algorithm == "ES256" ? derOf(signature) : signature;
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_PKEY_CTX* parameters = nullptr;
    if (EVP_DigestVerifyInit(context.get(), &parameters, EVP_sha256(), nullptr, key) != 1) return false;
    if (algorithm == "PS256" &&
        (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, EVP_sha256()) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, 32) != 1))
        return false;
    return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(proof.data()), proof.size(),
                            reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
}

std::vector<std::shared_ptr<X509>> ReadJwt::chain() const {
    std::vector<std::shared_ptr<X509>> all;
    if (!header->has("x5c")) return all;
    const auto list = header->getArray("x5c");
    for (unsigned i = 0; i < list->size(); ++i) {
        const auto der = servers::fromBase64(list->getElement<std::string>(i));
        const auto* at = reinterpret_cast<const unsigned char*>(der.data());
        all.emplace_back(d2i_X509(nullptr, &at, static_cast<long>(der.size())), &X509_free);
    }
    return all;
}
