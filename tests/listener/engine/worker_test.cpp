#include "listener/engine/worker.h"

#include "listener/delivery/spool.h"
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/process.h"

#include <catch2/catch.hpp>

#include <map>
#include <set>

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

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
        if (server_.lies) {
            auto moment = plugin::sleepUntil((co_await plugin::thisLoop()).clock().steady() + 100ms, watching.wake);
            co_await moment;
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

}  // namespace

SCENARIO("a mailbox whose server pushes is looked into at news, and as a whole now and then", "[worker]") {
    World world;
    world.pass(10s);
    CHECK(world.state() == "watching");
    CHECK(world.server.count("select INBOX") == 1);

    world.server.arrive("INBOX");
    world.pass(10s);
    CHECK(world.delivered() == 1);
    CHECK(world.server.count("select INBOX") == 2);

    world.server.arrive("INBOX", false);  // the server forgets to tell
    world.pass(4min);
    CHECK(world.delivered() == 1);
    world.pass(1min);
    CHECK(world.delivered() == 2);
    CHECK(world.server.count("select INBOX") == 3);
    CHECK(world.server.count("open") == 1);
    CHECK(world.health() == "ok");
}

SCENARIO("a server that tells of arrivals there are none of sets no pace", "[worker]") {
    World world;
    world.server.lies = true;
    world.pass(1min);
    CHECK(world.server.count("select INBOX") > 5);
    CHECK(world.server.count("select INBOX") < 20);
    CHECK(world.health() == "ok");

    world.server.lies = false;
    world.pass(10s);
    world.server.arrive("INBOX");
    world.pass(6s);
    CHECK(world.delivered() == 1);
    world.server.arrive("INBOX");  // it has told the truth: no more waiting
    world.pass(1s);
    CHECK(world.delivered() == 2);
}

SCENARIO("where the server does not push, the mailbox is looked into every interval", "[worker]") {
    World world;
    world.server.pushes = false;
    world.pass(10min + 1s);
    CHECK(world.state() == "waiting");
    CHECK(world.server.count("select INBOX") == 11);
    CHECK(world.server.count("open") == 1);
}

SCENARIO("where a protocol has no push, looks follow each other by seconds while mail comes, and by minutes while none does", "[worker]") {
    World world;
    world.server.pushes = false;
    world.server.hasNoPush = true;
    const auto looks = [&world] { return world.server.count("select INBOX"); };
    world.pass(10min + 1s);
    CHECK(looks() == 11);  // as configured, while nothing is known
    CHECK(world.health() == "ok");
    GIVEN("mail that comes after a while") {
        world.server.arrive("INBOX");
        world.pass(1min);
        REQUIRE(world.delivered() == 1);
        THEN("what follows it is there within seconds") {
            for (std::size_t i = 2; i <= 60; ++i) {
                world.server.arrive("INBOX");
                world.pass(6s);
                CHECK(world.delivered() == i);
            }
            CHECK(world.health() == "ok");
        }
        THEN("a lull lengthens the looks again, to what is configured") {
            world.pass(4min);
            const auto before = looks();
            world.pass(10min);
            CHECK(looks() - before == 10);
        }
        THEN("a server that wants us slower is not asked more often than configured, for a while") {
            world.server.endOfLook = Error{Reaction::retryLater, Code::mailboxThrottled, "too many requests"};
            world.pass(1min);
            world.server.arrive("INBOX");
            world.pass(1min);
            REQUIRE(world.delivered() == 2);
            const auto before = looks();
            world.pass(5min);
            CHECK(looks() - before == 5);
            world.pass(10min);
            world.server.arrive("INBOX");
            world.pass(1min);
            world.server.arrive("INBOX");
            world.pass(16s);  // a quarter of the time since at most
            CHECK(world.delivered() == 4);
        }
    }
    GIVEN("none for hours") {
        world.pass(3h);
        const auto before = looks();
        world.pass(1h);
        THEN("a look every five minutes is enough, and the mailbox is well") {
            CHECK(looks() - before == 12);
            CHECK(world.health() == "ok");
        }
        THEN("the next mail is there within that time, and those behind it within seconds") {
            world.server.arrive("INBOX");
            world.pass(5min);
            REQUIRE(world.delivered() == 1);
            world.server.arrive("INBOX");
            world.pass(80s);  // a quarter of the time since at most
            CHECK(world.delivered() == 2);
            world.server.arrive("INBOX");
            world.pass(21s);
            CHECK(world.delivered() == 3);
        }
    }
}

SCENARIO("where a protocol has no push and the interval is written, looks are never further apart", "[worker]") {
    World world([](auto& settings) { settings.quiet = settings.interval; });
    world.server.pushes = false;
    world.server.hasNoPush = true;
    world.pass(5h);
    const auto before = world.server.count("select INBOX");
    world.pass(1h);
    CHECK(world.server.count("select INBOX") - before == 60);
}

SCENARIO("a server that takes its word back is polled from then on", "[worker]") {
    World world;
    world.pass(10s);
    world.server.pushes = false;
    world.server.news.set();
    world.pass(3min);
    CHECK(world.state() == "waiting");
    CHECK(world.server.count("watch INBOX") == 1);
    CHECK(world.server.count("select INBOX") >= 3);
    CHECK(world.server.count("select INBOX") <= 5);
}

SCENARIO("a server that gives no push after all, and says to look, is polled from then on", "[worker]") {
    World world;
    world.pass(10s);
    world.server.pushes = false;
    world.server.heard.insert("INBOX");
    world.server.news.set();
    world.pass(20s);
    world.server.arrive("INBOX", false);
    for (int second = 0; second < 60; ++second) {
        world.pass(1s);
        CHECK(world.health() == "ok");
    }
    CHECK(world.delivered() == 1);
    for (int minute = 0; minute < 5; ++minute) {
        world.pass(1min);
        CHECK(world.health() == "ok");
    }
    CHECK(world.server.count("watch INBOX") == 1);
}

SCENARIO("only the folders with news are looked into, and the busiest is watched first", "[worker]") {
    World world([](auto& settings) { settings.folders = {"INBOX", "Orders", "Rest"}; });
    for (const auto* folder : {"Orders", "Rest"}) world.server.folders[folder];
    world.pass(10s);
    CHECK(world.server.asked.back() == "watch INBOX,Orders,Rest");
    world.server.arrive("Rest");
    world.server.arrive("Rest");
    world.server.arrive("Orders");
    world.pass(10s);
    CHECK(world.delivered() == 3);
    CHECK(world.server.count("select INBOX") == 1);
    CHECK(world.server.count("select Orders") == 2);
    CHECK(world.server.asked.back() == "watch Rest,Orders,INBOX");
}

SCENARIO("a folder that is missing keeps nobody from watching the others", "[worker]") {
    World world([](auto& settings) { settings.folders = {"Missing", "INBOX"}; });
    world.pass(10s);
    CHECK(world.server.asked.back() == "watch INBOX");
    CHECK(world.health() == "blocked");
    world.server.arrive("INBOX");
    world.pass(1s);
    CHECK(world.delivered() == 1);
    world.server.folders["Missing"];  // somebody makes it
    world.pass(1min);
    CHECK(world.health() == "ok");
    CHECK(world.server.count("open") == 1);
}

SCENARIO("wildcards never include the folder that mail is moved to, which may be named by its use", "[worker]") {
    World world([](auto& settings) {
        settings.folders = {"*"};
        settings.after = {AfterAction::Kind::move, "\\Archive"};
    });
    world.server.folders["Old mail"];
    world.server.byUse["\\Archive"] = "Old mail";
    world.server.arrive("INBOX", false);
    world.pass(10s);
    CHECK(world.server.count("select Old mail") == 0);
    CHECK(world.server.count("move 1 to Old mail") == 1);
    CHECK(world.server.asked.back() == "watch INBOX");

    world.server.folders["Later"];  // a folder that appears is found at the next whole look
    world.server.arrive("Later", false);
    world.pass(5min);
    CHECK(world.delivered() == 2);
}

SCENARIO("a use that no folder has asks the operator", "[worker]") {
    World world([](auto& settings) { settings.after = {AfterAction::Kind::move, "\\Archive"}; });
    world.pass(10s);
    CHECK(world.health() == "blocked");
    CHECK(world.worker->status().view({}).lastError->code == Code::mailboxFolderMissing);
}

SCENARIO("an operator's act is looked at once, in the same session", "[worker]") {
    World world;
    world.pass(10s);
    world.server.arrive("INBOX", false);
    world.worker->operatorActed();
    world.pass(1s);
    CHECK(world.delivered() == 1);
    CHECK(world.server.count("open") == 1);
    CHECK(world.state() == "watching");
}

SCENARIO("a session that ends with its token's life is no failure", "[worker]") {
    World world;
    world.pass(50min);
    world.server.endOfSession = Error{Reaction::reconnect, Code::mailboxSessionExpired, "the token's life has ended"};
    world.server.news.set();
    world.pass(1s);
    CHECK(world.server.count("open") == 2);
    CHECK(world.metrics.errors == 0);
    CHECK(world.health() == "ok");

    // Unless it comes at once: then something else is wrong, and nobody storms the server.
    for (int i = 0; i < 100; ++i) {
        world.server.endOfSession = Error{Reaction::reconnect, Code::mailboxSessionExpired, "the token's life has ended"};
        world.server.news.set();
        world.pass(36s);
    }
    CHECK(world.server.count("open") <= 22);
    CHECK(world.metrics.errors > 0);
}

SCENARIO("a session is told what it will be asked for first, where that is known", "[worker]") {
    GIVEN("a mailbox that is to be delivered from its beginning") {
        World world;
        world.server.arrive("INBOX");
        world.server.arrive("INBOX");
        world.pass(2min);
        CHECK(world.server.asked.front() == "expect INBOX 0");
        world.server.endOfSession = Error{Reaction::reconnect, Code::mailboxSessionExpired, "its time is over"};
        world.server.news.set();
        world.pass(10s);
        CHECK(world.server.count("open") == 2);
        CHECK(world.server.count("expect INBOX 2") == 1);
    }
    GIVEN("one that begins now") {
        World world([](auto& settings) { settings.start.kind = Start::Kind::now; });
        world.pass(10s);
        CHECK(world.server.asked.front() == "open");
    }
}

SCENARIO("a mailbox that is told to finish while it watches says good-bye", "[worker]") {
    World world;
    world.pass(10s);
    REQUIRE(world.state() == "watching");
    CHECK(world.end());
    CHECK(world.server.asked.back() == "close");
}

SCENARIO("a line that goes dead without a word makes the mailbox stalled", "[worker]") {
    World world;
    world.pass(10s);
    world.server.endOfSession = Error{Reaction::reconnect, Code::channelTimeout, "no answer in time"};
    world.server.news.set();
    world.pass(1s);
    CHECK(world.health() == "degraded");
    CHECK(world.metrics.errors == 1);
    world.pass(10s);  // 2 s of back-off and its jitter
    CHECK(world.health() == "ok");
    CHECK(world.server.count("open") == 2);
}

SCENARIO("a substitute for a mail the server cannot render is set aside, and the mails around it arrive", "[worker]") {
    World world([](auto& settings) { settings.after = {AfterAction::Kind::move, "Done"}; });
    for (int i = 0; i < 3; ++i) world.server.arrive("INBOX", false);
    world.server.substitutes = {2};
    world.pass(10s);
    CHECK(world.delivered() == 2);
    CHECK(world.server.count("move 2 to Done") == 1);  // of the substitute nothing is moved
    CHECK(world.metrics.errors == 1);
    std::map<std::string, MessageState> states;
    for (const auto& row : world.rows()) states[row.position] = row.state;
    CHECK(states == std::map<std::string, MessageState>{
                        {"1:1", MessageState::delivered}, {"1:2", MessageState::quarantined}, {"1:3", MessageState::delivered}});
    CHECK(world.health() == "ok");
    world.pass(5min);  // it is not met again
    CHECK(world.metrics.errors == 1);
    CHECK(world.rows().size() == 3);
}

SCENARIO("what is listed and not handed out is missing after ten minutes, and is delivered under its id when it can be read", "[worker]") {
    World world;
    for (int i = 0; i < 3; ++i) world.server.arrive("INBOX");
    world.server.hidden = {2};
    world.pass(9min);
    REQUIRE(world.delivered() == 2);
    REQUIRE(world.rows().size() == 2);
    REQUIRE(world.health() != "ok");
    world.pass(8min);
    std::string id;
    for (const auto& row : world.rows())
        if (row.state == MessageState::missing) id = row.id;
    REQUIRE(world.rows().size() == 3);
    REQUIRE_FALSE(id.empty());
    REQUIRE(world.health() == "ok");  // one message does not keep a mailbox from being verified for ever
    WHEN("it can be read within a day") {
        world.server.hidden.clear();
        world.pass(10min);
        THEN("it is delivered, once") {
            REQUIRE(world.delivered() == 3);
            REQUIRE(world.rows().size() == 3);
            for (const auto& row : world.rows()) REQUIRE(row.state == MessageState::delivered);
            world.pass(2h);
            REQUIRE(world.delivered() == 3);
            REQUIRE(world.server.count("fetch 2") == 1);
        }
    }
    WHEN("it is not") {
        world.pass(30h);
        const auto asked = world.server.count("fetch 2");
        world.server.hidden.clear();
        world.pass(2h);
        THEN("it is sought no more") {
            REQUIRE(world.server.count("fetch 2") == asked);
            REQUIRE(world.delivered() == 2);
        }
    }
}

SCENARIO("what is larger than max_size is set aside without being fetched, and the mails around it arrive", "[worker]") {
    World world([](auto& settings) { settings.maxSize = 1000; });
    world.server.arrive("INBOX");
    world.server.folders["INBOX"].mails.push_back("Subject: large\r\n\r\n" + std::string(2000, 'x'));
    world.server.arrive("INBOX");
    world.pass(1min);
    REQUIRE(world.delivered() == 2);
    REQUIRE(world.server.count("fetch 2") == 0);
    const auto rows = world.rows();
    REQUIRE(rows.size() == 3);
    const auto large = std::find_if(rows.begin(), rows.end(), [](const auto& row) { return row.state == MessageState::quarantined; });
    REQUIRE(large != rows.end());
    REQUIRE(large->size == 2018);
    REQUIRE(world.health() == "ok");
}

SCENARIO("a message below the cursor that nobody knows of is noticed within a day", "[worker]") {
    World world;
    world.server.unlisted = {1};  // a server that shows it too late
    for (int i = 0; i < 3; ++i) world.server.arrive("INBOX");
    world.pass(90min);
    REQUIRE(world.delivered() == 2);
    REQUIRE(world.worker->unaccounted().at("INBOX") == 0);
    world.server.unlisted.clear();
    world.pass(25h);
    REQUIRE(world.worker->unaccounted().at("INBOX") == 1);
}

SCENARIO("an after-action that the server refuses for good keeps no mail from being delivered", "[worker]") {
    World world([](auto& settings) {
        settings.folders = {"INBOX", "Orders"};
        settings.after = {AfterAction::Kind::move, "Done"};
    });
    for (int i = 0; i < 40; ++i) world.server.arrive("INBOX");
    world.server.arrive("Orders");
    world.server.clings["INBOX"] = {7};
    const auto all = [](std::uint64_t last) {
        std::set<std::uint64_t> uids;
        for (std::uint64_t uid = 1; uid <= last; ++uid) uids.insert(uid);
        return uids;
    };
    auto others = all(40);
    others.erase(7);
    GIVEN("one that another try may help") {
        world.pass(30s);
        THEN("all others are done, the other folder has its turn, and it is told") {
            CHECK(world.delivered() == 41);
            CHECK(world.server.moved["INBOX"] == others);
            CHECK(world.server.moved["Orders"] == std::set<std::uint64_t>{1});
            CHECK(world.health() != "ok");
            CHECK(world.worker->status().view({}).lastError->code == Code::mailboxCommandRefused);
            CHECK(world.server.count("open") == 1);
        }
        THEN("what comes later is delivered and moved too, whatever becomes of that one") {
            world.server.arrive("INBOX");
            world.server.arrive("Orders");
            world.pass(5min);
            CHECK(world.delivered() == 43);
            others.insert(41);
            CHECK(world.server.moved["INBOX"] == others);
            CHECK(world.server.moved["Orders"] == all(2));
            CHECK(world.server.count("open") == 1);
        }
        THEN("once the server lets go, it is done and all is well") {
            world.server.clings.clear();
            world.pass(2min);
            CHECK(world.server.moved["INBOX"] == all(40));
            CHECK(world.health() == "ok");
            CHECK(world.delivered() == 41);
        }
    }
    GIVEN("one that only the operator can help") {
        world.server.clinging.reaction = Reaction::askOperator;
        world.pass(30s);
        THEN("the others go on") {
            world.server.arrive("INBOX");
            world.server.arrive("Orders");
            world.pass(5min);
            CHECK(world.delivered() == 43);
            CHECK(world.server.moved["Orders"] == all(2));
            CHECK(world.health() == "blocked");
        }
    }
    GIVEN("a server that refuses each of them") {
        world.server.clings["INBOX"] = all(100);
        world.pass(10s);
        const auto asked = [&world] {
            return std::count_if(world.server.asked.begin(), world.server.asked.end(), [](const auto& what) { return what.starts_with("move "); });
        };
        THEN("it is not stormed") {
            CHECK(world.delivered() == 41);
            CHECK(asked() < 40);
        }
    }
    GIVEN("a server that wants us to go slower") {
        world.server.clinging = Error{Reaction::retryLater, Code::mailboxThrottled, "too many requests"};
        world.pass(1s);
        THEN("nothing more is asked of it in that session") {
            CHECK(world.server.count("move 40 to Done") == 1);
            CHECK(world.server.count("select Orders") == 0);
        }
    }
}

SCENARIO("a detour lasts until the configuration says another protocol, and does not come back", "[worker]") {
    World world([](auto& settings) {
        settings.protocol = "ews";
        settings.session.credential = "tenant";
        settings.others["graph"].credential = "person";
    });
    GIVEN("one that was taken instead of what is configured") {
        world.take({"graph", "ews", "EWS is blocked"});
        world.server.closed["graph"] = Error{Reaction::askOperator, Code::tokenSignInNeeded, "nobody has signed in"};
        world.pass(1s);
        THEN("what it is signed in with is that of the protocol it is read with") {
            CHECK(world.worker->credential() == "person");
            CHECK(world.log().find("postern login person") != std::string::npos);
            CHECK(world.log().find("tenant") == std::string::npos);
        }
        THEN("it is followed, and kept") {
            CHECK(world.readBy == std::vector<std::string>{"graph"});
            CHECK(world.detour());
        }
    }
    GIVEN("one that was taken instead of what was configured once") {
        world.take({"graph", "imap", "moved by an operator"});
        world.pass(1s);
        THEN("it is over, and forgotten") {
            CHECK(world.readBy == std::vector<std::string>{"ews"});
            CHECK_FALSE(world.detour());
        }
    }
}

SCENARIO("where EWS is blocked the mailbox is read by Graph, though the way there cannot be written down at first", "[worker]") {
    World world([](auto& settings) {
        settings.protocol = "ews";
        settings.fallsBack = true;
        settings.others["graph"];
    });
    world.server.closed["ews"] = Error{Reaction::askOperator, Code::mailboxEwsBlocked, "EWS is switched off"};
    world.server.arrive("INBOX");
    const bool fails = GENERATE(false, true);
    if (fails) world.failOnce();
    world.pass(10s);
    CHECK(world.delivered() == 1);
    CHECK(world.readBy.back() == "graph");
    CHECK(world.readBy.size() == (fails ? 3 : 2));
    CHECK(world.metrics.errors == (fails ? 1 : 0));
}
