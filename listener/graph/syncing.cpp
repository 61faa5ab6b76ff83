#include "listener/graph/syncing.h"

#include "listener/graph/folders.h"

#include <algorithm>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.graph";
constexpr std::size_t itemsAtOnce = 10'000;  // of the index: ids are long

/// A message that is told of several times is what the last one says.
void keepLast(std::vector<MessageChange>& messages) {
    std::unordered_map<std::string_view, std::size_t> last;
    for (std::size_t i = 0; i < messages.size(); ++i) last[messages[i].id] = i;
    if (last.size() == messages.size()) return;
    std::vector<MessageChange> kept;
    for (std::size_t i = 0; i < messages.size(); ++i)
        if (last[messages[i].id] == i) kept.push_back(messages[i]);
    messages = std::move(kept);
}

IndexChanges changesOf(MessagePage page, bool first) {
    IndexChanges changes{.first = first, .last = !page.delta.empty()};
    keepLast(page.messages);
    // Within a page the oldest first: that is the order in which they are numbered, and delivered.
    std::stable_sort(page.messages.begin(), page.messages.end(), [](const MessageChange& a, const MessageChange& b) {
        return a.received && b.received ? *a.received < *b.received : !a.received && b.received;
    });
    for (auto& message : page.messages) {
        if (message.gone)
            changes.gone.push_back(std::move(message.id));
        else
            changes.present.push_back({std::move(message.id), message.received});
    }
    changes.sync = page.delta.empty() ? std::move(page.next) : std::move(page.delta);
    return changes;
}

void remember(OpenFolder& folder, const MessagePage& page) {
    for (const auto& message : page.messages) {
        const auto key = std::hash<std::string>{}(message.id);
        if (message.read && (folder.read.size() < rememberedLimit || folder.read.contains(key))) folder.read[key] = *message.read;
    }
}

/// Whatever it is called: what a link names, the mailbox too, may have another name by now. Where that is not the reason, the listing is refused as
/// well.
bool refusesLink(const Failure& failure) {
    const auto meaning = meaningOf(failure);
    const bool told = failure.status == 400 || failure.status == 403 || failure.status == 404 || failure.status == 409;
    return told && meaning != Meaning::throttled && meaning != Meaning::tokenRefused && meaning != Meaning::wrongAudience;
}

/// Asks what has changed until the server has told all it knows; each page is kept with the link that follows it. Where the server has forgotten
/// what it told before, everything is listed anew.
class Drain {
public:
    Drain(Session& session, std::stop_token stop) : session_(session), folder_(session.folder), stop_(std::move(stop)) {}

    Task<Result<void>> run() {
        auto link = folder_.index.sync;
        bool anew = link.empty() || !session_.allows(link);  // kept from another .url: of no use here
        for (std::size_t pages = 0; pages < pageLimit; ++pages) {
            auto asking = ask(anew, link);
            auto answer = co_await asking;
            if (!answer) co_return answer.error();
            if (!*answer) {
                if (std::exchange(listedAnew_, true)) co_return trouble("it forgets what it has told as soon as it has told it");
                session_.log().information(logger, "the server does not go on from what it told: the folder is listed anew",
                                           {{"mailbox", session_.settings().alias}, {"folder", plugin::printable(folder_.name)}});
                anew = true;
                continue;
            }
            auto page = std::move(**answer);
            const bool last = !page.delta.empty();
            const auto next = last ? page.delta : page.next;
            if (!last && !anew && next == link) co_return trouble("a page leads to itself");
            if (auto allowed = session_.allows(next); !allowed) co_return allowed;
            remember(folder_, page);
            auto applying = session_.index().apply(folder_.index.number, changesOf(std::move(page), anew));
            auto applied = co_await applying;
            if (!applied) co_return applied.error();
            folder_.index = std::move(*applied);
            if (last) co_return Result<void>{};
            link = next;
            anew = false;
        }
        co_return trouble("what has changed does not come to an end");
    }

private:
    /// Nothing: the link is of no use any more. Changed while it was on its way: once more.
    Task<Result<std::optional<MessagePage>>> ask(bool anew, std::string link) {
        for (bool again = false;; again = true) {
            auto request = anew ? session_.addresses().changes(folder_.id) : Addresses::moreChanges(link);
            const auto during = request.during;
            auto asking = session_.ask(std::move(request), stop_);
            auto answer = co_await asking;
            if (!answer) co_return answer.error();
            if (answer->succeeded()) {
                auto page = messagePage(answer->body);
                if (!page) co_return session_.broken(during, "a page without a list, without an id, or without a link to go on with");
                co_return std::move(page);
            }
            const auto meaning = meaningOf(answer->failure);
            if (meaning == Meaning::resync) co_return std::optional<MessagePage>{};
            if (meaning == Meaning::conflict && !again) continue;
            if (!anew && !listedAnew_ && refusesLink(answer->failure)) co_return std::optional<MessagePage>{};
            auto error = session_.refused(*answer, during);
            if (meaning == Meaning::itemGone) error.reaction = Reaction::askOperator, error.code = Code::mailboxFolderMissing;
            co_return error;
        }
    }

    Error trouble(std::string_view why) const {
        return {Reaction::retryLater, Code::mailboxProtocol, session_.peer() + ": asking what is new in a folder: " + std::string(why)};
    }

    Session& session_;
    OpenFolder& folder_;
    std::stop_token stop_;
    bool listedAnew_ = false;
};

bool tooEarly(const IndexedItem& item, const ListRequest& request) {
    return request.receivedSince && item.ordinal < request.filterBelow && item.received && *item.received < *request.receivedSince;
}

}  // namespace

Task<Result<void>> bringUpToDate(Session& session, std::stop_token stop) {
    Drain drain{session, std::move(stop)};
    auto draining = drain.run();
    co_return co_await draining;
}

Task<Result<FolderView>> selectFolder(Session& session, std::string folder, std::stop_token stop) {
    auto name = folder;
    auto finding = folderId(session, std::move(folder), stop);
    auto id = co_await finding;
    if (!id) co_return id.error();
    auto opening = session.index().open(*id);
    auto index = co_await opening;
    if (!index) co_return index.error();
    if (session.folder.id != *id) session.folder.read.clear();
    session.folder.name = std::move(name);
    session.folder.id = std::move(*id);
    session.folder.index = std::move(*index);
    session.folder.fresh = false;
    session.folder.byId = {};  // some 40 octets a message, which only a move needs
    session.folder.byIdUpTo = 0;
    auto asking = bringUpToDate(session, std::move(stop));
    auto asked = co_await asking;
    if (!asked) co_return asked.error();
    session.folder.fresh = true;
    const auto& known = session.folder.index;
    co_return FolderView{known.validity, known.next, known.exists, known.begun};
}

Task<Result<Listing>> listFolder(Session& session, ListRequest request, std::stop_token stop) {
    if (!std::exchange(session.folder.fresh, false)) {
        auto asking = bringUpToDate(session, std::move(stop));
        auto asked = co_await asking;
        if (!asked) co_return asked.error();
    }
    const auto& known = session.folder.index;
    Listing listing{.upTo = known.next == 0 ? 0 : known.next - 1};
    for (auto above = request.above;;) {
        auto asking = session.index().above(known.number, above, itemsAtOnce);
        auto items = co_await asking;
        if (!items) co_return items.error();
        for (const auto& item : *items) {
            if (tooEarly(item, request)) {
                ++listing.filtered;
                continue;
            }
            if (request.limit != 0 && listing.ordinals.size() == request.limit) {
                listing.more = true;
                listing.upTo = listing.ordinals.back();
                co_return std::move(listing);
            }
            listing.ordinals.push_back(item.ordinal);
        }
        if (items->size() < itemsAtOnce) co_return std::move(listing);
        above = items->back().ordinal;
    }
}

}  // namespace listener::graph
