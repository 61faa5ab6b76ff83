#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

namespace auth {

class SecretReader;

/// A connected byte stream, encrypted or not. Belongs to the loop it was dialled on; one reader and one writer at a time.
/// Errors: reconnect (closed, time-out, TLS), retryLater (stopped). After an error only the destructor is of use, but for a
/// read that timed out: it has taken nothing and may be repeated; and after a write that failed what had come before can still be read. Never
/// blocks.
class Channel {
public:
    virtual ~Channel() = default;
    /// Waits for the first bytes and takes what is there. 0 = the other side has ended the stream in order (TLS: with close_notify).
    virtual plugin::Task<plugin::Result<std::size_t>> read(std::span<char> into, plugin::Deadline deadline, std::stop_token stop) = 0;
    /// All of it, or an error. `bytes` must live until the answer.
    virtual plugin::Task<plugin::Result<void>> write(std::string_view bytes, plugin::Deadline deadline, std::stop_token stop) = 0;
    /// Once, on a channel dialled with Tls::starttls, when the other side is about to begin TLS: what it sent before and nobody has read is
    /// an error, not believed and not kept. Errors as Dialer::dial.
    virtual plugin::Task<plugin::Result<void>> startTls(plugin::Deadline, std::stop_token) {
        throw std::logic_error("this channel cannot begin TLS");
    }
    /// "TLSv1.3 TLS_AES_256_GCM_SHA384" or "plain".
    virtual std::string security() const = 0;
    /// Why it goes past the default proxy, as proxy.fallback_to_direct allows: what that failed with. "": it goes as configured.
    virtual std::string passedBy() const { return {}; }
};

/// Where to, and how much to trust it.
struct Target {
    enum class Tls {
        none,
        implicit,  ///< from the first byte
        starttls,  ///< dialled plain; Channel::startTls() once the protocol has asked for it
    };
    std::string host;  ///< name or IP address; also what the certificate must name, on loopback too
    std::uint16_t port = 0;
    Tls tls = Tls::implicit;
    std::string truststore{};  ///< alias; it replaces the system's roots. Empty: the system's
    std::string proxy{};       ///< alias; none: the default alias where there is one (rules: proxy.h). Not for hosts on its bypass list
    std::string keystore{};    ///< alias of the client certificate and its key; empty: none is shown
    std::string keyAlias{};    ///< which of the keystore; may be empty where it holds exactly one

    bool operator==(const Target&) const = default;
};

/// What came of dialling.
struct Dialled {
    plugin::Result<std::unique_ptr<Channel>> channel;
    std::string passedBy{};  ///< Channel::passedBy(), also of a way that failed
};

/// Thread-safe; the Channel belongs to the loop of the caller.
/// Errors name host and port and what to do: 2xxx; askOperator for certificates, truststores, keystores and names, else reconnect. A server that
/// wants a client certificate may say so only at the first read (TLS 1.3).
class Dialer {
public:
    virtual ~Dialer() = default;
    virtual plugin::Task<plugin::Result<std::unique_ptr<Channel>>> dial(Target target, plugin::Deadline deadline, std::stop_token stop) = 0;
    /// The same for whoever shows people the way that was tried.
    virtual plugin::Task<Dialled> dialTelling(Target target, plugin::Deadline deadline, std::stop_token stop) {
        auto dialling = dial(std::move(target), deadline, std::move(stop));
        auto channel = co_await dialling;
        auto passedBy = channel ? (*channel)->passedBy() : std::string{};
        co_return Dialled{std::move(channel), std::move(passedBy)};
    }
};

/// Names come from the system's resolver, trust from `truststore.<alias>.path` or the system's roots, client certificates from
/// `keystore.<alias>` (both files are looked at again at each dial), ways from `proxy.<alias>` (proxy.h); behind a proxy the target's name is looked
/// up there and not here. TLS 1.2 or newer; one session per host, port and pair of them is kept and resumed. `secrets` (passwords of proxies and
/// keystores) and `log` outlive the Dialer and the last job of the worker pool.
std::unique_ptr<Dialer> makeDialer(plugin::CurrentConfiguration configuration, SecretReader& secrets, plugin::Log& log);

}  // namespace auth
