#include "listener/imap/watching.h"

#include "listener/imap/folder.h"
#include "listener/imap/lexer.h"
#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <set>

namespace listener::imap {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::chrono::minutes briefIdle{1};        ///< a server that ends IDLE sooner by itself does not want it
constexpr unsigned briefIdleLimit = 3;              ///< in a row; then it is asked now and then, as one without IDLE
constexpr std::chrono::seconds pauseAfterBrief{5};  ///< before IDLE is begun again
constexpr unsigned fruitlessLimit = 3;              ///< arrivals in a row that were none
constexpr std::chrono::seconds pauseWhenFruitless{5};
constexpr std::size_t namesOctets = 6'000;  ///< of the names in one command: RFC 2683 section 3.2.1.5 lets servers take 8,000 a line
constexpr std::size_t namesAtOnce = 100;
constexpr std::string_view statusItems = "(MESSAGES UIDNEXT UIDVALIDITY)";

/// Asked when either of two is.
class Either {
public:
    Either(const std::stop_token& a, const std::stop_token& b) : onA_(a, Ask{source_}), onB_(b, Ask{source_}) {}
    const std::stop_token& token() const { return token_; }

private:
    struct Ask {
        std::stop_source source;
        void operator()() { source.request_stop(); }
    };
    std::stop_source source_{};
    std::stop_token token_ = source_.get_token();
    std::stop_callback<Ask> onA_, onB_;
};

/// What is news of a folder: remembered, so that the same is not news twice.
bool isNews(Push& push, const std::string& folder, const Push::Seen& told) {
    auto& seen = push.seen[folder];
    const bool other = told.validity != 0 && told.validity != seen.validity;
    const bool more = told.next != 0 ? told.next > seen.next : told.exists > seen.exists;
    if (other)
        seen = told;
    else
        seen.next = std::max(seen.next, told.next), seen.exists = told.exists;
    return other || more;
}

class Watcher {
public:
    Watcher(Session& session, Watching watching, std::stop_token stop)
        : session_(session), wire_(session.connection()), watching_(std::move(watching)), stop_(std::move(stop)), either_(watching_.wake, stop_) {}

    Task<Result<std::vector<std::string>>> run() {
        auto watched = co_await watch();
        if (!watched) co_return watched.error();
        if (notifying_) {  // other calls are not to be disturbed
            auto command = session_.begin("NOTIFY");
            command.word("NONE").end();
            const auto status = co_await session_.run(std::move(command), nullptr, stop_);
            if (!status) co_return status.error();
        }
        if (news_.empty() && expired())
            co_return Error{Reaction::reconnect, Code::mailboxSessionExpired,
                            session_.peer() + ": the token's life ends, the session is renewed before the server ends it"};
        co_return std::move(news_);
    }

private:
    plugin::Steady now() { return wire_.loop().clock().steady(); }
    bool expired() { return session_.renewAt && now() >= *session_.renewAt; }
    /// Is there a reason to go back to the caller?
    bool done() { return !news_.empty() || session_.push.refused || watching_.wake.stop_requested() || now() >= watching_.until || expired(); }
    bool sweeps() const { return !asked_.empty(); }

    void tell(const std::string& folder) {
        if (std::find(news_.begin(), news_.end(), folder) == news_.end()) news_.push_back(folder);
    }
    bool watches(const std::string& folder) const {
        return std::find(watching_.folders.begin(), watching_.folders.end(), folder) != watching_.folders.end();
    }

    Task<Result<void>> watch() {
        if (done()) co_return Result<void>{};
        auto ready = co_await enter();
        asked_.assign(watching_.folders.begin() + 1, watching_.folders.end());
        if (ready && !done()) ready = co_await notify();
        while (ready && !done()) {
            if (sweeps() && now() >= nextSweep())
                ready = co_await sweep();
            else
                ready = co_await idle();
        }
        co_return ready;
    }

    Deadline nextSweep() {
        auto& next = session_.push.nextSweep;
        if (!next) next = now() + watching_.sweep;  // each folder has just been looked into
        return *next;
    }

    /// Opens the first folder, unless it is open. What came since it was looked into is news, whether told meanwhile or not.
    Task<Result<void>> enter() {
        const auto& first = watching_.folders.front();
        if (session_.phase == Phase::selected) {
            const auto& open = session_.folder;
            if (open.grown && watches(open.name)) tell(open.name);
            if (!news_.empty() || open.name == first) co_return Result<void>{};
        }
        auto selected = co_await selectFolder(session_, first, stop_);
        if (!selected) co_return selected.error();
        const auto& open = session_.folder;
        if (isNews(session_.push, first, {open.validity, open.next, open.exists}) || open.grown) tell(first);
        co_return Result<void>{};
    }

    // ---- the other folders

    /// Takes what STATUS tells of the folders we watch. The open one tells by EXISTS.
    void take(const MailboxStatus& status) {
        for (const auto& folder : watching_.folders) {
            if (folder == session_.folder.name) continue;
            const auto wire = wireNameOf(session_, folder);
            if (!wire || !(sameFolder(*wire, status.name) || rawName(*wire) == status.name)) continue;
            told_.insert(folder);
            if (isNews(session_.push, folder, {status.uidValidity.value_or(0), status.uidNext.value_or(0), status.messages.value_or(0)}))
                tell(folder);
            return;
        }
    }
    Taker taker() {
        return [this](Response& response) -> Result<void> {
            if (const auto* status = std::get_if<MailboxStatus>(&response)) take(*status);
            return {};
        };
    }

    /// A name on the wire in UTF-8: what Dovecot 2.3 takes and gives where NOTIFY is concerned.
    static std::string rawName(const std::string& wire) { return decodeMailboxName(wire).value_or(wire); }

    /// Names on the wire, as many together as go into one command.
    std::vector<std::vector<std::string>> namesOf(const std::vector<std::string>& folders, bool raw) const {
        std::vector<std::vector<std::string>> out;
        std::size_t octets = namesOctets;
        for (const auto& folder : folders) {
            auto wire = wireNameOf(session_, folder);
            if (!wire) continue;
            auto name = raw ? rawName(*wire) : std::move(*wire);
            octets += name.size() + 3;
            if (octets > namesOctets || out.back().size() == namesAtOnce) out.emplace_back(), octets = name.size();
            out.back().push_back(std::move(name));
        }
        return out;
    }

    /// NOTIFY for all folders at once; the server begins by telling how each stands. Those it does not tell of are asked about as ever. Not for
    /// so many that their names fill more than a line.
    Task<Result<void>> notify() {
        auto& push = session_.push;
        if (watching_.folders.size() < 2 || !push.notifies || !session_.has("NOTIFY")) co_return Result<void>{};
        auto set = co_await setNotify(push.notifiesRaw);
        if (!set) co_return set.error();
        const auto unknown = [this](const std::string& folder) { return !told_.contains(folder); };
        if (notifying_ && !push.notifiesRaw && std::any_of(asked_.begin(), asked_.end(), [&](const auto& folder) {
                const auto wire = wireNameOf(session_, folder);
                return unknown(folder) && wire && rawName(*wire) != *wire;
            })) {
            push.notifiesRaw = true;
            set = co_await setNotify(true);
            if (!set) co_return set.error();
        }
        if (notifying_) std::erase_if(asked_, [&](const auto& folder) { return !unknown(folder); });
        co_return Result<void>{};
    }

    Task<Result<void>> setNotify(bool raw) {
        const auto all = namesOf(watching_.folders, raw);
        if (all.size() != 1) co_return Result<void>{};
        told_.clear();
        auto command = session_.begin("NOTIFY", namesOctets * 2);
        command.word("SET STATUS (selected (MessageNew MessageExpunge)) (mailboxes").list(all.front()).word("(MessageNew MessageExpunge))").end();
        const auto taker = this->taker();
        const auto status = co_await session_.run(std::move(command), &taker, stop_);
        if (!status) co_return status.error();
        notifying_ = status->condition == Condition::ok;
        if (notifying_) co_return Result<void>{};
        const auto error = refusal(*status, session_.peer(), "NOTIFY");
        if (error.code != Code::mailboxCommandRefused) co_return error;
        session_.push.notifies = false;
        if (!session_.has("IDLE")) takeBack(status->text);
        co_return Result<void>{};
    }

    /// Asks how each of the others stands.
    Task<Result<void>> sweep() {
        const auto taker = this->taker();
        const auto others = namesOf(asked_, false);
        const bool atOnce = session_.has("LIST-STATUS") && session_.has("LIST-EXTENDED");
        for (const auto& piece : others) {
            if (atOnce) {
                auto command = session_.begin("LIST", namesOctets * 2);
                command.string("").list(piece).word("RETURN (STATUS " + std::string{statusItems} + ")").end();
                auto asked = co_await ask(std::move(command), &taker);
                if (!asked) co_return asked.error();
                continue;
            }
            for (const auto& name : piece) {
                if (watching_.wake.stop_requested()) co_return Result<void>{};
                auto command = session_.begin("STATUS");
                command.string(name).word(statusItems).end();
                auto asked = co_await ask(std::move(command), &taker);
                if (!asked) co_return asked.error();
            }
        }
        if (session_.folder.grown) tell(session_.folder.name);
        session_.push.nextSweep = now() + watching_.sweep;
        co_return Result<void>{};
    }

    /// A folder that is not there is no matter here: the caller looks into each of them now and then.
    Task<Result<void>> ask(Command command, const Taker* taker) {
        const auto status = co_await session_.run(std::move(command), taker, stop_);
        if (!status) co_return status.error();
        if (status->condition == Condition::ok) co_return Result<void>{};
        const auto error = refusal(*status, session_.peer(), "STATUS");
        if (error.code != Code::mailboxCommandRefused) co_return error;
        session_.log().debug("listener.imap", "a folder does not say how it stands",
                             {{"mailbox", session_.settings().alias}, {"text", plugin::printable(status->text)}});
        co_return Result<void>{};
    }

    // ---- IDLE

    enum class State {
        asked,    ///< IDLE is sent
        waiting,  ///< the server may tell
        leaving,  ///< DONE is sent
    };

    /// One IDLE from its beginning to its end. Without IDLE (a server that has NOTIFY alone) a NOOP shows at the end that the line is alive.
    Task<Result<void>> idle() {
        const bool command = session_.has("IDLE");
        const auto begun = now();
        auto verb = session_.begin(command ? "IDLE" : "NOOP");
        verb.end();
        const auto line = verb.pieces().front();
        auto state = State::waiting;
        if (command) {
            state = State::asked;
            const auto sent = co_await wire_.write(line, stop_);
            if (!sent) co_return sent.error();
        }
        const auto until = idleUntil(begun);
        for (;;) {
            const auto next = wire_.advance();
            if (!next) co_return next.error();
            if (*next == Connection::Next::response) {
                auto ended = take(wire_.response(), verb.tag(), state);
                if (!ended) co_return ended.error();
                if (!*ended) continue;
                const auto status = std::get<Status>(std::move(wire_.response()));
                co_return co_await afterIdle(status, state, begun);
            }
            Result<void> moved{};
            if (state != State::waiting || !wire_.quiet()) {
                moved = co_await wire_.fill(stop_);
            } else if (done() || session_.folder.grown || overflown_ || now() >= until) {
                state = State::leaving;
                wire_.limit(now() + std::min<std::chrono::milliseconds>(idleEndTime, session_.settings().ioTimeout));
                moved = co_await wire_.write(command ? std::string_view{"DONE\r\n"} : line, stop_);
            } else {
                const auto heard = co_await wire_.listen(until, either_.token());
                if (!heard) moved = heard.error();
                if (stop_.stop_requested()) co_return stopped();
            }
            if (!moved) co_return state == State::leaving ? dead(moved.error()) : moved.error();
        }
    }

    Deadline idleUntil(plugin::Steady begun) {
        auto until = std::min<Deadline>(begun + idleTime, watching_.until);
        if (session_.renewAt) until = std::min(until, *session_.renewAt);
        return sweeps() ? std::min(until, nextSweep()) : until;
    }

    /// One response; true: it was the last one. An error ends the session.
    Result<bool> take(Response& response, const std::string& tag, State& state) {
        session_.leaveOutSecrets(response);
        const auto noted = session_.note(response);
        if (!noted) return noted.error();
        if (const auto* status = std::get_if<MailboxStatus>(&response)) take(*status);
        if (std::holds_alternative<Continuation>(response) && state == State::asked) state = State::waiting;
        const auto* status = std::get_if<Status>(&response);
        if (status == nullptr) return false;
        if (status->code.is("NOTIFICATIONOVERFLOW") && notifying_) overflown_ = true;  // without NOTIFY it is nonsense, however often
        if (status->tag.empty()) return false;
        if (status->tag == tag) return true;
        return session_.strayAnswer(status->tag);
    }

    /// What it means that IDLE has ended. `state` is how far it had come.
    Task<Result<void>> afterIdle(const Status& status, State state, plugin::Steady begun) {
        wire_.limit(std::nullopt);
        auto& push = session_.push;
        const auto& first = watching_.folders.front();
        if (std::exchange(overflown_, false)) {  // RFC 5465 section 5.8: it tells no more
            notifying_ = push.notifies = false;
            asked_.assign(watching_.folders.begin() + 1, watching_.folders.end());
            push.nextSweep = now();
        }
        if (status.condition != Condition::ok) {
            const auto error = refusal(status, session_.peer(), "IDLE");
            if (error.code != Code::mailboxCommandRefused) co_return error;
            if (state == State::asked) {
                takeBack(status.text);
                co_return Result<void>{};
            }
            session_.phase = Phase::signedIn;  // the folder may be gone: whoever looks into it is told
            session_.folder = {};
            push.seen.erase(first);
        }
        if (session_.folder.grown) co_return co_await arrived();
        const bool byItself = state != State::leaving;
        if (byItself)
            push.brief = now() - begun < briefIdle ? push.brief + 1 : 0;
        else if (status.condition == Condition::ok)
            push.brief = 0;
        if (push.brief >= briefIdleLimit) {
            takeBack(status.text);
            co_return Result<void>{};
        }
        if (push.brief > 0) {
            auto pause = plugin::sleepUntil(std::min<Deadline>(now() + pauseAfterBrief, watching_.until), either_.token());
            co_await pause;
            if (stop_.stop_requested()) co_return stopped();
        }
        if (session_.phase != Phase::selected && !done()) co_return co_await enter();
        co_return Result<void>{};
    }

    /// The open folder has grown. A server that says so again and again while nothing comes is not answered at its own pace.
    Task<Result<void>> arrived() {
        auto& push = session_.push;
        const auto next = push.seen[session_.folder.name].next;
        push.brief = 0;
        push.fruitless = next == push.fruitlessNext ? push.fruitless + 1 : 0;
        push.fruitlessNext = next;
        tell(session_.folder.name);
        if (push.fruitless < fruitlessLimit) co_return Result<void>{};
        auto pause = plugin::sleepUntil(std::min<Deadline>(now() + pauseWhenFruitless, watching_.until), either_.token());
        co_await pause;
        if (stop_.stop_requested()) co_return stopped();
        co_return Result<void>{};
    }

    void takeBack(const std::string& text) {
        session_.push.refused = true;
        session_.log().information(
            "listener.imap", "the server does not tell of arrivals after all: the mailbox is asked now and then",
            {{"mailbox", session_.settings().alias}, {"host", session_.settings().target.host}, {"text", plugin::printable(text)}});
    }
    Error stopped() {
        wire_.giveUp();
        return {Reaction::retryLater, Code::channelStopped, session_.peer() + ": given up because the service is stopping"};
    }
    Error dead(Error error) {
        if (error.code == Code::channelTimeout) error.what += " (the end of IDLE is not answered: the line is dead)";
        return error;
    }

    Session& session_;
    Connection& wire_;
    Watching watching_;
    std::stop_token stop_;
    Either either_;
    std::vector<std::string> news_{};
    std::vector<std::string> asked_{};  ///< the folders the server does not tell of by itself
    std::set<std::string> told_{};      ///< the folders of which STATUS has been told since NOTIFY
    bool notifying_ = false;
    bool overflown_ = false;
};

}  // namespace

bool tellsOfArrivals(const Session& session) {
    if (!session.settings().push || session.push.refused) return false;
    return session.has("IDLE") || (session.has("NOTIFY") && session.push.notifies);
}

void lookedInto(Session& session, const Listing& listing) {
    const auto& folder = session.folder;
    session.push.seen[folder.name] = {folder.validity, std::max(folder.next, listing.upTo + 1), folder.exists};
}

Task<Result<std::vector<std::string>>> watchFolders(Session& session, Watching watching, std::stop_token stop) {
    Watcher watcher{session, std::move(watching), std::move(stop)};
    co_return co_await watcher.run();
}

}  // namespace listener::imap
