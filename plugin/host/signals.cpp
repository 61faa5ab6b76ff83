#include "plugin/host/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace plugin::host {

namespace {
sigset_t ours() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
    return set;
}
}  // namespace

Signals::Signals() {
    std::signal(SIGPIPE, SIG_IGN);
    const auto set = ours();
    if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0)
        throw std::system_error(error, std::generic_category(), "pthread_sigmask");
    signals_ = Handle(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    wake_ = Handle(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!signals_ || !wake_) throw std::system_error(errno, std::generic_category(), "signalfd, eventfd");
}

void Signals::wake() noexcept {
    const std::uint64_t one = 1;
    while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

Signals::Arrived Signals::wait(std::chrono::milliseconds longest, int descriptor) {
    std::array<pollfd, 3> descriptors{pollfd{signals_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}, pollfd{descriptor, POLLIN, 0}};
    const auto milliseconds = static_cast<int>(std::clamp<std::int64_t>(longest.count(), 0, 3'600'000));
    if (::poll(descriptors.data(), descriptors.size(), milliseconds) <= 0) return Arrived::nothing;  // or interrupted: the caller waits again
    signalfd_siginfo signal{};
    if (::read(signals_.get(), &signal, sizeof signal) == static_cast<ssize_t>(sizeof signal))
        return signal.ssi_signo == static_cast<std::uint32_t>(SIGHUP) ? Arrived::hangUp : Arrived::terminate;
    std::uint64_t woken = 0;
    if (::read(wake_.get(), &woken, sizeof woken) > 0) return Arrived::woken;
    if (descriptors[2].revents != 0) return Arrived::readable;
    return Arrived::nothing;
}

}  // namespace plugin::host
