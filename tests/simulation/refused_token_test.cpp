#include "auth/access.h"
#include "listener/engine/settings.h"
#include "plugin/host/validation.h"
#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <stdexcept>

using namespace simulation;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t tokenPort = 9'400, serverPort = 9'600;

/// A server of the tests that answers at once, behind the simulated network.
class Behind final : public Peer {
public:
    explicit Behind(std::shared_ptr<servers::Peer> peer) : peer_(std::move(peer)) {}
    void connected(Connection& connection) override {
        if (const auto greeting = peer_->greeting(); !greeting.empty()) connection.send(greeting);
    }
    void received(Connection& connection, std::string_view bytes) override {
        if (auto answer = peer_->receive(bytes); !answer.empty()) connection.send(std::move(answer));
        if (peer_->hasClosed()) connection.close();
    }

private:
    std::shared_ptr<servers::Peer> peer_;
};

servers::GraphServer::Options inMemory(std::function<bool(const std::string&)> accepts) {
    servers::GraphServer::Options options;
    options.user = "box@example.test";
    options.accepts = std::move(accepts);
    options.listens = false;
    return options;
}

/// One mailbox, read by the real sessions, at a server that takes no token, for as long as it likes; each is good by itself.
class Refusing {
public:
    explicit Refusing(std::string protocol)
        : protocol_(std::move(protocol)),
          log_(std::getenv("POSTERN_TRACE") != nullptr, clock_),
          imap_(clock_, dice_, [this](const auto&, const auto& token) { return takes(token); }),
          graph_(inMemory([this](const std::string& token) { return takes(token); })) {
        files_.useClock(clock_);
        imap_.capabilities = {"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE"};
        imap_.folders["INBOX"];
        ews_.user = "box@example.test";
        graph_.linksLeadTo("http://127.0.0.1:" + std::to_string(serverPort));
        ews_.tokens.clear();
        ews_.instead = [this](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (takes(request.header("authorization").substr(7))) return ews_.tokens.insert(request.header("authorization").substr(7)), std::nullopt;
            return servers::EwsServer::plain(401, {{"WWW-Authenticate", "Bearer error=\"invalid_token\""}});
        };
        configure();
        if (const auto error = process_->start(plugin::Mode::service)) throw std::runtime_error(error->what);
    }
    ~Refusing() {
        process_->stop();
        process_->run(clock_.steady() + 10s);
    }
    void pass(std::chrono::milliseconds time) {
        process_->run(clock_.steady() + time);
        if (process_->bug()) std::rethrow_exception(process_->bug());
    }
    bool is(const std::string& health) { return process_->kept().gauge("postern_mailbox_health mailbox=box health=" + health) == 1; }
    std::uint64_t tokens() const { return tokens_.issued; }
    std::uint64_t refused() const { return refused_; }
    const KeptLog& log() const { return log_; }
    bool good = false;  ///< tokens are taken from now on

private:
    bool takes(const std::string& token) {
        if (!good) ++refused_;
        return good && tokens_.valid(token);
    }
    void configure() {
        std::string text =
            "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = secret\n"
            "credential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n"
            "sink.s.type = spool\nsink.s.path = /spool\n"
            "mailbox.box.user = box@example.test\nmailbox.box.credential = c\nmailbox.box.deliver = s\nmailbox.box.protocol = " +
            protocol_ + "\n";
        if (protocol_ == "imap") text += "mailbox.box.host = 127.0.0.1\nmailbox.box.port = 9600\nmailbox.box.tls = none\n";
        if (protocol_ == "ews") text += "mailbox.box.url = http://127.0.0.1:9600/EWS/Exchange.asmx\n";
        if (protocol_ == "graph") text += "mailbox.box.url = http://127.0.0.1:9600\n";
        plugin::host::Rules rules;
        rules.keys = listener::keys();
        for (auto& key : auth::keys()) rules.keys.push_back(std::move(key));
        rules.checks = {listener::check, auth::check};
        rules.workingDirectory = "/";
        auto validated = plugin::host::validate(plugin::host::parseProperties(text, "refusing"), rules);
        for (const auto& problem : validated.problems)
            if (problem.severity == plugin::Problem::Severity::error) throw std::runtime_error(problem.key + ": " + problem.what);
        world_.configuration = validated.configuration;
        world_.servers = [this](SimNetwork& network) {
            network.listen(tokenPort, [this] { return tokens_.accept(); });
            network.listen(serverPort, [this]() -> std::unique_ptr<Peer> {
                if (protocol_ == "imap") return imap_.accept();
                return std::make_unique<Behind>(protocol_ == "ews" ? ews_.connect() : graph_.connect());
            });
        };
        process_ = std::make_unique<Process>(world_, dead_);
    }

    const std::string protocol_;
    Dice dice_{1};
    WorldClock clock_{};
    KeptLog log_;
    SimDisk disk_{1};
    SimVfs files_{};
    TokenServer tokens_{clock_, dice_, "YXBwOnNlY3JldA=="};
    MailServer imap_;
    servers::EwsServer ews_{};
    servers::GraphServer graph_;
    std::uint64_t refused_ = 0;
    bool dead_ = false;
    World world_{clock_, dice_, files_, disk_, log_, nullptr, {}};
    std::unique_ptr<Process> process_{};
};

}  // namespace

SCENARIO("a server that takes no token, though each is good, is stormed as little as the token endpoint", "[scenario]") {
    const auto* const protocol = GENERATE("imap", "ews", "graph");
    INFO(protocol);
    Refusing refusing(protocol);
    refusing.pass(1h);
    CHECK(refusing.refused() > 5);  // it is still tried
    CHECK(refusing.refused() <= 20);
    CHECK(refusing.tokens() <= 20);
    CHECK(refusing.log().text().find("PO-4002") != std::string::npos);
    for (int hour = 2; hour <= 24; ++hour) {
        const auto refused = refusing.refused(), tokens = refusing.tokens();
        refusing.pass(1h);
        CHECK(refusing.refused() - refused <= 12);
        CHECK(refusing.tokens() - tokens <= 12);
    }
    refusing.good = true;
    refusing.pass(7min);
    CHECK(refusing.is("ok"));
}
