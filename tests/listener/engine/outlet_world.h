#pragma once

#include "listener/alerting/schema.h"
#include "listener/engine/outlet.h"
#include "listener/ledger/stored_form.h"
#include "listener/message/sha256.h"
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/process.h"

#include <catch2/catch.hpp>

#include <map>
#include <set>

namespace outletworld {

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Task;
using Answer = Outlet::Offered::Answer;

inline const Error busy{Reaction::retryLater, Code::sinkRefused, "503"};

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
        options.vfs = vfs.name();
        options.exclusive = true;
        database_ = std::move(*plugin::makeSqliteDatabase(options));
        REQUIRE(database_->migrate(ledgerOwner, listenerMigrations()));
        ledger_ = makeLedger(*database_, clock);
        outbox_ = makeOutboxLedger(*database_, clock);
        settings.name = "hook";
        if (settings.timeout == 0ms) settings.timeout = 60s;
        if (settings.retryMaxInterval == 0ms) settings.retryMaxInterval = 15min;
        outlet = std::make_shared<Outlet>(parts(), loop_, std::move(settings), sink);
        folder_ = wait(ledger_->beginFolder({.mailbox = "box", .protocol = "imap", .name = "INBOX", .validity = 1}))->id;
    }
    ~World() { stop(); }

    void run() { run_ = plugin::start(loop_, outlet->run(finish_.get_token(), giveUp_.get_token())); }
    /// By what a changed configuration makes of it, with its holds.
    void replace() { outlet = std::make_shared<Outlet>(parts(), loop_, outlet->settings(), sink, outlet.get()); }
    void step() { loop_.step(clock.steady() + 1h); }
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
        outlet->owe(messages.size(), keep(messages, offered));
    }
    /// Answers what of it is under way.
    std::vector<std::shared_ptr<OutletJob>> keep(const std::vector<Message>& messages, const std::vector<Outlet::Offered>& offered) {
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
        return underWay;
    }
    void oweUntried(unsigned from, unsigned to) {
        std::vector<Message> messages;
        for (auto number = from; number <= to; ++number) messages.push_back(message(number));
        owe(messages, std::vector<Outlet::Offered>(messages.size(), {.next = clock.wall()}));
    }
    MessageState stateOf(const Message& one) { return wait(ledger_->rows({.find = one.id}))->front().state; }
    std::size_t due() { return wait(ledger_->dueActions(folder_, 1000))->size(); }
    OutboxLedger& outbox() { return *outbox_; }
    /// How often the log says so.
    std::size_t told(const std::string& what) const {
        std::size_t count = 0;
        for (auto at = log_.text().find(what); at != std::string::npos; at = log_.text().find(what, at + 1)) ++count;
        return count;
    }
    std::int64_t folder() const { return folder_; }

    std::set<std::string> withWork{};
    simulation::WorldClock clock{};
    simulation::SimDisk disk{};
    simulation::SimVfs vfs{};
    std::shared_ptr<ScriptedSink> sink;

private:
    Outlet::Parts parts() {
        return {*outbox_, files, log_, metrics_, dice_, [this](const std::string& mailbox) { withWork.insert(mailbox); }};
    }
    simulation::Dice dice_{7};
    simulation::KeptLog log_{false, clock};
    NoMetrics metrics_{};
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

}  // namespace outletworld
