#include "auth/explain.h"

#include "auth/json_object.h"
#include "auth/sasl/mechanisms.h"
#include "auth/token/token_response.h"

#include <algorithm>
#include <optional>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;

namespace {

/// As the token endpoint's answer that it is; nothing: it is none.
std::optional<Error> tokenAnswer(std::string_view text) {
    const auto object = JsonObject::parse(text);
    if (!object || !object->string("error")) return std::nullopt;
    const auto verdict = judge({400, "application/json", "", text}, plugin::Wall{}, [](std::string_view) { return false; });
    return verdict ? std::nullopt : std::optional(verdict.error());
}

/// As a mail server's challenge after a refused token; nothing: it is none. Its code is that of anything a mail server says: other programs' JSON
/// has a status, too, so what the challenge says must be known.
std::optional<Error> refusedToken(std::string_view text) {
    const auto object = JsonObject::parse(text);
    const auto challenge = sasl::challenge(text);
    if (challenge.status.empty() || (object && (object->string("error") || object->string("access_token")))) return std::nullopt;
    return Error{Reaction::reauthenticate, Code::mailboxProtocol, "(" + sasl::describe(challenge) + ")"};
}

/// Codes under which nothing is known but by what the text says: as a token endpoint's, then as a mail server's.
constexpr Code anyOf[] = {Code::tokenRequestRefused, Code::mailboxProtocol};

}  // namespace

std::vector<diagnosis::Diagnosis> explain(std::string_view text) {
    std::vector<diagnosis::Diagnosis> all;
    const auto add = [&all](Error error) {
        auto found = diagnosis::diagnose({.error = std::move(error)});
        const auto same = [&](const diagnosis::Diagnosis& each) { return each.id == found->id; };
        if (found && std::none_of(all.begin(), all.end(), same)) all.push_back(std::move(*found));
    };
    if (auto answer = tokenAnswer(text)) add(std::move(*answer));
    if (auto challenge = refusedToken(text)) add(std::move(*challenge));
    for (const auto code : anyOf) add({Reaction::askOperator, code, std::string(text)});
    const auto names = [&](std::string_view name) { return all.empty() && text.find(name) != std::string_view::npos; };
    if (names("invalid_client")) add({Reaction::askOperator, Code::tokenClientRefused, std::string(text)});
    if (names("invalid_scope")) add({Reaction::askOperator, Code::tokenScopeRefused, std::string(text)});
    return all;
}

}  // namespace auth
