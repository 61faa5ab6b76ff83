#include "listener/imap/fetching.h"

#include "listener/imap/body.h"
#include "listener/imap/lexer.h"
#include "listener/imap/refusal.h"
#include "listener/imap/substitute.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <utility>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t messagesAtOnce = 200;  ///< as a batch of the pipeline has
constexpr std::size_t setOctets = 4'000;     ///< half of what RFC 2683 section 3.2.1.5 lets servers take in one line
/// Commands under way: two, so that the server never waits for us; with small mails more, or a long way would be waited for in between.
constexpr std::size_t leastUnderWay = 2;
constexpr std::size_t mostUnderWay = 6;
constexpr std::uint64_t octetsUnderWay = 4 << 20;
/// One UID FETCH under way.
struct Batch {
    std::string tag{};
    std::vector<std::uint64_t> uids{};  ///< rising
    std::vector<bool> came{};           ///< beside `uids`
};

class Fetcher {
public:
    Fetcher(Session& session, std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging, std::stop_token stop)
        : session_(session),
          wire_(session.connection()),
          ordinals_(std::move(ordinals)),
          receiver_(receiver),
          staging_(staging),
          stop_(std::move(stop)) {
        for (const auto piece : commandSizes(ordinals_, messagesAtOnce, setOctets)) waiting_.emplace_back(piece.begin(), piece.end());
    }

    Task<Result<void>> run() {
        while (!waiting_.empty() || !underWay_.empty()) {
            if (receiver_.enough()) waiting_.clear();  // what is under way comes to its end
            if (!waiting_.empty() && mayAskMore()) {
                const auto sent = co_await send();
                if (!sent) co_return sent.error();
                continue;
            }
            if (underWay_.empty()) break;
            const auto next = wire_.advance();
            if (!next) co_return next.error();
            Result<void> done{};
            switch (*next) {
                case Connection::Next::needMore:
                    done = co_await wire_.fill(stop_);
                    break;
                case Connection::Next::body:
                    done = co_await takeBody();
                    break;
                case Connection::Next::response: {
                    done = note(wire_.response());
                    if (!done || !message_) break;
                    auto message = std::move(*message_);
                    message_.reset();
                    done = co_await receiver_.take(std::move(message));
                    break;
                }
            }
            if (!done) co_return done.error();
        }
        co_return co_await takeEmpty();
    }

private:
    bool mayAskMore() const {
        const auto count = underWay_.size();
        if (count < leastUnderWay || count >= mostUnderWay || bodies_ == 0) return count < leastUnderWay;
        return (count + 1) * messagesAtOnce * (octets_ / bodies_) <= octetsUnderWay;
    }

    /// A body of no octets is a message of no octets, or one that was expunged meanwhile (RFC 2180 section 4.1): its size tells.
    Task<Result<void>> takeEmpty() {
        if (empty_.empty()) co_return Result<void>{};
        wire_.bodies(Framer::Bodies::inside);  // nobody streams any more
        std::set<std::uint64_t> there;
        const Taker taker = [&there](Response& response) -> Result<void> {
            const auto* fetch = std::get_if<Fetch>(&response);
            if (fetch != nullptr && fetch->uid && fetch->size == 0U) there.insert(*fetch->uid);
            return {};
        };
        std::vector<std::uint64_t> uids;
        for (const auto& message : empty_) uids.push_back(message.position.ordinal);
        std::sort(uids.begin(), uids.end());
        for (const auto piece : commandSizes(uids, messagesAtOnce, setOctets)) {
            auto command = session_.begin("UID FETCH", setOctets);
            command.word(UidSet{piece}.print()).word("(UID RFC822.SIZE)").end();
            const auto status = co_await session_.require(std::move(command), &taker, "UID FETCH of sizes", stop_);
            if (!status) co_return status.error();
        }
        for (auto& message : std::exchange(empty_, {})) {
            if (!there.contains(message.position.ordinal)) continue;
            auto taken = co_await receiver_.take(std::move(message));
            if (!taken) co_return taken;
        }
        co_return Result<void>{};
    }

    Task<Result<void>> send() {
        Batch batch;
        batch.uids = std::move(waiting_.front());
        batch.came.resize(batch.uids.size());
        waiting_.pop_front();
        auto command = session_.begin("UID FETCH", setOctets + 64);
        command.word(UidSet{batch.uids}.print()).word("(UID INTERNALDATE FLAGS BODY.PEEK[])").end();
        batch.tag = command.tag();
        underWay_.push_back(std::move(batch));
        const auto piece = command.pieces().front();
        co_return co_await wire_.write(piece, stop_);
    }

    Task<Result<void>> takeBody() {
        octets_ += wire_.body().size;
        ++bodies_;
        auto built = co_await takeContent(wire_, staging_, stop_);
        if (!built) co_return built.error();
        built_ = std::move(*built);
        co_return Result<void>{};
    }

    Result<void> note(Response& response) {
        session_.leaveOutSecrets(response);
        if (auto noted = session_.note(response); !noted) return noted;
        if (auto* fetch = std::get_if<Fetch>(&response)) return noteFetch(*fetch);
        const auto* status = std::get_if<Status>(&response);
        if (status == nullptr || status->tag.empty()) return {};
        // Commands that do not touch one another may end in any order (RFC 9051 section 5.5); Dovecot overtakes while a client reads slowly.
        const auto ended = std::find_if(underWay_.begin(), underWay_.end(), [status](const Batch& each) { return each.tag == status->tag; });
        if (ended == underWay_.end()) return session_.strayAnswer(status->tag);
        auto batch = std::move(*ended);
        underWay_.erase(ended);
        return noteEnd(std::move(batch), *status);
    }

    /// A message is complete, or a FETCH tells something else: flags another client set, a message we have already.
    Result<void> noteFetch(Fetch& fetch) {
        auto built = std::exchange(built_, std::nullopt);
        if (!fetch.uid || !fetch.body) return {};
        auto came = wanted(*fetch.uid);
        if (!came || *came) return {};
        if (!built && fetch.body->kind == Body::Kind::inside) {
            ContentBuilder builder{staging_, fetch.body->text.size()};  // within Framer::responseLimit: never a file
            if (auto appended = builder.append(fetch.body->text); !appended) return appended;
            auto finished = builder.finish();
            if (!finished) return finished.error();
            built = std::move(*finished);
        }
        if (!built) {  // NIL, as RFC 2180 section 4.1 lets a server answer for what was expunged meanwhile
            session_.log().debug("listener.imap", "a message without content is left out",
                                 {{"mailbox", session_.settings().alias}, {"uid", *fetch.uid}});
            return {};
        }
        *came = true;
        Fetched message;
        message.position = {std::to_string(session_.folder.validity) + ":" + std::to_string(*fetch.uid), *fetch.uid};
        message.received = fetch.internalDate ? *fetch.internalDate : wire_.loop().clock().wall();
        if (fetch.flags) message.flags = std::move(*fetch.flags);
        std::erase_if(message.flags, [](const auto& flag) { return equalsIgnoreCase(flag, "\\Recent"); });
        message.content = std::move(built->content);
        message.head = std::move(built->head);
        if (const auto* bytes = message.content.inMemory()) message.sourceDefect = isSubstitute(*bytes);  // a few kB: never in a file
        if (message.content.size() == 0)
            empty_.push_back(std::move(message));
        else
            message_ = std::move(message);
        return {};
    }

    /// Where to mark that a message came; none: nobody asked for it.
    std::optional<std::vector<bool>::reference> wanted(std::uint64_t uid) {
        for (auto& batch : underWay_) {
            const auto found = std::lower_bound(batch.uids.begin(), batch.uids.end(), uid);
            if (found != batch.uids.end() && *found == uid) return batch.came[static_cast<std::size_t>(found - batch.uids.begin())];
        }
        return std::nullopt;
    }

    /// The answer to a whole UID FETCH. OK without a message: it is gone.
    Result<void> noteEnd(Batch batch, const Status& status) {
        if (status.condition == Condition::ok) return {};
        const auto error = refusal(status, session_.peer(), "UID FETCH of " + std::to_string(batch.uids.size()) + " messages");
        if (error.code != Code::mailboxCommandRefused || status.condition != Condition::no || status.code.is("UNAVAILABLE") ||
            status.code.is("INUSE"))
            return error;
        if (batch.uids.size() == 1) {
            session_.log().warning("listener.imap", "the server does not hand out a message",
                                   {{"mailbox", session_.settings().alias}, {"uid", batch.uids.front()}, {"text", plugin::printable(status.text)}});
            return {};
        }
        for (std::size_t i = 0; i < batch.uids.size(); ++i)
            if (!batch.came[i]) waiting_.push_back({batch.uids[i]});
        return {};
    }

    Session& session_;
    Connection& wire_;
    std::vector<std::uint64_t> ordinals_;
    Receiver& receiver_;
    plugin::Directory& staging_;
    std::stop_token stop_;
    std::deque<std::vector<std::uint64_t>> waiting_{};  ///< UIDs of commands still to be sent
    std::deque<Batch> underWay_{};
    std::uint64_t octets_ = 0;  ///< of all bodies so far
    std::uint64_t bodies_ = 0;
    std::optional<ContentBuilder::Built> built_{};  ///< the body of the FETCH at hand
    std::optional<Fetched> message_{};              ///< to be handed over
    std::vector<Fetched> empty_{};                  ///< to be looked at again in the end
};

}  // namespace

Task<Result<void>> fetchMessages(Session& session, std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging,
                                 std::stop_token stop) {
    Fetcher fetcher{session, std::move(ordinals), receiver, staging, std::move(stop)};
    session.connection().bodies(Framer::Bodies::apart);
    auto done = co_await fetcher.run();
    session.connection().bodies(Framer::Bodies::inside);
    if (!done) session.connection().giveUp();
    co_return done;
}

}  // namespace listener::imap
