#include "listener/graph/fetching.h"

#include "listener/graph/body.h"
#include "listener/graph/lanes.h"

#include <algorithm>

namespace listener::graph {

using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.graph";
/// In a row: then it is the server, not these messages. Where it asks for time, soon; else later, so that a few bad ones in a row hold up nobody.
constexpr std::size_t slowInARow = 3, failuresInARow = 20;

/// What came of one message. Neither: it is gone, or the server has asked for time with it.
struct Outcome {
    std::optional<Fetched> message{};
    std::optional<Error> failure{};
    Meaning means = Meaning::refused;  ///< the failure
    bool brokeOff = false;             ///< within the body
};

class Fetcher {
public:
    Fetcher(Session& session, Receiver& receiver, plugin::Directory& staging, std::stop_token stop)
        : session_(session), receiver_(receiver), staging_(staging), stop_(std::move(stop)) {}

    Task<Result<void>> run(std::vector<std::uint64_t> ordinals) {
        session_.folder.fresh = false;
        auto finding = session_.index().find(session_.folder.index.number, std::move(ordinals));
        auto found = co_await finding;
        if (!found) co_return found.error();
        items_ = std::move(*found);
        for (std::size_t from = 0, to = 0; from < items_.size() && !receiver_.enough(); from = to) {
            std::vector<std::size_t> unknown;
            for (; to < items_.size(); ++to) {
                if (session_.folder.read.contains(keyOf(items_[to]))) continue;
                if (unknown.size() == batchSize) break;
                unknown.push_back(to);
            }
            auto asking = askRead(std::move(unknown));
            auto asked = co_await asking;
            if (!asked) co_return asked;
            auto bringing = bring(from, to);
            auto brought = co_await bringing;
            if (!brought) co_return brought;
        }
        co_return Result<void>{};
    }

private:
    static std::size_t keyOf(const IndexedItem& item) { return std::hash<std::string>{}(item.id); }

    /// What no page of this session has told.
    Task<Result<void>> askRead(std::vector<std::size_t> which) {
        if (which.empty()) co_return Result<void>{};
        std::vector<BatchItem> batch;
        for (const auto at : which) batch.push_back(session_.addresses().isRead(items_[at].id));
        auto request = session_.addresses().batch(batch, "asking for the state of messages");
        const auto during = request.during;
        auto requiring = session_.require(std::move(request), stop_);
        auto json = co_await requiring;
        if (!json) co_return json.error();
        const auto answers = batchAnswers(*json, batch.size());
        if (!answers) co_return session_.broken(during, "the answer to a $batch is none");
        for (const auto& answer : *answers) {
            const auto meaning = answer.status < 300 ? Meaning::refused : meaningOf(answer.failure);
            if (concernsAll(meaning) || meaning == Meaning::throttled) co_return session_.refused(answer, during);
            if (!answer.message) continue;
            auto& item = items_[which[answer.number]];
            if (answer.message->read) read_[keyOf(item)] = *answer.message->read;
            if (answer.message->received) item.received = answer.message->received;
        }
        co_return Result<void>{};
    }

    Task<Result<void>> bring(std::size_t from, std::size_t to) {
        const std::function<Task<Result<Outcome>>(std::size_t, std::size_t, std::stop_token)> work =
            [this, from](std::size_t i, std::size_t lane, std::stop_token stop) { return fetchOne(from + i, lane, std::move(stop)); };
        const std::function<Task<Result<bool>>(std::size_t, Outcome)> take = [this, from](std::size_t i, Outcome outcome) {
            return handOver(items_[from + i], std::move(outcome));
        };
        auto working = inOrder(session_, to - from, work, take, stop_);
        co_return co_await working;
    }

    /// A transfer that breaks off may be the line's fault, or the message's: it is asked for once more, and then left out.
    Task<Result<Outcome>> fetchOne(std::size_t at, std::size_t lane, std::stop_token stop) {
        if (session_.limit().spares(items_[at].id)) co_return Outcome{};
        auto trying = tryOne(at, lane, stop);
        auto outcome = co_await trying;
        if (!outcome || !outcome->brokeOff) co_return outcome;
        auto tryingAgain = tryOne(at, lane, std::move(stop));
        co_return co_await tryingAgain;
    }

    Task<Result<Outcome>> tryOne(std::size_t at, std::size_t lane, std::stop_token stop) {
        auto beginning = session_.begin(session_.addresses().content(items_[at].id), lane, stop);
        auto begun = co_await beginning;
        if (!begun) co_return begun.error();
        Outcome outcome;
        if (!begun->answer.succeeded()) {
            outcome.means = meaningOf(begun->answer.failure);
            auto error = session_.refused(begun->answer, "fetching a message");
            if (concernsAll(outcome.means) || asksForTime(begun->answer.failure)) co_return error;
            if (outcome.means != Meaning::itemGone) outcome.failure = std::move(error);
            co_return std::move(outcome);
        }
        auto taking = takeBody(session_, lane, std::move(*begun), receiver_.sizeLimit(), staging_, stop);
        auto body = co_await taking;
        if (!body && body.error().reaction != Reaction::reconnect) co_return body.error();
        if (!body) {
            session_.lane(lane).close();
            outcome.failure = body.error();
            outcome.brokeOff = true;
            co_return std::move(outcome);
        }
        if (body->size == 0)
            outcome.failure = session_.broken("fetching a message", "it came without a single octet");
        else
            outcome.message = asFetched(items_[at], std::move(*body));
        co_return std::move(outcome);
    }

    Fetched asFetched(const IndexedItem& item, Body body) const {
        Fetched message{
            .position = {item.id, item.ordinal}, .received = {}, .content = std::move(body.built.content), .head = std::move(body.built.head)};
        message.received = item.received ? *item.received : std::chrono::floor<std::chrono::seconds>(session_.loop().clock().wall());
        message.tooLarge = body.tooLarge;
        if (isRead(item)) message.flags.emplace_back("\\Seen");
        return message;
    }
    bool isRead(const IndexedItem& item) const {
        const auto asked = read_.find(keyOf(item));
        if (asked != read_.end()) return asked->second;
        const auto told = session_.folder.read.find(keyOf(item));
        return told != session_.folder.read.end() && told->second;
    }

    /// `item` outlives the call.
    Task<Result<bool>> handOver(const IndexedItem& item, Outcome outcome) {
        if (outcome.failure) {
            auto noted = notHandedOut(item, outcome);
            if (!noted) co_return noted.error();
        } else if (outcome.message) {
            session_.hasReadMessages = true;
            session_.limit().spareNoMore(item.id);
            inARow_ = slowInARow_ = 0;
            auto taking = receiver_.take(std::move(*outcome.message));
            auto taken = co_await taking;
            if (!taken) co_return taken.error();
        }
        co_return !receiver_.enough();
    }

    /// One bad message must not hold up those behind it; a server that has no time now is left in peace.
    Result<void> notHandedOut(const IndexedItem& item, const Outcome& outcome) {
        session_.log().warning(logger, "the server does not hand out a message",
                               {{"mailbox", session_.settings().alias}, {"ordinal", item.ordinal}, {"cause", outcome.failure->what}});
        if (outcome.means == Meaning::denied && session_.hasReadMessages) return {};  // of this one alone
        if (const auto& time = outcome.failure->retryAfter) session_.limit().spare(item.id, *time);
        ++inARow_;
        slowInARow_ = outcome.failure->retryAfter ? slowInARow_ + 1 : 0;
        if (inARow_ >= failuresInARow || slowInARow_ >= slowInARow) return *outcome.failure;
        return {};
    }

    Session& session_;
    Receiver& receiver_;
    plugin::Directory& staging_;
    std::stop_token stop_;
    std::vector<IndexedItem> items_{};
    std::unordered_map<std::size_t, bool> read_{};  ///< as OpenFolder::read, asked for here
    std::size_t inARow_ = 0, slowInARow_ = 0;       ///< failures since a message was handed out
};

}  // namespace

Task<Result<void>> fetchMessages(Session& session, std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging,
                                 std::stop_token stop) {
    Fetcher fetcher{session, receiver, staging, std::move(stop)};
    auto fetching = fetcher.run(std::move(ordinals));
    co_return co_await fetching;
}

}  // namespace listener::graph
