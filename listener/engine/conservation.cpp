#include "listener/engine/conservation.h"

#include "listener/engine/rematch.h"

#include <algorithm>
#include <iterator>

namespace listener {

using plugin::Result;
using plugin::Task;

Task<Result<std::optional<Conservation>>> examine(Ledger& ledger, Mailbox& mailbox, std::string alias, std::string folder, std::stop_token stop) {
    auto view = co_await mailbox.select(folder, stop);
    if (!view) co_return view.error();
    std::string protocol(mailbox.protocol());
    auto found = co_await ledger.folder(std::move(alias), std::move(protocol), std::move(folder));
    if (!found) co_return found.error();
    if (!*found || !inOrder(**found, *view)) co_return std::optional<Conservation>{};
    Conservation seen{.record = std::move(**found)};
    const auto& record = seen.record;
    ListRequest request{};
    if (record.start.kind == Start::Kind::since) {
        request.receivedSince = record.start.since;
        request.filterBelow = record.filterBelow;
    }
    auto listing = co_await mailbox.list(request, stop);
    if (!listing) co_return listing.error();
    seen.standing = std::move(listing->ordinals);
    seen.standing.erase(std::upper_bound(seen.standing.begin(), seen.standing.end(), record.cursor), seen.standing.end());
    // Read last: what settled meanwhile is known.
    auto known = co_await ledger.finalAbove(record.id, 0);
    if (!known) co_return known.error();
    std::set_difference(seen.standing.begin(), seen.standing.end(), known->begin(), known->end(), std::back_inserter(seen.unaccounted));
    const auto before = std::max(record.wantedBelow, record.start.kind == Start::Kind::now ? record.filterBelow : 0);
    std::erase_if(seen.unaccounted, [before](std::uint64_t ordinal) { return ordinal < before; });
    co_return std::optional<Conservation>(std::move(seen));
}

Task<Result<void>> recordAsMissing(Ledger& ledger, FolderRecord record, std::vector<std::uint64_t> ordinals, std::uint64_t cursor, plugin::Wall now) {
    std::vector<Settled> settled;
    std::vector<Newcomer> newcomers;
    auto positions = co_await ledger.positions(record.id, ordinals);
    if (!positions) co_return positions.error();
    for (auto& position : *positions) {
        Settled one{.state = MessageState::missing};
        auto& message = one.message;
        message.mailbox = record.mailbox;
        message.folder = record.name;
        message.protocol = record.protocol;
        message.position = std::move(position);
        message.received = std::chrono::floor<std::chrono::seconds>(now);
        message.id = deliveryId(message.received, message.mailbox, message.protocol, message.folder, message.position.text);
        newcomers.push_back({message.position.ordinal, message.id, {}});
        settled.push_back(std::move(one));
    }
    auto known = co_await ledger.recognise(record.id, std::move(newcomers));
    if (!known) co_return known.error();
    for (std::size_t i = 0; i < settled.size(); ++i)
        if ((*known)[i].assigned) settled[i].message.id = *(*known)[i].assigned;
    auto intent = co_await ledger.intend(record.id, std::move(ordinals));
    if (!intent) co_return intent.error();
    auto done = co_await ledger.settle(record.id, *intent, std::move(settled), cursor);
    if (!done) co_return done.error();
    co_return Result<void>{};
}

}  // namespace listener
