#pragma once

#include "plugin/admin/api.h"
#include "plugin/contract/host.h"
#include "plugin/contract/package.h"
#include "plugin/host/slow_answers.h"

#include <map>
#include <string>
#include <vector>

namespace plugin::host {

/// What the admin port's API shows, run by the service itself: the JSON of `postern credentials` and `keystores`, of the commands of packages that
/// are served and only read, and what auth/explain makes of a text. Thread-safe.
class Api {
public:
    /// Below the 10 s a connection to the admin port has, and so few that the other commands are answered meanwhile.
    static constexpr SlowAnswers::Limits patience{std::chrono::seconds(8), 3};
    /// Both outlive it, and so do the packages whose commands these are.
    Api(Host& host, std::vector<Command> commands, SlowAnswers::Limits ofKeystores = patience);
    /// Blocks for the database, and for keystores: their passwords may come from programs that take their time. 400: it is not asked like that; 404:
    /// nothing of that name is configured; 500: somebody has to mend it; 503: of the store, or it passes. Throws for a bug.
    admin::ApiAnswer answer(const admin::ApiQuestion& question);

private:
    admin::ApiAnswer run(const Command& command, const std::string& name);

    Host& host_;
    std::map<std::string, Command> commands_{};
    SlowAnswers keystores_;
};

}  // namespace plugin::host
