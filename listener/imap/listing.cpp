#include "listener/imap/listing.h"

#include "listener/imap/date.h"
#include "listener/imap/refusal.h"

#include <algorithm>
#include <map>
#include <utility>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::uint64_t highestUid = 0xffff'ffff;
/// UIDs one search may answer, whatever the server says: 8 MB of ours.
constexpr std::uint64_t searchLimit = 1'000'000;
/// Per FETCH of dates: about 100 octets an answer.
constexpr std::size_t datesAtOnce = 1'000;
constexpr std::size_t setOctets = 4'000;

Window nextWindow(const Session& session, const ListRequest& request, std::uint64_t low) {
    Window next{std::min(low, highestUid), std::nullopt};
    const auto& folder = session.folder;
    // With few messages in the folder no answer can be long. Else only the last window is open: it begins where nothing was at SELECT.
    if (folder.exists > windowSize && low + windowSize <= folder.next) next.high = low + windowSize - 1;
    if (request.receivedSince && low < request.filterBelow) next.high = std::min(next.high.value_or(highestUid), request.filterBelow - 1);
    return next;
}

/// "n:*" always matches the last message (RFC 9051 section 6.4.9), however small its UID.
std::vector<std::uint64_t> within(const UidSet& found, const Window& window) {
    std::vector<std::uint64_t> uids;
    uids.reserve(static_cast<std::size_t>(found.count()));
    for (const auto& range : found.ranges()) {
        const auto last = std::min<std::uint64_t>(range.last, window.high.value_or(highestUid));
        for (auto uid = std::max<std::uint64_t>(range.first, window.low); uid <= last; ++uid) uids.push_back(uid);
    }
    return uids;
}

/// The INTERNALDATE of each message that still is there; one without a readable date is left out.
Task<Result<std::map<std::uint64_t, plugin::Wall>>> datesOf(Session& session, std::vector<std::uint64_t> uids, std::stop_token stop) {
    std::map<std::uint64_t, plugin::Wall> dates;
    const Taker taker = [&dates](Response& response) -> Result<void> {
        const auto* fetch = std::get_if<Fetch>(&response);
        if (fetch != nullptr && fetch->uid && fetch->internalDate) dates[*fetch->uid] = *fetch->internalDate;
        return {};
    };
    for (const auto piece : commandSizes(uids, datesAtOnce, setOctets)) {
        auto command = session.begin("UID FETCH");
        command.word(UidSet{piece}.print()).word("(UID INTERNALDATE)").end();
        const auto status = co_await session.require(std::move(command), &taker, "UID FETCH of dates", stop);
        if (!status) co_return status.error();
    }
    co_return std::move(dates);
}

/// Those of `uids` (all within `window`) that were received before `since`.
Task<Result<UidSet>> tooEarly(Session& session, const std::vector<std::uint64_t>& uids, Window window, plugin::Wall since, std::stop_token stop) {
    // SEARCH knows only days, each in the message's own zone: one day earlier misses none, two days later has none too early.
    auto fromDayBefore = window.criteria() + " SINCE " + searchDate(since, -1);
    auto fromSecondDay = window.criteria() + " SINCE " + searchDate(since, 2);
    auto perhaps = co_await search(session, std::move(fromDayBefore), stop);
    if (!perhaps) co_return perhaps.error();
    std::optional<UidSet> surely;
    if (!perhaps->empty()) {
        auto found = co_await search(session, std::move(fromSecondDay), stop);
        if (!found) co_return found.error();
        surely = std::move(*found);
    }
    std::vector<std::uint64_t> early, doubtful;
    for (const auto uid : uids) {
        if (!perhaps->contains(uid))
            early.push_back(uid);
        else if (!surely->contains(uid))
            doubtful.push_back(uid);
    }
    if (!doubtful.empty()) {
        const auto dates = co_await datesOf(session, std::move(doubtful), stop);
        if (!dates) co_return dates.error();
        for (const auto& [uid, date] : *dates)  // no readable date: rather delivered than lost
            if (date < since) early.push_back(uid);
    }
    co_return UidSet{early};
}

/// What was asked for with the sign-in, if it is what is wanted now, and all of it.
std::optional<UidSet> foundAhead(Session& session, const ListRequest& request) {
    auto ahead = std::exchange(session.folder.ahead, std::nullopt);
    if (!ahead || ahead->above != request.above || request.receivedSince || session.folder.next > request.above + windowSize + 1) return std::nullopt;
    return std::move(ahead->found);
}

}  // namespace

Window windowAbove(std::uint64_t above) { return {std::min(above + 1, highestUid), std::min(above + windowSize, highestUid)}; }

Task<Result<UidSet>> search(Session& session, std::string criteria, std::stop_token stop) {
    std::vector<std::uint64_t> found;
    bool tooMany = false;
    const auto add = [&found, &tooMany](const UidSet& set) {
        tooMany = tooMany || found.size() + set.count() > searchLimit;
        if (tooMany) return;
        for (const auto& range : set.ranges())
            for (std::uint64_t uid = range.first; uid <= range.last; ++uid) found.push_back(uid);
    };
    const bool extended = session.has("ESEARCH");
    auto command = session.begin("UID SEARCH");
    const Taker taker = [&add, &tooMany, tag = command.tag(), peer = session.peer()](Response& response) -> Result<void> {
        if (const auto* answer = std::get_if<Search>(&response)) add(answer->found);
        if (const auto* answer = std::get_if<Esearch>(&response); answer != nullptr && (answer->tag.empty() || answer->tag == tag)) add(answer->all);
        if (!tooMany) return {};
        return Error{Reaction::reconnect, Code::mailboxTooLarge, peer + ": UID SEARCH answers more messages than a folder can have"};
    };
    if (extended) command.word("RETURN (ALL)");
    command.word(criteria).end();
    const auto status = co_await session.require(std::move(command), &taker, "UID SEARCH", stop);
    if (!status) co_return status.error();
    co_return UidSet{found};
}

Task<Result<Listing>> listFolder(Session& session, ListRequest request, std::stop_token stop) {
    Listing listing;
    listing.upTo = request.above;
    auto ahead = foundAhead(session, request);
    for (std::uint64_t low = request.above + 1;;) {
        const auto window = ahead ? windowAbove(request.above) : nextWindow(session, request, low);
        auto criteria = window.criteria();
        Result<UidSet> found{UidSet{}};
        if (ahead)
            found = std::move(*ahead);
        else
            found = co_await search(session, std::move(criteria), stop);
        if (!found) co_return found.error();
        auto uids = within(*found, window);
        std::erase_if(uids, [&request](std::uint64_t uid) { return uid <= request.above; });
        UidSet early;
        if (request.receivedSince && window.low < request.filterBelow && !uids.empty()) {
            auto checked = co_await tooEarly(session, uids, window, *request.receivedSince, stop);
            if (!checked) co_return checked.error();
            early = std::move(*checked);
        }
        for (const auto uid : uids) {
            const bool wanted = !early.contains(uid);
            if (wanted && request.limit > 0 && listing.ordinals.size() == request.limit) {
                listing.more = true;
                co_return std::move(listing);
            }
            if (wanted)
                listing.ordinals.push_back(uid);
            else
                ++listing.filtered;
            listing.upTo = uid;  // of ordinals nobody saw nothing is claimed, not even below UIDNEXT: STATUS may be ahead of this view
        }
        if (ahead || !window.high || *window.high >= highestUid) co_return std::move(listing);
        low = *window.high + 1;
    }
}

}  // namespace listener::imap
