#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace plugin::admin {

/// What became of an answer a browser has brought from a provider.
enum class Brought {
    taken,        ///< a sign-in had waited for it
    unknown,      ///< none waits for it, or it has had its answer
    unavailable,  ///< it cannot be put down now
};

/// GET of `path` with any query, for everybody (RFC 6749 4.1.2).
struct CallbackPath {
    std::string path = {};                                 ///< "/oauth-callback", behind what stands before it in the public URL; "": there is none
    std::function<Brought(std::string query)> bring = {};  ///< called from the port's threads; blocks for the store
};

/// Whether a query has exactly one state, and that of the form ours have: 22 characters of base64url. What strangers send at random has not.
bool couldBeOurs(std::string_view query);

/// Bounds how often strangers make us look whether somebody waits for what they bring, where that has no state as ours: `most` times in ten seconds,
/// beside what is taken. Thread-safe.
class Budget {
public:
    explicit Budget(std::size_t most) : most_(most) {}
    bool isSpent(std::chrono::steady_clock::time_point now);
    void spend(std::chrono::steady_clock::time_point now);

private:
    std::size_t most_;
    std::mutex mutex_{};
    std::deque<std::chrono::steady_clock::time_point> spent_{};
};

}  // namespace plugin::admin
