#include "auth/secret_expiry.h"

#include "plugin/contract/log.h"

#include <array>
#include <charconv>

namespace auth {

using plugin::Wall;

namespace {

constexpr std::string_view logger = "auth.credential";
constexpr std::string_view metric = "postern_credential_secret_expiry_timestamp_seconds";

std::optional<int> number(std::string_view digits) {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '-') return std::nullopt;
    return value;
}

}  // namespace

std::optional<Wall> parseDay(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = number(text.substr(0, 4)), month = number(text.substr(5, 2)), day = number(text.substr(8, 2));
    if (!year || !month || !day) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *year < 2000 || *year > 2200) return std::nullopt;
    return Wall(std::chrono::sys_days(date));
}

std::optional<int> daysReached(Wall end, Wall now) {
    for (const int days : {0, 1, 7, 14, 30})
        if (now >= end - std::chrono::days(days)) return days;
    return std::nullopt;
}

SecretExpiry::SecretExpiry(plugin::CurrentConfiguration configuration, plugin::Clock& clock, plugin::Log& log, plugin::Metrics& metrics)
    : configuration_(std::move(configuration)), clock_(clock), log_(log), metrics_(metrics) {
    metrics_.describe(metric, plugin::Metrics::Kind::gauge, "When the client secret of a credential ends, as secret_expires says");
}

void SecretExpiry::look() {
    const auto configuration = configuration_.get();
    const auto now = clock_.wall();
    const std::lock_guard lock(mutex_);
    for (const auto& name : configuration->aliases("credential")) {
        const auto written = configuration->text("credential." + name + ".secret_expires");
        const auto end = parseDay(written);
        if (!end) continue;
        metrics_.set(metric, {{"credential", name}},
                     static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(end->time_since_epoch()).count()));
        const auto reached = daysReached(*end, now);
        if (!reached) continue;
        const std::pair stage{*end, *reached};
        auto& told = told_[name];
        if (told == stage) continue;
        told = stage;
        log_.write(*reached == 0 ? plugin::Level::error : plugin::Level::warning, logger,
                   *reached == 0 ? "a client secret has ended" : "a client secret ends soon: make another one, and give it as client_secret_next",
                   {{"credential", name}, {"secret_expires", written}, {"within_days", *reached}});
    }
}

}  // namespace auth
