#include "auth/login/account.h"

#include "auth/json_object.h"
#include "auth/sasl/base64.h"
#include "plugin/contract/letters.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <array>

namespace auth::login {

namespace {

/// The claims of a JWT in the compact form (RFC 7515 7.1). Nothing: it is none.
std::optional<JsonObject> claimsOf(std::string_view token) {
    const auto first = token.find('.');
    const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) return std::nullopt;
    const auto payload = sasl::decodeBase64Url(token.substr(first + 1, second - first - 1));
    if (!payload) return std::nullopt;
    return JsonObject::parse(payload->reveal());
}

std::optional<Account> namedBy(std::string_view token) {
    const auto claims = claimsOf(token);
    if (!claims) return std::nullopt;
    Account account;
    for (const std::string_view claim : {"preferred_username", "upn", "unique_name", "email", "sub"})
        if (const auto value = claims->string(claim); value && !value->empty()) account.names.emplace_back(*value);
    if (account.names.empty()) return std::nullopt;
    account.name = plugin::printable(account.names.front());
    return account;
}

bool isAddress(std::string_view text) { return text.find('@') != std::string_view::npos; }

}  // namespace

std::optional<Account> accountOf(std::string_view idToken, std::string_view accessToken) {
    auto account = namedBy(idToken);
    if (!account) return namedBy(accessToken);
    const auto claims = claimsOf(idToken);
    account->issuer = claims->string("iss").value_or("");
    return account;
}

Match compare(const Account& account, std::string_view expected) {
    auto match = Match::unknown;
    for (const auto& name : account.names) {
        if (plugin::equalsIgnoreCase(name, expected)) return Match::same;
        if (isAddress(name) == isAddress(expected)) match = Match::other;
    }
    return match;
}

std::vector<std::string> usersOf(const plugin::Configuration& configuration, std::string_view credential) {
    constexpr std::string_view tail = ".credential";
    std::vector<std::string> users;
    for (const auto& [key, setting] : configuration.settings()) {
        if (!key.ends_with(tail) || setting.value != credential) continue;
        auto user = configuration.text(key.substr(0, key.size() - tail.size()) + ".user");
        if (!user.empty() && std::find(users.begin(), users.end(), user) == users.end()) users.push_back(std::move(user));
    }
    return users;
}

}  // namespace auth::login
