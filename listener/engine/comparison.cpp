#include "listener/engine/comparison.h"

#include "listener/engine/id_matching.h"
#include "listener/engine/key_matching.h"
#include "listener/engine/rematch.h"

#include <algorithm>
#include <memory>

namespace listener {

using plugin::Result;
using plugin::Task;

namespace {

/// What is known of folders of this name, by whatever protocol.
std::uint64_t knownOf(const std::vector<MailboxSummary>& summaries, const std::string& mailbox, const std::string& folder) {
    std::uint64_t known = 0;
    for (const auto& row : summaries)
        if (row.mailbox == mailbox && row.folder == folder) known += row.delivered + row.other;
    return known;
}

/// What known messages that were not found, though nobody here has taken them away, have in common with others. `absent`: they need not be found.
CandidateKeys keysNotFound(const std::vector<Candidate>& candidates, const std::vector<std::optional<std::size_t>>& found,
                           const std::vector<bool>& absent) {
    auto taken = absent;
    for (const auto& each : found)
        if (each) taken[*each] = true;
    CandidateKeys keys;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        if (taken[i] || candidates[i].removed) continue;
        keys.add(candidates[i].matchKey, candidates[i].crossKey);
    }
    keys.sort();
    return keys;
}

Task<Result<std::vector<Identified>>> headsOf(Mailbox& mailbox) {
    std::vector<Identified> messages;
    IdentifiedTaker taker = [&messages](Identified message) -> Result<void> {
        messages.push_back(message);
        return {};
    };
    auto identified = co_await mailbox.identify(std::move(taker), std::stop_token{});
    if (!identified) co_return identified.error();
    co_return std::move(messages);
}

/// As Round and Rematch will do it.
Task<Result<Compared>> compare(Ledger& ledger, Mailbox& mailbox, const MailboxSettings& settings, std::string folder) {
    auto name = folder;
    auto view = co_await mailbox.select(std::move(name), std::stop_token{});
    if (!view) co_return view.error();
    auto messages = co_await headsOf(mailbox);
    if (!messages) co_return messages.error();
    auto records = co_await ledger.records(settings.alias);
    if (!records) co_return records.error();
    const auto former = formerRecord(*records, mailbox.protocol(), folder, *view);
    std::vector<std::int64_t> sources;
    auto start = records->empty() ? settings.start : records->front().start;
    for (const auto& record : *records) {
        if (record.name != folder) continue;
        sources.insert(sources.begin(), record.id);
        start = record.start;
    }
    auto keys = std::make_shared<CandidateKeys>();
    for (const auto& message : *messages) keys->add(message.matchKey, message.crossKey);
    keys->sort();
    auto candidates = co_await ledger.candidates(std::move(sources), std::move(keys));
    if (!candidates) co_return candidates.error();
    auto summaries = co_await ledger.summaries();
    if (!summaries) co_return summaries.error();
    auto told = co_await matchByIds(ledger, mailbox, *messages, *candidates, former, std::stop_token{});
    if (!told) co_return told.error();
    const auto [found, doubtful, undecided] = matchByKeys(*messages, *candidates, std::move(told->found), told->absent);
    const auto moment = startMoment(start);
    Compared compared{.folder = std::move(folder), .byId = told->count};
    const auto missed = keysNotFound(*candidates, found, told->absent);
    for (std::size_t i = 0; i < messages->size(); ++i) {
        const auto& [ordinal, received, size, match, cross] = (*messages)[i];
        const bool isFresh = !found[i] && moment && (!received || *received >= *moment);
        ++(found[i] ? compared.both : isFresh ? compared.fresh : compared.beforeStart);
        if (isFresh && (doubtful[i] || missed.has(match, cross))) ++compared.doubtful;
    }
    const auto known = knownOf(*summaries, settings.alias, compared.folder);
    compared.gone = known - std::min(known, compared.both);
    co_return compared;
}

}  // namespace

Task<Result<std::vector<Compared>>> compareFolders(Ledger& ledger, Mailbox& mailbox, MailboxSettings settings) {
    auto patterns = settings.folders;
    auto folders = co_await mailbox.folders(std::move(patterns), std::stop_token{});
    if (!folders) co_return folders.error();
    std::vector<Compared> all;
    for (const auto& folder : *folders) {
        if (folder == settings.after.target || folder == settings.afterQuarantine.target) continue;
        auto name = folder;
        auto compared = co_await compare(ledger, mailbox, settings, std::move(name));
        if (!compared) co_return compared.error();
        all.push_back(std::move(*compared));
    }
    co_return all;
}

}  // namespace listener
