#include "listener/engine/mailbox_keys.h"

#include "listener/engine/settings.h"
#include "listener/engine/type_check.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace listener {

using plugin::Key;
using plugin::KeyType;

namespace {

std::optional<std::string> startForm(std::string_view text) {
    if (parseStart(text)) return std::nullopt;
    return "must be now, all or since:YYYY-MM-DD";
}

std::optional<std::string> afterForm(std::string_view text) {
    if (parseAfter(text)) return std::nullopt;
    return "must be leave, seen, delete, move:<folder> or seen+move:<folder>, where the folder has no * or %, or is a use such as \\Archive";
}

std::vector<Key> generalKeys() {
    return {
        {.pattern = "mailbox.<alias>.enabled", .type = KeyType::boolean, .fallback = "true", .doc = "false: configured, but not read"},
        {.pattern = "mailbox.<alias>.description", .doc = "for people"},
        {.pattern = "mailbox.<alias>.protocol",
         .type = KeyType::choice,
         .required = true,
         .doc = "how the mailbox is read",
         .choices = {"imap", "ews", "graph"},
         .later = {"pop3"}},
        {.pattern = "mailbox.<alias>.fallback",
         .type = KeyType::choice,
         .doc = "ews: graph: when Exchange Online blocks EWS, the mailbox is read by Microsoft Graph from then on",
         .choices = {"graph"}},
    };
}

/// Where its server is, and the way there.
std::vector<Key> serverKeys() {
    return {
        {.pattern = "mailbox.<alias>.host",
         .type = KeyType::host,
         .doc = "imap: the server, as its certificate names it; may be left out where the credential's provider has one"},
        {.pattern = "mailbox.<alias>.port", .type = KeyType::integer, .doc = "imap: 993 with TLS, else 143", .minimum = 1, .maximum = 65535},
        {.pattern = "mailbox.<alias>.tls",
         .type = KeyType::choice,
         .fallback = "implicit",
         .doc = "imap: implicit: TLS from the first byte; starttls: agreed on before the sign-in, never left out; none: for tests on this machine",
         .choices = {"implicit", "starttls", "none"}},
        {.pattern = "mailbox.<alias>.url",
         .type = KeyType::url,
         .doc = "ews: the endpoint (.../EWS/Exchange.asmx); graph: the root; may be left out where the credential's provider has one"},
        {.pattern = "mailbox.<alias>.truststore", .reference = "truststore", .doc = "whose certificates to trust instead of the system's roots"},
        {.pattern = "mailbox.<alias>.keystore", .reference = "keystore", .doc = "keystore alias of a client certificate, where the server wants one"},
        {.pattern = "mailbox.<alias>.key_alias", .doc = "which key of that keystore, where it holds several"},
        {.pattern = "mailbox.<alias>.proxy",
         .reference = "proxy",
         .doc = "through which proxy the server is reached; none: the default one, if there is one"},
        {.pattern = "mailbox.<alias>.timeout.connect",
         .type = KeyType::duration,
         .fallback = "30s",
         .doc = "to connect, agree on TLS and be greeted",
         .minimum = 1,
         .maximum = 600},
        {.pattern = "mailbox.<alias>.timeout.io",
         .type = KeyType::duration,
         .fallback = "60s",
         .doc = "without one byte from the server while an answer is due",
         .minimum = 1,
         .maximum = 3600},
        {.pattern = "mailbox.<alias>.disable_capabilities",
         .type = KeyType::words,
         .doc = "imap: by blanks: what the server offers and must not be used"},
    };
}

std::vector<Key> signInKeys() {
    return {
        {.pattern = "mailbox.<alias>.user", .required = true, .doc = "the mailbox's address"},
        {.pattern = "mailbox.<alias>.credential", .required = true, .reference = "credential", .doc = "what to sign in with"},
        {.pattern = "mailbox.<alias>.sasl",
         .type = KeyType::choice,
         .fallback = "auto",
         .doc = "imap: auto takes what credential and server allow",
         .choices = {"auto", "xoauth2", "oauthbearer", "plain"}},
    };
}

/// What is read of it, and when.
std::vector<Key> readingKeys() {
    return {
        {.pattern = "mailbox.<alias>.folders",
         .type = KeyType::list,
         .fallback = "INBOX",
         .doc = "by comma; / separates levels, * crosses them, % does not; \\Archive: the folder the server has for that use"},
        {.pattern = "mailbox.<alias>.interval",
         .type = KeyType::duration,
         .fallback = "60s",
         .doc = "from one look into the mailbox to the next where the server does not tell of arrivals; graph: the longest, faster while mail "
                "comes",
         .minimum = 1,
         .maximum = 9999},
        {.pattern = "mailbox.<alias>.push",
         .type = KeyType::boolean,
         .fallback = "true",
         .doc = "true: arrivals are waited for where the server tells of them (IDLE, NOTIFY; streaming notifications)"},
        {.pattern = "mailbox.<alias>.reconcile",
         .type = KeyType::duration,
         .fallback = "5m",
         .doc = "from one look into the mailbox to the next while the server tells of arrivals; graph: while none come, where no "
                "interval is written",
         .minimum = 10,
         .maximum = 9999},
        {.pattern = "mailbox.<alias>.start",
         .fallback = "now",
         .doc = "what of a folder is delivered the first time: now, all, since:2026-11-01",
         .form = startForm},
        {.pattern = "mailbox.<alias>.select",
         .type = KeyType::choice,
         .fallback = "all",
         .doc = "which messages count",
         .choices = {"all"},
         .later = {"unread"}},
        {.pattern = "mailbox.<alias>.max_per_round",
         .type = KeyType::integer,
         .doc = "messages before other folders have their turn (10000)",
         .minimum = 1,
         .maximum = 1'000'000},
        {.pattern = "mailbox.<alias>.max_size", .type = KeyType::size, .doc = "larger messages are set aside without being fetched; none: no limit"},
    };
}

/// Where its messages go, and what becomes of them then.
std::vector<Key> deliveryKeys() {
    return {
        {.pattern = "mailbox.<alias>.deliver",
         .type = KeyType::list,
         .required = true,
         .reference = "sink",
         .doc = "the sinks every message goes to, by comma"},
        {.pattern = "mailbox.<alias>.after",
         .fallback = "leave",
         .doc = "leave, seen, delete, move:<folder>, seen+move:<folder>: once every sink has the message",
         .form = afterForm},
        {.pattern = "mailbox.<alias>.after_quarantine",
         .fallback = "leave",
         .doc = "the same for messages that are set aside: too large, refused for good, substitutes",
         .form = afterForm},
    };
}

/// In place of those of the same name, while the mailbox is read by this protocol.
std::vector<Key> keysFor(const std::string& protocol) {
    const auto of = "mailbox.<alias>." + protocol + ".";
    const auto also = "while it is read by " + protocol + ": ";
    std::vector<Key> keys{
        {.pattern = of + "user", .doc = also + "in place of .user"},
        {.pattern = of + "credential", .reference = "credential", .doc = also + "in place of .credential"},
        {.pattern = of + "truststore", .reference = "truststore", .doc = also + "in place of .truststore"},
        {.pattern = of + "proxy", .reference = "proxy", .doc = also + "in place of .proxy"},
    };
    if (protocol != "imap") {
        keys.push_back({.pattern = of + "url", .type = KeyType::url, .doc = also + "in place of .url"});
        return keys;
    }
    keys.push_back({.pattern = of + "host", .type = KeyType::host, .doc = also + "in place of .host"});
    keys.push_back({.pattern = of + "port", .type = KeyType::integer, .doc = also + "in place of .port", .minimum = 1, .maximum = 65535});
    keys.push_back({.pattern = of + "tls", .type = KeyType::choice, .doc = also + "in place of .tls", .choices = {"implicit", "starttls", "none"}});
    return keys;
}

}  // namespace

std::vector<Key> mailboxKeys() {
    std::vector<Key> all;
    const auto add = [&all](std::vector<Key> some) { std::move(some.begin(), some.end(), std::back_inserter(all)); };
    add(generalKeys());
    add(serverKeys());
    add(signInKeys());
    for (const auto* protocol : {"imap", "ews", "graph"}) add(keysFor(protocol));
    add(readingKeys());
    add(deliveryKeys());
    all.push_back(planned("mailbox.<alias>.rule.<n>", "not in this version"));
    return all;
}

}  // namespace listener
