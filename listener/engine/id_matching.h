#pragma once

#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace listener {

/// Whose message a known one is said to be.
struct Claim {
    std::size_t candidate = 0;
    std::optional<std::uint64_t> ordinal{};  ///< none: not of this folder
    std::string id{};                        ///< of one that is elsewhere
    bool translated = true;                  ///< by the server; false: by the place it had before
};

struct ByIds {
    std::vector<std::optional<std::size_t>> found{};                ///< beside the messages: which of the candidates each is
    std::vector<bool> absent{};                                     ///< beside the candidates: none of this folder's messages
    std::vector<std::pair<std::int64_t, std::string>> elsewhere{};  ///< rows, and the ids of their messages by this protocol
    std::size_t count = 0;                                          ///< found
};

/// What of the claims can be believed. An id that points wrong must not cost a message: match key or cross key
/// has to agree too, and of two claims to one message neither counts. That a known message is not in the folder is believed where nearly all that are
/// translated are found in it: else these are not the ids the folder is listed by.
/// `messages` by rising ordinal. Pure.
ByIds judgeClaims(std::span<const Identified> messages, std::span<const Candidate> candidates, std::span<const Claim> claims);

/// What ids alone tell of the folder entered last: rows that were there by this protocol before (`former`: its record of then, whose positions are
/// good again), and those whose id by another protocol the server translates. The rest is left to keys. Errors: those of the session and the store.
plugin::Task<plugin::Result<ByIds>> matchByIds(Ledger& ledger, Mailbox& mailbox, std::span<const Identified> messages,
                                               std::span<const Candidate> candidates, std::optional<std::int64_t> former, std::stop_token stop);

/// Of these records (the oldest first) the last one of this folder and protocol, if its positions mean again what they meant.
std::optional<std::int64_t> formerRecord(const std::vector<FolderRecord>& records, std::string_view protocol, const std::string& folder,
                                         const FolderView& view);

}  // namespace listener
