#pragma once

#include "listener/delivery/outbox_files.h"
#include "listener/delivery/sink.h"
#include "listener/engine/sink_health.h"
#include "listener/engine/sink_settings.h"
#include "listener/ledger/outbox.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// One message on its way into one sink, whether a round offered it or the outbox had it.
struct OutletJob;

/// The way into one sink: a bounded queue, a few calls of the sink at a time, and the sink's part of the outbox. A sink that is slow or refuses holds
/// up nobody but itself. Belongs to one loop; members are called there, but for those that say otherwise. Owned by std::shared_ptr: what it has begun
/// keeps it alive.
class Outlet : public std::enable_shared_from_this<Outlet> {
public:
    static constexpr std::uint64_t queuedBytes = 32 << 20;  ///< in memory, of messages that wait for a call
    static constexpr std::uint32_t stuckAfter = 5;          ///< refusals of one message; people are told then, though others are taken
    static constexpr std::uint64_t callBytes = 8 << 20;     ///< in memory, of one call, and of what is read of the outbox at a time

    /// Everything outlives the outlet.
    struct Parts {
        OutboxLedger& outbox;
        OutboxFiles& files;
        plugin::Log& log;
        plugin::Metrics& metrics;
        plugin::Random& random;
        /// Any thread: in this mailbox something is to be done (an after-action is due, bytes are to be fetched again).
        std::function<void(const std::string& mailbox)> mailboxHasWork;
    };
    /// `forerunner`: of the same sink as it was configured before. What is in hand for it is left alone by this one.
    Outlet(Parts parts, plugin::Loop& loop, SinkSettings settings, std::shared_ptr<Sink> sink, const Outlet* forerunner = nullptr);
    ~Outlet();

    plugin::Loop& loop() const { return loop_; }                ///< any thread
    const SinkSettings& settings() const { return settings_; }  ///< any thread
    Sink& sink() const { return *sink_; }                       ///< any thread: for staging() and name()

    /// What became of an offered message.
    struct Offered {
        enum class Answer {
            delivered,
            known,
            refused,   ///< `error` says why
            underWay,  ///< the sink is still at work with it: owe() `job` once the outbox has the message
            notTried,  ///< the sink rests, or its queue is full
        };
        Answer answer = Answer::notTried;
        std::optional<plugin::Error> error{};
        std::shared_ptr<OutletJob> job{};  ///< null: it never came into the queue
        plugin::Wall next{};               ///< not tried before, where the outbox takes it
        std::uint32_t attempts = 0;
    };
    /// Answers beside the messages, at `until` at the latest, when `stop` is asked, or when all have a verdict.
    plugin::Task<std::vector<Offered>> offer(std::vector<Message> messages, plugin::Deadline until, std::stop_token stop);
    /// Any thread. The outbox has so many messages more for this sink; these of them are under way.
    void owe(std::size_t count, std::vector<std::shared_ptr<OutletJob>> underWay);

    /// Messages that a round or a call is at work with until what came of it is written down: while one of these is alive, the outbox's part leaves
    /// them alone. Any thread.
    class Hold {
    public:
        Hold(std::shared_ptr<Outlet> outlet, std::vector<std::string> ids);
        ~Hold();
        Hold(Hold&&) noexcept = default;
        Hold& operator=(Hold&&) = delete;

    private:
        std::shared_ptr<Outlet> outlet_;
        std::vector<std::string> ids_;
    };
    /// Writes down what came of so many messages the outbox had before they were offered, and adopts what is under way. No mailbox is told: whoever
    /// offered them looks after what is due. False: it could not be written, and they are tried again under the same ids.
    plugin::Task<bool> settleOffered(std::size_t count, std::vector<std::shared_ptr<OutletJob>> jobs);

    /// Delivers what the outbox has, until `finish`.
    plugin::Task<void> run(std::stop_token finish, std::stop_token giveUp);
    /// Tries everything the outbox has once, in the order it came; ends early when the sink rests.
    plugin::Task<void> drainOnce(std::stop_token finish, std::stop_token giveUp);
    /// Until nothing is under way any more and all of it is written down; soon after the `giveUp` of run() or drainOnce(). What is offered meanwhile
    /// is waited for too.
    plugin::Task<void> letEnd();
    /// Any thread: what ends calls that are under way, also before run().
    void breakWith(std::stop_token giveUp);
    /// Any thread: somebody changed something in the ledger.
    void lookAgain();

    struct View {
        SinkHealth::State state{};
        std::uint64_t waiting = 0;
        std::optional<plugin::Error> error{};  ///< of the last refusal, while it refuses
        bool proven = false;                   ///< since the start it has taken something, or an operator has disabled it
        std::size_t stuck = 0;                 ///< messages it has refused `stuckAfter` times or more
    };
    View view() const;  ///< any thread

private:
    using JobPtr = std::shared_ptr<OutletJob>;
    bool mayCall() const;
    bool accepts() const;
    void enqueue(JobPtr job);
    void pump();
    void withdrawAll();
    plugin::Task<void> call(std::shared_ptr<Outlet> self, std::vector<JobPtr> jobs);
    plugin::Task<void> giveToSink(std::vector<Delivery>& deliveries);
    void judge(const std::vector<Delivery>& deliveries);
    void refused(const plugin::Error& error, const std::string& id);
    void noteEnd(const OutletJob& job);
    plugin::Task<void> concludeAdopted(std::shared_ptr<Outlet> self, std::vector<JobPtr> jobs);
    OutboxOutcome outcomeOf(const OutletJob& job);
    bool stopped(const OutletJob& job) const;
    plugin::Task<void> layOutAside(JobPtr job);

    struct Page {
        std::vector<OutboxEntry> entries{};
        bool failed = false;
    };
    plugin::Task<Page> nextPage();
    plugin::Task<Page> readPage();
    void noticeClock();
    plugin::Task<void> refresh();
    plugin::Task<void> step(std::stop_token finish);
    plugin::Task<void> attempt(std::vector<OutboxEntry> entries);
    plugin::Task<JobPtr> jobOf(OutboxEntry entry, bool* troubled);
    enum class Tell { mailbox, nobody };
    plugin::Task<bool> conclude(std::vector<OutboxOutcome> outcomes, Tell tell = Tell::mailbox);
    plugin::Task<bool> postpone(std::int64_t row);
    plugin::Task<void> expire();
    plugin::Task<void> rest(std::stop_token finish);
    std::size_t pageSize() const;
    void show();

    /// Ids of what calls and rounds are at work with, and of what they have dropped since a page of the outbox was begun: what it says of these may
    /// be out of date. Thread-safe; an outlet hands it on to its successor.
    class InHand {
    public:
        void take(const std::vector<std::string>& ids);
        void drop(const std::vector<std::string>& ids);
        bool has(const std::string& id) const;
        void watch(bool begun);

    private:
        mutable std::mutex mutex_{};
        std::multiset<std::string> ids_{};
        std::set<std::string> dropped_{};
        bool watched_ = false;
    };

    const Parts parts_;
    plugin::Loop& loop_;
    const SinkSettings settings_;
    const std::shared_ptr<Sink> sink_;
    SinkHealth health_;
    std::deque<JobPtr> queue_{};
    std::uint64_t queued_ = 0;  ///< bytes in memory
    std::size_t calls_ = 0;     ///< under way
    std::size_t busy_ = 0;      ///< with a call, or with writing down what came of one
    const std::shared_ptr<InHand> inHand_;
    std::set<std::string> stuck_{};  ///< ids; people have been told of them
    plugin::Event changed_{};        ///< a call has ended, or the queue is shorter
    plugin::Event wake_{};           ///< of the outbox's part
    std::stop_token giveUp_{};
    bool sweeping_ = false;  ///< all there is, in order, due or not: the sink is well again
    std::int64_t swept_ = 0;
    std::int64_t probed_ = 0;
    std::uint64_t unreadable_ = 0;  ///< entries in a row
    bool proven_ = false;
    bool told_ = false;            ///< that it is disabled is written down
    bool nothingToProbe_ = false;  ///< resting, and the outbox has nothing to try it with: the next offer does
    mutable std::mutex mutex_{};
    View view_{};
    std::uint64_t waiting_ = 0;
    bool recount_ = true;
    plugin::Steady noExpiryUntil_{};                     ///< since the wall clock jumped nobody knows how long anything has waited
    std::optional<std::chrono::nanoseconds> between_{};  ///< the wall clock and the steady one
    plugin::Steady counted_{};
};

}  // namespace listener
