// The SOCKS conversation: what is asked says what was meant, how the network cuts the answers changes nothing, nothing behind the proxy's last word
// is taken, and a password goes to none but a proxy that chose to be told.
// Input: how (bit 0: version 4, bit 1: with a user), octets of the host, the host, then what the proxy says.
#include "auth/channel/socks_tunnel.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using auth::SocksTalk;
using Phase = SocksTalk::Phase;

constexpr std::uint16_t port = 0x1234;
constexpr std::string_view user = "user", word = "s3cret-passw0rd";
constexpr std::size_t longest = 2 + 2 + 262;  // method, sign-in and the reply with a name of 255 octets

struct Case {
    SocksTalk::Version version;
    bool known;
    std::string_view host;
};

struct Reading {
    SocksTalk talk;
    std::string said{};  // with what was taken between: its length
    std::string last{};
    std::size_t used = 0;

    void take(std::string_view input) {
        for (;;) {
            if (talk.phase() == Phase::speaking) {
                last = talk.say().reveal();
                said += std::to_string(used) + ":" + last;
            }
            if (input.empty()) return;
            const auto taken = talk.feed(input);
            if (taken > input.size()) std::abort();
            if (taken == 0) return;
            used += taken;
            input.remove_prefix(taken);
        }
    }
};

std::string failureOf(const SocksTalk& talk) { return talk.phase() == Phase::failed ? plugin::describe(talk.failure()) : std::string{}; }

bool same(const Reading& a, const Reading& b) {
    return a.talk.phase() == b.talk.phase() && a.used == b.used && a.said == b.said && failureOf(a.talk) == failureOf(b.talk);
}

/// The name in a request, as a proxy reads it; nothing where it is an address.
std::string nameIn(const std::string& request, bool four) {
    const std::string_view wire = request;
    if (four) {
        const auto end = wire.find('\0', 8);
        if (end == std::string_view::npos) std::abort();
        if (!wire.substr(4).starts_with(std::string_view("\0\0\0\1", 4))) return {};
        if (wire.back() != '\0' || wire.find('\0', end + 1) != wire.size() - 1) std::abort();
        return std::string(wire.substr(end + 1, wire.size() - end - 2));
    }
    if (wire.size() < 5) std::abort();
    if (wire[3] == 1 || wire[3] == 4) return {};
    if (wire.size() != 7U + static_cast<unsigned char>(wire[4])) std::abort();
    return std::string(wire.substr(5, wire.size() - 7));
}

void check(const Case& how, std::string_view wire) {
    const auth::Secret password(word);
    const auto begin = [&] { return SocksTalk::begin(how.version, how.host, port, how.known ? user : "", how.known ? &password : nullptr); };
    auto first = begin();
    if (!first || how.host.find(word) != std::string_view::npos) return;
    Reading whole{std::move(*first)};
    whole.take(wire);
    if (whole.used > std::min(longest, wire.size())) std::abort();
    const bool over = whole.talk.phase() == Phase::open || whole.talk.phase() == Phase::failed;
    if (over && whole.talk.feed("more") != 0) std::abort();
    const bool four = how.version == SocksTalk::Version::four;
    if (four || whole.talk.phase() == Phase::open)
        if (const auto name = nameIn(whole.last, four); !name.empty() && name != how.host) std::abort();
    const bool asked = !four && how.known && wire.size() > 1 && wire[0] == 5 && wire[1] == 2;
    if ((whole.said.find(word) != std::string::npos) != asked) std::abort();

    for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
        Reading inTwo{std::move(*begin())};
        inTwo.take(wire.substr(0, cut));
        inTwo.take(wire.substr(cut));
        if (!same(whole, inTwo)) std::abort();
    }
    Reading single{std::move(*begin())};
    single.take({});
    for (const char& byte : wire) single.take({&byte, 1});
    if (!same(whole, single)) std::abort();
    whole.talk.end();
    if (whole.talk.phase() != Phase::open && whole.talk.phase() != Phase::failed) std::abort();
    if (failureOf(whole.talk).find(word) != std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view input{reinterpret_cast<const char*>(data) + 2, size - 2};
    const auto host = input.substr(0, data[1]);
    check({(data[0] & 1) != 0 ? SocksTalk::Version::four : SocksTalk::Version::five, (data[0] & 2) != 0, host}, input.substr(host.size()));
    return 0;
}
