#include "auth/login/authorization_request.h"

#include "auth/digest.h"
#include "auth/sasl/base64.h"
#include "auth/token/token_request.h"

#include <array>
#include <span>
#include <stdexcept>

namespace auth::login {

namespace {

template <std::size_t size>
Secret chance(plugin::Random& random) {
    std::array<std::uint8_t, size> bytes{};
    random.fill(bytes);
    auto text = sasl::base64Url({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    OPENSSL_cleanse(bytes.data(), bytes.size());
    return text;
}

void parameter(std::string& url, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    if (url.find('?') == std::string::npos)
        url += '?';
    else if (!url.ends_with('?') && !url.ends_with('&'))
        url += '&';
    url.append(formEncoded(name).reveal()).append("=").append(formEncoded(value).reveal());
}

}  // namespace

std::string codeChallenge(std::string_view verifier) {
    const auto digest = sha256(verifier);
    return std::string(sasl::base64Url({reinterpret_cast<const char*>(digest.data()), digest.size()}).reveal());
}

ProofKey makeProofKey(plugin::Random& random) {
    ProofKey key{chance<32>(random), {}};
    key.challenge = codeChallenge(key.verifier.reveal());
    return key;
}

std::string makeState(plugin::Random& random) { return std::string(chance<16>(random).reveal()); }

std::string authorizationUrl(const Credential& credential, const AuthorizationRequest& request) {
    auto url = credential.authorizationEndpoint.substr(0, credential.authorizationEndpoint.find('#'));
    parameter(url, "response_type", "code");
    parameter(url, "client_id", credential.clientId);
    parameter(url, "redirect_uri", request.redirectUri);
    parameter(url, "scope", request.scopes);
    parameter(url, "state", request.state);
    parameter(url, "code_challenge", request.challenge);
    parameter(url, "code_challenge_method", "S256");
    if (request.prompt) parameter(url, "prompt", "consent");
    for (const auto& [name, value] : credential.authorizeParameters) parameter(url, name, value);
    return url;
}

}  // namespace auth::login
