#include "auth/access.h"

#include "auth/login/connector.h"
#include "auth/secret_source.h"
#include "auth/token/credential.h"

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

class ConfiguredAccess final : public Access {
public:
    explicit ConfiguredAccess(const AccessParts& parts)
        : configuration_(parts.configuration),
          ownReader_(parts.secrets == nullptr ? makeSecretReader() : nullptr),
          secrets_(parts.secrets == nullptr ? *ownReader_ : *parts.secrets),
          ownDialer_(parts.dialer == nullptr ? makeDialer(configuration_, secrets_, parts.log) : nullptr),
          dialer_(parts.dialer == nullptr ? *ownDialer_ : *parts.dialer),
          tokens_(makeTokenSource({configuration_, dialer_, secrets_, parts.clock, parts.random, parts.log, parts.metrics})),
          connector_({configuration_, dialer_, secrets_, parts.clock, parts.random, *tokens_}) {}

    Dialer& dialer() override { return dialer_; }
    login::Connector& connector() override { return connector_; }
    TokenSource& tokens() override { return *tokens_; }

    Result<Kind> kind(std::string_view name) const override {
        const auto found = credential(*configuration_.get(), name);
        if (!found) return found.error();
        return found->grant == Grant::userPassword ? Kind::password : Kind::token;
    }

    Result<Password> password(std::string_view name) override {
        const auto found = credential(*configuration_.get(), name);
        if (!found) return found.error();
        if (found->grant != Grant::userPassword)
            return Error{Reaction::askOperator, Code::tokenCredentialIncomplete,
                         "credential " + found->name + " signs in with a token: it has no password"};
        auto secret = readSecret(found->password, secrets_);
        if (!secret) {
            auto error = secret.error();
            error.what = "credential " + found->name + ": " + error.what;
            return error;
        }
        return Password{found->username, std::move(*secret)};
    }

    Result<Secret> secret(std::string_view written) override {
        const auto source = parseSecretSource(written);
        if (!source) return source.error();
        return readSecret(*source, secrets_);
    }

private:
    plugin::CurrentConfiguration configuration_;
    std::unique_ptr<SecretReader> ownReader_;
    SecretReader& secrets_;
    std::unique_ptr<Dialer> ownDialer_;
    Dialer& dialer_;
    std::unique_ptr<TokenSource> tokens_;
    login::Connector connector_;
};

}  // namespace

std::unique_ptr<Access> makeAccess(AccessParts parts) { return std::make_unique<ConfiguredAccess>(parts); }

}  // namespace auth
