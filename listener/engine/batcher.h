#pragma once

#include "listener/engine/recognition.h"
#include "listener/engine/round.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace listener {

/// Gathers fetched messages into batches and delivers one while the next is being fetched.
/// INTENT → sinks, outbox → VERDICT of a batch happen here, one batch after the other; where messages are rendered anew at each fetch
/// (batcher_kept.cpp) outbox, INTENT → sinks → VERDICT of each.
class Batcher final : public Receiver {
public:
    /// Where the cursor may stand once these ordinals are final too.
    using CursorAfter = std::function<std::uint64_t(const std::vector<std::uint64_t>& settled)>;

    /// `enough` ends the fetch in order. All references outlive the object; finish() is awaited before it is destroyed.
    Batcher(const RoundParts& parts, const FolderRecord& record, const Guidance& guidance, CursorAfter cursorAfter, std::function<bool()> enough,
            std::stop_token giveUp)
        : parts_(parts),
          record_(record),
          guidance_(guidance),
          cursorAfter_(std::move(cursorAfter)),
          enough_(std::move(enough)),
          giveUp_(std::move(giveUp)) {}

    plugin::Task<plugin::Result<void>> take(Fetched fetched) override;
    bool enough() const override { return failure_.has_value() || enough_(); }
    std::optional<std::uint64_t> sizeLimit() const override { return parts_.settings.maxSize; }

    /// Delivers what has been gathered and waits for what is under way: the first failure, if any. Never throws.
    plugin::Task<plugin::Result<void>> finish();

    std::size_t delivered() const { return delivered_; }
    std::size_t owed() const { return owed_; }  ///< the outbox has them
    std::uint64_t bytes() const { return bytes_; }
    /// After finish(): messages that were not delivered because they may have been, elsewhere.
    std::vector<Suspect>& suspects() { return suspects_; }

private:
    using Batch = std::vector<Message>;
    plugin::Task<plugin::Result<void>> flush();
    plugin::Task<plugin::Result<void>> join();
    plugin::Task<plugin::Result<void>> deliver(Batch batch);
    plugin::Task<plugin::Result<std::int64_t>> intend(const Batch& batch);
    using Offers = std::vector<std::vector<Outlet::Offered>>;  ///< by outlet, beside the messages
    plugin::Task<plugin::Result<void>> deliverKept(Batch batch);
    plugin::Task<plugin::Result<void>> secure(std::vector<Settled> settled);
    plugin::Task<void> offerKept(std::shared_ptr<const Batch> batch);
    Offers untried(const Batch& batch, plugin::Wall now) const;
    static std::optional<plugin::Error> refusedForSize(const Outlet& outlet, const Message& message);
    plugin::Task<Offers> offerToAll(std::shared_ptr<const Batch> batch);
    plugin::Task<std::vector<Outlet::Offered>> offerTo(Outlet& outlet, std::shared_ptr<const Batch> batch);
    plugin::Task<std::vector<Settled>> keepRest(std::vector<Settled> judged, const Offers& offers);
    plugin::Task<void> settleBatch(std::int64_t intent, std::vector<Settled> settled, const Offers& offers);
    plugin::Task<plugin::Result<Batch>> recognise(Batch batch);
    plugin::Task<std::vector<Settled>> setAside(Batch& batch);
    Settled judge(const Message& message, const Offers& offers, std::size_t index) const;
    bool allSinksWork() const;
    bool nothingWaits() const;
    void leaveWhatHasNoRoom(Batch& batch);
    plugin::Error outboxFull() const;
    struct Totals {
        std::size_t delivered = 0, quarantined = 0, pending = 0;
        std::uint64_t bytes = 0;  ///< delivered
    };
    static Totals totalsOf(const std::vector<Settled>& settled);
    void count(const Totals& totals);
    void report(plugin::Code code, const char* what, const std::vector<Settled>& those);

    const RoundParts& parts_;
    const FolderRecord& record_;
    const Guidance& guidance_;
    CursorAfter cursorAfter_;
    std::function<bool()> enough_;
    std::stop_token giveUp_;
    Batch gathering_{};
    std::uint64_t inMemory_ = 0, staged_ = 0, bytes_ = 0;
    std::size_t delivered_ = 0, owed_ = 0;
    std::vector<Suspect> suspects_{};
    std::set<std::uint64_t> defects_{};   ///< ordinals of what the server gives out in place of a message
    std::set<std::uint64_t> tooLarge_{};  ///< ordinals of what was not fetched
    std::shared_ptr<plugin::Shared<plugin::Result<void>>> underWay_{};
    std::optional<plugin::Error> failure_{};
};

}  // namespace listener
