#include "auth/channel/channel.h"
#include "auth/channel/http_tunnel.h"
#include "auth/channel/proxy.h"
#include "auth/channel/socks_tunnel.h"
#include "auth/channel/stream_channel.h"
#include "auth/channel/tcp.h"
#include "auth/channel/tls_context.h"
#include "auth/secret_source.h"

#include <netdb.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace auth {

namespace {

using plugin::Deadline;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

constexpr std::size_t maxHost = 253;  // RFC 1035 section 2.3.4, as text
// Without a deadline an address that swallows everything must not keep us from the next one.
constexpr auto patiencePerAddress = std::chrono::seconds(30);

using Addresses = std::vector<Poco::Net::SocketAddress>;

Result<Addresses> lookUp(const std::string& host, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) {
        const bool unknown = error == EAI_NONAME || error == EAI_NODATA || error == EAI_ADDRFAMILY;
        return plugin::Error{unknown ? Reaction::askOperator : Reaction::reconnect, plugin::Code::channelNameNotFound,
                             "the name " + plugin::printable(host) + " cannot be resolved: " + ::gai_strerror(error)};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
    Addresses addresses;
    for (const auto* one = found; one != nullptr; one = one->ai_next)
        if (one->ai_family == AF_INET || one->ai_family == AF_INET6) addresses.emplace_back(one->ai_addr, one->ai_addrlen);
    return addresses;
}

/// What a request line can carry as a host without saying something else.
bool isHostText(std::string_view host) {
    return std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view(".-_:").find(c) != std::string_view::npos;
    });
}

/// What can be looked up, and named by a certificate.
bool isPossible(const std::string& host) {
    return !host.empty() && host != "." && host.size() <= maxHost && plugin::printable(host, maxHost) == host;
}

plugin::Error noSuchHost(const std::string& host) {
    return {Reaction::askOperator, plugin::Code::channelNameNotFound, "no host can be called '" + plugin::printable(host) + "'"};
}

/// What has to be known before the first packet.
struct Prepared {
    Addresses addresses;                         // of the proxy, or of the target
    std::shared_ptr<TlsContext> context;         // null for Tls::none
    std::shared_ptr<TlsContext> contextOfProxy;  // null unless it is of type https
    std::shared_ptr<const ProxyUser> user;       // null: the proxy is told no password
};

/// What prepare() is to find out. Copied for lookups nobody waits for any more.
struct Plan {
    std::string host;  // to be connected to
    std::uint16_t port = 0;
    bool tls = false;
    TlsChoice choice{};
    std::shared_ptr<const Proxy> proxy{};

    bool tlsWithProxy() const { return proxy && proxy->type == Proxy::Type::https; }
    TlsChoice choiceOfProxy() const { return {proxy->truststore}; }
};

class SystemDialer final : public Dialer {
public:
    SystemDialer(plugin::CurrentConfiguration configuration, SecretReader& secrets, plugin::Log& log)
        : configuration_(configuration),
          contexts_(std::make_shared<TlsContexts>(std::move(configuration), secrets, log)),
          secrets_(secrets),
          log_(log) {}

    Task<Result<std::unique_ptr<Channel>>> dial(Target target, Deadline deadline, std::stop_token stop) override {
        auto dialling = dialTelling(std::move(target), deadline, std::move(stop));
        auto dialled = co_await dialling;
        co_return std::move(dialled.channel);
    }

    Task<Dialled> dialTelling(Target target, Deadline deadline, std::stop_token stop) override {
        const auto name = hostAndPort(target.host, target.port);
        if (!isPossible(target.host)) co_return Dialled{noSuchHost(target.host)};
        if (stop.stop_requested()) co_return Dialled{givenUp(name)};
        const auto configuration = configuration_.get();
        auto way = wayTo(*configuration, target);
        if (!way) co_return Dialled{way.error()};
        if (way->proxy && !isHostText(target.host)) co_return Dialled{noSuchHost(target.host)};
        if (way->proxy && !isPossible(way->proxy->host)) co_return Dialled{noSuchHost(way->proxy->host)};

        auto reached = co_await reach(target, *way, deadline, stop);
        if (!reached && way->mayGoDirect && isProxys(reached.error())) {
            auto why = reached.error().what;
            log_.warning("auth.channel", "the default proxy is passed by", {{"to", name}, {"error", plugin::describe(reached.error())}});
            way = Way{};
            reached = co_await reach(target, *way, deadline, stop);
            if (!reached) co_return Dialled{withoutProxy(reached.error(), why), why};
            (*reached)->passBy(std::move(why));
        }
        if (!reached) co_return Dialled{reached.error()};
        auto channel = std::move(*reached);
        const auto why = channel->passedBy();
        if (target.tls == Target::Tls::implicit) {
            auto agreed = co_await channel->beginTls(deadline, stop);
            if (!agreed) co_return Dialled{why.empty() ? agreed.error() : withoutProxy(agreed.error(), why), why};
        }
        if (log_.enabled(plugin::Level::debug))
            log_.debug("auth.channel", "connected",
                       {{"to", name},
                        {"proxy", way->proxy ? way->proxy->alias : "none"},
                        {"security", channel->security()},
                        {"resumed", channel->resumed() ? "yes" : "no"}});
        co_return Dialled{std::unique_ptr<Channel>(std::move(channel)), why};
    }

private:
    /// Going without the proxy could help.
    static bool isProxys(const plugin::Error& error) {
        using plugin::Code;
        return error.code != Code::channelStopped && error.code != Code::channelTruststore && error.code != Code::channelKeystore;
    }

    /// A channel whose other side is the target, as yet without TLS.
    Task<Result<std::unique_ptr<StreamChannel>>> reach(Target target, Way way, Deadline deadline, std::stop_token stop) {
        auto& loop = co_await plugin::thisLoop();
        const auto name = hostAndPort(target.host, target.port);
        const bool tls = target.tls != Target::Tls::none;
        Plan plan{target.host, target.port, tls, {target.truststore, target.keystore, target.keyAlias}, way.proxy};
        if (way.proxy) {
            plan.host = way.proxy->host;
            plan.port = way.proxy->port;
            if (way.mayGoDirect) deadline = half(loop.clock().steady(), deadline);
        }
        const auto first = hostAndPort(plan.host, plan.port);
        auto prepared = co_await prepare(plan, deadline, stop);
        if (!prepared) co_return through(way, name, prepared.error());
        std::optional<SocksTalk> talk;
        if (const auto version = socksOf(way)) {
            const auto* const password = prepared->user ? &prepared->user->password : nullptr;
            auto begun = SocksTalk::begin(*version, target.host, target.port, way.proxy->username, password);
            if (!begun) co_return through(way, name, begun.error());
            talk = std::move(*begun);
        }
        auto tcp = co_await connectAny(prepared->addresses, first, deadline, stop);
        if (!tcp) co_return through(way, name, tcp.error());
        auto channel = std::make_unique<StreamChannel>(std::move(*tcp), first);
        if (prepared->contextOfProxy) {
            channel->intendTls(std::move(prepared->contextOfProxy), plan.host);
            auto agreed = co_await channel->beginTls(deadline, stop);
            if (!agreed) co_return through(way, name, ofProxy(agreed.error()));
        }
        if (way.proxy) {
            auto digging = talk ? openSocksTunnel(channel.get(), std::move(*talk), deadline, stop)
                                : openTunnel(channel.get(), target.host, target.port, prepared->user.get(), deadline, stop);
            auto dug = co_await digging;
            if (!dug) co_return through(way, name, ofProxy(dug.error()));
            channel->continueAs(name + " through " + way.proxy->name(), *dug);
        }
        if (tls) channel->intendTls(std::move(prepared->context), target.host);
        co_return channel;
    }

    /// Of a direct connection that failed as well.
    static plugin::Error withoutProxy(plugin::Error error, const std::string& why) {
        if (isProxys(error)) error.what += " (directly, as proxy.fallback_to_direct allows; before, " + why + ")";
        return error;
    }

    static std::optional<SocksTalk::Version> socksOf(const Way& way) {
        if (way.proxy && way.proxy->type == Proxy::Type::socks4) return SocksTalk::Version::four;
        if (way.proxy && way.proxy->type == Proxy::Type::socks5) return SocksTalk::Version::five;
        return std::nullopt;
    }

    static Deadline half(plugin::Steady now, Deadline deadline) {
        if (deadline == Deadline::max()) return now + patiencePerAddress;
        return deadline <= now ? deadline : now + (deadline - now) / 2;
    }

    /// Of an error on the way to the proxy or at it: where we wanted to go, and through what.
    static plugin::Error through(const Way& way, const std::string& name, plugin::Error error) {
        if (way.proxy && isProxys(error)) error.what = name + " cannot be reached through " + way.proxy->name() + ": " + error.what;
        return error;
    }

    /// Of TLS with the proxy: the codes of TLS mean the other side, and what the operator does about them is something else.
    static plugin::Error ofProxy(plugin::Error error) {
        using plugin::Code;
        constexpr std::array ofTls{Code::channelTlsHandshake,       Code::channelCertificateUntrusted, Code::channelCertificateName,
                                   Code::channelCertificateExpired, Code::channelTruststore,           Code::channelNotTls};
        if (std::find(ofTls.begin(), ofTls.end(), error.code) != ofTls.end()) error.code = Code::channelProxyTls;
        return error;
    }

    /// A name lookup cannot be given up; at the deadline it is left to end by itself.
    Task<Result<Prepared>> prepare(Plan plan, Deadline deadline, std::stop_token stop) {
        Prepared known;
        if (auto numeric = lookUp(plan.host, plan.port, AI_NUMERICHOST); numeric) known.addresses = std::move(*numeric);
        if (plan.tls && plan.choice == TlsChoice{}) known.context = contexts_->systemIfLoaded();
        if (plan.tlsWithProxy() && plan.choiceOfProxy() == TlsChoice{}) known.contextOfProxy = contexts_->systemIfLoaded();
        const bool haveContexts = (!plan.tls || known.context) && (!plan.tlsWithProxy() || known.contextOfProxy);
        const bool signsIn = plan.proxy && plan.proxy->wantsPassword();
        if (!known.addresses.empty() && haveContexts && !signsIn) co_return known;

        auto& loop = co_await plugin::thisLoop();
        auto answer = std::make_shared<plugin::Shared<Result<Prepared>>>();
        loop.work([answer, known, plan, contexts = contexts_, &secrets = secrets_]() mutable {
            try {
                answer->set(finish(std::move(known), plan, *contexts, secrets));
            } catch (...) {  // handed on to the coroutine that waits
                answer->fail(std::current_exception());
            }
        });
        auto wait = answer->wait(deadline, stop);
        const auto woke = co_await wait;
        if (woke == Wake::timedOut) co_return timedOut("the name " + plan.host + " was not resolved in time");
        if (woke == Wake::stopped) co_return givenUp(hostAndPort(plan.host, plan.port));
        co_return answer->get();
    }

    static Result<Prepared> finish(Prepared known, const Plan& plan, TlsContexts& contexts, SecretReader& secrets) {
        if (plan.tls && !known.context) {
            auto context = contexts.get(plan.choice);
            if (!context) return context.error();
            known.context = std::move(*context);
        }
        if (plan.tlsWithProxy() && !known.contextOfProxy) {
            auto context = contexts.get(plan.choiceOfProxy());
            if (!context) return ofProxy(context.error());
            known.contextOfProxy = std::move(*context);
        }
        if (plan.proxy && plan.proxy->wantsPassword()) {
            auto password = readSecret(plan.proxy->password, secrets);
            if (!password) return password.error();
            known.user = std::make_shared<const ProxyUser>(ProxyUser::make(plan.proxy->username, std::move(*password)));
        }
        if (known.addresses.empty()) {
            auto found = lookUp(plan.host, plan.port, 0);
            if (!found) return found.error();
            known.addresses = std::move(*found);
        }
        return known;
    }

    /// One after the other; each gets its share of the time left. Of several errors the one that tells most is answered.
    Task<Result<std::unique_ptr<TcpTransport>>> connectAny(Addresses addresses, std::string name, Deadline deadline, std::stop_token stop) {
        auto& loop = co_await plugin::thisLoop();
        std::optional<plugin::Error> told;
        for (std::size_t i = 0; i < addresses.size(); ++i) {
            const auto now = loop.clock().steady();
            const auto left = static_cast<Deadline::rep>(addresses.size() - i);
            const auto share = left == 1 || deadline <= now  ? deadline
                               : deadline == Deadline::max() ? now + patiencePerAddress
                                                             : now + (deadline - now) / left;
            auto tcp = co_await connectTcp(addresses[i], name, share, stop);
            if (tcp || tcp.error().code == plugin::Code::channelStopped) co_return tcp;
            if (!told || tcp.error().code != plugin::Code::channelUnreachable) told = tcp.error();
        }
        if (!told) told = plugin::Error{Reaction::reconnect, plugin::Code::channelNameNotFound, name + " has no address we can use"};
        co_return *told;
    }

    const plugin::CurrentConfiguration configuration_;
    const std::shared_ptr<TlsContexts> contexts_;  // shared with lookups nobody waits for any more
    SecretReader& secrets_;
    plugin::Log& log_;
};

}  // namespace

std::unique_ptr<Dialer> makeDialer(plugin::CurrentConfiguration configuration, SecretReader& secrets, plugin::Log& log) {
    return std::make_unique<SystemDialer>(std::move(configuration), secrets, log);
}

}  // namespace auth
