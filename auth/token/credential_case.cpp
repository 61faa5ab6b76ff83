#include "auth/token/credential_case.h"

#include "auth/token/credential.h"
#include "auth/token/provider_preset.h"

#include <algorithm>

namespace auth {

using plugin::Configuration;

namespace {

std::string protocolOf(const std::string& scopes) {
    const auto words = plugin::parseWords(scopes);
    if (std::any_of(words.begin(), words.end(), [](const std::string& each) { return isGraphScope(each); })) return "graph";
    const auto permits = [&](std::string_view what) {
        return std::any_of(words.begin(), words.end(), [&](const std::string& each) { return each.find(what) != std::string::npos; });
    };
    if (permits("/EWS.")) return "ews";
    return permits("/POP.") ? "pop3" : "imap";
}

/// Of the first mailbox that signs in with it; "": there is none.
std::string protocolOfMailbox(const Configuration& configuration, const std::string& credential) {
    for (const auto& alias : configuration.aliases("mailbox")) {
        if (configuration.text("mailbox." + alias + ".credential") != credential) continue;
        auto protocol = configuration.text("mailbox." + alias + ".protocol");
        return protocol.empty() ? "imap" : protocol;
    }
    return {};
}

}  // namespace

diagnosis::Case caseOf(const Configuration& configuration, const std::string& name, plugin::Error error) {
    diagnosis::Case seen{.error = std::move(error), .credential = name};
    const auto settings = credential(configuration, name);
    if (!settings) return seen;
    seen.application = settings->clientId;
    seen.tokenEndpoint = settings->tokenEndpoint;
    seen.provider = settings->provider;
    const auto protocol = protocolOfMailbox(configuration, name);
    seen.protocol = protocol.empty() ? protocolOf(settings->scopes) : protocol;
    return seen;
}

}  // namespace auth
