#include "plugin/host/notify.h"

#include "plugin/contract/handle.h"
#include "tests/plugin/host/host_fakes.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>

using namespace plugin::host;

namespace {

/// The service manager's end.
class Manager {
public:
    explicit Manager(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name.front() == '@') address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0) throw std::runtime_error("bind failed");
    }
    std::string heard() {
        std::array<char, 256> text{};
        const auto count = ::recv(socket_.get(), text.data(), text.size(), MSG_DONTWAIT);
        return count < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(count));
    }

private:
    plugin::Handle socket_;
};

}  // namespace

SCENARIO("the service manager is told in its own words", "[notify]") {
    fakes::Folder folder;
    const bool abstract = GENERATE(false, true);
    const auto name = abstract ? "@postern-test-" + std::to_string(::getpid()) : folder / "notify";
    Manager manager(name);
    const Notifier notifier(name.c_str(), nullptr, nullptr);
    REQUIRE(notifier.send("READY=1\nMAINPID=5"));
    REQUIRE(manager.heard() == "READY=1\nMAINPID=5");
    REQUIRE_FALSE(notifier.watchdog());
}

SCENARIO("without a service manager nothing is sent, and a wrong one is an error", "[notify]") {
    REQUIRE(Notifier(nullptr, "1000000", nullptr).send("READY=1"));
    REQUIRE(Notifier("", nullptr, nullptr).send("READY=1"));
    REQUIRE_FALSE(Notifier("relative", nullptr, nullptr).send("READY=1"));
    REQUIRE_FALSE(Notifier("/nonexistent/notify", nullptr, nullptr).send("READY=1"));
    REQUIRE_FALSE(Notifier(std::string(200, '/').c_str(), nullptr, nullptr).send("READY=1"));
}

SCENARIO("the watchdog is fed twice as often as it wants, if it is ours", "[notify]") {
    const auto ours = std::to_string(::getpid());
    REQUIRE(Notifier("/run/x", "30000000", ours.c_str()).watchdog() == std::chrono::seconds(15));
    REQUIRE(Notifier("/run/x", "30000000", nullptr).watchdog() == std::chrono::seconds(15));
    REQUIRE_FALSE(Notifier("/run/x", "30000000", "1").watchdog());
    REQUIRE_FALSE(Notifier("/run/x", "soon", nullptr).watchdog());
    REQUIRE_FALSE(Notifier(nullptr, "30000000", nullptr).watchdog());
}
