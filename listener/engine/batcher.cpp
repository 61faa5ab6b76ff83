#include "listener/engine/batcher.h"

#include "listener/engine/outlet_job.h"
#include "plugin/contract/fault.h"

#include <algorithm>
#include <exception>
#include <limits>

namespace listener {

using plugin::Error;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.engine";
constexpr std::chrono::seconds patience{5};  // what has no verdict by then is the outbox's, so that the mailbox goes on

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
    message.crossKey = fetched.head.crossKey;
    message.rendered = parts_.rendersAnew;
    message.content = std::move(fetched.content);
    const auto known = guidance_.ids.find(message.position.ordinal);
    message.id = known != guidance_.ids.end()
                     ? known->second
                     : deliveryId(message.received, message.mailbox, message.protocol, message.folder, message.position.text);
    if (fetched.sourceDefect) defects_.insert(message.position.ordinal);
    if (fetched.tooLarge) {
        tooLarge_.insert(message.position.ordinal);
        message.content = Content(*fetched.tooLarge, {});
        gathering_.push_back(std::move(message));
        co_return gathering_.size() < Round::batchMessages ? Result<void>{} : co_await flush();
    }
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

/// The batch without those that may be known from elsewhere; the others under the id they have to have.
Task<Result<Batcher::Batch>> Batcher::recognise(Batch batch) {
    std::vector<Newcomer> newcomers;
    for (const auto& message : batch)
        newcomers.push_back({message.position.ordinal, message.id, message.content.sha256(), message.matchKey, message.crossKey,
                             message.position.text, message.rendered});
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
        identities.push_back({message.id, message.content.size(), message.content.sha256(), message.matchKey, message.crossKey});
    }
    co_return co_await parts_.ledger.intend(record_.id, std::move(ordinals), std::move(identities));
}

void Batcher::report(plugin::Code code, const char* what, const std::vector<Settled>& those) {
    if (those.empty()) return;
    parts_.metrics.add("postern_errors_total", {{"mailbox", parts_.settings.alias}, {"code", plugin::codeName(code)}},
                       static_cast<double>(those.size()));
    const Error error{plugin::Reaction::setAside, code, what};
    parts_.log.error(logger, plugin::describe(error),
                     {{"mailbox", parts_.settings.alias},
                      {"folder", record_.name},
                      {"messages", std::uint64_t{those.size()}},
                      {"first_uid", those.front().message.position.ordinal}});
}

/// What goes to no sink: substitutes, which are no messages, and what is larger than the mailbox may hand on. It is recorded and shown.
Task<std::vector<Settled>> Batcher::setAside(Batch& batch) {
    std::vector<Settled> defects, large;
    for (const auto& message : batch) {
        const auto ordinal = message.position.ordinal;
        Settled one{.message = message, .state = MessageState::quarantined, .after = parts_.settings.afterQuarantine};
        if (tooLarge_.contains(ordinal))
            large.push_back(std::move(one));
        else if (defects_.contains(ordinal))
            defects.push_back(std::move(one));
    }
    if (defects.empty() && large.empty()) co_return std::vector<Settled>{};
    std::erase_if(batch, [this](const Message& message) {
        return defects_.contains(message.position.ordinal) || tooLarge_.contains(message.position.ordinal);
    });
    report(plugin::Code::messageSourceDefect, "the server gives out a substitute for messages it cannot render: they are set aside and go to no sink",
           defects);
    report(plugin::Code::messageTooLarge, "messages are larger than max_size allows: they are set aside and not fetched", large);
    auto& loop = co_await plugin::thisLoop();
    for (auto& one : defects) {
        auto keep = plugin::offload(loop, [&files = parts_.files, &message = one.message] { return files.quarantine(message); });
        auto kept = co_await keep;
        if (kept) parts_.files.use(one.message.content.size());
        if (kept) one.kept = std::move(*kept);
    }
    for (auto& one : large) defects.push_back(std::move(one));
    co_return std::move(defects);
}

/// What a sink says to a message that is too large for it and that it is not to be told of either.
std::optional<Error> Batcher::refusedForSize(const Outlet& outlet, const Message& message) {
    const auto& settings = outlet.settings();
    if (!settings.maxSize || message.content.size() <= *settings.maxSize || settings.oversize != SinkSettings::Oversize::quarantine)
        return std::nullopt;
    return Error{plugin::Reaction::setAside, plugin::Code::messageTooLarge, "larger than sink." + settings.name + ".max_size allows"};
}

/// What one sink makes of a batch. A message too large for it is not offered, or by its place only.
Task<std::vector<Outlet::Offered>> Batcher::offerTo(Outlet& outlet, std::shared_ptr<const Batch> batch) {
    using Answer = Outlet::Offered::Answer;
    auto& loop = co_await plugin::thisLoop();
    const auto& limit = outlet.settings().maxSize;
    std::vector<Outlet::Offered> answers(batch->size());
    std::vector<std::size_t> offered;
    std::vector<Message> messages;
    for (std::size_t i = 0; i < batch->size(); ++i) {
        auto message = (*batch)[i];
        if (auto refusal = refusedForSize(outlet, message)) {
            answers[i].answer = Answer::refused;
            answers[i].error = std::move(refusal);
            continue;
        }
        if (limit && message.content.size() > *limit) {
            auto refer = plugin::offload(loop, [&files = parts_.files, &message] { return files.refer(message); });
            auto path = co_await refer;
            if (!path) {
                answers[i].error = path.error();
                continue;
            }
            message.reference = std::move(*path);
        }
        offered.push_back(i);
        messages.push_back(std::move(message));
    }
    const auto until = parts_.mode == plugin::Mode::once ? plugin::Deadline::max() : loop.clock().steady() + patience;
    auto verdicts = plugin::startOn(outlet.loop(), outlet.offer(std::move(messages), until, giveUp_));
    co_await verdicts->wait(plugin::Deadline::max(), {});
    auto& those = verdicts->get();
    for (std::size_t i = 0; i < offered.size(); ++i) answers[offered[i]] = std::move(those[i]);
    co_return answers;
}

Task<Batcher::Offers> Batcher::offerToAll(std::shared_ptr<const Batch> batch) {
    auto& loop = co_await plugin::thisLoop();
    std::vector<std::shared_ptr<plugin::Shared<std::vector<Outlet::Offered>>>> under;
    for (auto* outlet : parts_.outlets) under.push_back(plugin::start(loop, offerTo(*outlet, batch)));
    Offers offers;
    for (const auto& one : under) {
        co_await one->wait(plugin::Deadline::max(), {});
        offers.push_back(std::move(one->get()));
    }
    co_return offers;
}

/// What the answers of all sinks make of one message; `pending`: the outbox has to have it.
Settled Batcher::judge(const Message& message, const Offers& offers, std::size_t index) const {
    using Answer = Outlet::Offered::Answer;
    Settled one{.message = message, .after = parts_.settings.after, .afterQuarantine = parts_.settings.afterQuarantine};
    bool waits = false;
    for (std::size_t s = 0; s < offers.size(); ++s) {
        const auto& offered = offers[s][index];
        const auto& name = parts_.outlets[s]->settings().name;
        if (offered.answer == Answer::delivered || offered.answer == Answer::known) {
            one.verdicts.push_back({name, offered.answer == Answer::known});
            continue;
        }
        Outstanding rest{.sink = name, .next = offered.next, .attempts = offered.attempts};
        if (offered.error) {
            rest.code = offered.error->code;
            rest.what = offered.error->what;
            if (offered.error->reaction == plugin::Reaction::setAside) rest.end = Outstanding::End::aside;
        }
        waits = waits || rest.end == Outstanding::End::none;
        one.outstanding.push_back(std::move(rest));
    }
    if (waits)
        one.state = MessageState::pending;
    else if (!one.outstanding.empty())
        one.state = MessageState::quarantined;
    if (one.state == MessageState::quarantined) one.after = parts_.settings.afterQuarantine;
    return one;
}

bool Batcher::allSinksWork() const {
    return std::all_of(parts_.outlets.begin(), parts_.outlets.end(),
                       [](const auto* outlet) { return outlet->view().state == SinkHealth::State::working; });
}

bool Batcher::nothingWaits() const {
    return std::all_of(parts_.outlets.begin(), parts_.outlets.end(), [](const auto* outlet) { return outlet->view().waiting == 0; });
}

/// While a sink takes nothing the outbox will have to have all of it: what it has no room for is offered to nobody, or the others got it again with
/// each attempt.
void Batcher::leaveWhatHasNoRoom(Batch& batch) {
    if (allSinksWork()) return;
    auto room = parts_.files.room();
    const auto end = std::find_if(batch.begin(), batch.end(), [&room](const Message& message) {
        if (message.content.size() > room) return true;
        room -= message.content.size();
        return false;
    });
    if (end == batch.end()) return;
    parts_.files.noRoom();
    if (!failure_) failure_ = outboxFull();
    batch.erase(end, batch.end());
}

Error Batcher::outboxFull() const {
    return {plugin::Reaction::retryLater, plugin::Code::outboxFull,
            "the outbox holds " + std::to_string(parts_.files.used()) + " of " + std::to_string(parts_.files.limit()) +
                " octets, and has no room for the next message of mailbox " + parts_.settings.alias + ", which a sink does not take"};
}

/// Makes durable what some sink has not taken; leaves out what cannot be kept: it stays where it is, in the mailbox.
Task<std::vector<Settled>> Batcher::keepRest(std::vector<Settled> judged, const Offers& offers) {
    auto& loop = co_await plugin::thisLoop();
    std::vector<OutboxFiles::Request> requests;
    std::vector<Settled*> waiting;
    std::vector<Settled> aside;
    const bool passing = parts_.rendersAnew && allSinksWork() && (parts_.files.mayPass() || nothingWaits());  // it is kept for the moment only
    const auto room = passing ? std::numeric_limits<std::uint64_t>::max() : parts_.files.room();
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < judged.size(); ++i) {
        auto& one = judged[i];
        if (one.state == MessageState::quarantined) {
            auto keep = plugin::offload(loop, [&files = parts_.files, &message = one.message] { return files.quarantine(message); });
            auto kept = co_await keep;
            if (kept) parts_.files.use(one.message.content.size());
            if (kept) one.kept = std::move(*kept);
            if (!kept && !failure_) failure_ = kept.error();
            aside.push_back(one);
        }
        if (one.state != MessageState::pending) continue;
        const bool shared =
            std::any_of(offers.begin(), offers.end(), [i](const auto& those) { return those[i].answer == Outlet::Offered::Answer::underWay; });
        if (bytes + one.message.content.size() > room) {  // the first so many: what is kept needs not be fetched again
            parts_.files.noRoom();
            if (!failure_) failure_ = outboxFull();
            break;
        }
        bytes += one.message.content.size();
        requests.push_back({&one.message, shared});
        waiting.push_back(&one);
    }
    report(plugin::Code::messageUnfit, "a sink can never take these messages: they are set aside", aside);
    if (!requests.empty()) {
        auto keep = plugin::offload(loop, [&files = parts_.files, &requests, passing] { return files.keep(requests, passing); });
        auto kept = co_await keep;
        if (!kept && !failure_) failure_ = kept.error();
        for (std::size_t i = 0; kept && i < waiting.size(); ++i) waiting[i]->kept = std::move((*kept)[i]);
        plugin::faultPoint("kept");
    }
    std::erase_if(judged,
                  [](const Settled& one) { return (one.state == MessageState::pending || one.state == MessageState::quarantined) && !one.kept; });
    co_return std::move(judged);
}

Batcher::Totals Batcher::totalsOf(const std::vector<Settled>& settled) {
    Totals totals;
    for (const auto& one : settled) {
        totals.quarantined += one.state == MessageState::quarantined ? 1 : 0;
        totals.pending += one.state == MessageState::pending ? 1 : 0;
        if (one.state != MessageState::delivered) continue;
        ++totals.delivered;
        totals.bytes += one.message.content.size();
    }
    return totals;
}

void Batcher::count(const Totals& totals) {
    const auto add = [this](const char* result, std::size_t amount) {
        if (amount > 0)
            parts_.metrics.add("postern_messages_total", {{"mailbox", parts_.settings.alias}, {"result", result}}, static_cast<double>(amount));
    };
    add("delivered", totals.delivered);
    add("quarantined", totals.quarantined);
    parts_.metrics.add("postern_message_bytes_total", {{"mailbox", parts_.settings.alias}}, static_cast<double>(totals.bytes));
    delivered_ += totals.delivered;
    owed_ += totals.pending;
}

/// VERDICT, and what follows from it: files nobody needs any more, and what the outlets owe from now on.
Task<void> Batcher::settleBatch(std::int64_t intent, std::vector<Settled> settled, const Offers& offers) {
    std::vector<std::uint64_t> final;
    std::vector<std::size_t> owed(parts_.outlets.size());
    std::vector<std::vector<std::shared_ptr<OutletJob>>> underWay(parts_.outlets.size());
    std::set<std::uint64_t> pending;
    for (const auto& one : settled) {
        final.push_back(one.message.position.ordinal);
        for (const auto& rest : one.outstanding)
            for (std::size_t s = 0; s < owed.size(); ++s)
                if (rest.end == Outstanding::End::none && parts_.outlets[s]->settings().name == rest.sink) ++owed[s];
        if (one.state == MessageState::pending) pending.insert(one.message.position.ordinal);
    }
    for (std::size_t s = 0; s < offers.size(); ++s)
        for (const auto& offered : offers[s])
            if (offered.answer == Outlet::Offered::Answer::underWay && pending.contains(offered.job->message.position.ordinal))
                underWay[s].push_back(offered.job);
    const auto cursor = cursorAfter_(final);
    const auto totals = totalsOf(settled);
    auto done = co_await parts_.ledger.settle(record_.id, intent, std::move(settled), cursor);
    if (!done) {
        if (!failure_) failure_ = done.error();
        co_return;
    }
    plugin::faultPoint("settled");
    count(totals);
    for (std::size_t s = 0; s < owed.size(); ++s)
        if (owed[s] > 0) parts_.outlets[s]->owe(owed[s], std::move(underWay[s]));
    if (done->empty()) co_return;
    auto& loop = co_await plugin::thisLoop();
    auto remove = plugin::offload(loop, [&files = parts_.files, freed = std::move(*done)] { files.remove(freed); });
    co_await remove;
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
    leaveWhatHasNoRoom(batch);
    if (batch.empty()) co_return *failure_;
    if (parts_.rendersAnew) co_return co_await deliverKept(std::move(batch));
    auto intent = co_await intend(batch);
    if (!intent) co_return intent.error();
    plugin::faultPoint("intended");

    auto settled = co_await setAside(batch);
    Offers offers;
    if (!batch.empty()) {
        const auto given = std::make_shared<const Batch>(std::move(batch));
        offers = co_await offerToAll(given);
        plugin::faultPoint("offered");
        std::vector<Settled> judged;
        for (std::size_t i = 0; i < given->size(); ++i) judged.push_back(judge((*given)[i], offers, i));
        judged = co_await keepRest(std::move(judged), offers);
        for (auto& one : judged) settled.push_back(std::move(one));
    }
    co_await settleBatch(*intent, std::move(settled), offers);
    if (failure_) co_return *failure_;
    co_return Result<void>{};
}

}  // namespace listener
