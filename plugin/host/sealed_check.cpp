#include "plugin/host/sealed_check.h"

#include "auth/sasl/base64.h"
#include "auth/sealing.h"
#include "plugin/host/check_command.h"
#include "plugin/host/value_form.h"
#include "plugin/host/vault.h"
#include "plugin/runtime/runtime.h"

#include <memory>
#include <optional>

namespace plugin::host {

namespace {

/// Whether the key can be had by reading alone.
bool mayRead(const std::string& written) {
    if (written.empty()) return true;
    const auto source = auth::parseSecretSource(written);
    return source && source->kind != auth::SecretSource::Kind::command;
}

class Opener {
public:
    explicit Opener(const Configuration& configuration)
        : vault_(configuration.text("server.data")),
          sealer_({std::make_shared<const Configuration>(configuration), *machine_, &vault_, *random_}),
          isAtHand_(mayRead(configuration.text("server.seal_key"))) {}

    /// What is wrong with one of them; nothing: it can be opened, or nobody knows.
    std::optional<Error> problem(std::string_view base64) {
        const auto bytes = auth::sasl::decodeBase64(base64);
        if (!bytes) return std::nullopt;  // its form has been told of
        const auto opened =
            auth::sealedWith(bytes->reveal()) ? open(bytes->reveal()) : sealer_.open(bytes->reveal(), auth::sealedForConfiguration, name);
        if (opened || opened.error().code != Code::storeSealed) return std::nullopt;
        return opened.error();
    }

private:
    static constexpr const char* name = "the value";

    Result<auth::Secret> open(std::string_view bytes) {
        if (!isAtHand_) return auth::Secret{};
        auto key = sealer_.key();
        if (key && !*key) return auth::Secret{};
        if (!key) return key.error();
        return sealer_.open(bytes, auth::sealedForConfiguration, name);
    }

    std::unique_ptr<auth::SecretReader> machine_ = auth::makeSecretReader();
    std::unique_ptr<Random> random_ = makeSystemRandom();
    Vault vault_;
    auth::Sealer sealer_;
    const bool isAtHand_;
};

}  // namespace

std::vector<Problem> sealedProblems(const Configuration& configuration, const std::vector<Key>& keys) {
    Opener opener(configuration);
    std::vector<Problem> problems;
    eachSecretSource(configuration, keys, [&](const std::string& key, const SecretSource& source, const Place& place) {
        if (source.kind != "sealed") return;
        if (const auto wrong = opener.problem(source.argument)) problems.push_back({Problem::Severity::error, wrong->code, key, wrong->what, place});
    });
    return problems;
}

}  // namespace plugin::host
