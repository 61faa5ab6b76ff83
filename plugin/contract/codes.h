#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace plugin {

/// Stable numbers of everything that can go wrong, shown as "PO-" and four digits. The first digit says where:
/// 1 configuration, 2 channel/TLS/proxy, 3 token, 4 mailbox, 5 message, 6 sink, 7 store, 8 package, 9 admin.
/// Contract: a number is never given another meaning and never used again. CODES.md shows the same table; a test compares them.
enum class Code : std::uint16_t {
    // 1 configuration
    configUnreadable = 1001,
    configSyntax = 1002,
    configUnknownKey = 1003,
    configDuplicateKey = 1004,
    configMissingKey = 1005,
    configBadValue = 1006,
    configBadAlias = 1007,
    configUnknownReference = 1008,
    configNotInThisVersion = 1009,
    configLiteralSecret = 1010,
    configSecretSource = 1011,
    configPlainHttp = 1012,
    configConflict = 1013,
    configNeedsRestart = 1014,
    // 2 channel
    channelNameNotFound = 2001,
    channelRefused = 2002,
    channelTimeout = 2003,
    channelClosed = 2004,
    channelTlsHandshake = 2005,
    channelCertificateUntrusted = 2006,
    channelCertificateName = 2007,
    channelCertificateExpired = 2008,
    channelTruststore = 2009,
    channelStopped = 2010,
    channelNotTls = 2011,
    channelHttpProtocol = 2012,
    channelUnreachable = 2013,
    channelProxyRefused = 2014,
    channelProxyDisabled = 2015,
    channelProxyForbidden = 2016,
    channelProxyFailed = 2017,
    channelProxyProtocol = 2018,
    channelClearText = 2019,
    // 3 token
    tokenClientRefused = 3001,
    tokenRequestRefused = 3002,
    tokenScopeRefused = 3003,
    tokenNotJson = 3004,
    tokenIncomplete = 3005,
    tokenTypeNotBearer = 3006,
    tokenEndpointBusy = 3007,
    tokenEndpointUnreachable = 3008,
    tokenCredentialIncomplete = 3009,
    tokenRenewalTooSoon = 3010,
    tokenEndpointAnswer = 3011,
    // 4 mailbox
    mailboxProtocol = 4001,
    mailboxSignInRefused = 4002,
    mailboxAccess = 4003,
    mailboxFolderMissing = 4004,
    mailboxThrottled = 4005,
    mailboxNoMechanism = 4006,
    mailboxCommandRefused = 4007,
    mailboxFolderRebuilt = 4008,
    mailboxClosedByServer = 4009,
    mailboxTooLarge = 4010,
    mailboxNotReadable = 4011,
    mailboxPacing = 4012,
    mailboxSessionExpired = 4013,
    // 5 message
    messageStaging = 5001,
    messageTruncated = 5002,
    messageSourceDefect = 5003,
    // 6 sink
    sinkUnavailable = 6001,
    sinkDiskFull = 6002,
    sinkRefused = 6003,
    sinkPath = 6004,
    // 7 store
    storeUnavailable = 7001,
    storeDiskFull = 7002,
    storeDamaged = 7003,
    storeStateLost = 7004,
    storeNewer = 7005,
    storeLocked = 7006,
    storeDataDirectory = 7007,
    // 8 package
    packageMissing = 8001,
    packageForeign = 8002,
    packageBroken = 8003,
    packageStart = 8004,
    // 9 admin
    adminAddress = 9001,
    adminForbidden = 9002,
    internalBug = 9003,
};

struct CodeEntry {
    Code code;
    std::string_view text;  ///< what it means, for everybody who meets it
    std::string_view next;  ///< what a person does next
};

inline constexpr std::array codeTable{
    CodeEntry{Code::configUnreadable, "A configuration file or directory cannot be read", "check the path given with --config and its permissions"},
    CodeEntry{Code::configSyntax, "A line is not `key = value`", "correct the line; `#` starts a comment, a backslash at the end continues a line"},
    CodeEntry{Code::configUnknownKey, "Nothing in this program reads that key", "correct the spelling; the nearest known key is named"},
    CodeEntry{Code::configDuplicateKey, "A key is given twice", "remove one of the two places"},
    CodeEntry{Code::configMissingKey, "A mandatory key is missing", "add the key; conf/ has a commented example of each"},
    CodeEntry{Code::configBadValue, "A value does not have the form its key wants", "write it as the message says; durations and sizes need a unit"},
    CodeEntry{Code::configBadAlias, "An alias has a character that is not allowed, or is used twice",
              "use 1 to 64 of A-Z a-z 0-9 _ -, unique whatever the case"},
    CodeEntry{Code::configUnknownReference, "A key names something that is not defined", "define it, or name one that is"},
    CodeEntry{Code::configNotInThisVersion, "The key or value is planned but not in this version",
              "remove it; CHANGELOG.md says what each version brings"},
    CodeEntry{Code::configLiteralSecret, "A secret stands in the configuration in clear", "move it to a file and write ${file:/path}"},
    CodeEntry{Code::configSecretSource, "The source of a secret cannot be read", "check the file or environment variable it names"},
    CodeEntry{Code::configPlainHttp, "Plain http or an unencrypted mailbox is used", "use https and TLS wherever the other side is not this machine"},
    CodeEntry{Code::configConflict, "Two settings exclude each other", "keep the one that is meant"},
    CodeEntry{Code::configNeedsRestart, "A changed key cannot be reloaded", "restart the service, or undo the change and reload"},

    CodeEntry{Code::channelNameNotFound, "The host name cannot be resolved", "check the spelling of the host and the machine's name servers"},
    CodeEntry{Code::channelRefused, "Nothing listens at that host and port", "check host and port, and that the server runs"},
    CodeEntry{Code::channelTimeout, "The other side did not answer in time",
              "check firewalls on the way; raise mailbox.<alias>.timeout.* if the server is slow"},
    CodeEntry{Code::channelClosed, "The other side closed the connection", "nothing, it is dialled again; if it stays, look at the server's log"},
    CodeEntry{Code::channelTlsHandshake, "TLS could not be agreed on", "check that the port speaks TLS and that the server offers TLS 1.2 or newer"},
    CodeEntry{Code::channelCertificateUntrusted, "The server's certificate is signed by nobody we trust",
              "add the issuer's certificate to a truststore and name it with .truststore"},
    CodeEntry{Code::channelCertificateName, "The server's certificate is for another name", "use the host name the certificate was made for"},
    CodeEntry{Code::channelCertificateExpired, "The server's certificate is not valid at this time",
              "check this machine's clock; else the server's owner must renew it"},
    CodeEntry{Code::channelTruststore, "A truststore cannot be loaded", "check its .path: a PEM file with one or more certificates"},
    CodeEntry{Code::channelStopped, "The connection was given up because the service is stopping", "nothing"},
    CodeEntry{Code::channelNotTls, "The port answers, but not with TLS", "correct .tls or .port: 993 is implicit TLS, 143 is not"},
    CodeEntry{Code::channelHttpProtocol, "The answer is not proper HTTP", "check the URL; a proxy may stand in the way"},
    CodeEntry{Code::channelUnreachable, "There is no way to that host", "check this machine's network and routes"},
    CodeEntry{Code::channelProxyRefused, "The proxy wants a user and a password, or others", "check proxy.<alias>.username and .password"},
    CodeEntry{Code::channelProxyDisabled, "A proxy that is named is disabled",
              "set proxy.<alias>.enabled = true, or name another one; a named proxy is never passed by"},
    CodeEntry{Code::channelProxyForbidden, "The proxy does not let us through to that host and port",
              "ask whoever runs the proxy to allow CONNECT to that host and port"},
    CodeEntry{Code::channelProxyFailed, "The proxy cannot reach the other side", "check host and port; else ask whoever runs the proxy"},
    CodeEntry{Code::channelProxyProtocol, "What answers as a proxy is none, or not of that type", "check proxy.<alias>.host, .port and .type"},
    CodeEntry{Code::channelClearText, "The other side said more in clear after it had agreed to begin TLS",
              "nothing, it is dialled again; if it stays, somebody on the way may be adding to what the server says: use .tls = implicit"},

    CodeEntry{Code::tokenClientRefused, "The token endpoint refused the client (invalid_client)",
              "check client_id and client_secret (with Microsoft: the secret's Value, not its ID), and .authentication"},
    CodeEntry{Code::tokenRequestRefused, "The token endpoint refused the request", "read the error it gave; grant, tenant or consent may be wrong"},
    CodeEntry{Code::tokenScopeRefused, "The token endpoint refused the scopes (invalid_scope)",
              "check .scopes; for Microsoft app-only exactly one <resource>/.default"},
    CodeEntry{Code::tokenNotJson, "The token endpoint answered something that is not JSON",
              "check .token_endpoint; a login page or a proxy may answer instead"},
    CodeEntry{Code::tokenIncomplete, "The token endpoint's answer has no usable access_token",
              "check .token_endpoint; it must be the token URL of an OAuth 2.0 server"},
    CodeEntry{Code::tokenTypeNotBearer, "The token is not of type bearer", "ask the provider for bearer tokens; other types are not supported"},
    CodeEntry{Code::tokenEndpointBusy, "The token endpoint is busy or asks us to slow down", "nothing, it is asked again after the time it named"},
    CodeEntry{Code::tokenEndpointUnreachable, "The token endpoint cannot be reached", "check .token_endpoint and the network; the cause is named"},
    CodeEntry{Code::tokenCredentialIncomplete, "The credential is unknown or incomplete", "run `postern check`"},
    CodeEntry{Code::tokenRenewalTooSoon, "A fresh token was refused too; no further one is asked for yet",
              "see why the mailbox refuses the token; another is asked for after 60 s"},
    CodeEntry{Code::tokenEndpointAnswer, "The token endpoint answered with an unexpected HTTP status", "check .token_endpoint"},

    CodeEntry{Code::mailboxProtocol, "The server broke the protocol", "note the server's name and version and report it"},
    CodeEntry{Code::mailboxSignInRefused, "The mailbox refused the sign-in",
              "check .user, the scopes of the token and the rights of the application on this mailbox"},
    CodeEntry{Code::mailboxAccess, "Signed in, but not connected to the mailbox",
              "check that the mailbox exists, IMAP is enabled for it and the application may open it"},
    CodeEntry{Code::mailboxFolderMissing, "A folder does not exist", "create it or correct the name in .folders or .after"},
    CodeEntry{Code::mailboxThrottled, "The server asks us to slow down", "nothing, it is asked again after the time it named"},
    CodeEntry{Code::mailboxNoMechanism, "The server offers no way to sign in that we can use",
              "check .sasl and .credential, and that OAuth is enabled at the server"},
    CodeEntry{Code::mailboxCommandRefused, "The server refused a command", "read the server's text"},
    CodeEntry{Code::mailboxFolderRebuilt, "The folder was rebuilt at the server, and some of its messages are neither known nor datable",
              "run `postern mailboxes restart ALIAS --start now|all|since:DATE`"},
    CodeEntry{Code::mailboxClosedByServer, "The server ended the session", "nothing, it is dialled again"},
    CodeEntry{Code::mailboxTooLarge, "The server's answer is larger than any we accept", "report it with the server's name"},
    CodeEntry{Code::mailboxNotReadable, "A message is listed but not handed out",
              "nothing, it is asked for again; if it stays, open it with another client"},
    CodeEntry{Code::mailboxPacing, "Sign-ins at this host are being paced", "nothing"},
    CodeEntry{Code::mailboxSessionExpired, "The server ended the session when its token's life ended",
              "nothing, it is signed in again with a fresh token"},

    CodeEntry{Code::messageStaging, "A large message cannot be written to staging", "check free space and permissions of server.data"},
    CodeEntry{Code::messageTruncated, "A message ended before its announced size", "nothing, it is fetched again"},
    CodeEntry{Code::messageSourceDefect, "The server gives out a substitute for a message it cannot render",
              "look at the message in the mailbox itself; find it with `postern ledger --state quarantined`"},

    CodeEntry{Code::sinkUnavailable, "A sink cannot be reached or did not answer", "check the system behind the sink; delivery is tried again"},
    CodeEntry{Code::sinkDiskFull, "No space left where a sink writes", "free space; delivery is tried again"},
    CodeEntry{Code::sinkRefused, "A sink refused a message", "read the sink's answer; delivery is tried again"},
    CodeEntry{Code::sinkPath, "A sink's directory cannot be used", "check that .path exists or can be created, and its permissions"},

    CodeEntry{Code::storeUnavailable, "The database cannot be used", "check server.data, its disk and permissions"},
    CodeEntry{Code::storeDiskFull, "No space left for the database", "free space under server.data"},
    CodeEntry{Code::storeDamaged, "The database is damaged",
              "restore postern.db, or move it away and run `postern mailboxes restart --all --start now|all|since:DATE`"},
    CodeEntry{Code::storeStateLost, "The database was lost: what has been delivered is not known",
              "restore postern.db, or run `postern mailboxes restart ALIAS|--all --start now|all|since:DATE`"},
    CodeEntry{Code::storeNewer, "The database was written by a newer version", "run that version, or restore an older postern.db"},
    CodeEntry{Code::storeLocked, "Another process works with this data directory", "stop it first; its process id is named"},
    CodeEntry{Code::storeDataDirectory, "The data directory cannot be made or used", "check server.data and its permissions"},

    CodeEntry{Code::packageMissing, "A package has no library where it should be",
              "reinstall the package, or disable it with package.<name>.enabled = false"},
    CodeEntry{Code::packageForeign, "A package was built for another version of the program", "install program and packages from the same build"},
    CodeEntry{Code::packageBroken, "A package's library cannot be loaded", "read the loader's text; reinstall the package"},
    CodeEntry{Code::packageStart, "A package failed to start", "read the cause; other packages keep working"},

    CodeEntry{Code::adminAddress, "The admin port cannot be opened", "choose a free admin.address; port 0 takes any"},
    CodeEntry{Code::adminForbidden, "The request to the admin port was refused",
              "send `Authorization: Bearer` with the content of admin.token, and no Origin header"},
    CodeEntry{Code::internalBug, "A part of the program failed in a way it should not; it was started again",
              "report it with the log lines around it"},
};

constexpr const CodeEntry* findCode(Code code) {
    for (const auto& entry : codeTable)
        if (entry.code == code) return &entry;
    return nullptr;
}

/// "PO-" and four digits.
inline std::string codeName(Code code) { return "PO-" + std::to_string(static_cast<unsigned>(code)); }

}  // namespace plugin
