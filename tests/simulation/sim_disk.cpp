#include "tests/simulation/sim_disk.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <stdexcept>

namespace simulation {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using Operation = SimDisk::Operation;

namespace {

/// Files are only appended to, so what is durable of one is its beginning.
struct Inode {
    std::string bytes{};
    std::size_t durable = 0;
    bool isDurable = false;   ///< it exists after a crash at all
    bool isPoisoned = false;  ///< the kernel dropped bytes it could not write and forgot about them
    bool isListed = false;    ///< in World::unsettled
    bool hadName = false;
    unsigned mode = 0;
    std::uint64_t& used;

    Inode(unsigned permissions, std::uint64_t& total) : mode(permissions), used(total) {}
    Inode(const Inode&) = delete;
    Inode& operator=(const Inode&) = delete;
    ~Inode() { used -= bytes.size(); }

    bool isSettled() const { return isDurable && durable == bytes.size(); }
    void settle() {
        if (isPoisoned) return;
        durable = bytes.size();
        isDurable = true;
    }
    void replace(std::string now) {
        used = used - bytes.size() + now.size();
        bytes = std::move(now);
        isPoisoned = false;
        settle();
    }
};
using Names = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;

struct Folder {
    Names names{};
    Names durable{};
    struct Change {
        std::string name;
        std::shared_ptr<Inode> inode;  ///< null: removed
    };
    std::vector<Change> changes{};  ///< since the names were last durable

    void change(const std::string& name, const std::shared_ptr<Inode>& inode) {
        if (inode) inode->hadName = true;
        changes.push_back({name, inode});
        apply(changes.back(), names);
    }
    static void apply(const Change& change, Names& names) {
        if (change.inode)
            names[change.name] = change.inode;
        else
            names.erase(change.name);
    }
};

}  // namespace

struct SimDisk::World : std::enable_shared_from_this<World> {
    mutable std::recursive_mutex mutex{};
    std::uint64_t random;
    std::uint64_t used = 0;  // before the inodes, which count down in it
    std::map<std::string, Folder> folders{};
    std::vector<std::weak_ptr<Inode>> unsettled{};  ///< all inodes with something that is not durable, and perhaps others
    std::map<Operation, std::uint64_t> counts{};
    std::map<Operation, Error> failing{};
    std::optional<Error> failure{};
    std::uint64_t failAt = 0;
    std::uint64_t operations = 0;
    std::uint64_t capacity = UINT64_MAX;
    std::uint64_t generation = 0;
    bool isAlive = true;
    bool syncsTogether = true;
    Hook hook{};

    explicit World(std::uint64_t seed) : random(seed) {}

    std::uint64_t next() {  // splitmix64
        std::uint64_t z = random += 0x9E3779B97F4A7C15U;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9U;
        z = (z ^ z >> 27) * 0x94D049BB133111EBU;
        return z ^ z >> 31;
    }
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }
    bool coin() { return (next() & 1U) != 0; }

    bool isDead(std::uint64_t handle) const { return !isAlive || handle != generation; }
    static Error dead() { return {Reaction::retryLater, Code::sinkUnavailable, "this process does not live any more"}; }

    /// Called at the beginning of each operation. Injected: it is to fail, perhaps after its work.
    std::optional<Error> begin(std::uint64_t handle, Operation operation, const std::string& directory, std::string_view name = {}) {
        if (isDead(handle)) return dead();
        ++operations;
        ++counts[operation];
        if (hook)
            if (auto error = Hook(hook)({operations, operation, directory, name})) return error;
        if (isDead(handle)) return dead();
        if (failAt == operations) return failure;
        if (const auto always = failing.find(operation); always != failing.end()) return always->second;
        return std::nullopt;
    }

    std::shared_ptr<Inode> makeInode(unsigned mode) {
        auto inode = std::make_shared<Inode>(mode, used);
        touch(inode);
        return inode;
    }
    void touch(const std::shared_ptr<Inode>& inode) {
        if (!std::exchange(inode->isListed, true)) unsettled.push_back(inode);
    }
    void add(const std::shared_ptr<Inode>& inode, std::string_view bytes) {
        inode->bytes += bytes;
        used += bytes.size();
        touch(inode);
    }
    void syncAll(bool isFailing) {
        for (const auto& weak : std::exchange(unsettled, {})) {
            const auto inode = weak.lock();
            if (!inode) continue;
            inode->isListed = false;
            if (!isFailing || coin())
                inode->settle();  // a failing one writes some all the same
            else if (!inode->isSettled())
                inode->isPoisoned = true;
            if (!inode->isSettled()) touch(inode);
        }
    }

    void die() {
        isAlive = false;
        ++generation;
    }

    void losePower() {
        for (auto& [path, folder] : folders) {
            // Of each name's changes, a part from the beginning.
            std::set<std::string> ended;
            for (const auto& change : folder.changes) {
                if (ended.contains(change.name)) continue;
                if (coin())
                    Folder::apply(change, folder.durable);
                else
                    ended.insert(change.name);
            }
            folder.changes.clear();
            folder.names = folder.durable;
        }
        std::set<Inode*> fallen;
        for (auto& [path, folder] : folders)
            for (auto& [name, inode] : folder.names)
                if (fallen.insert(inode.get()).second) fall(*inode);
    }

    void fall(Inode& inode) {
        if (inode.isSettled()) return;
        auto bytes = inode.bytes.substr(0, inode.durable);
        const auto tail = inode.bytes.substr(inode.durable);
        switch (below(4)) {
            case 0:
                break;
            case 1:
                bytes += tail.substr(0, below(tail.size() + 1));
                break;
            case 2:  // the size is there, the data is not
                bytes += tail.substr(0, below(tail.size() + 1));
                bytes.resize(inode.bytes.size(), '\0');
                break;
            default:
                bytes += tail;
        }
        inode.replace(std::move(bytes));
    }
};

namespace {

using World = SimDisk::World;
using Lock = std::lock_guard<std::recursive_mutex>;

class SimFile final : public plugin::File {
public:
    SimFile(std::shared_ptr<World> world, std::string directory, std::shared_ptr<Inode> inode)
        : world_(std::move(world)), generation_(world_->generation), directory_(std::move(directory)), inode_(std::move(inode)) {}
    SimFile(const SimFile&) = delete;
    SimFile& operator=(const SimFile&) = delete;
    ~SimFile() override {
        const Lock lock(world_->mutex);  // the inode may go, which counts
        inode_.reset();
    }

    Result<void> append(std::string_view bytes) override {
        const Lock lock(world_->mutex);
        if (broken_) return *broken_;
        auto error = world_->begin(generation_, Operation::append, directory_);
        if (world_->isDead(generation_)) return World::dead();
        if (!error && world_->capacity - std::min(world_->used, world_->capacity) < bytes.size()) error = SimDisk::fullError();
        if (error) {
            const auto room = std::min<std::uint64_t>(bytes.size(), world_->capacity - std::min(world_->used, world_->capacity));
            world_->add(inode_, bytes.substr(0, static_cast<std::size_t>(world_->below(room + 1))));
            return broken_.emplace(*error);
        }
        world_->add(inode_, bytes);
        return {};
    }

    Result<void> sync() override {
        const Lock lock(world_->mutex);
        if (broken_) return *broken_;
        auto error = world_->begin(generation_, Operation::syncFile, directory_);
        if (world_->isDead(generation_)) return World::dead();
        if (error) inode_->isPoisoned = true;
        if (!error && inode_->isPoisoned) error = SimDisk::ioError();
        if (error) return broken_.emplace(*error);
        inode_->settle();
        return {};
    }

    Result<void> setMode(unsigned mode) override {
        const Lock lock(world_->mutex);
        if (auto error = world_->begin(generation_, Operation::setMode, directory_)) return *error;
        inode_->mode = mode;
        return {};
    }

    Result<std::size_t> readAt(std::uint64_t offset, std::span<char> into) const override {
        const Lock lock(world_->mutex);
        if (auto error = world_->begin(generation_, Operation::readAt, directory_)) return *error;
        if (offset >= inode_->bytes.size()) return std::size_t{0};
        return inode_->bytes.copy(into.data(), into.size(), static_cast<std::size_t>(offset));
    }

    std::uint64_t size() const override {
        const Lock lock(world_->mutex);
        return inode_->bytes.size();
    }

    const std::shared_ptr<Inode>& inode() const { return inode_; }
    const std::optional<Error>& broken() const { return broken_; }
    const World* world() const { return world_.get(); }

private:
    std::shared_ptr<World> world_;
    std::uint64_t generation_;
    std::string directory_;
    std::shared_ptr<Inode> inode_;
    std::optional<Error> broken_{};
};

class SimDirectory final : public plugin::Directory {
public:
    SimDirectory(std::shared_ptr<World> world, std::string path)
        : world_(std::move(world)), generation_(world_->generation), path_(std::move(path)) {}

    const std::string& path() const override { return path_; }
    bool syncsTogether() const override {
        const Lock lock(world_->mutex);
        return world_->syncsTogether;
    }

    Result<std::unique_ptr<plugin::File>> create(unsigned mode) override {
        const Lock lock(world_->mutex);
        if (auto error = begin(Operation::create)) return *error;
        return std::unique_ptr<plugin::File>(std::make_unique<SimFile>(world_, path_, world_->makeInode(mode)));
    }

    Result<void> syncFiles() override {
        const Lock lock(world_->mutex);
        const auto error = begin(Operation::syncFiles);
        if (world_->isDead(generation_)) return World::dead();
        world_->syncAll(error.has_value());
        if (error) return *error;
        return {};
    }

    Result<bool> publish(plugin::File& file, std::string_view name) override {
        const Lock lock(world_->mutex);
        auto* ours = dynamic_cast<SimFile*>(&file);
        if (ours == nullptr || ours->world() != world_.get()) throw std::logic_error("a file of another disk is published in " + path_);
        const auto text = component(name);
        if (ours->broken()) return *ours->broken();
        const auto error = begin(Operation::publish, name);
        if (world_->isDead(generation_)) return World::dead();
        if (ours->inode()->hadName) return error.value_or(SimDisk::ioError());
        const bool isFree = !folder().names.contains(text);
        if (isFree && (!error || world_->coin())) folder().change(text, ours->inode());
        if (error) return *error;
        return isFree;
    }

    Result<void> syncNames() override {
        const Lock lock(world_->mutex);
        const auto error = begin(Operation::syncNames);
        if (world_->isDead(generation_)) return World::dead();
        if (!error || world_->coin()) {
            folder().durable = folder().names;
            folder().changes.clear();
        }
        if (error) return *error;
        return {};
    }

    Result<std::unique_ptr<plugin::File>> open(std::string_view name) override {
        const Lock lock(world_->mutex);
        if (auto error = begin(Operation::open, name)) return *error;
        const auto found = folder().names.find(component(name));
        if (found == folder().names.end()) return Error{Reaction::askOperator, Code::sinkPath, path_ + "/" + std::string(name) + ": no such file"};
        return std::unique_ptr<plugin::File>(std::make_unique<SimFile>(world_, path_, found->second));
    }

    Result<bool> exists(std::string_view name) override {
        const Lock lock(world_->mutex);
        if (auto error = begin(Operation::exists, name)) return *error;
        return folder().names.contains(component(name));
    }

    Result<void> remove(std::string_view name) override {
        const Lock lock(world_->mutex);
        const auto text = component(name);
        const auto error = begin(Operation::remove, name);
        if (world_->isDead(generation_)) return World::dead();
        if (folder().names.contains(text) && (!error || world_->coin())) folder().change(text, nullptr);
        if (error) return *error;
        return {};
    }

    Result<std::vector<std::string>> list() override {
        const Lock lock(world_->mutex);
        if (auto error = begin(Operation::list)) return *error;
        std::vector<std::string> names;
        for (const auto& [name, inode] : folder().names) names.push_back(name);
        return names;
    }

private:
    static std::string component(std::string_view name) {
        if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos)
            throw std::logic_error("not the name of a file: " + std::string(name));
        return std::string(name);
    }
    std::optional<Error> begin(Operation operation, std::string_view name = {}) { return world_->begin(generation_, operation, path_, name); }
    Folder& folder() { return world_->folders.at(path_); }

    std::shared_ptr<World> world_;
    std::uint64_t generation_;
    std::string path_;
};

}  // namespace

SimDisk::SimDisk(std::uint64_t seed) : world_(std::make_shared<World>(seed)) {}
SimDisk::~SimDisk() = default;

Result<std::shared_ptr<plugin::Directory>> SimDisk::directory(const std::string& path, bool make, unsigned) {
    const Lock lock(world_->mutex);
    if (auto error = world_->begin(world_->generation, Operation::directory, path)) return *error;
    if (!world_->folders.contains(path)) {
        if (!make) return Error{Reaction::askOperator, Code::sinkPath, path + ": no such directory"};
        world_->folders[path];
    }
    return std::shared_ptr<plugin::Directory>(std::make_shared<SimDirectory>(world_, path));
}

void SimDisk::setHook(Hook hook) {
    const Lock lock(world_->mutex);
    world_->hook = std::move(hook);
}
void SimDisk::failOperation(std::uint64_t n, Error error) {
    const Lock lock(world_->mutex);
    world_->failAt = n == 0 ? 0 : world_->operations + n;
    world_->failure = std::move(error);
}
void SimDisk::failEvery(Operation operation, Error error) {
    const Lock lock(world_->mutex);
    world_->failing.insert_or_assign(operation, std::move(error));
}
void SimDisk::heal() {
    const Lock lock(world_->mutex);
    world_->failAt = 0;
    world_->failing.clear();
    world_->hook = nullptr;
    world_->capacity = UINT64_MAX;
}
void SimDisk::setCapacity(std::uint64_t bytes) {
    const Lock lock(world_->mutex);
    world_->capacity = bytes;
}
void SimDisk::setSyncsTogether(bool together) {
    const Lock lock(world_->mutex);
    world_->syncsTogether = together;
}
std::uint64_t SimDisk::operations() const {
    const Lock lock(world_->mutex);
    return world_->operations;
}
std::uint64_t SimDisk::count(Operation operation) const {
    const Lock lock(world_->mutex);
    const auto found = world_->counts.find(operation);
    return found == world_->counts.end() ? 0 : found->second;
}
std::uint64_t SimDisk::used() const {
    const Lock lock(world_->mutex);
    return world_->used;
}

void SimDisk::kill() {
    const Lock lock(world_->mutex);
    if (world_->isAlive) world_->die();
}
void SimDisk::crash() {
    const Lock lock(world_->mutex);
    if (world_->isAlive) world_->die();
    world_->losePower();
}
void SimDisk::restart() {
    const Lock lock(world_->mutex);
    world_->isAlive = true;
}
bool SimDisk::isAlive() const {
    const Lock lock(world_->mutex);
    return world_->isAlive;
}

std::vector<std::string> SimDisk::directories() const {
    const Lock lock(world_->mutex);
    std::vector<std::string> paths;
    for (const auto& [path, folder] : world_->folders) paths.push_back(path);
    return paths;
}
std::map<std::string, std::string> SimDisk::files(const std::string& directory) const {
    const Lock lock(world_->mutex);
    std::map<std::string, std::string> found;
    if (const auto folder = world_->folders.find(directory); folder != world_->folders.end())
        for (const auto& [name, inode] : folder->second.names) found[name] = inode->bytes;
    return found;
}
std::map<std::string, std::string> SimDisk::durableFiles(const std::string& directory) const {
    const Lock lock(world_->mutex);
    std::map<std::string, std::string> found;
    const auto folder = world_->folders.find(directory);
    if (folder == world_->folders.end()) return found;
    for (const auto& [name, inode] : folder->second.durable) {
        const auto& changes = folder->second.changes;
        const bool mayGo = std::ranges::any_of(changes, [&, &key = name](const auto& change) { return change.name == key; });
        if (!mayGo && inode->isSettled()) found[name] = inode->bytes;
    }
    return found;
}
std::optional<std::string> SimDisk::read(const std::string& directory, std::string_view name) const {
    const auto all = files(directory);
    const auto found = all.find(std::string(name));
    return found == all.end() ? std::nullopt : std::optional(found->second);
}
std::optional<unsigned> SimDisk::mode(const std::string& directory, std::string_view name) const {
    const Lock lock(world_->mutex);
    const auto folder = world_->folders.find(directory);
    if (folder == world_->folders.end()) return std::nullopt;
    const auto found = folder->second.names.find(name);
    return found == folder->second.names.end() ? std::nullopt : std::optional(found->second->mode);
}
void SimDisk::put(const std::string& directory, std::string_view name, std::string bytes) {
    const Lock lock(world_->mutex);
    auto inode = world_->makeInode(0640);
    inode->replace(std::move(bytes));
    inode->hadName = true;
    auto& folder = world_->folders[directory];
    std::erase_if(folder.changes, [&](const auto& change) { return change.name == name; });
    folder.names[std::string(name)] = folder.durable[std::string(name)] = std::move(inode);
}
void SimDisk::take(const std::string& directory, std::string_view name) {
    const Lock lock(world_->mutex);
    auto& folder = world_->folders[directory];
    std::erase_if(folder.changes, [&](const auto& change) { return change.name == name; });
    folder.names.erase(std::string(name));
    folder.durable.erase(std::string(name));
}

Error SimDisk::ioError() { return {Reaction::retryLater, Code::sinkUnavailable, "simulated disk: Input/output error"}; }
Error SimDisk::fullError() { return {Reaction::retryLater, Code::sinkDiskFull, "simulated disk: No space left on device"}; }

}  // namespace simulation
