#pragma once

#include "listener/engine/worker.h"

#include "listener/delivery/spool.h"
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/process.h"

#include <catch2/catch.hpp>

#include <map>
#include <set>

namespace workertest {

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

/// What a server holds and does, and what was asked of it. It outlives its sessions.
struct Server {
    struct Folder {
        std::vector<std::string> mails{};
    };
    std::map<std::string, Folder> folders{};
    std::map<std::string, std::string> byUse{};               ///< "\\Archive" → "Old mail"
    std::set<std::uint64_t> substitutes{};                    ///< UIDs of what the server gives out in place of mails it cannot render
    std::set<std::uint64_t> hidden{};                         ///< UIDs that are listed and not handed out
    std::set<std::uint64_t> unlisted{};                       ///< UIDs that are not even listed
    std::map<std::string, std::set<std::uint64_t>> clings{};  ///< by folder: UIDs of which no after-action is carried out
    std::map<std::string, std::set<std::uint64_t>> moved{};   ///< by folder: UIDs of which one was
    Error clinging{Reaction::retryLater, Code::mailboxCommandRefused, "NO, it is locked"};  ///< and what is said of it
    bool pushes = true;
    bool hasNoPush = false;
    plugin::Event news{};
    std::set<std::string> heard{};          ///< told at the next watch
    bool lies = false;                      ///< every watch is told of arrivals at once
    std::optional<Error> endOfSession{};    ///< answered once by the next watch
    std::optional<Error> unwatched{};       ///< answered by every watch, at once
    std::optional<Error> endOfLook{};       ///< answered once by the next select
    std::map<std::string, Error> closed{};  ///< by protocol: nobody is let in
    std::vector<std::string> asked{};       ///< "open", "select INBOX", "watch INBOX,Orders", "close"

    std::size_t count(const std::string& what) const { return static_cast<std::size_t>(std::count(asked.begin(), asked.end(), what)); }
    void arrive(const std::string& folder, bool told = true) {
        folders[folder].mails.push_back("Subject: " + folder + std::to_string(folders[folder].mails.size()) + "\r\n\r\n");  // no two are equal
        if (!told) return;
        heard.insert(folder);
        news.set();
    }
};

class ScriptedMailbox final : public Mailbox {
public:
    ScriptedMailbox(Server& server, std::string protocol) : server_(server), protocol_(std::move(protocol)) {}

    void expect(std::string folder, std::uint64_t above) override { server_.asked.push_back("expect " + folder + " " + std::to_string(above)); }
    Task<Result<void>> open(std::stop_token) override {
        server_.asked.push_back("open");
        if (const auto found = server_.closed.find(protocol_); found != server_.closed.end()) co_return found->second;
        co_return Result<void>{};
    }
    Task<Result<std::vector<std::string>>> folders(std::vector<std::string> patterns, std::stop_token) override {
        std::vector<std::string> found;
        for (const auto& pattern : patterns) {
            if (pattern == "*")
                for (const auto& [name, folder] : server_.folders) found.push_back(name);
            else if (const auto use = server_.byUse.find(pattern); use != server_.byUse.end())
                found.push_back(use->second);
            else if (!pattern.starts_with('\\'))
                found.push_back(pattern);
        }
        co_return found;
    }
    Task<Result<FolderView>> select(std::string folder, std::stop_token) override {
        server_.asked.push_back("select " + folder);
        if (server_.endOfLook) co_return *std::exchange(server_.endOfLook, {});
        const auto found = server_.folders.find(folder);
        if (found == server_.folders.end()) co_return Error{Reaction::askOperator, Code::mailboxFolderMissing, "no " + folder};
        selected_ = folder;
        co_return FolderView{1, found->second.mails.size() + 1, found->second.mails.size()};
    }
    Task<Result<Listing>> list(ListRequest request, std::stop_token) override {
        Listing listing;
        for (auto uid = request.above + 1; uid <= mails().size(); ++uid)
            if (!server_.unlisted.contains(uid)) listing.ordinals.push_back(uid);
        listing.upTo = std::max<std::uint64_t>(request.above, mails().size());
        co_return listing;
    }
    Task<Result<void>> fetch(std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging, std::stop_token) override {
        for (const auto uid : ordinals) {
            const auto& bytes = mails()[uid - 1];
            if (server_.hidden.contains(uid)) continue;
            if (const auto limit = receiver.sizeLimit(); limit && bytes.size() > *limit) {
                Fetched large{.position = {"1:" + std::to_string(uid), uid}, .received = plugin::Wall{std::chrono::seconds{1'793'000'000}}};
                large.tooLarge = bytes.size();
                auto told = co_await receiver.take(std::move(large));
                if (!told) co_return told;
                continue;
            }
            server_.asked.push_back("fetch " + std::to_string(uid));
            ContentBuilder builder(staging, bytes.size());
            if (auto added = builder.append(bytes); !added) co_return added.error();
            auto built = builder.finish();
            if (!built) co_return built.error();
            Fetched fetched{{"1:" + std::to_string(uid), uid}, plugin::Wall{std::chrono::seconds{1'793'000'000}}, {}, built->content, built->head};
            fetched.sourceDefect = server_.substitutes.contains(uid);
            auto taken = co_await receiver.take(std::move(fetched));
            if (!taken) co_return taken;
        }
        co_return Result<void>{};
    }
    Task<Result<void>> identify(IdentifiedTaker, std::stop_token) override { throw std::logic_error("nothing was rebuilt"); }
    bool pushes() const override { return server_.pushes; }
    bool hasNoPush() const override { return server_.hasNoPush; }
    Task<Result<std::vector<std::string>>> watch(Watching watching, std::stop_token) override {
        if (!server_.pushes) throw std::logic_error("there is no push");
        std::string names;
        for (const auto& folder : watching.folders) names += (names.empty() ? "" : ",") + folder;
        server_.asked.push_back("watch " + names);
        if (server_.lies || server_.unwatched) {
            auto moment = plugin::sleepUntil((co_await plugin::thisLoop()).clock().steady() + 100ms, watching.wake);
            co_await moment;
            if (server_.unwatched) co_return *server_.unwatched;
            co_return watching.folders;
        }
        auto wait = server_.news.wait(watching.until, watching.wake);
        co_await wait;
        server_.news.reset();
        if (server_.endOfSession) co_return *std::exchange(server_.endOfSession, {});
        std::vector<std::string> heard(server_.heard.begin(), server_.heard.end());
        server_.heard.clear();
        co_return heard;
    }
    Task<Result<void>> after(AfterRequest request, Copied, std::stop_token) override {
        server_.asked.push_back("move " + std::to_string(request.ordinals.size()) + " to " + request.action.target);
        const auto& clings = server_.clings[selected_];
        for (const auto uid : request.ordinals)
            if (clings.contains(uid)) co_return server_.clinging;
        server_.moved[selected_].insert(request.ordinals.begin(), request.ordinals.end());
        co_return Result<void>{};
    }
    Task<void> close(std::stop_token) override {
        server_.asked.push_back("close");
        co_return;
    }
    std::string server() const override { return "scripted"; }

private:
    std::vector<std::string>& mails() { return server_.folders.at(selected_).mails; }
    Server& server_;
    std::string protocol_;
    std::string selected_{};
};

class CountedErrors final : public plugin::Metrics {
public:
    void describe(std::string_view, Kind, std::string_view) override {}
    void add(std::string_view name, const plugin::Labels&, double) override { errors += name == "postern_errors_total" ? 1 : 0; }
    void set(std::string_view, const plugin::Labels&, double) override {}
    int addCollector(std::function<void()>) override { return 0; }
    void removeCollector(int) override {}
    int errors = 0;
};

/// A worker on simulated ground, with all time in our hands.
class World {
public:
    explicit World(const std::function<void(MailboxSettings&)>& configure = [](auto&) {}) {
        plugin::SqliteOptions options;
        options.path = "/postern.db";
        options.vfs = files_.name();
        options.exclusive = true;
        database_ = std::move(*plugin::makeSqliteDatabase(options));
        REQUIRE(database_->migrate(ledgerOwner, ledgerMigrations()));
        ledger_ = makeLedger(*database_, clock_);
        outbox_ = makeOutboxLedger(*database_, clock_);
        SinkSettings settings{.name = "spool", .concurrency = 4, .timeout = 60s, .retryMaxInterval = 15min};
        outlet_ =
            std::make_shared<Outlet>(Outlet::Parts{*outbox_, kept_, log_, metrics, dice_, [](const auto&) {}}, loop_, std::move(settings), sink_);
        parts_.reset(new WorkerParts{*access_, *ledger_, *outbox_, kept_, [] {}, disk_, log_, metrics, dice_, pacer_, "/staging", 90 * 24h, "1",
                                     [this](const MailboxSettings& by) {
                                         readBy.push_back(by.protocol);
                                         return std::make_unique<ScriptedMailbox>(server, by.protocol);
                                     }});
        settings_.alias = "box";
        settings_.folders = {"INBOX"};
        settings_.start.kind = Start::Kind::all;
        settings_.maxPerRound = 100;
        settings_.sinks = {"spool"};
        server.folders["INBOX"];
        configure(settings_);
    }
    ~World() { end(); }

    /// Begins the mailbox's life and lets this much of it pass.
    void pass(std::chrono::milliseconds time) {
        if (!worker) {
            worker = std::make_unique<Worker>(*parts_, loop_, settings_, std::vector<Outlet*>{outlet_.get()});
            ended_ = plugin::start(loop_, worker->run(plugin::Mode::service, {finish_.get_token(), giveUp_.get_token()}));
        }
        const auto until = clock_.steady() + time;
        while (loop_.step(until)) {
        }
        if (loop_.bug()) std::rethrow_exception(loop_.bug());
    }
    /// As by SIGTERM: true when it ended by itself.
    bool end() {
        if (!ended_) return true;
        finish_.request_stop();
        pass(5s);
        return ended_->isSet();
    }
    std::vector<LedgerRow> rows() {
        auto answer = plugin::start(loop_, ledger_->rows({}));
        while (!answer->isSet() && loop_.step(clock_.steady() + 1s)) {
        }
        return *answer->get();
    }
    std::optional<Detour> detour() {
        auto answer = plugin::start(loop_, ledger_->detour("box"));
        while (!answer->isSet() && loop_.step(clock_.steady() + 1s)) {
        }
        return *answer->get();
    }
    void take(Detour detour) {
        auto answer = plugin::start(loop_, ledger_->take("box", std::move(detour)));
        while (!answer->isSet() && loop_.step(clock_.steady() + 1s)) {
        }
        REQUIRE(answer->get());
    }
    /// The database's next write fails.
    void failOnce() {
        files_.judge([failed = false](auto effect, auto, const auto&) mutable {
            const bool now = effect == simulation::SimVfs::Effect::write && !std::exchange(failed, true);
            return now ? simulation::SimVfs::Fate::ioError : simulation::SimVfs::Fate::pass;
        });
    }
    const std::string& log() const { return log_.text(); }
    std::size_t delivered() const { return disk_.files("/spool/box").size(); }
    std::string health() { return std::string(name(worker->status().view(clock_.steady()).health)); }
    std::string state() { return std::string(name(worker->status().view(clock_.steady()).state)); }

    Server server{};
    CountedErrors metrics{};
    std::unique_ptr<Worker> worker{};
    std::vector<std::string> readBy{};  ///< of each session, the protocol

private:
    simulation::Dice dice_{1};
    simulation::WorldClock clock_{};
    simulation::KeptLog log_{false, clock_};
    simulation::SimVfs files_{};
    simulation::SimDisk disk_{};
    simulation::SimLoop loop_{clock_, dice_};
    std::unique_ptr<auth::Access> access_ =
        auth::makeAccess({std::make_shared<plugin::Configuration>(), clock_, dice_, log_, metrics, nullptr, nullptr});
    std::unique_ptr<plugin::Database> database_{};
    std::unique_ptr<Ledger> ledger_{};
    std::unique_ptr<OutboxLedger> outbox_{};
    OutboxFiles kept_{disk_, clock_, dice_, "/data"};
    std::shared_ptr<Sink> sink_ = makeSpool({.name = "spool", .path = "/spool", .metadata = false}, disk_);
    std::shared_ptr<Outlet> outlet_{};
    SignInPacer pacer_{};
    std::stop_source finish_{}, giveUp_{};
    MailboxSettings settings_{};
    std::unique_ptr<WorkerParts> parts_{};
    std::shared_ptr<plugin::Shared<bool>> ended_{};
};

}  // namespace workertest
