#pragma once

#include "plugin/contract/configuration.h"
#include "plugin/contract/database.h"
#include "plugin/contract/host.h"

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace plugin {

/// A subcommand a package adds to the program. `run` works in the main thread with loops running and answers the exit status. Where it is `served`,
/// a running service runs it too, for its API: in threads of the admin port, several at a time, with the service's own Host.
struct Command {
    struct Call {
        Host& host;
        std::vector<std::string> arguments;  ///< after the command's name, without --config and --json
        bool json = false;
        std::ostream& out;
        std::ostream& error;
        std::optional<Error> failure{};  ///< why there is nothing on `out`, as `error` tells it to people
    };
    enum class Store { read, write };
    std::string name;
    std::string usage;    ///< one line after "postern "
    std::string summary;  ///< one line
    /// How the database is opened for these arguments; a missing one: an empty one is lent (read), or it is made (write).
    std::function<Store(const std::vector<std::string>& arguments)> store;
    std::function<int(Call&)> run;
    /// GET /api/v1/<name>[/<argument>] shows what it writes with --json, without arguments or with one alias. What `store` says is written is
    /// not served. What stands on `out` is the answer, whatever the status; else `failure` is, where configUnknownReference means that there is no
    /// such thing, or, with the status of wrong usage, that it is not asked like that.
    bool served = false;
};

/// How a package works: `service` until stop(), `once` until nothing is unaccounted.
enum class Mode { service, once };

/// What a package's library gives to the host, once its ABI text (plugin/contract/abi.h) has been compared: one object, made by the
/// manifest's factory, in a process that may only want its keys.
/// Constructor and the const members do nothing but answer; `start` begins work. Members are called from the main thread.
class Package {
public:
    virtual ~Package() = default;
    virtual std::vector<Key> keys() const = 0;
    /// What a single key cannot show: combinations, conditions. Called with every key valid in itself.
    virtual void check(const Configuration& configuration, std::vector<Problem>& problems) const = 0;
    virtual std::string schemaOwner() const = 0;  ///< prefix of its tables, without the "_"
    virtual std::vector<Migration> migrations() const = 0;
    virtual std::vector<Command> commands() const = 0;

    /// Begins work and returns. `ended` is called exactly once, from any thread, when nothing of the package runs any more: in mode once by
    /// itself, in mode service after stop(). Its argument is the exit status (0, 75, 78 …). An Error: nothing was begun, `ended` is not called.
    virtual Result<void> start(Host& host, Mode mode, std::function<void(int status)> ended) = 0;
    /// In mode service, between start() and stop(): Host::configuration() answers another snapshot. What it changes is stopped and started,
    /// all else goes on undisturbed. Returns at once; the change may take as long as the work at hand.
    virtual void reload() = 0;
    /// Asks to finish the work at hand; returns at once. May be called more than once.
    virtual void stop() = 0;
};

}  // namespace plugin
