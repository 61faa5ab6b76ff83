#pragma once

#include "tests/simulation/process.h"
#include "tests/simulation/sim_exchange.h"
#include "tests/simulation/sim_sinks.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace simulation {

/// A mailbox that can be read by three protocols, a spool and a webhook behind it, and processes that work on it one after another and die.
class ExchangeStage {
public:
    explicit ExchangeStage(std::uint64_t seed, bool trace = false);

    std::string protocol = "graph";
    std::string folders = "INBOX";
    std::string after = "leave";
    std::string start = "all";
    std::string deliver = "s,hook";
    std::vector<std::string> more{};  ///< lines of the configuration

    struct Life {
        plugin::Mode mode = plugin::Mode::once;
        std::chrono::minutes time{60};
        std::uint64_t deathAt = 0;  ///< at the n-th effect from its beginning; 0: it ends in order
        bool powerCut = false;      ///< and the power goes with it
        std::function<void(Process&)> begun{};
    };
    /// Answers how many effects it had.
    std::uint64_t live(Life life);
    /// Runs once, in fair weather; answers the exit status.
    int once();

    Exchange& mail() { return exchange_; }
    Consumer& hook() { return hook_; }
    Dice& dice() { return dice_; }
    WorldClock& clock() { return clock_; }
    const std::string& log() const { return log_.text(); }

    /// By message: under which ids it is behind a sink.
    std::map<std::uint64_t, std::set<std::string>> spooled() const;
    std::map<std::uint64_t, std::set<std::string>> hooked() const;
    std::map<std::string, std::string> quarantined() const { return disk_.files("/data/quarantine/box"); }  ///< name to bytes
    /// What is wrong: each of these messages has to be behind each sink once, with the same octets ("octets of SERIAL: ..."), and
    /// nothing is kept that nobody waits for.
    std::vector<std::string> wrong(const std::set<std::uint64_t>& messages) const;

private:
    void configure();
    void judgeEffects(Process& process, std::uint64_t deathAt);
    void bury(bool powerCut);

    Dice dice_;
    WorldClock clock_{};
    KeptLog log_;
    SimVfs files_{};
    SimDisk disk_;
    Consumer hook_{dice_}, programs_{dice_};
    WebhookServer hookServer_{hook_};
    SimPrograms simPrograms_{programs_};
    Exchange exchange_{clock_, dice_};
    std::shared_ptr<const plugin::Configuration> configuration_{};
    std::vector<std::string> violations_{};
    std::uint64_t effects_ = 0;
    int status_ = 0;
};

}  // namespace simulation
