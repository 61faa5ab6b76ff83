#pragma once

#include "auth/channel/channel.h"
#include "listener/imap/framer.h"
#include "listener/imap/response.h"
#include "plugin/contract/loop.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace listener::imap {

/// The wire of one session: a channel, its read buffer, and the responses in it. Belongs to one loop.
/// Any Error, and giveUp(), ends it: `broken()`, and every later call answers reconnect.
class Connection {
public:
    /// A few TLS records: with read-ahead more brings nothing.
    static constexpr std::size_t bufferSize = 64 * 1024;
    /// While nothing is expected: a line or two. Thousands of sessions wait at once.
    static constexpr std::size_t restingSize = 512;

    /// peer       "host:port", for errors
    /// ioTimeout  without a whole response or `progress` octets, and for a write; so a trickle of single octets is silence too
    Connection(std::unique_ptr<auth::Channel> channel, plugin::Loop& loop, std::string peer, std::chrono::milliseconds ioTimeout);

    static constexpr std::size_t progress = 16 * 1024;
    /// Responses to one command: a whole folder's flags may change meanwhile, but a server that never comes to an end is ended.
    static constexpr std::size_t responseLimit = 1'000'000;

    enum class Next { needMore, body, response };
    /// What the octets at hand hold; never waits. needMore: fill(). body: take body().size octets from buffered(). response: response().
    /// Errors: reconnect mailboxProtocol, mailboxTooLarge.
    plugin::Result<Next> advance();
    Response& response() { return response_; }
    Framer::Body body() const { return body_; }
    void bodies(Framer::Bodies bodies) { framer_.bodies(bodies); }

    std::string_view buffered() const { return {buffer_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t octets) { begin_ += octets; }
    bool full() const { return end_ - begin_ == bufferSize; }
    /// Waits for at least one octet more. Errors: as Channel::read; the end of the stream is reconnect channelClosed.
    plugin::Task<plugin::Result<void>> fill(std::stop_token stop);
    /// Between two responses, where nothing is owed: true when octets came; false at `until` or when `stop` is asked. Then nothing is lost, and the
    /// session goes on. Errors: as fill().
    plugin::Task<plugin::Result<bool>> listen(plugin::Deadline until, std::stop_token stop);
    /// Nothing is half read.
    bool quiet() const { return begin_ == end_ && framer_.idle(); }
    /// Until then everything has to have come, whatever progress there is; none: no such limit.
    void limit(std::optional<plugin::Deadline> atLatest) { atLatest_ = atLatest; }
    /// The next response as a whole. Message bodies, if any, must stay `inside`.
    plugin::Task<plugin::Result<Response>> next(std::stop_token stop);
    /// `bytes` outlive the call.
    plugin::Task<plugin::Result<void>> write(std::string_view bytes, std::stop_token stop);

    /// Begins TLS, once the server has agreed to it. Octets that came before are an error: somebody on the way may have put them there, and they
    /// would be taken for what the server says under TLS. Errors: reconnect mailboxProtocol; those of Dialer::dial.
    plugin::Task<plugin::Result<void>> startTls(std::stop_token stop);
    /// Between two calls: gives memory back, so that a session that waits costs little.
    void rest();
    void giveUp() { broken_ = true; }
    bool broken() const { return broken_; }
    plugin::Error over() const;
    /// What must not stand in an error. It outlives this.
    void conceal(std::string_view secret) { secret_ = secret; }
    void timeout(std::chrono::milliseconds ioTimeout) { ioTimeout_ = ioTimeout; }

    const std::string& peer() const { return peer_; }
    plugin::Loop& loop() { return loop_; }
    const auth::Channel& channel() const { return *channel_; }

private:
    plugin::Error protocolError(std::string_view why, plugin::Code code);
    void makeRoom(std::size_t size);
    plugin::Error serverClosed();

    std::unique_ptr<auth::Channel> channel_;
    plugin::Loop& loop_;
    std::string peer_;
    std::chrono::milliseconds ioTimeout_;
    Framer framer_{};
    Response response_{Other{}};
    Framer::Body body_{};
    std::unique_ptr<char[]> buffer_{};
    std::size_t size_ = 0;  ///< of buffer_
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::optional<plugin::Deadline> due_{};  ///< until when something whole has to have come; none: nothing is waited for
    std::size_t sinceDue_ = 0;
    std::optional<plugin::Deadline> atLatest_{};
    std::size_t responses_ = 0;  ///< since the last write
    std::string_view secret_{};
    bool broken_ = false;
};

}  // namespace listener::imap
