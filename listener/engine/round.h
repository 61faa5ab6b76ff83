#pragma once

#include "listener/delivery/outbox_files.h"
#include "listener/engine/outlet.h"
#include "listener/engine/settings.h"
#include "listener/ledger/ledger.h"
#include "listener/ledger/outbox.h"
#include "listener/mailbox.h"
#include "plugin/contract/log.h"
#include "plugin/contract/package.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// What all rounds of a mailbox work with. Everything outlives them.
struct RoundParts {
    const MailboxSettings& settings;
    Ledger& ledger;
    OutboxLedger& outbox;
    OutboxFiles& files;
    std::span<Outlet* const> outlets;     ///< the mailbox's sinks, in the order of `deliver`
    plugin::Mode mode;                    ///< once: sinks are waited for as long as they may take
    std::function<void()> outboxChanged;  ///< deliveries are due that were not
    plugin::Disk& disk;
    std::string stagingPath;  ///< server.data/staging
    plugin::Log& log;
    plugin::Metrics& metrics;
    bool rendersAnew = false;  ///< as Mailbox::rendersAnew(): set by the round
};

/// Messages of one folder that are listed and not handed out: since when, by ordinal.
using Unreadable = std::map<std::uint64_t, plugin::Steady>;

/// How a folder's turn ended when nothing failed.
struct RoundEnd {
    bool complete = true;  ///< false: the budget or a stop ended it; there is more
    std::size_t delivered = 0;
    std::size_t owed = 0;                     ///< the outbox has them
    std::vector<std::uint64_t> unreadable{};  ///< listed, not handed out, still there
    std::optional<plugin::Error> refused{};   ///< the first after-action the server refuses: it stays due, all else went on
};

struct Guidance;
struct RematchCase;
struct Suspect;

/// Two ways to be asked to end: `finish` = begin nothing new; `giveUp` = let go of the network now. What is in hand is settled either way.
struct Stops {
    std::stop_token finish;
    std::stop_token giveUp;
};

/// One turn of one folder: the order of effects, and the only place that knows it.
/// list → fetch → INTENT → sinks, outbox → VERDICT → after-actions → cleared; before that, what an earlier process left open. Where messages are
/// rendered anew at each fetch the outbox has them first: list → fetch → outbox, INTENT → sinks → VERDICT of each → after-actions → cleared.
class Round {
public:
    static constexpr std::size_t batchMessages = 200;
    static constexpr std::uint64_t batchMemory = 8 << 20;    ///< bytes held in memory by one batch; two can be under way
    static constexpr std::uint64_t batchStaged = 256 << 20;  ///< bytes of large messages waiting in files
    static constexpr std::size_t refusalsBorne = 16;         ///< of requests for after-actions; one bad message of 1000 is found with eleven
    static constexpr std::chrono::minutes timeBudget{5};
    static constexpr std::uint64_t byteBudget = 4ULL << 30;
    static constexpr std::chrono::minutes readableWithin{10};  ///< what is not handed out for so long is missing
    static constexpr std::chrono::hours missingSought{24};     ///< and looked for with each turn for so long

    /// `unreadable` outlives the round, and is kept between the rounds of the folder.
    Round(RoundParts parts, Mailbox& mailbox, std::string folder, Stops stops, Unreadable& unreadable)
        : parts_(std::move(parts)),
          mailbox_(mailbox),
          protocol_(mailbox.protocol()),
          folder_(std::move(folder)),
          stops_(std::move(stops)),
          unreadable_(unreadable) {
        parts_.rendersAnew = mailbox_.rendersAnew();
    }
    /// Errors: whatever failed. What a sink refuses is no failure as long as the outbox can keep it. The cursor is where it may be, whatever happens.
    plugin::Task<plugin::Result<RoundEnd>> run();

private:
    plugin::Task<plugin::Result<void>> enter();
    plugin::Task<plugin::Result<Start>> startOf(const std::vector<FolderRecord>& records);
    plugin::Task<plugin::Result<std::set<std::string>>> missingOf(const std::vector<FolderRecord>& records);
    plugin::Task<plugin::Result<void>> begin(FolderView view, Start start);
    plugin::Task<plugin::Result<void>> rematch(RematchCase what);
    plugin::Task<plugin::Result<void>> redeliverOpenBatches();
    plugin::Task<plugin::Result<void>> rework();
    plugin::Task<plugin::Result<void>> fetchAgain(std::vector<Unfetched> unfetched);
    plugin::Task<plugin::Result<void>> seek(std::vector<Missing> missing);
    plugin::Task<plugin::Result<void>> giveUpUnreadable(std::uint64_t upTo);
    plugin::Result<void> roomInOutbox() const;
    void leaveWhatHasNoRoom(std::vector<Unfetched>& unfetched) const;
    plugin::Task<plugin::Result<void>> deliverNew();
    plugin::Task<plugin::Result<void>> deliverListed(std::vector<std::uint64_t> ordinals, std::uint64_t upTo, Guidance guidance);
    plugin::Task<plugin::Result<std::vector<Suspect>>> deliverOnce(std::vector<std::uint64_t> ordinals, std::uint64_t upTo, const Guidance& guidance,
                                                                   bool& cutShort);
    plugin::Task<plugin::Result<std::vector<std::uint64_t>>> clearUp(std::vector<Suspect> suspects, std::uint64_t upTo, Guidance& guidance,
                                                                     bool& cutShort);
    plugin::Task<plugin::Result<void>> comeBack();
    plugin::Task<plugin::Result<void>> accountForRest(std::uint64_t upTo);
    plugin::Task<plugin::Result<void>> afterActions();
    plugin::Task<plugin::Result<void>> clearWhatIsPossible(std::span<Due> due);
    plugin::Task<plugin::Result<void>> clear(std::span<Due> due);
    plugin::Task<plugin::Result<void>> openStaging();
    std::uint64_t cursorWithout(const std::vector<std::uint64_t>& settled, std::uint64_t upTo);
    plugin::Task<plugin::Result<void>> moveCursor(std::uint64_t to);

    RoundParts parts_;
    Mailbox& mailbox_;
    std::string protocol_;
    std::string folder_;
    Stops stops_;
    Unreadable& unreadable_;
    FolderRecord record_{};
    plugin::Wall began_{};  ///< the second in which the folder was not yet entered
    bool away_ = false;     ///< another folder was entered since
    RoundEnd end_{};
    std::shared_ptr<plugin::Directory> staging_{};
    plugin::Deadline timeUp_{};
    std::set<std::uint64_t> outstanding_{};  ///< listed and not final
    std::set<std::uint64_t> unlisted_{};     ///< of these: no longer listed, though the listing claims nothing of them
    std::set<std::string> hopeless_{};       ///< other folders that cannot be brought in order now
    std::set<std::int64_t> refused_{};       ///< rows whose after-action the server refuses
    std::size_t refusals_ = 0;               ///< requests it has refused
};

}  // namespace listener
