#include "listener/engine/outlet.h"

#include "listener/alerting/schema.h"
#include "listener/ledger/stored_form.h"
#include "listener/message/sha256.h"
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/process.h"

#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <set>

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Task;
using Answer = Outlet::Offered::Answer;

namespace {

const Error busy{Reaction::retryLater, Code::sinkRefused, "503"};

/// A sink that does as it is told, and remembers what it was given.
class ScriptedSink final : public Sink {
public:
    explicit ScriptedSink(std::size_t limit) : limit_(limit) {}
    std::optional<Error> refuses{};
    std::set<std::string> refusesIds{};  ///< these alone
    std::chrono::milliseconds takes = 10ms;
    std::map<std::string, std::string> taken{};
    std::vector<plugin::Steady> calls{};
    std::size_t most = 0;  ///< calls at a time

    const std::string& name() const override { return name_; }
    std::size_t batchLimit() const override { return limit_; }
    Task<void> deliver(std::span<Delivery> batch, plugin::Deadline deadline, std::stop_token stop) override {
        auto& loop = co_await plugin::thisLoop();
        calls.push_back(loop.clock().steady());
        most = std::max(most, ++running_);
        auto works = plugin::sleepUntil(std::min(deadline, loop.clock().steady() + takes), stop);
        co_await works;
        --running_;
        if (stop.stop_requested() || loop.clock().steady() >= deadline) co_return;
        for (auto& delivery : batch) {
            const auto& message = delivery.message();
            if (refuses || refusesIds.contains(message.id)) {
                delivery.refused(refuses.value_or(busy));
            } else if (!taken.emplace(message.id, *message.content.inMemory()).second) {
                delivery.known();
            } else {
                delivery.delivered();
            }
        }
    }

private:
    std::string name_ = "hook";
    std::size_t limit_, running_ = 0;
};

class NoMetrics final : public plugin::Metrics {
public:
    void describe(std::string_view, Kind, std::string_view) override {}
    void add(std::string_view, const plugin::Labels&, double) override {}
    void set(std::string_view, const plugin::Labels&, double) override {}
    int addCollector(std::function<void()>) override { return 0; }
    void removeCollector(int) override {}
};

/// An outlet with its outbox on simulated ground, and a folder whose messages it is owed.
class World {
public:
    explicit World(SinkSettings settings = {}, std::size_t batchLimit = 1) : sink(std::make_shared<ScriptedSink>(batchLimit)) {
        plugin::SqliteOptions options;
        options.path = "/postern.db";
        options.vfs = vfs_.name();
        options.exclusive = true;
        database_ = std::move(*plugin::makeSqliteDatabase(options));
        REQUIRE(database_->migrate(ledgerOwner, listenerMigrations()));
        ledger_ = makeLedger(*database_, clock);
        outbox_ = makeOutboxLedger(*database_, clock);
        settings.name = "hook";
        if (settings.timeout == 0ms) settings.timeout = 60s;
        if (settings.retryMaxInterval == 0ms) settings.retryMaxInterval = 15min;
        outlet = std::make_shared<Outlet>(
            Outlet::Parts{*outbox_, files, log_, metrics_, dice_, [this](const std::string& mailbox) { withWork.insert(mailbox); }}, loop_,
            std::move(settings), sink);
        folder_ = wait(ledger_->beginFolder({.mailbox = "box", .protocol = "imap", .name = "INBOX", .validity = 1}))->id;
    }
    ~World() { stop(); }

    void run() { run_ = plugin::start(loop_, outlet->run(finish_.get_token(), giveUp_.get_token())); }
    void stop() {
        finish_.request_stop();
        giveUp_.request_stop();
        pass(1s);
    }
    void pass(std::chrono::milliseconds time) {
        const auto until = clock.steady() + time;
        while (loop_.step(until)) {
        }
        if (loop_.bug()) std::rethrow_exception(loop_.bug());
    }
    template <class T>
    T wait(Task<T> task) {
        auto answer = plugin::start(loop_, std::move(task));
        while (!answer->isSet() && loop_.step(clock.steady() + 1h)) {
        }
        return std::move(answer->get());
    }

    Message message(unsigned number, std::size_t size = 100) const {
        Message one;
        one.mailbox = "box";
        one.folder = "INBOX";
        one.protocol = "imap";
        one.position = {"1:" + std::to_string(number), number};
        one.received = plugin::Wall{std::chrono::seconds{1'793'000'000 + number}};
        one.id = deliveryId(one.received, one.mailbox, one.protocol, one.folder, one.position.text);
        const std::string bytes = std::to_string(number) + std::string(size, 'x');
        one.content = Content(std::make_shared<const std::string>(bytes), sha256(bytes));
        return one;
    }
    std::vector<Outlet::Offered> offer(std::vector<Message> messages, std::chrono::milliseconds patience = 5s) {
        return wait(outlet->offer(std::move(messages), clock.steady() + patience, {}));
    }
    /// As a round does with what the outlet has not taken.
    void owe(const std::vector<Message>& messages, const std::vector<Outlet::Offered>& offered) {
        std::vector<OutboxFiles::Request> requests;
        for (const auto& one : messages) requests.push_back({&one});
        auto kept = files.keep(requests);
        REQUIRE(kept);
        std::vector<Settled> settled;
        std::vector<std::uint64_t> ordinals;
        std::vector<std::shared_ptr<OutletJob>> underWay;
        for (std::size_t i = 0; i < messages.size(); ++i) {
            Settled one{.message = messages[i], .state = MessageState::pending, .after = {AfterAction::Kind::seen}};
            one.kept = (*kept)[i];
            one.outstanding.push_back({.sink = "hook", .next = offered[i].next, .attempts = offered[i].attempts});
            if (offered[i].job) underWay.push_back(offered[i].job);
            ordinals.push_back(messages[i].position.ordinal);
            settled.push_back(std::move(one));
        }
        const auto batch = wait(ledger_->intend(folder_, ordinals));
        REQUIRE(wait(ledger_->settle(folder_, *batch, std::move(settled), ordinals.back())));
        outlet->owe(messages.size(), std::move(underWay));
    }
    void oweUntried(unsigned from, unsigned to) {
        std::vector<Message> messages;
        for (auto number = from; number <= to; ++number) messages.push_back(message(number));
        owe(messages, std::vector<Outlet::Offered>(messages.size(), {.next = clock.wall()}));
    }
    MessageState stateOf(const Message& one) { return wait(ledger_->rows({.find = one.id}))->front().state; }
    std::size_t due() { return wait(ledger_->dueActions(folder_, 1000))->size(); }
    OutboxLedger& outbox() { return *outbox_; }

    std::set<std::string> withWork{};
    simulation::WorldClock clock{};
    simulation::SimDisk disk{};
    std::shared_ptr<ScriptedSink> sink;

private:
    simulation::Dice dice_{7};
    simulation::KeptLog log_{false, clock};
    NoMetrics metrics_{};
    simulation::SimVfs vfs_{};
    simulation::SimLoop loop_{clock, dice_};

public:
    OutboxFiles files{disk, clock, dice_, "/data"};
    std::shared_ptr<Outlet> outlet{};

private:
    std::unique_ptr<plugin::Database> database_{};
    std::unique_ptr<Ledger> ledger_{};
    std::unique_ptr<OutboxLedger> outbox_{};
    std::int64_t folder_ = 0;
    std::stop_source finish_{}, giveUp_{};
    std::shared_ptr<plugin::Shared<plugin::Nothing>> run_{};
};

}  // namespace

SCENARIO("what a sink takes within the patience of a round needs no outbox", "[outlet]") {
    World world;
    const auto answers = world.offer({world.message(1), world.message(2), world.message(3)});
    REQUIRE(answers.size() == 3);
    for (const auto& one : answers) REQUIRE(one.answer == Answer::delivered);
    REQUIRE(world.offer({world.message(1)}).front().answer == Answer::known);
}

SCENARIO("no more calls are made at a time than are allowed", "[outlet]") {
    World world({.concurrency = 3});
    std::vector<Message> messages;
    for (unsigned i = 1; i <= 40; ++i) messages.push_back(world.message(i));
    const auto answers = world.offer(messages);
    REQUIRE(world.sink->taken.size() == 40);
    REQUIRE(world.sink->most == 3);
    REQUIRE(answers.back().answer == Answer::delivered);
}

SCENARIO("a sink that takes batches is given them together, within the memory of a call", "[outlet]") {
    World world({.concurrency = 1}, 200);
    std::vector<Message> messages;
    for (unsigned i = 1; i <= 21; ++i) messages.push_back(world.message(i, 1'000'000));
    REQUIRE(world.offer(messages).back().answer == Answer::delivered);
    REQUIRE(world.sink->calls.size() == 4);  // one by itself, since nothing else waited yet; then eight at a time
}

SCENARIO("a slow sink holds up no round: what it has in hand is waited for by the outbox, the rest is its at once", "[outlet]") {
    World world({.concurrency = 2});
    world.run();
    world.sink->takes = 20s;
    const std::vector<Message> messages{world.message(1), world.message(2), world.message(3)};
    const auto began = world.clock.steady();
    const auto answers = world.offer(messages, 5s);
    REQUIRE(world.clock.steady() - began <= 6s);
    REQUIRE(answers[0].answer == Answer::underWay);
    REQUIRE(answers[1].answer == Answer::underWay);
    REQUIRE(answers[2].answer == Answer::notTried);
    WHEN("the outbox has them all") {
        world.owe(messages, answers);
        world.pass(2min);
        THEN("each was given to the sink once") {
            REQUIRE(world.sink->taken.size() == 3);
            REQUIRE(world.sink->calls.size() == 3);
            REQUIRE(world.stateOf(messages[0]) == MessageState::delivered);
            REQUIRE(world.stateOf(messages[2]) == MessageState::delivered);
            REQUIRE(world.due() == 3);
            REQUIRE(world.withWork.contains("box"));
            REQUIRE(world.disk.files("/data/outbox").empty());
            REQUIRE(world.outlet->view().waiting == 0);
        }
    }
}

SCENARIO("after five failures in a row a sink rests, is tried with one message at a time, and gets everything when it is well", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    std::vector<Message> messages;
    for (unsigned i = 1; i <= 30; ++i) messages.push_back(world.message(i));
    const auto answers = world.offer(messages);
    const auto tried =
        static_cast<std::size_t>(std::count_if(answers.begin(), answers.end(), [](const auto& one) { return one.answer == Answer::refused; }));
    REQUIRE(tried >= 5);
    REQUIRE(tried <= 8);  // what was under way when it was told to rest
    REQUIRE(world.outlet->view().state == SinkHealth::State::resting);
    world.owe(messages, answers);
    const auto before = world.sink->calls.size();
    world.pass(48h);
    REQUIRE(world.outlet->view().waiting == 30);
    const auto probes = world.sink->calls.size() - before;
    REQUIRE(probes > 100);
    REQUIRE(probes < 48 * 6);  // a quarter of an hour apart, a fifth more or less
    REQUIRE(world.offer({world.message(31)}).front().answer == Answer::notTried);
    world.sink->refuses.reset();
    world.pass(20min);
    REQUIRE(world.sink->taken.size() == 30);
    REQUIRE(world.outlet->view().state == SinkHealth::State::working);
    REQUIRE(world.due() == 30);
    REQUIRE(world.disk.files("/data/outbox").empty());
}

SCENARIO("one message that a sink refuses for ever does not stand in the way of the others", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 20);
    world.pass(1h);
    world.sink->refuses.reset();
    world.sink->refusesIds = {world.message(1).id, world.message(2).id};
    world.pass(3h);
    REQUIRE(world.sink->taken.size() == 18);
    REQUIRE(world.outlet->view().waiting == 2);
    REQUIRE(world.outlet->view().state == SinkHealth::State::working);
}

SCENARIO("a sink that says when to come again is left alone until then", "[outlet]") {
    World world({.concurrency = 4});
    world.run();
    auto later = busy;
    later.retryAfter = 600s;
    world.sink->refuses = later;
    world.oweUntried(1, 10);
    world.pass(1min);
    const auto calls = world.sink->calls;
    REQUIRE_FALSE(calls.empty());
    world.sink->refuses.reset();
    world.pass(8min);
    REQUIRE(world.sink->calls.size() == calls.size());
    world.pass(5min);
    REQUIRE(world.sink->taken.size() == 10);
}

SCENARIO("what is refused for longer than retry.give_up is dead, and its bytes stay", "[outlet]") {
    World world({.giveUp = 1h});
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 10);
    world.pass(90min);
    REQUIRE(world.outlet->view().waiting == 0);
    REQUIRE(world.stateOf(world.message(3)) == MessageState::dead);
    REQUIRE(world.due() == 0);
    REQUIRE(world.disk.files("/data/outbox").size() == 1);
    WHEN("an operator wants them after all") {
        world.sink->refuses.reset();
        REQUIRE(world.wait(world.outbox().replay({.state = MessageState::dead}, "hook"))->kept == 10);
        world.outlet->lookAgain();
        world.pass(20min);
        THEN("they are delivered, and what was to follow is due") {
            REQUIRE(world.sink->taken.size() == 10);
            REQUIRE(world.stateOf(world.message(3)) == MessageState::delivered);
            REQUIRE(world.due() == 10);
        }
    }
}

SCENARIO("a sink that is gone is not asked again until an operator acts", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = Error{Reaction::askOperator, Code::sinkGone, "410"};
    world.oweUntried(1, 5);
    world.pass(1min);
    REQUIRE(world.outlet->view().state == SinkHealth::State::disabled);
    REQUIRE(*world.wait(world.outbox().disabled("hook")) == "410");
    const auto calls = world.sink->calls.size();
    world.sink->refuses.reset();
    world.pass(24h);
    REQUIRE(world.sink->calls.size() == calls);
    REQUIRE(world.wait(world.outbox().resume("hook")));
    world.outlet->lookAgain();
    world.pass(1min);
    REQUIRE(world.sink->taken.size() == 5);
}

SCENARIO("bytes that cannot be read any more are asked for again, and the others are delivered", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 3);
    world.oweUntried(4, 6);
    world.pass(1h);
    const auto name = world.disk.files("/data/outbox").begin()->first;
    world.disk.put("/data/outbox", name, "something else");
    world.sink->refuses.reset();
    world.pass(2h);
    REQUIRE(world.sink->taken.size() == 3);
    REQUIRE(world.withWork.contains("box"));
    REQUIRE(world.outlet->view().waiting == 3);
}

SCENARIO("a thousand messages come back from the outbox in the order they went in, in little memory", "[outlet]") {
    World world({.concurrency = 1});
    world.sink->refuses = busy;
    for (unsigned batch = 0; batch < 10; ++batch) world.oweUntried(1 + batch * 100, 100 + batch * 100);
    world.run();
    world.pass(1h);
    REQUIRE(world.sink->taken.empty());
    world.sink->refuses.reset();
    world.pass(1h);
    REQUIRE(world.sink->taken.size() == 1000);
    REQUIRE(world.disk.files("/data/outbox").empty());
    REQUIRE(world.files.used() == 0);
}
