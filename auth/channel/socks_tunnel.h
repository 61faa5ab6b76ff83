#pragma once

#include "auth/channel/channel.h"
#include "auth/secret.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace auth {

/// Octets of a user, a password and a host name: one octet tells the length (RFC 1928 section 5, RFC 1929 section 2), and servers of version 4 keep
/// no more either.
constexpr std::size_t maxSocksText = 255;

/// The client's side of a SOCKS conversation that ends in a tunnel. Pure: no socket, no clock.
/// 4: CONNECT with the target's name (SOCKS 4A; "SOCKS: A protocol for TCP proxy across firewalls" and its extension, both without an RFC).
/// 5: RFC 1928 CONNECT; without sign-in or, where we have a user, with name and password (RFC 1929). Names go as names, addresses as addresses.
/// What a proxy says is at most 262 octets long, and not one past its last word is taken: they are the other side's.
class SocksTalk {
public:
    enum class Version { four, five };
    /// speaking ◄──► listening ──► open        any but open ──► failed
    enum class Phase {
        speaking,   ///< say() is due
        listening,  ///< feed() is due
        open,       ///< the tunnel is there
        failed,     ///< failure() tells
    };

    /// What the proxy is told. `user` may be empty: nobody; `password` is for version 5 and may be null otherwise.
    /// Errors askOperator, before a word is said: configBadValue (a name or password past 255 octets, or no password; NUL in a name for version 4),
    /// channelProxyProtocol (version 4 has no room for an IPv6 address or for a host name past 255 octets).
    static plugin::Result<SocksTalk> begin(Version version, std::string_view host, std::uint16_t port, std::string_view user, const Secret* password);

    /// What is to be sent now.
    Secret say();
    /// Takes what belongs to the answer that is awaited; how many octets that were.
    std::size_t feed(std::string_view input);
    /// The stream has ended where an answer was due.
    void end();

    Phase phase() const noexcept { return phase_; }
    /// What the proxy's answer means:
    /// askOperator: channelProxyRefused (who we are), channelProxyForbidden (its rules), channelProxyProtocol (it does not know CONNECT or such
    /// addresses). reconnect: channelProxyFailed (it cannot reach the other side, or does not say why), channelProxyProtocol (no SOCKS, or cut).
    const plugin::Error& failure() const { return *failure_; }

private:
    enum class Expect { method, signIn, reply, reply4 };

    SocksTalk(Version version, bool signsIn) : version_(version), signsIn_(signsIn) {}
    void look();
    void method();
    void signedIn();
    void reply();
    void reply4();
    void speak(Secret& prepared, Expect then);
    void fail(plugin::Reaction reaction, plugin::Code code, std::string what);
    void foreign(std::string_view why);

    Version version_;
    bool signsIn_;
    Phase phase_ = Phase::speaking;
    Expect expect_ = Expect::method;
    Secret next_{}, signIn_{}, request_{};
    std::string answer_{};  // of the one that is awaited, as far as it has come
    std::optional<plugin::Error> failure_{};
};

/// Talks on a channel that is connected to the proxy until the tunnel is there. Answers what came after the proxy's last word, the first bytes
/// of the other side. The channel outlives the task. Errors: those of SocksTalk::failure; those of the channel.
plugin::Task<plugin::Result<std::string>> openSocksTunnel(Channel* channel, SocksTalk talk, plugin::Deadline deadline, std::stop_token stop);

}  // namespace auth
