#include "listener/imap/identifying.h"

#include "listener/imap/body.h"
#include "listener/imap/listing.h"
#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t messagesAtOnce = 1'000;
constexpr std::size_t setOctets = 4'000;  // see fetching.cpp

class Identifier {
public:
    Identifier(Session& session, IdentifiedTaker taker, std::stop_token stop)
        : session_(session), wire_(session.connection()), taker_(std::move(taker)), stop_(std::move(stop)) {}

    Task<Result<void>> run(std::vector<std::uint64_t> uids) {
        for (const auto piece : commandSizes(uids, messagesAtOnce, setOctets)) waiting_.emplace_back(piece.begin(), piece.end());
        while (!waiting_.empty()) {
            const auto asked = std::move(waiting_.front());
            waiting_.pop_front();
            auto command = session_.begin("UID FETCH", setOctets + 128);
            command.word(UidSet{asked}.print()).word("(UID INTERNALDATE RFC822.SIZE " + std::string{headItem} + ")").end();
            const auto tag = command.tag();
            const auto piece = command.pieces().front();
            const auto written = co_await wire_.write(piece, stop_);
            if (!written) co_return written.error();
            const auto status = co_await answerTo(tag);
            if (!status) co_return status.error();
            const auto done = handOver(asked, *status);
            if (!done) co_return done;
        }
        co_return Result<void>{};
    }

private:
    Task<Result<Status>> answerTo(std::string tag) {
        for (;;) {
            const auto next = wire_.advance();
            if (!next) co_return next.error();
            Result<void> done{};
            switch (*next) {
                case Connection::Next::needMore:
                    done = co_await wire_.fill(stop_);
                    break;
                case Connection::Next::body:
                    done = co_await takeFields();
                    break;
                case Connection::Next::response: {
                    auto& response = wire_.response();
                    session_.leaveOutSecrets(response);
                    done = session_.note(response);
                    if (!done) break;
                    if (auto* fetch = std::get_if<Fetch>(&response)) note(*fetch);
                    auto* status = std::get_if<Status>(&response);
                    if (status == nullptr || status->tag.empty()) break;
                    if (status->tag == tag) co_return std::move(*status);
                    co_return session_.strayAnswer(status->tag);
                }
            }
            if (!done) co_return done.error();
        }
    }

    Task<Result<void>> takeFields() {
        auto head = co_await takeHead(wire_, stop_);
        if (!head) co_return head.error();
        head_ = std::move(*head);
        co_return Result<void>{};
    }

    void note(const Fetch& fetch) {
        auto head = std::exchange(head_, std::nullopt);
        if (!fetch.uid || !fetch.fields || fetch.fields->kind == Body::Kind::nil) return;
        if (fetch.fields->kind == Body::Kind::inside) head = readHead(fetch.fields->text);
        if (head) came_[*fetch.uid] = {*fetch.uid, fetch.internalDate, fetch.size, head->matchKey, head->crossKey};
    }

    /// The answer to a whole command. OK without a message: it is gone.
    Result<void> handOver(const std::vector<std::uint64_t>& asked, const Status& status) {
        const auto came = std::exchange(came_, {});
        for (const auto uid : asked)
            if (const auto found = came.find(uid); found != came.end())
                if (auto taken = taker_(found->second); !taken) return taken;
        if (status.condition == Condition::ok) return {};
        const auto error = refusal(status, session_.peer(), "UID FETCH of heads");
        if (error.code != Code::mailboxCommandRefused || status.condition != Condition::no || status.code.is("UNAVAILABLE") ||
            status.code.is("INUSE"))
            return error;
        std::vector<std::uint64_t> left;
        std::copy_if(asked.begin(), asked.end(), std::back_inserter(left), [&came](std::uint64_t uid) { return !came.contains(uid); });
        if (left.size() == 1) {
            session_.log().warning("listener.imap", "the server does not hand out the head of a message",
                                   {{"mailbox", session_.settings().alias}, {"uid", left.front()}, {"text", plugin::printable(status.text)}});
        } else if (!left.empty()) {
            const auto half = left.begin() + static_cast<std::ptrdiff_t>(left.size() / 2);
            waiting_.emplace_front(half, left.end());
            waiting_.emplace_front(left.begin(), half);
        }
        return {};
    }

    Session& session_;
    Connection& wire_;
    IdentifiedTaker taker_;
    std::stop_token stop_;
    std::deque<std::vector<std::uint64_t>> waiting_{};  ///< UIDs of commands still to be sent, rising
    std::optional<Head> head_{};                        ///< of the FETCH at hand
    std::map<std::uint64_t, Identified> came_{};        ///< of the command at hand
};

}  // namespace

Task<Result<void>> identifyMessages(Session& session, IdentifiedTaker taker, std::stop_token stop) {
    auto listing = co_await listFolder(session, {}, stop);
    if (!listing) co_return listing.error();
    Identifier identifier{session, std::move(taker), std::move(stop)};
    session.connection().bodies(Framer::Bodies::apart);
    auto done = co_await identifier.run(std::move(listing->ordinals));
    session.connection().bodies(Framer::Bodies::inside);
    if (!done) session.connection().giveUp();
    co_return done;
}

}  // namespace listener::imap
