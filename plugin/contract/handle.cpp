#include "plugin/contract/handle.h"

#include <unistd.h>

#include <cerrno>

namespace plugin {

void Handle::close() noexcept {
    if (fd_ < 0) return;
    const int before = errno;
    ::close(release());
    errno = before;
}

}  // namespace plugin
