#pragma once

#include "auth/diagnosis/claims.h"
#include "plugin/contract/log.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace auth::diagnosis {

/// What is known when a mailbox could not be opened, or a token not be had. The more is filled in, the more the answer says.
struct Case {
    plugin::Error error;
    std::optional<Claims> claims{};                     ///< of the token that was used; nothing: it is opaque, or there is none
    std::int64_t now = 0;                               ///< seconds since 1970, by this machine
    std::string user{};                                 ///< the mailbox's address
    std::string credential{};                           ///< name in the configuration
    std::string mailbox{};                              ///< name in the configuration
    std::string protocol = "imap";                      ///< imap, pop3, ews, graph
    std::string application{};                          ///< the credential's client id, where no claims tell
    std::string tokenEndpoint{};                        ///< the credential's, for the tenant
    std::string provider{};                             ///< the credential's: clouds may share an endpoint
    std::optional<std::chrono::seconds> clockOffset{};  ///< the token endpoint's clock minus this machine's
};

struct Diagnosis {
    std::string id;                  ///< stable: "graph-audience"
    std::string cause;               ///< for people, one sentence
    std::vector<std::string> fix{};  ///< what to do, one step each; lines to paste are complete
};

/// The one most likely cause, from tables (rows.h). The special goes before the general: the provider's own number, what is wrong with the token,
/// what the server says in words, where a sound token does not help, the challenge, the name of the error, its code. Nothing: nothing better is known
/// than the error and the next step of its code. Pure.
std::optional<Diagnosis> diagnose(const Case& seen);

/// What limits a credential that opens the mailbox of `seen.user`, as it should not. The error does not matter. Pure.
Diagnosis opensTooMuch(const Case& seen);

/// For a log line: "cause", where the error's text does not say it already, and "fix", its first step. Empty: nothing is known, or it is nothing
/// people have to act on.
std::vector<plugin::Field> logFields(const Case& seen);

/// {"id", "cause", "fix": ["…"]}, as doctor, credentials and the admin port show it.
std::string jsonOf(const Diagnosis& diagnosis);

/// What a Microsoft Entra error number (AADSTS…) means for whoever set the credential up; "" for those without a row. Only ever shown: Microsoft
/// asks not to branch on these numbers.
std::string entraCause(std::int64_t number);

/// A failed request's error has the offset of the endpoint's clock among the provider's details, where it is worth a word.
inline constexpr std::string_view clockOffsetName = "clock_offset=";
std::optional<std::chrono::seconds> clockOffsetIn(const plugin::Error& error);
/// More than the clocks of two machines usually differ: more than 60 s. Assertions made here fail by it.
bool isWorthAWord(std::chrono::seconds offset);
/// "94 s ahead of this machine's", "12 s behind this machine's".
std::string describeOffset(std::chrono::seconds offset);

}  // namespace auth::diagnosis
