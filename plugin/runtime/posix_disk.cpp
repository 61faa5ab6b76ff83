#include "plugin/runtime/posix_disk.h"

#include "plugin/contract/handle.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <set>
#include <stdexcept>
#include <system_error>

namespace plugin {
namespace {

Error failure(int number, std::string_view what, const std::string& path) {
    auto text = path + ": cannot " + std::string(what) + ": " + std::generic_category().message(number);
    switch (number) {
        case ENOSPC:
        case EDQUOT:
            return {Reaction::retryLater, Code::sinkDiskFull, std::move(text)};
        case EACCES:
        case EPERM:
        case EROFS:
        case ENOENT:
        case ENOTDIR:
        case EISDIR:
        case ELOOP:
        case ENAMETOOLONG:
            return {Reaction::askOperator, Code::sinkPath, std::move(text)};
        default:
            return {Reaction::retryLater, Code::sinkUnavailable, std::move(text)};
    }
}

template <class Call>
auto uninterrupted(Call call) {
    auto answer = call();
    while (answer < 0 && errno == EINTR) answer = call();
    return answer;
}

/// fsync; where a file system knows it for files only, all of the file system.
int syncDirectory(int fd) {
    const int answer = uninterrupted([&] { return ::fsync(fd); });
    return answer < 0 && errno == EINVAL ? uninterrupted([&] { return ::syncfs(fd); }) : answer;
}

/// What all directories of one disk share.
struct Machine {
    PosixDiskOptions options;
    std::string ownPrefix{};  ///< temporaryPrefix and what tells this process from its forerunners
    std::atomic<std::uint64_t> temporaries{0};
    std::atomic<bool> linksByDescriptor{true};  ///< linkat(AT_EMPTY_PATH): the kernel decides by privilege, so try and remember
};

/// An open directory; shared with the files in it that have temporary names there.
struct Place {
    Machine& machine;
    std::string path;
    Handle fd;
};

class PosixFile final : public File {
public:
    /// New and empty.
    PosixFile(std::shared_ptr<const Place> place, Handle fd, std::string temporary)
        : place_(std::move(place)), fd_(std::move(fd)), temporary_(std::move(temporary)) {}
    /// One that has a name.
    PosixFile(std::shared_ptr<const Place> place, Handle fd, std::uint64_t size)
        : place_(std::move(place)), fd_(std::move(fd)), size_(size), hasName_(true) {}
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;
    ~PosixFile() override {
        if (!temporary_.empty()) ::unlinkat(place_->fd.get(), temporary_.c_str(), 0);
    }

    Result<void> append(std::string_view bytes) override {
        if (broken_) return *broken_;
        while (!bytes.empty()) {
            const auto written = uninterrupted([&] { return ::write(fd_.get(), bytes.data(), bytes.size()); });
            if (written <= 0) return broken(written < 0 ? errno : EIO, "write");
            bytes.remove_prefix(static_cast<std::size_t>(written));
            size_ += static_cast<std::uint64_t>(written);
        }
        return {};
    }

    // Not fdatasync: it may leave out the mode, and costs the same for a new file.
    Result<void> sync() override {
        if (broken_) return *broken_;
        if (uninterrupted([&] { return ::fsync(fd_.get()); }) < 0) return broken(errno, "make a file durable");
        return {};
    }

    Result<void> setMode(unsigned mode) override {
        if (::fchmod(fd_.get(), mode) < 0) return failure(errno, "set a file's mode", place_->path);
        return {};
    }

    Result<std::size_t> readAt(std::uint64_t offset, std::span<char> into) const override {
        const auto got = uninterrupted([&] { return ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(offset)); });
        if (got < 0) return failure(errno, "read a file", place_->path);
        return static_cast<std::size_t>(got);
    }

    std::uint64_t size() const override { return size_; }

    Result<bool> publish(const Place& into, const std::string& name) {
        if (broken_) return *broken_;
        if (hasName_) return Error{Reaction::retryLater, Code::sinkUnavailable, into.path + ": cannot name " + name + ": the file has a name"};
        const int problem = temporary_.empty() ? link(into, name.c_str()) : rename(into, name.c_str());
        if (problem == EEXIST) return false;
        if (problem != 0) return failure(problem, "name " + name, into.path);
        hasName_ = true;
        return true;
    }

private:
    Error broken(int number, std::string_view what) { return broken_.emplace(failure(number, what, place_->path)); }

    int link(const Place& into, const char* name) const {
        auto& byDescriptor = place_->machine.linksByDescriptor;
        if (byDescriptor.load(std::memory_order_relaxed)) {
            if (::linkat(fd_.get(), "", into.fd.get(), name, AT_EMPTY_PATH) == 0) return 0;
            if (errno == EEXIST) return EEXIST;  // anything else: not privileged, or a trouble the other way meets too
        }
        const auto path = "/proc/self/fd/" + std::to_string(fd_.get());
        if (::linkat(AT_FDCWD, path.c_str(), into.fd.get(), name, AT_SYMLINK_FOLLOW) != 0) return errno;
        byDescriptor.store(false, std::memory_order_relaxed);
        return 0;
    }

    /// The ways to give a name without taking it from another file, best first; file systems differ in what they know.
    int rename(const Place& into, const char* name) {
        const int from = place_->fd.get();
        const int to = into.fd.get();
        int problem = ::renameat2(from, temporary_.c_str(), to, name, RENAME_NOREPLACE) == 0 ? 0 : errno;
        if (problem == EINVAL || problem == ENOSYS) {
            problem = ::linkat(from, temporary_.c_str(), to, name, 0) == 0 ? 0 : errno;
            if (problem == 0) ::unlinkat(from, temporary_.c_str(), 0);
        }
        if (problem == EPERM || problem == EOPNOTSUPP) {  // no hard links: here only the data directory's lock keeps others away
            struct stat there {};
            if (::fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
            problem = ::renameat(from, temporary_.c_str(), to, name) == 0 ? 0 : errno;
        }
        if (problem == 0) temporary_.clear();
        return problem;
    }

    std::shared_ptr<const Place> place_;
    Handle fd_;
    std::string temporary_;  ///< "" = without, or published
    std::uint64_t size_ = 0;
    bool hasName_ = false;
    std::optional<Error> broken_{};
};

/// A name as the kernel wants it.
std::string component(std::string_view name) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos)
        throw std::logic_error("not the name of a file: " + std::string(name));
    return std::string(name);
}

class PosixDirectory final : public Directory {
public:
    PosixDirectory(std::shared_ptr<const Place> place, bool syncsTogether) : place_(std::move(place)), syncsTogether_(syncsTogether) {}

    const std::string& path() const override { return place_->path; }
    bool syncsTogether() const override { return syncsTogether_; }

    Result<std::unique_ptr<File>> create(unsigned mode) override {
        std::string temporary;
        Handle file;
        if (place_->machine.options.unnamedFiles) {
            file = Handle{uninterrupted([&] { return ::openat(fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode); })};
            if (!file && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOSYS) return failed("create a file");
        }
        if (!file) {
            temporary = place_->machine.ownPrefix + std::to_string(place_->machine.temporaries.fetch_add(1));
            file = Handle{uninterrupted([&] { return ::openat(fd(), temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode); })};
            if (!file) return failed("create a file");
        }
        const int number = file.get();
        auto made = std::make_unique<PosixFile>(place_, std::move(file), std::move(temporary));
        if ((mode & 077U) != 0 && ::fchmod(number, mode) < 0) return failed("set a file's mode");  // the umask may have taken some of it
        return std::unique_ptr<File>(std::move(made));
    }

    Result<void> syncFiles() override {
        if (uninterrupted([&] { return ::syncfs(fd()); }) < 0) return failed("make files durable");
        return {};
    }

    Result<bool> publish(File& file, std::string_view name) override {
        auto* ours = dynamic_cast<PosixFile*>(&file);
        if (ours == nullptr) throw std::logic_error("a file of another disk is published in " + path());
        return ours->publish(*place_, component(name));
    }

    Result<void> syncNames() override {
        if (syncDirectory(fd()) < 0) return failed("make names durable");
        return {};
    }

    Result<std::unique_ptr<File>> open(std::string_view name) override {
        const auto text = component(name);
        Handle file{uninterrupted([&] { return ::openat(fd(), text.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); })};
        if (!file) return failed("open " + text);
        struct stat status {};
        if (::fstat(file.get(), &status) < 0) return failed("read the size of " + text);
        if (!S_ISREG(status.st_mode)) return Error{Reaction::askOperator, Code::sinkPath, path() + "/" + text + ": not a regular file"};
        return std::unique_ptr<File>(std::make_unique<PosixFile>(place_, std::move(file), static_cast<std::uint64_t>(status.st_size)));
    }

    Result<bool> exists(std::string_view name) override {
        const auto text = component(name);
        struct stat status {};
        if (::fstatat(fd(), text.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return true;
        if (errno == ENOENT) return false;
        return failed("look for " + text);
    }

    Result<void> remove(std::string_view name) override {
        const auto text = component(name);
        if (::unlinkat(fd(), text.c_str(), 0) < 0 && errno != ENOENT) return failed("remove " + text);
        return {};
    }

    Result<std::vector<std::string>> list() override {
        std::vector<std::string> names;
        auto read = eachName([&](const char* name) { names.emplace_back(name); });
        if (!read) return read.error();
        return names;
    }

    // Without list(): a spool may hold millions of names.
    Result<void> removeLeftovers() override {
        std::optional<Error> refused;
        auto read = eachName([&](const char* name) {
            const std::string_view text = name;
            if (!text.starts_with(temporaryPrefix) || text.starts_with(place_->machine.ownPrefix)) return;
            if (auto removed = remove(text); !removed && !refused) refused = removed.error();
        });
        if (!read) return read;
        if (refused) return *refused;
        return {};
    }

private:
    template <class Each>
    Result<void> eachName(Each each) const {
        Handle own(::openat(fd(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));  // readdir moves the position of what it reads
        if (!own) return failed("list it");
        const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), ::closedir);
        if (!stream) return failed("list it");
        own.release();  // to the stream
        while (true) {
            errno = 0;
            const auto* entry = ::readdir(stream.get());  // thread-safe in glibc: each stream has its own buffer
            if (entry == nullptr) break;
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") each(entry->d_name);
        }
        if (errno != 0) return failed("list it");
        return {};
    }

    int fd() const { return place_->fd.get(); }
    Error failed(std::string_view what) const { return failure(errno, what, place_->path); }

    std::shared_ptr<const Place> place_;
    bool syncsTogether_;
};

std::string parentOf(const std::string& path) {
    const auto end = path.find_last_not_of('/');
    if (end == path.npos) return "/";
    const auto slash = path.find_last_of('/', end);
    if (slash == path.npos) return ".";
    const auto last = path.find_last_not_of('/', slash);
    return last == path.npos ? "/" : path.substr(0, last + 1);
}

/// syncfs tells of failed write-backs since Linux 5.8.
bool kernelReportsFailedWrites() {
    struct utsname system {};
    int major = 0, minor = 0;
    if (::uname(&system) < 0 || std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
    return major > 5 || (major == 5 && minor >= 8);
}

/// Where the errors of files reach the super block that syncfs looks at: not on overlays, nor over a network or FUSE.
bool reportsFailedWrites(int fd) {
    static constexpr std::array<std::uint32_t, 6> known{0xEF53 /* ext2, 3, 4 */, 0x58465342 /* xfs */,   0x9123683E /* btrfs */,
                                                        0xF2F52010 /* f2fs */,   0x01021994 /* tmpfs */, 0x858458F6 /* ramfs */};
    struct statfs status {};
    return ::fstatfs(fd, &status) == 0 && std::ranges::find(known, static_cast<std::uint32_t>(status.f_type)) != known.end();
}

class PosixDisk final : public Disk {
public:
    explicit PosixDisk(PosixDiskOptions options) {
        machine_.options = options;
        machine_.options.syncTogether = options.syncTogether && kernelReportsFailedWrites();
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);  // with the process id: no other process has, or had, the same
        machine_.ownPrefix =
            std::string(temporaryPrefix) + std::to_string(::getpid()) + "-" + std::to_string(now.tv_sec) + std::to_string(now.tv_nsec) + "-";
    }

    Result<std::shared_ptr<Directory>> directory(const std::string& path, bool make, unsigned mode) override {
        if (path.empty() || path.find('\0') != path.npos) throw std::logic_error("not the path of a directory: " + path);
        auto fd = openDirectory(path);
        std::vector<std::string> made;
        if (!fd && errno == ENOENT && make) {
            if (auto done = makeDirectory(path, mode, made); !done) return done.error();
            fd = openDirectory(path);
        }
        if (!fd) return failure(errno, "open the directory", path);
        if (make)
            if (auto durable = settle(path, fd.get(), made); !durable) return durable.error();
        const bool together = machine_.options.syncTogether && reportsFailedWrites(fd.get());
        auto place = std::make_shared<const Place>(Place{machine_, path, std::move(fd)});
        return std::shared_ptr<Directory>(std::make_shared<PosixDirectory>(std::move(place), together));
    }

private:
    static Handle openDirectory(const std::string& path) {
        return Handle{uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); })};
    }

    static Result<void> makeDirectory(const std::string& path, unsigned mode, std::vector<std::string>& made) {
        int problem = ::mkdir(path.c_str(), mode) == 0 ? 0 : errno;
        if (problem == ENOENT && parentOf(path) != path) {
            if (auto parent = makeDirectory(parentOf(path), mode, made); !parent) return parent;
            problem = ::mkdir(path.c_str(), mode) == 0 ? 0 : errno;
        }
        if (problem == EEXIST) return {};
        if (problem == 0 && ::chmod(path.c_str(), mode) < 0) problem = errno;  // the umask may have taken some of it
        if (problem != 0) return failure(problem, "make the directory", path);
        made.push_back(path);
        return {};
    }

    /// Makes the way to a directory durable: always where it was made just now, and once in this process where it was there: a process
    /// that was killed may have made it and no more. Ends at the border of the file system.
    Result<void> settle(const std::string& path, int fd, const std::vector<std::string>& made) {
        struct stat leaf {};
        if (::fstat(fd, &leaf) < 0) return failure(errno, "look at the directory", path);
        for (std::string child = path;; child = parentOf(child)) {
            const bool isNew = std::ranges::find(made, child) != made.end();
            if (!isNew && isSettled(child)) return {};
            const auto above = parentOf(child);
            if (above == child || child == ".") return {};
            auto parent = openDirectory(above);
            struct stat status {};
            if (parent && ::fstat(parent.get(), &status) == 0 && status.st_dev != leaf.st_dev && !isNew) return {};
            // A parent we may not read cannot be synced alone. One we had no part in may refuse it: read-only, or of a strange kind.
            const int answer = parent ? syncDirectory(parent.get()) : uninterrupted([&] { return ::syncfs(fd); });
            const bool lost = answer < 0 && (errno == EIO || errno == ENOSPC || errno == EDQUOT);
            if (answer < 0 && (isNew || lost)) return failure(errno, "make the directory durable", child);
            const std::lock_guard lock(mutex_);
            settled_.insert(child);
        }
    }
    bool isSettled(const std::string& path) const {
        const std::lock_guard lock(mutex_);
        return settled_.contains(path);
    }

    Machine machine_{};
    mutable std::mutex mutex_{};
    std::set<std::string> settled_{};
};

}  // namespace

std::unique_ptr<Disk> makePosixDisk(PosixDiskOptions options) { return std::make_unique<PosixDisk>(options); }

}  // namespace plugin
