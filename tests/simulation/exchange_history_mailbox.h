#pragma once

#include "listener/message/sha256.h"
#include "tests/simulation/history_mailbox.h"

#include <map>
#include <set>
#include <string>
#include <utility>

namespace simulation {

/// What the mailboxes of EWS and Graph have in common: messages have opaque ids, and are rendered anew at each fetch.
class ExchangeHistoryMailbox : public HistoryMailbox {
public:
    void setMoods(std::uint64_t refuseOneIn, std::uint64_t forgetOneIn) override { refuseOneIn_ = refuseOneIn, forgetOneIn_ = forgetOneIn; }
    std::uint64_t dialogues() const override { return requests_; }
    bool takesAway(bool) const override { return true; }
    bool movesAtOnce() const override { return true; }
    bool tellsById() const override { return true; }
    std::string original(const std::string& bytes) const override {
        const auto found = shown_.find(bytes);
        return found == shown_.end() ? std::string() : found->second;
    }
    bool isOf(const listener::Digest& digest, const std::string& original) const override { return digests_.contains({digest, original}); }
    std::uint32_t validity(const std::string&) const override { return 0; }
    std::vector<std::uint64_t> fallBack(const std::string&) override { return {}; }

protected:
    explicit ExchangeHistoryMailbox(Dice& dice) : dice_(dice) {}
    void handOut(const std::string& kept, const std::string& shown) {
        shown_.emplace(shown, kept);
        digests_.emplace(listener::sha256(shown), kept);
    }
    /// A request has come; true: it is to be refused.
    bool refuses() {
        ++requests_;
        const bool refuses = refuseOneIn_ != 0 && dice_.oneIn(refuseOneIn_);
        refused += refuses ? 1 : 0;
        return refuses;
    }
    bool forgets() {
        const bool forgets = forgetOneIn_ != 0 && dice_.oneIn(forgetOneIn_);
        untold += forgets ? 1 : 0;
        return forgets;
    }
    static std::string urlAt(std::uint16_t port, const std::string& path) { return "url = http://127.0.0.1:" + std::to_string(port) + path + "\n"; }

    Dice& dice_;
    std::set<std::string> names_{};  ///< of the folders of the history
    std::uint64_t lastSerial_ = 0;

private:
    std::uint64_t refuseOneIn_ = 0, forgetOneIn_ = 0, requests_ = 0;
    std::map<std::string, std::string> shown_{};                    ///< octets that went out, of which that were put in
    std::set<std::pair<listener::Digest, std::string>> digests_{};  ///< of the first, and the second
};

}  // namespace simulation
