#pragma once

#include "listener/alerting/journal.h"
#include "listener/alerting/messenger.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// What one channel has been told, what it is still owed, and the telling: one notice after the other, in order. Belongs to one loop.
///
/// A condition that comes again while its end is still to be told has not ended for this channel: nothing is told. So of each condition at most two
/// notices wait, however long the channel is down.
class AlertChannel {
public:
    static constexpr std::chrono::milliseconds firstPause{1'000};  ///< after a failure; doubles up to
    static constexpr std::chrono::milliseconds longestPause{300'000};
    static constexpr std::size_t perMinute = 60;    ///< attempts: a thousand mailboxes that stall together are no storm
    static constexpr std::chrono::hours stale{24};  ///< what began longer ago, never got out and is over interests nobody

    /// All outlive the channel's run().
    struct Parts {
        Journal& journal;
        plugin::Clock& clock;
        plugin::Log& log;
        plugin::Metrics& metrics;
    };
    AlertChannel(AlertSettings settings, std::unique_ptr<Messenger> messenger, Parts parts);

    const AlertSettings& settings() const { return settings_; }
    /// Changed settings: what is owed is tried at once.
    void change(AlertSettings settings, std::unique_ptr<Messenger> messenger);

    /// From before a restart, in order.
    void restore(Notice notice, bool told);
    /// Nothing, if the channel does not want it, or knows or will be told already.
    void raised(const Raised& condition);
    void cleared(const ConditionKey& key, plugin::Wall at);

    /// Tells until finish(). Once.
    plugin::Task<void> run();
    void wake() { news_.set(); }               ///< something may have become durable
    void finish() { finish_.request_stop(); }  ///< begin no further attempt
    void giveUp() { giveUp_.request_stop(); }  ///< and let go of the one under way
    void forget();                             ///< the channel is no longer configured: nothing is owed to it

private:
    struct Entry {
        Notice notice;
        bool told = false;
    };
    void owe(Notice notice);
    void dropStale();
    std::optional<Notice> next() const;
    plugin::Steady allowedAt(plugin::Steady now);
    plugin::Task<void> attempt(Notice notice);
    static plugin::Task<plugin::Result<void>> tell(std::shared_ptr<Messenger> messenger, Notice notice, plugin::Deadline deadline,
                                                   std::stop_token stop);
    void failed(const plugin::Error& error);
    void told(const Notice& notice);
    void count(const char* result);

    AlertSettings settings_;
    std::shared_ptr<Messenger> messenger_;  // shared: an attempt under way keeps the one it began with
    Parts parts_;
    std::map<ConditionKey, std::deque<Entry>> standing_{};  // of each condition raised, cleared, raised ... up to what is not yet told
    std::map<std::int64_t, ConditionKey> owed_{};
    std::optional<std::int64_t> underWay_{};
    std::deque<plugin::Steady> attempts_{};  // of the last minute
    std::optional<plugin::Steady> retryAt_{};
    unsigned failures_ = 0;  // in a row
    plugin::Event news_{};
    std::stop_source finish_{}, giveUp_{};
};

}  // namespace listener
