#pragma once

#include "auth/channel/channel.h"
#include "auth/secret_source.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

/// One proxy.<alias> of the configuration, typed. It is asked for a tunnel whatever goes through it.
struct Proxy {
    enum class Type {
        http,    ///< CONNECT (http_tunnel.h)
        https,   ///< the same inside TLS with the proxy
        socks4,  ///< with names (socks_tunnel.h)
        socks5,
    };
    std::string alias;
    Type type = Type::http;
    std::string host;  ///< looked up here; the target's name is the proxy's business
    std::uint16_t port = 0;
    std::string username{};    ///< "": we do not say who we are
    SecretSource password{};   ///< a source, not a value: read at each dial; of socks4 none
    std::string truststore{};  ///< alias, of https: whom its certificate must come from; "": the system's roots
    std::vector<std::string> bypass{};

    bool wantsPassword() const { return !username.empty() && type != Type::socks4; }
    /// "proxy corporate proxy.example.org:3128", "socks5 proxy corporate proxy.example.org:1080"
    std::string name() const;
};

/// How a target is reached.
struct Way {
    std::shared_ptr<const Proxy> proxy{};  ///< null: directly
    bool mayGoDirect = false;              ///< where the proxy fails: it is the default one, and proxy.fallback_to_direct = true
};

/// The rules, and all of them:
/// - A named alias is used, or its failure is the answer; one that is disabled is an error.
/// - Without a name the alias with `default = true` is used, if it is enabled; where it fails, proxy.fallback_to_direct decides.
/// - A target on the alias' bypass list is reached directly, named or not. Nothing else is: localhost goes through a proxy like any other.
/// - An alias that is neither named nor default is never used.
/// Errors askOperator: channelProxyDisabled; configUnknownReference; configBadValue (its type); configSecretSource (its password's source is none).
/// Pure.
plugin::Result<Way> wayTo(const plugin::Configuration& configuration, const Target& target);

/// True where an entry of a bypass list means this target: `*` stands for any run of characters, case does not count, and the entry is
/// compared with the host and with host:port (of an IPv6 address with and without brackets).
bool bypasses(std::string_view entry, std::string_view host, std::uint16_t port);

/// The keys of proxies, and what only their combination shows.
void addProxyKeys(std::vector<plugin::Key>& all);
void checkProxies(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

}  // namespace auth
