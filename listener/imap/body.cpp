#include "listener/imap/body.h"

#include <algorithm>

namespace listener::imap {

using plugin::Code;
using plugin::Result;
using plugin::Task;

namespace {

/// Octets gathered before they are written to a file: each write is a trip to the worker pool.
constexpr std::size_t writeSize = Connection::bufferSize;

/// What is at hand of the `left` octets still to come.
std::string_view atHand(const Connection& wire, std::uint64_t left) {
    return wire.buffered().substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left, Connection::bufferSize)));
}

Task<Result<void>> fillWithin(Connection& wire, std::uint64_t left, std::stop_token stop) {
    auto filled = co_await wire.fill(stop);
    if (filled || filled.error().code != Code::channelClosed) co_return filled;
    auto error = filled.error();
    error.code = Code::messageTruncated;
    error.what += ", " + std::to_string(left) + " octets before the announced end of a message";
    co_return error;
}

}  // namespace

Task<Result<ContentBuilder::Built>> takeContent(Connection& wire, plugin::Directory& staging, std::stop_token stop) {
    auto left = wire.body().size;
    ContentBuilder builder{staging, left};
    while (left > 0) {
        const auto bytes = atHand(wire, left);
        const bool spills = !bytes.empty() && builder.spills(bytes.size());
        if (bytes.empty() || (spills && bytes.size() < std::min<std::uint64_t>(left, writeSize) && !wire.full())) {
            const auto filled = co_await fillWithin(wire, left, stop);
            if (!filled) co_return filled.error();
            continue;
        }
        Result<void> appended{};
        if (spills) {
            auto append = [&builder, bytes] { return builder.append(bytes); };
            appended = co_await plugin::offload(wire.loop(), append);
        } else {
            appended = builder.append(bytes);
        }
        if (!appended) co_return appended.error();
        wire.consume(bytes.size());
        left -= bytes.size();
    }
    if (builder.size() <= Content::memoryLimit) co_return builder.finish();
    auto finish = [&builder] { return builder.finish(); };
    co_return co_await plugin::offload(wire.loop(), finish);
}

Task<Result<Head>> takeHead(Connection& wire, std::stop_token stop) {
    std::string beginning;
    for (auto left = wire.body().size; left > 0;) {
        const auto bytes = atHand(wire, left);
        if (bytes.empty()) {
            const auto filled = co_await fillWithin(wire, left, stop);
            if (!filled) co_return filled.error();
            continue;
        }
        beginning.append(bytes.substr(0, headLimit - beginning.size()));
        wire.consume(bytes.size());
        left -= bytes.size();
    }
    co_return readHead(beginning);
}

}  // namespace listener::imap
