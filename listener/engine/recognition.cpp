#include "listener/engine/recognition.h"

#include "listener/engine/rematch.h"

#include <algorithm>

namespace listener {

using plugin::Reaction;
using plugin::Result;
using plugin::Task;

Task<Result<Recognition::Outcome>> Recognition::run(std::vector<Suspect> suspects, Guidance& guidance) {
    Outcome outcome;
    auto visited = co_await visitAll(suspects);
    if (!visited) co_return visited.error();
    std::sort(suspects.begin(), suspects.end(), [](const Suspect& a, const Suspect& b) { return a.ordinal < b.ordinal; });
    std::set<std::string> claimed;  // ids
    for (const auto& suspect : suspects) {
        if (isDisordered(suspect)) {
            for (const auto& like : suspect.like)
                if (const auto place = places_.find(like.folder); place != places_.end() && place->second.disordered)
                    outcome.disordered.insert(like.folderName);
            continue;
        }
        const Likeness* gone = nullptr;
        for (const auto& like : suspect.like)
            if (!claimed.contains(like.id) && !stillThere(like) && (gone == nullptr || (like.settled && !gone->settled))) gone = &like;
        if (gone == nullptr) {
            guidance.own.insert(suspect.ordinal);
            outcome.left.push_back(suspect.ordinal);
            continue;
        }
        claimed.insert(gone->id);
        if (gone->settled) {
            outcome.moved.emplace_back(gone->number, suspect.ordinal);
        } else {
            guidance.ids[suspect.ordinal] = gone->id;
            outcome.left.push_back(suspect.ordinal);
        }
    }
    co_return std::move(outcome);
}

Task<Result<void>> Recognition::visitAll(const std::vector<Suspect>& suspects) {
    for (const auto& suspect : suspects)
        for (const auto& like : suspect.like) {
            if (like.placeVoid) continue;
            const auto [place, fresh] = places_.try_emplace(like.folder);
            place->second.lowest = fresh ? like.ordinal : std::min(place->second.lowest, like.ordinal);
        }
    if (places_.empty()) co_return Result<void>{};
    auto records = co_await parts_.ledger.records(parts_.settings.alias);
    if (!records) co_return records.error();
    for (const auto& record : *records) {
        const auto place = places_.find(record.id);
        if (place == places_.end()) continue;
        if (record.superseded) {  // since the likes were read
            place->second.missing = true;
            continue;
        }
        auto whole = co_await parts_.ledger.folder(record.mailbox, record.protocol, record.name);
        if (!whole) co_return whole.error();
        if (!*whole || (*whole)->id != record.id) continue;
        auto visited = co_await visit(**whole, place->second);
        if (!visited) co_return visited;
    }
    co_return Result<void>{};
}

Task<Result<void>> Recognition::visit(const FolderRecord& record, Place& place) {
    if (hopeless_.contains(record.name)) {
        place.closed = true;
        co_return Result<void>{};
    }
    auto view = co_await mailbox_.select(record.name, stop_);
    if (!view) {
        if (view.error().reaction != Reaction::askOperator) co_return view.error();
        (view.error().code == plugin::Code::mailboxFolderMissing ? place.missing : place.closed) = true;
        co_return Result<void>{};
    }
    if (!inOrder(record, *view)) {
        place.disordered = true;
        co_return Result<void>{};
    }
    const ListRequest request{.above = place.lowest - 1};
    auto listing = co_await mailbox_.list(request, stop_);
    if (!listing) co_return listing.error();
    place.ordinals = std::move(listing->ordinals);
    co_return Result<void>{};
}

bool Recognition::stillThere(const Likeness& like) const {
    const auto found = places_.find(like.folder);
    if (like.placeVoid || found == places_.end()) return false;
    const auto& place = found->second;
    return place.closed || (!place.missing && std::binary_search(place.ordinals.begin(), place.ordinals.end(), like.ordinal));
}

bool Recognition::isDisordered(const Suspect& suspect) const {
    return std::any_of(suspect.like.begin(), suspect.like.end(), [this](const Likeness& like) {
        const auto place = places_.find(like.folder);
        return !like.placeVoid && place != places_.end() && place->second.disordered;
    });
}

}  // namespace listener
