#pragma once

#include "auth/secret_source.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/task.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugin {
class Database;
class Log;
class Metrics;
}  // namespace plugin

namespace auth {

/// A day as credential.<name>.secret_expires writes it, "2027-01-31": its first moment, UTC. Nothing: it is none.
std::optional<plugin::Wall> parseDay(std::string_view text);

/// How near an end is: 30, 14, 7 or 1 (days), the smallest that has been reached; 0: it is over. Nothing: more than 30 days.
std::optional<int> daysReached(plugin::Wall end, plugin::Wall now);

/// Something without which nobody is signed in any more, and when it ends.
struct Ending {
    enum class Kind {
        secret,       ///< a client secret, as secret_expires says
        certificate,  ///< of a key in a keystore
        signIn        ///< of a person: a refresh token nobody used for as long as its provider allows is void
    };
    Kind kind{};
    std::string name;  ///< credential; of a certificate "keystore/key"
    plugin::Wall end;
    bool operator==(const Ending&) const = default;

    std::string what() const;  ///< "the client secret of credential orders"
    std::string next() const;  ///< what a person does about it
};

/// Of a credential's client secret, as secret_expires says; nothing: it does not.
std::optional<Ending> secretEnding(const plugin::Configuration& configuration, const std::string& credential);
/// Of a person's sign-in that was used last at `used`; nothing: its provider is not known to let unused ones end.
std::optional<Ending> signInEnding(const plugin::Configuration& configuration, const std::string& credential, plugin::Wall used);
/// The stage of an end that people are told of (daysReached); nothing: none yet. A sign-in begins anew with each use: a stage it has reached in the
/// first half of its life says nothing.
std::optional<int> stageOf(const plugin::Configuration& configuration, const Ending& ending, plugin::Wall now);

/// Watches over the ends of secrets, certificates and sign-ins: each as a metric, and each stage (daysReached) once a process in the log.
/// Thread-safe, one look() at a time.
class Endings {
public:
    /// All outlive it. `database`: migrated for auth; null: there is none.
    struct Parts {
        plugin::CurrentConfiguration configuration;
        SecretReader& secrets;
        plugin::Clock& clock;
        plugin::Log& log;
        plugin::Metrics& metrics;
        plugin::Database* database = nullptr;
    };
    explicit Endings(Parts parts);

    /// Now and then. Reads keystores whose file has changed, off the loop; what cannot be read is as it was.
    plugin::Task<void> look();
    /// What look() found and is no more than 30 days away, or over. Cheap.
    std::vector<Ending> soon() const;

private:
    struct Read {  // of one keystore
        std::string path;
        std::optional<SecretReader::Stamp> stamp{};
        std::vector<Ending> certificates{};
    };
    void addSecrets(const plugin::Configuration& configuration, std::vector<Ending>& found) const;
    void addCertificates(const plugin::Configuration& configuration, std::vector<Ending>& found);
    plugin::Task<void> addSignIns(std::shared_ptr<const plugin::Configuration> configuration, std::vector<Ending>& found);
    void show(const Ending& ending) const;
    void tell(const Ending& ending);

    Parts parts_;
    std::map<std::string, Read> keystores_{};  // by alias; of look() alone
    std::vector<Ending> signIns_{};            // as last read
    mutable std::mutex mutex_{};
    std::vector<Ending> found_{};                                                          // under mutex_
    std::map<std::pair<Ending::Kind, std::string>, std::pair<plugin::Wall, int>> told_{};  // the end, and the last stage; of look() alone
};

}  // namespace auth
