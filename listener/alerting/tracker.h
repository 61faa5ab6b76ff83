#pragma once

#include "listener/alerting/condition.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace listener {

/// Which conditions are raised: from what is true now to what begins and what ends. Pure: time is given.
///
/// A condition that comes again within `flapping` of its end is flapping: its next end counts only when it has been away for `calm`. So however fast
/// it comes and goes, it begins and ends at most three times in its first minute and about once a minute from then on.
class Tracker {
public:
    static constexpr std::chrono::seconds flapping{60};
    static constexpr std::chrono::seconds calm{60};

    struct Change {
        enum class To { raised, cleared };
        To to;
        Raised condition;
        plugin::Wall at;
    };
    /// All that is true now, of each kind and subject one (the first counts).
    std::vector<Change> observe(const std::vector<Condition>& now, plugin::Steady steady, plugin::Wall wall);

    /// From before a restart.
    void restoreRaised(Raised condition);
    void restoreCleared(const ConditionKey& key, plugin::Steady cleared);

    std::vector<Raised> raised() const;
    std::map<std::string, std::size_t> countByKind() const;  ///< of alertKinds each, and of what else is raised

private:
    struct Known {
        Raised condition{};
        bool raised = false;
        bool flaps = false;
        std::optional<plugin::Steady> seen{};     // not yet raised: since when it is true
        std::optional<plugin::Steady> away{};     // raised: since when it is not
        std::optional<plugin::Steady> cleared{};  // when it ended last
    };
    void present(const ConditionKey& key, const Condition& condition, plugin::Steady steady, plugin::Wall wall, std::vector<Change>& changes);
    static void absent(Known& known, plugin::Steady steady, plugin::Wall wall, std::vector<Change>& changes);

    std::map<ConditionKey, Known> known_{};
};

}  // namespace listener
