// The only file here that knows it is a plugin.
#include "listener/alerting/schema.h"
#include "listener/engine/commands.h"
#include "listener/engine/engine.h"
#include "plugin/contract/abi.h"
#include "plugin/contract/package.h"

#include <Poco/ClassLibrary.h>

#include <optional>

namespace listener {

/// The e-mail listener as the host sees it.
class MailListener final : public plugin::Package {
public:
    std::vector<plugin::Key> keys() const override { return listener::keys(); }
    void check(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems) const override {
        listener::check(configuration, problems);
    }
    std::string schemaOwner() const override { return ledgerOwner; }
    std::vector<plugin::Migration> migrations() const override { return listenerMigrations(); }
    std::vector<plugin::Command> commands() const override {
        return listener::commands([this] { return engine_ ? std::optional(engine_->present()) : std::nullopt; });
    }
    plugin::Result<void> start(plugin::Host& host, plugin::Mode mode, std::function<void(int status)> ended) override {
        engine_ = std::make_unique<Engine>(host, *programs_);
        engine_->start(mode, std::move(ended));
        return {};
    }
    void reload() override {
        if (engine_) engine_->reload();
    }
    void stop() override {
        if (engine_) engine_->stop();
    }

private:
    std::unique_ptr<Programs> programs_ = makePrograms();
    std::unique_ptr<Engine> engine_{};
};

}  // namespace listener

POSTERN_PACKAGE_ABI

POCO_BEGIN_MANIFEST(plugin::Package)
POCO_EXPORT_CLASS(listener::MailListener)
POCO_END_MANIFEST
