#include "listener/delivery/http_secrets.h"

#include "auth/sasl/base64.h"
#include "auth/secret_source.h"
#include "listener/delivery/webhook_signature.h"
#include "plugin/contract/letters.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace listener {
namespace {

using plugin::Code;
using plugin::Error;
using plugin::lowerCase;
using plugin::Reaction;
using plugin::Result;

bool isLetterOrDigit(char c) { return (c >= '0' && c <= '9') || (lowerCase(c) >= 'a' && lowerCase(c) <= 'z'); }

/// RFC 9110 section 5.6.2.
bool isToken(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return isLetterOrDigit(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

/// What a character that is written another way stands for, and how long it is written. `length` 0: it is no such thing; `is` 0: a character that
/// is neither letter nor digit.
struct Escaped {
    char is = 0;
    std::size_t length = 0;
};

Escaped numbered(std::string_view digits, int base, std::size_t length) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc{} || end != digits.data() + digits.size()) return {};
    return {value < 0x80 ? static_cast<char>(value) : '\0', length};
}

/// %XX of URLs, \\uXXXX of JSON, &#43; &#x2b; &amp; of HTML.
Escaped escapedAt(std::string_view text) {
    constexpr std::size_t longestEntity = 10;
    if (text.front() == '%' && text.size() >= 3) return numbered(text.substr(1, 2), 16, 3);
    if (text.front() == '\\' && text.size() >= 6 && text[1] == 'u') return numbered(text.substr(2, 4), 16, 6);
    if (text.front() != '&') return {};
    const auto end = text.substr(0, longestEntity).find(';');
    if (end == std::string_view::npos || end < 2) return {};
    const auto inside = text.substr(1, end - 1);
    if (inside.front() != '#') return std::ranges::all_of(inside, isLetterOrDigit) ? Escaped{'\0', end + 1} : Escaped{};
    const bool hex = inside.size() > 1 && lowerCase(inside[1]) == 'x';
    return numbered(inside.substr(hex ? 2 : 1), hex ? 16 : 10, end + 1);
}

/// Letters and digits alone, in lower case, whatever way they are written.
auth::Secret folded(std::string_view text) {
    auth::SecretBuilder result(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto escaped = escapedAt(text.substr(i));
        const char c = escaped.length > 0 ? escaped.is : text[i];
        if (escaped.length > 0) i += escaped.length - 1;
        if (isLetterOrDigit(c)) result.add(lowerCase(c));
    }
    return result.finish();
}

Error of(const std::string& what, Error error) {
    error.what = what + ": " + error.what;
    return error;
}

}  // namespace

std::optional<std::string> headerProblem(std::string_view name, bool withCredential) {
    constexpr std::array ours{"content-type", "content-encoding", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"};
    constexpr std::array ofTheConnection{
        "host",       "content-length", "connection", "accept-encoding",    "transfer-encoding", "te", "trailer", "proxy-connection",
        "keep-alive", "upgrade",        "expect",     "proxy-authorization"};
    if (!isToken(name)) return "is no name a header can have";
    const auto plain = lowerCase(name);
    if (std::ranges::find(ours, plain) != ours.end() || plain.starts_with("x-postern-")) return "is one that Postern sets itself";
    if (std::ranges::find(ofTheConnection, plain) != ofTheConnection.end()) return "belongs to the connection and cannot be set";
    if (withCredential && plain == "authorization") return "is set from .credential: use one of the two";
    return std::nullopt;
}

bool readingBlocks(const HttpSettings& settings) {
    const auto blocks = [](const std::string& written) {
        const auto source = auth::parseSecretSource(written);
        return source && source->kind != auth::SecretSource::Kind::literal;
    };
    return blocks(settings.signingSecret) || std::ranges::any_of(settings.headers, [&](const auto& header) { return blocks(header.second); });
}

Result<HttpSecrets> readHttpSecrets(const HttpSettings& settings, auth::Access& access) {
    HttpSecrets secrets;
    for (const auto& [name, written] : settings.headers) {
        const auto where = "sink " + settings.name + ", header " + plugin::printable(name, 64);
        if (const auto problem = headerProblem(name, !settings.credential.empty()))
            return Error{Reaction::askOperator, Code::configBadValue, where + ": it " + *problem};
        auto value = access.secret(written);
        if (!value) return of(where, value.error());
        const auto isControl = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
        if (std::ranges::any_of(value->reveal(), isControl))
            return Error{Reaction::askOperator, Code::configBadValue, where + ": its value has a line end or another control character"};
        secrets.headers.emplace_back(name, std::move(*value));
    }
    if (settings.signingSecret.empty()) return secrets;
    const auto where = "sink " + settings.name + ", signing_secret";
    auto written = access.secret(settings.signingSecret);
    if (!written) return of(where, written.error());
    auto keys = webhookKeys(*written);
    if (!keys) return of(where, keys.error());
    secrets.keys = std::move(*keys);
    return secrets;
}

void Hidden::add(std::string_view secret) {
    asTheyAre_.emplace_back(secret);
    folded_.push_back(folded(secret));
}

void Hidden::addKey(std::string_view key) {
    add(key);
    const auto written = auth::sasl::base64(key);
    add(written.reveal());
}

void Hidden::addHeader(std::string_view value) {
    add(value);
    const auto blank = value.find(' ');
    if (blank == std::string_view::npos) return;
    add(value.substr(blank + 1));
    if (lowerCase(value.substr(0, blank)) != "basic") return;
    const auto pair = auth::sasl::decodeBase64(value.substr(blank + 1));
    if (!pair) return;
    add(pair->reveal());
    const auto colon = pair->reveal().find(':');
    if (colon != std::string_view::npos) add(pair->reveal().substr(colon + 1));
}

void Hidden::addMessage(std::string_view beginning) { folded_.push_back(folded(beginning)); }

bool Hidden::isIn(std::string_view text) const {
    const auto isRepeated = [](const std::vector<auth::Secret>& secrets, std::string_view in) {
        return std::ranges::any_of(secrets, [in](const auth::Secret& secret) { return auth::repeatsPartOf(secret.reveal(), in); });
    };
    const auto plain = folded(text);
    return isRepeated(asTheyAre_, text) || isRepeated(folded_, plain.reveal());
}

}  // namespace listener
