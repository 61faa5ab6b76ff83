#include "auth/token/provider_preset.h"

#include <algorithm>
#include <array>

namespace auth {

namespace {

constexpr std::array presets{
    ProviderPreset{"microsoft365", true, "https://login.microsoftonline.com", "https://outlook.office365.com", "https://outlook.office.com",
                   "https://graph.microsoft.com", "outlook.office365.com", "smtp.office365.com"},
    ProviderPreset{"microsoft365-gcch", true, "https://login.microsoftonline.us", "https://outlook.office365.us", "https://outlook.office365.us",
                   "https://graph.microsoft.us", "outlook.office365.us", "smtp.office365.us"},
    ProviderPreset{"microsoft365-dod", true, "https://login.microsoftonline.us", "https://outlook-dod.office365.us",
                   "https://outlook-dod.office365.us", "https://dod-graph.microsoft.us", "outlook-dod.office365.us", "outlook-dod.office365.us"},
    ProviderPreset{"microsoft365-china", true, "https://login.chinacloudapi.cn", "https://partner.outlook.cn", "https://partner.outlook.cn",
                   "https://microsoftgraph.chinacloudapi.cn", "partner.outlook.cn", "smtp.partner.outlook.cn"},
    ProviderPreset{"google", false, {}, {}, {}, {}, "imap.gmail.com", "smtp.gmail.com"},
};

std::string under(std::string_view authority, std::string_view tenant, std::string_view what) {
    return std::string(authority) + "/" + std::string(tenant) + "/oauth2/v2.0/" + std::string(what);
}

/// What a person consents to.
std::string_view permission(std::string_view protocol) {
    if (protocol == "pop3") return "/POP.AccessAsUser.All";
    if (protocol == "smtp") return "/SMTP.Send";
    if (protocol == "ews") return "/EWS.AccessAsUser.All";
    if (protocol == "graph") return "/Mail.ReadWrite";
    return "/IMAP.AccessAsUser.All";
}

}  // namespace

std::string ProviderPreset::tokenEndpoint(std::string_view tenant) const {
    return microsoft ? under(authority, tenant, "token") : "https://oauth2.googleapis.com/token";
}

std::string ProviderPreset::authorizationEndpoint(std::string_view tenant) const {
    return microsoft ? under(authority, tenant, "authorize") : "https://accounts.google.com/o/oauth2/v2/auth";
}

std::string ProviderPreset::deviceEndpoint(std::string_view tenant) const {
    return microsoft ? under(authority, tenant, "devicecode") : "https://oauth2.googleapis.com/device/code";
}

std::string ProviderPreset::scopes(std::string_view protocol, bool application) const {
    if (!microsoft) return "https://mail.google.com/";
    const bool isGraph = protocol == "graph";
    if (application) return std::string(isGraph ? graph : resource) + "/.default";
    return std::string(isGraph ? graph : ofPeople) + std::string(permission(protocol)) + " offline_access";
}

std::string_view ProviderPreset::host(std::string_view protocol) const {
    if (protocol == "smtp") return smtp;
    if (protocol == "pop3" && !microsoft) return "pop.gmail.com";
    return protocol == "imap" || protocol == "pop3" ? mail : std::string_view{};
}

std::string ProviderPreset::url(std::string_view protocol) const {
    if (protocol == "graph") return std::string(graph);
    return protocol == "ews" && microsoft ? std::string(resource) + "/EWS/Exchange.asmx" : std::string{};
}

const ProviderPreset* presetCalled(std::string_view name) {
    const auto* const found = std::find_if(presets.begin(), presets.end(), [&](const ProviderPreset& each) { return each.name == name; });
    return found == presets.end() ? nullptr : found;
}

bool isGraphScope(std::string_view scope) {
    return std::any_of(presets.begin(), presets.end(), [&](const ProviderPreset& each) {
        return each.microsoft && (scope == each.graph || scope.starts_with(std::string(each.graph) + "/"));
    });
}

const ProviderPreset* presetOfAuthority(std::string_view host) {
    const auto* const found = std::find_if(presets.begin(), presets.end(), [&](const ProviderPreset& each) {
        return each.microsoft && each.authority == "https://" + std::string(host);
    });
    return found == presets.end() ? nullptr : found;
}

}  // namespace auth
