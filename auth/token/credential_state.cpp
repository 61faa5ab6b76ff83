#include "auth/token/credential_state.h"

#include "auth/stored_form.h"
#include "auth/token/credential_case.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace auth {

using plugin::Code;
using plugin::Configuration;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Transaction;

namespace {

using States = std::map<std::string, CredentialState>;

/// What credentials are judged by.
struct Basis {
    const Configuration& configuration;
    plugin::Wall now;
};

void addEnding(CredentialState& state, const std::optional<Ending>& ending, const Basis& basis) {
    if (ending) state.endings.push_back({*ending, stageOf(basis.configuration, *ending, basis.now)});
}

/// What the rows of stored grants show without their key.
Result<void> addStored(Transaction& transaction, States& states, const Basis& basis) {
    auto& select = transaction.prepare(
        "SELECT credential, obtained_by, refresh_token IS NOT NULL, asked_scopes, granted_scopes, obtained_at, expires_at, account FROM auth_grant "
        "WHERE obtained_by <> ''");
    while (select.step()) {
        const auto found = states.find(std::string(select.text(0)));
        if (found == states.end()) continue;
        auto& state = found->second;
        state.obtainedBy = select.text(1);
        state.refreshToken = select.integer(2) != 0;
        if (const auto asked = select.text(3); !asked.empty()) state.askedScopes = asked;
        state.grantedScopes = select.text(4);
        state.obtainedAt = stored::time(select.integer(5));
        if (!select.isNull(6)) state.expiresAt = stored::time(select.integer(6));
        state.account = select.text(7);
        if (*state.refreshToken) addEnding(state, signInEnding(basis.configuration, state.name, *state.obtainedAt), basis);
    }
    return {};
}

DiagnosedResult diagnosed(TokenResult result, const Configuration& configuration) {
    DiagnosedResult all{std::move(result)};
    if (all.code == 0) return all;
    all.diagnosis = diagnosis::diagnose(caseOf(configuration, all.credential, {Reaction::askOperator, static_cast<Code>(all.code), all.cause}));
    return all;
}

void addResults(CredentialState& state, std::vector<TokenResult> results, const Configuration& configuration) {
    for (auto& each : results) state.results.push_back(diagnosed(std::move(each), configuration));
    if (!state.results.empty()) state.secondSecret = state.results.front().secondSecret;
    const auto last = std::find_if(state.results.begin(), state.results.end(), [](const TokenResult& each) { return each.code == 0; });
    const bool stored = state.grant == "refresh_token" || state.grant == "authorization_code" || state.grant == "device_code";
    if (last == state.results.end() || stored) return;  // of a stored grant its row is the truth: once it is forgotten there is nothing
    state.obtainedBy = last->by;
    state.obtainedAt = last->at;
    state.expiresAt = last->expiresAt;
    state.refreshToken = last->refreshToken;
    state.askedScopes = last->askedScopes;
    state.grantedScopes = last->grantedScopes;
}

CredentialState configured(const std::string& name, const Basis& basis) {
    const auto text = [&](const std::string& part) { return basis.configuration.text("credential." + name + "." + part); };
    CredentialState state;
    state.name = name;
    state.grant = text("grant").empty() ? "client_credentials" : text("grant");
    state.askedScopes = text("scopes");
    state.secretExpires = text("secret_expires");
    addEnding(state, secretEnding(basis.configuration, name), basis);
    return state;
}

}  // namespace

bool scopesDiffer(const std::string& asked, const std::string& granted) {
    const auto setOf = [](const std::string& text) {
        const auto words = plugin::parseWords(text);
        return std::set<std::string>(words.begin(), words.end());
    };
    return !asked.empty() && !granted.empty() && setOf(asked) != setOf(granted);
}

Task<Result<std::vector<CredentialState>>> credentialStates(std::shared_ptr<const plugin::Configuration> configuration, plugin::Database* database,
                                                            std::string name, plugin::Wall now) {
    const Basis basis{*configuration, now};
    auto states = std::make_shared<States>();
    for (const auto& each : configuration->aliases("credential"))
        if (name.empty() || each == name) states->emplace(each, configured(each, basis));
    if (!name.empty() && states->empty())
        co_return Error{Reaction::askOperator, Code::configUnknownReference, "there is no credential named " + name};
    if (database != nullptr) {
        auto reading = database->read([states, configuration, now](Transaction& transaction) {
            return addStored(transaction, *states, {*configuration, now});
        });
        if (auto read = co_await reading; !read) co_return read.error();
        for (auto& [each, state] : *states) {
            auto asking = resultsOf(*database, each);
            auto results = co_await asking;
            if (!results) co_return results.error();
            addResults(state, std::move(*results), *configuration);
        }
    }
    std::vector<CredentialState> all;
    for (auto& [each, state] : *states) all.push_back(std::move(state));
    co_return std::move(all);
}

}  // namespace auth
