#pragma once

#include "plugin/contract/result.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plugin {

/// An open file. Every member blocks: call it through offload. One thread at a time, but readAt may run beside itself.
/// After a failed append() or sync() the file is not to be trusted any more: each later append(), sync() and publish() of it fails too.
class File {
public:
    virtual ~File() = default;
    virtual Result<void> append(std::string_view bytes) = 0;  ///< all of it or an error
    virtual Result<void> sync() = 0;                          ///< data and size durable; reports whatever went wrong since the file was made
    /// Before sync(). Only for a disk that has permissions; others have nothing to do.
    virtual Result<void> setMode(unsigned mode) {
        static_cast<void>(mode);
        return {};
    }
    virtual Result<std::size_t> readAt(std::uint64_t offset, std::span<char> into) const = 0;  ///< 0 = end
    virtual std::uint64_t size() const = 0;
};

/// How temporary names begin, on file systems where a file cannot be without one. Nobody else may begin a name like that.
inline constexpr std::string_view temporaryPrefix = ".postern-";

/// An open directory on one file system. Every member blocks: call it through offload. Thread-safe.
/// Names are single path components.
class Directory {
public:
    virtual ~Directory() = default;
    virtual const std::string& path() const = 0;
    /// A new file without a public name (O_TMPFILE, else a name with temporaryPrefix); gone if never published.
    virtual Result<std::unique_ptr<File>> create(unsigned mode) = 0;
    /// Everything written before to files of this file system is durable (syncfs). With few files, File::sync is cheaper. Reports what
    /// went wrong since this Directory was opened, once: open it before the files are written, and one for each batch.
    virtual Result<void> syncFiles() = 0;
    /// False: this kernel or file system does not tell syncFiles() of every failed write. Sync each file then.
    virtual bool syncsTogether() const { return true; }
    /// Gives a created file its name. False: the name exists already and was left as it is. Durable after syncNames().
    /// A file created in another directory of the same file system may be published here too; across file systems: an error. So is a file
    /// that had a name before: under a second one it would be the same file still, and change with it.
    virtual Result<bool> publish(File& file, std::string_view name) = 0;
    /// Names published, replaced and removed before are durable (fsync of the directory).
    virtual Result<void> syncNames() = 0;
    virtual Result<std::unique_ptr<File>> open(std::string_view name) = 0;  ///< for reading
    virtual Result<bool> exists(std::string_view name) = 0;
    virtual Result<void> remove(std::string_view name) = 0;  ///< a missing name is no error
    virtual Result<std::vector<std::string>> list() = 0;     ///< without "." and ".."; any order; temporary names too
    /// Removes what a process that is gone left under temporary names.
    virtual Result<void> removeLeftovers() {
        const auto names = list();
        if (!names) return names.error();
        for (const auto& name : *names)
            if (name.starts_with(temporaryPrefix))
                if (const auto removed = remove(name); !removed) return removed;
        return {};
    }
};

/// Thread-safe.
class Disk {
public:
    virtual ~Disk() = default;
    /// Opens a directory, made durably where it is missing (with its parents) if `make`. Errors: sinkPath for what cannot be made or opened.
    virtual Result<std::shared_ptr<Directory>> directory(const std::string& path, bool make, unsigned mode = 0700) = 0;
};

}  // namespace plugin
