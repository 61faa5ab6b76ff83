#include "listener/delivery/outbox_files.h"

#include "listener/delivery/copying.h"
#include "listener/message/sha256.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace listener {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

constexpr unsigned mode = 0600;
constexpr std::string_view outbox = "outbox", quarantined = "quarantine", referred = "reference";

/// The parts of "outbox/name" or "quarantine/box/name".
std::pair<std::string, std::string> split(const std::string& file) {
    const auto slash = file.rfind('/');
    if (slash == std::string::npos) throw std::logic_error("not a kept file: " + file);
    return {file.substr(0, slash), file.substr(slash + 1)};
}

/// When a file of the outbox was begun, as its name says; nothing: it is none of ours.
std::optional<plugin::Wall> timeOf(std::string_view name) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), seconds, 16);
    if (error != std::errc{} || end == name.data() + name.size() || *end != '-' || !(name.ends_with(".seg") || name.ends_with(".eml")))
        return std::nullopt;
    return plugin::Wall{std::chrono::seconds{seconds}};
}

Error damaged(const std::string& file, const std::string& why) { return {Reaction::retryLater, Code::outboxDamaged, file + ": " + why}; }

/// Every trouble with the outbox's own files: nothing is settled, and it is tried again.
Error staging(const Error& error) {
    return {Reaction::retryLater, error.code == Code::sinkDiskFull ? Code::storeDiskFull : Code::messageStaging, error.what};
}

Result<Digest> hashOf(const plugin::File& file) {
    Sha256 hash;
    std::string buffer(256 * 1024, '\0');
    for (std::uint64_t offset = 0;;) {
        const auto got = file.readAt(offset, buffer);
        if (!got) return got.error();
        if (*got == 0) return hash.finish();
        hash.update(std::string_view(buffer).substr(0, *got));
        offset += *got;
    }
}

/// Whether the file holds these octets. One that holds others is removed: a process was killed before the ledger knew of it, and the server has
/// rendered the message anew since.
Result<bool> isThere(plugin::Directory& directory, const std::string& name, const Content& content) {
    const auto exists = directory.exists(name);
    if (!exists || !*exists) return exists;
    const auto file = directory.open(name);
    if (!file) return file.error();
    if ((*file)->size() == content.size()) {
        const auto hash = hashOf(**file);
        if (!hash) return hash.error();
        if (*hash == content.sha256()) return true;
    }
    if (const auto removed = directory.remove(name); !removed) return removed.error();
    return false;
}

bool hasBytes(const Content& content) { return content.inMemory() != nullptr || content.file() != nullptr; }

}  // namespace

std::string OutboxFiles::newName(const char* ending) {
    std::array<std::uint8_t, 8> chance{};
    random_.fill(chance);
    char time[17];
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch()).count();
    const auto end = std::to_chars(time, time + sizeof time, seconds, 16).ptr;
    auto name = std::string(time, end) + "-" + plugin::hexText(chance) + ending;
    const std::lock_guard lock(mutex_);
    made_.emplace(clock_.steady(), std::string(outbox) + "/" + name);
    return name;
}

bool OutboxFiles::hasDoubtful() const {
    const std::lock_guard lock(mutex_);
    return !made_.empty() && made_.begin()->first + doubtfulAfter <= clock_.steady();
}

std::size_t OutboxFiles::removeUnneeded(const std::set<std::string>& needed) {
    std::vector<std::string> unneeded;
    {
        const std::lock_guard lock(mutex_);
        const auto end = made_.upper_bound(clock_.steady() - doubtfulAfter);
        for (auto each = made_.begin(); each != end; ++each)
            if (!needed.contains(each->second)) unneeded.push_back(std::move(each->second));
        made_.erase(made_.begin(), end);
    }
    remove(unneeded);
    return unneeded.size();
}

/// The staged file itself gets a name where it may and can; else it is copied.
Result<std::string> OutboxFiles::keepAlone(plugin::Directory& directory, const Request& request) {
    const auto& content = request.message->content;
    auto name = newName(".eml");
    if (content.file() != nullptr && !request.shared) {
        const auto file = content.sharedFile();
        if (file->sync()) {
            const auto named = directory.publish(*file, name);
            if (named && *named) return name;
            name = newName(".eml");
        }
    }
    auto file = directory.create(mode);
    if (!file) return file.error();
    std::string buffer;
    if (auto copied = copyContent(content, **file, buffer); !copied) return copied.error();
    if (auto synced = (*file)->sync(); !synced) return synced.error();
    if (const auto named = directory.publish(**file, name); !named) return named.error();
    return name;
}

Result<std::vector<Kept>> OutboxFiles::keep(std::span<const Request> requests, bool passing) {
    std::uint64_t bytes = 0;
    for (const auto& [message, shared] : requests) {
        if (message->content.size() > 0 && !hasBytes(message->content)) throw std::logic_error("message " + message->id + " has no content");
        bytes += message->content.size();
    }
    if (limit_ != 0 && !passing && used_ + bytes > limit_)
        return Error{Reaction::retryLater, Code::outboxFull,
                     "the outbox holds " + std::to_string(used_) + " of " + std::to_string(limit_) + " octets, and has no room for " +
                         std::to_string(bytes) + " more"};
    auto directory = disk_.directory(directory_ + "/" + std::string(outbox), true);
    if (!directory) return staging(directory.error());
    std::vector<Kept> places;
    std::unique_ptr<plugin::File> segment;
    const auto fail = [&](const Error& error) {  // nothing of it is kept
        for (const auto& kept : places) static_cast<void>((*directory)->remove(split(kept.file).second));
        return staging(error);
    };
    const auto segmentName = newName(".seg");
    for (const auto& request : requests) {
        const auto& content = request.message->content;
        if (content.file() != nullptr) {
            auto name = keepAlone(**directory, request);
            if (!name) return fail(name.error());
            places.push_back({std::string(outbox) + "/" + *name, 0});
            continue;
        }
        if (!segment) {
            auto created = (*directory)->create(mode);
            if (!created) return fail(created.error());
            segment = std::move(*created);
        }
        places.push_back({std::string(outbox) + "/" + segmentName, segment->size()});
        if (content.inMemory() == nullptr) continue;  // of no octets
        if (auto written = segment->append(*content.inMemory()); !written) return fail(written.error());
    }
    if (segment) {
        if (auto synced = segment->sync(); !synced) return fail(synced.error());
        if (const auto named = (*directory)->publish(*segment, segmentName); !named) return fail(named.error());
    }
    if (auto durable = (*directory)->syncNames(); !durable) return fail(durable.error());
    use(bytes);
    return places;
}

Result<Kept> OutboxFiles::place(const std::string& folder, const Message& message) {
    const auto path = folder + "/" + message.mailbox;
    auto directory = disk_.directory(directory_ + "/" + path, true);
    if (!directory) return staging(directory.error());
    const auto name = message.id + ".eml";
    const auto there = isThere(**directory, name, message.content);
    if (!there) return staging(there.error());
    if (!*there) {
        auto file = (*directory)->create(mode);
        if (!file) return staging(file.error());
        std::string buffer;
        if (hasBytes(message.content))
            if (auto copied = copyContent(message.content, **file, buffer); !copied) return staging(copied.error());
        if (auto synced = (*file)->sync(); !synced) return staging(synced.error());
        if (const auto named = (*directory)->publish(**file, name); !named) return staging(named.error());
    }
    if (auto durable = (*directory)->syncNames(); !durable) return staging(durable.error());
    return Kept{path + "/" + name, 0};
}

Result<Kept> OutboxFiles::quarantine(const Message& message) { return place(std::string(quarantined), message); }

Result<std::string> OutboxFiles::refer(const Message& message) {
    const auto kept = place(std::string(referred), message);
    if (!kept) return kept.error();
    return directory_ + "/" + kept->file;
}

Result<Content> OutboxFiles::load(const Kept& kept, std::uint64_t size, const Digest& sha256) {
    const auto [folder, name] = split(kept.file);
    auto directory = disk_.directory(directory_ + "/" + folder, true);
    if (!directory) return staging(directory.error());
    auto opened = (*directory)->open(name);
    if (!opened) {
        const auto there = (*directory)->exists(name);
        if (!there || *there) return staging(opened.error());
        return damaged(kept.file, "the file is not there");
    }
    std::shared_ptr<plugin::File> file(std::move(*opened));
    if (size > Content::memoryLimit) {
        if (file->size() != size) return damaged(kept.file, "the file has another size than the message");
        const auto hash = hashOf(*file);
        if (!hash) return staging(hash.error());
        if (*hash != sha256) return damaged(kept.file, "the file does not hold the bytes it was given");
        return Content(std::move(file), (*directory)->path(), sha256);
    }
    std::string bytes(static_cast<std::size_t>(size), '\0');
    for (std::size_t have = 0; have < bytes.size();) {
        const auto got = file->readAt(kept.start + have, std::span(bytes).subspan(have));
        if (!got) return staging(got.error());
        if (*got == 0) return damaged(kept.file, "the file is shorter than it was");
        have += *got;
    }
    if (listener::sha256(bytes) != sha256) return damaged(kept.file, "the file does not hold the bytes it was given");
    return Content(std::make_shared<const std::string>(std::move(bytes)), sha256);
}

void OutboxFiles::remove(const std::vector<std::string>& files) {
    for (const auto& file : files) {
        const auto [folder, name] = split(file);
        const auto directory = disk_.directory(directory_ + "/" + folder, false);
        if (!directory) continue;
        const auto removed = (*directory)->remove(name);
        static_cast<void>(removed);  // what stays is found at the next start
    }
}

Result<OutboxFiles::Inspection> OutboxFiles::inspect(const std::set<std::string>& needed, std::optional<plugin::Wall> lost) {
    Inspection inspection;
    for (const auto& file : needed) {
        const auto [folder, name] = split(file);
        const auto directory = disk_.directory(directory_ + "/" + folder, true);
        if (!directory) return staging(directory.error());
        const auto there = (*directory)->exists(name);
        if (!there) return staging(there.error());
        if (!*there) inspection.missing.push_back(file);
    }
    auto directory = disk_.directory(directory_ + "/" + std::string(outbox), true);
    if (!directory) return staging(directory.error());
    if (auto clean = (*directory)->removeLeftovers(); !clean) return staging(clean.error());
    const auto names = (*directory)->list();
    if (!names) return staging(names.error());
    for (const auto& name : *names) {
        const auto time = timeOf(name);
        if (!time || needed.contains(std::string(outbox) + "/" + name)) continue;
        if (lost && *time < *lost) {
            ++inspection.strangers;
            continue;
        }
        if (auto removed = (*directory)->remove(name); !removed) return staging(removed.error());
        ++inspection.removed;
    }
    return inspection;
}

}  // namespace listener
