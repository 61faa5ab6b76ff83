#pragma once

#include "plugin/admin/api.h"
#include "plugin/admin/callback.h"
#include "plugin/admin/tls_key.h"
#include "plugin/contract/log.h"
#include "plugin/contract/result.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace plugin::admin {

/// What the port shows. The functions are called from its threads and outlive the server.
struct AdminParts {
    std::function<bool()> alive;                        ///< /healthz: 200 or 503
    std::function<std::vector<std::string>()> missing;  ///< /readyz: what is not up yet or is broken; empty = 200, else 503 with these
    std::function<std::string()> metrics;               ///< /metrics
    std::string token;                                  ///< content of admin.token; the port keeps its digest alone
    Log& log;
    Metrics& counters;
    std::vector<std::string> names{};  ///< hosts that are ours beside this machine's own (Door::names)
    CallbackPath callback{};
    std::shared_ptr<TlsKey> tls{};                       ///< null: plain HTTP, on this machine alone
    std::function<ApiAnswer(const ApiQuestion&)> api{};  ///< what is below /api/v1/; blocks. Null: nothing is
};

/// One HTTP port (RFC 9110), with a TlsKey over TLS 1.2 or 1.3: GET and HEAD of /healthz, /readyz, /metrics, GET of the callback's path (what peers
/// elsewhere get without the token: guard.h); any other path wants `Authorization: Bearer`; below /api/v1/ it is what AdminParts::api answers, else
/// not found. Requests with an Origin or with a Host that is not ours get 403. Limits: 8 requests at a time, of which the API may hold 6 (what comes
/// beside them gets 503), 64 waiting, 5 s without a byte, from when it is accepted 10 s for a connection and, where others wait, 3 s for the head of
/// a request, Poco's on header fields (100, 8 kB each) and on path and query (16 kB); one request per connection; bodies are passed over; 20
/// callbacks in ten seconds that fit no sign-in, beside those whose state could be one. No exception leaves a handler: it is logged, counted and,
/// where that can be, answered with 500.
class AdminServer {
public:
    virtual ~AdminServer() = default;         ///< stops: requests that are there are answered, 2 s at most, all else is cut off
    virtual std::string address() const = 0;  ///< as bound, "127.0.0.1:8025", "[::1]:8025"
};

/// `host` an address of this machine, "localhost" (127.0.0.1), or 0.0.0.0 or :: for all of them; port 0 takes any free one.
/// Errors askOperator: adminAddress: none of this machine's, beyond it without TLS, taken, forbidden; channelKeystore: OpenSSL does not take the key.
Result<std::unique_ptr<AdminServer>> openAdminPort(const std::string& host, std::uint16_t port, AdminParts parts);

}  // namespace plugin::admin
