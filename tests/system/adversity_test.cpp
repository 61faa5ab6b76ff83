#include "tests/servers/admin_port.h"
#include "tests/servers/relay.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <optional>
#include <random>
#include <thread>

using namespace systemtest;
using servers::Relay;

namespace {

std::string passwordCredential(const Workplace& place, const std::string& user) {
    return "credential.p.grant = user_password\ncredential.p.username = " + user +
           "\ncredential.p.password = ${file:" + place.file("password", Surroundings::get().mailServer().readerPassword()).string() + "}\n";
}

/// A network of its own for one process: it reaches this machine over one wire, under the name localhost, and the wire can be pulled out without
/// either side being told. Needs root.
class NetworkOfItsOwn {
public:
    /// Whether one can be made here.
    static bool possible() {
        if (::geteuid() != 0) return false;
        try {
            NetworkOfItsOwn trial;
            return true;
        } catch (const std::exception&) {  // no iproute2, or a container without the right to
            return false;
        }
    }
    NetworkOfItsOwn() {
        try {
            make();
        } catch (...) {
            unmake();
            throw;
        }
    }
    ~NetworkOfItsOwn() { unmake(); }
    NetworkOfItsOwn(const NetworkOfItsOwn&) = delete;
    NetworkOfItsOwn& operator=(const NetworkOfItsOwn&) = delete;

    static std::string name() { return "postern-" + std::to_string(::getpid()); }
    std::string here() const { return "10.213." + std::to_string(::getpid() % 250) + ".1"; }
    /// What is on the wire is lost from now on, both ways, and nobody is told.
    void plug(bool in) { ip({"link", "set", wire(), in ? "up" : "down"}); }

private:
    void make() {
        std::filesystem::create_directories("/etc/netns/" + name());
        servers::writeFile("/etc/netns/" + name() + "/hosts", here() + " localhost\n");  // ip-netns(8) lays it over /etc/hosts
        ip({"netns", "add", name()});
        ip({"link", "add", wire(), "type", "veth", "peer", "name", "wire", "netns", name()});
        ip({"address", "add", here() + "/30", "dev", wire()});
        ip({"-n", name(), "address", "add", there() + "/30", "dev", "wire"});
        ip({"link", "set", wire(), "up"});
        ip({"-n", name(), "link", "set", "wire", "up"});
        ip({"-n", name(), "link", "set", "lo", "up"});
    }
    static void unmake() {
        for (const auto& words : std::vector<std::vector<std::string>>{{"link", "delete", wire()}, {"netns", "delete", name()}}) {
            auto all = words;
            all.insert(all.begin(), "ip");
            servers::run(all);
        }
        std::error_code ignored;
        std::filesystem::remove_all("/etc/netns/" + name(), ignored);
        std::filesystem::remove("/etc/netns", ignored);  // unless others are in it
    }
    std::string there() const { return "10.213." + std::to_string(::getpid() % 250) + ".2"; }
    static std::string wire() { return "pw" + std::to_string(::getpid()); }
    static void ip(std::vector<std::string> words) {
        words.insert(words.begin(), "ip");
        const auto outcome = servers::run(words);
        if (outcome.status != 0) throw std::runtime_error("ip: " + outcome.error);
    }
};

/// The page of metrics, "" when there is none yet. `into`: words that bring a command into the program's network.
std::string metrics(const Workplace& place, std::vector<std::string> into) {
    const auto address = servers::AdminPort(place.data()).address();
    into.insert(into.end(), {"curl", "-s", "--max-time", "5", "http://" + address + "/metrics"});
    return address.empty() ? "" : servers::run(into).output;
}

bool isHealth(const std::string& page, const std::string& health) {
    return page.find("postern_mailbox_health{health=\"" + health + "\",mailbox=\"m\"} 1") != std::string::npos ||
           page.find("postern_mailbox_health{mailbox=\"m\",health=\"" + health + "\"} 1") != std::string::npos;
}

}  // namespace

SCENARIO("a line that is dead without a word is noticed, told of, and made good", "[system][dead]") {
    const bool pulled = GENERATE(false, true);
    if (pulled && !NetworkOfItsOwn::possible()) {
        WARN("skipped: no network of its own can be made here (root, ip netns, veth); the wire only swallows");
        return;
    }
    GIVEN(std::string{"a service in IDLE, over a wire that "} + (pulled ? "can be pulled out" : "can swallow everything")) {
        auto& around = Surroundings::get();
        Workplace place;
        std::optional<NetworkOfItsOwn> network;
        if (pulled) network.emplace();
        Relay relay{around.mailServer().imapsPort(), pulled ? network->here() : "127.0.0.1"};
        const auto user = around.newUser();
        auto reader = around.reader(user);
        reader.append("INBOX", someMails("before", 3));
        place.configure(passwordCredential(place, user) + replaced(mailbox("m", user, "p"), "mailbox.m.port", std::to_string(relay.port())) +
                        "mailbox.m.reconcile = 10s\nmailbox.m.timeout.io = 5s\nmailbox.m.timeout.connect = 5s\n");
        const auto into = pulled ? std::vector<std::string>{"ip", "netns", "exec", NetworkOfItsOwn::name()} : std::vector<std::string>{};
        auto words = into;
        words.insert(words.end(), {POSTERN_PROGRAM, "run", "--config", (place.path() / "conf").string()});
        servers::Process service{{words, place.path() / "log", place.path() / "log", place.path()}};
        servers::eventually([&] { return place.countDelivered("m") == 3 || !service.running(); }, std::chrono::seconds{30});
        INFO(place.log());
        REQUIRE(place.countDelivered("m") == 3);
        REQUIRE(servers::eventually([&] { return isHealth(metrics(place, into), "ok"); }, std::chrono::seconds{10}));
        WHEN("the line dies, and mail comes meanwhile") {
            const auto set = [&](bool alive) { pulled ? network->plug(alive) : relay.swallow(!alive); };
            set(false);
            const auto died = std::chrono::steady_clock::now();
            reader.append("INBOX", someMails("meanwhile", 2));
            // Two intervals after the last look into the mailbox, which was no later than the death.
            const bool told = servers::eventually([&] { return isHealth(metrics(place, into), "stalled"); }, std::chrono::seconds{60});
            const auto toldAfter = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - died);
            CHECK(place.countDelivered("m") == 3);
            set(true);
            const auto returned = std::chrono::steady_clock::now();
            servers::eventually([&] { return place.countDelivered("m") == 5 || !service.running(); }, std::chrono::seconds{60});
            const auto cameAfter = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - returned);
            THEN("the mailbox was called stalled within two intervals, and the mail comes within one and half a minute") {
                INFO(metrics(place, into));
                INFO(place.log());
                CHECK(told);
                CHECK(toldAfter <= std::chrono::seconds{2 * 10 + 5});
                CHECK(place.countDelivered("m") == 5);
                CHECK(cameAfter <= std::chrono::seconds{10 + 30});
                WARN("stalled after " << toldAfter.count() << " s, delivered " << cameAfter.count() << " s after the line came back");
                CHECK(sortedBytes(place.delivered("m")) == sortedBytes(reader.fetch("INBOX")));
                CHECK(servers::eventually([&] { return isHealth(metrics(place, into), "ok"); }, std::chrono::seconds{30}));
            }
        }
    }
}

SCENARIO("tokens of three seconds, and a line that is cut when they have ended, are no reason to lose mail", "[system]") {
    GIVEN("an identity provider whose tokens live three seconds, and a service") {
        servers::TemporaryDirectory ground;
        const servers::CertificateFiles certificates{ground / "m" / "certificates"};
        const servers::IdentityProvider provider{ground / "idp", certificates, {.tokenLifetime = 3}};
        const servers::Dovecot mailServer{ground / "m", provider.introspectionPort()};
        const std::string user = "alice@example.test";
        servers::ImapClient reader{mailServer.imapPort(), user, mailServer.readerPassword()};
        Relay relay{mailServer.imapsPort()};
        Workplace place;
        place.configure(replaced(replaced(basicCredential(place, "c"), "credential.c.token_endpoint", provider.tokenEndpoint()),
                                 "credential.c.truststore", "short") +
                        replaced(replaced(mailbox("m", user, "c"), "mailbox.m.port", std::to_string(relay.port())), "mailbox.m.truststore", "short") +
                        "truststore.short.path = " + certificates.authority.string() + "\n");
        auto service = place.start({"run"});
        std::size_t sent = 0;
        const auto arrives = [&](std::size_t count) {
            sent += count;
            reader.append("INBOX", someMails("series" + std::to_string(sent), count));
            servers::eventually([&] { return place.countDelivered("m") == sent || !service.running(); }, std::chrono::seconds{40});
            INFO(place.log());
            REQUIRE(place.countDelivered("m") == sent);
        };
        arrives(2);
        WHEN("mail comes on a session that is older than its token, and the line is cut") {
            const auto lives = provider.requests().size();
            std::this_thread::sleep_for(std::chrono::seconds{4});  // the token's life, at a server that has no other clock
            arrives(2);
            for (int cuts = 0; cuts < 2; ++cuts) {
                const auto before = provider.requests().size();
                relay.cutNow(Relay::Cut::reset);
                std::this_thread::sleep_for(std::chrono::seconds{4});
                arrives(2);
                CHECK(provider.requests().size() > before);
            }
            THEN("each reconnection had a fresh token, nothing was refused, and all of it was delivered") {
                CHECK(sortedBytes(place.delivered("m")) == sortedBytes(reader.fetch("INBOX")));
                CHECK(place.log().find("PO-4002") == std::string::npos);
                CHECK(provider.requests().size() <= lives + 8);
                WARN("tokens asked for: " << provider.requests().size());
            }
        }
    }
}

SCENARIO("another client that changes flags all the time changes nothing about what is delivered", "[system]") {
    GIVEN("a mailbox in which somebody reads, unreads and stars mail at random") {
        auto& around = Surroundings::get();
        const auto user = around.newUser();
        auto reader = around.reader(user);
        const auto mails = someMails("flipped", 400);
        reader.append("INBOX", std::vector<servers::ImapClient::Mail>{mails.begin(), mails.begin() + 200});
        Workplace place;
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c") + "mailbox.m.max_per_round = 17\n");
        std::atomic<bool> over{false};
        std::size_t flips = 0;
        std::string trouble;
        std::thread other{[&, client = around.reader(user)]() mutable {
            std::minstd_rand random{7};
            static const std::string flags[] = {"\\Seen", "\\Flagged", "\\Answered", "Label"};
            try {
                client.command("SELECT INBOX");
                for (; !over; ++flips)
                    client.command("UID STORE " + std::to_string(1 + random() % 400) + (random() % 2 == 0 ? " +FLAGS (" : " -FLAGS (") +
                                   flags[random() % 4] + ")");
            } catch (const std::exception& error) {
                trouble = error.what();
            }
        }};
        WHEN("it is drained meanwhile, by a service to which the rest comes later") {
            auto service = place.start({"run"});
            servers::eventually([&] { return place.countDelivered("m") == 200 || !service.running(); }, std::chrono::seconds{60});
            for (auto from = mails.begin() + 200; from != mails.end(); from += 20)
                reader.append("INBOX", std::vector<servers::ImapClient::Mail>{from, from + 20});
            servers::eventually([&] { return place.countDelivered("m") == 400 || !service.running(); }, std::chrono::seconds{60});
            service.signal(SIGTERM);
            const auto ended = service.wait(std::chrono::seconds{10});
            over = true;
            other.join();
            THEN("each mail is delivered once") {
                INFO(place.log());
                REQUIRE(ended);
                CHECK(ended->status == 0);
                CHECK(trouble.empty());
                CHECK(flips > 100);
                CHECK(place.postern({"run", "--once"}).status == 0);
                CHECK(place.countDelivered("m") == 400);
                CHECK(sortedBytes(place.delivered("m")) == sortedBytes(reader.fetch("INBOX")));
                WARN(flips << " changes of flags");
            }
        }
        over = true;
        if (other.joinable()) other.join();
    }
}
