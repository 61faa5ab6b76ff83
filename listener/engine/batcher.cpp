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
    const auto known = guidance_.ids.find(message.position.ordinal);
    message.id = known != guidance_.ids.end()
                     ? known->second
                     : deliveryId(message.received, message.mailbox, message.protocol, message.folder, message.position.text);
    if (fetched.sourceDefect) defects_.insert(message.position.ordinal);
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

/// The batch without those that may be known from elsewhere; the others under the id they have to have.
Task<Result<Batcher::Batch>> Batcher::recognise(Batch batch) {
    std::vector<Newcomer> newcomers;
    for (const auto& message : batch) newcomers.push_back({message.position.ordinal, message.id, message.content.sha256()});
    auto answers = co_await parts_.ledger.recognise(record_.id, std::move(newcomers));
    if (!answers) co_return answers.error();
    Batch rest;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        auto& message = batch[i];
        auto& answer = (*answers)[i];
        const auto ordinal = message.position.ordinal;
        const auto& like = answer.like;
        const bool itself = std::any_of(like.begin(), like.end(), [&message](const Likeness& one) { return one.id == message.id && !one.settled; });
        if (guidance_.ids.contains(ordinal)) {
            // told before
        } else if (answer.assigned) {
            message.id = *answer.assigned;
        } else if (!like.empty() && !itself && !guidance_.own.contains(ordinal)) {
            suspects_.push_back({ordinal, std::move(answer.like)});
            continue;
        } else if (answer.idTaken || (!itself && std::any_of(like.begin(), like.end(), [&](const Likeness& one) { return one.id == message.id; }))) {
            // The position was another message's before, in the same second: the content makes the difference.
            const auto& hash = message.content.sha256();
            const std::string salt(hash.begin(), hash.end());
            message.id = deliveryId(message.received, message.mailbox, message.protocol, message.folder, message.position.text + ":" + salt);
        }
        rest.push_back(std::move(message));
    }
    co_return std::move(rest);
}

Task<Result<std::int64_t>> Batcher::intend(const Batch& batch) {
    std::vector<std::uint64_t> ordinals;
    std::vector<Identity> identities;
    for (const auto& message : batch) {
        ordinals.push_back(message.position.ordinal);
        identities.push_back({message.id, message.content.size(), message.content.sha256(), message.matchKey});
    }
    co_return co_await parts_.ledger.intend(record_.id, std::move(ordinals), std::move(identities));
}

/// What the server gives out in place of a message is no message: it is recorded, shown, and goes nowhere.
std::vector<Settled> Batcher::setAside(Batch& batch) {
    std::vector<Settled> quarantined;
    const auto isDefect = [this](const Message& message) { return defects_.contains(message.position.ordinal); };
    for (const auto& message : batch)
        if (isDefect(message)) quarantined.push_back({.message = message, .state = MessageState::quarantined});
    if (quarantined.empty()) return quarantined;
    std::erase_if(batch, isDefect);
    const auto count = static_cast<double>(quarantined.size());
    parts_.metrics.add("postern_messages_total", {{"mailbox", parts_.settings.alias}, {"result", "quarantined"}}, count);
    parts_.metrics.add("postern_errors_total", {{"mailbox", parts_.settings.alias}, {"code", plugin::codeName(plugin::Code::messageSourceDefect)}},
                       count);
    const Error error{plugin::Reaction::setAside, plugin::Code::messageSourceDefect,
                      "the server gives out a substitute for messages it cannot render: they are set aside and go to no sink"};
    parts_.log.error(logger, plugin::describe(error),
                     {{"mailbox", parts_.settings.alias},
                      {"folder", record_.name},
                      {"messages", std::uint64_t{quarantined.size()}},
                      {"first_uid", quarantined.front().message.position.ordinal}});
    return quarantined;
}

Task<std::vector<Settled>> Batcher::giveToAll(Batch batch) {
    auto& loop = co_await plugin::thisLoop();
    std::vector<std::vector<Delivery>> bySink(parts_.sinks.size());
    std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> others;
    for (std::size_t s = 0; s < parts_.sinks.size(); ++s) {
        for (const auto& message : batch) bySink[s].emplace_back(message);
        if (s > 0) others.push_back(plugin::start(loop, give(*parts_.sinks[s], bySink[s])));
    }
    co_await give(*parts_.sinks[0], bySink[0]);
    for (const auto& other : others) co_await other->wait(plugin::Deadline::max(), {});
    co_return judge(batch, bySink);
}

Task<Result<void>> Batcher::deliver(Batch batch) {
    // Servers may hand out in any order.
    std::sort(batch.begin(), batch.end(), [](const Message& a, const Message& b) { return a.position.ordinal < b.position.ordinal; });
    if (record_.kin) {
        auto rest = co_await recognise(std::move(batch));
        if (!rest) co_return rest.error();
        batch = std::move(*rest);
        if (batch.empty()) co_return Result<void>{};
    }
    auto intent = co_await intend(batch);
    if (!intent) co_return intent.error();

    auto settled = setAside(batch);
    std::uint64_t bytes = 0;
    std::size_t count = 0;
    if (!batch.empty()) {
        auto delivered = co_await giveToAll(std::move(batch));
        count = delivered.size();
        for (auto& one : delivered) {
            bytes += one.message.content.size();
            settled.push_back(std::move(one));
        }
    }
    std::vector<std::uint64_t> final;
    for (const auto& one : settled) final.push_back(one.message.position.ordinal);
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
