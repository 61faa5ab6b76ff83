#pragma once

#include "plugin/contract/configuration.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

/// What one value is good for, judged by its key's declaration alone. Pure.
struct Judged {
    std::string value{};  ///< as the snapshot keeps it: paths absolute, all else as written; nothing to use if `usable` is false
    bool usable = true;
    struct Complaint {
        Problem::Severity severity = Problem::Severity::error;
        Code code = Code::configBadValue;
        std::string what{};  ///< which form is wanted; never the value of a secret, never a URL
    };
    std::vector<Complaint> complaints{};
};

/// `workingDirectory`: what relative paths count from. An empty value is one for text, lists and words only.
Judged judge(const Key& key, const std::string& value, const std::string& workingDirectory);

/// A secret's source, "${file:/path}" taken apart. Nothing: the value is a literal ("$${" begins one too).
struct SecretSource {
    std::string_view kind;  ///< "file", "env" …; "" if there is no ":"
    std::string_view argument;
};
std::optional<SecretSource> secretSource(std::string_view value);

/// What is wrong with a host name or an address (IPv6 without brackets), to be read after it. Nothing: it can be dialled.
std::optional<std::string> badHost(std::string_view host);

/// In quotation marks and cut to what fits into a message; "the value" for what may hold a password (URLs, sources).
std::string shown(std::string_view text);
/// Of the first character of a text that is not empty: "'x'", "a blank", "the control character 0x01".
std::string characterName(std::string_view text);

}  // namespace plugin::host
