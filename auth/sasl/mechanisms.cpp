#include "auth/sasl/mechanisms.h"

#include "auth/json_object.h"
#include "auth/sasl/base64.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <optional>

namespace auth::sasl {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

constexpr char separator = '\x01';

bool hasControl(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::optional<Error> unusable(std::string_view user, const Secret& token) {
    if (user.empty()) return Error{Reaction::askOperator, Code::configBadValue, "the mailbox user is empty"};
    if (hasControl(user)) return Error{Reaction::askOperator, Code::configBadValue, "the mailbox user contains a control character"};
    if (token.empty()) return Error{Reaction::askOperator, Code::tokenIncomplete, "the access token is empty"};
    if (hasControl(token.reveal())) return Error{Reaction::askOperator, Code::tokenIncomplete, "the access token contains a control character"};
    return std::nullopt;
}

/// RFC 5801 section 4, `saslname`.
std::string saslName(std::string_view user) {
    std::string name;
    for (const char c : user) {
        if (c == ',')
            name += "=2C";
        else if (c == '=')
            name += "=3D";
        else
            name += c;
    }
    return name;
}

std::string member(const JsonObject& object, std::string_view name) {
    if (const auto text = object.string(name)) return plugin::printable(*text);
    if (const auto number = object.integer(name)) return std::to_string(*number);
    return {};
}

}  // namespace

Result<Secret> xoauth2(std::string_view user, const Secret& token) {
    if (const auto error = unusable(user, token)) return *error;
    SecretBuilder out(user.size() + token.reveal().size() + 32);
    out.add("user=").add(user).add(separator).add("auth=Bearer ").add(token.reveal()).add(separator).add(separator);
    return out.finish();
}

Result<Secret> oauthbearer(std::string_view user, std::string_view host, std::uint16_t port, const Secret& token) {
    if (const auto error = unusable(user, token)) return *error;
    if (hasControl(host)) return Error{Reaction::askOperator, Code::configBadValue, "the mailbox host contains a control character"};
    SecretBuilder out(3 * user.size() + host.size() + token.reveal().size() + 64);
    out.add("n,a=").add(saslName(user)).add(',').add(separator).add("host=").add(host).add(separator);
    out.add("port=").add(std::to_string(port)).add(separator).add("auth=Bearer ").add(token.reveal()).add(separator).add(separator);
    return out.finish();
}

Result<Secret> plain(std::string_view user, const Secret& password) {
    if (user.empty()) return Error{Reaction::askOperator, Code::configBadValue, "the user name is empty"};
    if (password.empty()) return Error{Reaction::askOperator, Code::configSecretSource, "the password is empty"};
    if (user.find('\0') != std::string_view::npos) return Error{Reaction::askOperator, Code::configBadValue, "the user name contains a NUL"};
    if (password.reveal().find('\0') != std::string_view::npos)
        return Error{Reaction::askOperator, Code::configSecretSource, "the password contains a NUL"};
    SecretBuilder out(user.size() + password.reveal().size() + 2);
    out.add('\0').add(user).add('\0').add(password.reveal());
    return out.finish();
}

Challenge challenge(std::string_view text) {
    while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    const auto decoded = decodeBase64(text);
    const auto object = JsonObject::parse(decoded ? decoded->reveal() : text);
    if (!object) return {};
    return {member(*object, "status"), member(*object, "schemes"), member(*object, "scope")};
}

std::string describe(const Challenge& challenge) {
    std::string line;
    const auto add = [&line](std::string_view name, const std::string& value) {
        if (value.empty()) return;
        if (!line.empty()) line += ", ";
        line.append(name).append(" ").append(value);
    };
    add("status", challenge.status);
    add("schemes", challenge.schemes);
    add("scope", challenge.scope);
    return line;
}

}  // namespace auth::sasl
