#pragma once

#include "auth/channel/channel.h"
#include "auth/channel/tcp.h"
#include "auth/channel/tls_transport.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// The Channel of real connections: tries the topmost Transport, waits for the one socket. Begins without TLS.
class StreamChannel final : public Channel {
public:
    /// `name` is host and port of the other side, for errors.
    StreamChannel(std::unique_ptr<TcpTransport> tcp, std::string name);
    ~StreamChannel() override;

    plugin::Task<plugin::Result<std::size_t>> read(std::span<char> into, plugin::Deadline deadline, std::stop_token stop) override;
    plugin::Task<plugin::Result<void>> write(std::string_view bytes, plugin::Deadline deadline, std::stop_token stop) override;
    plugin::Task<plugin::Result<void>> startTls(plugin::Deadline deadline, std::stop_token stop) override;
    std::string security() const override;
    std::string passedBy() const override { return passedBy_ ? *passedBy_ : std::string{}; }

    /// With whom beginTls() or startTls() is to agree on TLS: the certificate must name `host`.
    void intendTls(std::shared_ptr<TlsContext> context, std::string host);
    /// The handshake, as a further layer above what is there: TLS inside the TLS of a proxy is TLS twice.
    plugin::Task<plugin::Result<void>> beginTls(plugin::Deadline deadline, std::stop_token stop);
    bool resumed() const { return encrypted() && tls_.back()->resumed(); }

    /// A tunnel has been dug: from here on the other side is somebody else, and these bytes are the first of what it said. TLS so far was with the
    /// proxy: to the other side the channel is plain.
    void continueAs(std::string name, std::string_view first);
    /// A proxy was not used, and why.
    void passBy(std::string why) { passedBy_ = std::make_unique<std::string>(std::move(why)); }

private:
    struct Intent {
        std::shared_ptr<TlsContext> context;
        std::string host;
    };
    Transport& top() { return tls_.empty() ? static_cast<Transport&>(*tcp_) : *tls_.back(); }
    bool encrypted() const { return tls_.size() > tlsOfWay_; }
    plugin::Task<plugin::Result<void>> shakeHands(plugin::Deadline deadline, std::stop_token stop);

    std::unique_ptr<TcpTransport> tcp_;
    std::vector<std::unique_ptr<TlsTransport>> tls_{};  // each above the one before
    std::size_t tlsOfWay_ = 0;                          // of those, the lowest: with proxies
    std::unique_ptr<Intent> intent_{};
    std::string name_;
    std::unique_ptr<std::string> passedBy_{};  // rare
    std::size_t movedSinceWait_ = 0;
};

}  // namespace auth
