#include "listener/engine/validate_checks.h"

#include "auth/access.h"
#include "auth/channel/http_parser.h"
#include "auth/channel/proxy.h"
#include "auth/token/credential.h"
#include "auth/token/grant_parameters.h"
#include "listener/engine/mailboxes.h"
#include "plugin/contract/text.h"

#include <algorithm>

namespace listener {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::chrono::seconds tokenPatience{60};
constexpr std::chrono::seconds endpointPatience{30};
/// Folders up to this size are looked through to the end, so that the session can be closed in order; of a larger one the first message is enough.
constexpr std::uint64_t smallFolder = 1000;

bool isTls(Code code) {
    static constexpr Code codes[] = {Code::channelTlsHandshake,       Code::channelCertificateUntrusted, Code::channelCertificateName,
                                     Code::channelCertificateExpired, Code::channelTruststore,           Code::channelNotTls};
    return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

/// The steps of a way to a server, and which of them an error of the Dialer belongs to.
struct Route {
    std::vector<std::string> steps{};
    bool throughProxy = false;
    std::string failed(Code code) const {
        if (isTls(code)) return "TLS";
        if (throughProxy) return "proxy";
        return code == Code::channelNameNotFound ? "name" : "connection";
    }
};

}  // namespace

Task<Result<bool>> tryWay(plugin::Host& host, auth::Target target, std::chrono::milliseconds patience, Steps& steps) {
    const auto configuration = host.configuration();
    const auto way = auth::wayTo(*configuration, target);
    if (!way) {
        steps.failed("proxy", way.error());
        co_return false;
    }
    const bool encrypted = target.tls == auth::Target::Tls::implicit;
    auto& loop = co_await plugin::thisLoop();
    const auto deadline = loop.clock().steady() + patience;
    const std::string name = target.host, truststore = target.truststore;
    auto dialling = host.access().dialer().dialTelling(std::move(target), deadline, std::stop_token{});
    const auto dialled = co_await dialling;
    const auto& channel = dialled.channel;
    const auto& passedBy = dialled.passedBy;
    Route route{{"name"}, way->proxy && passedBy.empty()};
    if (way->proxy) route.steps.insert(route.throughProxy ? route.steps.end() : route.steps.begin(), "proxy");  // passed by: before all else
    route.steps.push_back("connection");
    if (encrypted) route.steps.push_back("TLS");
    if (!channel &&
        (channel.error().code == Code::channelTruststore || channel.error().code == Code::channelKeystore)) {  // found out before anything is sent
        steps.failed("TLS", channel.error());
        std::erase(route.steps, "TLS");
        steps.notTried(route.steps);
        co_return false;
    }
    const auto failed = channel ? std::string{} : route.failed(channel.error().code);
    for (auto at = route.steps.begin(); at != route.steps.end(); ++at) {
        if (*at == failed) {
            steps.failed(*at, channel.error());
            steps.notTried({at + 1, route.steps.end()});
            co_return false;
        }
        if (*at == "name") steps.ok("name", route.throughProxy ? name + ": the proxy resolves it" : name);
        if (*at == "proxy" && route.throughProxy) steps.ok("proxy", way->proxy->name() + (way->mayGoDirect ? " (where it fails: directly)" : ""));
        if (*at == "proxy" && !route.throughProxy) steps.ok("proxy", "passed by: directly, as proxy.fallback_to_direct allows, since " + passedBy);
        if (*at == "connection") steps.ok("connection");
        if (*at == "TLS")
            steps.ok("TLS", (*channel)->security() + ", trusted by " + (truststore.empty() ? "the system's roots" : "truststore " + truststore));
    }
    co_return true;
}

namespace {

std::string tokenDetail(const auth::Token& token) {
    std::string detail = "ends " + plugin::utcText(token.expiresAt);
    if (token.expiresIn) detail += " (in " + std::to_string(token.expiresIn->count()) + " s)";
    return detail + ", scopes " + (token.grantedScopes.empty() ? "as asked" : token.grantedScopes);
}

}  // namespace

Task<Result<bool>> trySecret(plugin::Host& host, std::string credential, std::string user, std::string protocol, Steps& steps, Seen& seen) {
    auto& access = host.access();
    const auto kind = access.kind(credential);
    if (!kind) {
        steps.failed("token", kind.error());
        co_return false;
    }
    auto& loop = co_await plugin::thisLoop();
    if (*kind == auth::Access::Kind::password) {
        auto read = [&access, credential] { return access.password(credential); };
        auto reading = plugin::offload(loop, std::move(read));
        const auto password = co_await reading;
        if (password)
            steps.ok("secret", "a password" + (password->username.empty() ? "" : " of " + password->username));
        else
            steps.failed("secret", password.error());
        co_return static_cast<bool>(password);
    }
    const auto name = credential;
    auth::Identity identity{std::move(credential), std::move(user), std::nullopt, protocol == "imap" ? std::string{} : std::move(protocol)};
    auto token = co_await access.tokens().token(std::move(identity), loop.clock().steady() + tokenPatience, std::stop_token{});
    if (!token) {
        auto error = token.error();
        if (error.code == Code::tokenClientRefused) {
            auto trying = access.otherPlacement(name, std::stop_token{});
            if (const auto other = co_await trying) error.what += "; it takes the same secret with .authentication = " + *other;
        }
        steps.failed(error.code == Code::configSecretSource ? "secret" : "token", std::move(error));
        co_return false;
    }
    seen.token = *token;
    steps.ok("token", tokenDetail(*token));
    co_return true;
}

namespace {

std::string said(const MailboxSettings& settings) {
    const auto& session = settings.session;
    using Tls = auth::Target::Tls;
    auto text = settings.protocol + " " + session.url;
    if (session.url.empty())
        text += session.target.host + ":" + std::to_string(session.target.port) + ", tls " +
                (session.target.tls == Tls::none       ? "none"
                 : session.target.tls == Tls::starttls ? "starttls"
                                                       : "implicit");
    text += ", user " + session.user + ", credential " + session.credential;
    return text + (settings.enabled ? "" : "; enabled = false: the service does not read it");
}

/// Where opening a session has failed.
std::string signInStep(const MailboxSettings& settings, Code code) {
    const auto area = plugin::areaOf(code);
    if (area == plugin::Area::token || code == Code::configSecretSource) return "token";
    if (settings.session.target.tls == auth::Target::Tls::starttls && isTls(code)) return "TLS";
    return area == plugin::Area::channel && code != Code::channelClosed && code != Code::channelTimeout ? "connection" : "sign-in";
}

struct Folder {
    std::string name;
    std::uint64_t messages = 0;
};

/// Of the folder with the fewest messages: what tells that the server hands out what it lists.
Task<void> readOne(Mailbox& mailbox, std::vector<Folder> folders, Steps& steps) {
    std::erase_if(folders, [](const Folder& each) { return each.messages == 0; });
    if (folders.empty()) {
        steps.ok("message", "there is none yet");
        co_return;
    }
    const auto smallest = *std::min_element(folders.begin(), folders.end(), [](const auto& a, const auto& b) { return a.messages < b.messages; });
    std::string name = smallest.name;
    auto selected = co_await mailbox.select(std::move(name), std::stop_token{});
    if (!selected) {
        steps.failed("message", selected.error());
        co_return;
    }
    std::optional<std::uint64_t> first;
    IdentifiedTaker taker = [&first, small = smallest.messages <= smallFolder](Identified found) -> Result<void> {
        if (!first) first = found.ordinal;
        if (small) return {};
        return Error{Reaction::retryLater, Code::channelStopped, "one is enough"};
    };
    auto identified = co_await mailbox.identify(std::move(taker), std::stop_token{});
    if (first)
        steps.ok("message", (mailbox.protocol() == "imap" ? "UID " : "number ") + std::to_string(*first) + " of " + smallest.name + " is handed out");
    else if (!identified)
        steps.failed("message", identified.error());
    else
        steps.failed("message",
                     Error{Reaction::retryLater, Code::mailboxNotReadable, "folder " + smallest.name + " has messages, but none is handed out"});
}

/// False: the session is over.
Task<Result<bool>> tryFolders(Mailbox& mailbox, MailboxSettings settings, Steps& steps) {
    auto patterns = settings.folders;
    auto names = co_await mailbox.folders(std::move(patterns), std::stop_token{});
    if (names && !settings.after.target.empty()) std::erase(*names, settings.after.target);
    if (names && names->empty())
        names = Error{Reaction::askOperator, Code::mailboxFolderMissing, "no folder fits mailbox." + settings.alias + ".folders"};
    if (!names) {
        steps.failed("folders", names.error());
        steps.notTried({"message"});
        co_return false;
    }
    std::vector<Folder> found;
    for (const auto& name : *names) {
        auto wanted = name;
        auto view = co_await mailbox.select(std::move(wanted), std::stop_token{});
        if (view) {
            steps.ok("folder " + name, std::to_string(view->exists) + " messages, " + (mailbox.protocol() == "imap" ? "UIDVALIDITY " : "index ") +
                                           std::to_string(view->validity));
            found.push_back({name, view->exists});
            continue;
        }
        const auto error = view.error();
        steps.failed("folder " + name, error);
        if (error.code == Code::mailboxFolderMissing) continue;
        steps.notTried({"message"});
        co_return false;
    }
    co_await readOne(mailbox, std::move(found), steps);
    co_return true;
}

}  // namespace

Task<Result<void>> checkMailbox(plugin::Host& host, MailboxSettings settings, Steps& steps, Seen& seen) {
    const auto ledger = makeLedger(host.database(), host.clock());
    const auto followed = co_await followDetour(*ledger, settings);
    if (!followed) {
        steps.failed("configuration", followed.error());
        steps.notTried({"token", "sign-in", "folders", "message"});
        co_return Result<void>{};
    }
    steps.ok("configuration", said(settings));
    auto target = settings.session.target;
    auto reached = co_await tryWay(host, std::move(target), settings.session.connectTimeout, steps);
    if (!reached) co_return reached.error();
    if (!*reached) {
        steps.notTried({"token", "sign-in", "folders", "message"});
        co_return Result<void>{};
    }
    auto secret = co_await trySecret(host, settings.session.credential, settings.session.user, settings.protocol, steps, seen);
    if (!secret) co_return secret.error();
    if (!*secret) {
        steps.notTried({"sign-in", "folders", "message"});
        co_return Result<void>{};
    }
    const auto mailbox = makeShadowMailbox(settings, host);
    auto opened = co_await mailbox->open(std::stop_token{});
    if (!opened) {
        steps.failed(signInStep(settings, opened.error().code), opened.error());
        steps.notTried({"folders", "message"});
        co_return Result<void>{};
    }
    if (settings.session.target.tls == auth::Target::Tls::starttls) steps.ok("TLS", "agreed on before the sign-in (STARTTLS)");
    steps.ok("sign-in", mailbox->server());
    auto worked = co_await tryFolders(*mailbox, std::move(settings), steps);
    co_await mailbox->close(std::stop_token{});
    if (!worked) co_return worked.error();
    co_return Result<void>{};
}

namespace {

/// How a client shows who it is, and what is to be said about it.
std::string said(auth::ClientAuthentication authentication) {
    const bool body = authentication == auth::ClientAuthentication::body;
    return std::string(auth::authenticationName(authentication)) + (body ? " (meant for servers that cannot do Basic)" : "");
}

struct Use {
    std::string user, protocol;
};

/// How the first mailbox signs in that does so with a credential: its user, for tokens that belong to one, and its protocol, for scopes that depend
/// on it. Empty: none does.
Use useOf(const plugin::Configuration& configuration, const std::string& credential) {
    for (const auto& alias : configuration.aliases("mailbox")) {
        const auto settings = mailboxSettings(configuration, alias);
        if (settings.session.credential == credential) return {settings.session.user, settings.protocol};
        for (const auto& [protocol, session] : settings.others)
            if (session.credential == credential) return {session.user, protocol};
    }
    return {};
}

}  // namespace

Task<Result<void>> checkCredential(plugin::Host& host, std::string name, Steps& steps) {
    const auto configuration = host.configuration();
    const auto credential = auth::credential(*configuration, name);
    if (!credential) {
        steps.failed("configuration", credential.error());
        co_return Result<void>{};
    }
    Seen seen;
    if (credential->grant == auth::Grant::userPassword) {
        steps.ok("configuration", "grant user_password");
        auto read = co_await trySecret(host, name, {}, {}, steps, seen);
        if (!read) co_return read.error();
        co_return Result<void>{};
    }
    const auto url = auth::parseHttpUrl(credential->tokenEndpoint);
    if (!url) {
        steps.failed("configuration", Error{Reaction::askOperator, Code::configBadValue, "credential." + name + ".token_endpoint is no URL"});
        co_return Result<void>{};
    }
    steps.ok("configuration", "token endpoint " + url->authority + (credential->clientId.empty() ? "" : ", client " + credential->clientId) +
                                  ", scopes " + credential->scopes + ", authentication " + said(credential->authentication));
    auth::Target target{url->host, url->port, url->tls ? auth::Target::Tls::implicit : auth::Target::Tls::none, credential->truststore,
                        credential->proxy};
    if (credential->authentication == auth::ClientAuthentication::tls && credential->assertion.keystore) {
        target.keystore = credential->assertion.keystore->alias;
        target.keyAlias = credential->assertion.signingAlias;
    }
    auto reached = co_await tryWay(host, std::move(target), endpointPatience, steps);
    if (!reached) co_return reached.error();
    if (!*reached) {
        steps.notTried({"token"});
        co_return Result<void>{};
    }
    auto use = useOf(*configuration, name);
    if (!auth::belongsToUser(*credential)) use.user.clear();
    auto token = co_await trySecret(host, name, std::move(use.user), std::move(use.protocol), steps, seen);
    if (!token) co_return token.error();
    co_return Result<void>{};
}

Task<Result<std::optional<Error>>> tryToOpen(plugin::Host& host, MailboxSettings settings) {
    const auto mailbox = makeShadowMailbox(settings, host);
    auto opened = co_await mailbox->open(std::stop_token{});
    if (!opened) co_return std::optional<Error>(opened.error());
    std::string inbox = "INBOX";
    auto selected = co_await mailbox->select(std::move(inbox), std::stop_token{});
    co_await mailbox->close(std::stop_token{});
    if (!selected) co_return std::optional<Error>(selected.error());
    co_return std::optional<Error>{};
}

}  // namespace listener
