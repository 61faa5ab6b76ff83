#include "listener/ews/finding.h"

#include "listener/folder_path.h"

#include <algorithm>
#include <array>
#include <set>

namespace listener::ews {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

/// More folders than anybody watches; a server that never comes to an end stops here.
constexpr std::size_t folderLimit = 50'000;

struct Use {
    std::string_view name;  ///< RFC 6154
    std::string_view distinguished;
};
constexpr std::array uses{Use{"\\Archive", "archive"}, Use{"\\Drafts", "drafts"}, Use{"\\Junk", "junkemail"}, Use{"\\Sent", "sentitems"},
                          Use{"\\Trash", "deleteditems"}};

bool isUse(std::string_view pattern) { return pattern.starts_with('\\'); }
bool isPattern(std::string_view name) { return isUse(name) || name.find_first_of("*%") != std::string_view::npos; }

Error endless(const Session& session) {
    return {Reaction::askOperator, Code::mailboxTooLarge, session.peer + ": more than " + std::to_string(folderLimit) + " folders"};
}

Task<Result<void>> readTree(Session& session, Endpoint& endpoint, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const auto root = session.distinguished("msgfolderroot");
    std::vector<FolderEntry> entries;
    for (std::uint64_t offset = 0;;) {
        auto operation = findFolders(root, offset);
        auto page = co_await endpoint.ask(std::move(operation), stop);
        if (!page) co_return page.error();
        if (!page->success) co_return refusal(session, *page, "FindFolder");
        const auto count = page->folders.size();
        for (auto& entry : page->folders) entries.push_back(std::move(entry));
        if (page->last.value_or(true) || count == 0) break;
        offset = std::max(page->next.value_or(0), offset + count);
        if (entries.size() > folderLimit) co_return endless(session);
    }
    session.tree.emplace(entries, session.inboxId);
    session.treeUntil = loop.clock().steady() + treeLife;
    co_return Result<void>{};
}

/// The name of the folder the server has for a use; none: it has none.
Task<Result<std::optional<std::string>>> folderFor(Session& session, Endpoint& endpoint, std::string use, std::stop_token stop) {
    const auto* const known = std::find_if(uses.begin(), uses.end(), [&use](const Use& each) { return each.name == use; });
    if (known == uses.end()) co_return std::optional<std::string>{};
    const auto folder = session.distinguished(known->distinguished);
    auto operation = getFolder(folder);
    auto answer = co_await endpoint.ask(std::move(operation), stop);
    // An older server does not know all of these names: a request that does not fit its schema.
    if (!answer && endpoint.refusedAs == Meaning::ourFault) co_return std::optional<std::string>{};
    if (!answer) co_return answer.error();
    if (!answer->success && meaningOf(answer->code) == Meaning::folderGone) co_return std::optional<std::string>{};
    if (!answer->success) co_return refusal(session, *answer, "GetFolder");
    for (const auto& each : session.tree->folders())
        if (!answer->folders.empty() && each.id == answer->folders.front().id) co_return std::optional{each.name};
    co_return std::optional<std::string>{};
}

Task<Result<void>> makeFolder(Session& session, Endpoint& endpoint, FolderRef parent, std::string level, std::stop_token stop) {
    auto operation = createFolder(parent, level);
    auto answer = co_await endpoint.ask(std::move(operation), stop);
    if (!answer) co_return answer.error();
    if (!answer->success && meaningOf(answer->code) != Meaning::folderExists) co_return refusal(session, *answer, "CreateFolder");
    auto read = co_await readTree(session, endpoint, stop);
    co_return read;
}

}  // namespace

Error folderMissing(const Session& session, const std::string& name) {
    return {Reaction::askOperator, Code::mailboxFolderMissing, session.peer + ": there is no folder \"" + plugin::printable(name) + "\""};
}

Task<Result<std::optional<std::string>>> findFolder(Session& session, Endpoint& endpoint, std::string name, std::stop_token stop) {
    if (isInbox(name)) co_return std::optional{session.inboxId};
    auto& loop = co_await plugin::thisLoop();
    for (bool asked = false;; asked = true) {
        const bool believed = session.tree && loop.clock().steady() < session.treeUntil;
        const auto* const found = believed || asked ? session.tree->find(name) : nullptr;
        if (found != nullptr) co_return std::optional{found->id};
        if (asked) co_return std::optional<std::string>{};
        auto read = co_await readTree(session, endpoint, stop);
        if (!read) co_return read.error();
    }
}

Task<Result<std::string>> findOrMakeFolder(Session& session, Endpoint& endpoint, std::string name, std::stop_token stop) {
    const auto levels = levelsOf(name);
    if (levels.empty()) co_return folderMissing(session, name);
    FolderRef parent = session.distinguished("msgfolderroot");
    std::string path;
    for (const auto& level : levels) {
        path += (path.empty() ? "" : "/") + asLevel(level);
        auto found = co_await findFolder(session, endpoint, path, stop);
        if (!found) co_return found.error();
        if (!*found) {
            auto made = co_await makeFolder(session, endpoint, parent, level, stop);
            if (!made) co_return made.error();
            const auto* const now = session.tree->find(path);
            if (now == nullptr) co_return folderMissing(session, path);
            *found = now->id;
        }
        parent = FolderRef{.id = **found};
    }
    co_return std::move(parent.id);
}

Task<Result<std::vector<std::string>>> findFolders(Session& session, Endpoint& endpoint, std::vector<std::string> patterns, std::stop_token stop) {
    std::vector<std::string> names;
    std::set<std::string> answered;
    const auto answer = [&names, &answered](const std::string& name) {
        if (answered.insert(withInbox(name)).second) names.push_back(name);
    };
    if (std::any_of(patterns.begin(), patterns.end(), isPattern)) {
        auto read = co_await readTree(session, endpoint, stop);
        if (!read) co_return read.error();
    }
    for (const auto& pattern : patterns) {
        if (!isPattern(pattern)) {
            answer(pattern);
        } else if (isUse(pattern)) {
            auto folder = co_await folderFor(session, endpoint, pattern, stop);
            if (!folder) co_return folder.error();
            if (*folder) answer(**folder);
        } else {
            const auto whole = withInbox(pattern);
            for (const auto& folder : session.tree->folders())
                if (folder.holdsMail && fitsPattern(folder.name, whole)) answer(folder.name);
        }
    }
    co_return std::move(names);
}

}  // namespace listener::ews
