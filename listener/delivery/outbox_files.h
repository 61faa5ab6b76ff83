#pragma once

#include "listener/message/message.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/disk.h"
#include "plugin/contract/result.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace listener {

/// The bytes of messages that cannot go where they should go: files below server.data. A file is written once, whole and durable, and removed when
/// nobody needs it any more; who needs it is the ledger's to know. Thread-safe. Every member but used() blocks: call it through offload.
///
///   outbox/<second>-<random>.seg   the small ones of one batch, one after the other
///   outbox/<second>-<random>.eml   a large one
///   quarantine/<mailbox>/<id>.eml  what was set aside, for people to look at
///   reference/<mailbox>/<id>.eml   what was too large for a sink that is told where it lies; whoever was told removes it
class OutboxFiles {
public:
    static constexpr std::uint64_t passingBytes = 264 << 20;  ///< of one batch of a round

    /// `limit`: of bytes under outbox/; 0: none. `disk`, `clock` and `random` outlive the object.
    OutboxFiles(plugin::Disk& disk, plugin::Clock& clock, plugin::Random& random, std::string dataDirectory, std::uint64_t limit = 0)
        : disk_(disk), clock_(clock), random_(random), directory_(std::move(dataDirectory)), limit_(limit) {}

    struct Request {
        const Message* message = nullptr;
        bool shared = false;  ///< somebody else is still at work with its file: it is copied, never given a name
    };
    /// Durable when it answers; beside the requests. Errors: outboxFull, messageStaging (retryLater): nothing of it is kept. `passing`: sinks are at
    /// work that will take all of it in a moment, and it may go beyond the limit for so long.
    plugin::Result<std::vector<Kept>> keep(std::span<const Request> requests, bool passing = false);
    /// Durable when it answers. The same message may come again; with other octets it takes the place of the former ones. Whoever goes on needing it
    /// counts it with use().
    plugin::Result<Kept> quarantine(const Message& message);
    /// Answers the absolute path.
    plugin::Result<std::string> refer(const Message& message);

    /// The bytes of a message with this size and hash. Errors outboxDamaged: they are not there, or others.
    plugin::Result<Content> load(const Kept& kept, std::uint64_t size, const Digest& sha256);
    /// Whether keep() wrote anything more than ten minutes ago of which nobody has said since whether it is needed.
    bool hasDoubtful() const;
    /// Removes what of that is not among `needed`: files whose transaction failed. `needed`: as the ledger names them, read just before. Answers how
    /// many.
    std::size_t removeUnneeded(const std::set<std::string>& needed);
    /// As far as it can.
    void remove(const std::vector<std::string>& files);

    struct Inspection {
        std::vector<std::string> missing{};  ///< of `needed`
        std::uint64_t removed = 0;           ///< files nobody needs
        std::uint64_t strangers = 0;         ///< of before `lost`: they belonged to a database that is gone, and are left alone
    };
    /// At the start, before anything is kept. `needed`: as the ledger names them. `lost`: when a database was lost.
    plugin::Result<Inspection> inspect(const std::set<std::string>& needed, std::optional<plugin::Wall> lost);

    /// Bytes of messages that are kept, as told: the ledger knows them after a start; keep() tells of itself.
    void use(std::uint64_t bytes) { used_ += bytes; }
    void release(std::uint64_t bytes) {
        used_ -= std::min<std::uint64_t>(bytes, used_);
        if (bytes > 0) tight_ = false;
    }
    void recounted(std::uint64_t bytes) {
        used_ = bytes;
        tight_ = false;
    }
    std::uint64_t used() const { return used_; }
    std::uint64_t limit() const { return limit_; }
    /// So many bytes more may be kept.
    std::uint64_t room() const { return limit_ == 0 ? std::numeric_limits<std::uint64_t>::max() : limit_ - std::min<std::uint64_t>(used_, limit_); }
    /// Something had no room: nothing more is to be fetched until something has gone.
    void noRoom() { tight_ = used_ > 0; }
    /// No more has passed the limit than one batch of a round: what passes is taken as fast as it comes.
    bool mayPass() const { return limit_ == 0 || used_ <= limit_ + passingBytes; }
    bool isFull() const { return limit_ != 0 && (used_ >= limit_ || tight_); }

private:
    static constexpr std::chrono::minutes doubtfulAfter{10};  ///< no transaction takes so long

    std::string newName(const char* ending);
    plugin::Result<std::string> keepAlone(plugin::Directory& directory, const Request& request);
    plugin::Result<Kept> place(const std::string& folder, const Message& message);

    plugin::Disk& disk_;
    plugin::Clock& clock_;
    plugin::Random& random_;
    const std::string directory_;
    const std::uint64_t limit_;
    std::atomic<std::uint64_t> used_{0};
    std::atomic<bool> tight_{false};
    mutable std::mutex mutex_{};
    std::multimap<plugin::Steady, std::string> made_{};  ///< files, with their folder; since when
};

}  // namespace listener
