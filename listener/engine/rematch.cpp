#include "listener/engine/rematch.h"

#include "listener/engine/id_matching.h"
#include "listener/engine/key_matching.h"
#include "listener/engine/matching.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace listener {

using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.engine";

/// Keeps the hashes of what comes, and nothing else of it.
class Hashes final : public Receiver {
public:
    Task<Result<void>> take(Fetched message) override {
        contents[message.position.ordinal] = message.content.sha256();
        co_return Result<void>{};
    }
    std::map<std::uint64_t, Digest> contents{};
};

}  // namespace

bool inOrder(const FolderRecord& record, const FolderView& view) {
    return record.validity == view.validity && (view.next == 0 || view.next > std::max(record.cursor, record.highest));
}

std::optional<plugin::Wall> startMoment(const Start& start) {
    switch (start.kind) {
        case Start::Kind::all:
            return plugin::Wall::min();
        case Start::Kind::now:
            return start.since == plugin::Wall{} ? std::nullopt : std::optional(start.since);
        case Start::Kind::since:
            return start.since;
    }
    return std::nullopt;
}

Task<Result<std::optional<FolderRecord>>> Rematch::run() {
    auto looked = co_await look();
    if (!looked) co_return looked.error();
    auto matched = co_await match();
    if (!matched) co_return matched.error();
    auto rebuild = conclude();
    if (!rebuild) co_return rebuild.error();
    auto done = co_await parts_.ledger.rebuild(std::move(*rebuild));
    if (!done) co_return done.error();
    if (!*done) co_return std::optional<FolderRecord>{};
    report(**done);
    co_return std::optional<FolderRecord>(std::move((*done)->record));
}

/// What is there, and what of it may be known.
Task<Result<void>> Rematch::look() {
    auto listing = co_await mailbox_.list({}, stop_);
    if (!listing) co_return listing.error();
    listed_ = std::move(listing->ordinals);
    messages_.reserve(listed_.size());
    IdentifiedTaker taker = [this](Identified message) -> Result<void> {
        messages_.push_back(message);
        return {};
    };
    auto identified = co_await mailbox_.identify(std::move(taker), stop_);
    if (!identified) co_return identified.error();
    auto keys = std::make_shared<CandidateKeys>();
    for (const auto& message : messages_) keys->add(message.matchKey, message.crossKey);
    keys->sort();
    auto sources = case_.sources;
    auto candidates = co_await parts_.ledger.candidates(std::move(sources), std::move(keys));
    if (!candidates) co_return candidates.error();
    candidates_ = std::move(*candidates);
    co_return Result<void>{};
}

/// By content where both sides have had the same octets, else by keys; by ids first where they tell anything.
Task<Result<void>> Rematch::match() {
    std::vector<bool> absent;
    if (case_.otherProtocol) {
        auto told = co_await matchByIds(parts_.ledger, mailbox_, messages_, candidates_, case_.former, stop_);
        if (!told) co_return told.error();
        found_ = std::move(told->found);
        absent = std::move(told->absent);
        elsewhere_ = std::move(told->elsewhere);
        byIds_ = told->count;
    }
    if (mailbox_.rendersAnew() || case_.otherProtocol) {
        takeKeys(std::move(absent));
        co_return Result<void>{};
    }
    const auto rendered = std::stable_partition(candidates_.begin(), candidates_.end(), [](const Candidate& one) { return !one.rendered; });
    const auto count = static_cast<std::size_t>(rendered - candidates_.begin());
    auto compared = co_await matchByContent(std::span(candidates_).first(count));
    if (!compared) co_return compared;
    if (count == candidates_.size()) co_return Result<void>{};
    std::vector<bool> byContent(candidates_.size());
    std::fill_n(byContent.begin(), count, true);
    takeKeys(std::move(byContent));
    co_return Result<void>{};
}

/// What keys tell of the rest; of these candidates they are not asked.
void Rematch::takeKeys(std::vector<bool> excluded) {
    found_.resize(messages_.size());
    byKeys_.resize(messages_.size());
    for (std::size_t i = 0; i < messages_.size(); ++i) byKeys_[i] = !found_[i];
    auto told = matchByKeys(messages_, candidates_, std::move(found_), std::move(excluded));
    found_ = std::move(told.found);
    undecided_ = std::move(told.undecided);
}

Task<Result<void>> Rematch::matchByContent(std::span<const Candidate> candidates) {
    Matching matching(messages_, candidates);
    for (auto ordinals = matching.question(); !ordinals.empty(); ordinals = matching.question()) {
        Hashes hashes;
        auto fetched = co_await mailbox_.fetch(std::move(ordinals), hashes, staging_, stop_);
        if (!fetched) co_return fetched;
        matching.answer(hashes.contents);
    }
    found_ = matching.found();
    compared_ = matching.compared();
    co_return Result<void>{};
}

Result<Rebuild> Rematch::conclude() const {
    Rebuild rebuild;
    auto& record = rebuild.record;
    record = {.mailbox = parts_.settings.alias,
              .protocol = std::string(mailbox_.protocol()),
              .name = case_.folder,
              .validity = case_.view.validity,
              .start = case_.start};
    if (case_.replaces) rebuild.replaces = case_.replaces->id;
    rebuild.elsewhere = elsewhere_;
    for (const auto i : undecided_) rebuild.undecided.push_back({candidates_[i].number, candidates_[i].batch, candidates_[i].ordinal});
    const auto moment = startMoment(case_.start);
    std::uint64_t undecided = 0;
    auto highest = listed_.empty() ? 0 : listed_.back();
    std::vector<std::uint64_t> wanted, seen;
    for (std::size_t i = 0; i < messages_.size(); ++i) {
        const auto& message = messages_[i];
        highest = std::max(highest, message.ordinal);
        seen.push_back(message.ordinal);
        if (found_[i]) {
            const auto& known = candidates_[*found_[i]];
            rebuild.matches.push_back({{known.number, known.batch, known.ordinal}, message.ordinal, !byKeys_.empty() && byKeys_[i]});
            if (!known.settled) wanted.push_back(message.ordinal);
        } else if (!moment) {
            ++undecided;
        } else if (message.received && *message.received < *moment) {
            ++record.beforeStart;
        } else {
            wanted.push_back(message.ordinal);
        }
    }
    if (undecided > 0)
        return Error{
            Reaction::askOperator, plugin::Code::mailboxFolderRebuilt,
            "folder " + case_.folder + " of mailbox " + parts_.settings.alias +
                " was rebuilt at the server: " + std::to_string(rebuild.matches.size()) + " messages are known, of " + std::to_string(undecided) +
                " it cannot be told whether they were there before the mailbox was begun, because an earlier version did not note when that was"};
    // Listed, and not identified: whatever it is, it is not known to be delivered.
    std::set_difference(listed_.begin(), listed_.end(), seen.begin(), seen.end(), std::back_inserter(wanted));
    std::sort(wanted.begin(), wanted.end());
    record.cursor = wanted.empty() ? highest : wanted.front() - 1;
    if (record.beforeStart > 0 && !wanted.empty()) {
        record.wantedBelow = highest + 1;
        record.wanted = std::move(wanted);
    }
    return rebuild;
}

void Rematch::report(const Rebuilt& rebuilt) const {
    const auto matched = static_cast<std::uint64_t>(std::count_if(found_.begin(), found_.end(), [](const auto& each) { return each.has_value(); }));
    const auto& record = rebuilt.record;
    const auto all = std::max<std::uint64_t>(messages_.size(), listed_.size());
    const auto* what = case_.replaces && case_.replaces->protocol != record.protocol ? "a folder is read with another protocol from now on"
                       : case_.replaces                                              ? "a folder was rebuilt at the server"
                                                                                     : "a folder begins, of which messages are known";
    parts_.log.notice(logger, what,
                      {{"mailbox", record.mailbox},
                       {"folder", record.name},
                       {"protocol", record.protocol},
                       {"matched", matched},
                       {"new", all - matched - record.beforeStart},
                       {"before_start", record.beforeStart},
                       {"gone", rebuilt.gone},
                       {"compared_by_content", std::uint64_t{compared_}},
                       {"matched_by_id", std::uint64_t{byIds_}}});
}

}  // namespace listener
