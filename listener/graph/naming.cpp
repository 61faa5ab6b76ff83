#include "listener/graph/naming.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.graph";
constexpr std::string_view during = "translating ids of EWS";
constexpr std::size_t itemsAtOnce = 10'000;
constexpr std::chrono::seconds firstWait{1};  // where the server names no time

/// The line is down, or something else than Graph answers this one request: others may fare better.
bool isOfThisRequest(const Error& error, const std::stop_token& stop) {
    if (stop.stop_requested() || error.code == Code::channelStopped) return false;
    return error.reaction == Reaction::reconnect || error.code == Code::mailboxProtocol;
}

class Translator {
public:
    Translator(Session& session, std::vector<std::string> ids, std::stop_token stop)
        : session_(session), ids_(std::move(ids)), stop_(std::move(stop)), named_(ids_.size()) {}

    Task<Result<std::vector<Named>>> run() {
        for (std::size_t from = 0; from < ids_.size() && session_.translates; from += translatedAtOnce) {
            auto translating = translateSome(from, std::min(from + translatedAtOnce, ids_.size()));
            auto translated = co_await translating;
            if (!translated) co_return translated.error();
        }
        forgetContradictions();
        auto finding = findHere();
        auto found = co_await finding;
        if (!found) co_return found.error();
        if (strangers_ > 0)
            session_.log().warning(logger, "the server translates ids it was not asked about: they are passed over",
                                   {{"mailbox", session_.settings().alias}, {"ids", std::uint64_t{strangers_}}});
        co_return std::move(named_);
    }

private:
    Task<Result<void>> translateSome(std::size_t from, std::size_t to) {
        std::unordered_map<std::string_view, std::string> asked;
        std::vector<std::string> batch;
        for (auto i = from; i < to; ++i)
            if (asked.try_emplace(ids_[i]).second) batch.push_back(ids_[i]);
        auto asking = ask(std::move(batch));
        auto translated = co_await asking;
        if (!translated) co_return translated.error();
        std::set<std::string_view> doubtful;
        for (const auto& [source, target] : *translated) {
            const auto found = asked.find(source);
            if (found == asked.end())
                ++strangers_;
            else if (!found->second.empty() && found->second != target)
                doubtful.insert(found->first);
            else
                found->second = target;
        }
        for (auto i = from; i < to; ++i)
            if (const auto& target = asked.at(ids_[i]); !target.empty() && !doubtful.contains(ids_[i]))
                named_[i] = {.where = Named::Where::elsewhere, .id = target};
        co_return Result<void>{};
    }

    /// Empty where it is not available.
    Task<Result<std::vector<Translation>>> ask(std::vector<std::string> batch) {
        std::chrono::milliseconds pause = firstWait, left = translatePatience;
        for (unsigned tries = 1;; ++tries) {
            auto asking = session_.ask(session_.addresses().translate(batch), stop_);
            auto answer = co_await asking;
            if (!answer && !isOfThisRequest(answer.error(), stop_)) co_return answer.error();
            auto all = answer && answer->succeeded() ? translations(answer->body) : std::nullopt;
            if (all) co_return std::move(*all);
            Error error = !answer               ? answer.error()
                          : answer->succeeded() ? session_.broken(during, "no list of ids")
                                                : session_.refused(*answer, during);
            const bool throttled = answer && !answer->succeeded() && asksForTime(answer->failure);
            const bool mayPass = answer ? answer->status >= 500 : error.reaction == Reaction::reconnect;
            const auto wait = std::max<std::chrono::milliseconds>(error.retryAfter.value_or(pause), firstWait);
            if (wait > left || (!throttled && (!mayPass || tries == translateTries))) {
                doWithout(error, answer && answer->status == 403);
                co_return std::vector<Translation>{};
            }
            if (!answer) session_.lane(0).close();
            left -= wait;
            pause *= 2;
            auto sleeping = plugin::sleepUntil(session_.loop().clock().steady() + wait, stop_);
            if (co_await sleeping == plugin::Wake::stopped)
                co_return Error{Reaction::retryLater, Code::channelStopped,
                                session_.peer() + ": " + std::string(during) + ": given up while waiting"};
        }
    }

    void doWithout(const Error& error, bool forbidden) {
        session_.translates = false;
        session_.lane(0).close();
        std::vector<plugin::Field> fields{{"mailbox", session_.settings().alias}, {"cause", error.what}};
        if (forbidden)
            fields.push_back({"fix",
                              "let the application have the Microsoft Graph permission User.Read.All (of a person's own credential: "
                              "User.ReadBasic.All) until the mailbox has moved"});
        session_.log().notice(
            logger, "Graph does not translate ids of EWS: messages are matched by their heads, which tells all but identical ones apart", fields);
    }

    /// Two ids of EWS are two messages: where the server gives both one id, it is neither's.
    void forgetContradictions() {
        std::unordered_map<std::string_view, std::string_view> sources;
        std::set<std::string> doubtful;
        for (std::size_t i = 0; i < named_.size(); ++i) {
            if (named_[i].where == Named::Where::unknown) continue;
            const auto [source, fresh] = sources.emplace(named_[i].id, ids_[i]);
            if (!fresh && source->second != ids_[i]) doubtful.insert(named_[i].id);
        }
        for (auto& named : named_)
            if (doubtful.contains(named.id)) named = {};
    }

    /// Those that are in the folder entered last.
    Task<Result<void>> findHere() {
        auto preparing = prepare();
        auto prepared = co_await preparing;
        if (!prepared) co_return prepared;
        const auto& byId = session_.folder.byId;
        std::multimap<std::uint64_t, std::size_t> likely;
        for (std::size_t i = 0; i < named_.size(); ++i)
            if (named_[i].where == Named::Where::elsewhere)
                if (const auto found = byId.find(std::hash<std::string>{}(named_[i].id)); found != byId.end()) likely.emplace(found->second, i);
        std::vector<std::uint64_t> ordinals;
        for (const auto& [ordinal, i] : likely)
            if (ordinals.empty() || ordinals.back() != ordinal) ordinals.push_back(ordinal);
        auto finding = session_.index().find(session_.folder.index.number, std::move(ordinals));
        auto items = co_await finding;
        if (!items) co_return items.error();
        for (const auto& item : *items)
            for (auto [each, last] = likely.equal_range(item.ordinal); each != last; ++each)
                if (named_[each->second].id == item.id) named_[each->second].where = Named::Where::here, named_[each->second].ordinal = item.ordinal;
        co_return Result<void>{};
    }

    Task<Result<void>> prepare() {
        auto& folder = session_.folder;
        if (folder.byIdUpTo == folder.index.next) co_return Result<void>{};
        folder.byId.clear();
        for (std::uint64_t above = 0;;) {
            auto asking = session_.index().above(folder.index.number, above, itemsAtOnce);
            auto items = co_await asking;
            if (!items) co_return items.error();
            for (const auto& item : *items) folder.byId[std::hash<std::string>{}(item.id)] = item.ordinal;
            if (items->size() < itemsAtOnce) break;
            above = items->back().ordinal;
        }
        folder.byIdUpTo = folder.index.next;
        co_return Result<void>{};
    }

    Session& session_;
    std::vector<std::string> ids_;
    std::stop_token stop_;
    std::vector<Named> named_;   ///< beside ids_; until findHere(): elsewhere with an id
    std::size_t strangers_ = 0;  ///< answers nobody asked for
};

}  // namespace

Task<Result<std::vector<Named>>> translateNames(Session& session, std::vector<std::string> ids, std::stop_token stop) {
    Translator translator{session, std::move(ids), std::move(stop)};
    auto running = translator.run();
    co_return co_await running;
}

}  // namespace listener::graph
