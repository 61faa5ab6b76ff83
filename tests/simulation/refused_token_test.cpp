#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/simulation/ground.h"
#include "tests/simulation/lent_peer.h"

#include <catch2/catch.hpp>

#include <utility>

using namespace simulation;
using namespace std::chrono_literals;

namespace {

servers::GraphServer::Options inMemory(std::function<bool(const std::string&)> accepts) {
    servers::GraphServer::Options options;
    options.user = "box@example.test";
    options.accepts = std::move(accepts);
    options.listens = false;
    return options;
}

/// One mailbox, read by the real sessions, at a server that takes no token, for as long as it likes; each is good by itself.
class Refusing : public Ground {
public:
    explicit Refusing(std::string protocol)
        : Ground(1),
          protocol_(std::move(protocol)),
          imap_(clock_, dice_, [this](const auto&, const auto& token) { return takes(token); }),
          graph_(inMemory([this](const std::string& token) { return takes(token); })) {
        imap_.capabilities = {"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE"};
        imap_.folders["INBOX"];
        ews_.user = "box@example.test";
        graph_.linksLeadTo(origin_);
        ews_.tokens.clear();
        ews_.instead = [this](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (takes(request.header("authorization").substr(7))) return ews_.tokens.insert(request.header("authorization").substr(7)), std::nullopt;
            return servers::EwsServer::plain(401, {{"WWW-Authenticate", "Bearer error=\"invalid_token\""}});
        };
        configure();
        begin(plugin::Mode::service);
    }
    ~Refusing() override { leave(); }
    std::uint64_t refused() const { return refused_; }
    bool good = false;  ///< tokens are taken from now on

private:
    bool takes(const std::string& token) {
        if (!good) ++refused_;
        return good && tokens_.valid(token);
    }
    void configure() {
        const auto key = "mailbox." + alias(0) + ".";
        std::string text =
            key + "user = box@example.test\n" + key + "credential = c\n" + key + "deliver = s\n" + key + "protocol = " + protocol_ + "\n";
        if (protocol_ == "imap") text += key + "host = 127.0.0.1\n" + key + "port = " + std::to_string(firstPort) + "\n" + key + "tls = none\n";
        if (protocol_ == "ews") text += key + "url = " + origin_ + "/EWS/Exchange.asmx\n";
        if (protocol_ == "graph") text += key + "url = " + origin_ + "\n";
        Ground::configure(text, {}, [this](SimNetwork& network) {
            network.listen(firstPort, [this]() -> std::unique_ptr<Peer> {
                if (protocol_ == "imap") return imap_.accept();
                return std::make_unique<Lent>(protocol_ == "ews" ? ews_.connect() : graph_.connect());
            });
        });
    }

    const std::string protocol_, origin_ = "http://127.0.0.1:" + std::to_string(firstPort);
    MailServer imap_;
    servers::EwsServer ews_{};
    servers::GraphServer graph_;
    std::uint64_t refused_ = 0;
};

}  // namespace

SCENARIO("a server that takes no token, though each is good, is stormed as little as the token endpoint", "[scenario]") {
    const auto* const protocol = GENERATE("imap", "ews", "graph");
    INFO(protocol);
    Refusing refusing(protocol);
    refusing.pass(1h);
    CHECK(refusing.refused() > 5);  // it is still tried
    CHECK(refusing.refused() <= 20);
    CHECK(refusing.tokens().issued <= 20);
    CHECK(refusing.log().find("PO-4002") != std::string::npos);
    for (int hour = 2; hour <= 24; ++hour) {
        const auto refused = refusing.refused(), tokens = refusing.tokens().issued;
        refusing.pass(1h);
        CHECK(refusing.refused() - refused <= 12);
        CHECK(refusing.tokens().issued - tokens <= 12);
    }
    refusing.good = true;
    refusing.pass(7min);
    CHECK(refusing.is("ok"));
}
