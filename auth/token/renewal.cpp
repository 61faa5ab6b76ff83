#include "auth/token/renewal.h"

#include <algorithm>
#include <array>

namespace auth {

using std::chrono::milliseconds;

Lifetime lifetimeOf(plugin::Steady requested, std::optional<std::chrono::seconds> expiresIn, std::optional<std::chrono::seconds> refreshIn,
                    double chanceOfRenewal, double chanceOfJitter) {
    const milliseconds life = expiresIn.value_or(assumedLife);
    const milliseconds usable = life - std::min<milliseconds>(lastStretch, life / 2);
    const auto part = [](milliseconds whole, double factor) {
        return milliseconds(static_cast<std::int64_t>(static_cast<double>(whole.count()) * factor));
    };

    auto renew = part(life, 0.75 + 0.05 * chanceOfRenewal);
    if (refreshIn) renew = std::min<milliseconds>(renew, *refreshIn);
    renew = part(renew, 0.9 + 0.2 * chanceOfJitter);
    renew = std::min(renew, part(usable, 0.9));  // leave time to renew before anybody has to wait
    return {requested + renew, requested + usable, requested + life};
}

milliseconds passingWait(unsigned failures, double chance) {
    constexpr milliseconds shortest{1000}, longest{300'000};
    const auto doubled = shortest * (1LL << std::min(failures - 1, 16U));
    const auto most = std::min<milliseconds>(doubled, longest);
    return std::max(shortest, milliseconds(static_cast<std::int64_t>(static_cast<double>(most.count()) * chance)));
}

milliseconds refusalWait(unsigned failures) {
    constexpr std::array<std::chrono::minutes, 4> waits{std::chrono::minutes(1), std::chrono::minutes(5), std::chrono::minutes(15),
                                                        std::chrono::minutes(60)};
    return waits[std::min<std::size_t>(failures - 1, waits.size() - 1)];
}

}  // namespace auth
