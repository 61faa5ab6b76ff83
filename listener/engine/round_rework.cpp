#include "listener/engine/batcher.h"
#include "listener/engine/conservation.h"
#include "listener/engine/recognition.h"
#include "listener/engine/round.h"

#include <algorithm>

/// Messages the cursor is past, that have to be fetched all the same; and messages that are given up for the time being.
namespace listener {

using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.engine";

/// Takes messages into the outbox, whose bytes it does not have: they were lost, or an operator wants them once more.
class Keeper final : public Receiver {
public:
    Keeper(const RoundParts& parts, const std::vector<Unfetched>& wanted) : parts_(parts), wanted_(wanted) {}

    Task<Result<void>> take(Fetched fetched) override {
        const auto ordinal = fetched.position.ordinal;
        const auto found = std::find_if(wanted_.begin(), wanted_.end(), [ordinal](const Unfetched& one) { return one.ordinal == ordinal; });
        if (found == wanted_.end() || fetched.sourceDefect) co_return Result<void>{};
        if (found->sha256 != Digest{} && found->sha256 != fetched.content.sha256())
            parts_.log.warning(logger,
                               parts_.rendersAnew ? "the server has rendered a message anew: under its id a sink gets other octets than before"
                                                  : "the mailbox holds other bytes than it did when the message was delivered",
                               {{"mailbox", parts_.settings.alias}, {"id", found->id}});
        bytes_ += fetched.content.inMemory() != nullptr ? fetched.content.size() : 0;
        Message message;
        message.id = found->id;
        message.content = std::move(fetched.content);
        message.flags = std::move(fetched.flags);
        messages_.push_back(std::move(message));
        rows_.push_back(found->row);
        if (messages_.size() < Round::batchMessages && bytes_ < Round::batchMemory) co_return Result<void>{};
        co_return co_await flush();
    }

    std::size_t kept() const { return kept_; }
    Task<Result<void>> flush() {
        if (messages_.empty()) co_return Result<void>{};
        auto& loop = co_await plugin::thisLoop();
        auto keep = plugin::offload(loop, [this] {
            std::vector<OutboxFiles::Request> requests;
            for (const auto& message : messages_) requests.push_back({&message});
            return parts_.files.keep(requests);
        });
        auto kept = co_await keep;
        if (!kept) co_return kept.error();
        std::vector<OutboxLedger::Fetch> fetches;
        for (std::size_t i = 0; i < messages_.size(); ++i) {
            auto& message = messages_[i];
            fetches.push_back({rows_[i], std::move((*kept)[i]), std::move(message.flags), message.content.size(), message.content.sha256()});
        }
        kept_ += messages_.size();
        messages_.clear();
        rows_.clear();
        bytes_ = 0;
        co_return co_await parts_.outbox.fetched(std::move(fetches));
    }

private:
    const RoundParts& parts_;
    const std::vector<Unfetched>& wanted_;
    std::vector<Message> messages_{};
    std::vector<std::int64_t> rows_{};
    std::uint64_t bytes_ = 0;
    std::size_t kept_ = 0;
};

}  // namespace

/// Nothing is fetched that could not be kept: not while the outbox is full and a sink of this mailbox does not take what it gets. What is rendered
/// anew passes through the outbox anyway, past what one message or another waits for, and no faster than the sinks take it.
Result<void> Round::roomInOutbox() const {
    if (!parts_.files.isFull()) return {};
    const bool passes = parts_.rendersAnew && parts_.files.mayPass();
    for (const auto* outlet : parts_.outlets)
        if (const auto view = outlet->view(); view.state != SinkHealth::State::working || (!passes && view.waiting > 0))
            return Error{Reaction::retryLater, plugin::Code::outboxFull,
                         "the outbox is full (" + std::to_string(parts_.files.used()) + " of " + std::to_string(parts_.files.limit()) +
                             " octets) and sink " + outlet->settings().name + " does not take its messages: mailbox " + parts_.settings.alias +
                             " is not fetched from"};
    return {};
}

/// What comes again must not hold up what is new: as much of it as can be kept, the rest with a later turn.
void Round::leaveWhatHasNoRoom(std::vector<Unfetched>& unfetched) const {
    auto room = parts_.files.room();
    const auto end = std::find_if(unfetched.begin(), unfetched.end(), [&room](const Unfetched& one) {
        if (one.size > room) return true;
        room -= one.size;
        return false;
    });
    if (end == unfetched.end()) return;
    parts_.log.notice(logger, "the outbox has no room for all that is to be fetched again",
                      {{"mailbox", parts_.settings.alias}, {"later", static_cast<std::uint64_t>(unfetched.end() - end)}});
    unfetched.erase(end, unfetched.end());
}

Task<Result<void>> Round::rework() {
    if (!end_.complete || stops_.finish.stop_requested()) co_return Result<void>{};
    auto& loop = co_await plugin::thisLoop();
    auto work = co_await parts_.outbox.rework(record_.id, loop.clock().wall() - missingSought);
    if (!work) co_return work.error();
    if (work->unfetched.empty() && work->missing.empty()) co_return Result<void>{};
    auto opened = co_await openStaging();
    if (!opened) co_return opened;
    leaveWhatHasNoRoom(work->unfetched);
    if (!work->unfetched.empty()) {
        auto fetched = co_await fetchAgain(std::move(work->unfetched));
        if (!fetched) co_return fetched;
    }
    if (!work->missing.empty()) co_return co_await seek(std::move(work->missing));
    co_return Result<void>{};
}

Task<Result<void>> Round::fetchAgain(std::vector<Unfetched> unfetched) {
    std::vector<std::uint64_t> ordinals;
    for (const auto& one : unfetched) ordinals.push_back(one.ordinal);
    ordinals.erase(std::unique(ordinals.begin(), ordinals.end()), ordinals.end());
    Keeper keeper(parts_, unfetched);
    auto fetched = co_await mailbox_.fetch(ordinals, keeper, *staging_, stops_.giveUp);
    if (!fetched) co_return fetched;
    auto kept = co_await keeper.flush();
    if (!kept) co_return kept;
    parts_.log.notice(logger, "fetched again for the outbox",
                      {{"mailbox", parts_.settings.alias},
                       {"folder", folder_},
                       {"wanted", std::uint64_t{unfetched.size()}},
                       {"came", std::uint64_t{keeper.kept()}}});
    parts_.outboxChanged();
    const ListRequest request{.above = ordinals.front() - 1};
    auto listing = co_await mailbox_.list(request, stops_.giveUp);
    if (!listing) co_return listing.error();
    std::vector<std::int64_t> gone;
    for (const auto& one : unfetched)
        if (!std::binary_search(listing->ordinals.begin(), listing->ordinals.end(), one.ordinal)) gone.push_back(one.row);
    if (gone.empty()) co_return Result<void>{};
    auto left = co_await parts_.outbox.rework(record_.id, plugin::Wall::max());  // those that came are no longer among them
    if (!left) co_return left.error();
    std::erase_if(gone, [&left](std::int64_t row) {
        return std::none_of(left->unfetched.begin(), left->unfetched.end(), [row](const Unfetched& one) { return one.row == row; });
    });
    if (gone.empty()) co_return Result<void>{};
    parts_.log.error(logger, "messages that have to be fetched again are no longer in the mailbox",
                     {{"mailbox", parts_.settings.alias}, {"folder", folder_}, {"messages", std::uint64_t{gone.size()}}});
    co_return co_await parts_.outbox.gone(std::move(gone));
}

/// Whether what could not be read can be read now.
Task<Result<void>> Round::seek(std::vector<Missing> missing) {
    std::sort(missing.begin(), missing.end(), [](const Missing& a, const Missing& b) { return a.ordinal < b.ordinal; });
    Guidance guidance;
    std::vector<std::uint64_t> ordinals;
    for (auto& one : missing) {
        ordinals.push_back(one.ordinal);
        guidance.ids.emplace(one.ordinal, std::move(one.id));
    }
    bool cutShort = false;
    auto delivered = co_await deliverOnce(std::move(ordinals), record_.cursor, guidance, cutShort);
    if (!delivered) co_return delivered.error();
    co_return Result<void>{};
}

/// What was listed and not handed out for so long is recorded as missing, and the cursor may pass it.
Task<Result<void>> Round::giveUpUnreadable(std::uint64_t upTo) {
    auto& loop = co_await plugin::thisLoop();
    const auto now = loop.clock().steady();
    std::erase_if(unreadable_, [this](const auto& each) { return !outstanding_.contains(each.first); });
    std::vector<std::uint64_t> given;
    for (const auto ordinal : outstanding_)
        if (now - unreadable_.try_emplace(ordinal, now).first->second >= readableWithin) given.push_back(ordinal);
    if (given.empty()) co_return Result<void>{};
    const Error error{
        Reaction::setAside, plugin::Code::messageMissing,
        std::to_string(given.size()) + " messages of folder " + folder_ + " could not be read (first UID " + std::to_string(given.front()) + ")"};
    parts_.log.error(logger, plugin::describe(error), {{"mailbox", parts_.settings.alias}});
    parts_.metrics.add("postern_messages_total", {{"mailbox", parts_.settings.alias}, {"result", "missing"}}, static_cast<double>(given.size()));
    for (const auto ordinal : given) unreadable_.erase(ordinal);
    const auto cursor = cursorWithout(given, upTo);
    co_return co_await recordAsMissing(parts_.ledger, record_, std::move(given), cursor, loop.clock().wall());
}

}  // namespace listener
