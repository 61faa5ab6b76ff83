#include "listener/engine/trouble.h"

#include "auth/token/credential.h"
#include "listener/engine/command_support.h"

namespace listener {

using auth::diagnosis::Case;
using plugin::Configuration;

namespace {

std::string troubleOf(const plugin::Error& error, const Configuration& configuration, const MailboxSettings* settings) {
    const auto diagnosis = auth::diagnosis::diagnose(settings ? caseOf(configuration, *settings, error) : Case{.error = error});
    const auto* const entry = plugin::findCode(error.code);
    Object trouble;
    trouble.text("code", plugin::codeName(error.code)).text("text", error.what).text("next", entry ? entry->next : "");
    trouble.raw("provider", error.provider.empty() ? "null" : plugin::jsonText(error.provider));
    return trouble.raw("diagnosis", diagnosis ? jsonOf(*diagnosis) : "null").str();
}

}  // namespace

Case caseOf(const Configuration& configuration, const MailboxSettings& settings, plugin::Error error) {
    Case seen{.error = std::move(error), .user = settings.session.user, .credential = settings.session.credential};
    seen.mailbox = settings.alias;
    seen.protocol = settings.protocol;
    seen.clockOffset = auth::diagnosis::clockOffsetIn(seen.error);
    if (const auto credential = auth::credential(configuration, seen.credential)) {
        seen.application = credential->clientId;
        seen.tokenEndpoint = credential->tokenEndpoint;
        seen.provider = credential->provider;
    }
    return seen;
}

std::string jsonOf(const MailboxStatus::View& view, const Configuration& configuration, const MailboxSettings* settings) {
    Object now;
    now.text("state", name(view.state)).text("health", name(view.health));
    const auto age = view.verifiedAge ? std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*view.verifiedAge).count()) : "null";
    now.raw("verified_age_seconds", age);
    return now.raw("trouble", view.lastError ? troubleOf(*view.lastError, configuration, settings) : "null").str();
}

}  // namespace listener
