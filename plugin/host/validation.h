#pragma once

#include "plugin/contract/configuration.h"
#include "plugin/host/properties_reader.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace plugin::host {

/// What entries are judged by: everything the host and the loaded packages declared.
struct Rules {
    std::vector<Key> keys{};
    /// What single keys cannot show (Package::check). Called even when other problems were found, so that all are reported together, and
    /// then with a snapshot from which bad values and missing keys are absent (or have their default); what a check says about those is dropped.
    std::vector<std::function<void(const Configuration&, std::vector<Problem>&)>> checks{};
    /// First parts of keys ("mailbox") whose owner is disabled or broken: passed over without a word when nobody declared the key.
    std::vector<std::string> foreign{};
    std::string workingDirectory{};  ///< absolute, of the start: what relative paths count from
};

struct Validated {
    std::shared_ptr<const Configuration> configuration;  ///< complete only when valid(); never null
    std::vector<Problem> problems{};                     ///< all of them, by file and line
    bool valid() const;                                  ///< no errors; warnings are allowed
};

/// Problems of reading stay in the list. Aliases exist when any key with them is given; each gets the defaults of its group.
/// A missing key is reported at the place where its alias is first written. Pure.
Validated validate(const Properties& properties, const Rules& rules);

/// By file and line; what has no place comes first. Problems of one line keep their order.
void sortByPlace(std::vector<Problem>& problems);

}  // namespace plugin::host
