#include "listener/engine/round.h"

#include "listener/engine/batcher.h"
#include "listener/engine/id_matching.h"
#include "listener/engine/recognition.h"
#include "listener/engine/rematch.h"
#include "plugin/contract/fault.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <iterator>

namespace listener {

using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.engine";
constexpr std::size_t actionsAtOnce = 1000;  // one command line stays below 8 kB, the least a server must take

/// The session is still good and the next folder may be tried.
bool sessionSurvives(const Error& error) { return error.reaction == Reaction::askOperator || error.reaction == Reaction::setAside; }

/// Said of these messages or of where they are to go: not of the session, of our pace, or of the way there.
bool refusesAction(const Error& error) {
    if (error.code == plugin::Code::mailboxEwsBlocked) return false;
    if (error.reaction != Reaction::retryLater) return sessionSurvives(error);
    return plugin::areaOf(error.code) == plugin::Area::mailbox && error.code != plugin::Code::mailboxThrottled;
}

}  // namespace

Task<Result<RoundEnd>> Round::run() {
    auto& loop = co_await plugin::thisLoop();
    timeUp_ = loop.clock().steady() + timeBudget;
    auto entered = co_await enter();
    if (!entered) co_return entered.error();
    auto again = co_await redeliverOpenBatches();
    if (!again) co_return again.error();
    auto reworked = co_await rework();
    if (!reworked) co_return reworked.error();
    auto due = co_await afterActions();
    if (!due) co_return due.error();
    auto fresh = co_await deliverNew();
    if (!fresh) co_return fresh.error();
    auto done = co_await afterActions();
    if (!done) co_return done.error();
    co_return std::move(end_);
}

Task<Result<void>> Round::enter() {
    auto& loop = co_await plugin::thisLoop();
    began_ = std::chrono::floor<std::chrono::seconds>(loop.clock().wall());
    auto view = co_await mailbox_.select(folder_, stops_.giveUp);
    if (!view) co_return view.error();
    auto found = co_await parts_.ledger.folder(parts_.settings.alias, protocol_, folder_);
    if (!found) co_return found.error();
    if (*found && inOrder(**found, *view)) {
        record_ = std::move(**found);
        co_return Result<void>{};
    }
    auto records = co_await parts_.ledger.records(parts_.settings.alias);
    if (!records) co_return records.error();
    auto missing = co_await missingOf(*records);
    if (!missing) co_return missing.error();
    auto start = co_await startOf(*records);
    if (!start) co_return start.error();
    // Its own rows first: the record in force, then what earlier rebuilds did not find again, then folders that are there no more.
    std::vector<std::int64_t> sources, elsewhere;
    auto replaces = std::move(*found);
    bool otherProtocol = false;
    for (const auto& record : *records) {
        const bool own = record.name == folder_;
        if (own && !record.superseded && !replaces) replaces = record;  // of the protocol the mailbox was read with before
        if (own) sources.insert(sources.begin(), record.id);
        if (missing->contains(record.name)) elsewhere.push_back(record.id);
        otherProtocol = otherProtocol || ((own || missing->contains(record.name)) && record.protocol != protocol_);
    }
    if (replaces) *start = replaces->start;
    sources.insert(sources.end(), elsewhere.begin(), elsewhere.end());
    if (away_) {
        view = co_await mailbox_.select(folder_, stops_.giveUp);
        if (!view) co_return view.error();
        away_ = false;
    }
    if (sources.empty()) co_return co_await begin(*view, *start);
    RematchCase what{.view = *view, .folder = folder_, .start = *start, .replaces = std::move(replaces), .sources = std::move(sources)};
    what.otherProtocol = otherProtocol;
    what.former = formerRecord(*records, protocol_, folder_, *view);
    co_return co_await rematch(std::move(what));
}

/// From where a folder without a record begins: where an operator said, else where the mailbox began, else as the configuration says.
Task<Result<Start>> Round::startOf(const std::vector<FolderRecord>& records) {
    auto restarted = co_await parts_.ledger.restartedWith(parts_.settings.alias);
    if (!restarted) co_return restarted.error();
    Start start = *restarted ? **restarted : records.empty() ? parts_.settings.start : records.front().start;
    if (start.kind == Start::Kind::now) {
        // "Now" was the moment of the command, or when the mailbox's first folder was begun, however much later this one is met.
        const bool noted = (*restarted || !records.empty()) && start.since != plugin::Wall{};
        start = noted ? Start{Start::Kind::since, std::chrono::floor<std::chrono::seconds>(start.since)} : Start{Start::Kind::now, began_};
    }
    co_return start;
}

/// Folders of these records that the server has no more: they may have another name now.
Task<Result<std::set<std::string>>> Round::missingOf(const std::vector<FolderRecord>& records) {
    std::set<std::string> missing;
    for (const auto& record : records)
        if (record.name != folder_) missing.insert(record.name);
    if (missing.empty()) co_return std::move(missing);
    std::vector<std::string> all{"*"};
    auto listed = co_await mailbox_.folders(std::move(all), stops_.giveUp);
    if (!listed) co_return listed.error();
    for (const auto& name : *listed) missing.erase(name);
    for (auto name = missing.begin(); name != missing.end();) {  // LIST may hide a folder: SELECT tells
        away_ = true;
        auto view = co_await mailbox_.select(*name, stops_.giveUp);
        if (!view && !sessionSurvives(view.error())) co_return view.error();
        const bool gone = !view && view.error().code == plugin::Code::mailboxFolderMissing;
        name = gone ? std::next(name) : missing.erase(name);
    }
    co_return std::move(missing);
}

Task<Result<void>> Round::rematch(RematchCase what) {
    auto opened = co_await openStaging();
    if (!opened) co_return opened;
    Rematch rematch(parts_, mailbox_, *staging_, std::move(what), stops_.giveUp);
    auto record = co_await rematch.run();
    if (!record) co_return record.error();
    if (!*record)
        co_return Error{Reaction::reconnect, plugin::Code::mailboxFolderRebuilt,
                        "mailbox " + parts_.settings.alias + " was started anew by an operator while its folders were being looked at"};
    record_ = std::move(**record);
    co_return Result<void>{};
}

Task<Result<void>> Round::begin(FolderView view, Start start) {
    // Listing a large folder the first time takes its time, and perhaps several tries: what comes meanwhile is new.
    if (start.kind == Start::Kind::now && view.begun) start = {Start::Kind::since, std::chrono::floor<std::chrono::seconds>(*view.begun)};
    FolderRecord fresh{.mailbox = parts_.settings.alias, .protocol = protocol_, .name = folder_, .validity = view.validity, .start = start};
    switch (fresh.start.kind) {
        case Start::Kind::now:
            fresh.cursor = view.next == 0 ? 0 : view.next - 1;
            fresh.filterBelow = view.next;
            fresh.beforeStart = view.exists;
            break;
        case Start::Kind::all:
            break;
        case Start::Kind::since: {
            fresh.filterBelow = view.next;
            const ListRequest request{.receivedSince = fresh.start.since, .filterBelow = fresh.filterBelow};
            auto listing = co_await mailbox_.list(request, stops_.giveUp);
            if (!listing) co_return listing.error();
            fresh.beforeStart = listing->filtered;
            break;
        }
    }
    auto begun = co_await parts_.ledger.beginFolder(std::move(fresh));
    if (!begun) co_return begun.error();
    record_ = std::move(*begun);
    parts_.log.notice(logger, "folder begins",
                      {{"mailbox", record_.mailbox}, {"folder", folder_}, {"above", record_.cursor}, {"before_start", record_.beforeStart}});
    co_return Result<void>{};
}

Task<Result<void>> Round::openStaging() {
    auto& loop = co_await plugin::thisLoop();
    auto opened = plugin::offload(loop, [this] {
        // What is kept before a sink sees it is named in the outbox: the sink makes its own.
        auto own = parts_.outlets.size() == 1 && !parts_.rendersAnew
                       ? parts_.outlets[0]->sink().staging(parts_.settings.alias)
                       : Result<std::shared_ptr<plugin::Directory>>(std::shared_ptr<plugin::Directory>{});
        return own && *own ? own : parts_.disk.directory(parts_.stagingPath, true);
    });
    auto directory = co_await opened;
    if (!directory) co_return directory.error();
    staging_ = std::move(*directory);
    co_return Result<void>{};
}

Task<Result<void>> Round::redeliverOpenBatches() {
    auto open = co_await parts_.ledger.openBatches(record_.id);
    if (!open) co_return open.error();
    for (const auto& batch : *open) {
        auto final = co_await parts_.ledger.finalAbove(record_.id, record_.cursor);
        if (!final) co_return final.error();
        Guidance guidance;
        for (std::size_t i = 0; i < batch.identities.size(); ++i) guidance.ids.emplace(batch.ordinals[i], batch.identities[i].id);
        std::vector<std::uint64_t> left;
        std::set_difference(batch.ordinals.begin(), batch.ordinals.end(), final->begin(), final->end(), std::back_inserter(left));
        parts_.log.notice(logger, "delivering again what was under way when the process ended",
                          {{"mailbox", record_.mailbox}, {"folder", folder_}, {"messages", std::uint64_t{left.size()}}});
        if (!left.empty()) {
            // The cursor stays: ordinals between these may not have been listed yet.
            outstanding_ = {left.begin(), left.end()};
            auto delivered = co_await deliverListed(std::move(left), record_.cursor, std::move(guidance));
            if (!delivered) co_return delivered;
            if (!end_.complete) co_return Result<void>{};
            left.clear();
            std::set_difference(outstanding_.begin(), outstanding_.end(), unlisted_.begin(), unlisted_.end(), std::back_inserter(left));
        }
        auto ended = co_await parts_.ledger.endOpenBatch(record_.id, batch.id, std::move(left));
        if (!ended) co_return ended;
    }
    co_return Result<void>{};
}

Task<Result<void>> Round::deliverNew() {
    if (!end_.complete || stops_.finish.stop_requested()) {
        end_.complete = false;
        co_return Result<void>{};
    }
    if (auto room = roomInOutbox(); !room) co_return room;
    auto final = co_await parts_.ledger.finalAbove(record_.id, record_.cursor);
    if (!final) co_return final.error();
    ListRequest request{.above = record_.cursor, .limit = parts_.settings.maxPerRound};
    if (request.limit != 0) request.limit += final->size();  // those take no room
    if (record_.start.kind == Start::Kind::since && record_.cursor + 1 < record_.filterBelow) {
        request.receivedSince = record_.start.since;
        request.filterBelow = record_.filterBelow;
    }
    auto listing = co_await mailbox_.list(request, stops_.giveUp);
    if (!listing) co_return listing.error();
    end_.complete = !listing->more;
    std::vector<std::uint64_t> fresh;
    std::set_difference(listing->ordinals.begin(), listing->ordinals.end(), final->begin(), final->end(), std::back_inserter(fresh));
    std::erase_if(fresh, [this](std::uint64_t ordinal) {
        return ordinal < record_.wantedBelow && !std::binary_search(record_.wanted.begin(), record_.wanted.end(), ordinal);
    });
    if (const auto limit = parts_.settings.maxPerRound; limit != 0 && fresh.size() > limit) {
        end_.complete = false;
        listing->upTo = fresh[limit] - 1;
        fresh.resize(limit);
    }
    outstanding_ = {fresh.begin(), fresh.end()};
    if (!fresh.empty()) {
        auto delivered = co_await deliverListed(std::move(fresh), listing->upTo, {});
        if (!delivered) co_return delivered;
    }
    co_return co_await moveCursor(cursorWithout({}, listing->upTo));
}

/// Delivers what is new, and finds out of the rest what it is.
Task<Result<void>> Round::deliverListed(std::vector<std::uint64_t> ordinals, std::uint64_t upTo, Guidance guidance) {
    if (!staging_) {
        auto opened = co_await openStaging();
        if (!opened) co_return opened;
    }
    bool cutShort = false;
    while (!ordinals.empty() && !cutShort) {
        auto suspects = co_await deliverOnce(std::move(ordinals), upTo, guidance, cutShort);
        if (!suspects) co_return suspects.error();
        ordinals.clear();
        if (suspects->empty()) break;
        auto left = co_await clearUp(std::move(*suspects), upTo, guidance, cutShort);
        if (!left) co_return left.error();
        ordinals = std::move(*left);
    }
    if (outstanding_.empty()) co_return Result<void>{};
    if (cutShort) {
        end_.complete = false;
        co_return Result<void>{};
    }
    co_return co_await accountForRest(upTo);
}

/// `cutShort`: something is left for another turn.
Task<Result<std::vector<Suspect>>> Round::deliverOnce(std::vector<std::uint64_t> ordinals, std::uint64_t upTo, const Guidance& guidance,
                                                      bool& cutShort) {
    auto& loop = co_await plugin::thisLoop();
    Batcher batcher(
        parts_, record_, guidance, [this, upTo](const auto& settled) { return record_.cursor = cursorWithout(settled, upTo); },
        [this, &batcher, &loop] { return stops_.finish.stop_requested() || batcher.bytes() > byteBudget || loop.clock().steady() > timeUp_; },
        stops_.giveUp);
    std::exception_ptr bug;
    std::optional<Result<void>> fetched;
    try {
        fetched = co_await mailbox_.fetch(std::move(ordinals), batcher, *staging_, stops_.giveUp);
    } catch (...) {  // passed on below, once nothing of the batcher runs any more
        bug = std::current_exception();
    }
    cutShort = batcher.enough();
    auto delivered = co_await batcher.finish();
    end_.delivered += batcher.delivered();
    end_.owed += batcher.owed();
    if (bug) std::rethrow_exception(bug);
    if (!delivered) co_return delivered.error();
    if (!*fetched) co_return fetched->error();
    co_return std::move(batcher.suspects());
}

/// Looks where messages may have come from. Those that were moved here are final at once; answers those to be fetched again.
Task<Result<std::vector<std::uint64_t>>> Round::clearUp(std::vector<Suspect> suspects, std::uint64_t upTo, Guidance& guidance, bool& cutShort) {
    Recognition recognition(parts_, mailbox_, hopeless_, stops_.giveUp);
    auto outcome = co_await recognition.run(std::move(suspects), guidance);
    if (!outcome) co_return outcome.error();
    for (const auto& name : outcome->disordered) {
        Unreadable unreadable;
        Round other(parts_, mailbox_, name, stops_, unreadable);
        auto entered = co_await other.enter();
        if (!entered && !sessionSurvives(entered.error())) co_return entered.error();
        if (!entered) hopeless_.insert(name);
        cutShort = true;  // those suspects come again in the next turn
    }
    auto back = co_await comeBack();
    if (!back) co_return back.error();
    if (!outcome->moved.empty()) {
        std::vector<std::uint64_t> final;
        for (const auto& [row, ordinal] : outcome->moved) final.push_back(ordinal);
        parts_.log.information(logger, "messages were moved here that are known from elsewhere",
                               {{"mailbox", record_.mailbox}, {"folder", folder_}, {"messages", std::uint64_t{final.size()}}});
        auto moved = co_await parts_.ledger.repoint(record_.id, std::move(outcome->moved));
        if (!moved) co_return moved.error();
        auto advanced = co_await moveCursor(cursorWithout(final, upTo));
        if (!advanced) co_return advanced.error();
    }
    if (cutShort) outcome->left.clear();
    co_return std::move(outcome->left);
}

/// Into this folder again, after others were entered.
Task<Result<void>> Round::comeBack() {
    auto view = co_await mailbox_.select(folder_, stops_.giveUp);
    if (!view) co_return view.error();
    if (inOrder(record_, *view)) co_return Result<void>{};
    co_return Error{
        Reaction::reconnect, plugin::Code::mailboxProtocol,
        "folder " + folder_ + " of mailbox " + parts_.settings.alias + " was rebuilt at the server while its messages were being looked at"};
}

/// Listed but not handed out: gone meanwhile, or not readable.
Task<Result<void>> Round::accountForRest(std::uint64_t upTo) {
    const ListRequest request{.above = *outstanding_.begin() - 1, .limit = outstanding_.size() + parts_.settings.maxPerRound};
    auto listing = co_await mailbox_.list(request, stops_.giveUp);
    if (!listing) co_return listing.error();
    unlisted_.clear();
    for (auto at = outstanding_.begin(); at != outstanding_.end();) {
        const bool listed = std::binary_search(listing->ordinals.begin(), listing->ordinals.end(), *at);
        if (!listed && *at > listing->upTo && !listing->more) unlisted_.insert(*at);
        at = listed || *at > listing->upTo ? std::next(at) : outstanding_.erase(at);
    }
    auto given = co_await giveUpUnreadable(upTo);
    if (!given) co_return given;
    if (!outstanding_.empty()) {
        end_.unreadable.assign(outstanding_.begin(), outstanding_.end());
        parts_.log.warning(logger, "messages are listed but not handed out",
                           {{"mailbox", record_.mailbox},
                            {"folder", folder_},
                            {"messages", std::uint64_t{outstanding_.size()}},
                            {"first_uid", *outstanding_.begin()}});
    }
    co_return co_await moveCursor(cursorWithout({}, upTo));
}

/// Where the cursor may stand: below everything listed that is not final, and never back.
std::uint64_t Round::cursorWithout(const std::vector<std::uint64_t>& settled, std::uint64_t upTo) {
    for (const auto ordinal : settled) outstanding_.erase(ordinal);
    const auto safe = outstanding_.empty() ? upTo : std::min(upTo, *outstanding_.begin() - 1);
    return std::max(safe, record_.cursor);
}

Task<Result<void>> Round::moveCursor(std::uint64_t to) {
    if (to <= record_.cursor) co_return Result<void>{};
    auto moved = co_await parts_.ledger.advance(record_.id, std::nullopt, to, 0);
    if (moved) record_.cursor = to;
    co_return moved;
}

/// What is refused stays due for the next round, and keeps nothing else from being done.
Task<Result<void>> Round::afterActions() {
    while (refusals_ < refusalsBorne) {
        auto due = co_await parts_.ledger.dueActions(record_.id, actionsAtOnce + refused_.size());
        if (!due) co_return due.error();
        std::erase_if(*due, [this](const Due& one) { return refused_.contains(one.message); });
        if (due->empty()) break;
        // Rows keep the action that was configured when they settled; each run of equal ones is one request.
        for (std::size_t from = 0, to = 0; from < due->size(); from = to) {
            const auto& action = (*due)[from].action;
            while (to < due->size() && (*due)[to].action.kind == action.kind && (*due)[to].action.target == action.target) ++to;
            auto cleared = co_await clearWhatIsPossible(std::span(*due).subspan(from, to - from));
            if (!cleared) co_return cleared;
        }
    }
    co_return Result<void>{};
}

/// One request, and where the server refuses it, the halves of it, until it is known which messages it is about.
Task<Result<void>> Round::clearWhatIsPossible(std::span<Due> due) {
    std::deque<std::span<Due>> left{due};
    while (!left.empty() && refusals_ < refusalsBorne) {
        const auto some = left.front();
        left.pop_front();
        auto cleared = co_await clear(some);
        if (cleared) continue;
        if (!refusesAction(cleared.error())) co_return cleared;
        ++refusals_;
        const bool divisible = some.size() > 1 && cleared.error().reaction != Reaction::askOperator;  // that is about all of them
        if (!end_.refused) end_.refused = cleared.error();
        if (!divisible) {
            for (const auto& one : some) refused_.insert(one.message);
            continue;
        }
        left.push_back(some.first(some.size() / 2));
        left.push_back(some.subspan(some.size() / 2));
    }
    co_return Result<void>{};
}

Task<Result<void>> Round::clear(std::span<Due> due) {
    AfterRequest request{.action = due.front().action, .ordinals = {}};
    std::vector<std::int64_t> messages;
    for (const auto& one : due) {
        request.ordinals.push_back(one.ordinal);
        if (one.copied) request.copied.push_back(one.ordinal);
        messages.push_back(one.message);
    }
    std::sort(request.ordinals.begin(), request.ordinals.end());
    std::sort(request.copied.begin(), request.copied.end());
    const Copied copied = [this, due](std::vector<std::uint64_t> ordinals) {
        for (auto& one : due)  // for the case that it is asked for again: a second copy is never made
            one.copied = one.copied || std::find(ordinals.begin(), ordinals.end(), one.ordinal) != ordinals.end();
        return parts_.ledger.copied(record_.id, std::move(ordinals));
    };
    auto done = co_await mailbox_.after(std::move(request), copied, stops_.giveUp);
    if (!done) co_return done;
    plugin::faultPoint("acted");
    co_return co_await parts_.ledger.cleared(std::move(messages));
}

}  // namespace listener
