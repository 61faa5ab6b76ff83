#pragma once

#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace listener {

/// Which message of a folder is which known one, where octets and sizes tell nothing: the server renders its messages anew at each fetch, or they
/// were read with another protocol before. As multisets, in this order:
///   1. the same match key (Message-ID, Date, From, Subject as they stand in the head); those of the same second first.
///   2. the same second, and the same cross key: the Message-ID, or where there is none sender and subject.
/// Where more messages than known ones have all of that in common, nobody can tell which of them is the new one, and none of them is found: rather
/// delivered than lost. A candidate that we took away ourselves is found only in its own second, after all others. Pure.
///
/// Beside `messages` (by rising ordinal): which of the candidates each is. `known`: what is found already, and left alone. `excluded`: beside the
/// candidates, those that are none of these messages. Either may be empty.
std::vector<std::optional<std::size_t>> matchByKeys(std::span<const Identified> messages, std::span<const Candidate> candidates,
                                                    std::vector<std::optional<std::size_t>> known = {}, std::vector<bool> excluded = {});

/// Servers tell when a message was received to the second.
std::int64_t secondOf(plugin::Wall time);

}  // namespace listener
