#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace auth {

/// What is known of a provider, so that nobody has to write it down: credential.<name>.provider. All of them are in a static table.
/// Sources: learn.microsoft.com, "National clouds" (identity platform) and "Authenticate an IMAP, POP or SMTP connection using OAuth"; Google,
/// "OAuth 2.0 Mechanism".
struct ProviderPreset {
    std::string_view name;
    bool microsoft = false;           ///< else Google
    std::string_view authority{};     ///< Microsoft: where tokens come from, before the tenant
    std::string_view resource{};      ///< Microsoft: of Exchange, for applications
    std::string_view ofPeople{};      ///< Microsoft: the same where a person has signed in
    std::string_view graph{};         ///< Microsoft: of Graph
    std::string_view mail{}, smtp{};  ///< hosts: IMAP and POP; SMTP

    std::string tokenEndpoint(std::string_view tenant) const;
    std::string authorizationEndpoint(std::string_view tenant) const;
    std::string deviceEndpoint(std::string_view tenant) const;
    /// For imap, pop3, smtp, ews, graph; "" is imap. `application`: it signs in as itself, else for a person (with a refresh token).
    std::string scopes(std::string_view protocol, bool application) const;
    /// For how long a refresh token is good that nobody uses.
    std::chrono::hours refreshIdleLimit() const { return std::chrono::days(microsoft ? 90 : 180); }
    /// Where mailboxes are read: imap, pop3, smtp; "" for all others.
    std::string_view host(std::string_view protocol) const;
    /// The same for ews (the endpoint) and graph (the root, without "/" at the end); "" for all others, and where there is none.
    std::string url(std::string_view protocol) const;
};

/// Null: no such preset ("custom", "").
const ProviderPreset* presetCalled(std::string_view name);
/// The first whose tokens come from there; null: none. GCC High and DoD have one authority: it is GCC High.
const ProviderPreset* presetOfAuthority(std::string_view host);
/// Whether it is for Microsoft Graph, of any cloud.
bool isGraphScope(std::string_view scope);

}  // namespace auth
