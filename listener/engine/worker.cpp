#include "listener/engine/worker.h"

#include <exception>

namespace listener {

using plugin::Error;
using plugin::Mode;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.engine";

/// Trouble of one folder alone: the session is still good for the others.
bool concernsOneFolder(const Error& error) {
    return error.code == plugin::Code::mailboxFolderMissing || error.code == plugin::Code::mailboxFolderRebuilt ||
           error.code == plugin::Code::mailboxNotReadable;
}

}  // namespace

Worker::Worker(const WorkerParts& parts, plugin::Loop& loop, MailboxSettings settings, std::vector<Sink*> sinks)
    : parts_(parts),
      loop_(loop),
      settings_(std::move(settings)),
      sinks_(std::move(sinks)),
      status_(settings_.alias, settings_.interval, loop.clock().steady()),
      backoff_(parts.random) {
    if (!settings_.enabled) status_.enter(State::disabled);
}

void Worker::operatorActed() {
    loop_.post([acted = acted_] { acted->set(); });
}

Task<bool> Worker::run(Mode mode, Stops stops) {
    stops_ = std::move(stops);
    bool renewed = false;  // one fresh token in a row
    while (!stops_.finish.stop_requested()) {
        status_.enter(State::starting);
        auto ended = co_await guarded(mode);
        if (ended && *ended == Ended::finished) co_return true;
        if (ended) continue;
        const auto& error = ended.error();
        if (stops_.finish.stop_requested()) break;
        if (error.reaction == Reaction::reauthenticate && !std::exchange(renewed, true)) continue;
        const auto wait = backoff_.failed(error, loop_.clock().steady());
        note(error, wait);
        if (mode == Mode::once) co_return false;
        if (error.reaction != Reaction::reauthenticate) renewed = false;
        status_.enter(State::waiting);
        co_await rest(wait);
    }
    co_return false;
}

void Worker::note(const Error& error, std::chrono::milliseconds wait) {
    status_.failed(error);
    parts_.metrics.add("postern_errors_total", {{"mailbox", settings_.alias}, {"code", plugin::codeName(error.code)}}, 1);
    // The first of its kind is for people; repetitions would only fill the log (the metrics count them).
    const bool repeated = lastCode_ == error.code;
    lastCode_ = error.code;
    parts_.log.write(repeated                                  ? plugin::Level::debug
                     : error.reaction == Reaction::askOperator ? plugin::Level::error
                                                               : plugin::Level::warning,
                     logger, plugin::describe(error), {{"mailbox", settings_.alias}, {"again_in_ms", std::int64_t{wait.count()}}});
}

/// A bug ends this round, not the service: the mailbox starts again after a back-off.
Task<Result<Worker::Ended>> Worker::guarded(Mode mode) {
    std::string what;
    try {
        co_return co_await session(mode);
    } catch (const std::exception& bug) {
        what = bug.what();
    } catch (...) {  // logged and counted by note()
        what = "an unknown exception";
    }
    co_return Error{Reaction::retryLater, plugin::Code::internalBug,
                    "the round of mailbox " + settings_.alias + " ended in a bug: " + plugin::printable(what)};
}

Task<Result<void>> Worker::checkBlocked() {
    auto why = co_await parts_.ledger.blocked(settings_.alias);
    if (!why) co_return why.error();
    if (*why) co_return Error{Reaction::askOperator, plugin::Code::storeStateLost, "mailbox " + settings_.alias + " waits for an operator: " + **why};
    co_return Result<void>{};
}

Task<Result<Worker::Ended>> Worker::session(Mode mode) {
    acted_->reset();
    auto allowed = co_await checkBlocked();
    if (!allowed) co_return allowed.error();
    auto turn = plugin::sleepUntil(parts_.pacer.reserve(settings_.session.target.host, loop_.clock().steady()), stops_.finish);
    if (co_await turn == plugin::Wake::stopped) co_return Ended::lookAgain;
    const auto mailbox = parts_.makeMailbox(settings_);
    auto opened = co_await mailbox->open(stops_.giveUp);
    if (!opened) co_return opened.error();
    auto ended = co_await workUntilStopped(*mailbox, mode);
    // A session that broke says no good-bye; any other is closed in order, so that the server counts no leftover connection.
    if (ended || concernsOneFolder(ended.error()) || ended.error().reaction == Reaction::askOperator) co_await mailbox->close(stops_.giveUp);
    co_return ended;
}

Task<Result<Worker::Ended>> Worker::workUntilStopped(Mailbox& mailbox, Mode mode) {
    for (;;) {
        status_.enter(State::working);
        auto worked = co_await workFolders(mailbox);
        const bool folderTrouble = !worked && concernsOneFolder(worked.error());
        if (!worked && (!folderTrouble || mode == Mode::once)) co_return worked.error();
        if (folderTrouble) {
            note(worked.error(), settings_.interval);
        } else if (*worked) {
            const auto now = loop_.clock().steady();
            status_.verified(now);
            lastVerified_ = loop_.clock().wall();
            backoff_.succeeded(now);
            if (lastCode_) parts_.log.notice(logger, "the mailbox is well again", {{"mailbox", settings_.alias}});
            lastCode_.reset();
            if (mode == Mode::once) co_return Ended::finished;
        }
        if (stops_.finish.stop_requested()) co_return Ended::lookAgain;
        status_.enter(State::waiting);
        auto pause = acted_->wait(loop_.clock().steady() + settings_.interval, stops_.finish);
        if (co_await pause != plugin::Wake::timedOut) co_return Ended::lookAgain;
    }
}

/// Every folder has its turn until none has more. True: all of them answered, and all they listed is accounted for.
Task<Result<bool>> Worker::workFolders(Mailbox& mailbox) {
    const RoundParts parts{settings_, parts_.ledger, sinks_, parts_.disk, parts_.stagingPath, parts_.log, parts_.metrics};
    std::optional<Error> trouble;
    for (bool more = true; more;) {
        more = false;
        for (const auto& folder : settings_.folders) {
            if (stops_.finish.stop_requested()) co_return false;
            Round round(parts, mailbox, folder, stops_);
            auto end = co_await round.run();
            if (!end) {
                if (!concernsOneFolder(end.error())) co_return end.error();
                if (!trouble) trouble = end.error();
                continue;
            }
            if (end->delivered > 0)
                parts_.log.information(
                    logger, "delivered",
                    {{"mailbox", settings_.alias}, {"folder", plugin::printable(folder)}, {"messages", std::uint64_t{end->delivered}}});
            if (!end->complete) more = true;
            if (!end->unreadable.empty() && !trouble)
                trouble = Error{Reaction::retryLater, plugin::Code::mailboxNotReadable,
                                std::to_string(end->unreadable.size()) + " messages of folder " + folder + " of mailbox " + settings_.alias +
                                    " are listed but not handed out (first UID " + std::to_string(end->unreadable.front()) + ")"};
        }
    }
    if (trouble) co_return *trouble;
    co_return !stops_.finish.stop_requested();
}

/// Waits out a back-off; an operator's act ends it.
Task<void> Worker::rest(std::chrono::milliseconds time) {
    auto pause = acted_->wait(loop_.clock().steady() + time, stops_.finish);
    co_await pause;
}

}  // namespace listener
