#include "listener/ews/after.h"

#include "listener/ews/finding.h"
#include "listener/ews/refusal.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>

namespace listener::ews {

using plugin::Error;
using plugin::Result;
using plugin::Task;

namespace {

/// So many in each try: one that is refused may have stopped the others.
constexpr std::array<std::size_t, 4> itemsAtOnce{100, 10, 1, 1};
/// So many requests for one message in a row that came to nothing: it is the server.
constexpr int failuresOfServer = 5;

using Ids = std::vector<std::string>;
using MakeOperation = std::function<Operation(std::span<const std::string>)>;

class Doer {
public:
    Doer(Session& session, Endpoint& endpoint, std::stop_token stop) : session_(session), endpoint_(endpoint), stop_(std::move(stop)) {}

    /// All of it, whatever becomes of single ones; the first refusal is the answer. `operation` outlives the task.
    Task<Result<void>> toAll(const MakeOperation& operation, Ids ids) {
        std::optional<Error> refused;
        int failures = 0;
        for (std::size_t tries = 0; tries < itemsAtOnce.size() && !ids.empty(); ++tries) {
            Ids left;
            refused.reset();
            for (std::size_t at = 0; at < ids.size(); at += itemsAtOnce[tries]) {
                const auto piece = std::span<const std::string>{ids}.subspan(at, std::min(itemsAtOnce[tries], ids.size() - at));
                auto asked = operation(piece);
                auto messages = co_await endpoint_.call(std::move(asked), piece.size(), stop_);
                const bool someFail = !messages && endpoint_.refusedAs && mayBeOfOne(*endpoint_.refusedAs);
                if (!messages && (!someFail || (piece.size() == 1 && ++failures == failuresOfServer))) co_return messages.error();
                if (messages) failures = 0;
                if (someFail && endpoint_.refusedAs == Meaning::itemGone && piece.size() == 1) continue;
                for (std::size_t i = 0; i < piece.size(); ++i) {
                    const auto* const message = messages && i < messages->size() ? &(*messages)[i] : nullptr;
                    if (message != nullptr && isDone(*message)) continue;
                    if (message != nullptr && meaningOf(message->code) == Meaning::folderGone)
                        co_return refusal(session_, *message, "MoveItem");  // the target, for all of them
                    left.push_back(piece[i]);
                    if (refused) continue;
                    if (!messages) refused = messages.error();
                    if (message != nullptr) refused = refusal(session_, *message, "an after-action");
                }
            }
            ids = std::move(left);
        }
        if (!ids.empty() && refused) co_return std::move(*refused);
        co_return Result<void>{};
    }

    /// Each by the name of what it is; what cannot be read, as a note or a contact, needs no mark.
    Task<Result<void>> markSeen(Ids ids, Receipts receipts) {
        std::map<std::string, Ids> byElement;
        for (std::size_t at = 0; at < ids.size(); at += itemsAtOnce.front()) {
            const auto piece = std::span<const std::string>{ids}.subspan(at, std::min(itemsAtOnce.front(), ids.size() - at));
            auto asked = getItems(piece, ItemShape::sizes);
            auto messages = co_await endpoint_.call(std::move(asked), piece.size(), stop_);
            const bool untold = !messages && endpoint_.refusedAs && mayBeOfOne(*endpoint_.refusedAs);
            if (!messages && !untold) co_return messages.error();
            for (std::size_t i = 0; i < piece.size(); ++i) {
                const auto* const message = messages && i < messages->size() ? &(*messages)[i] : nullptr;
                if (message != nullptr && !message->success && meaningOf(message->code) == Meaning::itemGone) continue;
                const bool told = message != nullptr && !message->items.empty();
                if (told && message->items.front().isRead.value_or(false)) continue;
                byElement[told ? message->items.front().element : "Message"].push_back(piece[i]);
            }
        }
        Result<void> done{};
        for (auto& [element, some] : byElement) {
            if (!canBeRead(element)) continue;
            const MakeOperation operation = [&element, receipts](std::span<const std::string> few) { return markRead(few, element, receipts); };
            auto marking = toAll(operation, std::move(some));
            auto marked = co_await marking;
            if (!marked && done) done = marked.error();
        }
        co_return done;
    }

    Task<Result<void>> move(Ids ids, std::string target) {
        for (bool again = false;; again = true) {
            auto finding = findOrMakeFolder(session_, endpoint_, target, stop_);
            auto folder = co_await finding;
            if (!folder) co_return folder.error();
            const MakeOperation operation = [&folder](std::span<const std::string> some) { return moveItems(some, *folder); };
            auto moving = toAll(operation, ids);
            auto moved = co_await moving;
            if (moved || again || moved.error().code != plugin::Code::mailboxFolderMissing) co_return moved;
            session_.tree.reset();  // it was there when it was looked for last
        }
    }

private:
    static bool isDone(const ResponseMessage& message) { return message.success || meaningOf(message.code) == Meaning::itemGone; }

    Session& session_;
    Endpoint& endpoint_;
    std::stop_token stop_;
};

}  // namespace

Task<Result<void>> carryOut(Session& session, Endpoint& endpoint, AfterRequest request, std::stop_token stop) {
    using Kind = AfterAction::Kind;
    const auto kind = request.action.kind;
    if (kind == Kind::leave) co_return Result<void>{};
    auto found = co_await session.index.find(session.folder->indexed.number, std::move(request.ordinals));
    if (!found) co_return found.error();
    Ids ids;
    for (auto& item : *found) ids.push_back(std::move(item.id));
    Doer doer{session, endpoint, std::move(stop)};
    const auto receipts = session.loweredSchema ? Receipts::asTheServerDoes : Receipts::suppressed;
    Result<void> done{};
    if (kind == Kind::seen || kind == Kind::seenAndMove) {
        auto marking = doer.markSeen(ids, receipts);
        done = co_await marking;
    }
    if (done && kind == Kind::remove) {
        const MakeOperation operation = [receipts](std::span<const std::string> some) { return deleteItems(some, receipts); };
        auto deleting = doer.toAll(operation, ids);
        done = co_await deleting;
    }
    if (done && (kind == Kind::move || kind == Kind::seenAndMove)) {
        auto moving = doer.move(ids, request.action.target);
        done = co_await moving;
    }
    co_return done;
}

}  // namespace listener::ews
