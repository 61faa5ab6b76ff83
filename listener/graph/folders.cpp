#include "listener/graph/folders.h"

#include "listener/folder_path.h"
#include "listener/graph/values.h"

#include <algorithm>
#include <array>
#include <deque>
#include <set>
#include <utility>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view topFolder = "msgfolderroot";
constexpr std::size_t longestPath = 4'096;  ///< octets: nobody has written a longer one into a configuration

/// RFC 6154, and the names Graph has for the same.
struct Use {
    std::string_view use;
    std::string_view wellKnown;
};
constexpr std::array uses{Use{"\\Archive", "archive"}, Use{"\\Sent", "sentitems"}, Use{"\\Trash", "deleteditems"}, Use{"\\Junk", "junkemail"},
                          Use{"\\Drafts", "drafts"}};

bool isUse(std::string_view pattern) { return pattern.starts_with('\\'); }
bool isPattern(std::string_view name) { return isUse(name) || name.find_first_of("*%") != std::string_view::npos; }

/// INBOX is written in capitals, whatever was asked for.
std::string canonical(std::string path) {
    const auto first = path.substr(0, path.find('/'));
    if (equalsIgnoreCase(first, "INBOX") && !path.substr(first.size()).starts_with("//")) path.replace(0, first.size(), "INBOX");
    return path;
}

Error missing(const Session& session, const std::string& path) {
    return {Reaction::askOperator, Code::mailboxFolderMissing, session.peer() + ": there is no folder \"" + plugin::printable(path) + "\""};
}
Error tooMany(const Session& session) {
    return {Reaction::askOperator, Code::mailboxTooLarge,
            session.peer() + ": more than " + std::to_string(folderLimit) + " folders: name fewer in .folders"};
}

/// One folder by id or well-known name; nothing: it is not there.
Task<Result<std::optional<FolderEntry>>> folderCalled(Session& session, std::string name, std::stop_token stop) {
    auto request = session.addresses().folder(name);
    const auto during = request.during;
    auto asking = session.ask(std::move(request), stop);
    auto answer = co_await asking;
    if (!answer) co_return answer.error();
    const auto meaning = answer->succeeded() ? Meaning::refused : meaningOf(answer->failure);
    if (meaning == Meaning::itemGone || meaning == Meaning::folderMissing) co_return std::optional<FolderEntry>{};
    if (!answer->succeeded()) co_return session.refused(*answer, during);
    auto entry = folderEntry(answer->body);
    if (!entry) co_return session.broken(during, "a folder without an id");
    co_return std::move(entry);
}

/// Those that can be entered. Nothing: the parent is not there.
Task<Result<std::optional<std::vector<FolderEntry>>>> childrenOf(Session& session, std::string parent, std::stop_token stop) {
    std::vector<FolderEntry> found;
    auto request = session.addresses().childFolders(parent);
    for (std::size_t pages = 0;; ++pages) {
        if (found.size() > folderLimit || pages > folderLimit) co_return tooMany(session);
        const auto during = request.during;
        auto asking = session.ask(std::move(request), stop);
        auto answer = co_await asking;
        if (!answer) co_return answer.error();
        const auto meaning = answer->succeeded() ? Meaning::refused : meaningOf(answer->failure);
        if (meaning == Meaning::itemGone || meaning == Meaning::folderMissing) co_return std::optional<std::vector<FolderEntry>>{};
        if (!answer->succeeded()) co_return session.refused(*answer, during);
        auto page = folderPage(answer->body);
        if (!page) co_return session.broken(during, "a list of folders that is none");
        for (auto& entry : page->folders)
            if (!entry.hidden && !entry.search && !entry.name.empty()) found.push_back(std::move(entry));
        if (page->next.empty()) co_return std::optional{std::move(found)};
        if (auto allowed = session.allows(page->next); !allowed) co_return allowed.error();
        request = Addresses::moreFolders(std::move(page->next));
    }
}

/// Exchange takes names that differ in case alone for the same.
const FolderEntry* called(const std::vector<FolderEntry>& folders, const std::string& name) {
    const FolderEntry* close = nullptr;
    for (const auto& each : folders) {
        if (each.name == name) return &each;
        if (equalsIgnoreCase(each.name, name)) close = &each;
    }
    return close;
}

/// Answers the id; "" = somebody else was faster.
Task<Result<std::string>> create(Session& session, std::string parent, std::string name, std::stop_token stop) {
    auto request = session.addresses().createFolder(parent, name);
    const auto during = request.during;
    auto asking = session.ask(std::move(request), stop);
    auto answer = co_await asking;
    if (!answer) co_return answer.error();
    if (!answer->succeeded() && meaningOf(answer->failure) == Meaning::conflict) co_return std::string{};
    if (!answer->succeeded()) {
        auto error = session.refused(*answer, during);
        if (error.code == Code::mailboxCommandRefused && error.reaction == Reaction::askOperator) error.code = Code::mailboxFolderMissing;
        co_return error;
    }
    auto entry = folderEntry(answer->body);
    if (!entry) co_return session.broken(during, "a folder without an id");
    co_return std::move(entry->id);
}

Task<Result<std::string>> walk(Session& session, std::string path, bool creates, std::stop_token stop) {
    auto levels = levelsOf(path);
    if (levels.empty() || levels.size() > depthLimit) co_return missing(session, path);
    std::string id{topFolder};
    std::size_t level = 0;
    if (equalsIgnoreCase(levels.front(), "INBOX")) {
        auto finding = findInbox(session, stop);
        auto found = co_await finding;
        if (!found) co_return found.error();
        id = session.inbox;
        level = 1;
    }
    bool again = false;
    while (level < levels.size()) {
        auto listing = childrenOf(session, id, stop);
        auto children = co_await listing;
        if (!children) co_return children.error();
        if (!*children) co_return missing(session, path);
        if (const auto* child = called(**children, levels[level])) {
            id = child->id;
        } else {
            if (!creates || again) co_return missing(session, path);
            auto creating = create(session, id, levels[level], stop);
            auto made = co_await creating;
            if (!made) co_return made.error();
            again = made->empty();
            if (again) continue;
            id = std::move(*made);
        }
        ++level;
        again = false;
    }
    co_return std::move(id);
}

class Finder {
public:
    Finder(Session& session, std::stop_token stop) : session_(session), stop_(std::move(stop)) {}

    Task<Result<std::vector<std::string>>> run(std::vector<std::string> patterns) {
        for (auto& pattern : patterns)
            if (!isUse(pattern)) pattern = canonical(std::move(pattern));
        for (const auto& pattern : patterns) {
            if (!isPattern(pattern)) {
                answer(pattern);
                continue;
            }
            auto finding = isUse(pattern) ? byUse(pattern) : byName(pattern, patterns);
            auto found = co_await finding;
            if (!found) co_return found.error();
        }
        co_return std::move(folders_);
    }

private:
    void answer(const std::string& name) {
        if (answered_.insert(name).second) folders_.push_back(name);
    }

    Task<Result<void>> byUse(std::string use) {
        const auto* const row = std::find_if(uses.begin(), uses.end(), [&use](const Use& each) { return equalsIgnoreCase(each.use, use); });
        if (row == uses.end()) co_return Result<void>{};
        auto finding = folderCalled(session_, std::string(row->wellKnown), stop_);
        auto found = co_await finding;
        if (!found) co_return found.error();
        if (!*found || (*found)->name.empty()) co_return Result<void>{};
        auto asking = folderCalled(session_, std::string(topFolder), stop_);
        auto top = co_await asking;
        if (!top) co_return top.error();
        std::string path = asLevel((*found)->name), parent = (*found)->parent;
        for (std::size_t depth = 0; *top && parent != (*top)->id && parent != session_.inbox; ++depth) {
            auto climbing = folderCalled(session_, parent, stop_);
            auto above = co_await climbing;
            if (!above) co_return above.error();
            if (!*above || depth > depthLimit) co_return Result<void>{};  // outside of what paths reach
            path = asLevel((*above)->name) + "/" + path;
            parent = (*above)->parent;
        }
        answer(parent == session_.inbox ? "INBOX/" + path : path);
        co_return Result<void>{};
    }

    Task<Result<void>> byName(std::string pattern, const std::vector<std::string>& all) {
        if (!tree_) {
            auto reading = readTree(all);
            auto read = co_await reading;
            if (!read) co_return read;
        }
        for (const auto& path : *tree_)
            if (fitsPattern(path, pattern)) answer(path);
        co_return Result<void>{};
    }

    /// All that one of the patterns may fit, sorted. `all` outlives the call.
    Task<Result<void>> readTree(const std::vector<std::string>& all) {
        std::vector<std::string> paths;
        std::deque<std::pair<std::string, std::string>> open{{std::string(topFolder), ""}};  // id, path
        while (!open.empty()) {
            const auto [id, path] = std::move(open.front());
            open.pop_front();
            auto listing = childrenOf(session_, id, stop_);
            auto children = co_await listing;
            if (!children) co_return children.error();
            if (!*children) continue;
            for (const auto& child : **children) {
                auto name = nameOf(child, path);
                if (name.size() > longestPath) continue;
                if (child.children > 0 && goesOnBelow(name, all)) open.emplace_back(child.id, name);
                paths.push_back(std::move(name));
                if (paths.size() > folderLimit) co_return tooMany(session_);
            }
        }
        std::sort(paths.begin(), paths.end());
        tree_ = std::move(paths);
        co_return Result<void>{};
    }

    std::string nameOf(const FolderEntry& folder, const std::string& parent) const {
        if (folder.id == session_.inbox) return "INBOX";
        return (parent.empty() ? "" : parent + "/") + asLevel(folder.name);
    }
    static bool goesOnBelow(const std::string& path, const std::vector<std::string>& patterns) {
        const auto below = path + "/";
        if (static_cast<std::size_t>(std::count(below.begin(), below.end(), '/')) > depthLimit) return false;
        return std::any_of(patterns.begin(), patterns.end(), [&below](std::string_view pattern) {
            if (!isPattern(pattern) || isUse(pattern)) return false;
            const auto fixed = pattern.substr(0, pattern.find_first_of("*%"));
            return below.starts_with(fixed) || fixed.starts_with(below);
        });
    }

    Session& session_;
    std::stop_token stop_;
    std::vector<std::string> folders_{};
    std::set<std::string> answered_{};
    std::optional<std::vector<std::string>> tree_{};
};

}  // namespace

Task<Result<void>> findInbox(Session& session, std::stop_token stop) {
    if (!session.inbox.empty()) co_return Result<void>{};
    std::string name = "inbox";
    auto finding = folderCalled(session, std::move(name), std::move(stop));
    auto found = co_await finding;
    if (!found) co_return found.error();
    if (!*found)
        co_return Error{Reaction::askOperator, Code::mailboxAccess,
                        session.peer() + ": there is no mailbox of this user, or it has no inbox: check .user and the mailbox's licence"};
    session.inbox = std::move((*found)->id);
    co_return Result<void>{};
}

Task<Result<std::string>> folderId(Session& session, std::string path, std::stop_token stop) {
    auto walking = walk(session, std::move(path), false, std::move(stop));
    co_return co_await walking;
}
Task<Result<std::string>> folderIdOrNew(Session& session, std::string path, std::stop_token stop) {
    auto walking = walk(session, std::move(path), true, std::move(stop));
    co_return co_await walking;
}

Task<Result<std::vector<std::string>>> findFolders(Session& session, std::vector<std::string> patterns, std::stop_token stop) {
    Finder finder{session, std::move(stop)};
    auto finding = finder.run(std::move(patterns));
    co_return co_await finding;
}

}  // namespace listener::graph
