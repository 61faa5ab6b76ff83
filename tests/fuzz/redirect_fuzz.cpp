// What a browser, or whoever pretends to be one, may bring back: queries, request lines, pasted addresses; and what a device endpoint may answer.
#include "auth/login/account.h"
#include "auth/login/device_code.h"
#include "auth/login/loopback_listener.h"
#include "auth/login/redirect.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace auth::login;

void require(bool holds) {
    if (!holds) std::abort();
}

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// A query means the same when something that is not ours stands beside it, and nothing at all when one of ours stands there twice.
void query(std::string_view text) {
    const auto redirect = parseRedirect(text);
    if (text.size() + 8 > maxRedirect) return;
    const auto beside = parseRedirect("x=y&" + std::string(text));
    require(redirect.has_value() == beside.has_value());
    if (!redirect) return;
    require(redirect->code.reveal() == beside->code.reveal() && redirect->state == beside->state && redirect->error == beside->error);
    if (!redirect->state.empty()) require(!parseRedirect(std::string(text) + "&state=a"));
    require(answers(*redirect, redirect->state) == !redirect->state.empty());
    require(!answers(*redirect, redirect->state + "x"));
    const auto state = redirect->state;
    const auto code = codeOf(*parseRedirect(text), "");
    if (code)
        require(printable(code->reveal()) && !code->empty());
    else
        require(printable(plugin::describe(code.error())) && code.error().what.size() < 4096);
    require(!codeOf(*parseRedirect(text), "https://idp.example#nobody-is-called-so"));
}

void page(std::string_view text) {
    const auto html = htmlText(text);
    require(html.find_first_of("<>\"'") == std::string::npos && html.size() < 300 * 6 + 4);
    require(html.find('\0') == std::string::npos);
}

/// A URI that can be listened at is itself again with its port, and is asked for under its own path.
void uri(std::string_view text) {
    const auto parsed = parseLoopbackUri(text);
    if (!parsed) return;
    if (parsed->port != 0) {
        const auto again = parseLoopbackUri(parsed->withPort(parsed->port));
        require(again && again->port == parsed->port && again->path == parsed->path && again->query == parsed->query);
    }
    require(parsed->path.starts_with('/') && parsed->path.find('?') == std::string::npos);
    require(parseLoopbackUri(parsed->withPort(1)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    query(text);
    query(queryOf(text));
    page(text);
    uri(text.substr(0, text.find('\n')));
    uri("http://localhost" + std::string(text.substr(0, text.find('\n'))));
    if (const auto target = targetOfGet(text)) require(target->starts_with('/') && target->find(' ') == std::string_view::npos);
    if (const auto device = parseDeviceAuthorization(text)) {
        require(printable(device->deviceCode.reveal()) && printable(device->prompt.uri) && printable(device->prompt.code));
        require(device->interval.count() > 0 && device->life.count() > 0 && device->life <= longestDeviceLife);
    }
    if (const auto account = accountOf(text, text)) require(printable(account->name) && !account->names.empty());
    return 0;
}
