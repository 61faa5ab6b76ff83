#include "tests/simulation/sim_exchange.h"

#include "listener/ledger/ledger.h"
#include "listener/message/message.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>

namespace simulation {

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

Exchange::Folder& Exchange::make(const std::string& name) {
    auto& folder = folders[name];
    if (folder.key.empty()) folder.key = freshId("folder");
    return folder;
}

void Exchange::put(Folder& folder, Item item) {
    item.uid = folder.next++;
    graphIds_[item.ewsId] = item.graphId;
    folder.log.push_back({true, item.ewsId, item.graphId, item.received});
    folder.items.push_back(std::move(item));
}

void Exchange::take(Folder& folder, std::size_t at) {
    const auto& item = folder.items[at];
    folder.log.push_back({false, item.ewsId, item.graphId, item.received});
    folder.items.erase(folder.items.begin() + static_cast<std::ptrdiff_t>(at));
}

std::uint64_t Exchange::arrive(const std::string& name, bool withId, std::size_t size) {
    Item item{.serial = ++serials_};
    if (withId) item.messageId = std::to_string(item.serial) + "@example.test";
    item.subject = "mail " + std::to_string(item.serial);
    item.body = std::string(size, static_cast<char>('a' + item.serial % 26));
    item.received = std::chrono::floor<std::chrono::seconds>(clock_.wall());
    item.ewsId = freshId("ews");
    item.graphId = freshId("graph");
    put(make(name), std::move(item));
    return serials_;
}

std::uint64_t Exchange::arriveLike(const std::string& name, std::uint64_t serial, std::size_t size) {
    const auto& items = folders.at(name).items;
    auto item = *std::find_if(items.begin(), items.end(), [serial](const Item& each) { return each.serial == serial; });
    item.serial = ++serials_;
    if (size != 0) item.body = std::string(size, '~');
    item.ewsId = freshId("ews");
    item.graphId = freshId("graph");
    put(folders.at(name), std::move(item));
    return serials_;
}

void Exchange::moveByOthers(const std::string& from, std::uint64_t serial, const std::string& to) {
    auto& source = folders.at(from);
    const auto found = std::find_if(source.items.begin(), source.items.end(), [serial](const Item& each) { return each.serial == serial; });
    if (found == source.items.end()) return;
    auto item = *found;
    take(source, static_cast<std::size_t>(found - source.items.begin()));
    item.ewsId = freshId("ews");
    put(make(to), std::move(item));
}

void Exchange::removeByOthers(const std::string& folder, std::uint64_t serial) {
    auto& items = folders.at(folder).items;
    const auto found = std::find_if(items.begin(), items.end(), [serial](const Item& each) { return each.serial == serial; });
    if (found != items.end()) take(folders.at(folder), static_cast<std::size_t>(found - items.begin()));
}

void Exchange::forgetTold(const std::string& name) {
    auto& folder = folders.at(name);
    ++folder.generation;
    folder.log.clear();
    for (const auto& item : folder.items) folder.log.push_back({true, item.ewsId, item.graphId, item.received});
}

std::string Exchange::octets(const Item& item, const std::string& protocol) {
    const auto serial = "X-Serial: " + std::to_string(item.serial) + "\r\n";
    const auto id = item.messageId.empty() ? std::string{} : "<" + item.messageId + ">\r\n";
    if (protocol == "imap")
        return serial + (id.empty() ? "" : "Message-ID: " + id) + "From: Some One <Some.One@example.test>\r\nSubject: " + item.subject + "\r\n\r\n" +
               item.body;
    auto subject = item.subject;
    std::replace(subject.begin(), subject.end(), ' ', '_');
    ++renderings;
    return serial + "X-Rendering: " + std::to_string(renderings) + "\r\nFrom: \"One, Some\" <some.one@example.test>\r\nSubject: =?utf-8?Q?" +
           subject + "?=\r\n" + (id.empty() ? "" : "Message-ID:\r\n " + id) + "\r\n" + item.body + std::string(renderings % 5, '.');
}

std::uint64_t Exchange::serialIn(const std::string& octets) {
    const auto at = octets.find("X-Serial: ");
    return at == std::string::npos ? 0 : std::stoull(octets.substr(at + 10));
}

class ExchangeSession final : public Mailbox {
public:
    ExchangeSession(Exchange& exchange, const MailboxSettings& settings, plugin::Host& host) : exchange_(exchange), protocol_(settings.protocol) {
        if (protocol_ != "imap") index_ = makeItemIndex(host.database(), host.clock(), settings.alias, protocol_);
    }

    std::string_view protocol() const override { return protocol_; }
    bool rendersAnew() const override { return protocol_ != "imap"; }
    bool pushes() const override { return false; }
    bool hasNoPush() const override { return protocol_ == "graph"; }
    std::string server() const override { return "simulated"; }

    Task<Result<void>> open(std::stop_token) override {
        auto answered = co_await answer();
        if (!answered) co_return answered;
        if (exchange_.blocked == protocol_)
            co_return Error{Reaction::askOperator, Code::mailboxEwsBlocked, "X-EWS-Policy-Reason: disabled for this application"};
        co_return Result<void>{};
    }

    Task<Result<std::vector<std::string>>> folders(std::vector<std::string> patterns, std::stop_token) override {
        auto answered = co_await answer();
        if (!answered) co_return answered.error();
        std::vector<std::string> found;
        for (const auto& pattern : patterns)
            if (pattern == "*")
                for (const auto& [name, folder] : exchange_.folders) found.push_back(name);
            else
                found.push_back(pattern);
        co_return found;
    }

    Task<Result<FolderView>> select(std::string name, std::stop_token) override {
        auto answered = co_await answer();
        if (!answered) co_return answered.error();
        const auto found = exchange_.folders.find(name);
        if (found == exchange_.folders.end()) co_return Error{Reaction::askOperator, Code::mailboxFolderMissing, "there is no " + name};
        name_ = name;
        const auto& folder = found->second;
        if (!index_) co_return FolderView{folder.validity, folder.next, folder.items.size()};
        auto key = folder.key;
        auto opened = co_await index_->open(std::move(key));
        if (!opened) co_return opened.error();
        number_ = opened->number;
        auto synced = co_await sync(std::move(*opened));
        if (!synced) co_return synced.error();
        co_return FolderView{synced->validity, synced->next, synced->exists, synced->begun};
    }

    Task<Result<Listing>> list(ListRequest request, std::stop_token) override {
        auto answered = co_await answer();
        if (!answered) co_return answered.error();
        auto items = co_await itemsAbove(request.above);
        if (!items) co_return items.error();
        Listing listing{.upTo = request.above};
        for (const auto& item : *items) {
            if (request.limit != 0 && listing.ordinals.size() == request.limit) {
                listing.more = true;
                break;
            }
            listing.upTo = item.ordinal;
            if (request.receivedSince && item.ordinal < request.filterBelow && item.received < request.receivedSince)
                ++listing.filtered;
            else
                listing.ordinals.push_back(item.ordinal);
        }
        if (!listing.more) listing.upTo = std::max(listing.upTo, next_ - 1);
        co_return listing;
    }

    Task<Result<void>> fetch(std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging, std::stop_token) override {
        for (const auto ordinal : ordinals) {
            if (receiver.enough()) break;
            auto answered = co_await answer();
            if (!answered) co_return answered;
            auto item = co_await itemAt(ordinal);
            if (!item) co_return item.error();
            if (!*item) continue;
            ++exchange_.fetches;
            const auto bytes = exchange_.octets(**item, protocol_);
            ContentBuilder builder(staging, bytes.size());
            if (auto added = builder.append(bytes); !added) co_return added.error();
            auto built = builder.finish();
            if (!built) co_return built.error();
            Fetched fetched{placeOf(**item, ordinal), (*item)->received, {}, built->content, built->head};
            auto taken = co_await receiver.take(std::move(fetched));
            if (!taken) co_return taken;
        }
        co_return Result<void>{};
    }

    Task<Result<void>> identify(IdentifiedTaker taker, std::stop_token) override {
        auto answered = co_await answer();
        if (!answered) co_return answered;
        auto items = co_await itemsAbove(0);
        if (!items) co_return items.error();
        for (const auto& one : *items) {
            auto item = co_await itemAt(one.ordinal);
            if (!item) co_return item.error();
            if (!*item) continue;
            const auto bytes = exchange_.octets(**item, protocol_);
            const auto head = readHead(bytes);
            Identified identified{.ordinal = one.ordinal, .received = (*item)->received, .matchKey = head.matchKey, .crossKey = head.crossKey};
            if (!index_) identified.size = bytes.size();
            if (auto taken = taker(identified); !taken) co_return taken;
        }
        co_return Result<void>{};
    }

    bool knowsNamesOf(std::string_view protocol) const override { return exchange_.translates && protocol_ == "graph" && protocol == "ews"; }

    Task<Result<std::vector<Named>>> named(std::string, std::vector<std::string> ids, std::stop_token) override {
        auto answered = co_await answer();
        if (!answered) co_return answered.error();
        std::uint64_t start = 0;
        auto items = co_await index_->above(number_, start, 0);
        if (!items) co_return items.error();
        std::vector<Named> all(ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const auto known = exchange_.graphIds_.find(ids[i]);
            if (known == exchange_.graphIds_.end()) continue;
            all[i] = {.where = Named::Where::elsewhere, .id = known->second};
            for (const auto& item : *items)
                if (item.id == known->second) all[i].where = Named::Where::here, all[i].ordinal = item.ordinal;
        }
        if (exchange_.misnames) exchange_.misnames(all);
        co_return std::move(all);
    }

    Task<Result<std::vector<std::string>>> watch(Watching, std::stop_token) override { throw std::logic_error("there is no push"); }

    Task<Result<void>> after(AfterRequest request, Copied, std::stop_token) override {
        for (const auto ordinal : request.ordinals) {
            auto answered = co_await answer();
            if (!answered) co_return answered;
            auto item = co_await itemAt(ordinal);
            if (!item) co_return item.error();
            if (*item) carryOut(request.action, (*item)->serial);
        }
        co_return Result<void>{};
    }

    Task<void> close(std::stop_token) override { co_return; }

private:
    /// To the server and back.
    Task<Result<void>> answer() {
        auto& loop = co_await plugin::thisLoop();
        auto way = plugin::sleepUntil(loop.clock().steady() + std::chrono::milliseconds(1 + exchange_.dice_.below(40)), {});
        co_await way;
        if (exchange_.effect && exchange_.effect()) co_return Error{Reaction::reconnect, Code::channelClosed, "the process is dead"};
        if (exchange_.moodOneIn != 0 && exchange_.dice_.oneIn(exchange_.moodOneIn))
            co_return Error{Reaction::reconnect, Code::channelClosed, "the server has closed the connection"};
        co_return Result<void>{};
    }

    Exchange::Folder& folder() { return exchange_.folders.at(name_); }

    Task<Result<IndexedFolder>> sync(IndexedFolder known) {
        for (;;) {
            const auto prefix = std::to_string(folder().generation) + ":";
            IndexChanges changes;
            std::size_t from = 0;
            if (known.sync.starts_with(prefix))
                from = std::stoull(known.sync.substr(prefix.size()));
            else
                changes.first = true;
            exchange_.wholeListings += changes.first ? 1 : 0;
            const auto to = std::min(folder().log.size(), from + exchange_.pageSize);
            for (auto at = from; at < to; ++at) {
                const auto& change = folder().log[at];
                const auto& id = protocol_ == "ews" ? change.ewsId : change.graphId;
                std::erase_if(changes.present, [&id](const auto& each) { return each.id == id; });
                std::erase(changes.gone, id);
                if (change.present)
                    changes.present.push_back({id, change.received});
                else
                    changes.gone.push_back(id);
            }
            changes.last = to == folder().log.size();
            changes.sync = prefix + std::to_string(to);
            const bool last = changes.last;
            auto applied = co_await index_->apply(number_, std::move(changes));
            if (!applied) co_return applied.error();
            next_ = applied->next;
            if (last) co_return std::move(*applied);
            if (exchange_.pageTold) exchange_.pageTold();
            auto answered = co_await answer();
            if (!answered) co_return answered.error();
            known = std::move(*applied);
        }
    }

    Task<Result<std::vector<IndexedItem>>> itemsAbove(std::uint64_t above) {
        if (index_) {
            auto key = folder().key;
            auto known = co_await index_->open(std::move(key));
            if (!known) co_return known.error();
            auto synced = co_await sync(std::move(*known));
            if (!synced) co_return synced.error();
            co_return co_await index_->above(number_, above, 0);
        }
        next_ = folder().next;
        std::vector<IndexedItem> items;
        for (const auto& item : folder().items)
            if (item.uid > above) items.push_back({item.uid, {}, item.received});
        std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.ordinal < b.ordinal; });
        co_return items;
    }

    /// What stands there now.
    Task<Result<std::optional<Exchange::Item>>> itemAt(std::uint64_t ordinal) {
        std::string id;
        if (index_) {
            std::vector<std::uint64_t> wanted{ordinal};
            auto found = co_await index_->find(number_, std::move(wanted));
            if (!found) co_return found.error();
            if (found->empty()) co_return std::optional<Exchange::Item>{};
            id = found->front().id;
        }
        for (const auto& item : folder().items)
            if (index_ ? (protocol_ == "ews" ? item.ewsId : item.graphId) == id : item.uid == ordinal) co_return std::optional(item);
        co_return std::optional<Exchange::Item>{};
    }

    Position placeOf(const Exchange::Item& item, std::uint64_t ordinal) {
        if (!index_) return numberedPosition(folder().validity, ordinal);
        return {protocol_ == "ews" ? item.ewsId : item.graphId, ordinal};
    }

    void carryOut(const AfterAction& action, std::uint64_t serial) {
        auto& items = folder().items;
        const auto found = std::find_if(items.begin(), items.end(), [serial](const auto& each) { return each.serial == serial; });
        if (found == items.end()) return;
        if (exchange_.acted) exchange_.acted(*found, name_);
        using Kind = AfterAction::Kind;
        if (action.kind == Kind::seen || action.kind == Kind::seenAndMove) found->seen = true;
        if (action.kind == Kind::remove) exchange_.removeByOthers(name_, serial);
        if (action.kind == Kind::move || action.kind == Kind::seenAndMove) exchange_.moveByOthers(name_, serial, action.target);
    }

    Exchange& exchange_;
    std::string protocol_;
    std::unique_ptr<ItemIndex> index_{};
    std::string name_{};
    std::int64_t number_ = 0;
    std::uint64_t next_ = 1;
};

std::unique_ptr<Mailbox> Exchange::session(const MailboxSettings& settings, plugin::Host& host) {
    return std::make_unique<ExchangeSession>(*this, settings, host);
}

}  // namespace simulation
