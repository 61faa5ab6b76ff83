#pragma once

#include "listener/message/message.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// One message on its way into one sink. Safe when forgotten: only delivered() or known() settles it; whatever else happens, an early
/// return or an exception included, means "not delivered" and a second attempt under the same id.
class Delivery {
public:
    enum class Verdict { notDelivered, delivered, known };
    explicit Delivery(const Message& message) : message_(&message) {}

    const Message& message() const { return *message_; }
    void delivered() { verdict_ = Verdict::delivered; }               ///< on a positive, checked answer only
    void known() { verdict_ = Verdict::known; }                       ///< the sink says it has this id already
    void refused(plugin::Error error) { error_ = std::move(error); }  ///< why not, for people and back-off
    Verdict verdict() const { return verdict_; }
    const std::optional<plugin::Error>& error() const { return error_; }

private:
    const Message* message_;
    Verdict verdict_ = Verdict::notDelivered;
    std::optional<plugin::Error> error_{};
};

/// A system behind. Belongs to one loop: its queue's (outlet.h). Up to the sink's `concurrency` calls may be under way at a time.
class Sink {
public:
    virtual ~Sink() = default;
    virtual const std::string& name() const = 0;
    /// So many messages are best given together; 1: each for itself.
    virtual std::size_t batchLimit() const = 0;
    /// Delivers a batch together and leaves a verdict in each Delivery. Returns when all verdicts are in or soon after the deadline has passed.
    /// What a refusal says: askOperator and retryLater tell of the sink, setAside that this one message can never pass; retryAfter is obeyed.
    virtual plugin::Task<void> deliver(std::span<Delivery> batch, plugin::Deadline deadline, std::stop_token stop) = 0;
    /// Where large messages of this mailbox are best staged when this is its only sink (its own file system), or null: anywhere.
    /// Any thread. Blocks: call it through offload. Errors: 6xxx.
    virtual plugin::Result<std::shared_ptr<plugin::Directory>> staging(const std::string& mailbox) {
        static_cast<void>(mailbox);
        return std::shared_ptr<plugin::Directory>{};
    }
};

}  // namespace listener
