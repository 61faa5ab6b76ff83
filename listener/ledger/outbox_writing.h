#pragma once

#include "listener/ledger/outbox.h"

#include <cstdint>
#include <limits>
#include <string>

/// What OutboxLedger's members do inside their transaction. Blocking; they throw plugin::StoreError.
namespace listener::writing {

/// listener_outbox.next of what has to be fetched first.
inline constexpr std::int64_t whenFetched = std::numeric_limits<std::int64_t>::max();
/// Whether what stands at a row's place in the mailbox is still that message.
bool isReachable(plugin::Transaction& transaction, std::int64_t message);

Replayed replay(plugin::Transaction& transaction, const ReplayQuery& query, const std::string& sink, plugin::Wall now);
Discarded discard(plugin::Transaction& transaction, const ReplayQuery& query);

}  // namespace listener::writing
