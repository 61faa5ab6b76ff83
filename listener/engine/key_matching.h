#pragma once

#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace listener {

/// What keys tell of a folder's messages.
struct ByKeys {
    std::vector<std::optional<std::size_t>> found{};  ///< beside the messages: which of the candidates each is
    std::vector<bool> doubtful{};                     ///< beside the messages: it is none of them, though some of its second have its keys
    std::vector<std::size_t> undecided{};  ///< candidates (rising) that nobody has taken away: which of several messages each is cannot be told
};

/// Which message of a folder is which known one, where octets and sizes tell nothing: the server renders its messages anew at each fetch, or they
/// were read with another protocol before. As multisets, in this order:
///   1. the same match key (Message-ID, Date, From, Subject as they stand in the head); those of the same second first.
///   2. the same second, and the same cross key: the Message-ID, or where there is none sender and subject.
/// Where more messages than known ones have all of that in common, nobody can tell which of them is the new one, and none of them is found: rather
/// delivered than lost. A candidate that we took away ourselves is not there, and what is like it is another one. One that an earlier rebuild left
/// undecided stays so: the message it is may have another row by now, and then two rows would stand for one message. What this cannot see: one known
/// message that others took away, and one new with its keys and second.
///
/// Sizes do not help. The ledger's is that of a rendering; a server tells that of another one, or of the object it is made from, which grows with
/// each property somebody sets and shrinks with each attachment somebody removes. And a size could only say which of several is the known one: where
/// it is wrong, that one is lost, where without it both are delivered.
///
/// Beside `messages` (by rising ordinal). `known`: what is found already, and left alone. `excluded`: beside the candidates, those that are none of
/// these messages. Either may be empty. Pure.
ByKeys matchByKeys(std::span<const Identified> messages, std::span<const Candidate> candidates, std::vector<std::optional<std::size_t>> known = {},
                   std::vector<bool> excluded = {});

/// Servers tell when a message was received to the second.
std::int64_t secondOf(plugin::Wall time);

}  // namespace listener
