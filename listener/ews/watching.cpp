#include "listener/ews/watching.h"

#include "listener/ews/finding.h"
#include "listener/ews/refusal.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace listener::ews {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr int failuresInARow = 3;
/// After the first failure in a row, and after the second: a server that is begun anew takes its time.
constexpr std::array<std::chrono::seconds, 2> pauses{std::chrono::seconds{5}, std::chrono::seconds{30}};
/// After the third.
constexpr std::chrono::minutes askAgainAfter{10};
/// One mail is told of more than once (created, new): so long more is waited for.
constexpr std::chrono::milliseconds mergeTime{300};
/// A connection nobody needs is given up after so long: it holds buffers, and the server forgets it anyway.
constexpr std::chrono::seconds idleTime{60};
/// For taking leave.
constexpr std::chrono::milliseconds closeTime{2'000};

/// Stopped when either is.
class Either {
public:
    Either(const std::stop_token& a, const std::stop_token& b) : onA_(a, Ask{source_}), onB_(b, Ask{source_}) {}
    std::stop_token token() const { return source_.get_token(); }

private:
    struct Ask {
        std::stop_source source;
        void operator()() { source.request_stop(); }
    };
    std::stop_source source_{};
    std::stop_callback<Ask> onA_, onB_;
};

Error stoppedError(const Session& session) { return {Reaction::retryLater, Code::channelStopped, session.peer + ": stopped while waiting for news"}; }

/// The server has as many of them as it takes, ours or others': nothing is asked of it again for a while, and the mailbox is looked into instead.
bool isTooMany(std::optional<Meaning> meaning) { return meaning == Meaning::subscriptions || meaning == Meaning::crowded; }

/// What another try may mend: not what somebody has to change, nor what the server wants us to wait for.
bool isPassing(const Error& error) {
    if (error.code == Code::channelStopped || error.code == Code::mailboxThrottled) return false;
    return error.reaction == Reaction::reconnect || error.code == Code::mailboxCommandRefused;
}

/// In whichever order.
bool areTheSame(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    return std::set<std::string>(a.begin(), a.end()) == std::set<std::string>(b.begin(), b.end());
}

}  // namespace

Notifications::Notifications(Session& session) : session_(session), endpoint_(session) { endpoint_.affine = true; }

Task<Result<std::vector<std::string>>> Notifications::watch(Endpoint& main, Watching watching, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const Either either{watching.wake, stop};
    const auto begun = loop.clock().steady();
    heard_ = begun;  // what came meanwhile lies in the socket
    if (session_.pushAgainAt && begun >= *session_.pushAgainAt) session_.pushAgainAt.reset(), failures_ = 0, resumes_ = begun;
    auto until = watching.until;
    bool idle = false;
    while (news_.empty()) {
        const auto now = loop.clock().steady();
        if (stop.stop_requested()) co_return stoppedError(session_);
        if (watching.wake.stop_requested() || now >= until) break;
        const bool mayIdle = !idle && state_ == State::told;
        if (mayIdle && now >= begun + idleTime) {
            main.abandon();
            idle = true;
            continue;
        }
        if (!unknown_.empty() && now >= begun + watching.sweep) {
            news_.insert(unknown_.begin(), unknown_.end());
            break;
        }
        const auto pause = std::min({until, mayIdle ? begun + idleTime : until, unknown_.empty() ? until : begun + watching.sweep});
        auto stepping = step(main, watching, pause, stop, either.token());
        auto done = co_await stepping;
        if (done && session_.pushAgainAt) news_.insert(watching.folders.begin(), watching.folders.end());
        if (!done) co_return done.error();
    }
    if (!news_.empty() && state_ == State::told) {
        const auto merged = loop.clock().steady() + mergeTime;
        while (state_ == State::told && loop.clock().steady() < merged && !either.token().stop_requested()) {
            const int before = failures_;
            auto listening = listen(merged, either.token());
            auto done = co_await listening;
            rest(before, loop.clock().steady());
            if (!done) co_return done.error();
        }
    }
    if (stop.stop_requested()) co_return stoppedError(session_);
    std::vector<std::string> names;
    for (const auto& folder : watching.folders)
        if (news_.contains(folder)) names.push_back(folder);
    news_.clear();
    co_return std::move(names);
}

/// One step on the way to news. A failure that may pass is one of at most three in a row, with pauses in between.
Task<Result<void>> Notifications::step(Endpoint& main, const Watching& watching, plugin::Deadline until, std::stop_token stop,
                                       std::stop_token either) {
    auto& loop = co_await plugin::thisLoop();
    if (state_ != State::none && !areTheSame(names_, watching.folders)) lose();
    if (state_ == State::none && failures_ > 0 && loop.clock().steady() < resumes_) {
        auto pausing = plugin::sleepUntil(std::min(watching.until, resumes_), either);
        co_await pausing;
        co_return Result<void>{};
    }
    const int before = failures_;
    auto advancing = advance(main, watching, until, stop, either);
    auto done = co_await advancing;
    const bool passes = !done && !session_.over && isPassing(done.error());
    if (passes) failed(done.error().what);
    rest(before, loop.clock().steady());
    if (passes) co_return Result<void>{};
    co_return done;
}

/// After a failure, if there are more of them than before.
void Notifications::rest(int before, plugin::Steady now) {
    if (failures_ <= before) return;
    if (failures_ >= failuresInARow)
        session_.pushAgainAt = now + askAgainAfter;
    else
        resumes_ = now + pauses[static_cast<std::size_t>(failures_) - 1];
}

Task<Result<void>> Notifications::advance(Endpoint& main, const Watching& watching, plugin::Deadline until, std::stop_token stop,
                                          std::stop_token either) {
    auto next = state_ == State::none         ? subscribeTo(main, watching.folders, stop)
                : state_ == State::subscribed ? startListening(stop)
                                              : listen(until, either);
    auto done = co_await next;
    co_return done;
}

Task<Result<void>> Notifications::subscribeTo(Endpoint& main, const Names& names, std::stop_token stop) {
    byId_.clear();
    unknown_.clear();
    names_ = names;
    std::vector<std::string> ids;
    for (const auto& name : names) {
        auto finding = findFolder(session_, main, name, stop);
        auto id = co_await finding;
        if (!id) co_return id.error();
        if (!*id)
            unknown_.push_back(name);
        else if (byId_.emplace(**id, name).second)
            ids.push_back(**id);
    }
    if (ids.empty()) co_return folderMissing(session_, names.front());
    if (auto left = std::exchange(left_, {}); !left.empty()) {
        auto leaving = leave(endpoint_, std::move(left), stop);
        co_await leaving;
    }
    endpoint_.affinity.clear();
    auto operation = subscribe(ids);
    auto answer = co_await endpoint_.ask(std::move(operation), stop);
    const auto refusedAs = !answer ? endpoint_.refusedAs : answer->success ? std::nullopt : std::optional{meaningOf(answer->code)};
    if (leavesToCaller(refusedAs, answer ? answer->code : answer.error().what)) co_return Result<void>{};
    if (!answer) co_return answer.error();
    if (!answer->success) co_return refusal(session_, *answer, "Subscribe");
    if (answer->subscription.empty())
        co_return Error{Reaction::reconnect, Code::mailboxProtocol, session_.peer + ": Subscribe: the answer names none"};
    subscription_ = answer->subscription;
    state_ = State::subscribed;
    co_return Result<void>{};
}

Task<Result<void>> Notifications::startListening(std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    auto operation = getStreamingEvents(subscription_, connectionMinutes);
    auto begun = co_await endpoint_.begin(std::move(operation), stop);
    if (!begun && leavesToCaller(endpoint_.refusedAs, begun.error().what)) co_return Result<void>{};
    if (!begun) {
        if (isPassing(begun.error())) lose(endpoint_.refusedAs ? livesAfter(*endpoint_.refusedAs) : Lives::perhaps);
        co_return begun;
    }
    endpoint_.standsOpen();
    cutter_ = {};
    words_ = 0;
    heard_ = loop.clock().steady();
    state_ = State::listening;
    co_return Result<void>{};
}

/// What comes until then, or nothing.
Task<Result<void>> Notifications::listen(plugin::Deadline until, std::stop_token either) {
    auto& loop = co_await plugin::thisLoop();
    const auto dead = heard_ + silenceLimit;
    auto listening = endpoint_.listen(std::min(until, dead), either);
    auto got = co_await listening;
    if (got && !*got) {
        if (loop.clock().steady() >= dead) failed("the server has not said a word for " + std::to_string(silenceLimit.count()) + " s");
        co_return Result<void>{};
    }
    if (!got || (*got)->empty()) {
        failed(got ? "the answer ended without a word" : got.error().what);
        co_return Result<void>{};
    }
    heard_ = loop.clock().steady();
    cutter_.feed(**got);
    while (state_ == State::listening || state_ == State::told) {
        const auto document = cutter_.next();
        if (!document) break;
        if (auto read_ = read(*document); !read_) co_return read_;
    }
    if (cutter_.overflows()) failed("what the server tells has no end");
    co_return Result<void>{};
}

Result<void> Notifications::read(const std::string& document) {
    AnswerReader reader;
    if (!reader.feed(document) || !reader.finish()) {
        failed("what the server tells cannot be read: " + reader.why());
        return {};
    }
    if (const auto& fault = reader.fault()) {
        const auto error = refusal(session_.shown(fault->code), session_.shown(fault->text), fault->backOff, session_.peer, "GetStreamingEvents");
        return refused(meaningOf(fault->code), fault->backOff, error);
    }
    for (auto& part : reader.take())
        if (const auto* message = std::get_if<ResponseMessage>(&part))
            if (auto noted = note(*message); !noted) return noted;
    return {};
}

Result<void> Notifications::note(const ResponseMessage& message) {
    if (!message.success) {
        const auto error = refusal(session_, message, "GetStreamingEvents");
        return refused(meaningOf(message.code), message.backOff, error);
    }
    if (!message.deadSubscriptions.empty()) {
        failed("the subscription is dead", Lives::no);
        return {};
    }
    if (state_ == State::listening) {
        state_ = State::told;
        news_.insert(names_.begin(), names_.end());
    }
    if (++words_ > 1) {  // it has lived
        failures_ = 0;
        session_.toldOfNoPush = false;
    }
    for (const auto& event : message.events) {
        if (event.element == "StatusEvent") continue;
        const auto known = byId_.find(event.folder);
        if (known != byId_.end())
            news_.insert(known->second);
        else
            news_.insert(names_.begin(), names_.end());  // moved out of one of them; or the server writes its id in another way
    }
    if (message.connection == "Closed") {  // in order: the subscription goes on
        endpoint_.abandon();
        state_ = State::subscribed;
    }
    return {};
}

/// What the open answer ends with.
Result<void> Notifications::refused(Meaning meaning, std::optional<std::chrono::milliseconds> backOff, const Error& error) {
    if (meaning == Meaning::crowded) tooMany(session_, backOff, Hanging::yes);
    if (leavesToCaller(meaning, error.what)) return {};
    failed(error.what, livesAfter(meaning));
    return meaning == Meaning::subscription || isPassing(error) ? Result<void>{} : error;
}

/// Refusals after which all folders are news, for the caller to look into: whether this is one. A folder that is not found may have gone away just
/// now, which the look tells; where it finds the folder, this has been a failure as any other, for another server may answer here than there.
bool Notifications::leavesToCaller(std::optional<Meaning> meaning, std::string_view why) {
    if (isTooMany(meaning)) {
        giveUp(why);
        return true;
    }
    if (meaning != Meaning::folderGone) return false;
    failed(why);
    news_.insert(names_.begin(), names_.end());
    return true;
}

/// A mailbox that moves to another server leaves its subscriptions, and the cookie that leads there, behind.
Notifications::Lives Notifications::livesAfter(Meaning meaning) {
    return meaning == Meaning::subscription || meaning == Meaning::moves ? Lives::no : Lives::perhaps;
}

/// As after the last failure in a row, at once.
void Notifications::giveUp(std::string_view why) {
    failures_ = failuresInARow - 1;
    failed(why);
}

void Notifications::failed(std::string_view why, Lives lives) {
    lose(lives);
    if (++failures_ < failuresInARow) {
        session_.log.debug("listener.ews", "notifications are asked for anew",
                           {{"mailbox", session_.settings.alias}, {"cause", session_.shown(why)}});
        return;
    }
    session_.log.write(std::exchange(session_.toldOfNoPush, true) ? plugin::Level::debug : plugin::Level::notice, "listener.ews",
                       "the server does not tell of arrivals after all: the mailbox is asked now and then",
                       {{"mailbox", session_.settings.alias}, {"cause", session_.shown(why)}});
}

void Notifications::lose(Lives lives) {
    endpoint_.abandon();
    cutter_ = {};
    if (lives == Lives::perhaps && !subscription_.empty()) left_ = subscription_;
    subscription_.clear();
    state_ = State::none;
}

/// The server counts the subscriptions of a mailbox, and forgets one only after half an hour.
Task<void> Notifications::leave(Endpoint& over, std::string subscription, std::stop_token stop) {
    auto operation = unsubscribe(subscription);
    const auto done = co_await over.call(std::move(operation), 1, stop);
    if (!done) session_.log.debug("listener.ews", "no good-bye", {{"mailbox", session_.settings.alias}, {"cause", done.error().what}});
}

Task<void> Notifications::close(Endpoint& main, std::stop_token stop) {
    auto subscription = subscription_.empty() ? left_ : subscription_;
    if (subscription.empty() || session_.over || session_.limit->rests()) co_return;
    endpoint_.abandon();
    session_.settings.ioTimeout = std::min(session_.settings.ioTimeout, closeTime);
    session_.settings.connectTimeout = std::min(session_.settings.connectTimeout, closeTime);
    main.affine = true;
    main.affinity = endpoint_.affinity;
    auto leaving = leave(main, std::move(subscription), stop);
    co_await leaving;
    lose(Lives::no);
    left_.clear();
}

}  // namespace listener::ews
