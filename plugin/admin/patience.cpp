#include "plugin/admin/patience.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace plugin::admin {

Patience::Served::Served(Patience& patience, int descriptor)
    : patience_(patience), copy_(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)), since_(std::chrono::steady_clock::now()) {
    if (copy_ < 0) return;  // no descriptor is left: this one ends by its own time-out
    const std::lock_guard lock(patience_.mutex_);
    patience_.served_.emplace(since_, copy_);
}

Patience::Served::~Served() {
    if (copy_ < 0) return;
    {
        const std::lock_guard lock(patience_.mutex_);
        patience_.served_.erase({since_, copy_});
    }
    ::close(copy_);
}

void Patience::lose() {
    const auto before = std::chrono::steady_clock::now() - longest_;
    const std::lock_guard lock(mutex_);
    for (const auto& [since, descriptor] : served_) {
        if (since > before) break;
        ::shutdown(descriptor, SHUT_RDWR);
    }
}

}  // namespace plugin::admin
