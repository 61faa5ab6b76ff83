#include "auth/channel/socks_tunnel.h"

#include <arpa/inet.h>

#include <array>
#include <utility>

namespace auth {

namespace {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

constexpr char noSignIn = 0x00, byPassword = 0x02, noneOfThem = '\xff';
constexpr char toConnect = 0x01;
constexpr char address4 = 0x01, name = 0x03, address6 = 0x04;

unsigned octet(char c) { return static_cast<unsigned char>(c); }

template <std::size_t size>
std::optional<std::string> addressOf(int family, std::string_view host) {
    std::array<char, size> octets{};
    if (::inet_pton(family, std::string(host).c_str(), octets.data()) != 1) return std::nullopt;
    return std::string(octets.begin(), octets.end());
}

std::string portOf(std::uint16_t port) { return {static_cast<char>(port >> 8), static_cast<char>(port & 0xff)}; }

/// "a name and its length" of version 5
std::string counted(std::string_view text) { return static_cast<char>(text.size()) + std::string(text); }

Secret request5(std::string_view host, std::uint16_t port) {
    std::string wire{5, toConnect, 0};
    if (const auto four = addressOf<4>(AF_INET, host))
        wire += address4 + *four;
    else if (const auto six = addressOf<16>(AF_INET6, host))
        wire += address6 + *six;
    else
        wire += name + counted(host);
    return Secret(wire + portOf(port));
}

/// An address of 0.0.0.x announces a name behind the user's (SOCKS 4A); such an address itself is nowhere, and goes as a name.
Secret request4(std::string_view host, std::uint16_t port, std::string_view user) {
    const auto four = addressOf<4>(AF_INET, host);
    const bool asName = !four || four->starts_with(std::string_view("\0\0\0", 3));
    auto wire = std::string{4, toConnect} + portOf(port) + (asName ? std::string{0, 0, 0, 1} : *four);
    wire.append(user).push_back('\0');
    if (asName) wire.append(host).push_back('\0');
    return Secret(wire);
}

Secret signIn(std::string_view user, const Secret& password) {
    const auto secret = password.reveal();
    SecretBuilder wire(3 + user.size() + secret.size());
    return wire.add('\1').add(counted(user)).add(static_cast<char>(secret.size())).add(secret).finish();
}

std::optional<Error> impossible(SocksTalk::Version version, std::string_view host, std::string_view user, const Secret* password) {
    const bool four = version == SocksTalk::Version::four;
    const auto error = [](Code code, const char* what) { return Error{Reaction::askOperator, code, what}; };
    if (user.size() > maxSocksText) return error(Code::configBadValue, "its .username is longer than the 255 octets SOCKS has room for");
    if (four && user.find('\0') != std::string_view::npos)
        return error(Code::configBadValue, "its .username has a NUL in it, which ends it in SOCKS 4");
    if (!four && !user.empty()) {
        const auto length = password == nullptr ? 0 : password->reveal().size();
        if (length == 0) return error(Code::configBadValue, "SOCKS 5 knows no user without a password, and its .password is empty");
        if (length > maxSocksText) return error(Code::configBadValue, "its .password is longer than the 255 octets SOCKS 5 has room for");
    }
    if (host.empty() || host.size() > maxSocksText || host.find('\0') != std::string_view::npos)
        return error(Code::channelProxyProtocol, "SOCKS has no room for that host name");
    if (four && addressOf<16>(AF_INET6, host)) return error(Code::channelProxyProtocol, "SOCKS 4 cannot be asked for an IPv6 address; 5 can");
    return std::nullopt;
}

/// Who it may be that begins like that.
std::string_view whoBegins(char first) {
    switch (octet(first)) {
        case 0x00:
        case 0x04:
            return "; it may speak SOCKS 4";
        case 0x05:
            return "; it may speak SOCKS 5";
        case 0x15:  // an alert
            return "; it may want TLS";
        case 'H':
            return "; it may be an HTTP proxy";
        default:
            return "";
    }
}

struct Meaning {
    Reaction reaction;
    Code code;
    const char* what;
};

/// RFC 1928 section 6.
Meaning meaningOf(unsigned reply) {
    switch (reply) {
        case 1:
            return {Reaction::reconnect, Code::channelProxyFailed, "it has failed and does not say why (general failure)"};
        case 2:
            return {Reaction::askOperator, Code::channelProxyForbidden, "its rules do not let us"};
        case 3:
            return {Reaction::reconnect, Code::channelProxyFailed, "it has no way there (network unreachable)"};
        case 4:
            return {Reaction::reconnect, Code::channelProxyFailed, "it does not find that host, or no way to it (host unreachable)"};
        case 5:
            return {Reaction::reconnect, Code::channelProxyFailed, "nothing listens there (connection refused)"};
        case 6:
            return {Reaction::reconnect, Code::channelProxyFailed, "it got no answer from there in time (TTL expired)"};
        case 7:
            return {Reaction::askOperator, Code::channelProxyProtocol, "it does not understand CONNECT (command not supported)"};
        case 8:
            return {Reaction::askOperator, Code::channelProxyProtocol, "it has no way to that kind of address or name (address type not supported)"};
        default:
            return {Reaction::reconnect, Code::channelProxyFailed, "it has failed with a reply no RFC knows"};
    }
}

Meaning meaningOf4(unsigned reply) {
    switch (reply) {
        case 91:
            return {Reaction::reconnect, Code::channelProxyFailed, "it does not let us or cannot get there: SOCKS 4 does not say which"};
        case 92:
            return {Reaction::askOperator, Code::channelProxyRefused, "it wants to hear from an identd on this machine who we are, and reaches none"};
        case 93:
            return {Reaction::askOperator, Code::channelProxyRefused, "the identd on this machine calls us by another name than .username"};
        default:
            return {Reaction::reconnect, Code::channelProxyFailed, "it has failed with a reply SOCKS 4 does not know"};
    }
}

}  // namespace

Result<SocksTalk> SocksTalk::begin(Version version, std::string_view host, std::uint16_t port, std::string_view user, const Secret* password) {
    if (auto error = impossible(version, host, user, password)) return std::move(*error);
    SocksTalk talk(version, !user.empty());
    if (version == Version::four) {
        talk.expect_ = Expect::reply4;
        talk.next_ = request4(host, port, user);
        return talk;
    }
    // Ours first: some proxies take the first they know.
    talk.next_ = Secret(user.empty() ? std::string{5, 1, noSignIn} : std::string{5, 2, byPassword, noSignIn});
    if (!user.empty()) talk.signIn_ = signIn(user, *password);
    talk.request_ = request5(host, port);
    return talk;
}

Secret SocksTalk::say() {
    if (phase_ != Phase::speaking) throw std::logic_error("nothing is to be said to the proxy");
    phase_ = Phase::listening;
    answer_.clear();
    return std::exchange(next_, Secret{});
}

std::size_t SocksTalk::feed(std::string_view input) {
    std::size_t used = 0;
    while (phase_ == Phase::listening && used < input.size()) {
        answer_.push_back(input[used++]);
        look();
    }
    return used;
}

void SocksTalk::end() {
    if (phase_ == Phase::open || phase_ == Phase::failed) return;
    if (!answer_.empty()) return foreign(": the stream ended within its answer");
    const bool told = expect_ == Expect::signIn;
    fail(Reaction::reconnect, Code::channelProxyProtocol,
         told ? "it closed the connection when it heard user and password" : "it closed the connection instead of answering as a SOCKS proxy does");
}

void SocksTalk::look() {
    switch (expect_) {
        case Expect::method:
            return method();
        case Expect::signIn:
            return signedIn();
        case Expect::reply:
            return reply();
        case Expect::reply4:
            return reply4();
    }
}

/// version, method (RFC 1928 section 3)
void SocksTalk::method() {
    if (answer_[0] != 5) return foreign(whoBegins(answer_[0]));
    if (answer_.size() < 2) return;
    const char chosen = answer_[1];
    if (chosen == noSignIn) return speak(request_, Expect::reply);
    if (chosen == byPassword && signsIn_) return speak(signIn_, Expect::signIn);
    if (chosen == noneOfThem)
        return fail(Reaction::askOperator, Code::channelProxyRefused,
                    signsIn_ ? "it takes no sign-in by user and password" : "it wants a user and a password, or another sign-in");
    foreign(": it chose a sign-in that was not offered");
}

/// version, status (RFC 1929 section 2). The version is not looked at: some say 5 there, and nothing depends on it.
void SocksTalk::signedIn() {
    if (answer_.size() < 2) return;
    if (answer_[1] == 0) return speak(request_, Expect::reply);
    fail(Reaction::askOperator, Code::channelProxyRefused, "it refused the user and the password (status " + std::to_string(octet(answer_[1])) + ")");
}

/// version, reply, reserved, kind of address, address, port (RFC 1928 section 6). Where it says no, nobody waits for the rest: some send none.
void SocksTalk::reply() {
    constexpr std::size_t head = 4, port = 2;
    const auto size = answer_.size();
    if (answer_[0] != 5) return foreign(whoBegins(answer_[0]));
    if (size < 2) return;
    if (const auto code = octet(answer_[1]); code != 0) {
        const auto meaning = meaningOf(code);
        return fail(meaning.reaction, meaning.code, meaning.what + (" (reply " + std::to_string(code) + ")"));
    }
    if (size < head) return;
    std::size_t address = 0;
    switch (answer_[3]) {
        case address4:
            address = 4;
            break;
        case address6:
            address = 16;
            break;
        case name:
            if (size == head) return;
            address = 1 + octet(answer_[4]);
            break;
        default:
            return foreign(": it names an address of an unknown kind");
    }
    if (size == head + address + port) phase_ = Phase::open;
}

/// null, reply, port, address
void SocksTalk::reply4() {
    constexpr std::size_t whole = 8;
    constexpr unsigned granted = 90;
    if (answer_[0] != 0) return foreign(whoBegins(answer_[0]));
    if (answer_.size() < 2) return;
    if (const auto code = octet(answer_[1]); code != granted) {
        const auto meaning = meaningOf4(code);
        return fail(meaning.reaction, meaning.code, meaning.what + (" (reply " + std::to_string(code) + ")"));
    }
    if (answer_.size() == whole) phase_ = Phase::open;
}

void SocksTalk::speak(Secret& prepared, Expect then) {
    next_ = std::exchange(prepared, Secret{});
    expect_ = then;
    phase_ = Phase::speaking;
}

void SocksTalk::fail(Reaction reaction, Code code, std::string what) {
    failure_ = Error{reaction, code, std::move(what)};
    phase_ = Phase::failed;
}

void SocksTalk::foreign(std::string_view why) {
    const auto number = version_ == Version::four ? " 4" : " 5";
    fail(Reaction::reconnect, Code::channelProxyProtocol, std::string("it does not answer as a SOCKS") + number + " proxy does" + std::string(why));
}

Task<Result<std::string>> openSocksTunnel(Channel* channel, SocksTalk talk, Deadline deadline, std::stop_token stop) {
    std::array<char, 512> buffer;
    std::string_view fresh;
    for (;;) {
        if (talk.phase() == SocksTalk::Phase::failed) co_return talk.failure();
        if (talk.phase() == SocksTalk::Phase::open) co_return std::string(fresh);
        if (talk.phase() == SocksTalk::Phase::speaking) {
            const auto wire = talk.say();
            auto said = co_await channel->write(wire.reveal(), deadline, stop);
            if (!said) co_return said.error();
        }
        if (fresh.empty()) {
            auto got = co_await channel->read(buffer, deadline, stop);
            if (!got) co_return got.error();
            if (*got == 0) talk.end();
            fresh = std::string_view(buffer.data(), *got);
        }
        fresh.remove_prefix(talk.feed(fresh));
    }
}

}  // namespace auth
