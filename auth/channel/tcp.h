#pragma once

#include "auth/channel/transport.h"
#include "plugin/contract/loop.h"

#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>

#include <memory>
#include <string>

namespace auth {

/// A non-blocking TCP socket and its readiness.
class TcpTransport final : public Transport {
public:
    /// `name` is host and port, for errors.
    TcpTransport(Poco::Net::StreamSocket socket, std::unique_ptr<plugin::Descriptor> ready, std::string name);

    Moved tryRead(std::span<char> into) override;
    Moved tryWrite(std::string_view bytes) override;
    Moved tryFlush() override { return {State::moved}; }
    plugin::Error failure() const override;

    /// What to wait for after a want.
    plugin::Event& event(State want) { return want == State::wantWrite ? ready_->writable : ready_->readable; }

    /// Another name from here on: behind a proxy the other side is not the one that was connected to.
    void rename(std::string name) { name_ = std::move(name); }

private:
    Moved missed(plugin::Event& event, State want);

    Poco::Net::StreamSocket socket_;  // closed after its Descriptor
    std::unique_ptr<plugin::Descriptor> ready_;
    std::string name_;
    int error_ = 0;      // of the last try that failed
    int readError_ = 0;  // the kernel tells it once, and "ended" from then on
};

/// Connects to one address. The socket is probed while it is silent, so that a line that has died is noticed: the next read answers
/// channelTimeout. Errors reconnect: channelRefused, channelUnreachable, channelTimeout; retryLater channelStopped.
plugin::Task<plugin::Result<std::unique_ptr<TcpTransport>>> connectTcp(Poco::Net::SocketAddress address, std::string name, plugin::Deadline deadline,
                                                                       std::stop_token stop);

/// "mail.example.org:993", "[::1]:993"
std::string hostAndPort(std::string_view host, std::uint16_t port);

plugin::Error timedOut(std::string what);
plugin::Error givenUp(const std::string& name);

}  // namespace auth
