#include "listener/engine/id_matching.h"

#include "listener/engine/rematch.h"

#include <algorithm>
#include <map>

namespace listener {

using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t namesAtOnce = 1000;
constexpr std::size_t foundForOneElsewhere = 10;

std::optional<std::size_t> indexOf(std::span<const Identified> messages, std::uint64_t ordinal) {
    const auto found = std::lower_bound(messages.begin(), messages.end(), ordinal,
                                        [](const Identified& message, std::uint64_t wanted) { return message.ordinal < wanted; });
    if (found == messages.end() || found->ordinal != ordinal) return std::nullopt;
    return static_cast<std::size_t>(found - messages.begin());
}

bool agree(const Identified& message, const Candidate& candidate) {
    return message.matchKey == candidate.matchKey || (message.crossKey != 0 && message.crossKey == candidate.crossKey);
}

}  // namespace

ByIds judgeClaims(std::span<const Identified> messages, std::span<const Candidate> candidates, std::span<const Claim> claims) {
    ByIds told{.found = std::vector<std::optional<std::size_t>>(messages.size()), .absent = std::vector<bool>(candidates.size())};
    std::map<std::size_t, std::size_t> claimed;  // messages, how often
    for (const auto& claim : claims)
        if (const auto message = claim.ordinal ? indexOf(messages, *claim.ordinal) : std::nullopt) ++claimed[*message];
    std::size_t translated = 0;
    for (const auto& claim : claims) {
        const auto message = claim.ordinal ? indexOf(messages, *claim.ordinal) : std::nullopt;
        if (!message || claimed[*message] != 1 || !agree(messages[*message], candidates[claim.candidate])) continue;
        told.found[*message] = claim.candidate;
        ++told.count;
        if (claim.translated) ++translated;
    }
    const auto absent = static_cast<std::size_t>(std::count_if(claims.begin(), claims.end(), [](const Claim& claim) { return !claim.ordinal; }));
    if (absent * foundForOneElsewhere > translated) return told;
    for (const auto& claim : claims) {
        if (claim.ordinal) continue;
        told.absent[claim.candidate] = true;
        told.elsewhere.emplace_back(candidates[claim.candidate].number, claim.id);
    }
    return told;
}

namespace {

/// `candidates` outlive the call. Those from `open` are asked about.
Task<Result<std::vector<Claim>>> translate(Ledger& ledger, Mailbox& mailbox, std::span<const Candidate> candidates, std::vector<std::size_t> open,
                                           std::stop_token stop) {
    std::vector<Claim> claims;
    for (std::size_t from = 0; from < open.size(); from += namesAtOnce) {
        const std::vector<std::size_t> some(open.begin() + static_cast<std::ptrdiff_t>(from),
                                            open.begin() + static_cast<std::ptrdiff_t>(std::min(from + namesAtOnce, open.size())));
        std::vector<std::int64_t> rows;
        for (const auto candidate : some) rows.push_back(candidates[candidate].number);
        auto names = co_await ledger.names(std::move(rows));
        if (!names) co_return names.error();
        std::map<std::string, std::pair<std::vector<std::string>, std::vector<std::size_t>>> byProtocol;
        for (std::size_t i = 0; i < some.size(); ++i) {
            auto& [protocol, id] = (*names)[i];
            if (id.empty() || !mailbox.knowsNamesOf(protocol)) continue;
            auto& [ids, those] = byProtocol[protocol];
            ids.push_back(std::move(id));
            those.push_back(some[i]);
        }
        for (auto& [protocol, those] : byProtocol) {
            auto name = protocol;
            auto told = co_await mailbox.named(std::move(name), std::move(those.first), stop);
            if (!told) co_return told.error();
            for (std::size_t i = 0; i < told->size(); ++i) {
                auto& one = (*told)[i];
                if (one.where == Named::Where::here) claims.push_back({.candidate = those.second[i], .ordinal = one.ordinal});
                if (one.where == Named::Where::elsewhere) claims.push_back({.candidate = those.second[i], .id = std::move(one.id)});
            }
        }
    }
    co_return std::move(claims);
}

}  // namespace

Task<Result<ByIds>> matchByIds(Ledger& ledger, Mailbox& mailbox, std::span<const Identified> messages, std::span<const Candidate> candidates,
                               std::optional<std::int64_t> former, std::stop_token stop) {
    std::vector<Claim> claims;
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto& one = candidates[i];
        if (former && one.formerFolder == *former && indexOf(messages, one.formerOrdinal))
            claims.push_back({.candidate = i, .ordinal = one.formerOrdinal, .translated = false});
        else if (one.number != 0)
            open.push_back(i);
    }
    auto more = co_await translate(ledger, mailbox, candidates, std::move(open), std::move(stop));
    if (!more) co_return more.error();
    for (auto& claim : *more) claims.push_back(std::move(claim));
    co_return judgeClaims(messages, candidates, claims);
}

std::optional<std::int64_t> formerRecord(const std::vector<FolderRecord>& records, std::string_view protocol, const std::string& folder,
                                         const FolderView& view) {
    const auto last = std::find_if(records.rbegin(), records.rend(),
                                   [protocol, &folder](const FolderRecord& one) { return one.protocol == protocol && one.name == folder; });
    return last != records.rend() && inOrder(*last, view) ? std::optional(last->id) : std::nullopt;
}

}  // namespace listener
