#pragma once

#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_sinks.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace simulation {

struct Setting {
    std::size_t mailboxes = 1;
    std::set<std::string> capabilities{"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE"};
    std::vector<std::string> words{};  ///< of each mailbox, beside what all have
    std::string deliver = "s";         ///< s: a spool; hook: a webhook
    std::vector<std::string> hook{};   ///< of the webhook, beside its address
    std::chrono::seconds tokenLife{3600};
    std::uint64_t seed = 1;
};

/// Some mailboxes, each with a server of its own at one host, the sinks behind, and whatever processes work on them one after another.
class Stage {
public:
    explicit Stage(const Setting& setting);
    ~Stage();

    void begin(plugin::Mode mode);
    /// Lets time pass, or less if the process ends or `enough` is true.
    void pass(
        std::chrono::milliseconds time, const std::function<bool()>& enough = [] { return false; });
    int end();    ///< as by SIGTERM; answers the exit status
    int ended();  ///< of a process that has ended by itself
    int once();   ///< a whole `run --once`
    void kill();  ///< as by SIGKILL

    /// As by SIGHUP: these are the webhook's words now.
    void reload(std::vector<std::string> hook);

    Process& process() { return *process_; }
    MailServer& server(std::size_t mailbox = 0) { return *servers_[mailbox]; }
    TokenServer& tokens() { return tokens_; }
    Consumer& hook() { return hook_; }
    plugin::Steady now() const { return clock_.steady(); }
    bool is(const std::string& health, std::size_t mailbox = 0);
    /// Failures the program has noted, each of which counts in the metrics and may be shown to a person.
    std::size_t failures() const;
    const std::string& log() const { return log_.text(); }

    void arrive(std::size_t mailbox = 0, const std::string& folder = "INBOX");
    std::size_t sent(std::size_t mailbox = 0) const { return sent_[mailbox].size(); }
    std::size_t delivered(std::size_t mailbox = 0) const { return spooled(mailbox).size(); }
    /// Every mail is behind each sink once, with its bytes, and no server had to refuse anything.
    void checkAllDelivered() const;
    /// Every mail is in this folder; answers how many are there too often.
    std::size_t checkHeld(const std::string& folder) const;

private:
    std::vector<std::string> spooled(std::size_t mailbox) const;
    bool delivers(const std::string& sink) const;
    void configure();

    Setting setting_;
    Dice dice_;
    WorldClock clock_{};
    KeptLog log_;
    SimDisk disk_;
    SimVfs files_{};
    TokenServer tokens_;
    std::vector<std::unique_ptr<MailServer>> servers_{};
    Consumer hook_{dice_};
    WebhookServer hookServer_{hook_};
    std::vector<std::vector<std::string>> sent_{};
    bool dead_ = false;
    World world_{clock_, dice_, files_, disk_, log_, nullptr, {}};
    std::unique_ptr<Process> process_{};
};

}  // namespace simulation
