#include "listener/graph/identifying.h"

#include "listener/graph/body.h"
#include "listener/graph/lanes.h"
#include "listener/graph/syncing.h"

#include <algorithm>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.graph";
constexpr std::string_view during = "reading the head of a message";
constexpr std::size_t itemsAtOnce = 10'000;
constexpr std::size_t failuresInARow = 20;    // then it is the server, not these messages
constexpr unsigned triesOfOne = 3;            // a message that is left out is taken for a new one later: not for a short trouble
constexpr std::chrono::seconds firstWait{1};  // where the server names no time

/// What came of one message. Neither: it is gone.
struct Outcome {
    std::optional<Identified> message{};
    std::optional<Error> failure{};
    Meaning means = Meaning::refused;  ///< the failure
    bool passes = false;               ///< the failure may
    bool throttled = false;            ///< the failure is nothing of the message's
};

class Identifier {
public:
    Identifier(Session& session, IdentifiedTaker taker, std::stop_token stop) : session_(session), taker_(std::move(taker)), stop_(std::move(stop)) {}

    Task<Result<void>> run() {
        for (std::uint64_t above = 0;;) {
            auto asking = session_.index().above(session_.folder.index.number, above, itemsAtOnce);
            auto items = co_await asking;
            if (!items) co_return items.error();
            items_ = std::move(*items);
            const std::function<Task<Result<Outcome>>(std::size_t, std::size_t, std::stop_token)> work =
                [this](std::size_t i, std::size_t lane, std::stop_token stop) { return identifyOne(items_[i], lane, std::move(stop)); };
            const std::function<Task<Result<bool>>(std::size_t, Outcome)> take = [this](std::size_t i, Outcome outcome) {
                return handOn(items_[i], std::move(outcome));
            };
            auto working = inOrder(session_, items_.size(), work, take, stop_);
            auto worked = co_await working;
            if (!worked) co_return worked;
            if (items_.size() < itemsAtOnce) break;
            above = items_.back().ordinal;
        }
        if (!any_ && denied_) co_return *denied_;
        co_return Result<void>{};
    }

private:
    /// `item` outlives the call.
    Task<Result<Outcome>> identifyOne(const IndexedItem& item, std::size_t lane, std::stop_token stop) {
        std::chrono::milliseconds pause = firstWait, left = identifyPatience;
        for (unsigned tries = 1;; ++tries) {
            auto trying = tryOne(item, lane, stop);
            auto outcome = co_await trying;
            if (!outcome || !outcome->failure || !outcome->passes) co_return outcome;
            const auto wait = std::max<std::chrono::milliseconds>(outcome->failure->retryAfter.value_or(pause), firstWait);
            if (outcome->throttled && wait > left) co_return *outcome->failure;
            if (!outcome->throttled && (wait > left || tries == triesOfOne)) co_return outcome;
            left -= wait;
            pause *= 2;
            auto sleeping = plugin::sleepUntil(session_.loop().clock().steady() + wait, stop);
            if (co_await sleeping == plugin::Wake::stopped)
                co_return Error{Reaction::retryLater, Code::channelStopped,
                                session_.peer() + ": " + std::string(during) + ": given up while waiting"};
        }
    }

    /// `item` outlives the call.
    Task<Result<Outcome>> tryOne(const IndexedItem& item, std::size_t lane, std::stop_token stop) {
        auto beginning = session_.begin(session_.addresses().content(item.id), lane, stop);
        auto begun = co_await beginning;
        if (!begun) co_return begun.error();
        Outcome outcome;
        if (!begun->answer.succeeded()) {
            const auto& failure = begun->answer.failure;
            outcome.means = meaningOf(failure);
            auto error = session_.refused(begun->answer, during);
            if (concernsAll(outcome.means)) co_return error;
            outcome.passes = error.reaction == Reaction::retryLater;
            outcome.throttled = asksForTime(failure);
            if (outcome.means != Meaning::itemGone) outcome.failure = std::move(error);
            co_return std::move(outcome);
        }
        auto taking = takeHead(session_, lane, std::move(stop));
        auto head = co_await taking;
        if (!head && head.error().reaction != Reaction::reconnect) co_return head.error();
        if (!head) {  // once or twice by the line's fault; else by the message's
            session_.lane(lane).close();
            outcome.failure = head.error();
            outcome.passes = true;
            co_return std::move(outcome);
        }
        outcome.message = Identified{.ordinal = item.ordinal, .received = item.received, .matchKey = head->matchKey, .crossKey = head->crossKey};
        co_return std::move(outcome);
    }

    /// `item` outlives the call.
    Task<Result<bool>> handOn(const IndexedItem& item, Outcome outcome) {
        if (outcome.failure) {
            auto noted = leaveOut(item, outcome);
            if (!noted) co_return noted.error();
        } else if (outcome.message) {
            any_ = session_.hasReadMessages = true;
            inARow_ = 0;
            auto taken = taker_(*outcome.message);
            if (!taken) co_return taken.error();
        }
        co_return true;
    }

    Result<void> leaveOut(const IndexedItem& item, const Outcome& outcome) {
        session_.log().warning(logger, "the server does not hand out the head of a message",
                               {{"mailbox", session_.settings().alias}, {"ordinal", item.ordinal}, {"cause", outcome.failure->what}});
        if (outcome.means == Meaning::denied) {
            if (session_.hasReadMessages) return {};  // of this one alone
            denied_ = outcome.failure;
        }
        if (++inARow_ >= failuresInARow) return *outcome.failure;
        return {};
    }

    Session& session_;
    IdentifiedTaker taker_;
    std::stop_token stop_;
    std::vector<IndexedItem> items_{};
    std::optional<Error> denied_{};
    std::size_t inARow_ = 0;  ///< failures
    bool any_ = false;        ///< identified
};

}  // namespace

Task<Result<void>> identifyMessages(Session& session, IdentifiedTaker taker, std::stop_token stop) {
    auto looking = listFolder(session, {.limit = 1}, stop);
    const auto looked = co_await looking;
    if (!looked) co_return looked.error();
    Identifier identifier{session, std::move(taker), std::move(stop)};
    auto identifying = identifier.run();
    co_return co_await identifying;
}

}  // namespace listener::graph
