#pragma once

#include "tests/servers/process.h"

#include <catch2/catch.hpp>

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
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

/// A machine in network namespaces of its own, with one cable to the world outside, where a proxy is all that answers: what leaves it any other way
/// is counted frame by frame.
namespace confined {

inline const std::string ours = "10.99.0.2", theirs = "10.99.0.1";

inline std::string shell(const std::string& line) {
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
    void enter() const { REQUIRE(::setns(fd_, CLONE_NEWNET) == 0); }  ///< the calling thread

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

/// unshare's words for namespaces this user may make; or what was said instead.
struct Unsharing {
    std::vector<std::string> words{};
    std::string said{};
    bool works = false;
};
inline Unsharing unshare() {
    Unsharing all{{"unshare", "-n"}};
    if (::geteuid() != 0) all.words = {"unshare", "-U", "--map-current-user", "--keep-caps", "-n"};  // Squid does not want to be root
    auto attempt = all.words;
    attempt.insert(attempt.begin(), {"env", "LC_ALL=C"});
    attempt.insert(attempt.end(), {"ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"});
    const auto outcome = servers::run(attempt);
    all.works = outcome.status == 0;
    all.said = outcome.output + outcome.error;
    return all;
}

/// May a scenario be skipped for want of namespaces? Where the machine forbids them (EPERM; ENOSPC: the most it allows of them is none) or its kernel
/// has no such cable, or POSTERN_MAY_SKIP names "namespaces".
inline bool mayBeSkipped(const std::string& said) {
    const auto* const may = std::getenv("POSTERN_MAY_SKIP");
    if (may != nullptr && std::string(may).find("namespaces") != std::string::npos) return true;
    for (const auto* const forbidden : {"Operation not permitted", "No space left on device", "Unknown device type", "Operation not supported"})
        if (said.find(forbidden) != std::string::npos) return true;
    return false;
}

/// Runs the scenarios of this binary with that tag in a network namespace of its own; skips, by name, where none may be made.
inline void runInside(const std::string& tag, std::chrono::seconds atMost) {
    const auto unsharing = unshare();
    if (!unsharing.works) {
        INFO("network namespaces cannot be made here (unshare -n and veth, or user namespaces): " << unsharing.said);
        REQUIRE(mayBeSkipped(unsharing.said));
        WARN("skipped: network namespaces cannot be made here: " << unsharing.said);
        return;
    }
    auto inside = unsharing.words;
    inside.insert(inside.end(), {std::filesystem::read_symlink("/proc/self/exe").string(), tag, "--order", "decl"});
    const auto outcome = servers::run(inside, ".", atMost);
    INFO(outcome.output << outcome.error);
    REQUIRE(outcome.status == 0);
    REQUIRE(outcome.output.find("All tests passed") != std::string::npos);
}

/// The confined machine is where the process is; made in a scenario that runInside() runs. The thread that makes it is in the world outside then.
class Confinement {
public:
    Confinement() : outside(makeOutside()) {
        keeper_ = std::thread([this] {  // `ip` knows a namespace by a process that is in it
            outside.enter();
            there_.set_value(std::to_string(::gettid()));
            over_.get_future().wait();
        });
        const auto them = there_.get_future().get();
        here.enter();
        shell("ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v1 netns " + them + " && ip addr add " + ours +
              "/24 dev v0 && ip link set v0 up");
        outside.enter();
        shell("ip addr add " + theirs + "/24 dev v1 && ip link set v1 up");
    }
    Confinement(const Confinement&) = delete;
    Confinement& operator=(const Confinement&) = delete;
    ~Confinement() {
        over_.set_value();
        keeper_.join();
    }

    const Namespace here{};
    const Namespace outside;

private:
    static Namespace makeOutside() {
        REQUIRE(::unshare(CLONE_NEWNET) == 0);
        shell("ip link set lo up");
        return {};
    }
    std::promise<void> over_{};
    std::promise<std::string> there_{};
    std::thread keeper_{};
};

}  // namespace confined
