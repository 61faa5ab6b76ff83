#include "listener/imap/connection.h"

#include "auth/secret.h"
#include "listener/imap/parser.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <cstring>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

Connection::Connection(std::unique_ptr<auth::Channel> channel, plugin::Loop& loop, std::string peer, std::chrono::milliseconds ioTimeout)
    : channel_(std::move(channel)), loop_(loop), peer_(std::move(peer)), ioTimeout_(ioTimeout) {}

Error Connection::over() const { return {Reaction::reconnect, Code::channelClosed, peer_ + ": this session is over"}; }

Error Connection::protocolError(std::string_view why, Code code) {
    broken_ = true;
    // the beginning of the response names the culprit; a FETCH may carry a piece of mail, so no more than its first words
    const auto text = framer_.text();
    std::string beginning = auth::repeatsPartOf(secret_, text.substr(0, 100)) ? "" : ": " + plugin::printable(text.substr(0, 24));
    return {Reaction::reconnect, code, peer_ + ": " + std::string{why} + beginning};
}

Result<Connection::Next> Connection::advance() {
    if (broken_) return over();
    auto input = buffered();
    const auto step = framer_.step(input);
    begin_ = end_ - input.size();
    if (const auto* malformed = std::get_if<Framer::Malformed>(&step))
        return protocolError(malformed->why, malformed->tooLarge ? Code::mailboxTooLarge : Code::mailboxProtocol);
    if (const auto* body = std::get_if<Framer::Body>(&step)) {
        body_ = *body;
        return Next::body;
    }
    if (std::holds_alternative<Framer::NeedMore>(step)) return Next::needMore;
    auto parsed = parseResponse(framer_.text(), framer_.bodyAt());
    if (const auto* unreadable = std::get_if<Unreadable>(&parsed)) return protocolError(unreadable->why, Code::mailboxProtocol);
    response_ = std::get<Response>(std::move(parsed));
    due_.reset();
    if (++responses_ > responseLimit) return protocolError("the answer to a command does not come to an end", Code::mailboxTooLarge);
    return Next::response;
}

Task<Result<void>> Connection::fill(std::stop_token stop) {
    if (broken_) co_return over();
    makeRoom(bufferSize);
    const std::span<char> free{buffer_.get() + end_, size_ - end_};
    if (!due_) {
        due_ = loop_.clock().steady() + ioTimeout_;
        sinceDue_ = 0;
    }
    const auto got = co_await channel_->read(free, std::min(*due_, atLatest_.value_or(*due_)), stop);
    if (!got) {
        broken_ = true;
        co_return got.error();
    }
    if (*got == 0) co_return serverClosed();
    end_ += *got;
    sinceDue_ += *got;
    if (sinceDue_ >= progress) due_.reset();
    co_return Result<void>{};
}

Task<Result<bool>> Connection::listen(plugin::Deadline until, std::stop_token stop) {
    if (broken_) co_return over();
    if (!quiet()) throw std::logic_error("nothing is waited for while there is something to read");
    rest();
    makeRoom(restingSize);
    due_.reset();
    const std::span<char> free{buffer_.get(), size_};
    const auto got = co_await channel_->read(free, until, stop);
    if (!got) {
        // A read that ran out of time or was stopped has taken nothing (channel.h). TCP has a time-out of its own, which is the end.
        const bool ours = (got.error().code == Code::channelTimeout && loop_.clock().steady() >= until) ||
                          (got.error().code == Code::channelStopped && stop.stop_requested());
        if (ours) co_return false;
        broken_ = true;
        co_return got.error();
    }
    if (*got == 0) co_return serverClosed();
    end_ = *got;
    co_return true;
}

Task<Result<Response>> Connection::next(std::stop_token stop) {
    for (;;) {
        const auto next = advance();
        if (!next) co_return next.error();
        if (*next == Next::response) co_return std::move(response_);
        if (*next == Next::body) throw std::logic_error("a message body apart from its response, and nobody to take it");
        const auto filled = co_await fill(stop);
        if (!filled) co_return filled.error();
    }
}

Task<Result<void>> Connection::write(std::string_view bytes, std::stop_token stop) {
    if (broken_) co_return over();
    responses_ = 0;
    auto written = co_await channel_->write(bytes, loop_.clock().steady() + ioTimeout_, stop);
    if (!written) broken_ = true;
    co_return written;
}

Task<Result<void>> Connection::startTls(std::stop_token stop) {
    if (broken_) co_return over();
    if (!quiet()) {
        broken_ = true;
        co_return Error{Reaction::reconnect, Code::mailboxProtocol, peer_ + ": octets came between the agreement on TLS and its beginning"};
    }
    auto begun = co_await channel_->startTls(loop_.clock().steady() + ioTimeout_, stop);
    if (!begun) broken_ = true;
    co_return begun;
}

/// A buffer of that size, with what is unread at its beginning.
void Connection::makeRoom(std::size_t size) {
    const auto unread = end_ - begin_;
    if (size_ < size || (size_ > size && unread == 0)) {
        std::unique_ptr<char[]> other{new char[size]};
        if (unread > 0) std::memcpy(other.get(), buffer_.get() + begin_, unread);
        buffer_ = std::move(other);
        size_ = size;
    } else if (begin_ > 0 && unread > 0) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, unread);
    }
    begin_ = 0;
    end_ = unread;
}

Error Connection::serverClosed() {
    broken_ = true;
    return {Reaction::reconnect, Code::channelClosed, peer_ + ": the server closed the connection"};
}

void Connection::rest() {
    if (begin_ == end_) buffer_.reset(), size_ = begin_ = end_ = 0;
    framer_.rest();
    response_ = Response{Other{}};
}

}  // namespace listener::imap
