#include "listener/imap/imap_mailbox.h"

#include "listener/imap/after.h"
#include "listener/imap/fetching.h"
#include "listener/imap/finding.h"
#include "listener/imap/folder.h"
#include "listener/imap/identifying.h"
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

/// A good-bye nobody waits for.
constexpr std::chrono::milliseconds logoutTime{2'000};

class ImapMailbox final : public Mailbox {
public:
    ImapMailbox(Settings settings, auth::Access& access, plugin::Log& log, std::string version)
        : settings_(std::move(settings)), access_(access), log_(log), version_(std::move(version)) {}

    Task<Result<void>> open(std::stop_token stop) override {
        if (session_) throw std::logic_error("an IMAP session is opened once");
        auto& loop = co_await plugin::thisLoop();
        const auto credentials = co_await obtainCredentials(access_, settings_, stop);
        if (!credentials) co_return credentials.error();
        auto target = settings_.target;
        auto channel = co_await access_.dialer().dial(std::move(target), loop.clock().steady() + settings_.connectTimeout, stop);
        if (!channel) co_return channel.error();
        session_ = std::make_unique<Session>(std::move(*channel), loop, settings_, log_);
        auto signedIn = co_await signIn(*session_, access_, *credentials, version_, stop);
        if (!signedIn) session_->connection().giveUp();
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
        auto news = co_await watchFolders(*session_, std::move(watching), stop);
        co_return ended(std::move(news));
    }

    Task<Result<FolderView>> select(std::string folder, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::signedIn)) co_return std::move(*unable);
        entered_ = false;
        auto selected = co_await selectFolder(*session_, std::move(folder), stop);
        const auto result = ended(std::move(selected));
        if (!result) co_return result.error();
        entered_ = true;
        co_return FolderView{session_->folder.validity, session_->folder.next, session_->folder.exists};
    }

    Task<Result<Listing>> list(ListRequest request, std::stop_token stop) override {
        if (auto unable = unableTo(Phase::selected)) co_return std::move(*unable);
        session_->folder.grown = false;
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
        session_->leaving();
        session_->connection().timeout(std::min(logoutTime, settings_.ioTimeout));
        auto command = session_->begin("LOGOUT");
        command.end();
        const auto answered = co_await session_->run(std::move(command), nullptr, stop);
        if (!answered) log_.debug("listener.imap", "no good-bye", {{"mailbox", settings_.alias}, {"cause", answered.error().what}});
        session_->connection().giveUp();
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

    /// At the end of each call: whoever waits needs no read buffer.
    template <class T>
    Result<T> ended(Result<T> result) {
        session_->connection().rest();
        return result;
    }

    Settings settings_;
    auth::Access& access_;
    plugin::Log& log_;
    std::string version_;
    std::unique_ptr<Session> session_{};
    bool entered_ = false;  ///< the open folder is the caller's, not that of watch()
};

}  // namespace

std::unique_ptr<Mailbox> makeMailbox(Settings settings, auth::Access& access, plugin::Log& log, std::string version) {
    return std::make_unique<ImapMailbox>(std::move(settings), access, log, std::move(version));
}

}  // namespace listener::imap
