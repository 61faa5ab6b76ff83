#include "listener/imap/imap_mailbox.h"

#include "listener/imap/after.h"
#include "listener/imap/fetching.h"
#include "listener/imap/finding.h"
#include "listener/imap/folder.h"
#include "listener/imap/identifying.h"
#include "listener/imap/lexer.h"
#include "listener/imap/listing.h"
#include "listener/imap/session.h"
#include "listener/imap/sign_in.h"
#include "listener/imap/watching.h"

#include <algorithm>
#include <stdexcept>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

/// For sending a good-bye; nobody waits for the answer.
constexpr std::chrono::milliseconds logoutTime{2'000};
/// For the greeting and the sign-in together, in time-outs of one answer: a server that says something now and then and never comes to the point
/// would hold us for ever.
constexpr int signInTimeouts = 3;
/// A session that ends with its token's life is renewed so long before, while nothing is under way.
constexpr std::chrono::minutes renewBefore{5};
/// Servers are not exact about it.
constexpr std::chrono::seconds endsWithToken{60};

class ImapMailbox final : public Mailbox {
public:
    ImapMailbox(Settings settings, auth::Access& access, plugin::Log& log, std::string version)
        : settings_(std::move(settings)), access_(access), log_(log), version_(std::move(version)) {}

    void expect(std::string folder, std::uint64_t above) override {
        if (equalsIgnoreCase(folder, "INBOX")) expected_ = Expected{std::move(folder), above};
    }

    Task<Result<void>> open(std::stop_token stop) override {
        if (session_) throw std::logic_error("an IMAP session is opened once");
        auto& loop = co_await plugin::thisLoop();
        auto credentials = co_await obtainCredentials(access_, settings_, stop);
        if (!credentials) co_return credentials.error();
        credentials_ = std::move(*credentials);
        auto target = settings_.target;
        auto channel = co_await access_.dialer().dial(std::move(target), loop.clock().steady() + settings_.connectTimeout, stop);
        if (!channel) co_return channel.error();
        session_ = std::make_unique<Session>(std::move(*channel), loop, settings_, log_);
        session_->expects = std::move(expected_);
        session_->conceal(credentials_.token ? credentials_.token->secret->reveal() : credentials_.password->password.reveal());
        session_->connection().limit(loop.clock().steady() + signInTimeouts * settings_.ioTimeout);
        auto signedIn = co_await signIn(*session_, access_, credentials_, version_, stop);
        session_->connection().limit(std::nullopt);
        if (!signedIn) session_->connection().giveUp();
        if (signedIn && credentials_.token) keep(loop);
        co_return ended(std::move(signedIn));
    }

    Task<Result<std::vector<std::string>>> folders(std::vector<std::string> patterns, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::signedIn)) co_return std::move(*unable);
        auto found = co_await findFolders(*session_, std::move(patterns), stop);
        co_return ended(std::move(found));
    }

    Task<Result<void>> identify(IdentifiedTaker taker, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::selected)) co_return std::move(*unable);
        auto identified = co_await identifyMessages(*session_, std::move(taker), stop);
        co_return ended(std::move(identified));
    }

    bool pushes() const override { return session_ && !session_->connection().broken() && tellsOfArrivals(*session_); }

    Task<Result<std::vector<std::string>>> watch(Watching watching, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::signedIn)) co_return std::move(*unable);
        if (watching.folders.empty()) throw std::logic_error("nothing to watch");
        entered_ = false;
        if (session_->folder.ahead) session_->phase = Phase::signedIn;  // nobody has looked into it: to be entered again
        auto news = co_await watchFolders(*session_, std::move(watching), stop);
        co_return ended(std::move(news));
    }

    Task<Result<FolderView>> select(std::string folder, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::signedIn)) co_return std::move(*unable);
        if (isOpenFor(folder)) {
            entered_ = true;
            co_return FolderView{session_->folder.validity, knownNext(), session_->folder.exists};
        }
        entered_ = false;
        auto selected = co_await selectFolder(*session_, std::move(folder), stop);
        const auto result = ended(std::move(selected));
        if (!result) co_return result.error();
        entered_ = true;
        co_return FolderView{session_->folder.validity, session_->folder.next, session_->folder.exists};
    }

    Task<Result<Listing>> list(ListRequest request, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::selected)) co_return std::move(*unable);
        if (!session_->folder.ahead) session_->folder.grown = false;
        auto listing = co_await listFolder(*session_, request, stop);
        if (listing) lookedInto(*session_, *listing);
        co_return ended(std::move(listing));
    }

    Task<Result<void>> fetch(std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::selected)) co_return std::move(*unable);
        auto fetched = co_await fetchMessages(*session_, std::move(ordinals), receiver, staging, stop);
        co_return ended(std::move(fetched));
    }

    Task<Result<void>> after(AfterRequest request, Copied copied, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::selected)) co_return std::move(*unable);
        auto done = co_await carryOut(*session_, std::move(request), std::move(copied), stop);
        co_return ended(std::move(done));
    }

    Task<void> close(std::stop_token stop) override {
        if (!session_ || session_->connection().broken() || session_->phase < Phase::signedIn) co_return;
        auto& connection = session_->connection();
        connection.timeout(std::min(logoutTime, settings_.ioTimeout));
        auto command = session_->begin("LOGOUT");
        command.end();
        // Its answer tells nothing anybody needs, and the server reads the command before the end of the stream: no round trip for it.
        const auto line = command.pieces().front();
        const auto sent = co_await connection.write(line, stop);
        if (!sent) log_.debug("listener.imap", "no good-bye", {{"mailbox", settings_.alias}, {"cause", sent.error().what}});
        connection.giveUp();
    }

    std::optional<plugin::Wall> signedInUntil() const override {
        if (!credentials_.token) return std::nullopt;
        return credentials_.token->expiresAt;
    }
    std::string server() const override { return session_ ? session_->software : std::string{}; }

private:
    /// Calling out of order is a bug; a session that has ended is an Error.
    std::optional<Error> unableTo(Phase needed) const {
        if (session_ && session_->connection().broken()) return session_->connection().over();
        if (!session_ || session_->phase < needed || (needed == Phase::selected && !entered_))
            throw std::logic_error("an IMAP session is used before it is open, or without a folder");
        return std::nullopt;
    }

    /// What is needed to tell that the token's life is why a session ends.
    void keep(plugin::Loop& loop) {
        session_->byToken = true;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(credentials_.token->expiresAt - loop.clock().wall());
        if (left <= std::chrono::milliseconds::zero() || !session_->has("X-GM-EXT-1")) return;
        const auto now = loop.clock().steady();
        session_->tokenEnd = now + left;
        session_->renewAt = now + std::max<std::chrono::milliseconds>(left - renewBefore, left / 2);
    }

    /// It was entered with the sign-in; or watch() has ended because of arrivals in it: they are in its view, and entering it again (slow where it is
    /// large) shows no more.
    bool isOpenFor(const std::string& folder) const {
        const auto& open = session_->folder;
        return !entered_ && session_->phase == Phase::selected && open.name == folder && (open.grown || open.ahead);
    }
    /// UIDNEXT as far as it is known: what was listed lies below.
    std::uint64_t knownNext() const {
        const auto seen = session_->push.seen.find(session_->folder.name);
        return std::max(session_->folder.next, seen == session_->push.seen.end() ? 0 : seen->second.next);
    }

    /// At the end of each call: whoever waits needs no read buffer. A session that ends about when its token does ended for that reason.
    template <class T>
    Result<T> ended(Result<T> result) {
        session_->connection().rest();
        if (result) return result;
        auto error = result.error();
        if (session_->refusedToken) access_.tokens().refused(credentials_.identity, *credentials_.token);
        session_->refusedToken = false;
        const bool closed = error.code == Code::channelClosed || error.code == Code::mailboxClosedByServer;
        if (closed && session_->tokenEnd && session_->connection().loop().clock().steady() >= *session_->tokenEnd - endsWithToken) {
            error.code = Code::mailboxSessionExpired;
            error.what += " (with the token's life)";
        }
        return error;
    }

    Settings settings_;
    auth::Access& access_;
    plugin::Log& log_;
    std::string version_;
    Credentials credentials_{};  ///< what the session signed in with, and conceals
    std::unique_ptr<Session> session_{};
    std::optional<Expected> expected_{};
    bool entered_ = false;  ///< the open folder is the caller's, not that of watch()
};

}  // namespace

std::unique_ptr<Mailbox> makeMailbox(Settings settings, auth::Access& access, plugin::Log& log, std::string version) {
    return std::make_unique<ImapMailbox>(std::move(settings), access, log, std::move(version));
}

}  // namespace listener::imap
