#include "plugin/host/vault.h"

#include "plugin/host/data_directory.h"
#include "plugin/host/small_files.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <stdexcept>

namespace plugin::host {

namespace {

/// An open file with flock(2): let go by the kernel with its last descriptor, however the process ends.
class HeldFile final : public auth::GrantLocks::Held {
public:
    explicit HeldFile(Handle file) : file_(std::move(file)) {}

private:
    Handle file_;
};

bool isPlainName(const std::string& name) { return !name.empty() && name.find('/') == std::string::npos && name.front() != '.'; }

Result<void> writeDurably(const std::string& path, std::string_view content) {
    const Handle file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fileError(errno, path, "cannot be made");
    const auto written = ::write(file.get(), content.data(), content.size());
    if (written != static_cast<ssize_t>(content.size())) return fileError(written < 0 ? errno : ENOSPC, path, "cannot be written");
    if (::fsync(file.get()) != 0) return fileError(errno, path, "cannot be made durable");
    return {};
}

}  // namespace

Result<std::optional<auth::Secret>> Vault::read() {
    auto text = readSmallFile(path());
    if (!text) return text.error();
    if (!*text) return std::optional<auth::Secret>{};
    std::optional<auth::Secret> secret{auth::Secret(**text)};
    OPENSSL_cleanse((*text)->data(), (*text)->size());
    return secret;
}

/// Written beside, then linked: the name appears with its whole content, and only if nobody else was faster.
Result<auth::Secret> Vault::make(const auth::Secret& content) {
    if (auto opened = DataDirectory::open(directory_); !opened) return opened.error();
    static std::atomic<unsigned> number{0};
    const auto fresh = path() + "." + std::to_string(::getpid()) + "." + std::to_string(++number);
    ::unlink(fresh.c_str());  // of a process that had our id before
    const auto line = auth::SecretBuilder(content.reveal().size() + 1).add(content.reveal()).add('\n').finish();
    auto written = writeDurably(fresh, line.reveal());
    const bool linked = written && ::link(fresh.c_str(), path().c_str()) == 0;
    const int cause = errno;
    ::unlink(fresh.c_str());
    if (!written) return written.error();
    if (!linked && cause != EEXIST) return fileError(cause, path(), "cannot be made");
    if (auto durable = syncDirectory(directory_); !durable) return durable.error();
    auto there = read();
    if (!there) return there.error();
    if (!*there) return fileError(ENOENT, path(), "was removed as soon as it was made");
    return std::move(**there);
}

Result<std::unique_ptr<auth::GrantLocks::Held>> Vault::tryTake(const std::string& credential) {
    if (!isPlainName(credential)) throw std::logic_error("no name of a credential: " + credential);
    if (auto opened = DataDirectory::open(directory_); !opened) return opened.error();
    const auto folder = directory_ + "/locks";
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return fileError(errno, folder, "cannot be made");
    const auto name = folder + "/" + credential + ".lock";
    Handle file(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fileError(errno, name, "cannot be opened");
    if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return std::unique_ptr<Held>(std::make_unique<HeldFile>(std::move(file)));
    if (errno == EWOULDBLOCK) return std::unique_ptr<Held>();
    return fileError(errno, name, "cannot be locked");
}

}  // namespace plugin::host
