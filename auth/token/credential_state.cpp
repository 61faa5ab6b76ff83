#include "auth/token/credential_state.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Transaction;

namespace {

plugin::Wall loaded(std::int64_t time) { return plugin::Wall(std::chrono::milliseconds(time)); }

using States = std::map<std::string, CredentialState>;

/// What the rows of stored grants show without their key.
Result<void> addStored(Transaction& transaction, States& states) {
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
        state.obtainedAt = loaded(select.integer(5));
        if (!select.isNull(6)) state.expiresAt = loaded(select.integer(6));
        state.account = select.text(7);
    }
    return {};
}

void addResults(CredentialState& state, std::vector<TokenResult> results) {
    state.results = std::move(results);
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

CredentialState configured(const plugin::Configuration& configuration, const std::string& name) {
    const auto text = [&](const std::string& part) { return configuration.text("credential." + name + "." + part); };
    CredentialState state;
    state.name = name;
    state.grant = text("grant").empty() ? "client_credentials" : text("grant");
    state.askedScopes = text("scopes");
    state.secretExpires = text("secret_expires");
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
                                                            std::string name) {
    auto states = std::make_shared<States>();
    for (const auto& each : configuration->aliases("credential"))
        if (name.empty() || each == name) states->emplace(each, configured(*configuration, each));
    if (!name.empty() && states->empty())
        co_return Error{Reaction::askOperator, Code::tokenCredentialIncomplete, "there is no credential named " + name};
    if (database != nullptr) {
        auto reading = database->read([states](Transaction& transaction) { return addStored(transaction, *states); });
        if (auto read = co_await reading; !read) co_return read.error();
        for (auto& [each, state] : *states) {
            auto asking = resultsOf(*database, each);
            auto results = co_await asking;
            if (!results) co_return results.error();
            addResults(state, std::move(*results));
        }
    }
    std::vector<CredentialState> all;
    for (auto& [each, state] : *states) all.push_back(std::move(state));
    co_return std::move(all);
}

}  // namespace auth
