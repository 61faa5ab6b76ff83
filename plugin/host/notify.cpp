#include "plugin/host/notify.h"

#include "plugin/contract/configuration.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace plugin::host {

Notifier::Notifier(const char* socket, const char* watchdogMicroseconds, const char* watchdogProcess) : address_(socket == nullptr ? "" : socket) {
    if (address_.empty() || watchdogMicroseconds == nullptr) return;
    if (watchdogProcess != nullptr && parseInteger(watchdogProcess) != ::getpid()) return;
    if (const auto microseconds = parseInteger(watchdogMicroseconds); microseconds && *microseconds > 1)
        watchdog_ = std::chrono::microseconds(*microseconds / 2);
}

Notifier Notifier::fromEnvironment() { return {std::getenv("NOTIFY_SOCKET"), std::getenv("WATCHDOG_USEC"), std::getenv("WATCHDOG_PID")}; }

Result<void> Notifier::send(std::string_view state) const {
    if (address_.empty()) return {};
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if ((address_.front() != '/' && address_.front() != '@') || address_.size() >= sizeof to.sun_path)
        return Error{Reaction::askOperator, Code::configBadValue, "NOTIFY_SOCKET is neither a path nor an abstract name"};
    std::memcpy(to.sun_path, address_.data(), address_.size());
    if (address_.front() == '@') to.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    const Handle socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), length) < 0)
        return Error{Reaction::retryLater, Code::configBadValue, std::string("the service manager was not reached: ") + std::strerror(errno)};
    return {};
}

}  // namespace plugin::host
