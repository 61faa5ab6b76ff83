#pragma once

#include "tests/simulation/ground.h"

#include <chrono>
#include <cstdint>
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

/// Some mailboxes, each with an IMAP server of its own at one host.
class Stage : public Ground {
public:
    explicit Stage(const Setting& setting);
    ~Stage() override;

    /// As by SIGHUP: these are the webhook's words now.
    void reload(std::vector<std::string> hook);

    MailServer& server(std::size_t mailbox = 0) { return *servers_[mailbox]; }

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
    std::vector<std::unique_ptr<MailServer>> servers_{};
    std::vector<std::vector<std::string>> sent_{};
};

}  // namespace simulation
