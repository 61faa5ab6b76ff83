#include "listener/ews/fetching.h"

#include "listener/ews/body.h"
#include "listener/ews/refusal.h"
#include "listener/ews/substitute.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <memory>
#include <optional>

namespace listener::ews {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t sizesAtOnce = 200;
/// Microsoft's advice for a batch; and what it ends after a minute should be done by then.
constexpr std::size_t messagesAtOnce = 10;
constexpr std::uint64_t octetsAtOnce = 8 << 20;
/// For a head alone: less is read to its end, of more the connection is given up once the head is here.
constexpr std::uint64_t worthHangingUp = 512 * 1024;
constexpr int triesOfOne = 3;
/// So many requests for one message came to nothing for reasons that may be the server's, and no message was handed out: it is the server.
constexpr int failuresOfServer = 5;
/// Where fewer sizes at a time are too much, messages are fetched without.
constexpr std::size_t fewestSizes = 10;

struct Wanted {
    std::uint64_t ordinal = 0;
    std::string id{};
    ItemView seen{};
    bool headAlone = false;
    int tries = 0;
    std::string refusedBy{};  ///< the server's code, of the last try
};

/// The server may say that a batch was one request too many. From then on it is one at a time. Batches that were on their way when it said so first
/// do not tell whether that helps; of those asked for later none should be too many any more.
class Crowding {
public:
    /// A batch is asked for: its number.
    std::size_t ask() { return ++asked_; }
    /// The answer to this batch is looked at now.
    void read(std::size_t number) { reading_ = number; }
    /// The server says it of that batch. May it be asked for again?
    bool note() {
        if (!askedBefore_) askedBefore_ = asked_;
        return reading_ <= *askedBefore_;
    }

private:
    std::size_t asked_ = 0;
    std::size_t reading_ = 0;
    std::optional<std::size_t> askedBefore_{};  ///< so many, when it said so first
};

class Fetcher {
public:
    Fetcher(Session& session, Endpoints endpoints, Receiver& receiver, plugin::Directory& staging, std::stop_token stop)
        : session_(session),
          endpoint_(endpoints.main),
          second_(endpoints.second),
          receiver_(receiver),
          staging_(staging),
          stop_(std::move(stop)),
          limit_(receiver.sizeLimit()) {}

    Task<Result<void>> run(std::vector<std::uint64_t> ordinals) {
        auto& loop = co_await plugin::thisLoop();
        now_ = loop.clock().wall();
        Result<void> done{};
        std::exception_ptr bug;
        try {
            auto fetching = fetchAll(std::move(ordinals));
            done = co_await fetching;
        } catch (...) {  // passed on below, once nothing of it runs any more
            bug = std::current_exception();
        }
        if (ahead_) {
            ahead_->ends.request_stop();  // nobody wants it any more
            auto joining = ahead_->begun->wait(plugin::Deadline::max(), {});
            co_await joining;
            ahead_->endpoint.abandon();
        }
        if (bug) {
            endpoint_.abandon();  // either may be in the middle of an answer
            second_.abandon();
            std::rethrow_exception(bug);
        }
        co_return done;
    }

private:
    using Batch = std::vector<Wanted>;
    /// A batch that was asked for while the one before is read.
    struct Ahead {
        Ahead(Endpoint& over, Batch some, const std::stop_token& stop) : endpoint(over), batch(std::move(some)), onStop(stop, End{ends}) {}
        struct End {
            std::stop_source source;
            void operator()() { source.request_stop(); }
        };
        Endpoint& endpoint;
        Batch batch;
        std::size_t number = 0;
        std::stop_source ends{};
        std::stop_callback<End> onStop;
        std::shared_ptr<plugin::detail::SharedOf<Result<void>>> begun{};
    };

    Task<Result<void>> fetchAll(std::vector<std::uint64_t> ordinals) {
        for (std::size_t at = 0; at < ordinals.size() && !receiver_.enough(); at += sizesAtOnce) {
            const auto end = std::min(ordinals.size(), at + sizesAtOnce);
            std::vector<std::uint64_t> piece(ordinals.begin() + static_cast<std::ptrdiff_t>(at), ordinals.begin() + static_cast<std::ptrdiff_t>(end));
            auto found = co_await session_.index.find(session_.folder->indexed.number, std::move(piece));
            if (!found) co_return found.error();
            for (auto& item : *found) unsized_.push_back({.ordinal = item.ordinal, .id = std::move(item.id), .seen = {.received = item.received}});
            auto done = co_await workOff();
            if (!done) co_return done;
        }
        co_return Result<void>{};
    }

    Task<Result<void>> workOff() {
        while (ahead_ || (!receiver_.enough() && !(unsized_.empty() && waiting_.empty() && poisoned_.empty()))) {
            auto step = ahead_ ? takeAhead() : !unsized_.empty() ? askSizes() : !poisoned_.empty() ? handOverSubstitute() : fetchBatch(nextBatch());
            auto done = co_await step;
            if (!done) co_return done;
        }
        co_return Result<void>{};
    }

    static std::vector<std::string> idsOf(const Batch& batch) {
        std::vector<std::string> ids;
        for (const auto& each : batch) ids.push_back(each.id);
        return ids;
    }

    Task<Result<void>> askSizes() {
        const auto end = unsized_.begin() + static_cast<std::ptrdiff_t>(std::min(unsized_.size(), atOnce_));
        Batch batch(std::make_move_iterator(unsized_.begin()), std::make_move_iterator(end));
        unsized_.erase(unsized_.begin(), end);
        const auto ids = idsOf(batch);
        auto operation = getItems(ids, ItemShape::sizes);
        auto messages = co_await endpoint_.call(std::move(operation), batch.size(), stop_);
        if (!messages && endpoint_.refusedAs && mayBeOfOne(*endpoint_.refusedAs)) {
            withoutSizes(std::move(batch), *endpoint_.refusedAs);
            co_return Result<void>{};
        }
        if (!messages) co_return messages.error();
        for (std::size_t i = 0; i < batch.size(); ++i) {
            const auto* message = i < messages->size() ? &(*messages)[i] : nullptr;
            if (message != nullptr && !message->success && meaningOf(message->code) == Meaning::itemGone) continue;
            auto& wanted = batch[i];
            if (message != nullptr && !message->items.empty()) {
                auto seen = message->items.front();
                if (!seen.received) seen.received = wanted.seen.received;
                wanted.seen = std::move(seen);
            }
            wanted.headAlone = limit_ && wanted.seen.size.value_or(0) > *limit_;
            waiting_.push_back(std::move(wanted));  // what no size is known of is judged as it comes
        }
        co_return Result<void>{};
    }

    /// Sizes the server did not tell: fewer at once, where that helps; else what comes tells.
    void withoutSizes(Batch batch, Meaning why) {
        const bool fewer = why == Meaning::tooMuch && batch.size() > fewestSizes;
        if (fewer) atOnce_ = std::max(fewestSizes, batch.size() / 2);
        auto& into = fewer ? unsized_ : waiting_;
        into.insert(fewer ? into.begin() : into.end(), std::make_move_iterator(batch.begin()), std::make_move_iterator(batch.end()));
    }

    /// Messages or heads, in the order asked; what is read only up to its head stands alone, and so does what has been refused before.
    Batch nextBatch() {
        Batch batch;
        std::uint64_t octets = 0;
        while (!waiting_.empty() && batch.size() < messagesAtOnce) {
            auto& next = waiting_.front();
            const auto size = next.seen.size.value_or(octetsAtOnce / messagesAtOnce);
            const bool alone = next.tries > 0 || hangsUp(next);
            if (!batch.empty() && (alone || next.headAlone != batch.front().headAlone || octets + size > octetsAtOnce)) break;
            octets += size;
            batch.push_back(std::move(next));
            waiting_.pop_front();
            if (alone) break;
        }
        return batch;
    }
    static bool hangsUp(const Wanted& wanted) { return wanted.headAlone && wanted.seen.size.value_or(0) > worthHangingUp; }

    Task<Result<void>> fetchBatch(Batch batch) {
        const auto ids = idsOf(batch);
        auto operation = getItems(ids, ItemShape::mime);
        crowding_.read(crowding_.ask());
        auto begun = co_await endpoint_.begin(std::move(operation), stop_);
        if (!begun) co_return refusedAsAWhole(endpoint_, std::move(batch), begun.error());
        auto reading = readBatch(endpoint_, std::move(batch));
        co_return co_await reading;
    }

    /// The next batch, over the other connection, while this one is read: the server never waits for us.
    Task<void> askAhead(Endpoint& busy) {
        if (session_.limit->isCrowded() || ahead_ || waiting_.empty() || waiting_.front().tries > 0 || receiver_.enough()) co_return;
        auto& loop = co_await plugin::thisLoop();
        auto& other = &busy == &endpoint_ ? second_ : endpoint_;
        ahead_ = std::make_unique<Ahead>(other, nextBatch(), stop_);
        ahead_->number = crowding_.ask();
        const auto ids = idsOf(ahead_->batch);
        auto operation = getItems(ids, ItemShape::mime);
        ahead_->begun = plugin::start(loop, ahead_->endpoint.begin(std::move(operation), ahead_->ends.get_token()));
    }

    Task<Result<void>> takeAhead() {
        auto joining = ahead_->begun->wait(plugin::Deadline::max(), {});
        co_await joining;
        const auto ahead = std::move(ahead_);
        crowding_.read(ahead->number);
        const auto begun = ahead->begun->get();
        if (!begun) co_return refusedAsAWhole(ahead->endpoint, std::move(ahead->batch), begun.error());
        auto reading = readBatch(ahead->endpoint, std::move(ahead->batch));
        co_return co_await reading;
    }

    /// The answer to a batch, from its beginning. `endpoint` outlives the task.
    Task<Result<void>> readBatch(Endpoint& endpoint, Batch batch) {
        auto asking = askAhead(endpoint);
        co_await asking;
        std::optional<Body> body;
        for (std::size_t at = 0;;) {
            auto part = co_await endpoint.next(stop_);
            if (!part) co_return brokenOff(endpoint, std::move(batch), at, part.error());
            if (!*part) {
                for (; at < batch.size(); ++at) putOff(std::move(batch[at]));
                putBack(std::exchange(again_, {}));
                co_return Result<void>{};
            }
            if (at == batch.size()) co_return unexpected(endpoint, "more messages than were asked for");
            auto& wanted = batch[at];
            if (auto* octets = std::get_if<std::string>(&**part)) {
                if (!body) body.emplace(staging_, wanted.seen.size.value_or(0), wanted.headAlone ? std::optional<std::uint64_t>{0} : limit_);
                const std::string_view bytes = *octets;
                auto appended = co_await body->append(bytes);
                if (!appended) co_return stopped(endpoint, appended.error());
                if (!hangsUp(wanted) || !body->headIsWhole()) continue;
                endpoint.abandon();
                auto handing = handOver(wanted, *body);
                co_return co_await handing;
            }
            auto& message = std::get<ResponseMessage>(**part);
            ++at;
            if (isAnother(message, batch, at - 1)) co_return unexpected(endpoint, "another message than the one asked for");
            Result<void> taken{};
            if (message.success && body) {
                auto taking = takeWhole(wanted, message, *body);
                taken = co_await taking;
            } else {
                taken = noteRefusal(wanted, message);
            }
            body.reset();
            if (!taken) co_return stopped(endpoint, taken.error());
        }
    }

    /// Answers come in the order asked. One that names another message of the batch breaks that.
    static bool isAnother(const ResponseMessage& message, const Batch& batch, std::size_t at) {
        if (message.items.empty() || message.items.front().id == batch[at].id) return false;
        return std::any_of(batch.begin(), batch.end(), [&](const Wanted& each) { return each.id == message.items.front().id; });
    }
    Error unexpected(Endpoint& endpoint, std::string_view why) {
        endpoint.abandon();
        session_.over = Error{Reaction::reconnect, Code::mailboxProtocol, session_.peer + ": GetItem: " + std::string{why}};
        return *session_.over;
    }
    static Error stopped(Endpoint& endpoint, Error error) {
        endpoint.abandon();
        return error;
    }

    Task<Result<void>> takeWhole(Wanted& wanted, const ResponseMessage& message, Body& body) {
        const auto& item = message.items.front();
        if (item.received) wanted.seen.received = item.received;
        if (item.isRead) wanted.seen.isRead = item.isRead;
        auto handing = handOver(wanted, body);
        co_return co_await handing;
    }

    Task<Result<void>> handOver(Wanted& wanted, Body& body) {
        auto finishing = body.finish();
        auto built = co_await finishing;
        if (!built) co_return built.error();
        auto fetched = asFetched(wanted);
        if (wanted.headAlone)
            fetched.tooLarge = wanted.seen.size;
        else if (body.tooLarge())
            fetched.tooLarge = body.size();
        fetched.content = std::move(built->content);
        fetched.head = std::move(built->head);
        handedOut_ = true;
        auto taken = co_await receiver_.take(std::move(fetched));
        co_return taken;
    }

    Fetched asFetched(const Wanted& wanted) const {
        Fetched fetched{.position = {wanted.id, wanted.ordinal}, .received = wanted.seen.received.value_or(now_)};
        if (wanted.seen.isRead.value_or(false)) fetched.flags.emplace_back("\\Seen");
        return fetched;
    }

    /// A message without octets, or what the server says instead of it. Of one message alone it stops no other.
    Result<void> noteRefusal(Wanted& wanted, const ResponseMessage& message) {
        const auto meaning = message.success ? Meaning::poison : meaningOf(message.code);
        if (meaning == Meaning::itemGone) return {};
        if (meaning == Meaning::busy) return refusal(session_, message, "GetItem");
        if (meaning == Meaning::crowded) {
            tooMany(session_, message.backOff, Hanging::no);
            if (!bearsCrowd()) return refusal(session_, message, "GetItem");
            again_.push_back(std::move(wanted));
            return {};
        }
        wanted.refusedBy = message.success ? "no content" : session_.shown(message.code);
        const bool lastTry = wanted.tries + 1 == triesOfOne;
        if (meaning == Meaning::poison && lastTry) {
            poisoned_.push_back(std::move(wanted));
            return {};
        }
        if ((meaning == Meaning::away || meaning == Meaning::moves) && lastTry && isOfServer()) return refusal(session_, message, "GetItem");
        putOff(std::move(wanted));
        return {};
    }

    /// The batch in hand, or some of it, was one request too many. Is it asked for again now? Else later, by whoever comes then.
    bool bearsCrowd() {
        const bool mayHelp = crowding_.note();
        return mayHelp && !session_.limit->restsLong();
    }

    /// To be asked for alone; left out after some tries.
    void putOff(Wanted wanted) {
        if (++wanted.tries < triesOfOne) {
            waiting_.push_back(std::move(wanted));
            return;
        }
        session_.log.warning("listener.ews", "the server does not hand out a message",
                             {{"mailbox", session_.settings.alias}, {"ordinal", wanted.ordinal}, {"cause", wanted.refusedBy}});
    }

    /// A fault instead of an answer, or none. What may come from one of them: one by one then, and what fails alone is left out, so that others come.
    Result<void> refusedAsAWhole(const Endpoint& endpoint, Batch batch, const Error& error) {
        const auto meaning = endpoint.refusedAs;
        if (meaning == Meaning::crowded && bearsCrowd()) {
            putBack(std::move(batch));
            return {};
        }
        if (!meaning || !mayBeOfOne(*meaning)) return error;
        if (batch.size() == 1 && meaning == Meaning::itemGone) return {};
        if (batch.size() == 1 && meaning == Meaning::tooMuch) {
            batch.front().refusedBy = error.what;
            putOff(std::move(batch.front()));
            return {};
        }
        if (batch.size() > 1 || meaning != Meaning::poison || batch.front().tries + 1 < triesOfOne) return oneByOne(std::move(batch), error);
        batch.front().refusedBy = error.what;
        poisoned_.push_back(std::move(batch.front()));
        return {};
    }

    /// The answer ends, or cannot be read on, in the message `at`: each message there is may be the one that does it.
    Result<void> brokenOff(Endpoint& endpoint, Batch batch, std::size_t at, const Error& error) {
        batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(at));
        putBack(std::exchange(again_, {}));
        if (batch.empty() && (endpoint.refusedAs || error.reaction != Reaction::reconnect)) return error;
        if (endpoint.refusedAs) return refusedAsAWhole(endpoint, std::move(batch), error);
        if (error.reaction != Reaction::reconnect) return error;
        auto others = oneByOne(std::move(batch), error);
        if (others && session_.over && session_.over->reaction == Reaction::reconnect) session_.over.reset();  // over a new connection
        return others;
    }

    /// None: all had come.
    Result<void> oneByOne(Batch batch, const Error& error) {
        for (auto& wanted : batch) wanted.refusedBy = error.what;
        if (batch.size() == 1) {
            if (batch.front().tries + 1 >= triesOfOne && isOfServer()) return error;
            putOff(std::move(batch.front()));
            return {};
        }
        for (auto& wanted : batch) ++wanted.tries;  // one at a time from now on
        putBack(std::move(batch));
        return {};
    }

    /// One more message came to nothing. Are these the server's fault, and not theirs?
    bool isOfServer() { return ++failures_ >= failuresOfServer && !handedOut_; }

    void putBack(Batch batch) {
        for (auto wanted = batch.rbegin(); wanted != batch.rend(); ++wanted) waiting_.push_front(std::move(*wanted));
    }

    /// For the first of those the server cannot render.
    Task<Result<void>> handOverSubstitute() {
        auto wanted = std::move(poisoned_.front());
        poisoned_.pop_front();
        const std::vector<std::string> ids{wanted.id};
        auto operation = getItems(ids, ItemShape::properties);
        auto message = co_await endpoint_.ask(std::move(operation), stop_);
        const bool untold = !message && endpoint_.refusedAs && mayBeOfOne(*endpoint_.refusedAs);
        if (!message && !untold) co_return message.error();
        if (message && meaningOf(message->code) == Meaning::itemGone) co_return Result<void>{};
        const auto item = untold || message->items.empty() ? wanted.seen : message->items.front();
        session_.log.warning("listener.ews", "the server cannot render a message",
                             {{"mailbox", session_.settings.alias}, {"ordinal", wanted.ordinal}, {"cause", wanted.refusedBy}});
        ContentBuilder builder{staging_, 0};  // a few hundred octets: never a file
        const auto text = substituteFor(item, wanted.refusedBy);
        if (auto appended = builder.append(text); !appended) co_return appended;
        auto built = builder.finish();
        if (!built) co_return built.error();
        if (item.received) wanted.seen.received = item.received;
        auto fetched = asFetched(wanted);
        fetched.sourceDefect = true;
        fetched.content = std::move(built->content);
        fetched.head = std::move(built->head);
        auto taken = co_await receiver_.take(std::move(fetched));
        co_return taken;
    }

    Session& session_;
    Endpoint& endpoint_;
    Endpoint& second_;
    Receiver& receiver_;
    plugin::Directory& staging_;
    std::stop_token stop_;
    std::optional<std::uint64_t> limit_;  ///< octets a message may have
    std::deque<Wanted> unsized_{};        ///< whose size is still to be asked for
    std::deque<Wanted> waiting_{};        ///< to be fetched
    std::deque<Wanted> poisoned_{};       ///< which the server cannot render
    std::unique_ptr<Ahead> ahead_{};
    Batch again_{};  ///< of the batch in hand: for which it was one request too many
    Crowding crowding_{};
    std::size_t atOnce_ = sizesAtOnce;  ///< sizes
    int failures_ = 0;                  ///< messages given up for reasons that may be the server's
    bool handedOut_ = false;            ///< has any message been?
    plugin::Wall now_{};                ///< for what the server tells no date of
};

}  // namespace

Task<Result<void>> fetchMessages(Session& session, Endpoints endpoints, std::vector<std::uint64_t> ordinals, Receiver& receiver,
                                 plugin::Directory& staging, std::stop_token stop) {
    Fetcher fetcher{session, endpoints, receiver, staging, std::move(stop)};
    auto running = fetcher.run(std::move(ordinals));
    auto done = co_await running;
    co_return done;
}

}  // namespace listener::ews
