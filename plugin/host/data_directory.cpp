#include "plugin/host/data_directory.h"

#include "plugin/contract/text.h"
#include "plugin/host/timestamp.h"

#include <Poco/Exception.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace plugin::host {

namespace {

std::string newToken(Random& random) {
    std::array<std::uint8_t, 32> octets{};
    random.fill(octets);
    return hexText(octets);
}

bool isToken(const std::string& text) { return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos; }

/// One level after the other, each ours alone. mkdir(2) rather than std::filesystem: the mode counts from the first moment.
Result<void> makeFolders(const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const auto part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fileError(errno, part, "cannot be made");
        if (slash == std::string::npos) return {};
    }
}

}  // namespace

Result<DataDirectory> DataDirectory::open(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (auto made = makeFolders(path); !made) return made.error();
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return fileError(errno, path, "cannot be used");
    if (!S_ISDIR(status.st_mode)) return fileError(ENOTDIR, path, "cannot be used");
    if (status.st_uid != ::geteuid()) return fileError(EPERM, path, "cannot be used, it belongs to another user");
    if ((status.st_mode & 077) != 0 && ::chmod(path.c_str(), 0700) != 0) return fileError(errno, path, "cannot be closed to others");
    if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) return fileError(errno, path, "cannot be used");
    return DataDirectory(std::move(path));
}

Result<void> DataDirectory::lock() {
    const auto path = file("postern.lock");
    Handle held(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!held) return fileError(errno, path, "cannot be opened");
    if (::flock(held.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return fileError(errno, path, "cannot be locked");
        auto text = readSmallFile(path);
        const auto holder = text && *text ? (*text)->substr(0, (*text)->find('\n')) : std::string{};
        return Error{Reaction::retryLater, Code::storeLocked, path_ + " is in use by process " + (holder.empty() ? "(just starting)" : holder)};
    }
    lock_ = std::move(held);
    return noteProcess();
}

Result<void> DataDirectory::noteProcess() {
    const auto text = std::to_string(::getpid()) + "\n";
    // Never shorter than a reader expects: the new text first, then the cut.
    if (::pwrite(lock_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(lock_.get(), static_cast<off_t>(text.size())) != 0)
        return fileError(errno, file("postern.lock"), "cannot be written");
    return {};
}

void DataDirectory::release() {
    if (lock_ && ::ftruncate(lock_.get(), 0) != 0) {
        // The text is only for people: a stale number is told apart by the lock itself.
    }
    lock_ = Handle();
}

Result<void> DataDirectory::prepareStaging() {
    const auto folder = file("staging");
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return fileError(errno, folder, "cannot be made");
    std::error_code error;
    std::filesystem::directory_iterator entries(folder, error);
    if (error) return fileError(error.value(), folder, "cannot be read");
    for (const auto& entry : entries)
        if (std::filesystem::remove_all(entry.path(), error); error) return fileError(error.value(), entry.path().string(), "cannot be removed");
    return {};
}

Result<std::optional<Instance>> DataDirectory::instance(bool& damaged) const {
    damaged = false;
    auto text = readSmallFile(file("instance.json"));
    if (!text) return text.error();
    if (!*text) return std::optional<Instance>{};
    try {
        Poco::JSON::Parser parser;
        const auto object = parser.parse(**text).extract<Poco::JSON::Object::Ptr>();
        Instance found;
        found.id = object->getValue<std::string>("instance");
        const auto created = fromTimestamp(object->getValue<std::string>("created"));
        found.clean = object->getValue<bool>("clean");
        if (!object->isNull("stateLost")) found.stateLost = fromTimestamp(object->getValue<std::string>("stateLost"));
        if (created && !found.id.empty() && (object->isNull("stateLost") || found.stateLost)) {
            found.created = *created;
            return std::optional(std::move(found));
        }
    } catch (const Poco::Exception&) {  // falls through: damaged, whatever is wrong with it
    }
    damaged = true;
    return std::optional<Instance>{};
}

Result<void> DataDirectory::write(const Instance& instance) const {
    const auto lost = instance.stateLost ? "\"" + timestamp(*instance.stateLost) + "\"" : std::string("null");
    return replaceFile(file("instance.json"), "{\"version\": 1, \"instance\": " + jsonText(instance.id) + ", \"created\": \"" +
                                                  timestamp(instance.created) + "\", \"clean\": " + (instance.clean ? "true" : "false") +
                                                  ", \"stateLost\": " + lost + "}\n");
}

Result<std::string> DataDirectory::adminToken(Random& random) const {
    auto present = readSmallFile(file("admin.token"));
    if (!present) return present.error();
    if (*present) {
        auto token = **present;
        while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
        if (isToken(token)) return token;
    }
    auto token = newToken(random);
    if (auto written = replaceFile(file("admin.token"), token + "\n"); !written) return written.error();
    return token;
}

Result<void> DataDirectory::writeAdminAddress(const std::string& address) const { return replaceFile(file("admin.address"), address + "\n"); }

void DataDirectory::removeAdminAddress() const noexcept { ::unlink(file("admin.address").c_str()); }

}  // namespace plugin::host
