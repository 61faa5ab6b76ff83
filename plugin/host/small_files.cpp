#include "plugin/host/small_files.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace plugin::host {

namespace {
constexpr std::size_t mostBytes = 64U << 10;

std::string folderOf(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// It may be of a key.
struct Piece {
    std::array<char, 4096> octets;
    ~Piece() { OPENSSL_cleanse(octets.data(), octets.size()); }
};

bool writeAll(int fd, std::string_view content) {
    while (!content.empty()) {
        const auto written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}
}  // namespace

Error fileError(int number, const std::string& path, const char* what) {
    const bool full = number == ENOSPC || number == EDQUOT;
    return {full ? Reaction::retryLater : Reaction::askOperator, full ? Code::storeDiskFull : Code::storeDataDirectory,
            path + " " + what + ": " + std::strerror(number)};
}

Result<std::optional<std::string>> readSmallFile(const std::string& path) {
    const Handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file && errno == ENOENT) return std::optional<std::string>{};
    if (!file) return fileError(errno, path, "cannot be opened");
    std::string content;
    Piece piece;
    for (;;) {
        const auto count = ::read(file.get(), piece.octets.data(), piece.octets.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fileError(errno, path, "cannot be read");
        if (count == 0) return std::optional(std::move(content));
        content.append(piece.octets.data(), static_cast<std::size_t>(count));
        if (content.size() > mostBytes) return fileError(EFBIG, path, "cannot be read");
    }
}

Result<void> syncDirectory(const std::string& path) {
    const Handle folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0) return fileError(errno, path, "cannot be made durable");
    return {};
}

Result<void> replaceFile(const std::string& path, std::string_view content, unsigned mode) {
    const auto fresh = path + ".new";
    ::unlink(fresh.c_str());  // left by a crash; never follow what stands there
    {
        const Handle file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file) return fileError(errno, fresh, "cannot be made");
        if (!writeAll(file.get(), content) || ::fchmod(file.get(), static_cast<mode_t>(mode)) != 0 || ::fsync(file.get()) != 0) {
            auto error = fileError(errno, fresh, "cannot be written");
            ::unlink(fresh.c_str());
            return error;
        }
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return fileError(errno, path, "cannot be replaced");
    return syncDirectory(folderOf(path));
}

}  // namespace plugin::host
