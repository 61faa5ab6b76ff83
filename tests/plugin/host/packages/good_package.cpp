// A package that does as its configuration says: sample.behaviour, sample.status.
#include "plugin/contract/abi.h"
#include "plugin/contract/package.h"

#include <Poco/ClassLibrary.h>

#include <ostream>

namespace sample {

class Good final : public plugin::Package {
public:
    std::vector<plugin::Key> keys() const override {
        return {{.pattern = "sample.behaviour",
                 .type = plugin::KeyType::choice,
                 .fallback = "willing",
                 .choices = {"willing", "refusing", "stuck", "throwing"}},
                {.pattern = "sample.status", .type = plugin::KeyType::integer, .fallback = "0"}};
    }
    void check(const plugin::Configuration&, std::vector<plugin::Problem>&) const override {}
    std::string schemaOwner() const override { return "sample"; }
    std::vector<plugin::Migration> migrations() const override { return {{1, "CREATE TABLE sample_notes(id INTEGER PRIMARY KEY)"}}; }
    std::vector<plugin::Command> commands() const override {
        return {{"sample", "sample", "says what it was given", [](const auto&) { return plugin::Command::Store::read; },
                 [](plugin::Command::Call& call) {
                     call.out << "sample lost=" << (call.host.stateLost() ? "yes" : "no");
                     for (const auto& each : call.arguments) call.out << ' ' << each;
                     call.out << '\n';
                     return 0;
                 }},
                {"sample-write", "sample-write", "opens the database for writing", [](const auto&) { return plugin::Command::Store::write; },
                 [](plugin::Command::Call& call) {
                     call.out << "lost=" << (call.host.stateLost() ? "yes" : "no") << '\n';
                     return 0;
                 }}};
    }
    plugin::Result<void> start(plugin::Host& host, plugin::Mode mode, std::function<void(int)> ended) override {
        const auto behaviour = host.configuration()->text("sample.behaviour");
        status_ = static_cast<int>(host.configuration()->integer("sample.status"));
        if (behaviour == "refusing") return plugin::Error{plugin::Reaction::askOperator, plugin::Code::packageStart, "it does not want to"};
        if (behaviour == "throwing") throw std::runtime_error("it broke");
        stuck_ = behaviour == "stuck";
        host.log().notice("sample", "begun", {{"lost", host.stateLost() ? "yes" : "no"}});
        host_ = &host;
        if (mode == plugin::Mode::once)
            host.loops().front()->post([ended, status = status_] { ended(status); });
        else
            ended_ = std::move(ended);
        return {};
    }
    void reload() override {
        host_->log().notice("sample", "reloaded", {{"status", host_->configuration()->text("sample.status")}});
        if (host_->configuration()->text("sample.behaviour") == "throwing") throw std::runtime_error("it broke");
    }
    void stop() override {
        if (!stuck_ && ended_) std::exchange(ended_, nullptr)(status_);
    }

private:
    plugin::Host* host_ = nullptr;
    std::function<void(int)> ended_{};
    int status_ = 0;
    bool stuck_ = false;
};

}  // namespace sample

POSTERN_PACKAGE_ABI
POCO_BEGIN_MANIFEST(plugin::Package)
POCO_EXPORT_INTERFACE(sample::Good, "sample")
POCO_END_MANIFEST
