#include "listener/imap/fetching.h"

#include "listener/imap/body.h"
#include "listener/imap/lexer.h"
#include "listener/imap/refusal.h"
#include "listener/imap/substitute.h"
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

constexpr std::size_t messagesAtOnce = 200;  ///< as a batch of the pipeline has
constexpr std::size_t setOctets = 4'000;     ///< half of what RFC 2683 section 3.2.1.5 lets servers take in one line
/// Commands under way: two, so that the server never waits for us; with small mails more, or a long way would be waited for in between.
constexpr std::size_t leastUnderWay = 2;
constexpr std::size_t mostUnderWay = 6;
constexpr std::uint64_t octetsUnderWay = 4 << 20;
/// Pieces whose sizes are asked for before their turn: the answer must not stand behind the bodies of the piece before.
constexpr std::size_t piecesAhead = mostUnderWay;

/// What a UID FETCH is for.
enum class Asks { sizes, heads, messages };

std::string itemsOf(Asks asks) {
    switch (asks) {
        case Asks::sizes:
            return "(UID RFC822.SIZE)";
        case Asks::heads:
            return "(UID INTERNALDATE FLAGS " + std::string{headItem} + ")";
        case Asks::messages:
            return "(UID INTERNALDATE FLAGS BODY.PEEK[])";
    }
    return {};
}

std::string_view nameOf(Asks asks) {
    switch (asks) {
        case Asks::sizes:
            return " sizes";
        case Asks::heads:
            return " heads";
        case Asks::messages:
            return " messages";
    }
    return {};
}

/// One UID FETCH, to be sent or under way.
struct Batch {
    Asks asks = Asks::messages;
    std::vector<std::uint64_t> uids{};  ///< rising
    std::string tag{};
    std::vector<bool> came{};  ///< beside `uids`
};

class Fetcher {
public:
    Fetcher(Session& session, std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging, std::stop_token stop)
        : session_(session),
          wire_(session.connection()),
          receiver_(receiver),
          staging_(staging),
          stop_(std::move(stop)),
          limit_(receiver.sizeLimit()) {
        auto& first = limit_ ? unsized_ : waiting_;
        for (const auto piece : commandSizes(ordinals, messagesAtOnce, setOctets))
            first.push_back({.asks = limit_ ? Asks::sizes : Asks::messages, .uids = {piece.begin(), piece.end()}});
    }

    Task<Result<void>> run() {
        for (;;) {
            if (receiver_.enough()) unsized_.clear(), waiting_.clear();  // what is under way comes to its end
            if (auto* queue = toBeSent()) {
                const auto sent = co_await sendFirst(*queue);
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
    bool exceeds(std::uint64_t octets) const { return limit_ && octets > *limit_; }

    /// The queue whose first command is to be sent now; null: enough is under way.
    std::deque<Batch>* toBeSent() {
        const auto sizing =
            static_cast<std::size_t>(std::count_if(underWay_.begin(), underWay_.end(), [](const Batch& each) { return each.asks == Asks::sizes; }));
        if (!unsized_.empty() && sizing + waiting_.size() < piecesAhead) return &unsized_;
        return !waiting_.empty() && mayAskMore(underWay_.size() - sizing) ? &waiting_ : nullptr;
    }

    /// `count`: under way already
    bool mayAskMore(std::size_t count) const {
        if (count < leastUnderWay || count >= mostUnderWay || bodies_ == 0) return count < leastUnderWay;
        return (count + 1) * messagesAtOnce * (octets_ / bodies_) <= octetsUnderWay;
    }

    /// A literal of no octets is a message of no octets, or one that was expunged meanwhile (RFC 2180 section 4.1): its size tells.
    Task<Result<void>> takeEmpty() {
        if (empty_.empty()) co_return Result<void>{};
        wire_.bodies(Framer::Bodies::inside);  // nobody streams any more
        std::map<std::uint64_t, std::uint64_t> sizes;
        const Taker taker = [&sizes](Response& response) -> Result<void> {
            const auto* fetch = std::get_if<Fetch>(&response);
            if (fetch != nullptr && fetch->uid && fetch->size) sizes[*fetch->uid] = *fetch->size;
            return {};
        };
        std::vector<std::uint64_t> uids;
        for (const auto& message : empty_) uids.push_back(message.position.ordinal);
        std::sort(uids.begin(), uids.end());
        for (const auto piece : commandSizes(uids, messagesAtOnce, setOctets)) {
            auto command = session_.begin("UID FETCH", setOctets);
            command.word(UidSet{piece}.print()).word(itemsOf(Asks::sizes)).end();
            const auto status = co_await session_.require(std::move(command), &taker, "UID FETCH of sizes", stop_);
            if (!status) co_return status.error();
        }
        for (auto& message : std::exchange(empty_, {})) {
            const auto size = sizes.find(message.position.ordinal);
            if (size == sizes.end() || size->second != message.tooLarge.value_or(0)) continue;
            auto taken = co_await receiver_.take(std::move(message));
            if (!taken) co_return taken;
        }
        co_return Result<void>{};
    }

    Task<Result<void>> sendFirst(std::deque<Batch>& queue) {
        auto batch = std::move(queue.front());
        queue.pop_front();
        batch.came.resize(batch.uids.size());
        auto command = session_.begin("UID FETCH", setOctets + 128);
        command.word(UidSet{batch.uids}.print()).word(itemsOf(batch.asks)).end();
        batch.tag = command.tag();
        underWay_.push_back(std::move(batch));
        const auto piece = command.pieces().front();
        co_return co_await wire_.write(piece, stop_);
    }

    /// A literal. Of a message that is too large after all (Exchange only estimates RFC822.SIZE) no more is kept than of a head.
    Task<Result<void>> takeBody() {
        const auto body = wire_.body();
        if (body.whole) {
            octets_ += body.size;
            ++bodies_;
        }
        if (body.whole && !exceeds(body.size)) {
            auto built = co_await takeContent(wire_, staging_, stop_);
            if (!built) co_return built.error();
            built_ = std::move(*built);
        } else {
            auto head = co_await takeHead(wire_, stop_);
            if (!head) co_return head.error();
            built_ = ContentBuilder::Built{{}, std::move(*head)};
        }
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

    /// A size, a message or a head is complete, or a FETCH tells something else: flags another client set, a message we have already.
    Result<void> noteFetch(Fetch& fetch) {
        auto built = std::exchange(built_, std::nullopt);
        if (!fetch.uid) return {};
        if (fetch.size && exceeds(*fetch.size) && wanted(*fetch.uid, Asks::sizes)) announced_[*fetch.uid] = *fetch.size;
        if (!fetch.body && !fetch.fields) return {};
        auto came = wanted(*fetch.uid, fetch.body ? Asks::messages : Asks::heads);
        if (!came || *came) return {};
        const auto& item = fetch.body ? *fetch.body : *fetch.fields;
        auto brought = broughtBy(item, !fetch.body, std::move(built));
        if (!brought) return brought.error();
        if (!*brought) {  // NIL, as RFC 2180 section 4.1 lets a server answer for what was expunged meanwhile
            session_.log().debug("listener.imap", "a message without content is left out",
                                 {{"mailbox", session_.settings().alias}, {"uid", *fetch.uid}});
            return {};
        }
        *came = true;
        auto message = asFetched(fetch, std::move(**brought));
        const auto octets = octetsOf(item);
        if (!fetch.body)
            message.tooLarge = announced_.extract(*fetch.uid).mapped();
        else if (exceeds(octets))
            message.tooLarge = octets;
        if (octets == 0)
            empty_.push_back(std::move(message));
        else
            message_ = std::move(message);
        return {};
    }

    static std::uint64_t octetsOf(const Body& item) { return item.kind == Body::Kind::apart ? item.size : item.text.size(); }

    /// None: NIL.  apart  what takeBody() made of it
    Result<std::optional<ContentBuilder::Built>> broughtBy(const Body& item, bool headAlone, std::optional<ContentBuilder::Built> apart) {
        if (item.kind == Body::Kind::nil) return std::optional<ContentBuilder::Built>{};
        if (item.kind == Body::Kind::apart) return apart;
        if (headAlone || exceeds(item.text.size())) return std::optional{ContentBuilder::Built{{}, readHead(item.text)}};
        ContentBuilder builder{staging_, item.text.size()};  // within Framer::responseLimit: never a file
        if (auto appended = builder.append(item.text); !appended) return appended.error();
        auto finished = builder.finish();
        if (!finished) return finished.error();
        return std::optional{std::move(*finished)};
    }

    Fetched asFetched(Fetch& fetch, ContentBuilder::Built built) {
        Fetched message;
        message.position = numberedPosition(session_.folder.validity, *fetch.uid);
        message.received = fetch.internalDate ? *fetch.internalDate : wire_.loop().clock().wall();
        if (fetch.flags) message.flags = std::move(*fetch.flags);
        std::erase_if(message.flags, [](const auto& flag) { return equalsIgnoreCase(flag, "\\Recent"); });
        message.content = std::move(built.content);
        message.head = std::move(built.head);
        if (const auto* bytes = message.content.inMemory()) message.sourceDefect = isSubstitute(*bytes);  // a few kB: never in a file
        return message;
    }

    /// Where to mark that it came; none: nobody asked for it.
    std::optional<std::vector<bool>::reference> wanted(std::uint64_t uid, Asks asks) {
        for (auto& batch : underWay_) {
            if (batch.asks != asks) continue;
            const auto found = std::lower_bound(batch.uids.begin(), batch.uids.end(), uid);
            if (found != batch.uids.end() && *found == uid) return batch.came[static_cast<std::size_t>(found - batch.uids.begin())];
        }
        return std::nullopt;
    }

    /// The answer to a whole UID FETCH. OK without a message: it is gone.
    Result<void> noteEnd(Batch batch, const Status& status) {
        if (status.condition != Condition::ok) {
            const auto during = "UID FETCH of " + std::to_string(batch.uids.size()) + std::string{nameOf(batch.asks)};
            const auto error = refusal(status, session_.peer(), during);
            if (error.code != Code::mailboxCommandRefused || status.condition != Condition::no || status.code.is("UNAVAILABLE") ||
                status.code.is("INUSE"))
                return error;
        }
        if (batch.asks == Asks::sizes)
            askBySize(batch.uids);
        else if (status.condition != Condition::ok)
            askAlone(batch, status);
        return {};
    }

    /// Sizes are told, all or some: what nothing is known of is asked for whole, and judged as it comes.
    void askBySize(const std::vector<std::uint64_t>& uids) {
        Batch heads{.asks = Asks::heads}, messages{.asks = Asks::messages};
        for (const auto uid : uids) (announced_.contains(uid) ? heads : messages).uids.push_back(uid);
        for (auto* batch : {&heads, &messages})
            if (!batch->uids.empty()) waiting_.push_back(std::move(*batch));
    }

    /// After a NO to all of it: one of them cannot be read.
    void askAlone(const Batch& batch, const Status& status) {
        if (batch.uids.size() == 1)
            return session_.log().warning(
                "listener.imap", "the server does not hand out a message",
                {{"mailbox", session_.settings().alias}, {"uid", batch.uids.front()}, {"text", plugin::printable(status.text)}});
        for (std::size_t i = 0; i < batch.uids.size(); ++i)
            if (!batch.came[i]) waiting_.push_back({.asks = batch.asks, .uids = {batch.uids[i]}});
    }

    Session& session_;
    Connection& wire_;
    Receiver& receiver_;
    plugin::Directory& staging_;
    std::stop_token stop_;
    std::optional<std::uint64_t> limit_;  ///< octets a message may have
    std::deque<Batch> unsized_{};         ///< commands for sizes still to be sent
    std::deque<Batch> waiting_{};         ///< all others still to be sent
    std::deque<Batch> underWay_{};
    std::map<std::uint64_t, std::uint64_t> announced_{};  ///< sizes past the limit, by UID, of what has not come yet
    std::uint64_t octets_ = 0;                            ///< of all bodies so far
    std::uint64_t bodies_ = 0;
    std::optional<ContentBuilder::Built> built_{};  ///< of the FETCH at hand; the head alone where that was asked for, or where it is too large
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
