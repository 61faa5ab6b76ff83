#include "listener/engine/batcher.h"

#include <algorithm>
#include <exception>

namespace listener {

using plugin::Error;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.engine";
constexpr std::chrono::seconds sinkPatience{60};  // what has no verdict by then is not delivered, and tried again

std::string describe(const std::exception_ptr& bug) {
    try {
        std::rethrow_exception(bug);
    } catch (const std::exception& error) {
        return error.what();
    } catch (...) {  // named for the log line that its caller writes
        return "an unknown exception";
    }
}

}  // namespace

Task<Result<void>> Batcher::take(Fetched fetched) {
    if (failure_) co_return *failure_;
    Message message;
    message.mailbox = parts_.settings.alias;
    message.folder = record_.name;
    message.protocol = record_.protocol;
    message.position = std::move(fetched.position);
    message.received = fetched.received;
    message.flags = std::move(fetched.flags);
    message.messageId = std::move(fetched.head.messageId);
    message.matchKey = fetched.head.matchKey;
    message.content = std::move(fetched.content);
    message.id = deliveryId(message.received, message.mailbox, message.protocol, message.folder, message.position.text);
    const auto size = message.content.size();
    (message.content.inMemory() ? inMemory_ : staged_) += size;
    bytes_ += size;
    gathering_.push_back(std::move(message));
    if (gathering_.size() < Round::batchMessages && inMemory_ < Round::batchMemory && staged_ < Round::batchStaged) co_return Result<void>{};
    co_return co_await flush();
}

Task<Result<void>> Batcher::finish() {
    try {
        auto flushed = co_await flush();
        static_cast<void>(flushed);  // a failure is kept in failure_, together with that of the batch under way
        auto joined = co_await join();
        static_cast<void>(joined);
    } catch (...) {  // a bug: not delivered, and shown as what it is
        const auto what = describe(std::current_exception());
        parts_.log.error(logger, "a delivery ended in a bug", {{"mailbox", parts_.settings.alias}, {"what", plugin::printable(what)}});
        if (!failure_) failure_ = Error{plugin::Reaction::retryLater, plugin::Code::internalBug, "a delivery failed: " + plugin::printable(what)};
    }
    if (failure_) co_return *failure_;
    co_return Result<void>{};
}

Task<Result<void>> Batcher::flush() {
    auto previous = co_await join();
    if (!previous) co_return previous;
    if (gathering_.empty()) co_return Result<void>{};
    auto& loop = co_await plugin::thisLoop();
    underWay_ = plugin::start(loop, deliver(std::exchange(gathering_, {})));
    inMemory_ = staged_ = 0;
    co_return Result<void>{};
}

Task<Result<void>> Batcher::join() {
    if (const auto waited = underWay_) {
        co_await waited->wait(plugin::Deadline::max(), {});
        underWay_.reset();
        if (const auto& result = waited->get(); !result && !failure_) failure_ = result.error();
    }
    if (failure_) co_return *failure_;
    co_return Result<void>{};
}

Task<void> Batcher::give(Sink& sink, std::vector<Delivery>& deliveries) {
    auto& loop = co_await plugin::thisLoop();
    const auto deadline = loop.clock().steady() + sinkPatience;
    try {
        co_await sink.deliver(deliveries, deadline, giveUp_);
    } catch (...) {  // what has no verdict counts as not delivered
        const auto what = plugin::printable(describe(std::current_exception()));
        parts_.log.error(logger, "a sink failed with a bug", {{"sink", sink.name()}, {"what", what}});
        for (auto& delivery : deliveries)
            if (delivery.verdict() == Delivery::Verdict::notDelivered)
                delivery.refused({plugin::Reaction::retryLater, plugin::Code::internalBug, "sink " + sink.name() + " failed: " + what});
    }
}

/// The settled ones; the first refusal becomes the failure.
std::vector<Settled> Batcher::judge(const Batch& batch, const std::vector<std::vector<Delivery>>& bySink) {
    std::vector<Settled> settled;
    settled.reserve(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
        Settled one{.message = batch[i], .after = parts_.settings.after};
        bool all = true;
        for (std::size_t s = 0; s < bySink.size(); ++s) {
            const auto& delivery = bySink[s][i];
            const auto& sink = *parts_.sinks[s];
            const bool fine = delivery.verdict() != Delivery::Verdict::notDelivered;
            const auto* result = !fine ? "refused" : delivery.verdict() == Delivery::Verdict::known ? "known" : "delivered";
            parts_.metrics.add("postern_sink_deliveries_total", {{"sink", sink.name()}, {"result", result}}, 1);
            if (fine) {
                one.verdicts.push_back({sink.name(), delivery.verdict() == Delivery::Verdict::known});
            } else {
                all = false;
                if (!failure_)
                    failure_ = delivery.error().value_or(
                        Error{plugin::Reaction::retryLater, plugin::Code::sinkUnavailable, "sink " + sink.name() + " gave no verdict in time"});
            }
        }
        if (all) settled.push_back(std::move(one));
    }
    return settled;
}

Task<Result<void>> Batcher::deliver(Batch batch) {
    std::vector<std::uint64_t> ordinals;
    for (const auto& message : batch) ordinals.push_back(message.position.ordinal);
    std::sort(ordinals.begin(), ordinals.end());  // servers may hand out in any order
    auto intent = co_await parts_.ledger.intend(record_.id, std::move(ordinals));
    if (!intent) co_return intent.error();

    auto& loop = co_await plugin::thisLoop();
    std::vector<std::vector<Delivery>> bySink(parts_.sinks.size());
    std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> others;
    for (std::size_t s = 0; s < parts_.sinks.size(); ++s) {
        for (const auto& message : batch) bySink[s].emplace_back(message);
        if (s > 0) others.push_back(plugin::start(loop, give(*parts_.sinks[s], bySink[s])));
    }
    co_await give(*parts_.sinks[0], bySink[0]);
    for (const auto& other : others) co_await other->wait(plugin::Deadline::max(), {});

    auto settled = judge(batch, bySink);
    std::vector<std::uint64_t> final;
    std::uint64_t bytes = 0;
    for (const auto& one : settled) {
        final.push_back(one.message.position.ordinal);
        bytes += one.message.content.size();
    }
    const auto count = settled.size();
    const auto cursor = cursorAfter_(final);
    auto done = co_await parts_.ledger.settle(record_.id, *intent, std::move(settled), cursor);
    if (!done) co_return done.error();
    delivered_ += count;
    parts_.metrics.add("postern_messages_total", {{"mailbox", parts_.settings.alias}, {"result", "delivered"}}, static_cast<double>(count));
    parts_.metrics.add("postern_message_bytes_total", {{"mailbox", parts_.settings.alias}}, static_cast<double>(bytes));
    if (failure_) co_return *failure_;
    co_return Result<void>{};
}

}  // namespace listener
