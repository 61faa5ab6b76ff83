#include "plugin/host/package_runner.h"

#include "plugin/contract/exit_status.h"
#include "plugin/host/metrics.h"
#include "tests/plugin/host/host_fakes.h"

#include <catch2/catch.hpp>

using namespace plugin;
using namespace plugin::host;

namespace {

/// Only so that there is one: the packages of this test ask nothing of it.
class NoHost final : public Host {
public:
    std::shared_ptr<const Configuration> configuration() const override { return nullptr; }
    std::vector<Loop*> loops() override { return {}; }
    plugin::Clock& clock() override { throw std::logic_error("not here"); }
    plugin::Random& random() override { throw std::logic_error("not here"); }
    Disk& disk() override { throw std::logic_error("not here"); }
    Database& database() override { throw std::logic_error("not here"); }
    plugin::Log& log() override { throw std::logic_error("not here"); }
    Metrics& metrics() override { throw std::logic_error("not here"); }
    auth::Access& access() override { throw std::logic_error("not here"); }
    std::string dataDirectory() const override { return {}; }
    std::string version() const override { return {}; }
    std::string instance() const override { return {}; }
    std::optional<Wall> stateLost() const override { return {}; }
};

class Scripted final : public Package {
public:
    enum class Way { ends, waits, refuses, throws };
    Scripted(Way way, int status) : way_(way), status_(status) {}
    std::vector<Key> keys() const override { return {}; }
    void check(const Configuration&, std::vector<Problem>&) const override {}
    std::string schemaOwner() const override { return "scripted"; }
    std::vector<Migration> migrations() const override { return {}; }
    std::vector<Command> commands() const override { return {}; }
    Result<void> start(Host&, Mode, std::function<void(int)> ended) override {
        if (way_ == Way::refuses) return Error{Reaction::askOperator, Code::packageStart, "no"};
        if (way_ == Way::throws) throw std::runtime_error("broke");
        if (way_ == Way::ends)
            ended(status_);
        else
            ended_ = std::move(ended);
        return {};
    }
    void reload() override {
        if (way_ == Way::waits) throw std::runtime_error("cannot follow");
    }
    void stop() override {
        if (ended_) std::exchange(ended_, nullptr)(status_);
    }

private:
    Way way_;
    int status_;
    std::function<void(int)> ended_{};
};

void add(Packages& packages, const std::string& name, Scripted::Way way, int status) {
    packages.all.push_back({.description = {.name = name}, .package = std::make_unique<Scripted>(way, status)});
}

}  // namespace

SCENARIO("one package that fails does not stop the others", "[packages]") {
    fakes::Log log;
    auto metrics = makeMetricsRegistry(log);
    NoHost host;
    Packages packages;
    int changes = 0;
    add(packages, "refusing", Scripted::Way::refuses, 0);
    add(packages, "throwing", Scripted::Way::throws, 0);
    add(packages, "waiting", Scripted::Way::waits, 75);
    packages.all.push_back({.description = {.name = "broken"}, .error = Error{Reaction::askOperator, Code::packageBroken, "cannot be loaded"}});
    packages.all.push_back({.description = {.name = "disabled"}, .enabled = false});
    PackageRunner runner(packages, log, *metrics, [&] { ++changes; });
    runner.start(host, Mode::service);
    THEN("the good one runs, the others are named with their codes") {
        REQUIRE(runner.running() == std::vector<std::string>{"waiting"});
        const auto problems = runner.problems();
        REQUIRE(problems.size() == 3);
        REQUIRE(problems[0].find("package refusing: PO-8004") == 0);
        REQUIRE(problems[1].find("package throwing: PO-8004") == 0);
        REQUIRE(problems[2].find("package broken: PO-8003") == 0);
        REQUIRE(metrics->page().find("postern_errors_total{mailbox=\"\",code=\"PO-8004\"} 2") != std::string::npos);
    }
    WHEN("it is stopped, even twice") {
        runner.stop();
        runner.stop();
        THEN("nothing runs, the status is the worst of all, and that is no problem of its own") {
            REQUIRE(runner.running().empty());
            REQUIRE(runner.status() == 78);
            REQUIRE(runner.problems().size() == 3);
        }
    }
}

SCENARIO("a package of a service that ends by itself is a problem, one that worked once is not", "[packages]") {
    fakes::Log log;
    auto metrics = makeMetricsRegistry(log);
    NoHost host;
    Packages packages;
    add(packages, "ending", Scripted::Way::ends, 75);
    PackageRunner runner(packages, log, *metrics, [] {});
    const auto mode = GENERATE(Mode::service, Mode::once);
    runner.start(host, mode);
    REQUIRE(runner.running().empty());
    REQUIRE(runner.status() == 75);
    REQUIRE(runner.problems().size() == (mode == Mode::service ? 1U : 0U));
}

SCENARIO("exit statuses say what a script can do about it", "[packages]") {
    REQUIRE(worse(0, 75) == 75);
    REQUIRE(worse(78, 75) == 78);
    REQUIRE(worse(75, 78) == 78);
    REQUIRE(worse(78, 70) == 70);
    struct Case {
        Reaction reaction;
        Code code;
        int status;
    };
    const auto each =
        GENERATE(Case{Reaction::askOperator, Code::storeDataDirectory, 73}, Case{Reaction::retryLater, Code::storeDiskFull, 74},
                 Case{Reaction::retryLater, Code::storeLocked, 75}, Case{Reaction::askOperator, Code::adminAddress, 78},
                 Case{Reaction::askOperator, Code::packageForeign, 78}, Case{Reaction::askOperator, Code::configBadValue, 78},
                 Case{Reaction::askOperator, Code::tokenClientRefused, 77}, Case{Reaction::retryLater, Code::tokenEndpointBusy, 75},
                 Case{Reaction::retryLater, Code::tokenEndpointUnreachable, 69}, Case{Reaction::askOperator, Code::tokenCredentialIncomplete, 78},
                 Case{Reaction::askOperator, Code::mailboxSignInRefused, 77}, Case{Reaction::askOperator, Code::channelCertificateName, 69});
    REQUIRE(exitStatus(Error{each.reaction, each.code, "x"}) == each.status);
}
