#pragma once

#include "listener/alerting/notice.h"
#include "plugin/contract/database.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace listener {

/// What a restart must neither repeat nor forget. Its effects are noted at once and become durable, in order, with the next save() that
/// succeeds; until then they are kept. Belongs to one loop. `database` outlives it.
class Journal {
public:
    /// `saved` is called after each save that made something durable.
    Journal(plugin::Database& database, std::function<void()> saved) : database_(database), saved_(std::move(saved)) {}

    struct KeptNotice {
        std::string channel;
        Notice notice;
        bool told = false;
    };
    struct Kept {
        std::vector<Raised> raised{};
        std::vector<std::pair<ConditionKey, plugin::Wall>> cleared{};  ///< and when; those of long ago may be left out
        std::vector<KeptNotice> notices{};                             ///< in the order of telling
    };
    /// Once, first. Errors: 7xxx.
    plugin::Task<plugin::Result<Kept>> load();

    void raised(const Raised& condition);
    void cleared(const ConditionKey& key, plugin::Wall at);
    std::int64_t owed(const std::string& channel, const Notice& notice);  ///< answers its id
    void told(std::int64_t notice, plugin::Wall at);
    void forget(std::int64_t notice);
    void forgetChannel(const std::string& channel);

    bool isUnsaved() const { return !effects_.empty(); }
    /// Errors: 7xxx; nothing is lost, the next call tries again. While another call is at it nothing is done: that one takes along what was noted
    /// meanwhile.
    plugin::Task<plugin::Result<void>> save();
    /// What is told before it is durable would be told again after a crash.
    bool isDurable(std::int64_t notice) const { return notice <= durable_; }

private:
    using Effect = std::function<void(plugin::Transaction&)>;

    plugin::Database& database_;
    std::function<void()> saved_;
    std::vector<Effect> effects_{};
    bool saving_ = false;
    std::int64_t last_ = 0, durable_ = 0;  // ids of notices
};

}  // namespace listener
