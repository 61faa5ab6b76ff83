#include "auth/login/redirect.h"

#include "plugin/contract/log.h"
#include "plugin/contract/text.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

namespace auth::login {

using plugin::Code;
using plugin::Error;
using plugin::printable;
using plugin::Reaction;

namespace {

constexpr std::size_t longestText = 300;

int hexadecimal(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// application/x-www-form-urlencoded, read generously: what need not be encoded may stand as it is.
std::optional<Secret> formDecoded(std::string_view text) {
    SecretBuilder out(text.size() + 1);
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '+') {
            out.add(' ');
        } else if (text[at] != '%') {
            out.add(text[at]);
        } else {
            const int high = at + 2 < text.size() ? hexadecimal(text[at + 1]) : -1, low = at + 2 < text.size() ? hexadecimal(text[at + 2]) : -1;
            if (high < 0 || low < 0) return std::nullopt;
            out.add(static_cast<char>(high * 16 + low));
            at += 2;
        }
    }
    return out.finish();
}

/// OpenID Connect Core 3.1.2.6: what a provider says where it was not to ask, and would have had to.
bool wantsAPrompt(std::string_view error) {
    constexpr std::array<std::string_view, 4> known{"consent_required", "login_required", "interaction_required", "account_selection_required"};
    return std::find(known.begin(), known.end(), error) != known.end();
}

Error refusal(const Redirect& redirect) {
    Error error{Reaction::askOperator, Code::tokenSignInRefused, "the provider answered " + printable(redirect.error, 64)};
    if (!redirect.description.empty()) error.what += ": " + printable(redirect.description, longestText);
    if (redirect.error == "access_denied") {
        error.code = Code::tokenSignInAbandoned;
    } else if (redirect.error == "invalid_scope") {
        error.code = Code::tokenScopeRefused;
    } else if (redirect.error == "server_error" || redirect.error == "temporarily_unavailable") {
        error.reaction = Reaction::retryLater;
        error.code = Code::tokenEndpointBusy;
    } else if (wantsAPrompt(redirect.error)) {
        error.what +=
            " (this application has not been authorised before, or no longer is: without a prompt nobody can consent; use_prompt = true asks)";
    }
    return error;
}

Error noAnswer(std::string what) { return Error{Reaction::askOperator, Code::tokenSignInAnswer, std::move(what)}; }

}  // namespace

std::optional<Redirect> parseRedirect(std::string_view query) {
    if (query.size() > maxRedirect) return std::nullopt;
    constexpr std::array<std::string_view, 5> names{"code", "state", "iss", "error", "error_description"};
    std::array<std::optional<Secret>, names.size()> values{};
    while (!query.empty()) {
        const auto end = std::min(query.find('&'), query.size());
        const auto pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const auto equals = std::min(pair.find('='), pair.size());
        const auto name = formDecoded(pair.substr(0, equals));
        if (!name) return std::nullopt;
        const auto known = std::find(names.begin(), names.end(), name->reveal());
        if (known == names.end()) continue;
        auto& value = values[static_cast<std::size_t>(known - names.begin())];
        if (value) return std::nullopt;
        value = formDecoded(equals < pair.size() ? pair.substr(equals + 1) : std::string_view{});
        if (!value) return std::nullopt;
    }
    const auto text = [&](std::size_t at) { return values[at] ? std::string(values[at]->reveal()) : std::string(); };
    return Redirect{values[0] ? std::move(*values[0]) : Secret{}, text(1), text(2), text(3), text(4)};
}

std::string_view queryOf(std::string_view pasted) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto first = pasted.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    pasted = pasted.substr(first, pasted.find_last_not_of(blanks) + 1 - first);
    pasted = pasted.substr(0, pasted.find('#'));
    const auto mark = pasted.find('?');
    return mark == std::string_view::npos ? pasted : pasted.substr(mark + 1);
}

bool answers(const Redirect& redirect, std::string_view state) {
    return !state.empty() && redirect.state.size() == state.size() && CRYPTO_memcmp(redirect.state.data(), state.data(), state.size()) == 0;
}

plugin::Result<Secret> codeOf(Redirect redirect, std::string_view issuer) {
    if (!issuer.empty() && redirect.issuer != issuer)
        return noAnswer("the answer is from " + (redirect.issuer.empty() ? "a provider that does not say who it is" : printable(redirect.issuer)) +
                        ", not from " + std::string(issuer) + " (RFC 9207)");
    if (!redirect.error.empty()) return refusal(redirect);
    if (redirect.code.empty()) return noAnswer("the answer has neither a code nor an error");
    const auto code = redirect.code.reveal();
    if (!std::all_of(code.begin(), code.end(), [](char c) { return c >= 0x20 && c <= 0x7e; }))
        return noAnswer("the code has octets that no code may have (RFC 6749 A.11)");
    return std::move(redirect.code);
}

std::string htmlText(std::string_view text) {
    std::string out;
    for (std::size_t count = 0; !text.empty(); ++count) {
        if (count == longestText) return out + "...";
        const auto length = std::max<std::size_t>(plugin::utf8Length(text), 1);
        const char c = text.front();
        const bool strange = (length == 1 && static_cast<unsigned char>(c) >= 0x7f) || static_cast<unsigned char>(c) < 0x20;
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '"')
            out += "&quot;";
        else if (c == '\'')
            out += "&#39;";
        else if (strange)
            out += "\xef\xbf\xbd";
        else
            out += text.substr(0, length);
        text.remove_prefix(length);
    }
    return out;
}

}  // namespace auth::login
