#pragma once

#include "plugin/contract/configuration.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

/// The union of all declared keys, asked by the keys people wrote. A pattern's parts are separated by "."; a part in <> stands for one
/// part, the last one for all the rest ("sink.<name>.headers.<h>"; "<n>": a number). The part after the first is the alias of its group.
class KnownKeys {
public:
    explicit KnownKeys(std::vector<Key> keys);
    KnownKeys(const KnownKeys&) = delete;  // holds pointers into itself
    KnownKeys& operator=(const KnownKeys&) = delete;

    struct Match {
        const Key* key = nullptr;
        std::string group{};  ///< "mailbox"; "" where the key has no alias
        std::string alias{};  ///< as written, perhaps with characters an alias may not have
    };
    std::optional<Match> match(std::string_view key) const;

    /// The known key that was most likely meant, with the aliases as written, or "". Never a planned one.
    std::string nearest(std::string_view key) const;

    /// All keys of that first part are planned ones: the whole group is.
    bool isPlannedGroup(std::string_view key) const;
    /// Keys that have an alias of this group and no further variable part.
    const std::vector<const Key*>& ofEachAlias(const std::string& group) const;
    bool isGroup(std::string_view name) const;  ///< keys of this first part have an alias
    const std::vector<Key>& all() const { return keys_; }

private:
    struct Pattern {
        const Key* key;
        std::vector<std::string> parts;
    };
    const std::vector<Pattern>& beginningWith(std::string_view part) const;

    std::vector<Key> keys_;
    std::map<std::string, std::vector<Pattern>, std::less<>> patterns_;  // by first part
    std::map<std::string, std::vector<const Key*>> ofEachAlias_;
};

/// What is wrong with an alias: names the character. Nothing: it is 1 to 64 of A-Z a-z 0-9 _ -.
std::optional<std::string> badAlias(std::string_view alias);

}  // namespace plugin::host
