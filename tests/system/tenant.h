#pragma once

#include "tests/system/dialogues.h"
#include "tests/system/workplace.h"

#include <atomic>
#include <string>

namespace systemtest {

constexpr const char* box = "box@contoso.example";

std::string exchangeToken();  ///< for IMAP, as it should be

/// A token endpoint that knows one request and one answer.
struct Entra {
    explicit Entra(TokenAnswer given);
    TokenAnswer answer;
    std::atomic<int> strange{0};
    TokenServer server;
};

/// Exchange in one mood: whom it lets in, and what it answers then.
struct Exchange {
    enum class Mood { good, refuses, notConnected, throttles, noOauth, onlyBox };
    explicit Exchange(Mood kind);
    ImapServer::Verdict lets(const std::string& user);
    Mood mood;
    std::atomic<int> signIns{0};
    ImapServer server;
};

/// Credential "c" at that endpoint, and mailbox "m" there.
std::string tenant(const Entra& entra, const Exchange& exchange, const Workplace& place);

/// What a command says with --json: "name=ok token=failed …"
std::string states(const Poco::JSON::Object::Ptr& report);

}  // namespace systemtest
