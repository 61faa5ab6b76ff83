#include "tests/servers/admin_port.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <csignal>
#include <sstream>

using namespace systemtest;

namespace {

constexpr unsigned mailboxes = 1'000;

std::string user(unsigned number) { return "s" + std::to_string(number) + "@example.test"; }
std::string alias(unsigned number) { return "m" + std::to_string(number); }

/// A mail server with so many mailboxes, beside the one all other tests share.
class BigServer {
public:
    const servers::Dovecot& server() const { return server_; }
    const servers::CertificateFiles& certificates() const { return certificates_; }

private:
    static std::filesystem::path withUsers(const std::filesystem::path& directory) {
        std::filesystem::create_directories(directory);
        std::string users;
        for (unsigned number = 0; number < mailboxes; ++number) users += user(number) + "\n";
        servers::writeFile(directory / "users", users);
        return directory;
    }
    servers::TemporaryDirectory place_{};
    servers::CertificateFiles certificates_{place_ / "m" / "certificates"};
    servers::Dovecot server_{withUsers(place_ / "m"), Surroundings::get().provider().introspectionPort()};
};

/// "" while nobody answers yet.
std::string metrics(const Workplace& place) { return servers::AdminPort(place.data()).get("/metrics").body; }

std::size_t occurrences(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++count;
    return count;
}

/// The mailboxes the metrics show in this state now.
std::size_t inState(const std::string& page, const std::string& state) { return occurrences(page, "state=\"" + state + "\"} 1\n"); }

long threads(pid_t process) {
    std::istringstream status(servers::readFile("/proc/" + std::to_string(process) + "/status"));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("Threads:")) return std::stol(line.substr(8));
    return 0;
}

std::size_t deliveredToAll(const Workplace& place) {
    std::size_t all = 0;
    for (unsigned number = 0; number < mailboxes; ++number) all += place.countDelivered(alias(number));
    return all;
}

}  // namespace

SCENARIO("a thousand mailboxes start at once, wait for news, and each gets its mail", "[system]") {
    const BigServer big;
    Workplace place;
    std::string lines =
        basicCredential(place, "c") + "truststore.big.path = " + big.certificates().authority.string() + "\nsink.spool.metadata = none\n";
    for (unsigned number = 0; number < mailboxes; ++number) {
        auto text =
            replaced(mailbox(alias(number), user(number), "c"), "mailbox." + alias(number) + ".port", std::to_string(big.server().imapsPort()));
        text = replaced(std::move(text), "mailbox." + alias(number) + ".truststore", "big");
        lines += replaced(std::move(text), "mailbox." + alias(number) + ".interval", "9999s") + "mailbox." + alias(number) + ".reconcile = 9999s\n";
    }
    place.configure(lines);

    const auto tokensBefore = Surroundings::get().provider().requests().size();
    auto service = place.start({"run"});
    const bool waiting =
        servers::eventually([&] { return !service.running() || inState(metrics(place), "watching") == mailboxes; }, std::chrono::seconds{240});
    INFO(place.log().substr(0, 4000));
    REQUIRE(service.running());
    REQUIRE(waiting);
    CHECK(threads(service.id()) <= 64);
    CHECK(occurrences(big.server().log(), "Login: user=") == mailboxes);
    CHECK(Surroundings::get().provider().requests().size() - tokensBefore <= 2);

    for (unsigned number = 0; number < mailboxes; ++number)
        servers::ImapClient(big.server().imapPort(), user(number), big.server().readerPassword())
            .append("INBOX", "Subject: to " + user(number) + "\r\n\r\nbody\r\n");
    // Nobody looks by himself before 9999 s have passed: whatever arrives was told.
    CHECK(servers::eventually([&] { return !service.running() || deliveredToAll(place) == mailboxes; }, std::chrono::seconds{180}));
    CHECK(deliveredToAll(place) == mailboxes);
    CHECK(threads(service.id()) <= 64);

    service.signal(SIGTERM);
    const auto ended = service.wait(std::chrono::seconds{12});
    REQUIRE(ended);
    CHECK(ended->status == 0);
    // The readers above just left; ours all said good-bye.
    CHECK(servers::eventually([&] { return occurrences(big.server().log(), "Logged out") == mailboxes; }, std::chrono::seconds{20}));
}
