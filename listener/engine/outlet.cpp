#include "listener/engine/outlet.h"

#include "listener/engine/outlet_job.h"

#include <algorithm>
#include <exception>

namespace listener {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Task;
using Answer = Outlet::Offered::Answer;

namespace {

constexpr std::string_view logger = "listener.engine";
constexpr std::size_t queuedMessages = 1000;
constexpr std::chrono::seconds reserve{5};  ///< between the deadline of a call and the next attempt at what it had in hand

std::string describeBug(const std::exception_ptr& bug) {
    try {
        std::rethrow_exception(bug);
    } catch (const std::exception& error) {
        return plugin::printable(error.what());
    } catch (...) {  // named for the log line that its caller writes
        return "an unknown exception";
    }
}

std::uint64_t inMemory(const Message& message) { return message.content.inMemory() != nullptr ? message.content.size() : 0; }

}  // namespace

Outlet::Outlet(Parts parts, plugin::Loop& loop, SinkSettings settings, std::shared_ptr<Sink> sink, const Outlet* forerunner)
    : parts_(std::move(parts)),
      loop_(loop),
      settings_(std::move(settings)),
      sink_(std::move(sink)),
      health_(settings_.retryMaxInterval, parts_.random),
      inHand_(forerunner != nullptr ? forerunner->inHand_ : std::make_shared<InHand>()) {}

Outlet::~Outlet() = default;

/// While it rests one call at a time, when its time has come.
bool Outlet::mayCall() const {
    switch (health_.state()) {
        case SinkHealth::State::working:
            return calls_ < settings_.concurrency;
        case SinkHealth::State::resting:
            return calls_ == 0 && loop_.clock().steady() >= health_.probeAt();
        case SinkHealth::State::disabled:
            return false;
    }
    return false;
}

bool Outlet::accepts() const {
    if (health_.state() == SinkHealth::State::working) return true;
    return health_.state() == SinkHealth::State::resting && nothingToProbe_ && mayCall() && queue_.empty();
}

void Outlet::enqueue(JobPtr job) {
    queued_ += inMemory(job->message);
    queue_.push_back(std::move(job));
}

Task<std::vector<Outlet::Offered>> Outlet::offer(std::vector<Message> messages, plugin::Deadline until, std::stop_token stop) {
    const auto group = std::make_shared<OutletJob::Group>();
    std::vector<JobPtr> jobs;
    for (auto& message : messages) jobs.push_back(std::make_shared<OutletJob>(OutletJob{.message = std::move(message), .group = group}));
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        while (accepts() && !queue_.empty() && (queued_ + inMemory(jobs[i]->message) > queuedBytes || queue_.size() >= queuedMessages)) {
            changed_.reset();
            auto room = changed_.wait(until, stop);
            if (co_await room != plugin::Wake::done) break;
        }
        if (!accepts() || stop.stop_requested() || loop_.clock().steady() >= until) break;
        ++group->left;
        enqueue(jobs[i]);
        pump();
    }
    while (group->left > 0) {
        group->changed.reset();
        auto ends = group->changed.wait(until, stop);
        if (co_await ends != plugin::Wake::done) break;
    }
    std::vector<Offered> answers;
    for (const auto& job : jobs) {
        answers.push_back(job->answer(loop_.clock(), retryPause(0, settings_.retryMaxInterval, parts_.random), reserve));
        if (answers.back().answer != Answer::notTried) answers.back().job = job;
        if (job->stage == OutletJob::Stage::ended) job->hold.reset();  // what came of it is known to whoever keeps it
    }
    std::erase_if(queue_, [&](const JobPtr& each) {
        if (each->group != group) return false;
        queued_ -= inMemory(each->message);
        each->stage = OutletJob::Stage::withdrawn;
        return true;
    });
    co_return answers;
}

/// Begins as many calls as there may be.
void Outlet::pump() {
    while (!queue_.empty() && mayCall()) {
        std::vector<JobPtr> jobs;
        std::uint64_t bytes = 0;
        const auto most = health_.state() == SinkHealth::State::working ? sink_->batchLimit() : std::size_t{1};
        while (!queue_.empty() && jobs.size() < most && (jobs.empty() || bytes + inMemory(queue_.front()->message) <= callBytes)) {
            bytes += inMemory(queue_.front()->message);
            jobs.push_back(std::move(queue_.front()));
            queue_.pop_front();
        }
        queued_ -= bytes;
        const auto deadline = loop_.clock().steady() + settings_.timeout;
        for (const auto& job : jobs) {
            job->stage = OutletJob::Stage::running;
            job->deadline = deadline;
            job->hold.emplace(shared_from_this(), std::vector<std::string>{job->message.id});
        }
        ++calls_;
        nothingToProbe_ = false;
        ++busy_;
        loop_.spawn(call(shared_from_this(), std::move(jobs)));
    }
}

/// What waits for a call that will not be made: the outbox has it, or will have it.
void Outlet::withdrawAll() {
    for (const auto& job : std::exchange(queue_, {})) {
        job->stage = OutletJob::Stage::withdrawn;
        job->group->ended();
    }
    queued_ = 0;
    changed_.set();
}

Task<void> Outlet::call(std::shared_ptr<Outlet> self, std::vector<JobPtr> jobs) {
    std::vector<Delivery> deliveries;
    for (const auto& job : jobs) deliveries.emplace_back(job->message);
    co_await giveToSink(deliveries);
    --calls_;
    std::vector<JobPtr> adopted;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        auto& job = *jobs[i];
        job.verdict = deliveries[i].verdict();
        job.error = deliveries[i].error();
        if (job.verdict == Delivery::Verdict::notDelivered && !job.error)
            job.error = Error{Reaction::retryLater, Code::sinkUnavailable, "sink " + settings_.name + " gave no verdict in time"};
        job.stage = OutletJob::Stage::ended;
        noteEnd(job);
        job.group->ended();
        if (job.adopted) adopted.push_back(jobs[i]);
    }
    judge(deliveries);
    changed_.set();
    pump();
    if (adopted.empty()) {
        --busy_;
        changed_.set();
    } else {
        loop_.spawn(concludeAdopted(std::move(self), std::move(adopted)));
    }
}

Task<void> Outlet::giveToSink(std::vector<Delivery>& deliveries) {
    const auto deadline = loop_.clock().steady() + settings_.timeout;
    try {
        co_await sink_->deliver(deliveries, deadline, giveUp_);
    } catch (...) {  // what has no verdict counts as not delivered
        const auto what = describeBug(std::current_exception());
        parts_.log.error(logger, "a sink failed with a bug", {{"sink", settings_.name}, {"what", what}});
        for (auto& delivery : deliveries)
            if (delivery.verdict() == Delivery::Verdict::notDelivered)
                delivery.refused({Reaction::retryLater, Code::internalBug, "sink " + settings_.name + " failed: " + what});
    }
}

/// What a call says of the sink. One that takes anything, or judges a single message, is at work.
void Outlet::judge(const std::vector<Delivery>& deliveries) {
    bool alive = false;
    std::optional<Error> refusal;
    const std::string* id = nullptr;
    for (const auto& delivery : deliveries) {
        const bool fine = delivery.verdict() != Delivery::Verdict::notDelivered;
        const bool aside = !fine && delivery.error() && delivery.error()->reaction == Reaction::setAside;
        alive = alive || fine || aside;
        if (!fine && !aside && id == nullptr) id = &delivery.message().id;
        if (!fine && !aside && !refusal)
            refusal =
                delivery.error().value_or(Error{Reaction::retryLater, Code::sinkUnavailable, "sink " + settings_.name + " gave no verdict in time"});
        const auto* result = !fine ? "refused" : delivery.verdict() == Delivery::Verdict::known ? "known" : "delivered";
        parts_.metrics.add("postern_sink_deliveries_total", {{"sink", settings_.name}, {"result", result}}, 1);
    }
    if (alive) {
        proven_ = true;
        if (health_.succeeded(loop_.clock().steady())) {
            parts_.log.notice(logger, "the sink is well again", {{"sink", settings_.name}, {"waiting", waiting_}});
            sweeping_ = true;
            swept_ = 0;
            wake_.set();
        }
    } else if (refusal && !giveUp_.stop_requested()) {
        refused(*refusal, *id);
    }
    show();
}

void Outlet::refused(const Error& error, const std::string& id) {
    const bool fresh = health_.failed(error, loop_.clock().steady(), id);
    if (health_.state() == SinkHealth::State::working) return;
    withdrawAll();
    wake_.set();
    const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(health_.probeAt() - loop_.clock().steady()).count();
    if (health_.state() == SinkHealth::State::disabled) {
        parts_.log.error(logger, plugin::describe(error), {{"sink", settings_.name}});
        return;
    }
    parts_.log.write(fresh ? plugin::Level::warning : plugin::Level::debug, logger,
                     fresh ? "the sink refuses: its messages wait in the outbox. " + plugin::describe(error) : plugin::describe(error),
                     {{"sink", settings_.name}, {"probe_in_ms", std::int64_t{pause}}});
}

/// A message that is refused again and again while others are taken makes no sink rest, but it is not to wait unseen.
void Outlet::noteEnd(const OutletJob& job) {
    constexpr std::size_t most = 1000;
    const auto& id = job.message.id;
    if (job.verdict != Delivery::Verdict::notDelivered || job.error->reaction == Reaction::setAside) {
        stuck_.erase(id);
        return;
    }
    if (stopped(job) || health_.state() != SinkHealth::State::working) return;
    const auto tries = job.attempts + 1;
    const bool person = tries == 1 && job.error->reaction == Reaction::askOperator;
    if (!person && (tries < stuckAfter || stuck_.size() >= most || !stuck_.insert(id).second)) return;
    parts_.log.warning(logger,
                       (person ? "the sink does not take a message: it waits in the outbox. "
                               : "the sink refuses a message again and again: it waits in the outbox. ") +
                           plugin::describe(*job.error),
                       {{"sink", settings_.name}, {"mailbox", job.message.mailbox}, {"id", id}, {"attempts", std::uint64_t{tries}}});
}

void Outlet::owe(std::size_t count, std::vector<JobPtr> underWay) {
    loop_.post([this, self = shared_from_this(), count, underWay = std::move(underWay)] {
        waiting_ += count;
        std::vector<JobPtr> ended;
        for (const auto& job : underWay) {
            job->adopted = true;
            if (job->stage == OutletJob::Stage::ended) ended.push_back(job);
        }
        if (!ended.empty()) {
            ++busy_;
            loop_.spawn(concludeAdopted(shared_from_this(), std::move(ended)));
        }
        wake_.set();
        show();
    });
}

Outlet::Hold::Hold(std::shared_ptr<Outlet> outlet, std::vector<std::string> ids) : outlet_(std::move(outlet)), ids_(std::move(ids)) {
    outlet_->inHand_->take(ids_);
}

Outlet::Hold::~Hold() {
    if (outlet_) outlet_->inHand_->drop(ids_);
}

void Outlet::InHand::take(const std::vector<std::string>& ids) {
    const std::lock_guard lock(mutex_);
    ids_.insert(ids.begin(), ids.end());
}

void Outlet::InHand::drop(const std::vector<std::string>& ids) {
    const std::lock_guard lock(mutex_);
    for (const auto& id : ids) ids_.erase(ids_.find(id));
    if (watched_) dropped_.insert(ids.begin(), ids.end());
}

bool Outlet::InHand::has(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    return ids_.contains(id) || dropped_.contains(id);
}

void Outlet::InHand::watch(bool begun) {
    const std::lock_guard lock(mutex_);
    watched_ = begun;
    dropped_.clear();
}

Task<bool> Outlet::settleOffered(std::size_t count, std::vector<JobPtr> jobs) {
    const auto self = shared_from_this();
    waiting_ += count;
    ++busy_;
    std::vector<OutboxOutcome> outcomes;
    std::vector<JobPtr> ended;
    for (const auto& job : jobs) {
        job->adopted = true;
        if (job->stage != OutletJob::Stage::ended) continue;
        ended.push_back(job);
        if (stopped(*job)) continue;
        outcomes.push_back(outcomeOf(*job));
        co_await layOutAside(job);
    }
    bool written = true;
    if (!outcomes.empty()) written = co_await conclude(std::move(outcomes), Tell::nobody);
    for (const auto& job : ended) job->hold.reset();
    --busy_;
    changed_.set();
    wake_.set();
    show();
    co_return written;
}

OutboxOutcome Outlet::outcomeOf(const OutletJob& job) {
    OutboxOutcome outcome{.id = job.message.id, .sink = settings_.name};
    using Kind = OutboxOutcome::Kind;
    if (job.verdict != Delivery::Verdict::notDelivered) {
        outcome.kind = job.verdict == Delivery::Verdict::known ? Kind::known : Kind::delivered;
        return outcome;
    }
    const auto& error = *job.error;
    const auto now = loop_.clock().wall();
    outcome.code = error.code;
    outcome.what = error.what;
    outcome.kind = error.reaction == Reaction::setAside ? Kind::aside
                   : settings_.giveUp && loop_.clock().steady() >= noExpiryUntil_ && job.first && now - *job.first >= *settings_.giveUp
                       ? Kind::dead
                       : Kind::refused;
    auto pause = retryPause(job.attempts, settings_.retryMaxInterval, parts_.random);
    if (error.retryAfter) pause = std::max(pause, *error.retryAfter);
    outcome.next = now + pause;
    return outcome;
}

/// Ends one of busy_. `self`: keeps this alive.
Task<void> Outlet::concludeAdopted([[maybe_unused]] std::shared_ptr<Outlet> self, std::vector<JobPtr> jobs) {
    std::vector<OutboxOutcome> outcomes;
    for (const auto& job : jobs) {
        if (stopped(*job)) continue;
        outcomes.push_back(outcomeOf(*job));
        co_await layOutAside(job);
    }
    if (!outcomes.empty()) co_await conclude(std::move(outcomes));
    for (const auto& job : jobs) job->hold.reset();
    --busy_;
    changed_.set();
}

/// What the sink can never take is laid where people look for it. The outbox keeps its own: a failure here is only logged.
Task<void> Outlet::layOutAside(JobPtr job) {
    if (job->verdict != Delivery::Verdict::notDelivered || job->error->reaction != Reaction::setAside) co_return;
    auto lay = plugin::offload(loop_, [&files = parts_.files, job] { return files.quarantine(job->message); });
    const auto laid = co_await lay;
    if (!laid) parts_.log.warning(logger, plugin::describe(laid.error()), {{"sink", settings_.name}});
}

/// It came to nothing because the service stops: no attempt of its own.
bool Outlet::stopped(const OutletJob& job) const { return job.verdict == Delivery::Verdict::notDelivered && giveUp_.stop_requested(); }

void Outlet::show() {
    const std::lock_guard lock(mutex_);
    view_ = {health_.state(), waiting_, health_.lastError(), proven_ || health_.state() == SinkHealth::State::disabled, stuck_.size()};
}

Outlet::View Outlet::view() const {
    const std::lock_guard lock(mutex_);
    return view_;
}

}  // namespace listener
