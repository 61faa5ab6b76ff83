#include "listener/engine/mailboxes.h"

#include "auth/access.h"
#include "listener/ews/ews_mailbox.h"
#include "listener/graph/graph_mailbox.h"
#include "listener/imap/imap_mailbox.h"
#include "listener/ledger/ledger.h"

#include <stdexcept>

// The one place that names the protocols.
namespace listener {
namespace {

/// What all have in common.
template <class Settings>
Settings common(const MailboxSettings& from) {
    const auto& session = from.session;
    Settings settings;
    settings.alias = from.alias;
    settings.user = session.user;
    settings.credential = session.credential;
    settings.connectTimeout = session.connectTimeout;
    settings.ioTimeout = session.ioTimeout;
    return settings;
}

/// And those that speak HTTP.
template <class Settings>
Settings byHttp(const MailboxSettings& from) {
    auto settings = common<Settings>(from);
    const auto& target = from.session.target;
    settings.url = from.session.url;
    settings.truststore = target.truststore;
    settings.keystore = target.keystore;
    settings.keyAlias = target.keyAlias;
    settings.proxy = target.proxy;
    return settings;
}

using IndexMaker = decltype(makeItemIndex)*;

/// Whose budget it is: two credentials of one application have one.
std::string applicationOf(const MailboxSettings& from, plugin::Host& host) {
    const auto client = host.configuration()->text("credential." + from.session.credential + ".client_id");
    return client.empty() ? "credential " + from.session.credential : "client_id " + client;
}

std::unique_ptr<Mailbox> make(const MailboxSettings& from, plugin::Host& host, RequestLimits& limits, IndexMaker makeIndex) {
    const auto limit = [&] { return limits.of(from.session.url, applicationOf(from, host), from.session.user); };
    const auto index = [&] { return makeIndex(host.database(), host.clock(), from.alias, from.protocol); };
    if (from.protocol == "imap") {
        auto settings = common<imap::Settings>(from);
        settings.target = from.session.target;
        settings.sasl = from.session.sasl;
        settings.disabledCapabilities = from.session.disabledCapabilities;
        settings.push = from.session.push;
        return imap::makeMailbox(std::move(settings), host.access(), host.log(), host.version());
    }
    if (from.protocol == "ews") {
        auto settings = byHttp<ews::Settings>(from);
        settings.application = from.session.application;
        settings.push = from.session.push;
        return ews::makeMailbox(std::move(settings), host.access(), index(), host.log(), host.version(), limit());
    }
    if (from.protocol == "graph")
        return graph::makeMailbox(byHttp<graph::Settings>(from), host.access(), index(), host.random(), host.log(), host.version(), limit());
    throw std::logic_error("a mailbox of no protocol");
}

}  // namespace

std::unique_ptr<Mailbox> makeMailbox(const MailboxSettings& settings, plugin::Host& host, RequestLimits& limits) {
    return make(settings, host, limits, makeItemIndex);
}

std::unique_ptr<Mailbox> makeShadowMailbox(const MailboxSettings& settings, plugin::Host& host) {
    RequestLimits alone{host.clock()};
    return make(settings, host, alone, makeShadowIndex);
}

plugin::Task<plugin::Result<void>> followDetour(Ledger& ledger, MailboxSettings& settings) {
    auto detour = co_await ledger.detour(settings.alias);
    if (!detour) co_return detour.error();
    if (!*detour || (*detour)->insteadOf != settings.protocol || readBy(settings, (*detour)->protocol)) co_return plugin::Result<void>{};
    const auto key = "mailbox." + settings.alias;
    co_return plugin::Error{plugin::Reaction::askOperator, plugin::Code::configConflict,
                            "mailbox " + settings.alias + " is read by " + (*detour)->protocol + " instead of " + settings.protocol +
                                ", but it is not known where: set " + key + ".protocol, or `postern move " + settings.alias + " --to " +
                                settings.protocol + "`"};
}

plugin::Task<plugin::Result<std::optional<Detour>>> forgetOldDetour(Ledger& ledger, const MailboxSettings& settings) {
    auto detour = co_await ledger.detour(settings.alias);
    if (!detour) co_return detour.error();
    if (!*detour || (*detour)->insteadOf == settings.protocol) co_return std::optional<Detour>{};
    auto forgotten = co_await ledger.take(settings.alias, std::nullopt);
    if (!forgotten) co_return forgotten.error();
    co_return std::move(*detour);
}

}  // namespace listener
