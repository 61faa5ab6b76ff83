#include "auth/endings.h"

#include "auth/keystore/configured_keystore.h"
#include "auth/keystore/key_description.h"
#include "auth/stored_form.h"
#include "auth/token/provider_preset.h"
#include "plugin/contract/asking.h"
#include "plugin/contract/database.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/text.h"

#include <charconv>

namespace auth {

using plugin::Configuration;
using plugin::Task;
using plugin::Wall;

namespace {

constexpr std::string_view logger = "auth.credential";
constexpr std::string_view ofSecrets = "postern_credential_secret_expiry_timestamp_seconds";
constexpr std::string_view ofCertificates = "postern_keystore_certificate_expiry_timestamp_seconds";
constexpr std::string_view ofSignIns = "postern_credential_sign_in_expiry_timestamp_seconds";

std::optional<int> number(std::string_view digits) {
    int value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '-') return std::nullopt;
    return value;
}

/// For how long the provider of this credential honours a refresh token nobody uses; nothing: not known.
std::optional<std::chrono::milliseconds> idleLimit(const Configuration& configuration, const std::string& credential) {
    const auto prefix = "credential." + credential + ".";
    if (configuration.has(prefix + "refresh_idle_limit")) return configuration.duration(prefix + "refresh_idle_limit");
    const auto* const preset = presetCalled(configuration.text(prefix + "provider"));
    if (preset == nullptr) return std::nullopt;
    return preset->refreshIdleLimit();
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

std::string Ending::what() const {
    switch (kind) {
        case Kind::secret:
            return "the client secret of credential " + name;
        case Kind::certificate:
            return "the certificate of keystore and key " + name;
        case Kind::signIn:
            return "the unused sign-in of credential " + name;
    }
    return name;
}

std::string Ending::next() const {
    switch (kind) {
        case Kind::secret:
            return "make another secret at the provider, and give it as credential." + name + ".client_secret_next";
        case Kind::certificate:
            return "make another certificate, upload it to the provider (postern keystores --certificate), then change the keystore's file";
        case Kind::signIn:
            return "let its mailbox run, or run `postern login " + name + "`";
    }
    return {};
}

std::optional<Ending> secretEnding(const Configuration& configuration, const std::string& credential) {
    const auto end = parseDay(configuration.text("credential." + credential + ".secret_expires"));
    if (!end) return std::nullopt;
    return Ending{Ending::Kind::secret, credential, *end};
}

std::optional<Ending> signInEnding(const Configuration& configuration, const std::string& credential, Wall used) {
    const auto limit = idleLimit(configuration, credential);
    if (!limit) return std::nullopt;
    return Ending{Ending::Kind::signIn, credential, used + *limit};
}

std::optional<int> stageOf(const Configuration& configuration, const Ending& ending, Wall now) {
    const auto reached = daysReached(ending.end, now);
    if (!reached || ending.kind != Ending::Kind::signIn) return reached;
    const auto limit = idleLimit(configuration, ending.name);
    return limit && 2 * std::chrono::days(*reached) < *limit ? reached : std::nullopt;
}

Endings::Endings(Parts parts) : parts_(std::move(parts)) {
    using Kind = plugin::Metrics::Kind;
    parts_.metrics.describe(ofSecrets, Kind::gauge, "When the client secret of a credential ends, as secret_expires says");
    parts_.metrics.describe(ofCertificates, Kind::gauge, "When the certificate of a key in a keystore ends");
    parts_.metrics.describe(ofSignIns, Kind::gauge, "When the sign-in of a person ends if nothing uses it until then");
}

Task<void> Endings::look() {
    auto& loop = co_await plugin::thisLoop();
    const auto configuration = parts_.configuration.get();
    std::vector<Ending> found;
    addSecrets(*configuration, found);
    auto reading = plugin::offload(loop, [this, configuration, &found] {
        addCertificates(*configuration, found);
        return 0;
    });
    co_await reading;
    auto storing = addSignIns(configuration, found);
    co_await storing;
    for (const auto& ending : found) show(ending);
    const auto now = parts_.clock.wall();
    for (auto each = found.begin(); each != found.end();) {
        const bool later = each->kind == Ending::Kind::signIn && !stageOf(*configuration, *each, now);
        if (later) told_.erase({each->kind, each->name});
        if (!later) tell(*each);
        each = later ? found.erase(each) : each + 1;
    }
    const std::lock_guard lock(mutex_);
    found_ = std::move(found);
}

std::vector<Ending> Endings::soon() const {
    const auto now = parts_.clock.wall();
    std::vector<Ending> near;
    const std::lock_guard lock(mutex_);
    for (const auto& ending : found_)
        if (daysReached(ending.end, now)) near.push_back(ending);
    return near;
}

void Endings::addSecrets(const Configuration& configuration, std::vector<Ending>& found) const {
    for (const auto& name : configuration.aliases("credential"))
        if (auto ending = secretEnding(configuration, name)) found.push_back(std::move(*ending));
}

/// A file that has not changed is not read again: its password may come from a program.
void Endings::addCertificates(const Configuration& configuration, std::vector<Ending>& found) {
    std::map<std::string, Read> now;
    for (const auto& alias : configuration.aliases("keystore")) {
        const auto path = configuration.text("keystore." + alias + ".path");
        const auto stamp = parts_.secrets.stamp(path);
        auto& read = now[alias];
        if (const auto before = keystores_.find(alias); before != keystores_.end() && before->second.path == path) read = before->second;
        if (!read.stamp || read.stamp != stamp) {
            if (const auto keystore = configuredKeystore(configuration, alias, parts_.secrets)) {
                read = {path, stamp, {}};
                for (const auto& entry : *keystore)
                    read.certificates.push_back({Ending::Kind::certificate, alias + "/" + entry.alias, describe(entry).ends});
            }
        }
        found.insert(found.end(), read.certificates.begin(), read.certificates.end());
    }
    keystores_ = std::move(now);
}

Task<void> Endings::addSignIns(std::shared_ptr<const Configuration> configuration, std::vector<Ending>& found) {
    if (parts_.database != nullptr) {
        auto reading = plugin::ask<std::vector<Ending>>(*parts_.database, &plugin::Database::read, [configuration](plugin::Transaction& transaction) {
            std::vector<Ending> rows;
            auto& select = transaction.prepare("SELECT credential, obtained_at FROM auth_grant WHERE refresh_token IS NOT NULL");
            while (select.step()) {
                const std::string name(select.text(0));
                if (configuration->text("credential." + name + ".client_id").empty()) continue;  // configured no more
                if (auto ending = signInEnding(*configuration, name, stored::time(select.integer(1)))) rows.push_back(std::move(*ending));
            }
            return rows;
        });
        if (auto read = co_await reading) signIns_ = std::move(*read);
    }
    found.insert(found.end(), signIns_.begin(), signIns_.end());
}

void Endings::show(const Ending& ending) const {
    const auto at = static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(ending.end.time_since_epoch()).count());
    if (ending.kind != Ending::Kind::certificate)
        return parts_.metrics.set(ending.kind == Ending::Kind::secret ? ofSecrets : ofSignIns, {{"credential", ending.name}}, at);
    const auto slash = ending.name.find('/');
    parts_.metrics.set(ofCertificates, {{"keystore", ending.name.substr(0, slash)}, {"key", ending.name.substr(slash + 1)}}, at);
}

void Endings::tell(const Ending& ending) {
    const auto reached = daysReached(ending.end, parts_.clock.wall());
    const std::pair thing{ending.kind, ending.name};
    if (!reached) {
        told_.erase(thing);
        return;
    }
    const auto before = told_.find(thing);
    const bool known = before != told_.end() && before->second.second == *reached && before->second.first <= ending.end;
    told_.insert_or_assign(thing, std::pair{ending.end, *reached});
    if (known) return;
    const bool over = *reached == 0;
    parts_.log.write(over ? plugin::Level::error : plugin::Level::warning, logger,
                     ending.what() + (over ? " has ended: " : " ends soon: ") + ending.next(),
                     {{"ends", plugin::utcText(ending.end)}, {"within_days", *reached}});
}

}  // namespace auth
