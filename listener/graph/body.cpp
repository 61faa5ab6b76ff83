#include "listener/graph/body.h"

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t pieceSize = 64 * 1024;   // each write to a file is a trip to the worker pool
constexpr std::size_t firstPiece = 16 * 1024;  // nearly all messages have no second one
constexpr std::size_t progress = 16 * 1024;    // octets that count as one within a time-out: a trickle is silence
constexpr std::size_t restWorthReading = 256 * 1024;

/// Is the empty line there that ends it?
bool holdsHead(std::string_view beginning) {
    return beginning.starts_with("\r\n") || beginning.starts_with('\n') || beginning.find("\n\r\n") != std::string_view::npos ||
           beginning.find("\n\n") != std::string_view::npos;
}

/// Pieces of one body, each as full as it gets.
class Pieces {
public:
    Pieces(Session& session, std::size_t lane, std::stop_token stop)
        : session_(session), http_(session.lane(lane)), stop_(std::move(stop)), buffer_(firstPiece) {}

    /// "" = the body is whole.
    Task<Result<std::string_view>> next() {
        if (whole_) buffer_.resize(pieceSize);
        std::size_t filled = 0;
        while (filled < buffer_.size()) {
            if (sinceDue_ >= progress || !due_) due_ = session_.loop().clock().steady() + session_.settings().ioTimeout, sinceDue_ = 0;
            auto reading = http_.read(std::span(buffer_).subspan(filled), *due_, stop_);
            const auto got = co_await reading;
            if (!got) co_return got.error();
            if (*got == 0) break;
            filled += *got;
            sinceDue_ += *got;
        }
        whole_ = filled == buffer_.size();
        co_return std::string_view(buffer_.data(), filled);
    }

private:
    Session& session_;
    auth::HttpSession& http_;
    std::stop_token stop_;
    std::vector<char> buffer_;
    std::optional<plugin::Deadline> due_{};
    std::size_t sinceDue_ = 0;
    bool whole_ = false;  ///< the last piece filled the buffer
};

/// `builder` outlives the call.
Task<Result<void>> append(Session& session, ContentBuilder& builder, std::string_view piece) {
    if (!builder.spills(piece.size())) co_return builder.append(piece);
    auto writing = plugin::offload(session.loop(), [&builder, piece] { return builder.append(piece); });
    co_return co_await writing;
}

Task<Result<ContentBuilder::Built>> finish(Session& session, ContentBuilder& builder) {
    if (!builder.finishBlocks()) co_return builder.finish();
    auto finishing = plugin::offload(session.loop(), [&builder] { return builder.finish(); });
    co_return co_await finishing;
}

}  // namespace

Task<Result<Body>> takeBody(Session& session, std::size_t lane, Session::Begun begun, std::optional<std::uint64_t> limit, plugin::Directory& staging,
                            std::stop_token stop) {
    if (!begun.delimited)
        co_return Error{Reaction::reconnect, Code::messageTruncated, session.peer() + ": a message came without a word of where it ends"};
    ContentBuilder builder{staging, begun.announced.value_or(0)};
    Body body;
    if (limit && begun.announced && *begun.announced > *limit) body.tooLarge = begun.announced;
    std::string beginning;  // where the whole is not kept
    Pieces pieces{session, lane, std::move(stop)};
    for (;;) {
        auto reading = pieces.next();
        const auto piece = co_await reading;
        if (!piece) co_return piece.error();
        body.size += piece->size();
        if (limit) beginning.append(piece->substr(0, headLimit - beginning.size()));
        if (limit && body.size > *limit && !body.tooLarge) body.tooLarge = body.size;
        if (body.tooLarge) {
            if (!begun.announced) body.tooLarge = body.size;
            if (!piece->empty() && beginning.size() < headLimit && !holdsHead(beginning)) continue;
            session.lane(lane).close();
            body.built.head = readHead(beginning);
            co_return std::move(body);
        }
        if (piece->empty()) break;
        auto appending = append(session, builder, *piece);
        const auto appended = co_await appending;
        if (!appended) co_return appended.error();
    }
    auto finishing = finish(session, builder);
    auto built = co_await finishing;
    if (!built) co_return built.error();
    body.built = std::move(*built);
    co_return std::move(body);
}

Task<Result<Head>> takeHead(Session& session, std::size_t lane, std::stop_token stop) {
    std::string beginning;
    Pieces pieces{session, lane, std::move(stop)};
    for (std::size_t seen = 0; seen < restWorthReading;) {
        auto reading = pieces.next();
        const auto piece = co_await reading;
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return readHead(beginning);
        seen += piece->size();
        if (!holdsHead(beginning)) beginning.append(piece->substr(0, headLimit - beginning.size()));
    }
    session.lane(lane).close();
    co_return readHead(beginning);
}

}  // namespace listener::graph
