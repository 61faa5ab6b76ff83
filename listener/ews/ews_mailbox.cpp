#include "listener/ews/ews_mailbox.h"

#include "listener/ews/after.h"
#include "listener/ews/endpoint.h"
#include "listener/ews/fetching.h"
#include "listener/ews/finding.h"
#include "listener/ews/identifying.h"
#include "listener/ews/listing.h"
#include "listener/ews/session.h"
#include "listener/ews/sign_in.h"
#include "listener/ews/watching.h"

#include <stdexcept>

namespace listener::ews {

using plugin::Error;
using plugin::Result;
using plugin::Task;

namespace {

class EwsMailbox final : public Mailbox {
public:
    EwsMailbox(Settings settings, auth::Access& access, std::unique_ptr<ItemIndex> index, plugin::Log& log, std::string version,
               std::shared_ptr<RequestLimit> limit)
        : index_(std::move(index)), session_(std::move(settings), access, *index_, log, std::move(version), std::move(limit)) {}

    std::string_view protocol() const override { return "ews"; }
    bool rendersAnew() const override { return true; }

    Task<Result<void>> open(std::stop_token stop) override {
        if (open_ || session_.over) throw std::logic_error("an EWS session is opened once");
        loop_ = &co_await plugin::thisLoop();
        auto signing = signIn(session_, endpoint_, std::move(stop));
        auto signedIn = co_await signing;
        open_ = static_cast<bool>(signedIn);
        co_return signedIn;
    }

    Task<Result<std::vector<std::string>>> folders(std::vector<std::string> patterns, std::stop_token stop) override {
        if (auto unable = unableTo(Needs::session)) co_return std::move(*unable);
        auto finding = findFolders(session_, endpoint_, std::move(patterns), std::move(stop));
        co_return co_await finding;
    }

    Task<Result<FolderView>> select(std::string folder, std::stop_token stop) override {
        if (auto unable = unableTo(Needs::session)) co_return std::move(*unable);
        auto selecting = selectFolder(session_, endpoint_, std::move(folder), std::move(stop));
        co_return co_await selecting;
    }

    Task<Result<Listing>> list(ListRequest request, std::stop_token stop) override {
        if (auto unable = unableTo(Needs::folder)) co_return std::move(*unable);
        auto listing = listFolder(session_, endpoint_, request, std::move(stop));
        co_return co_await listing;
    }

    Task<Result<void>> fetch(std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging, std::stop_token stop) override {
        if (auto unable = unableTo(Needs::folder)) co_return std::move(*unable);
        auto fetching = fetchMessages(session_, Endpoints{endpoint_, second_}, std::move(ordinals), receiver, staging, std::move(stop));
        co_return co_await fetching;
    }

    Task<Result<void>> identify(IdentifiedTaker taker, std::stop_token stop) override {
        if (auto unable = unableTo(Needs::folder)) co_return std::move(*unable);
        auto identifying = identifyMessages(session_, Endpoints{endpoint_, second_}, std::move(taker), std::move(stop));
        co_return co_await identifying;
    }

    bool pushes() const override {
        if (!open_ || session_.over || !session_.settings.push) return false;
        return !session_.pushAgainAt || loop_->clock().steady() >= *session_.pushAgainAt;
    }

    Task<Result<std::vector<std::string>>> watch(Watching watching, std::stop_token stop) override {
        if (auto unable = unableTo(Needs::session)) co_return std::move(*unable);
        if (watching.folders.empty()) throw std::logic_error("nothing to watch");
        session_.folder.reset();
        second_.abandon();
        auto waiting = notifications_.watch(endpoint_, std::move(watching), std::move(stop));
        co_return co_await waiting;
    }

    Task<Result<void>> after(AfterRequest request, Copied, std::stop_token stop) override {
        if (auto unable = unableTo(Needs::folder)) co_return std::move(*unable);
        auto doing = carryOut(session_, endpoint_, std::move(request), std::move(stop));
        co_return co_await doing;
    }

    Task<void> close(std::stop_token stop) override {
        auto closing = notifications_.close(endpoint_, std::move(stop));
        co_await closing;
        endpoint_.abandon();
    }

    std::string server() const override { return session_.software; }

private:
    enum class Needs { session, folder };
    /// Calling out of order is a bug; a session that has ended is an Error.
    std::optional<Error> unableTo(Needs needs) const {
        if (session_.over) return session_.over;
        if (!open_ || (needs == Needs::folder && !session_.folder))
            throw std::logic_error("an EWS session is used before it is open, or without a folder");
        return std::nullopt;
    }

    std::unique_ptr<ItemIndex> index_;
    Session session_;
    Endpoint endpoint_{session_};
    Endpoint second_{session_};  ///< only while messages are fetched
    Notifications notifications_{session_};
    plugin::Loop* loop_ = nullptr;  ///< since open()
    bool open_ = false;
};

}  // namespace

std::unique_ptr<Mailbox> makeMailbox(Settings settings, auth::Access& access, std::unique_ptr<ItemIndex> index, plugin::Log& log, std::string version,
                                     std::shared_ptr<RequestLimit> limit) {
    return std::make_unique<EwsMailbox>(std::move(settings), access, std::move(index), log, std::move(version), std::move(limit));
}

}  // namespace listener::ews
