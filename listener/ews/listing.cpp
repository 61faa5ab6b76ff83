#include "listener/ews/listing.h"

#include "listener/ews/finding.h"
#include "listener/ews/refusal.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

namespace listener::ews {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t itemsAtOnce = 2'000;  ///< of the index, in memory
/// Pages of a search overlap by so many: where one has nothing of the page before, something was removed meanwhile, and others were passed over.
constexpr std::uint64_t overlap = 25;
constexpr int searchTries = 5;
/// Beyond what is known of the folder: what has arrived since the server was asked for changes.
constexpr std::size_t searchSlack = 10'000;
/// A server that tells so often in a row that there is more, and nothing else, never comes to an end; nor does one whose changes take so many pages.
constexpr int emptyPagesInARow = 20;
constexpr int pageLimit = 20'000;

Error broken(const Session& session, std::string_view during, std::string_view why) {
    return {Reaction::reconnect, Code::mailboxProtocol, session.peer + ": " + std::string{during} + ": " + std::string{why}};
}

constexpr std::string_view syncing = "SyncFolderItems";

/// One answer, for the index. Exchange tells the newest first. What is said to be there and to be gone counts as there: fetching it tells.
IndexChanges changesOf(ResponseMessage& page, bool first) {
    IndexChanges changes{.first = first, .last = page.last.value_or(false), .sync = std::move(page.syncState)};
    for (auto change = page.changes.rbegin(); change != page.changes.rend(); ++change) {
        if (change->kind == Change::Kind::gone)
            changes.gone.push_back(std::move(change->id));
        else
            changes.present.push_back({std::move(change->id), std::nullopt});
    }
    if (changes.gone.empty() || changes.present.empty()) return changes;
    std::unordered_set<std::string_view> there;
    for (const auto& item : changes.present) there.insert(item.id);
    std::erase_if(changes.gone, [&there](const std::string& id) { return there.contains(id); });
    return changes;
}

/// SyncFolderItems to the end: each page and its state in one transaction, so that nothing is lost with the next one.
/// Error mailboxFolderMissing: the folder's id means nothing to the server.
Task<Result<void>> bringUpToDate(Session& session, Endpoint& endpoint, std::stop_token stop) {
    auto& folder = *session.folder;
    bool anew = false;
    for (int pages = 1, emptyPages = 0;; ++pages) {
        const bool first = folder.indexed.sync.empty();
        auto operation = syncFolderItems(folder.id, folder.indexed.sync);
        auto page = co_await endpoint.ask(std::move(operation), stop);
        const auto refusedAs = !page ? endpoint.refusedAs : page->success ? std::nullopt : std::optional{meaningOf(page->code)};
        if (refusedAs == Meaning::resync && !first && !anew) {
            session.log.information("listener.ews", "the server has forgotten how far the folder was read: it is listed anew",
                                    {{"mailbox", session.settings.alias}});
            folder.indexed.sync.clear();
            anew = true;
            continue;
        }
        if (!page) co_return page.error();
        if (!page->success) co_return refusal(session, *page, "SyncFolderItems");
        if (page->syncState.empty()) co_return broken(session, syncing, "the answer has no SyncState");
        if (std::any_of(page->changes.begin(), page->changes.end(), [](const Change& change) { return change.id.empty(); }))
            co_return broken(session, syncing, "a change does not say of which message");
        emptyPages = page->changes.empty() ? emptyPages + 1 : 0;
        const bool stays = page->changes.empty() && page->syncState == folder.indexed.sync;
        const bool ends = page->last.value_or(false);
        if (!ends && (stays || emptyPages == emptyPagesInARow)) co_return broken(session, syncing, "it does not come to an end");
        auto changes = changesOf(*page, first);
        const bool last = changes.last;
        auto applied = co_await session.index.apply(folder.indexed.number, std::move(changes));
        if (!applied) co_return applied.error();
        folder.indexed = std::move(*applied);
        if (last) co_return Result<void>{};
        if (pages == pageLimit) co_return broken(session, syncing, "it does not come to an end");
    }
}

using Ids = decltype(Recent::ids);

/// One pass over all that was received since, to where the server says that it ends. False: something was removed meanwhile, or a page tells
/// neither anything new nor the end.
Task<Result<bool>> search(Session& session, Endpoint& endpoint, plugin::Wall since, Ids& found, std::stop_token stop) {
    found.clear();
    for (std::uint64_t offset = 0, common = 0;;) {
        auto operation = findItems(session.folder->id, since, offset);
        auto page = co_await endpoint.ask(std::move(operation), stop);
        if (!page) co_return page.error();
        if (!page->success) co_return refusal(session, *page, "FindItem");
        const auto count = page->items.size();
        const auto before = found.size();
        for (auto& item : page->items) found.insert(std::move(item.id));
        const auto added = found.size() - before;
        if (found.size() > session.folder->indexed.next + searchSlack) co_return broken(session, "FindItem", "it finds more than there is");
        if (common > 0 && added == count) co_return false;  // nothing of the page before
        if (page->last.value_or(false)) co_return true;
        if (added == 0) co_return false;
        common = std::min<std::uint64_t>(overlap, count / 2);
        offset += count - common;
    }
}

/// Into Session::recent, unless it is there.
Task<Result<void>> receivedSince(Session& session, Endpoint& endpoint, plugin::Wall since, std::uint64_t below, std::stop_token stop) {
    const auto& known = session.recent;
    if (known && known->folder == session.folder->id && known->since == since && known->below == below && known->lasts) co_return Result<void>{};
    session.recent.reset();
    Recent recent{.folder = session.folder->id, .since = since, .below = below, .lasts = below <= session.folder->indexed.next};
    for (int tries = 0; tries < searchTries; ++tries) {
        auto whole = co_await search(session, endpoint, since, recent.ids, stop);
        if (!whole) co_return whole.error();
        if (!*whole) continue;
        session.recent = std::move(recent);
        co_return Result<void>{};
    }
    co_return Error{Reaction::retryLater, Code::mailboxCommandRefused,
                    session.peer + ": FindItem: the search does not come to its end, or too much is removed from the folder meanwhile"};
}

FolderView viewOf(const IndexedFolder& indexed) { return {indexed.validity, indexed.next, indexed.exists, indexed.begun}; }

}  // namespace

Task<Result<FolderView>> selectFolder(Session& session, Endpoint& endpoint, std::string name, std::stop_token stop) {
    session.folder.reset();
    std::string before;
    for (bool again = false;; again = true) {
        auto id = co_await findFolder(session, endpoint, name, stop);
        if (!id) co_return id.error();
        if (!*id || **id == before) co_return folderMissing(session, name);
        auto indexed = co_await session.index.open(**id);
        if (!indexed) co_return indexed.error();
        session.folder = OpenFolder{.name = name, .id = **id, .indexed = std::move(*indexed)};
        auto done = co_await bringUpToDate(session, endpoint, stop);
        if (done) break;
        session.folder.reset();
        if (done.error().code != Code::mailboxFolderMissing || again) co_return done.error();
        before = **id;
        session.tree.reset();  // another folder may have the name now
    }
    session.folder->fresh = true;
    co_return viewOf(session.folder->indexed);
}

Task<Result<Listing>> listFolder(Session& session, Endpoint& endpoint, ListRequest request, std::stop_token stop) {
    auto& folder = *session.folder;
    if (!std::exchange(folder.fresh, false)) {
        auto done = co_await bringUpToDate(session, endpoint, stop);
        if (!done) co_return done.error();
    }
    Listing listing;
    listing.upTo = std::max(request.above, folder.indexed.next - 1);
    const bool filters = request.receivedSince && request.above + 1 < request.filterBelow;
    if (filters) {
        auto searched = co_await receivedSince(session, endpoint, *request.receivedSince, request.filterBelow, stop);
        if (!searched) co_return searched.error();
    } else {
        session.recent.reset();
    }
    for (auto above = request.above;;) {
        auto items = co_await session.index.above(folder.indexed.number, above, itemsAtOnce);
        if (!items) co_return items.error();
        for (const auto& item : *items) {
            if (filters && item.ordinal < request.filterBelow && !session.recent->ids.contains(item.id)) {
                ++listing.filtered;
                continue;
            }
            if (request.limit > 0 && listing.ordinals.size() == request.limit) {
                listing.more = true;
                listing.upTo = item.ordinal - 1;
                co_return std::move(listing);
            }
            listing.ordinals.push_back(item.ordinal);
        }
        if (items->size() < itemsAtOnce) co_return std::move(listing);
        above = items->back().ordinal;
    }
}

}  // namespace listener::ews
