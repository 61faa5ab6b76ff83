#include "listener/engine/batcher.h"
#include "listener/engine/outlet_job.h"
#include "plugin/contract/fault.h"

/// Messages that the server renders anew at each fetch. The outbox has them, with their octets and for all sinks, before the first sink sees one of
/// them; that is their INTENT. So whatever ends the process later, each attempt is with the same octets under the same id. What the sinks make of
/// them at once is written down as it is of any delivery of the outbox.
namespace listener {

using plugin::Result;
using plugin::Task;

/// As if nobody had been asked yet: only what is too large for a sink is refused by it.
Batcher::Offers Batcher::untried(const Batch& batch, plugin::Wall now) const {
    Offers offers;
    for (const auto* outlet : parts_.outlets) {
        auto& those = offers.emplace_back();
        for (const auto& message : batch) {
            auto& one = those.emplace_back();
            one.next = now;
            one.error = refusedForSize(*outlet, message);
            if (one.error) one.answer = Outlet::Offered::Answer::refused;
        }
    }
    return offers;
}

Task<Result<void>> Batcher::deliverKept(Batch batch) {
    auto& loop = co_await plugin::thisLoop();
    auto settled = co_await setAside(batch);
    const auto nobodyAsked = untried(batch, loop.clock().wall());
    std::vector<Settled> judged;
    for (std::size_t i = 0; i < batch.size(); ++i) judged.push_back(judge(batch[i], nobodyAsked, i));
    judged = co_await keepRest(std::move(judged), nobodyAsked);
    Batch kept;
    std::vector<std::string> ids;
    for (auto& one : judged) {
        if (one.state == MessageState::pending) {
            kept.push_back(one.message);
            ids.push_back(one.message.id);
        }
        settled.push_back(std::move(one));
    }
    if (settled.empty()) co_return failure_ ? Result<void>(*failure_) : Result<void>{};
    std::vector<Outlet::Hold> holds;  // or the outbox would offer them as soon as it has them
    for (auto* outlet : parts_.outlets) holds.emplace_back(outlet->shared_from_this(), ids);
    auto secured = co_await secure(std::move(settled));
    if (!secured && !failure_) failure_ = secured.error();
    if (!secured) co_return secured;
    plugin::faultPoint("intended");
    if (!kept.empty()) co_await offerKept(std::make_shared<const Batch>(std::move(kept)));
    if (failure_) co_return *failure_;
    co_return Result<void>{};
}

/// INTENT. What goes to no sink has its end with it.
Task<Result<void>> Batcher::secure(std::vector<Settled> settled) {
    std::vector<std::uint64_t> ordinals;
    for (const auto& one : settled) ordinals.push_back(one.message.position.ordinal);
    auto totals = totalsOf(settled);
    totals.pending = 0;  // what the sinks make of them is not known
    const auto cursor = cursorAfter_(ordinals);
    auto done = co_await parts_.ledger.settle(record_.id, std::nullopt, std::move(settled), cursor);
    if (!done) co_return done.error();
    count(totals);
    if (done->empty()) co_return Result<void>{};
    auto& loop = co_await plugin::thisLoop();
    auto remove = plugin::offload(loop, [&files = parts_.files, freed = std::move(*done)] { files.remove(freed); });
    co_await remove;
    co_return Result<void>{};
}

/// VERDICT, of each sink by itself.
Task<void> Batcher::offerKept(std::shared_ptr<const Batch> batch) {
    const auto offers = co_await offerToAll(batch);
    plugin::faultPoint("offered");
    std::vector<std::shared_ptr<plugin::Shared<bool>>> under;
    for (std::size_t s = 0; s < offers.size(); ++s) {
        auto& outlet = *parts_.outlets[s];
        std::vector<std::shared_ptr<OutletJob>> jobs;
        std::size_t owed = 0;
        for (std::size_t i = 0; i < batch->size(); ++i) {
            owed += refusedForSize(outlet, (*batch)[i]) ? 0 : 1;
            if (offers[s][i].job) jobs.push_back(offers[s][i].job);
        }
        under.push_back(plugin::startOn(outlet.loop(), outlet.settleOffered(owed, std::move(jobs))));
    }
    for (const auto& one : under) co_await one->wait(plugin::Deadline::max(), {});
    plugin::faultPoint("settled");
    for (std::size_t i = 0; i < batch->size(); ++i) {
        const auto state = judge((*batch)[i], offers, i).state;
        delivered_ += state == MessageState::delivered ? 1 : 0;
        owed_ += state == MessageState::pending ? 1 : 0;
    }
}

}  // namespace listener
