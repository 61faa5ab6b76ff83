#pragma once

#include "plugin/admin/admin_server.h"
#include "plugin/admin/api.h"
#include "plugin/admin/callback.h"
#include "plugin/admin/guard.h"

#include <cstdint>
#include <semaphore>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugin::admin {

inline constexpr int mostAtATime = 8;  ///< requests are answered at a time,
inline constexpr int mostOfApi = 6;    ///< of these so many of the API, so that /healthz is answered however long the others take
static_assert(mostOfApi < mostAtATime);

/// What of a request decides its answer.
struct Request {
    Asked asked;
    std::string query{};
    std::string address{};  ///< of this machine, which it came to
    std::size_t hosts = 1;  ///< so many Host headers it has
};

struct Answer {
    int status = 200;
    std::string body{};
    std::string type = "text/plain; charset=utf-8";
    std::vector<std::pair<std::string, std::string>> fields{};  ///< of its head, beside those all have
};

/// From a request to what the port answers, without its sockets. Thread-safe.
class Answering {
public:
    /// port   the port it is asked at
    Answering(AdminParts parts, std::uint16_t port);
    /// Blocks as AdminParts does. A bug is told, counted, and answered with 500.
    Answer answer(const Request& request) noexcept;
    /// Tells and counts the bug that was caught, as far as that can be done.
    void tell(std::string_view message) noexcept;

private:
    Answer judged(const Request& request);
    Answer otherMethod(const std::string& path) const;
    Answer bring(const std::string& query);
    Answer show(const std::string& path, const std::string& query);
    Answer askApi(const std::string& path, const std::string& query);
    Answer readyOrNot() const;

    AdminParts parts_;
    const Door door_;
    Budget unknown_;
    std::counting_semaphore<mostOfApi> turns_{mostOfApi};
};

}  // namespace plugin::admin
