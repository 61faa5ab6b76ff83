#include "listener/graph/graph_mailbox.h"

#include "listener/graph/after.h"
#include "listener/graph/fetching.h"
#include "listener/graph/folders.h"
#include "listener/graph/identifying.h"
#include "listener/graph/naming.h"
#include "listener/graph/session.h"
#include "listener/graph/syncing.h"

#include <stdexcept>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

class GraphMailbox final : public Mailbox {
public:
    GraphMailbox(Settings settings, auth::Access& access, std::unique_ptr<ItemIndex> index, plugin::Random& random, plugin::Log& log,
                 std::string version, std::shared_ptr<RequestLimit> limit)
        : settings_(std::move(settings)),
          access_(access),
          index_(std::move(index)),
          random_(random),
          log_(log),
          version_(std::move(version)),
          limit_(std::move(limit)) {}

    std::string_view protocol() const override { return "graph"; }
    bool rendersAnew() const override { return true; }
    bool pushes() const override { return false; }
    bool hasNoPush() const override { return true; }
    std::string server() const override { return opened_ ? "Microsoft Graph" : ""; }

    Task<Result<void>> open(std::stop_token stop) override {
        if (session_) throw std::logic_error("a session by Graph is opened once");
        auto& loop = co_await plugin::thisLoop();
        const auto kind = access_.kind(settings_.credential);
        if (!kind) co_return kind.error();
        if (*kind != auth::Access::Kind::token)
            co_return Error{Reaction::askOperator, Code::mailboxNoMechanism,
                            settings_.url + ": Microsoft Graph takes no password: credential " + settings_.credential + " must be one of tokens"};
        session_ = std::make_unique<Session>(settings_, access_, *index_, random_, log_, version_, loop, limit_);
        auto finding = findInbox(*session_, std::move(stop));
        auto found = co_await finding;
        opened_ = static_cast<bool>(found);
        co_return found;
    }

    Task<Result<std::vector<std::string>>> folders(std::vector<std::string> patterns, std::stop_token stop) override {
        needs(opened_);
        auto finding = findFolders(*session_, std::move(patterns), std::move(stop));
        co_return co_await finding;
    }

    Task<Result<FolderView>> select(std::string folder, std::stop_token stop) override {
        needs(opened_);
        entered_ = false;
        auto selecting = selectFolder(*session_, std::move(folder), std::move(stop));
        auto view = co_await selecting;
        entered_ = static_cast<bool>(view);
        co_return view;
    }

    Task<Result<Listing>> list(ListRequest request, std::stop_token stop) override {
        needs(entered_);
        auto listing = listFolder(*session_, request, std::move(stop));
        co_return co_await listing;
    }

    Task<Result<void>> fetch(std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging, std::stop_token stop) override {
        needs(entered_);
        auto fetching = fetchMessages(*session_, std::move(ordinals), receiver, staging, std::move(stop));
        co_return co_await fetching;
    }

    Task<Result<void>> identify(IdentifiedTaker taker, std::stop_token stop) override {
        needs(entered_);
        auto identifying = identifyMessages(*session_, std::move(taker), std::move(stop));
        co_return co_await identifying;
    }

    bool knowsNamesOf(std::string_view protocol) const override { return opened_ && protocol == "ews" && session_->translates; }

    Task<Result<std::vector<Named>>> named(std::string protocol, std::vector<std::string> ids, std::stop_token stop) override {
        needs(entered_);
        if (!knowsNamesOf(protocol)) co_return std::vector<Named>(ids.size());
        auto naming = translateNames(*session_, std::move(ids), std::move(stop));
        co_return co_await naming;
    }

    Task<Result<std::vector<std::string>>> watch(Watching, std::stop_token) override {
        throw std::logic_error("Graph tells of nothing by itself: it is not waited for");
    }

    /// A move is one step at the server: there is never a copy beside the original, and nothing to be recorded in between.
    Task<Result<void>> after(AfterRequest request, Copied, std::stop_token stop) override {
        needs(entered_);
        auto doing = carryOut(*session_, std::move(request), std::move(stop));
        co_return co_await doing;
    }

    Task<void> close(std::stop_token) override {
        if (session_) session_->close();
        co_return;
    }

private:
    static void needs(bool holds) {
        if (!holds) throw std::logic_error("a session by Graph is used before it is open, or without a folder");
    }

    const Settings settings_;
    auth::Access& access_;
    const std::unique_ptr<ItemIndex> index_;
    plugin::Random& random_;
    plugin::Log& log_;
    const std::string version_;
    const std::shared_ptr<RequestLimit> limit_;
    std::unique_ptr<Session> session_{};
    bool opened_ = false;
    bool entered_ = false;
};

}  // namespace

std::unique_ptr<Mailbox> makeMailbox(Settings settings, auth::Access& access, std::unique_ptr<ItemIndex> index, plugin::Random& random,
                                     plugin::Log& log, std::string version, std::shared_ptr<RequestLimit> limit) {
    return std::make_unique<GraphMailbox>(std::move(settings), access, std::move(index), random, log, std::move(version), std::move(limit));
}

}  // namespace listener::graph
