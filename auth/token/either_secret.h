#pragma once

#include "auth/token/credential.h"
#include "auth/token/token_endpoint.h"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace auth {

/// The same credential with client_secret_next in the place of client_secret; null: it has none.
std::shared_ptr<const Credential> withNextSecret(const plugin::Configuration& configuration, const Credential& credential);

/// Makes what is asked with, once for each request: some of it serves only once. May block.
using MakeGrant = std::function<plugin::Result<GrantParameters>()>;

/// Asks as a client that may have two secrets: where the one is refused, with the other, which then goes first. Belongs to one task at a time; the
/// endpoint outlives it.
class EitherSecret {
public:
    EitherSecret(TokenEndpoint& endpoint, std::shared_ptr<const Credential> first, std::shared_ptr<const Credential> second, bool secondFirst = false)
        : endpoint_(endpoint), first_(std::move(first)), second_(std::move(second)), usesSecond_(secondFirst && second_ != nullptr) {}

    /// One request, or two. Errors: those of TokenEndpoint; of making the grant, then nothing is sent. Where neither secret is taken, of the one that
    /// was tried first.
    plugin::Task<TokenExchange> ask(MakeGrant make, std::stop_token stop, Endpoint at = Endpoint::token);

    bool usesSecond() const { return usesSecond_; }
    bool hasChanged() const { return hasChanged_; }  ///< one was refused and the other taken

private:
    TokenEndpoint& endpoint_;
    std::shared_ptr<const Credential> first_, second_;
    bool usesSecond_, hasChanged_ = false;
};

}  // namespace auth
