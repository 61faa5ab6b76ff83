#include "listener/imap/finding.h"

#include "listener/folder_path.h"
#include "listener/imap/folder.h"
#include "listener/imap/lexer.h"
#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <set>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

bool isUse(std::string_view pattern) { return pattern.starts_with('\\'); }
bool isPattern(std::string_view name) { return isUse(name) || name.find_first_of("*%") != std::string_view::npos; }

bool hasAttribute(const List& list, std::string_view wanted) {
    return std::any_of(list.attributes.begin(), list.attributes.end(), [wanted](const auto& name) { return equalsIgnoreCase(name, wanted); });
}

bool beginsWithAny(std::string_view text, const std::vector<std::string>& beginnings) {
    return std::any_of(beginnings.begin(), beginnings.end(), [text](const auto& each) { return text.starts_with(each); });
}

/// The server's separator as "/", for comparing: prefixes are plain enough for that.
std::string withSlashes(std::string text, char delimiter) {
    if (delimiter != '\0') std::replace(text.begin(), text.end(), delimiter, '/');
    return text;
}

/// A pattern, and the same as a name with its namespace before it.
struct Pattern {
    std::string given;
    std::string whole;
    bool foreign = false;  ///< begins with the prefix of another namespace
};

Pattern readPattern(std::string given, const Naming& naming) {
    Pattern pattern{given, given, false};
    const auto begins = [&](const std::string& prefix) { return !prefix.empty() && given.starts_with(withSlashes(prefix, naming.delimiter)); };
    pattern.foreign = std::any_of(naming.foreign.begin(), naming.foreign.end(), begins);
    if (!pattern.foreign && !begins(naming.prefix)) pattern.whole = withSlashes(naming.prefix, naming.delimiter) + given;
    return pattern;
}

/// What to ask the server for: at least all that fits. Wildcards go over the wire where they stand among plain characters; modified UTF-7
/// writes neighbours together, so behind the first level with something else in it everything is asked for.
std::string wirePattern(const Pattern& pattern, const Naming& naming) {
    const auto isPlain = [](char c) { return c >= 0x20 && c < 0x7f && c != '&'; };
    std::string_view text = pattern.whole;
    const auto odd = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), isPlain) - text.begin());
    const bool cut = odd < text.size() || text.find("//") != std::string_view::npos;
    if (cut) text = text.substr(0, std::min({odd, text.find("//"), text.find_first_of("*%")}));
    if (cut) text = text.substr(0, text.rfind('/') + 1);  // npos + 1 = 0: nothing is left
    std::string wire{text};
    if (naming.delimiter != '/' && naming.delimiter != '\0') std::replace(wire.begin(), wire.end(), '/', naming.delimiter);
    return cut ? wire + "*" : wire;
}

struct Found {
    std::string wire;
    std::string name;   ///< as the engine is to call it
    std::string whole;  ///< with its namespace, "/" separates
    std::vector<std::string> uses{};
};

class Finder {
public:
    Finder(Session& session, std::stop_token stop) : session_(session), stop_(std::move(stop)) {}

    Task<Result<std::vector<std::string>>> run(std::vector<std::string> patterns) {
        for (auto& pattern : patterns) {
            if (!isPattern(pattern)) {
                answer(pattern, wireOf(pattern));
                continue;
            }
            auto find = isUse(pattern) ? byUse(pattern) : byName(pattern);
            auto asked = co_await find;
            if (!asked) co_return asked.error();
            if (folders_.size() > folderLimit)
                co_return Error{Reaction::askOperator, Code::mailboxTooLarge,
                                session_.peer() + ": more than " + std::to_string(folderLimit) + " folders fit \"" + plugin::printable(pattern) +
                                    "\": name fewer in .folders"};
        }
        co_return std::move(folders_);
    }

private:
    /// Two names of one folder are one folder; what cannot be a name here is answered as it is, select() says why.
    std::string wireOf(const std::string& folder) const {
        const auto wire = wireNameOf(session_, folder);
        return wire ? *wire : std::string(1, '\0') + folder;
    }
    void answer(const std::string& name, const std::string& wire) {
        if (answered_.insert(equalsIgnoreCase(wire, "INBOX") ? "INBOX" : wire).second) folders_.push_back(name);
    }
    void answerSorted(std::vector<Found> found) {
        std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.name < b.name; });
        for (const auto& each : found) answer(each.name, each.wire);
    }

    Task<Result<void>> byName(std::string given) {
        const auto pattern = readPattern(std::move(given), session_.naming);
        auto wire = wirePattern(pattern, session_.naming);
        auto listed = co_await list(std::move(wire), false);
        if (!listed) co_return listed.error();
        if (fitsPattern("INBOX", pattern.given) && !session_.naming.prefix.empty()) {  // it has no prefix, and is asked for by "*" all the same
            std::string inbox = "INBOX";
            auto more = co_await list(std::move(inbox), false);
            if (!more) co_return more.error();
            std::move(more->begin(), more->end(), std::back_inserter(*listed));
        }
        std::erase_if(*listed, [this, &pattern](const Found& each) {
            if (equalsIgnoreCase(each.wire, "INBOX")) return !fitsPattern("INBOX", pattern.given) && !fitsPattern("INBOX", pattern.whole);
            return !fitsPattern(each.whole, pattern.whole) || (!pattern.foreign && beginsWithAny(each.wire, session_.naming.foreign));
        });
        answerSorted(std::move(*listed));
        co_return Result<void>{};
    }

    Task<Result<void>> byUse(std::string use) {
        if (!withUses_) {
            std::string all = "*";
            auto listed = co_await list(std::move(all), true);
            if (!listed) co_return listed.error();
            std::erase_if(*listed, [this](const Found& each) { return beginsWithAny(each.wire, session_.naming.foreign); });
            withUses_ = std::move(*listed);
        }
        std::vector<Found> found;
        for (const auto& each : *withUses_)
            if (std::any_of(each.uses.begin(), each.uses.end(), [&use](const auto& name) { return equalsIgnoreCase(name, use); }))
                found.push_back(each);
        answerSorted(std::move(found));
        co_return Result<void>{};
    }

    /// LIST, with the attributes of RFC 6154 where they have to be asked for. Past the limit what comes is only counted.
    Task<Result<std::vector<Found>>> list(std::string wire, bool uses) {
        std::vector<Found> found;
        const Taker taker = [this, &found, uses](Response& response) -> Result<void> {
            auto* const list = std::get_if<List>(&response);
            if (list == nullptr || hasAttribute(*list, "\\Noselect") || hasAttribute(*list, "\\NonExistent")) return {};
            if (found.size() <= folderLimit && !list->name.empty()) found.push_back(read(std::move(*list), uses));
            return {};
        };
        const bool extended = uses && session_.has("SPECIAL-USE") && session_.has("LIST-EXTENDED");
        for (const bool ask : {extended, false}) {
            found.clear();
            auto command = session_.begin("LIST");
            command.string("").string(wire);
            if (ask) command.word("RETURN (SPECIAL-USE)");
            command.end();
            const auto status = co_await session_.run(std::move(command), &taker, stop_);
            if (!status) co_return status.error();
            if (status->condition == Condition::ok) break;
            const auto error = refusal(*status, session_.peer(), "LIST");
            if (!ask || error.code != Code::mailboxCommandRefused) co_return error;
        }
        nameOddOnes(found);
        co_return std::move(found);
    }

    /// Without a name: it is not written as it should be.
    Found read(List list, bool uses) const {
        Found found{std::move(list.name), {}, {}, {}};
        if (uses) found.uses = std::move(list.attributes);
        const Naming bare{session_.naming.delimiter, {}, {}};
        const auto name = folderName(found.wire, session_.naming);
        const auto whole = folderName(found.wire, bare);
        if (name && whole && isPlainUtf8(*name)) found.name = *name, found.whole = *whole;
        return found;
    }

    /// Names that are written as they should not be are used as they read, and remembered for the way back; not where another folder has that
    /// name properly, not where it could be no name in a configuration.
    void nameOddOnes(std::vector<Found>& found) {
        std::set<std::string> proper;
        for (const auto& each : found)
            if (!each.name.empty()) proper.insert(each.name);
        for (auto& each : found) {
            if (!each.name.empty()) continue;
            auto name = withSlashes(each.wire, session_.naming.delimiter);
            const auto known = session_.oddNames.find(name);
            const bool taken = known != session_.oddNames.end() ? known->second != each.wire : session_.oddNames.size() >= folderLimit;
            const bool usable = isPlainUtf8(each.wire) && !isPattern(name) && !proper.contains(name) && !taken;
            if (!std::exchange(session_.warnedOfNames, true))
                session_.log().warning("listener.imap",
                                       usable ? "the server writes folder names as it should not: they are used as they read"
                                              : "the server writes folder names as it should not: some cannot be used",
                                       {{"mailbox", session_.settings().alias}, {"folder", plugin::printable(each.wire)}});
            if (!usable) continue;
            session_.oddNames.emplace(name, each.wire);
            each.name = each.whole = std::move(name);
        }
        std::erase_if(found, [](const Found& each) { return each.name.empty(); });
    }

    Session& session_;
    std::stop_token stop_;
    std::vector<std::string> folders_{};
    std::set<std::string> answered_{};  ///< names on the wire
    std::optional<std::vector<Found>> withUses_{};
};

}  // namespace

Task<Result<std::vector<std::string>>> findFolders(Session& session, std::vector<std::string> patterns, std::stop_token stop) {
    Finder finder{session, std::move(stop)};
    co_return co_await finder.run(std::move(patterns));
}

}  // namespace listener::imap
