#include "listener/graph/after.h"

#include "listener/graph/folders.h"
#include "listener/graph/syncing.h"

#include <algorithm>
#include <deque>
#include <map>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view removedTo = "deleteditems";
constexpr std::chrono::seconds firstWait{1};  // where the server names no time
constexpr unsigned triesOfOne = 3;            // one that always fails must not hold up the others
constexpr std::size_t itemsAtOnce = 10'000;

/// One thing to be done to each of some messages.
class Doing {
public:
    using Make = std::function<BatchItem(const std::string& id)>;
    /// atOnce: requests in one $batch
    Doing(Session& session, std::size_t atOnce, std::string during, Make make, std::stop_token stop)
        : session_(session), atOnce_(atOnce), during_(std::move(during)), make_(std::move(make)), stop_(std::move(stop)) {}

    Task<Result<void>> run(std::vector<std::string> ids) {
        left_.assign(std::make_move_iterator(ids.begin()), std::make_move_iterator(ids.end()));
        while (!left_.empty()) {
            auto asking = askSome();
            auto asked = co_await asking;
            if (!asked) co_return asked;
            if (again_.empty()) continue;
            auto waiting = waitForRest();
            auto waited = co_await waiting;
            if (!waited) co_return waited;
        }
        if (failed_) co_return *failed_;
        co_return Result<void>{};
    }
    /// Those the server says are not there.
    std::vector<std::string>& gone() { return gone_; }
    std::vector<std::string>& done() { return done_; }

private:
    Task<Result<void>> askSome() {
        const auto count = std::min(atOnce_, left_.size());
        const std::vector<std::string> ids(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(count));
        left_.erase(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(count));
        std::vector<BatchItem> batch;
        for (const auto& id : ids) batch.push_back(make_(id));
        auto asking = session_.ask(session_.addresses().batch(batch, during_), stop_);
        auto answer = co_await asking;
        if (!answer) co_return answer.error();
        if (!answer->succeeded()) {
            auto error = session_.refused(*answer, during_);
            if (error.reaction != Reaction::retryLater) co_return error;
            again_.insert(again_.end(), ids.begin(), ids.end());
            slowDown(std::move(error));
            co_return Result<void>{};
        }
        const auto answers = batchAnswers(answer->body, batch.size());
        if (!answers) co_return session_.broken(during_, "the answer to a $batch is none");
        std::vector<bool> answered(ids.size());
        for (const auto& each : *answers) {
            answered[each.number] = true;
            if (auto noted = note(ids[each.number], each); !noted) co_return noted;
        }
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (!answered[i]) again_.push_back(ids[i]);
        if (!again_.empty() && !slow_)
            slowDown(
                {Reaction::retryLater, Code::mailboxProtocol, session_.peer() + ": " + during_ + ": requests of a $batch stay without an answer"});
        co_return Result<void>{};
    }

    Result<void> note(const std::string& id, const BatchAnswer& answer) {
        if (answer.status < 300) {
            done_.push_back(id);
            return {};
        }
        const auto meaning = meaningOf(answer.failure);
        if (meaning == Meaning::itemGone) {
            gone_.push_back(id);
            return {};
        }
        auto error = session_.refused(answer, during_);
        if (meaning == Meaning::tokenRefused || meaning == Meaning::wrongAudience || meaning == Meaning::noMailbox) return error;
        const bool again = meaning == Meaning::throttled || error.retryAfter || (error.reaction == Reaction::retryLater && ++tries_[id] < triesOfOne);
        if (again) {
            again_.push_back(id);
            slowDown(std::move(error));
        } else if (!failed_) {
            failed_ = std::move(error);
        }
        return {};
    }

    /// The longest wait that was asked for counts.
    void slowDown(Error error) {
        if (!slow_ || error.retryAfter.value_or(std::chrono::seconds{0}) > slow_->retryAfter.value_or(std::chrono::seconds{0}))
            slow_ = std::move(error);
    }

    Task<Result<void>> waitForRest() {
        const auto why = *std::exchange(slow_, std::nullopt);
        const auto wait = std::max<std::chrono::milliseconds>(why.retryAfter.value_or(wait_), std::chrono::milliseconds{1});
        if (std::exchange(settled_, done_.size() + gone_.size()) < done_.size() + gone_.size()) waited_ = {}, wait_ = firstWait;
        waited_ += wait;
        wait_ *= 2;
        if (waited_ > patience) co_return why;
        auto sleeping = plugin::sleepUntil(session_.loop().clock().steady() + wait, stop_);
        if (co_await sleeping == plugin::Wake::stopped)
            co_return Error{Reaction::retryLater, Code::channelStopped, session_.peer() + ": " + during_ + ": given up while waiting"};
        left_.insert(left_.begin(), again_.begin(), again_.end());
        again_.clear();
        co_return Result<void>{};
    }

    Session& session_;
    std::size_t atOnce_;
    std::string during_;
    Make make_;
    std::stop_token stop_;
    std::deque<std::string> left_{};
    std::vector<std::string> again_{}, gone_{}, done_{};
    std::map<std::string, unsigned> tries_{};  ///< of what fails by itself
    std::optional<Error> slow_{}, failed_{};
    std::chrono::milliseconds wait_{firstWait}, waited_{};  ///< since something was done last
    std::size_t settled_ = 0;                               ///< when it was waited last
};

/// Ids of those that are in the folder still. What somebody has moved elsewhere is his: its id would be good there too.
Task<Result<std::vector<IndexedItem>>> stillHere(Session& session, std::vector<std::uint64_t> ordinals) {
    std::vector<IndexedItem> here;
    for (auto above = ordinals.front() - 1; above < ordinals.back();) {
        auto asking = session.index().above(session.folder.index.number, above, itemsAtOnce);
        auto items = co_await asking;
        if (!items) co_return items.error();
        for (auto& item : *items)
            if (std::binary_search(ordinals.begin(), ordinals.end(), item.ordinal)) here.push_back(item);
        if (items->size() < itemsAtOnce) break;
        above = items->back().ordinal;
    }
    co_return std::move(here);
}

Task<Result<void>> markRead(Session& session, std::size_t atOnce, std::vector<std::string> ids, std::stop_token stop) {
    Doing doing{session, atOnce, "marking messages as read", [&session](const std::string& id) { return session.addresses().markRead(id); },
                std::move(stop)};
    auto running = doing.run(std::move(ids));
    co_return co_await running;
}

/// "Not there" may be said of the message or of the folder it should go to: only the first of these is an end of the matter.
Task<Result<void>> moveTo(Session& session, std::size_t atOnce, std::vector<std::string> ids, std::string folder, std::stop_token stop) {
    Doing moving{session, atOnce, "moving messages", [&session, folder](const std::string& id) { return session.addresses().move(id, folder); },
                 stop};
    auto running = moving.run(std::move(ids));
    auto moved = co_await running;
    if (!moved || moving.gone().empty()) co_return moved;
    Doing looking{session, atOnce, "looking for messages that could not be moved",
                  [&session](const std::string& id) { return session.addresses().isRead(id); }, std::move(stop)};
    auto searching = looking.run(std::move(moving.gone()));
    auto looked = co_await searching;
    if (!looked || looking.done().empty()) co_return looked;
    co_return Error{Reaction::retryLater, Code::mailboxFolderMissing,
                    session.peer() + ": moving messages: the folder they should go to is gone, the messages are there"};
}

/// What is in the folder still, `atOnce` in a $batch. `request` outlives the call.
Task<Result<void>> actOn(Session& session, const AfterRequest& request, std::size_t atOnce, std::stop_token stop) {
    using Kind = AfterAction::Kind;
    const auto kind = request.action.kind;
    auto asking = bringUpToDate(session, stop);  // minutes may lie between the last look and this
    auto asked = co_await asking;
    if (!asked) co_return asked;
    auto finding = stillHere(session, request.ordinals);
    auto items = co_await finding;
    if (!items) co_return items.error();
    std::vector<std::string> all, here, copied;
    for (const auto& item : *items) {
        all.push_back(item.id);
        (std::binary_search(request.copied.begin(), request.copied.end(), item.ordinal) ? copied : here).push_back(item.id);
    }
    if (kind == Kind::seen || kind == Kind::seenAndMove) {
        auto marking = markRead(session, atOnce, all, stop);
        auto marked = co_await marking;
        if (!marked || kind == Kind::seen) co_return marked;
    }
    if (kind == Kind::remove) {
        auto removing = moveTo(session, atOnce, std::move(all), std::string(removedTo), stop);
        co_return co_await removing;
    }
    auto looking = folderIdOrNew(session, request.action.target, stop);
    auto target = co_await looking;
    if (!target) co_return target.error();
    auto moving = moveTo(session, atOnce, std::move(here), std::move(*target), stop);
    auto moved = co_await moving;
    if (!moved || copied.empty()) co_return moved;
    auto removing = moveTo(session, atOnce, std::move(copied), std::string(removedTo), stop);
    co_return co_await removing;
}

}  // namespace

Task<Result<void>> carryOut(Session& session, AfterRequest request, std::stop_token stop) {
    if (request.action.kind == AfterAction::Kind::leave || request.ordinals.empty()) co_return Result<void>{};
    session.folder.fresh = false;
    std::sort(request.copied.begin(), request.copied.end());
    auto acting = actOn(session, request, batchSize, stop);
    auto done = co_await acting;
    if (done || done.error().reaction != Reaction::reconnect) co_return done;
    // Perhaps the answer was too large, or too late: it repeats whole messages. What was done all the same is no longer in the folder.
    auto actingAgain = actOn(session, request, 1, std::move(stop));
    co_return co_await actingAgain;
}

}  // namespace listener::graph
