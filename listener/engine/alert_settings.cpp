#include "listener/engine/alert_settings.h"

#include "listener/delivery/http.h"
#include "listener/engine/type_check.h"

#include <algorithm>
#include <array>

namespace listener {

using plugin::Code;
using plugin::Configuration;
using plugin::Key;
using plugin::KeyType;
using plugin::Problem;

namespace {

std::optional<std::string> kindsForm(std::string_view text) {
    const auto kinds = plugin::parseList(text);
    std::string known;
    for (const auto kind : alertKinds) known.append(known.empty() ? "" : ", ").append(kind);
    for (const auto& kind : kinds)
        if (std::find(alertKinds.begin(), alertKinds.end(), kind) == alertKinds.end()) return "names " + kind + "; there are " + known;
    return kinds.empty() ? std::optional("must name one or more of " + known) : std::nullopt;
}

/// Keys that mean something to one type only.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> owners{
    {{"url", "http"}, {"signing_secret", "http"}, {"proxy", "http"}, {"truststore", "http"}, {"command", "exec"}}};

void checkAlert(TypeCheck alert) {
    alert.needs(alert.type() == "http" ? "url" : "command");
    alert.owned(owners);
    alert.checkSigningSecret();
    for (const auto& [name, value] : alert.below("headers.")) {
        const auto key = "headers." + name;
        if (alert.type() != "http")
            alert.foreign(key, "http");
        else if (auto problem = headerProblem(name))
            alert.report(key, Code::configBadValue, std::move(*problem));
    }
}

}  // namespace

std::vector<Key> alertKeys() {
    std::vector<Key> keys;
    const auto add = [&](Key key) { keys.push_back(std::move(key)); };
    add({.pattern = "alert.<name>.type",
         .type = KeyType::choice,
         .required = true,
         .doc = "how administrators are told: http: a webhook; exec: a program",
         .choices = {"http", "exec"}});
    add({.pattern = "alert.<name>.on", .type = KeyType::list, .doc = "of what, by comma; none: of everything", .form = kindsForm});
    add({.pattern = "alert.<name>.timeout",
         .type = KeyType::duration,
         .fallback = "10s",
         .doc = "what has no answer by then is tried again",
         .minimum = 1,
         .maximum = 600});
    add({.pattern = "alert.<name>.url", .type = KeyType::url, .doc = "http: where it is POSTed to"});
    add({.pattern = "alert.<name>.headers.<h>", .type = KeyType::maybeSecret, .doc = "http: a further header; ${file:...} and the like are read"});
    add({.pattern = "alert.<name>.signing_secret", .type = KeyType::secret, .doc = "http: signs each request as Standard Webhooks says (whsec_...)"});
    add({.pattern = "alert.<name>.truststore", .reference = "truststore", .doc = "http: whose certificates to trust instead of the system's roots"});
    add({.pattern = "alert.<name>.proxy", .reference = "proxy", .doc = "http: proxy alias; none: the default one, if there is one"});
    add({.pattern = "alert.<name>.command",
         .doc = "exec: the program, an absolute path, and its arguments by blanks; no shell",
         .form = commandForm});
    return keys;
}

void checkAlerts(const Configuration& configuration, std::vector<Problem>& problems) {
    for (const auto& name : configuration.aliases("alert")) checkAlert({configuration, "alert", name, "an alert", problems});
}

std::vector<AlertSettings> alertSettings(const Configuration& configuration) {
    std::vector<AlertSettings> all;
    for (const auto& name : configuration.aliases("alert")) {
        const auto prefix = "alert." + name + ".";
        AlertSettings settings;
        settings.name = name;
        settings.type = configuration.text(prefix + "type") == "exec" ? AlertSettings::Type::exec : AlertSettings::Type::http;
        for (auto& kind : configuration.list(prefix + "on")) settings.kinds.insert(std::move(kind));
        settings.timeout = configuration.duration(prefix + "timeout");
        settings.command = plugin::parseCommand(configuration.text(prefix + "command")).value_or(std::vector<std::string>{});
        settings.url = configuration.text(prefix + "url");
        settings.headers = configuration.below(prefix + "headers.");
        settings.signingSecret = configuration.text(prefix + "signing_secret");
        settings.truststore = configuration.text(prefix + "truststore");
        settings.proxy = configuration.text(prefix + "proxy");
        all.push_back(std::move(settings));
    }
    return all;
}

}  // namespace listener
