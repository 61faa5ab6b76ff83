#include "listener/engine/outlet_job.h"
#include "plugin/contract/fault.h"

#include <algorithm>

/// The sink's part of the outbox.
namespace listener {

using plugin::Code;
using plugin::Reaction;
using plugin::Task;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view logger = "listener.engine";
constexpr auto longestRest = 60s;  ///< clocks jump, and other processes write: look again now and then
constexpr std::chrono::nanoseconds clockTolerance = 5s;
constexpr auto afterTrouble = 5s;        ///< with the store or the disk
constexpr auto afterUnreadable = 100ms;  ///< one that is put off
constexpr std::size_t expiredAtOnce = 500;

}  // namespace

void Outlet::breakWith(std::stop_token giveUp) {
    loop_.post([this, self = shared_from_this(), giveUp = std::move(giveUp)] { giveUp_ = giveUp; });
}

void Outlet::lookAgain() {
    loop_.post([this, self = shared_from_this()] {
        recount_ = true;
        wake_.set();
    });
}

std::size_t Outlet::pageSize() const {
    if (health_.state() != SinkHealth::State::working) return 1;
    return sink_->batchLimit() > 1 ? sink_->batchLimit() : 16 * settings_.concurrency;
}

/// What others may have changed: whether it is disabled, how much waits.
Task<void> Outlet::refresh() {
    auto disabled = co_await parts_.outbox.disabled(settings_.name);
    if (disabled && *disabled && health_.state() != SinkHealth::State::disabled) {
        health_.disable();
        withdrawAll();
    }
    if (disabled && !*disabled && health_.state() == SinkHealth::State::disabled) {
        const auto& error = health_.lastError();
        if (error && error->code == Code::sinkGone && !told_) {  // ours, and not yet written down
            auto written = co_await parts_.outbox.disable(settings_.name, error->what);
            told_ = static_cast<bool>(written);
        } else {
            parts_.log.notice(logger, "an operator resumed the sink", {{"sink", settings_.name}});
            health_.resume();
            told_ = false;
            sweeping_ = true;
            swept_ = 0;
        }
    }
    const auto now = loop_.clock().steady();
    if (recount_ || now >= counted_ + longestRest) {
        auto waiting = co_await parts_.outbox.waiting(settings_.name);
        if (waiting) waiting_ = *waiting;
        recount_ = false;
        counted_ = now;
    }
    show();
}

/// When the wall clock has jumped, the times that entries wait for mean nothing.
void Outlet::noticeClock() {
    const auto between = loop_.clock().wall().time_since_epoch() - loop_.clock().steady().time_since_epoch();
    const bool jumped = between_ && (between > *between_ + clockTolerance || between < *between_ - clockTolerance);
    between_ = between;
    if (!jumped) return;
    if (settings_.giveUp) noExpiryUntil_ = loop_.clock().steady() + *settings_.giveUp;
    sweeping_ = true;
    swept_ = 0;
}

/// What is dropped from now on is passed over by attempt(), which ends that.
Task<Outlet::Page> Outlet::nextPage() {
    inHand_->watch(true);
    auto page = co_await readPage();
    if (page.entries.empty()) inHand_->watch(false);
    co_return page;
}

Task<Outlet::Page> Outlet::readPage() {
    const auto now = loop_.clock().wall();
    const bool resting = health_.state() == SinkHealth::State::resting;
    if (resting || !sweeping_) {
        auto due = co_await parts_.outbox.due(settings_.name, now, pageSize());
        if (!due) co_return Page{.failed = true};
        if (!resting || !due->empty()) co_return Page{std::move(*due)};
    }
    // A resting sink is tried with what is due, first with what was never tried; else with one after the other: a message it cannot take must not
    // stand for all.
    auto& from = resting ? probed_ : swept_;
    auto entries = co_await parts_.outbox.after(settings_.name, from, pageSize());
    if (entries && entries->empty() && resting && from > 0) {
        from = 0;
        entries = co_await parts_.outbox.after(settings_.name, from, pageSize());
    }
    if (!entries) co_return Page{.failed = true};
    if (entries->empty()) sweeping_ = false;
    co_return Page{std::move(*entries)};
}

Task<void> Outlet::run(std::stop_token finish, std::stop_token giveUp) {
    giveUp_ = giveUp;
    co_await refresh();
    sweeping_ = true;  // whatever the clock was when its time was set
    while (!finish.stop_requested()) {
        bool failed = false;
        try {
            co_await step(finish);
        } catch (const std::exception& bug) {
            parts_.log.error(logger, "the outbox of a sink met a bug, and goes on",
                             {{"sink", settings_.name}, {"what", plugin::printable(bug.what())}});
            failed = true;
        }
        if (!failed) continue;
        auto breath = plugin::sleepUntil(loop_.clock().steady() + afterTrouble, finish);
        co_await breath;
    }
}

Task<void> Outlet::step(std::stop_token finish) {
    noticeClock();
    const bool resting = health_.state() == SinkHealth::State::resting;
    if (health_.state() == SinkHealth::State::disabled || (resting && loop_.clock().steady() < health_.probeAt())) {
        co_await rest(finish);
        co_return;
    }
    const bool swept = sweeping_;
    auto page = co_await nextPage();
    if (page.failed || finish.stop_requested()) {
        auto breath = plugin::sleepUntil(loop_.clock().steady() + afterTrouble, finish);
        co_await breath;
    } else if (!page.entries.empty()) {
        co_await attempt(std::move(page.entries));
    } else if (!swept || resting) {
        nothingToProbe_ = resting;
        co_await rest(finish);
    }
}

/// Until something is to be done.
Task<void> Outlet::rest(std::stop_token finish) {
    wake_.reset();
    co_await refresh();
    co_await expire();
    const auto now = loop_.clock().steady();
    auto until = now + longestRest;
    if (health_.state() == SinkHealth::State::resting && health_.probeAt() > now) {
        until = std::min(until, health_.probeAt());
    } else if (health_.state() == SinkHealth::State::working) {
        const auto next = co_await parts_.outbox.nextDue(settings_.name);
        if (next && *next)
            until = std::min(until, now + std::chrono::duration_cast<plugin::Steady::duration>(
                                              std::max<plugin::Wall::duration>(**next - loop_.clock().wall(), 10ms)));
    }
    auto waits = wake_.wait(until, std::move(finish));
    co_await waits;
}

Task<void> Outlet::drainOnce(std::stop_token finish, std::stop_token giveUp) {
    giveUp_ = giveUp;
    co_await refresh();
    sweeping_ = true;
    swept_ = 0;
    while (!finish.stop_requested() && sweeping_ && health_.state() == SinkHealth::State::working) {
        auto page = co_await nextPage();
        if (page.failed || page.entries.empty()) break;
        co_await attempt(std::move(page.entries));
    }
    sweeping_ = false;
    if (waiting_ > 0 && health_.state() == SinkHealth::State::working && health_.lastError())
        parts_.log.warning(logger, "messages wait in the outbox: " + plugin::describe(*health_.lastError()),
                           {{"sink", settings_.name}, {"waiting", waiting_}});
}

Task<void> Outlet::letEnd() {
    while (busy_ > 0) {
        changed_.reset();
        auto ends = changed_.wait(plugin::Deadline::max(), {});
        co_await ends;
    }
}

/// The message with its bytes, or null: it has to be fetched again, or cannot be read now and is put off; `troubled`: not even that was possible.
Task<Outlet::JobPtr> Outlet::jobOf(OutboxEntry entry, bool* troubled) {
    auto load = plugin::offload(
        loop_, [&files = parts_.files, &entry] { return files.load(entry.kept, entry.message.content.size(), entry.message.content.sha256()); });
    auto content = co_await load;
    if (!content) {
        parts_.log.error(logger, plugin::describe(content.error()), {{"sink", settings_.name}, {"mailbox", entry.message.mailbox}});
        if (content.error().code != Code::outboxDamaged) {
            const bool putOff = co_await postpone(entry.row);
            *troubled = *troubled || !putOff;
            co_return nullptr;
        }
        auto missing = co_await parts_.outbox.damaged(entry.row);
        if (missing) parts_.mailboxHasWork(entry.message.mailbox);
        co_return nullptr;
    }
    entry.message.content = std::move(*content);
    auto job = std::make_shared<OutletJob>(OutletJob{.message = std::move(entry.message), .group = nullptr});
    job->attempts = entry.attempts;
    job->first = entry.first;
    if (settings_.maxSize && job->message.content.size() > *settings_.maxSize && settings_.oversize == SinkSettings::Oversize::reference) {
        auto refer = plugin::offload(loop_, [&files = parts_.files, &message = job->message] { return files.refer(message); });
        auto path = co_await refer;
        if (!path) {
            parts_.log.error(logger, plugin::describe(path.error()), {{"sink", settings_.name}});
            const bool putOff = co_await postpone(entry.row);
            *troubled = *troubled || !putOff;
            co_return nullptr;
        }
        job->message.reference = std::move(*path);
    }
    co_return job;
}

/// What cannot be read now is not to stand before what can.
Task<bool> Outlet::postpone(std::int64_t row) {
    const auto next = loop_.clock().wall() + longestRest;
    std::string name = settings_.name;
    auto postponed = co_await parts_.outbox.postpone(row, std::move(name), next);
    if (!postponed) parts_.log.debug(logger, plugin::describe(postponed.error()));
    co_return static_cast<bool>(postponed);
}

/// Each of them once, as far as the memory goes; the others are still there for the next page.
Task<void> Outlet::attempt(std::vector<OutboxEntry> entries) {
    const auto group = std::make_shared<OutletJob::Group>();
    std::vector<JobPtr> jobs;
    std::uint64_t bytes = 0;
    const bool resting = health_.state() == SinkHealth::State::resting;
    bool unreadable = false, troubled = false;
    for (auto& entry : entries) {
        const auto size = entry.message.content.size();
        if (size <= Content::memoryLimit && bytes > 0 && bytes + size > callBytes) break;
        (resting ? probed_ : swept_) = entry.number;
        if (inHand_->has(entry.message.id)) continue;
        auto job = co_await jobOf(std::move(entry), &troubled);
        if (!job) {
            unreadable = true;
            ++unreadable_;
            continue;
        }
        unreadable_ = 0;
        bytes += size <= Content::memoryLimit ? size : 0;
        job->group = group;
        ++group->left;
        jobs.push_back(job);
        enqueue(std::move(job));
    }
    inHand_->watch(false);
    pump();
    while (group->left > 0) {
        if (health_.state() == SinkHealth::State::disabled || (health_.state() == SinkHealth::State::resting && calls_ == 0 && !mayCall()))
            withdrawAll();
        if (group->left == 0) break;
        group->changed.reset();
        auto ends = group->changed.wait(loop_.clock().steady() + longestRest, {});
        co_await ends;
        pump();
    }
    std::vector<OutboxOutcome> outcomes;
    for (const auto& job : jobs) {
        if (job->stage != OutletJob::Stage::ended || stopped(*job)) continue;
        outcomes.push_back(outcomeOf(*job));
        co_await layOutAside(job);
    }
    const bool nothing = outcomes.empty();
    bool written = true;
    if (!nothing) written = co_await conclude(std::move(outcomes));
    if (!nothing && written && !unreadable) co_return;
    wake_.reset();
    std::chrono::milliseconds pause = afterTrouble;
    if (unreadable && !troubled && written) {  // on to the next one; once all have been tried, not again for a while
        pause = unreadable_ < waiting_ ? std::chrono::milliseconds(afterUnreadable) : std::chrono::milliseconds(longestRest);
        if (unreadable_ >= waiting_) unreadable_ = 0;
    }
    auto breath = wake_.wait(loop_.clock().steady() + pause, giveUp_);
    co_await breath;
}

Task<bool> Outlet::conclude(std::vector<OutboxOutcome> outcomes, Tell tell) {
    using Kind = OutboxOutcome::Kind;
    for (const auto& outcome : outcomes)
        if (outcome.kind == Kind::dead || outcome.kind == Kind::aside)
            parts_.log.error(
                logger, outcome.kind == Kind::dead ? "a delivery is given up" : "a sink can never take a message: it is set aside",
                {{"sink", settings_.name}, {"id", outcome.id}, {"code", plugin::codeName(outcome.code)}, {"what", plugin::printable(outcome.what)}});
    std::vector<std::string> over;
    for (const auto& outcome : outcomes)
        if (outcome.kind != Kind::refused) over.push_back(outcome.id);
    plugin::faultPoint("answered");
    auto ended = co_await parts_.outbox.conclude(std::move(outcomes));
    if (!ended) {  // they are tried again, under the same ids
        parts_.log.error(logger, plugin::describe(ended.error()), {{"sink", settings_.name}});
        co_return false;
    }
    plugin::faultPoint("concluded");
    for (const auto& id : over) stuck_.erase(id);
    parts_.files.release(ended->freedBytes);
    if (!ended->freed.empty()) {
        auto remove = plugin::offload(loop_, [&files = parts_.files, freed = std::move(ended->freed)] { files.remove(freed); });
        co_await remove;
    }
    std::set<std::string> mailboxes;
    for (const auto& final : ended->finals) {
        const auto* result = final.state == MessageState::delivered ? "delivered" : final.state == MessageState::dead ? "dead" : "quarantined";
        parts_.metrics.add("postern_messages_total", {{"mailbox", final.mailbox}, {"result", result}}, 1);
        if (final.state == MessageState::delivered)
            parts_.metrics.add("postern_message_bytes_total", {{"mailbox", final.mailbox}}, static_cast<double>(final.size));
        if (final.actionDue && tell == Tell::mailbox) mailboxes.insert(final.mailbox);
    }
    for (const auto& mailbox : mailboxes) parts_.mailboxHasWork(mailbox);
    waiting_ -= std::min(waiting_, ended->ended);
    show();
    co_return true;
}

/// What has waited for so long that it is given up, tried lately or not.
Task<void> Outlet::expire() {
    noticeClock();
    if (!settings_.giveUp || loop_.clock().steady() < noExpiryUntil_) co_return;
    const auto now = loop_.clock().wall();
    for (;;) {
        auto ids = co_await parts_.outbox.waitingSince(settings_.name, now - *settings_.giveUp, expiredAtOnce);
        if (!ids || ids->empty()) co_return;
        std::vector<OutboxOutcome> outcomes;
        for (auto& id : *ids)
            if (!inHand_->has(id))
                outcomes.push_back({.id = std::move(id),
                                    .sink = settings_.name,
                                    .kind = OutboxOutcome::Kind::dead,
                                    .code = Code::outboxGivenUp,
                                    .what = "given up after sink." + settings_.name + ".retry.give_up"});
        if (outcomes.empty()) co_return;
        const bool written = co_await conclude(std::move(outcomes));
        if (!written) co_return;
    }
}

}  // namespace listener
