// A machine whose only way out is a proxy, in network namespaces of its own: what leaves it any other way is counted frame by frame.
#include "tests/auth/channel/trusting.h"
#include "tests/servers/dante.h"
#include "tests/servers/squid.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <future>
#include <thread>

using auth::Target;
using plugin::Code;
using servers::TlsServer;

namespace {

const std::string ours = "10.99.0.2", theirs = "10.99.0.1";

std::string shell(const std::string& line) {
    const auto outcome = servers::run({"sh", "-c", line});
    if (outcome.status != 0) throw std::runtime_error(line + ": " + outcome.output + outcome.error);
    return outcome.output;
}

/// The network namespace the calling thread is in. Sockets belong to the one they were made in, children to their parent's.
class Namespace {
public:
    Namespace() : fd_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) { REQUIRE(fd_ >= 0); }
    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;
    ~Namespace() { ::close(fd_); }
    void enter() const { REQUIRE(::setns(fd_, CLONE_NEWNET) == 0); }

private:
    int fd_;
};

/// Every frame that comes or goes at the interfaces of the namespace it was made in, but for what interfaces say by themselves (ARP, ICMPv6).
class Tap {
public:
    Tap() : fd_(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL))) { REQUIRE(fd_ >= 0); }
    Tap(const Tap&) = delete;
    Tap& operator=(const Tap&) = delete;
    ~Tap() { ::close(fd_); }

    struct Seen {
        std::map<std::uint16_t, std::size_t> toProxy{};  ///< TCP between this machine and each proxy's port
        std::vector<std::string> otherwise{};            ///< everything else
    };
    Seen seen(const std::vector<std::uint16_t>& proxyPorts) {
        Seen all;
        unsigned char frame[2048];
        sockaddr_ll from{};
        socklen_t length = sizeof from;
        for (;;) {
            const auto size = ::recvfrom(fd_, frame, sizeof frame, 0, reinterpret_cast<sockaddr*>(&from), &length);
            if (size < 0) return all;
            const auto protocol = ntohs(from.sll_protocol);
            if (protocol == ETH_P_ARP) continue;
            if (protocol == ETH_P_IPV6 && size > 6 && frame[6] == IPPROTO_ICMPV6) continue;
            if (protocol == ETH_P_IPV6 && size > 6 && frame[6] == 0) continue;  // hop-by-hop: multicast listener reports
            const auto told = tell(protocol, frame, static_cast<std::size_t>(size));
            const auto proxy = std::find_if(proxyPorts.begin(), proxyPorts.end(), [&](std::uint16_t port) {
                return told.starts_with("tcp ") && told.find(ours) != std::string::npos &&
                       (told + " ").find(theirs + ":" + std::to_string(port) + " ") != std::string::npos;
            });
            if (proxy != proxyPorts.end())
                ++all.toProxy[*proxy];
            else
                all.otherwise.push_back(told);
        }
    }

private:
    /// "tcp 10.99.0.2:40000 10.99.0.1:3128"
    static std::string tell(int protocol, const unsigned char* frame, std::size_t size) {
        if (protocol != ETH_P_IP || size < sizeof(iphdr)) return "protocol " + std::to_string(protocol);
        iphdr ip{};
        std::memcpy(&ip, frame, sizeof ip);
        char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];
        ::inet_ntop(AF_INET, &ip.saddr, source, sizeof source);
        ::inet_ntop(AF_INET, &ip.daddr, destination, sizeof destination);
        std::uint16_t ports[2] = {0, 0};
        if (size >= ip.ihl * 4U + sizeof ports) std::memcpy(ports, frame + ip.ihl * 4U, sizeof ports);
        const std::string name = ip.protocol == IPPROTO_TCP ? "tcp" : ip.protocol == IPPROTO_UDP ? "udp" : std::to_string(ip.protocol);
        return name + " " + source + ":" + std::to_string(ntohs(ports[0])) + " " + destination + ":" + std::to_string(ntohs(ports[1]));
    }
    int fd_;
};

/// unshare's words for namespaces this user may make; empty: none.
std::vector<std::string> unshare() {
    std::vector<std::string> words{"unshare", "-n"};
    if (::geteuid() != 0) words = {"unshare", "-U", "--map-current-user", "--keep-caps", "-n"};  // Squid does not want to be root
    auto attempt = words;
    attempt.insert(attempt.end(), {"ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"});
    try {
        if (servers::run(attempt).status == 0) return words;
    } catch (const std::runtime_error&) {  // no such program
    }
    return {};
}

}  // namespace

SCENARIO("where the proxy is the only way out nothing leaves past it", "[proxy][namespace]") {
    const auto words = unshare();
    if (words.empty()) {
        WARN("skipped: network namespaces cannot be made here (unshare -n and veth, or user namespaces)");
        SUCCEED("skipped");
        return;
    }
    auto inside = words;
    inside.insert(inside.end(), {std::filesystem::read_symlink("/proc/self/exe").string(), "[.inside]", "--order", "decl"});
    const auto outcome = servers::run(inside, ".", std::chrono::seconds{90});
    INFO(outcome.output << outcome.error);
    REQUIRE(outcome.status == 0);
    REQUIRE(outcome.output.find("All tests passed") != std::string::npos);
}

// Run by the scenario above in namespaces of its own.
SCENARIO("inside: the machine behind the proxy", "[.inside]") {
    const Namespace here;
    const auto us = std::to_string(::gettid());
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    const Namespace outside;
    shell("ip link set lo up");
    here.enter();
    std::promise<void> over;
    std::promise<std::string> there;
    std::thread keeper([&] {  // `ip` knows a namespace by a process that is in it
        outside.enter();
        there.set_value(std::to_string(::gettid()));
        over.get_future().wait();
    });
    const auto them = there.get_future().get();
    shell("ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v1 netns " + them + " && ip addr add " + ours +
          "/24 dev v0 && ip link set v0 up");
    outside.enter();
    shell("ip addr add " + theirs + "/24 dev v1 && ip link set v1 up");
    // The outside world: a mail server, a token endpoint, a proxy. Only the proxy knows their names.
    const servers::TemporaryDirectory place;
    const auto serve = [](TlsServer::Stream& stream) {
        stream.write("hello " + stream.serverName());
        stream.read();
    };
    const TlsServer mail({.chain = {leaf()}, .address = "0.0.0.0"}, serve);
    const std::map<std::string, std::string> users{{"postern", "s3cret"}};
    const std::map<std::string, std::string> hosts{{"mail.behind.test", "127.0.0.1"}, {"idp.behind.test", "127.0.0.1"}};
    const auto proxys = servers::makeCertificate({.commonName = "proxy", .addresses = {theirs}}, &root());
    const servers::Squid squid(place / "squid", {.users = users, .hosts = hosts, .address = theirs});
    const servers::Squid overTls(place / "squid-tls",
                                 {.users = users, .hosts = hosts, .address = theirs, .certificate = proxys.pem(), .key = proxys.keyPem()});
    const servers::Dante dante(place / "dante", {.users = users, .hosts = hosts, .address = theirs});
    here.enter();
    // Whatever goes astray leaves by the same cable, and is seen.
    shell("ip route add default via " + theirs);
    Tap tap;
    const auto through = [](const std::string& type, std::uint16_t port) {
        return std::map<std::string, std::string>{
            {"proxy.p.type", type},          {"proxy.p.host", theirs},       {"proxy.p.port", std::to_string(port)},
            {"proxy.p.username", "postern"}, {"proxy.p.password", "s3cret"}, {"proxy.p.bypass", "192.0.2.*"},
            {"proxy.p.default", "true"}};
    };
    struct Row {
        const char* type;
        std::uint16_t port;
    };
    const std::vector<std::uint16_t> ports{squid.port(), overTls.port(), dante.port()};  // all of them: one says goodbye when its turn is over
    for (const auto& row : {Row{"http", squid.port()}, Row{"https", overTls.port()}, Row{"socks5", dante.port()}}) {
        INFO(row.type);
        auto settings = through(row.type, row.port);
        if (row.type == std::string("https")) settings["proxy.p.truststore"] = "own";
        Trusting own(settings);
        const Target named{.host = "mail.behind.test", .port = mail.port(), .truststore = "own", .proxy = "p"};
        auto channel = own.dial(named);
        CHECK(own.read(*channel, 22) == "hello mail.behind.test");
        auto byDefault = named;
        byDefault.proxy = "";
        auto second = own.dial(byDefault);
        CHECK(own.read(*second, 22) == "hello mail.behind.test");
        auto starttls = named;
        starttls.tls = Target::Tls::starttls;
        CHECK(own.dial(starttls));
        auto unknown = named;
        unknown.host = "no-such-host.invalid";
        const auto failed = own.world.dial(unknown);
        REQUIRE_FALSE(failed);
        CHECK(failed.error().code == Code::channelProxyFailed);
        auto here4 = named;  // this machine is no exception either
        here4.host = "127.0.0.1";
        auto atTheProxy = own.dial(here4);
        CHECK(own.read(*atTheProxy, 6) == "hello ");
        auto seen = tap.seen(ports);
        CHECK(seen.toProxy[row.port] > 20);
        CHECK(seen.otherwise == std::vector<std::string>{});
    }

    // The measure measures: a name looked up here, and an address on the bypass list, are both seen.
    {
        Trusting own(through("http", squid.port()));
        const auto brief = own.world.in(std::chrono::milliseconds(300));
        CHECK_FALSE(own.world.dial({.host = "192.0.2.1", .port = 993, .tls = Target::Tls::none}, brief));
        Trusting without;
        CHECK_FALSE(
            without.world.dial({.host = "mail.behind.test", .port = 993, .tls = Target::Tls::none}, without.world.in(std::chrono::seconds(1))));
    }
    const auto direct = tap.seen(ports);
    const auto any = [&](const std::string& part) {
        return std::any_of(direct.otherwise.begin(), direct.otherwise.end(), [&](const auto& each) { return each.find(part) != std::string::npos; });
    };
    CHECK(any(" 192.0.2.1:993"));
    CHECK(any(":53"));
    over.set_value();
    keeper.join();
}
