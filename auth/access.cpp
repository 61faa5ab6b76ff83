#include "auth/access.h"

#include "auth/login/connector.h"
#include "auth/sasl/base64.h"
#include "auth/sealing.h"
#include "auth/secret_source.h"
#include "auth/token/credential.h"
#include "auth/token/token_endpoint.h"

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
          ownReader_(parts.secrets == nullptr ? makeSecretReader(parts.stop) : nullptr),
          keepingReader_(parts.secrets == nullptr ? makeSecretReader(parts.stopKeeping) : nullptr),
          sealer_({configuration_, parts.secrets == nullptr ? *ownReader_ : *parts.secrets, parts.lasting ? &parts.lasting->sealKey : nullptr,
                   parts.random, keepingReader_.get()}),
          secrets_(parts.secrets == nullptr ? *ownReader_ : *parts.secrets, sealer_),
          ownDialer_(parts.dialer == nullptr ? makeDialer(configuration_, secrets_, parts.log) : nullptr),
          dialer_(parts.dialer == nullptr ? *ownDialer_ : *parts.dialer),
          endpoint_({dialer_, secrets_, parts.clock, parts.random}),
          grants_(parts.lasting ? makeGrantStore(parts.lasting->database, sealer_) : nullptr),
          endings_({configuration_, secrets_, parts.clock, parts.log, parts.metrics, parts.lasting ? &parts.lasting->database : nullptr}) {
        if (parts.lasting != nullptr) callbacks_.emplace(login::CallbackDesk::Parts{parts.lasting->database, sealer_, *grants_, parts.clock});
        if (parts.lasting != nullptr)
            storage_.emplace(TokenStorage{parts.lasting->database, *grants_, parts.lasting->locks, parts.lasting->notesAll});
        tokens_ = makeTokenSource(
            {configuration_, dialer_, secrets_, parts.clock, parts.random, parts.log, parts.metrics, storage_ ? &*storage_ : nullptr});
        connector_.emplace(login::Connector::Parts{configuration_, dialer_, secrets_, parts.clock, parts.random, *tokens_, grants_.get(),
                                                   callbacks_ ? &*callbacks_ : nullptr});
    }

    Dialer& dialer() override { return dialer_; }
    login::Connector& connector() override { return *connector_; }
    login::CallbackDesk* callbacks() override { return callbacks_ ? &*callbacks_ : nullptr; }
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
    SecretReader& secrets() override { return secrets_; }

    plugin::Task<std::optional<std::string>> otherPlacement(std::string name, std::stop_token stop) override {
        const auto configuration = configuration_.get();
        for (const auto place : {ClientAuthentication::basic, ClientAuthentication::body, ClientAuthentication::basicRaw}) {
            auto found = credential(*configuration, name);
            if (!found || found->grant != Grant::clientCredentials || !showsSecret(found->authentication)) co_return std::nullopt;
            if (found->authentication == place) continue;
            found->authentication = place;
            auto grant = clientCredentialsGrant(found->scopes);
            auto asking = endpoint_.ask(std::make_shared<const Credential>(std::move(*found)), std::move(grant), stop);
            const auto exchange = co_await asking;
            if (exchange.outcome) co_return std::string(authenticationName(place));
        }
        co_return std::nullopt;
    }
    GrantStore* grants() override { return grants_.get(); }
    Result<std::string> seal(const Secret& plain, bool mayMake) override {
        auto sealed = sealer_.seal(plain.reveal(), sealedForConfiguration, mayMake);
        if (!sealed) return sealed;
        return "${sealed:" + std::string(sasl::base64(*sealed).reveal()) + "}";
    }
    plugin::Task<void> lookAtDates() override { return endings_.look(); }
    std::vector<Ending> endings() const override { return endings_.soon(); }

private:
    plugin::CurrentConfiguration configuration_;
    std::unique_ptr<SecretReader> ownReader_, keepingReader_;
    Sealer sealer_;
    OpeningReader secrets_;
    std::unique_ptr<Dialer> ownDialer_;
    Dialer& dialer_;
    TokenEndpoint endpoint_;
    std::unique_ptr<GrantStore> grants_;
    std::optional<login::CallbackDesk> callbacks_{};
    std::optional<TokenStorage> storage_{};
    std::unique_ptr<TokenSource> tokens_{};
    std::optional<login::Connector> connector_{};
    Endings endings_;
};

}  // namespace

std::unique_ptr<Access> makeAccess(AccessParts parts) { return std::make_unique<ConfiguredAccess>(parts); }

}  // namespace auth
