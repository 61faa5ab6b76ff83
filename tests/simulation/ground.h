#pragma once

#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_sinks.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace simulation {

/// What directed scenarios stand on: time, disk, network, a token server, a webhook, and whatever processes work there one after another. The
/// mailboxes and their servers are those of a stage upon it.
class Ground {
public:
    explicit Ground(std::uint64_t seed);
    virtual ~Ground() = default;

    void begin(plugin::Mode mode);
    /// Lets time pass, or less if the process ends or `enough` is true.
    void pass(
        std::chrono::milliseconds time, const std::function<bool()>& enough = [] { return false; });
    int end();    ///< as by SIGTERM; answers the exit status
    int ended();  ///< of a process that has ended by itself
    int once();   ///< a whole `run --once`
    void kill();  ///< as by SIGKILL

    Process& process() { return *process_; }
    TokenServer& tokens() { return tokens_; }
    Consumer& hook() { return hook_; }
    plugin::Steady now() const { return clock_.steady(); }
    bool is(const std::string& health, std::size_t mailbox = 0);
    /// Failures the program has noted, each of which counts in the metrics and may be shown to a person.
    std::size_t failures() const;
    const std::string& log() const { return log_.text(); }
    const std::string& shown() const { return log_.shown(); }

protected:
    static constexpr std::uint16_t firstPort = 20'000;
    static std::string alias(std::size_t mailbox) { return "box" + std::to_string(mailbox); }
    /// `mailboxes`: their words; credential c, spool s and webhook hook are there. `servers`: lets theirs listen.
    void configure(const std::string& mailboxes, const std::vector<std::string>& hook, std::function<void(SimNetwork&)> servers);
    /// For the destructor of a stage: the process, if there is one, ends before its servers go.
    void leave() {
        if (process_) end();
    }
    /// Complete files of the spool, by name.
    std::map<std::string, std::string> spool(std::size_t mailbox) const;

    Dice dice_;
    WorldClock clock_{};
    KeptLog log_;
    SimDisk disk_;
    SimVfs files_{};
    TokenServer tokens_;
    Consumer hook_{dice_};

private:
    WebhookServer hookServer_{hook_};
    bool dead_ = false;
    World world_{clock_, dice_, files_, disk_, log_, nullptr, {}};
    std::unique_ptr<Process> process_{};
};

}  // namespace simulation
