// The HTTP answer parser: how the network cuts an answer changes nothing, no limit is passed, and what was malformed stays so.
#include "auth/channel/http_parser.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr auth::HttpLimits limits{.header = 512, .body = 1024};

struct Reading {
    auth::HttpParser parser;
    std::string body{};
    std::size_t used = 0;

    void take(std::string_view input) {
        while (!input.empty()) {
            const auto fed = parser.feed(input);
            if (fed.used > input.size() || fed.body.size() > fed.used) std::abort();
            if (fed.used == 0) return;
            body += fed.body;
            used += fed.used;
            input.remove_prefix(fed.used);
        }
    }
};

bool same(const auth::HttpHeaders& a, const auth::HttpHeaders& b) { return a.fields() == b.fields(); }

bool same(const Reading& a, const Reading& b) {
    // Of a body past the limit the pieces before the refusal depend on the cuts; nobody gets to see them.
    const bool refused = a.parser.phase() == auth::HttpParser::Phase::malformed;
    return a.parser.phase() == b.parser.phase() && a.parser.why() == b.parser.why() && a.parser.status() == b.parser.status() &&
           a.parser.reason() == b.parser.reason() && same(a.parser.headers(), b.parser.headers()) && a.parser.reusable() == b.parser.reusable() &&
           (refused || (a.body == b.body && a.used == b.used));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view wire{reinterpret_cast<const char*>(data), size};
    for (const auto to : {auth::HttpParser::To::ordinary, auth::HttpParser::To::head, auth::HttpParser::To::connect}) {
        Reading whole{auth::HttpParser(limits, to)};
        whole.take(wire);
        if (whole.body.size() > limits.body) std::abort();
        for (std::size_t cut = 0; cut <= size; ++cut) {
            Reading inTwo{auth::HttpParser(limits, to)};
            inTwo.take(wire.substr(0, cut));
            inTwo.take(wire.substr(cut));
            if (!same(whole, inTwo)) std::abort();
        }
        Reading single{auth::HttpParser(limits, to)};
        for (const char& byte : wire) single.take({&byte, 1});
        if (!same(whole, single)) std::abort();
        single.parser.end();
        whole.parser.end();
        if (!same(whole, single)) std::abort();
    }
    if (const auto url = auth::parseHttpUrl(wire))  // what we accept as a URL forges no line of a request
        if (url->host.empty() || url->port == 0 || (url->target + url->authority).find_first_of(" \r\n#") != std::string::npos) std::abort();
    return 0;
}
