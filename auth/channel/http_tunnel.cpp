#include "auth/channel/http_tunnel.h"

#include "auth/channel/tcp.h"
#include "auth/sasl/base64.h"
#include "plugin/contract/letters.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <array>
#include <vector>

namespace auth {

namespace {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

constexpr HttpLimits limits{.header = 16 * 1024, .body = 0};
constexpr std::size_t readSize = 4096;
constexpr std::size_t maxReason = 80;

/// What a proxy says may be what it was told.
bool repeatsUs(const ProxyUser* user, std::string_view text) {
    return user != nullptr && (repeatsPartOf(user->password.reveal(), text) || repeatsPartOf(user->basic.reveal(), text));
}

/// "503 Service Unavailable"
std::string toldBy(const HttpParser& answer, const ProxyUser* user) {
    auto told = std::to_string(answer.status());
    const auto& reason = answer.reason();
    if (!reason.empty() && !repeatsUs(user, reason)) told += " " + plugin::printable(reason, maxReason);
    return told;
}

/// Of a list of challenges (RFC 9110 section 11.6.1) what each begins with: what stands alone or before a blank, and is no parameter.
std::vector<std::string_view> schemesOf(std::string_view value) {
    std::vector<std::string_view> schemes;
    for (std::size_t at = 0; at < value.size();) {
        auto end = at;
        for (bool quoted = false; end < value.size() && (quoted || value[end] != ','); ++end) {
            if (value[end] == '\\' && quoted)
                ++end;
            else if (value[end] == '"')
                quoted = !quoted;
        }
        auto element = value.substr(at, std::min(end, value.size()) - at);
        element.remove_prefix(std::min(element.find_first_not_of(" \t"), element.size()));
        const auto word = element.substr(0, element.find_first_of(" \t="));
        const auto behind = element.find_first_not_of(" \t", word.size());  // "realm = x" is a parameter too: RFC 9110 section 5.6.3
        const bool parameter = behind != std::string_view::npos && element[behind] == '=';
        if (!word.empty() && !parameter) schemes.push_back(word);
        at = end + 1;
    }
    return schemes;
}

/// Of the schemes the proxy would take, the names; nothing: it takes Basic, or does not say.
std::string otherSchemes(const HttpParser& answer, const ProxyUser* user) {
    std::string list;
    for (const auto value : answer.headers().all("Proxy-Authenticate"))
        for (const auto scheme : schemesOf(value)) {
            if (plugin::equalsIgnoreCase(scheme, "Basic")) return {};
            list += (list.empty() ? "" : ", ") + (repeatsUs(user, scheme) ? "?" : plugin::printable(scheme, 20));
        }
    return list;
}

std::string wantsUser(const HttpParser& answer, const ProxyUser* user) {
    if (const auto others = otherSchemes(answer, user); !others.empty()) return "it wants a sign-in we do not have (" + others + "), not Basic";
    return user == nullptr ? "it wants a user and a password" : "it refused the user and the password";
}

}  // namespace

ProxyUser ProxyUser::make(std::string_view user, Secret password) {
    const auto pair = SecretBuilder(user.size() + password.reveal().size() + 1).add(user).add(':').add(password.reveal()).finish();
    return {std::move(password), sasl::base64(pair.reveal())};
}

Secret connectRequest(std::string_view host, std::uint16_t port, const ProxyUser* user) {
    const auto authority = hostAndPort(host, port);
    SecretBuilder wire(256 + 2 * authority.size() + (user == nullptr ? 0 : user->basic.reveal().size()));
    wire.add("CONNECT ").add(authority).add(" HTTP/1.1\r\nHost: ").add(authority).add("\r\n");
    if (user != nullptr) wire.add("Proxy-Authorization: Basic ").add(user->basic.reveal()).add("\r\n");
    return wire.add("\r\n").finish();
}

std::optional<Error> connectFailure(const HttpParser& answer, const ProxyUser* user) {
    const int status = answer.status();
    if (status >= 200 && status < 300) return std::nullopt;
    const auto told = " (" + toldBy(answer, user) + ")";
    if (status == 407) return Error{Reaction::askOperator, Code::channelProxyRefused, wantsUser(answer, user) + told};
    constexpr std::array foreign{400, 405, 501, 505};
    if (std::find(foreign.begin(), foreign.end(), status) != foreign.end())
        return Error{Reaction::askOperator, Code::channelProxyProtocol, "it does not understand CONNECT" + told};
    constexpr std::array passing{404, 408, 410, 421, 429};
    if (status >= 500 || std::find(passing.begin(), passing.end(), status) != passing.end())
        return Error{Reaction::reconnect, Code::channelProxyFailed, "it cannot get there" + told};
    return Error{Reaction::askOperator, Code::channelProxyForbidden, "it does not let us" + told};
}

Task<Result<std::string>> openTunnel(Channel* channel, std::string host, std::uint16_t port, const ProxyUser* user, Deadline deadline,
                                     std::stop_token stop) {
    const auto wire = connectRequest(host, port, user);
    auto asked = co_await channel->write(wire.reveal(), deadline, stop);
    if (!asked) co_return asked.error();
    HttpParser answer(limits, HttpParser::To::connect);
    std::array<char, readSize> buffer;
    for (;;) {
        auto got = co_await channel->read(buffer, deadline, stop);
        if (!got) co_return got.error();
        if (*got == 0) answer.end();
        std::string_view fresh(buffer.data(), *got);
        while (!fresh.empty() && answer.phase() == HttpParser::Phase::head) fresh.remove_prefix(answer.feed(fresh).used);
        if (answer.phase() == HttpParser::Phase::malformed)
            co_return Error{Reaction::reconnect, Code::channelProxyProtocol,
                            "it does not answer as an HTTP proxy does: " + std::string(answer.why())};
        if (answer.phase() == HttpParser::Phase::head) continue;
        if (auto failure = connectFailure(answer, user)) co_return std::move(*failure);
        co_return std::string(fresh);
    }
}

}  // namespace auth
