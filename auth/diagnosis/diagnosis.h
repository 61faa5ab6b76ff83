#pragma once

#include "auth/diagnosis/claims.h"
#include "plugin/contract/result.h"

#include <optional>
#include <string>
#include <vector>

namespace auth::diagnosis {

/// What is known when a mailbox could not be opened.
struct Case {
    plugin::Error error;
    std::optional<Claims> claims{};  ///< of the token that was used; nothing: it is opaque, or there is none
    std::int64_t now = 0;            ///< seconds since 1970, by this machine
    std::string user{};              ///< the mailbox's address
    std::string credential{};        ///< name in the configuration
};

struct Diagnosis {
    std::string id;                  ///< stable: "graph-audience"
    std::string cause;               ///< for people, one sentence
    std::vector<std::string> fix{};  ///< what to do, one step each; lines to paste are complete
};

/// The one most likely cause, from a table (diagnosis.cpp): what the provider's own number says, then what the token says, then what the
/// server said. Nothing: nothing better is known than the error and the next step of its code. Pure.
std::optional<Diagnosis> diagnose(const Case& seen);

}  // namespace auth::diagnosis
