#include "listener/engine/settings.h"

#include "auth/channel/http_parser.h"
#include "auth/token/credential.h"
#include "listener/engine/alert_settings.h"
#include "listener/engine/mailbox_keys.h"
#include "listener/engine/sink_settings.h"
#include "plugin/contract/letters.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

namespace listener {

using plugin::Code;
using plugin::Configuration;
using plugin::Key;
using plugin::KeyType;
using plugin::Problem;

namespace {

constexpr std::size_t defaultPerRound = 10'000;  // 80 kB of positions; a round of small mails then lasts a second or a few

/// INBOX in any case is the inbox; written one way everywhere, since the name is part of the delivery id.
std::string folderName(std::string name) { return plugin::equalsIgnoreCase(name, "INBOX") ? "INBOX" : name; }

/// RFC 6154 section 2; case counts for nothing.
bool isSpecialUse(std::string_view name) {
    static constexpr std::string_view uses[] = {"\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"};
    return std::any_of(std::begin(uses), std::end(uses), [name](std::string_view use) { return plugin::equalsIgnoreCase(name, use); });
}

/// As written for this protocol; else for whatever protocol, unless that would be another one's server.
std::string textFor(const std::string& protocol, const Configuration& configuration, const std::string& prefix, const std::string& name) {
    const auto own = configuration.text(prefix + protocol + "." + name);
    const bool isOfServer = name == "host" || name == "port" || name == "url";
    return !own.empty() || (isOfServer && configuration.text(prefix + "protocol") != protocol) ? own : configuration.text(prefix + name);
}

/// As written, else that of the credential's provider.
std::string hostOf(const Configuration& configuration, const std::string& prefix) {
    const auto written = textFor("imap", configuration, prefix, "host");
    return written.empty() ? auth::hostOfProvider(configuration, textFor("imap", configuration, prefix, "credential"), "imap") : written;
}

/// The same. Without "/" at the end.
std::string urlOf(const Configuration& configuration, const std::string& prefix, const std::string& protocol) {
    auto url = textFor(protocol, configuration, prefix, "url");
    if (url.empty()) url = auth::urlOfProvider(configuration, textFor(protocol, configuration, prefix, "credential"), protocol);
    while (url.ends_with('/')) url.pop_back();
    return url;
}

bool sameFolder(const std::string& one, const std::string& other) { return folderName(one) == folderName(other); }

/// Where it is, by its protocol; and keys that belong to another one.
void checkReach(const Configuration& configuration, const std::string& prefix, const std::string& protocol, std::vector<Problem>& problems) {
    const auto report = [&](const std::string& name, Code code, std::string what, const std::string& placed) {
        problems.push_back({Problem::Severity::error, code, prefix + name, std::move(what), configuration.place(prefix + placed)});
    };
    const auto given = [&](const std::string& name) {
        const auto found = configuration.settings().find(prefix + name);
        return found != configuration.settings().end() && found->second.given;
    };
    const bool imap = protocol == "imap";
    if (imap ? hostOf(configuration, prefix).empty() : urlOf(configuration, prefix, protocol).empty())
        report(imap ? "host" : "url", Code::configMissingKey, "this key is missing, and the credential names no provider whose server it could be",
               "protocol");
    for (const auto* name : {"host", "port", "tls", "sasl", "disable_capabilities"})
        if (!imap && given(name))
            report(name, Code::configConflict,
                   "means nothing to a mailbox of protocol " + protocol + ": it belongs to imap; " + protocol + " has .url", name);
    if (imap && given("url"))
        report("url", Code::configConflict, "means nothing to a mailbox of protocol imap, which has .host; it belongs to ews and graph", "url");
    if (protocol != "ews" && given("fallback"))
        report("fallback", Code::configConflict, "means nothing to a mailbox of protocol " + protocol + ": it belongs to ews", "fallback");
    const auto url = auth::parseHttpUrl(urlOf(configuration, prefix, "graph"));
    const std::string graphUrl = given("graph.url") ? "graph.url" : "url";
    if ((protocol == "graph" || given("graph.url")) && url && url->target != "/")
        report(graphUrl, Code::configBadValue, "must be the root alone, without a path: https://graph.microsoft.com", graphUrl);
    if (protocol != "ews" || !given("fallback")) return;
    const auto credential = textFor("graph", configuration, prefix, "credential");
    const auto scopes = "credential." + credential + ".scopes";
    if (urlOf(configuration, prefix, "graph").empty())
        report(
            "fallback", Code::configConflict,
            "the credential names no provider (credential.<name>.provider) and there is no .graph.url, so it is not known where Microsoft Graph is",
            "fallback");
    else if (credential == textFor("ews", configuration, prefix, "credential") && !configuration.text(scopes).empty())
        report("fallback", Code::configConflict,
               "EWS and Microsoft Graph want other scopes, and " + scopes + " gives the same to both: remove it, the provider's are known",
               "fallback");
}

void checkMailbox(const Configuration& configuration, const std::string& alias, std::vector<Problem>& problems) {
    const auto prefix = "mailbox." + alias + ".";
    const auto report = [&](std::string_view name, Code code, std::string what, Problem::Severity severity = Problem::Severity::error) {
        const auto key = prefix + std::string(name);
        problems.push_back({severity, code, key, std::move(what), configuration.place(key)});
    };
    const auto protocol = configuration.text(prefix + "protocol");
    checkReach(configuration, prefix, protocol, problems);
    const auto host = hostOf(configuration, prefix);
    if (!host.empty() && textFor("imap", configuration, prefix, "tls") == "none") {
        const auto* const tls = configuration.text(prefix + "imap.tls").empty() ? "tls" : "imap.tls";
        if (plugin::isLoopback(host))
            report(tls, Code::configPlainHttp, "without TLS the sign-in and all mail travel in clear (allowed to this machine only)",
                   Problem::Severity::warning);
        else
            report(tls, Code::configPlainHttp, "without TLS the sign-in and all mail travel in clear: allowed to 127.0.0.1, ::1 and localhost only");
    }
    const auto folders = configuration.list(prefix + "folders");
    if (folders.empty()) report("folders", Code::configBadValue, "must name at least one folder");
    for (std::size_t i = 0; i < folders.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (sameFolder(folders[i], folders[j])) report("folders", Code::configConflict, "names the folder " + folders[i] + " twice");
    for (const auto& folder : folders)
        if (folder.starts_with('\\') && !isSpecialUse(folder))
            report("folders", Code::configBadValue,
                   folder + " is no use a folder can have (RFC 6154): \\All \\Archive \\Drafts \\Flagged \\Junk \\Sent \\Trash");
    for (const auto* key : {"after", "after_quarantine"}) {
        const auto after = parseAfter(configuration.text(prefix + key));
        if (!after || after->target.empty()) continue;
        for (const auto& folder : folders)
            if (sameFolder(folder, after->target))
                report(key, Code::configConflict,
                       "moves mail into " + after->target + ", which is itself a watched folder of this mailbox: it would be delivered again");
    }
    if (configuration.has(prefix + "max_size") && configuration.text(prefix + "after_quarantine") == "delete")
        report("after_quarantine", Code::configConflict, "deletes messages larger than max_size, which nobody has fetched: they are lost",
               Problem::Severity::warning);
    const auto sasl = configuration.text(prefix + "sasl");
    const auto grantFor = [&](const std::string& by) {
        return configuration.text("credential." + textFor(by, configuration, prefix, "credential") + ".grant");
    };
    const auto grant = grantFor(protocol);
    const bool byGraph = protocol == "graph" || configuration.text(prefix + "fallback") == "graph";
    if (byGraph && grantFor("graph") == "user_password")
        report(configuration.text(prefix + "graph.credential").empty() ? "credential" : "graph.credential", Code::configConflict,
               "signs in with a password, but Microsoft Graph wants a token");
    if (protocol == "imap" && !grant.empty() && sasl != "auto" && (sasl == "plain") != (grant == "user_password"))
        report("sasl", Code::configConflict,
               "is " + sasl + ", but the credential's grant is " + grant + ": plain goes with user_password, xoauth2 and oauthbearer with tokens");
    if (const auto user = configuration.text(prefix + "user");
        std::any_of(user.begin(), user.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        report("user", Code::configBadValue, "has a control character");
}

}  // namespace

std::vector<Key> keys() {
    auto all = mailboxKeys();
    for (auto& key : sinkKeys()) all.push_back(std::move(key));
    for (auto& key : alertKeys()) all.push_back(std::move(key));
    all.push_back({.pattern = "ledger.retention",
                   .type = KeyType::duration,
                   .fallback = "90d",
                   .restart = true,
                   .doc = "after that the ledger forgets what no longer stands in its mailbox, and of the rest who has it",
                   .minimum = 86'400,
                   .maximum = 100LL * 366 * 86'400});
    all.push_back({.pattern = "outbox.max_size",
                   .type = KeyType::size,
                   .fallback = "10GB",
                   .restart = true,
                   .doc = "so much may wait for sinks; then nothing more is fetched for those that refuse"});
    return all;
}

void check(const Configuration& configuration, std::vector<Problem>& problems) {
    for (const auto& alias : configuration.aliases("mailbox")) checkMailbox(configuration, alias, problems);
    checkSinks(configuration, problems);
    checkAlerts(configuration, problems);
}

std::optional<Start> parseStart(std::string_view text) {
    if (text == "now") return Start{};
    if (text == "all") return Start{.kind = Start::Kind::all};
    if (!text.starts_with("since:") || text.size() != 16 || text[10] != '-' || text[13] != '-') return std::nullopt;
    const auto number = [&](std::size_t at, std::size_t length) {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + length, value);
        return error == std::errc{} && end == text.data() + at + length ? value : 0;
    };
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(number(6, 4))), std::chrono::month(number(11, 2)),
                                           std::chrono::day(number(14, 2))};
    if (!date.ok() || date.year() < std::chrono::year(1970)) return std::nullopt;
    return Start{Start::Kind::since, std::chrono::sys_days(date)};
}

std::optional<AfterAction> parseAfter(std::string_view text) {
    using Kind = AfterAction::Kind;
    if (text == "leave") return AfterAction{};
    if (text == "seen") return AfterAction{.kind = Kind::seen};
    if (text == "delete") return AfterAction{.kind = Kind::remove};
    for (const auto& [prefix, kind] : {std::pair{std::string_view("move:"), Kind::move}, {std::string_view("seen+move:"), Kind::seenAndMove}})
        if (text.starts_with(prefix) && text.size() > prefix.size()) {
            auto target = folderName(std::string(text.substr(prefix.size())));
            if (target.find_first_of("*%") == std::string::npos && (!target.starts_with('\\') || isSpecialUse(target)))
                return AfterAction{kind, std::move(target)};
        }
    return std::nullopt;
}

namespace {

/// None: it is not known where its server is.
std::optional<SessionSettings> sessionBy(const std::string& protocol, const Configuration& configuration, const std::string& prefix) {
    const auto text = [&](const char* name) { return textFor(protocol, configuration, prefix, name); };
    SessionSettings session;
    auto& target = session.target;
    using Tls = auth::Target::Tls;
    if (protocol == "imap") {
        target.host = hostOf(configuration, prefix);
        if (target.host.empty()) return std::nullopt;
        target.tls = text("tls") == "none" ? Tls::none : text("tls") == "starttls" ? Tls::starttls : Tls::implicit;
        const std::int64_t usualPort = target.tls == Tls::implicit ? 993 : 143;
        target.port = static_cast<std::uint16_t>(text("port").empty() ? usualPort : std::stol(text("port")));
    } else {
        session.url = urlOf(configuration, prefix, protocol);
        const auto url = auth::parseHttpUrl(session.url);
        if (!url) return std::nullopt;
        target.host = url->host;
        target.port = url->port;
        target.tls = url->tls ? Tls::implicit : Tls::none;
    }
    target.truststore = text("truststore");
    target.proxy = text("proxy");
    target.keystore = text("keystore");
    target.keyAlias = text("key_alias");
    session.push = configuration.boolean(prefix + "push");
    session.user = text("user");
    session.credential = text("credential");
    if (const auto credential = auth::credential(configuration, session.credential)) {
        session.provider = credential->provider;
        session.tokenEndpoint = credential->tokenEndpoint;
    }
    session.application = configuration.text("credential." + session.credential + ".grant") == "client_credentials";
    session.sasl = text("sasl");
    session.connectTimeout = configuration.duration(prefix + "timeout.connect");
    session.ioTimeout = configuration.duration(prefix + "timeout.io");
    for (auto name : configuration.words(prefix + "disable_capabilities")) {
        std::transform(name.begin(), name.end(), name.begin(), [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
        session.disabledCapabilities.insert(std::move(name));
    }
    return session;
}

}  // namespace

bool readBy(MailboxSettings& settings, const std::string& protocol) {
    if (protocol == settings.protocol) return true;
    const auto other = settings.others.find(protocol);
    if (other == settings.others.end()) return false;
    auto session = std::move(other->second);
    settings.others.erase(other);
    settings.others.emplace(std::exchange(settings.protocol, protocol), std::exchange(settings.session, std::move(session)));
    return true;
}

MailboxSettings mailboxSettings(const Configuration& configuration, const std::string& alias) {
    const auto prefix = "mailbox." + alias + ".";
    const auto text = [&](const char* name) { return configuration.text(prefix + name); };
    MailboxSettings settings;
    settings.alias = alias;
    settings.enabled = configuration.boolean(prefix + "enabled");
    settings.protocol = text("protocol");
    settings.fallsBack = text("fallback") == "graph";
    for (const auto* protocol : {"imap", "ews", "graph"}) {
        auto session = sessionBy(protocol, configuration, prefix);
        if (session && protocol == settings.protocol)
            settings.session = std::move(*session);
        else if (session)
            settings.others.emplace(protocol, std::move(*session));
    }
    for (auto& folder : configuration.list(prefix + "folders")) settings.folders.push_back(folderName(std::move(folder)));
    settings.sinks = configuration.list(prefix + "deliver");
    settings.interval = configuration.duration(prefix + "interval");
    settings.reconcile = configuration.duration(prefix + "reconcile");
    const auto interval = configuration.settings().find(prefix + "interval");
    const bool written = interval != configuration.settings().end() && interval->second.given;
    settings.quiet = written ? settings.interval : settings.reconcile;
    settings.maxPerRound =
        configuration.has(prefix + "max_per_round") ? static_cast<std::size_t>(configuration.integer(prefix + "max_per_round")) : defaultPerRound;
    settings.start = *parseStart(text("start"));
    settings.after = *parseAfter(text("after"));
    settings.afterQuarantine = *parseAfter(text("after_quarantine"));
    if (configuration.has(prefix + "max_size")) settings.maxSize = configuration.size(prefix + "max_size");
    return settings;
}

}  // namespace listener
