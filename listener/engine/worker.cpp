#include "listener/engine/worker.h"

#include "auth/diagnosis/diagnosis.h"
#include "listener/engine/conservation.h"
#include "listener/engine/mailboxes.h"

#include <algorithm>
#include <exception>

namespace listener {

using plugin::Error;
using plugin::Mode;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.engine";
constexpr std::chrono::minutes shortSession{1};
constexpr std::chrono::seconds clocksDiffer{5};
constexpr std::chrono::seconds shortLife{20};  // a token of a minute serves sign-ins for half of its life; a session has the rest
constexpr unsigned fruitlessLimit = 3;         // a server that tells of arrivals there are none of sets no pace
constexpr std::chrono::seconds pauseWhenFruitless{5};
constexpr std::chrono::hours firstAccounts{1}, betweenAccounts{24};  // each reads the whole folder's positions

/// Trouble of one folder alone: the session is still good for the others.
bool concernsOneFolder(const Error& error) {
    return error.code == plugin::Code::mailboxFolderMissing || error.code == plugin::Code::mailboxFolderRebuilt ||
           error.code == plugin::Code::mailboxNotReadable;
}

}  // namespace

Worker::Worker(const WorkerParts& parts, plugin::Loop& loop, MailboxSettings settings, std::vector<Outlet*> outlets)
    : parts_(parts),
      loop_(loop),
      settings_(std::move(settings)),
      current_(settings_),
      outlets_(std::move(outlets)),
      status_(settings_.alias, settings_.interval, loop.clock().steady()),
      backoff_(parts.random),
      pace_(settings_.interval, settings_.quiet, loop.clock().steady()) {
    if (!settings_.enabled) status_.enter(State::disabled);
}

void Worker::operatorActed() {
    loop_.post([acted = acted_, wake = wake_] {
        acted->set();
        wake->request_stop();
    });
}

std::string Worker::credential() const {
    const std::lock_guard lock(mutex_);
    return current_.session.credential;
}

Task<bool> Worker::run(Mode mode, Stops stops) {
    stops_ = std::move(stops);
    bool renewed = false;  // one fresh token in a row
    while (!stops_.finish.stop_requested()) {
        status_.enter(State::starting);
        auto ended = co_await guarded(mode);
        if (ended && *ended == Ended::finished) co_return true;
        if (ended) continue;
        auto error = ended.error();
        if (stops_.finish.stop_requested()) break;
        if (error.code == plugin::Code::mailboxThrottled) pace_.throttled(loop_.clock().steady());
        if (isNoFailure(error)) continue;
        const auto other = co_await fallsBack(error);
        if (other && *other) continue;
        if (!other) error = other.error();
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
    status_.failed(error, loop_.clock().steady());
    parts_.metrics.add("postern_errors_total", {{"mailbox", settings_.alias}, {"code", plugin::codeName(error.code)}}, 1);
    // The first of its kind is for people; repetitions would only fill the log (the metrics count them).
    const bool repeated = lastCode_ == error.code;
    lastCode_ = error.code;
    const auto level = repeated ? plugin::Level::debug : error.reaction == Reaction::askOperator ? plugin::Level::error : plugin::Level::warning;
    std::vector<plugin::Field> fields{{"mailbox", settings_.alias}, {"again_in_ms", std::int64_t{wait.count()}}};
    const auto& by = current_.session;
    auth::diagnosis::Case seen{.error = error, .user = by.user, .credential = by.credential};
    seen.mailbox = settings_.alias;
    seen.protocol = current_.protocol;
    seen.provider = by.provider;
    seen.tokenEndpoint = by.tokenEndpoint;
    for (auto& field : auth::diagnosis::logFields(seen)) fields.push_back(std::move(field));
    parts_.log.write(level, logger, plugin::describe(error), fields);
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

/// Whether somebody has decided that another protocol is the right one.
Task<Result<bool>> Worker::takesAnotherWay() {
    auto wanted = settings_;
    auto followed = co_await followDetour(parts_.ledger, wanted);
    if (!followed) co_return followed.error();
    const bool another = wanted.protocol != current_.protocol;
    {
        const std::lock_guard lock(mutex_);
        current_ = std::move(wanted);
    }
    if (another && current_.protocol != settings_.protocol)
        parts_.log.notice(logger, "the mailbox is read by another protocol than is configured, as `postern mailboxes` shows",
                          {{"mailbox", settings_.alias}, {"protocol", current_.protocol}, {"configured", settings_.protocol}});
    if (another) unreadable_.clear();  // its numbers are those of other messages
    co_return another;
}

/// Only as a session begins: an operator may have changed file and detour, and not yet reloaded.
Task<Result<void>> Worker::dropOldDetour() {
    auto dropped = co_await forgetOldDetour(parts_.ledger, settings_);
    if (!dropped) co_return dropped.error();
    if (*dropped)
        parts_.log.notice(logger, "the configuration has another protocol by now: a detour is over",
                          {{"mailbox", settings_.alias},
                           {"protocol", settings_.protocol},
                           {"detour", (*dropped)->protocol},
                           {"instead_of", (*dropped)->insteadOf}});
    co_return Result<void>{};
}

/// The server lets nobody in by EWS any more: by Microsoft Graph from now on, where the configuration allows that. Errors: of the ledger.
Task<Result<bool>> Worker::fallsBack(Error error) {
    if (error.code != plugin::Code::mailboxEwsBlocked || !settings_.fallsBack || current_.protocol != "ews" || !current_.others.contains("graph"))
        co_return false;
    Detour detour{.protocol = "graph", .insteadOf = settings_.protocol, .why = error.what};
    auto taken = co_await parts_.ledger.take(settings_.alias, std::move(detour));
    if (!taken) co_return taken.error();
    parts_.log.warning(
        logger,
        "the mailbox is read by Microsoft Graph from now on: set mailbox." + settings_.alias + ".protocol = graph. " + plugin::describe(error),
        {{"mailbox", settings_.alias}});
    co_return true;
}

/// What the first turn will ask for, so that it can be on the way with the sign-in. Of a folder that begins now or at a date that is not known.
Task<Result<void>> Worker::tellExpected(Mailbox& mailbox) {
    const auto& first = settings_.folders.front();
    std::string protocol(mailbox.protocol());
    auto record = co_await parts_.ledger.folder(settings_.alias, std::move(protocol), first);
    if (!record) co_return record.error();
    if (*record || settings_.start.kind == Start::Kind::all) mailbox.expect(first, *record ? (*record)->cursor : 0);
    co_return Result<void>{};
}

/// Some servers end a session when the token it began with ends; and a token that is refused on a live session ends it too. That is a
/// reason to sign in again, at once, unless it comes so soon that something else is wrong.
bool Worker::isNoFailure(const Error& error) const {
    const auto lasted = loop_.clock().steady() - signedIn_;
    return error.code == plugin::Code::mailboxSessionExpired && lasted >= (tokenEnded_ ? shortLife : std::chrono::seconds{shortSession});
}

Task<Result<Worker::Ended>> Worker::session(Mode mode) {
    acted_->reset();
    auto allowed = co_await checkBlocked();
    if (!allowed) co_return allowed.error();
    auto over = co_await dropOldDetour();
    if (!over) co_return over.error();
    auto way = co_await takesAnotherWay();
    if (!way) co_return way.error();
    auto turn = plugin::sleepUntil(parts_.pacer.reserve(current_.session.target.host, loop_.clock().steady()), stops_.finish);
    if (co_await turn == plugin::Wake::stopped) co_return Ended::lookAgain;
    const auto mailbox = parts_.makeMailbox(current_);
    auto told = co_await tellExpected(*mailbox);
    if (!told) co_return told.error();
    auto opened = co_await mailbox->open(stops_.giveUp);
    if (!opened) co_return opened.error();
    signedIn_ = loop_.clock().steady();
    auto ended = co_await workUntilStopped(*mailbox, mode);
    const auto until = mailbox->signedInUntil();
    tokenEnded_ = until && loop_.clock().wall() >= *until - clocksDiffer;
    // A session that broke says no good-bye; any other is closed in order, so that the server counts no leftover connection.
    if (ended || concernsOneFolder(ended.error()) || ended.error().reaction == Reaction::askOperator || isNoFailure(ended.error()))
        co_await mailbox->close(stops_.giveUp);
    co_return ended;
}

Task<Result<Worker::Ended>> Worker::workUntilStopped(Mailbox& mailbox, Mode mode) {
    auto resolved = co_await resolveAfter(mailbox);
    if (!resolved) co_return resolved.error();
    std::vector<std::string> heard;  // the folders to look into; none: all
    for (;;) {
        status_.enter(State::working);
        const bool whole = heard.empty();
        if (whole) {
            auto folders = co_await watchedFolders(mailbox);
            if (!folders) co_return folders.error();
            heard = std::move(*folders);
        }
        auto look = co_await workFolders(mailbox, std::exchange(heard, {}), mode);
        if (!look) co_return look.error();
        if (look->delivered > 0) pace_.arrived(loop_.clock().steady());
        const auto every = untilNextLook(mailbox, look->answered.size());
        if (look->trouble) {
            if (mode == Mode::once) co_return *look->trouble;
            note(*look->trouble, settings_.interval);
        } else if (look->complete && whole) {
            wellAgain();
            if (mode == Mode::once) co_return Ended::finished;
        }
        if (stops_.finish.stop_requested()) co_return Ended::lookAgain;
        if (look->delivered > 0)
            fruitless_ = 0;
        else if (!whole)
            ++fruitless_;
        const auto now = loop_.clock().steady();
        if (whole && look->complete && !look->trouble && mode == Mode::service) {
            auto kept = co_await keepAccounts(mailbox, look->answered);
            if (!kept) co_return kept.error();
        }
        if (whole) {
            lookedWhole_ = now;
            nextWhole_ = now + (look->trouble ? std::min(every, settings_.interval) : every);
            watched_ = std::move(look->answered);
        } else if (!mailbox.pushes()) {
            nextWhole_ = std::min(nextWhole_, now + every);  // the server tells of nothing after all
        }
        if (nextWhole_ <= now) continue;
        auto news = co_await pause(mailbox, watched_, nextWhole_);
        if (!news) co_return news.error();
        if (stops_.finish.stop_requested()) co_return Ended::lookAgain;
        heard = std::move(*news);
        if (!acted_->isSet()) continue;
        acted_->reset();
        heard.clear();
        auto allowed = co_await checkBlocked();
        if (!allowed) co_return allowed.error();
        auto another = co_await takesAnotherWay();
        if (!another) co_return another.error();
        if (*another) co_return Ended::lookAgain;
    }
}

/// Which folders the configuration's patterns mean now, without those that after-actions move mail into.
Task<Result<std::vector<std::string>>> Worker::watchedFolders(Mailbox& mailbox) {
    auto patterns = settings_.folders;
    auto folders = co_await mailbox.folders(std::move(patterns), stops_.giveUp);
    if (!folders) co_return folders.error();
    std::erase(*folders, working_.after.target);
    std::erase(*folders, working_.afterQuarantine.target);
    if (folders->empty())
        co_return Error{Reaction::askOperator, plugin::Code::mailboxFolderMissing,
                        "mailbox " + settings_.alias + " has no folder that fits mailbox." + settings_.alias + ".folders"};
    co_return std::move(*folders);
}

/// The target of after-actions may be named by its use ("\\Archive"): whatever folder this server has for it.
Task<Result<void>> Worker::resolveAfter(Mailbox& mailbox) {
    working_ = current_;
    auto after = co_await resolve(mailbox, working_.after.target, "after");
    if (!after) co_return after;
    co_return co_await resolve(mailbox, working_.afterQuarantine.target, "after_quarantine");
}

Task<Result<void>> Worker::resolve(Mailbox& mailbox, std::string& target, const char* key) {
    if (!target.starts_with('\\')) co_return Result<void>{};
    std::vector<std::string> wanted{target};
    auto found = co_await mailbox.folders(std::move(wanted), stops_.giveUp);
    if (!found) co_return found.error();
    if (found->empty())
        co_return Error{Reaction::askOperator, plugin::Code::mailboxFolderMissing,
                        "mailbox " + settings_.alias + " has no folder of use " + target + ": name one in mailbox." + settings_.alias + "." + key};
    target = found->front();
    co_return Result<void>{};
}

/// Each folder has its turn until none has more.
Task<Result<Worker::Look>> Worker::workFolders(Mailbox& mailbox, std::vector<std::string> folders, Mode mode) {
    Look look;
    for (auto left = std::move(folders); !left.empty();) {
        std::vector<std::string> more;
        for (auto& folder : left) {
            if (stops_.finish.stop_requested()) {
                look.complete = false;
                co_return look;
            }
            auto turn = co_await turnOf(mailbox, folder, mode);
            if (!turn) {
                if (!concernsOneFolder(turn.error())) co_return turn.error();
                if (!look.trouble) look.trouble = turn.error();
                continue;
            }
            look.delivered += turn->delivered + turn->owed;
            if (turn->refused && !look.trouble) look.trouble = turn->refused;
            if (!turn->unreadable.empty() && !look.trouble)
                look.trouble = Error{Reaction::retryLater, plugin::Code::mailboxNotReadable,
                                     std::to_string(turn->unreadable.size()) + " messages of folder " + folder + " of mailbox " + settings_.alias +
                                         " are listed but not handed out (first UID " + std::to_string(turn->unreadable.front()) + ")"};
            if (!turn->complete)
                more.push_back(std::move(folder));
            else
                look.answered.push_back(std::move(folder));
        }
        left = std::move(more);
    }
    look.complete = !stops_.finish.stop_requested();
    co_return look;
}

Task<Result<RoundEnd>> Worker::turnOf(Mailbox& mailbox, std::string folder, Mode mode) {
    const RoundParts parts{working_,    parts_.ledger,      parts_.outbox, parts_.files,  outlets_, mode, parts_.outboxChanged,
                           parts_.disk, parts_.stagingPath, parts_.log,    parts_.metrics};
    Round round(parts, mailbox, folder, stops_, unreadable_[folder]);
    auto end = co_await round.run();
    if (!end || end->delivered + end->owed == 0) co_return end;
    arrivals_[folder] += end->delivered + end->owed;
    std::vector<plugin::Field> fields{{"mailbox", settings_.alias}, {"folder", folder}, {"messages", std::uint64_t{end->delivered}}};
    if (end->owed > 0) fields.emplace_back("in_outbox", std::uint64_t{end->owed});
    parts_.log.information(logger, "delivered", fields);
    co_return end;
}

std::map<std::string, std::size_t> Worker::unaccounted() const {
    const std::lock_guard lock(mutex_);
    return unaccounted_;
}

/// Once a day, the first time an hour after the start: whether all that stands in the folders is known; and what the ledger may forget.
Task<Result<void>> Worker::keepAccounts(Mailbox& mailbox, std::vector<std::string> folders) {
    const auto now = loop_.clock().steady();
    if (!accountsDue_) accountsDue_ = now + firstAccounts;
    if (now < *accountsDue_) co_return Result<void>{};
    accountsDue_ = now + betweenAccounts;
    for (auto& folder : folders) {
        if (stops_.finish.stop_requested()) break;
        auto kept = co_await keepAccount(mailbox, std::move(folder));
        if (!kept) co_return kept;
    }
    co_return Result<void>{};
}

Task<Result<void>> Worker::keepAccount(Mailbox& mailbox, std::string folder) {
    auto seen = co_await examine(parts_.ledger, mailbox, settings_.alias, folder, stops_.giveUp);
    if (!seen) co_return seen.error();
    if (!*seen) co_return Result<void>{};
    auto& [standing, unaccounted, record] = **seen;
    parts_.metrics.set("postern_folder_unaccounted", {{"mailbox", settings_.alias}, {"folder", folder}}, static_cast<double>(unaccounted.size()));
    if (!unaccounted.empty()) {
        std::string first;
        for (std::size_t i = 0; i < unaccounted.size() && i < 20; ++i) first += (i > 0 ? "," : "") + std::to_string(unaccounted[i]);
        const Error error{Reaction::askOperator, plugin::Code::messageUnaccounted,
                          std::to_string(unaccounted.size()) + " messages stand in folder " + folder + " of mailbox " + settings_.alias +
                              " of which the ledger knows nothing"};
        parts_.log.error(logger, plugin::describe(error), {{"mailbox", settings_.alias}, {"first_uids", first}});
    }
    {
        const std::lock_guard lock(mutex_);
        unaccounted_[folder] = unaccounted.size();
    }
    const auto moment = loop_.clock().wall() - parts_.retention;
    auto all = std::make_shared<const std::vector<std::uint64_t>>(std::move(standing));
    auto gone = co_await parts_.ledger.retain(record.id, std::move(all), moment);
    if (!gone) co_return gone.error();
    if (*gone > 0)
        parts_.log.information(logger, "the ledger forgets messages that are no longer in their folder",
                               {{"mailbox", settings_.alias}, {"folder", folder}, {"messages", *gone}});
    co_return Result<void>{};
}

void Worker::wellAgain() {
    const auto now = loop_.clock().steady();
    status_.verified(now);
    lastVerified_ = loop_.clock().wall();
    backoff_.succeeded(now);
    if (lastCode_) parts_.log.notice(logger, "the mailbox is well again", {{"mailbox", settings_.alias}});
    lastCode_.reset();
}

/// Until something is heard of some folders (which are answered), `until`, a stop, or an operator's act (none).
Task<Result<std::vector<std::string>>> Worker::pause(Mailbox& mailbox, std::vector<std::string> folders, plugin::Deadline until) {
    std::vector<std::string> heard;
    if (mailbox.pushes() && !folders.empty()) {
        if (fruitless_ >= fruitlessLimit) {
            status_.enter(State::waiting);
            auto breath = acted_->wait(std::min<plugin::Deadline>(until, loop_.clock().steady() + pauseWhenFruitless), stops_.finish);
            co_await breath;
            if (stops_.finish.stop_requested()) co_return heard;
        }
        status_.enter(State::watching);
        *wake_ = std::stop_source{};
        if (acted_->isSet()) co_return heard;
        const std::stop_callback stopping(stops_.finish, [wake = *wake_]() mutable { wake.request_stop(); });
        std::stable_sort(folders.begin(), folders.end(), [this](const auto& a, const auto& b) { return arrivalsOf(a) > arrivalsOf(b); });
        Watching watching{.folders = std::move(folders), .until = until, .sweep = settings_.interval, .wake = wake_->get_token()};
        auto news = co_await mailbox.watch(std::move(watching), stops_.giveUp);
        if (!news && !concernsOneFolder(news.error())) co_return news.error();
        if (news) unwatched_ = false;
        if (news && (!news->empty() || mailbox.pushes())) co_return news;
        // The server has taken its word back; or a folder is none to it any more.
        until = std::min(until, news ? loop_.clock().steady() + settings_.interval : lookAfter(news.error()));
    }
    status_.enter(State::waiting);
    auto waiting = acted_->wait(until, stops_.finish);
    co_await waiting;
    co_return heard;
}

/// When to look at the whole, since a folder cannot be watched: at once, for it may have gone away; but one that has just been read, and cannot be
/// watched all the same, sets no pace.
plugin::Steady Worker::lookAfter(const Error& error) {
    const auto next = lookedWhole_ + settings_.interval;
    if (next > loop_.clock().steady() && !std::exchange(unwatched_, true))
        parts_.log.warning(logger,
                           "a folder cannot be watched, though it can be read: the mailbox is looked into every interval. " + plugin::describe(error),
                           {{"mailbox", settings_.alias}});
    return next;
}

/// From one whole look to the next; `folders`: so many it took. Nobody is called stalled because mail comes fast.
std::chrono::milliseconds Worker::untilNextLook(const Mailbox& mailbox, std::size_t folders) {
    const auto every = mailbox.pushes()      ? settings_.reconcile
                       : mailbox.hasNoPush() ? pace_.next(loop_.clock().steady(), folders)
                                             : settings_.interval;
    status_.expectEvery(mailbox.hasNoPush() ? std::max(every, settings_.interval) : every);
    return every;
}

std::uint64_t Worker::arrivalsOf(const std::string& folder) const {
    const auto found = arrivals_.find(folder);
    return found == arrivals_.end() ? 0 : found->second;
}

/// Waits out a back-off; an operator's act ends it.
Task<void> Worker::rest(std::chrono::milliseconds time) {
    auto pause = acted_->wait(loop_.clock().steady() + time, stops_.finish);
    co_await pause;
}

}  // namespace listener
