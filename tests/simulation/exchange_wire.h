#pragma once

#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/simulation/ground.h"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace simulation {

/// Some mailboxes, each with a server of its own that speaks EWS or Graph over the simulated network, read by the sessions that read real ones. Every
/// message is rendered anew whenever it is fetched.
class ExchangeWire : public Ground {
public:
    struct Setting {
        std::string protocol = "ews";
        std::size_t mailboxes = 1;
        std::vector<std::string> words{};  ///< of each mailbox, beside what all have
        std::uint64_t seed = 1;
    };
    explicit ExchangeWire(const Setting& setting);
    ~ExchangeWire() override;

    servers::EwsServer& ews(std::size_t mailbox = 0) { return *boxes_[mailbox]->ews; }
    servers::GraphServer& graph(std::size_t mailbox = 0) { return *boxes_[mailbox]->graph; }
    /// What the server is asked: the operation of EWS; "GET /v1.0/..." of Graph.
    struct Asked {
        plugin::Steady when;
        std::string what;
    };
    const std::vector<Asked>& asked(std::size_t mailbox = 0) const { return boxes_[mailbox]->asked; }
    /// How the next request with this in it is refused; of Graph "BATCH POST /users..." is one in a $batch.
    struct Refusal {
        std::string what;
        int status = 503;
        std::string code{};                       ///< of EWS: a fault's, with status 500; of Graph: the error's
        std::optional<std::string> retryAfter{};  ///< the header
        std::optional<int> backOff{};             ///< BackOffMilliseconds
        bool inMessage = false;                   ///< of EWS: 200, and the message of the answer says so
        std::size_t times = 1;
    };
    void refuse(std::size_t mailbox, Refusal refusal);
    std::optional<plugin::Steady> refusedAt(std::size_t mailbox = 0) const { return boxes_[mailbox]->refusedAt; }  ///< for the last time

    void arrive(std::size_t mailbox = 0);
    std::size_t sent(std::size_t mailbox = 0) const { return boxes_[mailbox]->sent.size(); }
    std::size_t delivered(std::size_t mailbox = 0) const { return spool(mailbox).size(); }
    /// Every mail is behind spool and webhook once, under one id with the same octets, which a server handed out, and no server had to refuse
    /// anything.
    void checkAllDelivered() const;
    /// How often messages were handed out.
    std::size_t handedOut(std::size_t mailbox = 0) const { return boxes_[mailbox]->shown.size(); }
    std::size_t in(const std::string& folder, std::size_t mailbox = 0);  ///< INBOX, Done, bin
    std::size_t seen(std::size_t mailbox = 0);                           ///< in the INBOX

private:
    struct Box {
        std::string user{};
        std::unique_ptr<servers::EwsServer> ews{};
        std::unique_ptr<servers::GraphServer> graph{};
        std::vector<std::string> sent{};
        std::map<std::string, std::string> shown{};  ///< octets that went out, of which that were put in
        std::vector<Asked> asked{};
        std::optional<Refusal> refusal{};
        std::optional<plugin::Steady> refusedAt{};
        std::string inbox{};  ///< of EWS
    };
    void makeEws(Box& box);
    void makeGraph(Box& box, std::uint16_t port);
    /// Noted; and refused, if it shall be.
    std::optional<Refusal> note(Box& box, const std::string& what);
    void configure(const Setting& setting);

    std::string protocol_;
    std::vector<std::unique_ptr<Box>> boxes_{};
};

}  // namespace simulation
