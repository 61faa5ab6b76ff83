#pragma once

#include "listener/engine/round.h"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace listener {

struct RematchCase {
    FolderView view;  ///< of the folder, which is the one entered last
    std::string folder;
    Start start;
    std::optional<FolderRecord> replaces{};  ///< the record in force
    std::vector<std::int64_t> sources{};     ///< records whose rows may be its messages, the likeliest first
    bool otherProtocol = false;              ///< some of them were made with another protocol
    std::optional<std::int64_t> former{};    ///< what this protocol had of the folder before another one read it
};

/// Finds the known messages of a folder again whose positions tell nothing: its UIDVALIDITY changed, its UIDNEXT fell, it was renamed, or it is read
/// with another protocol.
/// identify → candidates → ids, where another protocol's are known; Matching → (contents of the ambiguous ones) → one transaction. Whatever ends it
/// before, it begins anew with the same result. Memory: about 80 octets a message on the server, 150 a candidate; bodies go by one after another.
class Rematch {
public:
    /// All references outlive the object.
    Rematch(const RoundParts& parts, Mailbox& mailbox, plugin::Directory& staging, RematchCase what, std::stop_token stop)
        : parts_(parts), mailbox_(mailbox), staging_(staging), case_(std::move(what)), stop_(std::move(stop)) {}

    /// The folder's new record. None: an operator acted meanwhile; enter the folder again.
    /// Errors: those of the session and the store; askOperator mailboxFolderRebuilt: messages are left over of which nobody can tell whether
    /// they were there before the start.
    plugin::Task<plugin::Result<std::optional<FolderRecord>>> run();

private:
    plugin::Task<plugin::Result<void>> look();
    plugin::Task<plugin::Result<void>> match();
    plugin::Task<plugin::Result<void>> matchByContent(std::span<const Candidate> candidates);
    void takeKeys(std::vector<bool> excluded);
    plugin::Result<Rebuild> conclude() const;
    void report(const Rebuilt& rebuilt) const;

    const RoundParts& parts_;
    Mailbox& mailbox_;
    plugin::Directory& staging_;
    RematchCase case_;
    std::stop_token stop_;
    std::vector<std::uint64_t> listed_{};
    std::vector<Identified> messages_{};  ///< by rising ordinal
    std::vector<Candidate> candidates_{};
    std::vector<std::optional<std::size_t>> found_{};  ///< beside messages_
    std::vector<bool> byKeys_{};                       ///< beside them: nothing else told which it is, if that is told; empty: of none
    std::vector<std::pair<std::int64_t, std::string>> elsewhere_{};
    std::vector<std::size_t> undecided_{};  ///< of candidates_
    std::size_t compared_ = 0, byIds_ = 0;
};

/// Does the folder's record still say what its positions are?
bool inOrder(const FolderRecord& record, const FolderView& view);

/// From when on messages of a folder are delivered; none: nobody noted it.
std::optional<plugin::Wall> startMoment(const Start& start);

}  // namespace listener
