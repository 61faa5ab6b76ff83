#include "tests/simulation/history_mailbox.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_text.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <set>

using namespace simulation;
using namespace std::chrono_literals;
using plugin::Steady;

namespace {

constexpr const char* basic = "YXBwOnNlY3JldA==";  // app:secret
constexpr std::uint16_t firstPort = 20'000, tokenPort = 9'400;

/// By EWS each second of each mailbox is played, by Graph each look: of these as many as take as long.
std::size_t mailboxesWanted(const std::string& protocol) { return setting("POSTERN_STORM_MAILBOXES", protocol == "imap" ? 10'000 : 300); }

/// The latency below which so many of a hundred lie.
std::chrono::milliseconds percentile(std::vector<std::chrono::milliseconds> all, std::size_t percent) {
    if (all.empty()) throw std::logic_error("nothing was measured");
    std::sort(all.begin(), all.end());
    return all[(all.size() - 1) * percent / 100];
}

/// One process with very many mailboxes, each with a server of its own at one host, under virtual time. Mails are marked seen once they
/// are settled, and that is when they count as delivered.
class Fleet {
public:
    explicit Fleet(const std::string& protocol) : protocol_(protocol), size_(mailboxesWanted(protocol)) {
        files_.useClock(clock_);
        for (std::size_t i = 0; i < size_; ++i) addServer(i);
        configure();
        process_ = std::make_unique<Process>(world_, dead_);
        if (const auto error = process_->start(plugin::Mode::service)) throw std::runtime_error(error->what);
    }
    ~Fleet() {
        if (!process_->bug()) {
            process_->stop();
            process_->run(clock_.steady() + 10s);
        }
    }

    std::size_t size() const { return size_; }
    void setLink(std::size_t mailbox, SimNetwork::Link link) { network().setLink(portOf(mailbox), link); }
    SimNetwork& network() { return process_->network(); }
    Steady now() const { return clock_.steady(); }
    std::string health(std::size_t mailbox) {
        for (const auto* health : {"ok", "degraded", "stalled", "blocked"})
            if (process_->kept().gauge("postern_mailbox_health mailbox=" + alias(mailbox) + " health=" + health) == 1) return health;
        return "unknown";
    }
    /// Sign-ins; requests where each signs in for itself.
    std::uint64_t dialogues() const {
        std::uint64_t all = 0;
        for (const auto& server : servers_) all += server->dialogues();
        return all;
    }

    void pass(std::chrono::milliseconds time) {
        process_->run(clock_.steady() + time);
        if (process_->bug()) std::rethrow_exception(process_->bug());
    }
    /// The health of all, each asked once.
    std::size_t countWell() {
        process_->kept().gauge("");  // collects
        std::size_t well = 0;
        for (std::size_t i = 0; i < size_; ++i)
            well += process_->kept().last("postern_mailbox_health mailbox=" + alias(i) + " health=ok") == 1 ? 1 : 0;
        return well;
    }

    /// A mail for each of these mailboxes at some moment of the next `within`, then that time and `after`. Answers how long each took that came.
    std::vector<std::chrono::milliseconds> mailTo(const std::vector<std::size_t>& mailboxes, std::chrono::milliseconds within,
                                                  std::chrono::milliseconds after) {
        latencies_.clear();
        timed_ = {mailboxes.begin(), mailboxes.end()};
        for (const auto mailbox : mailboxes)
            process_->loop().at(clock_.steady() + std::chrono::milliseconds(dice_.below(static_cast<std::uint64_t>(within.count()))),
                                [this, mailbox] { arrive(mailbox); });
        pass(within + after);
        return latencies_;
    }
    void arrive(std::size_t mailbox) {
        auto& server = *servers_[mailbox];
        const auto number = std::to_string(++sent_);
        const auto serial = server.arrive("INBOX", "Message-ID: <" + number + "@example.test>\r\nSubject: mail " + number + "\r\n\r\nbody\r\n",
                                          std::chrono::floor<std::chrono::seconds>(clock_.wall()));
        arrived_[{mailbox, serial}] = clock_.steady();
    }
    std::size_t outstanding() const { return arrived_.size(); }
    std::uint64_t sent() const { return sent_; }
    /// Once each; told of what no client should have asked.
    void checkDelivered() const {
        CHECK(outstanding() == 0);
        std::size_t spooled = 0;
        for (std::size_t i = 0; i < size_; ++i) spooled += disk_.files("/spool/" + alias(i)).size();
        CHECK(spooled == sent_);
        for (const auto& server : servers_) CHECK(server->violations() == std::vector<std::string>{});
        CHECK(tokens_.violations == std::vector<std::string>{});
    }

    std::vector<std::size_t> every(std::size_t n, std::size_t from = 0) const {
        std::vector<std::size_t> chosen;
        for (auto i = from; i < size_; i += n) chosen.push_back(i);
        return chosen;
    }

private:
    static std::string alias(std::size_t mailbox) { return "box" + std::to_string(mailbox); }
    static std::uint16_t portOf(std::size_t mailbox) { return static_cast<std::uint16_t>(firstPort + mailbox); }

    void addServer(std::size_t mailbox) {
        auto server = makeHistoryMailbox(protocol_, clock_, dice_, [this](const auto& token) { return tokens_.valid(token); });
        server->make({"INBOX"}, HistoryMailbox::Kind::usual);
        server->touched = [this, mailbox](const std::string&, const std::string&, const HistoryMailbox::Message& mail) {
            const auto found = arrived_.find({mailbox, mail.serial});
            if (found == arrived_.end()) return;
            if (timed_.contains(mailbox))
                latencies_.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady() - found->second));
            arrived_.erase(found);
        };
        servers_.push_back(std::move(server));
    }

    void configure() {
        std::string text =
            "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = secret\n"
            "credential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n"
            "sink.s.type = spool\nsink.s.path = /spool\nsink.s.metadata = none\n";
        for (std::size_t i = 0; i < size_; ++i) {
            const auto key = "mailbox." + alias(i) + ".";
            for (const auto& line : split(servers_[i]->listenAt(portOf(i)) + "credential = c\ndeliver = s\nafter = seen\nstart = all", '\n'))
                text += key + line + "\n";
        }
        world_.configuration = configured(text);
        world_.servers = [this](SimNetwork& network) {
            network.listen(tokenPort, [this] { return tokens_.accept(); });
            for (std::size_t i = 0; i < size_; ++i) network.listen(portOf(i), [this, i] { return servers_[i]->accept(); });
        };
    }

    const std::string protocol_;
    std::size_t size_;
    Dice dice_{7};
    WorldClock clock_{};
    KeptLog log_{false, clock_};
    SimDisk disk_{7};
    SimVfs files_{};
    TokenServer tokens_{clock_, dice_, basic};
    std::vector<std::unique_ptr<HistoryMailbox>> servers_{};
    bool dead_ = false;
    World world_{clock_, dice_, files_, disk_, log_, nullptr, {}};
    std::unique_ptr<Process> process_{};
    std::map<std::pair<std::size_t, std::uint64_t>, Steady> arrived_{};
    std::vector<std::chrono::milliseconds> latencies_{};
    std::set<std::size_t> timed_{};  ///< the mailboxes whose latencies count
    std::uint64_t sent_ = 0;
};

}  // namespace

SCENARIO("very many mailboxes start at once, and neither stalled nor slow ones hold up the others", "[storm]") {
    const std::string protocol = GENERATE("imap", "ews", "graph");
    INFO("by " << protocol);
    Fleet fleet(protocol);
    const auto spacedOut = std::chrono::milliseconds(20 * fleet.size());
    fleet.pass(spacedOut + 30s);
    REQUIRE(fleet.countWell() == fleet.size());
    if (protocol == "imap") REQUIRE(fleet.dialogues() == fleet.size());

    // By Graph a mailbox is looked into at its own pace: by then none has slowed down.
    const auto lucky = fleet.every(4, 1);
    const auto usual = fleet.mailTo(lucky, 60s, 90s);
    REQUIRE(usual.size() == lucky.size());

    // A quarter falls silent without a word, and one answers slowly: mail to the others takes as long as it did before.
    for (const auto mailbox : fleet.every(4)) fleet.setLink(mailbox, {.mute = true});
    fleet.setLink(2, {.slowness = 5s});
    fleet.arrive(0);
    fleet.arrive(2);
    const auto then = fleet.mailTo(lucky, 60s, 90s);
    REQUIRE(then.size() == lucky.size());
    CHECK(percentile(then, 50) <= 2 * percentile(usual, 50) + 50ms);  // a few mailboxes make coarse percentiles
    CHECK(percentile(then, 99) <= 2 * percentile(usual, 99) + 50ms);

    // The silence lasts: the silent are called stalled, and nobody else is touched by it.
    const auto before = fleet.dialogues();
    fleet.pass(20min);
    CHECK(fleet.health(0) == "stalled");
    CHECK(fleet.health(1) == "ok");
    CHECK(fleet.countWell() >= fleet.size() * 3 / 4 - 1);
    // No sign-in more but of the slow one; of requests one look every five minutes by EWS, every one by Graph.
    CHECK(fleet.dialogues() - before <= (protocol == "imap" ? 1 : fleet.size() * (protocol == "ews" ? 6 : 25)));

    // It ends: all are well again, and what came meanwhile is there.
    for (const auto mailbox : fleet.every(4)) fleet.setLink(mailbox, {});
    fleet.setLink(2, {});
    fleet.pass(15min);
    CHECK(fleet.countWell() == fleet.size());
    fleet.checkDelivered();
}

SCENARIO("an outage of ten minutes ends for very many mailboxes", "[storm]") {
    const std::string protocol = GENERATE("imap", "ews", "graph");
    INFO("by " << protocol);
    Fleet fleet(protocol);
    fleet.pass(std::chrono::milliseconds(20 * fleet.size()) + 30s);
    REQUIRE(fleet.countWell() == fleet.size());
    const auto before = fleet.dialogues();

    fleet.network().setDown(true);
    for (const auto mailbox : fleet.every(3)) fleet.arrive(mailbox);
    fleet.pass(10min);
    CHECK(fleet.countWell() == 0);
    CHECK(fleet.dialogues() == before);
    fleet.network().setDown(false);

    // The longest back-off is 5 min and a fifth; then sign-ins follow one another by 20 ms.
    std::uint64_t most = 0, last = before;
    for (int second = 0; second < 360 + static_cast<int>(fleet.size() / 50); ++second) {
        fleet.pass(1s);
        most = std::max(most, fleet.dialogues() - last);
        last = fleet.dialogues();
    }
    CHECK(fleet.countWell() == fleet.size());
    fleet.checkDelivered();
    // 50 a second and 20 at once, and those whose three seconds of network came together; of requests, some for each.
    const std::uint64_t each = protocol == "imap" ? 1 : 12;
    CHECK(most <= (50 + 20 + 150) * each);
    CHECK(last - before <= fleet.size() * each);
}
