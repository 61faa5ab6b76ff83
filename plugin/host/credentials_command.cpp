#include "plugin/host/credentials_command.h"

#include "plugin/contract/exit_status.h"
#include "plugin/contract/text.h"
#include "plugin/contract/waiting.h"
#include "plugin/host/record.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <istream>
#include <ostream>
#include <utility>

namespace plugin::host {

namespace {

constexpr std::size_t longestSecret = 65'536;  // as long as one from a file

std::string codeText(unsigned code) { return code == 0 ? "ok" : codeName(static_cast<Code>(code)); }

std::string_view nameOf(auth::Ending::Kind kind) {
    switch (kind) {
        case auth::Ending::Kind::secret:
            return "secret";
        case auth::Ending::Kind::certificate:
            return "certificate";
        case auth::Ending::Kind::signIn:
            return "sign-in";
    }
    return "";
}

void writePeople(const auth::CredentialState& state, Wall now, std::ostream& out) {
    const auto line = [&out](std::string_view name, const std::string& value) {
        if (!value.empty()) out << "  " << name << std::string(16 - name.size(), ' ') << value << '\n';
    };
    out << state.name << '\n';
    line("grant", state.grant);
    line("account", printable(state.account));
    line("obtained at", state.obtainedAt ? utcText(*state.obtainedAt) + " by " + state.obtainedBy : "not yet");
    line("expires at", state.expiresAt ? utcText(*state.expiresAt) + (now >= *state.expiresAt ? ", which is over" : "") : "");
    line("refresh token", state.refreshToken ? (*state.refreshToken ? "yes" : "no") : "");
    line("scopes", state.askedScopes);
    if (auth::scopesDiffer(state.askedScopes, state.grantedScopes)) line("granted scopes", state.grantedScopes + " (not those asked for)");
    if (state.secondSecret) line("secret in use", "client_secret_next");
    for (const auto& ending : state.endings) {
        const bool signIn = ending.kind == auth::Ending::Kind::signIn;
        const auto moment = signIn ? utcText(ending.end) : state.secretExpires;
        line(signIn ? "sign-in ends" : "secret expires",
             moment + untilThen(ending.end, now) + (signIn && now < ending.end ? " unless it is used" : ""));
        if (ending.stage) line("", ending.next());
    }
    for (const auto& result : state.results)
        line(&result == &state.results.front() ? "results" : "",
             utcText(result.at) + " " + result.by + " " + codeText(result.code) + (result.cause.empty() ? "" : " " + result.cause));
    if (state.results.empty() || !state.results.front().diagnosis) return;
    line("likely cause", state.results.front().diagnosis->cause);
    for (const auto& step : state.results.front().diagnosis->fix) line(&step == &state.results.front().diagnosis->fix.front() ? "fix" : "", step);
}

std::string timeOrNull(const std::optional<Wall>& time) { return time ? jsonText(utcText(*time)) : "null"; }
std::string textOrNull(const std::string& text) { return text.empty() ? "null" : jsonText(text); }
std::string flagOrNull(const std::optional<bool>& flag) { return flag ? (*flag ? "true" : "false") : "null"; }

void writeJson(const auth::CredentialState& state, std::ostream& out) {
    out << "{\"credential\": " << jsonText(state.name) << ", \"grant\": " << jsonText(state.grant) << ", \"account\": " << textOrNull(state.account)
        << ", \"obtained_at\": " << timeOrNull(state.obtainedAt) << ", \"obtained_by\": " << textOrNull(state.obtainedBy)
        << ", \"expires_at\": " << timeOrNull(state.expiresAt) << ", \"refresh_token\": " << flagOrNull(state.refreshToken)
        << ", \"asked_scopes\": " << textOrNull(state.askedScopes) << ", \"granted_scopes\": " << textOrNull(state.grantedScopes)
        << ", \"scopes_differ\": " << flagOrNull(auth::scopesDiffer(state.askedScopes, state.grantedScopes))
        << ", \"secret_in_use\": " << jsonText(state.secondSecret ? "client_secret_next" : "client_secret")
        << ", \"secret_expires\": " << textOrNull(state.secretExpires) << ", \"endings\": [";
    const char* separator = "";
    for (const auto& ending : state.endings) {
        out << std::exchange(separator, ", ") << "{\"of\": " << jsonText(nameOf(ending.kind)) << ", \"ends\": " << jsonText(utcText(ending.end))
            << ", \"within_days\": " << (ending.stage ? std::to_string(*ending.stage) : "null")
            << ", \"next\": " << (ending.stage ? jsonText(ending.next()) : "null") << "}";
    }
    out << "], \"results\": [";
    separator = "";
    for (const auto& result : state.results) {
        out << separator << "{\"at\": " << jsonText(utcText(result.at)) << ", \"grant\": " << jsonText(result.by)
            << ", \"status\": " << jsonText(result.code == 0 ? "ok" : "failed")
            << ", \"error_code\": " << (result.code == 0 ? "null" : jsonText(codeText(result.code))) << ", \"cause\": " << textOrNull(result.cause)
            << ", \"granted_scopes\": " << textOrNull(result.grantedScopes) << ", \"expires_at\": " << timeOrNull(result.expiresAt)
            << ", \"diagnosis\": " << (result.diagnosis ? auth::diagnosis::jsonOf(*result.diagnosis) : "null") << "}";
        separator = ", ";
    }
    out << "]}";
}

int failed(const Error& cause, std::ostream& error) {
    error << describe(cause) << '\n';
    return exitStatus(cause);
}

/// Up to the longest secret; nothing: longer.
std::optional<auth::Secret> readAll(std::istream& in) {
    auth::SecretBuilder builder(4096);
    std::array<char, 4096> piece{};
    std::size_t total = 0;
    while (in.read(piece.data(), piece.size()) || in.gcount() > 0) {
        const auto count = static_cast<std::size_t>(in.gcount());
        builder.add({piece.data(), count});
        if ((total += count) > longestSecret) return std::nullopt;
    }
    OPENSSL_cleanse(piece.data(), piece.size());
    return builder.finish();
}

}  // namespace

void writeCredentials(const std::vector<auth::CredentialState>& states, Wall now, bool json, std::ostream& out) {
    if (!json) {
        for (const auto& state : states) writePeople(state, now, out);
        return;
    }
    const char* separator = "[";
    for (const auto& state : states) {
        out << separator;
        writeJson(state, out);
        separator = ",\n ";
    }
    out << (states.empty() ? "[]\n" : "]\n");
}

Result<void> showCredentials(std::shared_ptr<const Configuration> configuration, Database* database, const std::string& name, Loop& loop, bool json,
                             std::ostream& out) {
    const auto now = loop.clock().wall();
    const auto states = waitFor(loop, auth::credentialStates(std::move(configuration), database, name, now));
    if (!states) return states.error();
    writeCredentials(*states, now, json, out);
    return {};
}

Result<void> forgetGrant(auth::Access& access, const Configuration& configuration, Loop& loop, const std::string& name, std::ostream& error) {
    const auto configured = configuration.aliases("credential");
    if (std::find(configured.begin(), configured.end(), name) == configured.end()) {
        const auto stored = waitFor(loop, access.grants()->version(name));
        if (!stored) return stored.error();
        if (*stored == 0) return access.kind(name).error();
    }
    const auto forgotten = waitFor(loop, access.grants()->forget(name));
    if (!forgotten) return forgotten.error();
    error << "the grant of credential " << name << " is forgotten here; the provider may still honour it until its consent is withdrawn there\n";
    return {};
}

int sealSecret(auth::Access& access, Loop& loop, bool lookFirst, std::istream& in, std::ostream& out, std::ostream& error) {
    auto read = readAll(in);
    if (!read) {
        error << "that is no secret: it is longer than " << longestSecret << " octets\n";
        return exits::usage;
    }
    auto text = read->reveal();
    if (text.ends_with('\n')) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
    if (text.empty()) {
        error << "seal reads the secret from standard input; there is none\n";
        return exits::usage;
    }
    const auto before = lookFirst ? waitFor(loop, access.grants()->holdsSealed()) : Result<bool>(false);
    if (!before) return failed(before.error(), error);
    const auto sealed = access.seal(auth::Secret(text), !*before);
    if (!sealed) return failed(sealed.error(), error);
    out << *sealed << '\n';
    return 0;
}

}  // namespace plugin::host
