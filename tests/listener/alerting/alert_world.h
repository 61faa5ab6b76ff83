#pragma once

#include "listener/alerting/alerts.h"
#include "listener/alerting/schema.h"
#include "listener/ledger/ledger.h"
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/process.h"

#include <catch2/catch.hpp>

#include <set>

namespace alert_test {

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;

/// A receiver of webhooks: keeps what it is told, answers as it is asked to.
class Hook {
public:
    struct Call {
        std::string request;  ///< whole
        int answered = 0;
    };
    int status = 200;  ///< 0: no answer ever
    std::vector<Call> calls{};

    std::unique_ptr<simulation::Peer> accept() { return std::make_unique<Caller>(*this); }
    static std::string field(const std::string& request, const std::string& name) {
        const auto at = request.find("\r\n" + name + ": ");
        return at == std::string::npos ? "" : request.substr(at + name.size() + 4, request.find("\r\n", at + 2) - at - name.size() - 4);
    }
    static std::string body(const std::string& request) { return request.substr(request.find("\r\n\r\n") + 4); }
    static std::string value(const std::string& request, const std::string& key) {
        const auto json = body(request);
        const auto at = json.find("\"" + key + "\":\"") + key.size() + 4;
        return json.substr(at, json.find('"', at) - at);
    }

    /// What it believes: "raised orders", "cleared orders"; a repetition under a known key counts for nothing.
    std::vector<std::string> told() const {
        std::vector<std::string> all;
        std::set<std::string> keys;
        for (const auto& [request, answered] : calls)
            if (answered / 100 == 2 && keys.insert(field(request, "Idempotency-Key")).second)
                all.push_back(value(request, "state") + " " + value(request, "subject"));
        return all;
    }

private:
    class Caller final : public simulation::Peer {
    public:
        explicit Caller(Hook& hook) : hook_(hook) {}
        void connected(simulation::Connection&) override {}
        void received(simulation::Connection& connection, std::string_view bytes) override {
            input_.append(bytes);
            const auto head = input_.find("\r\n\r\n");
            if (head == std::string::npos || input_.size() < head + 4 + std::stoul(field(input_, "Content-Length"))) return;
            hook_.calls.push_back({std::exchange(input_, {}), hook_.status});
            if (hook_.status == 0) return;
            connection.send("HTTP/1.1 " + std::to_string(hook_.status) + " so\r\nContent-Length: 2\r\n\r\nok");
        }

    private:
        Hook& hook_;
        std::string input_{};
    };
};

class KeptPrograms final : public Programs {
public:
    int status = 0, signal = 0;
    std::vector<Program> runs{};
    plugin::Task<plugin::Result<ProgramEnd>> run(Program program, plugin::Deadline, std::stop_token) override {
        runs.push_back(std::move(program));
        co_return ProgramEnd{status, signal};
    }
};

class CountingMetrics final : public plugin::Metrics {
public:
    void describe(std::string_view, Kind, std::string_view) override {}
    void add(std::string_view name, const plugin::Labels& labels, double amount) override { values[keyOf(name, labels)] += amount; }
    void set(std::string_view name, const plugin::Labels& labels, double value) override { values[keyOf(name, labels)] = value; }
    int addCollector(std::function<void()>) override { return 0; }
    void removeCollector(int) override {}
    std::map<std::string, double> values{};

private:
    static std::string keyOf(std::string_view name, const plugin::Labels& labels) {
        std::string key(name);
        for (const auto& [label, text] : labels) key += " " + text;
        return key;
    }
};

inline AlertSettings hook(std::string name, std::string host = "hook.example") {
    AlertSettings settings;
    settings.name = std::move(name);
    settings.url = "https://" + host + "/alerts";
    return settings;
}
/// The other receiver.
inline AlertSettings otherHook(std::string name) { return hook(std::move(name), "other.example:8443"); }

inline Condition blocked(std::string subject) {
    return {"mailbox-blocked", std::move(subject), Code::mailboxSignInRefused, "the mailbox refused the sign-in"};
}
inline Condition unknown(std::string subject) { return {.kind = "mailbox-blocked", .subject = std::move(subject), .known = false}; }

/// What outlives the processes.
struct World {
    simulation::WorldClock clock{};
    simulation::Dice dice{7};
    simulation::SimVfs files{};
    simulation::KeptLog log{false, clock};
    CountingMetrics metrics{};
    Hook hook{}, other{};
    KeptPrograms programs{};
    bool dead = false;

    World() { files.useClock(clock); }
    std::size_t logged(const std::string& text) const {
        std::size_t count = 0;
        for (auto at = log.text().find(text); at != std::string::npos; at = log.text().find(text, at + 1)) ++count;
        return count;
    }
};

/// One process that asks once a second what is true. Its destruction is its death: nothing is closed in order.
class Life {
public:
    Life(World& world, std::vector<AlertSettings> channels, std::vector<Condition> begin = {}) : now(std::move(begin)), world_(world) {
        world_.dead = false;
        plugin::SqliteOptions options;
        options.path = "postern.db";
        options.vfs = world.files.name();
        options.exclusive = true;
        auto opened = plugin::makeSqliteDatabase(options);
        if (!opened) return;  // it died on the way
        database_ = std::move(*opened);
        if (!database_->migrate(ledgerOwner, listenerMigrations())) return;
        network.setHook([&dead = world.dead] { return dead; });
        network.listen(443, [this] { return world_.hook.accept(); });
        network.listen(8443, [this] { return world_.other.accept(); });
        access_ = auth::makeAccess({configuration_, world.clock, world.dice, world.log, world.metrics, &network});
        const AlertParts parts{*database_, *access_, world.programs, world.clock, world.log, world.metrics, "mail-in-1"};
        alerts_ = std::make_unique<Alerts>(parts, std::move(channels));
        loop_->spawn(watch());
    }
    ~Life() {
        world_.files.kill();
        loop_.reset();
        alerts_.reset();
        access_.reset();
        database_.reset();
    }

    void pass(std::chrono::nanoseconds time) {
        if (!alerts_) return;
        const auto until = world_.clock.steady() + std::chrono::duration_cast<plugin::Steady::duration>(time);
        while (!world_.dead && loop_->step(until)) {
        }
        if (loop_->bug() && !world_.dead) std::rethrow_exception(loop_->bug());
    }
    void be(std::vector<Condition> conditions, std::chrono::nanoseconds time = 5s) {
        now = std::move(conditions);
        pass(time);
    }
    void close(std::chrono::milliseconds patience) {
        closing_ = true;
        auto end = plugin::start(*loop_, alerts_->close(patience));
        while (!end->isSet() && loop_->step(world_.clock.steady() + 1h)) {
        }
        end->get();
    }
    Alerts& alerts() { return *alerts_; }

    std::vector<Condition> now;

private:
    plugin::Task<void> watch() {
        while (!closing_) {
            auto observing = alerts_->observe(now);
            co_await observing;
            auto pause = plugin::sleepUntil(world_.clock.steady() + 1s, {});
            co_await pause;
        }
    }

    World& world_;
    std::unique_ptr<simulation::SimLoop> loop_ = std::make_unique<simulation::SimLoop>(world_.clock, world_.dice);

public:
    simulation::SimNetwork network{*loop_, world_.dice};

private:
    std::shared_ptr<const plugin::Configuration> configuration_ = std::make_shared<plugin::Configuration>();
    std::unique_ptr<plugin::Database> database_{};
    std::unique_ptr<auth::Access> access_{};
    std::unique_ptr<Alerts> alerts_{};
    bool closing_ = false;
};

using Told = std::vector<std::string>;

}  // namespace alert_test
