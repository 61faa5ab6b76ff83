#pragma once

#include "auth/access.h"
#include "listener/alerting/notice.h"
#include "listener/delivery/program.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// One channel over which administrators are told, as configured.
struct AlertSettings {
    enum class Type { http, exec };
    std::string name;
    Type type = Type::http;
    std::set<std::string, std::less<>> kinds{};    ///< of alertKinds; empty: all
    std::chrono::milliseconds timeout{10'000};     ///< of one attempt
    std::vector<std::string> command{};            ///< exec: the program, an absolute path, and its arguments
    std::string url{};                             ///< http
    std::map<std::string, std::string> headers{};  ///< http: further ones; a value may be the source of a secret (auth/secret_source.h)
    std::string signingSecret{};                   ///< http: the source of the Standard Webhooks secret; empty: requests are not signed
    std::string truststore{}, proxy{};             ///< http: as in auth::Target
    bool operator==(const AlertSettings&) const = default;
};

/// How a notice gets out. Belongs to one loop.
class Messenger {
public:
    virtual ~Messenger() = default;
    /// Errors: alertNotSent (retryLater), those of auth's channel and secrets, and of Programs. Their reaction does not matter: it is tried again.
    virtual plugin::Task<plugin::Result<void>> tell(Notice notice, plugin::Deadline deadline, std::stop_token stop) = 0;
};

/// POST of the payload as application/json with Idempotency-Key, with a signing secret also webhook-id (the same), webhook-timestamp and
/// webhook-signature; 2xx is told. Redirects are not followed.
std::unique_ptr<Messenger> makeWebhook(AlertSettings settings, std::string instance, auth::Access& access);
/// A program with the notice in its environment and the payload on its standard input; exit status 0 is told.
std::unique_ptr<Messenger> makeProgramCall(AlertSettings settings, std::string instance, Programs& programs);

}  // namespace listener
