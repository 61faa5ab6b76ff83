#include "listener/imap/sign_in.h"

#include "auth/sasl/base64.h"
#include "auth/sasl/mechanisms.h"
#include "listener/imap/ahead.h"
#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <array>
#include <span>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

struct MechanismEntry {
    Mechanism mechanism;
    std::string_view name;  ///< for people
    std::string_view sasl;  ///< as in .sasl; "" = never by name
    std::string_view capability;
    auth::Access::Kind kind;
    std::string_view onChallenge;  ///< the line that answers the challenge of a refusal
};

/// In order of preference. OAUTHBEARER first: it is the standard, its refusals say more, and XOAUTH2 is on its way out wherever both are offered.
/// Microsoft offers XOAUTH2 alone. A server whose OAUTHBEARER does not work is asked again with XOAUTH2 (isAboutMechanism).
constexpr std::array mechanisms{
    MechanismEntry{Mechanism::oauthbearer, "OAUTHBEARER", "oauthbearer", "AUTH=OAUTHBEARER", auth::Access::Kind::token, "AQ==\r\n"},
    MechanismEntry{Mechanism::xoauth2, "XOAUTH2", "xoauth2", "AUTH=XOAUTH2", auth::Access::Kind::token, "\r\n"},
    MechanismEntry{Mechanism::plain, "PLAIN", "plain", "AUTH=PLAIN", auth::Access::Kind::password, "*\r\n"},
    MechanismEntry{Mechanism::login, "LOGIN", "plain", "", auth::Access::Kind::password, ""},
};

const MechanismEntry& entryOf(Mechanism mechanism) {
    for (const auto& entry : mechanisms)
        if (entry.mechanism == mechanism) return entry;
    throw std::logic_error("a mechanism without an entry");
}

/// One round trip per challenge; a server that goes on asking is not going to be content.
constexpr int challengeLimit = 3;

Result<auth::Secret> initialResponse(Mechanism mechanism, const Session& session, const Credentials& credentials) {
    const auto& settings = session.settings();
    switch (mechanism) {
        case Mechanism::xoauth2:
            return auth::sasl::xoauth2(settings.user, *credentials.token->secret);
        case Mechanism::oauthbearer:
            return auth::sasl::oauthbearer(settings.user, settings.target.host, settings.target.port, *credentials.token->secret);
        case Mechanism::plain:
            return auth::sasl::plain(credentials.identity.user, credentials.password->password);
        case Mechanism::login:
            break;
    }
    throw std::logic_error("LOGIN has no SASL response");
}

/// What we signed in with is known to the session only while it signs in.
struct Forget {
    Session& session;
    ~Forget() { session.secrets.clear(); }
};

/// How a sign-in ended, with what the server said on the way.
struct Outcome {
    Status status{};
    auth::sasl::Challenge challenge{};
    bool challenged = false;
};

/// AUTHENTICATE (RFC 9051 section 6.2.2). `response` outlives the call.
Task<Result<Outcome>> authenticate(Session& session, const MechanismEntry& entry, const auth::Secret& response, std::stop_token stop) {
    const auto encoded = auth::sasl::base64(response.reveal());
    if (encoded.reveal().size() + 256 > Command::lineLimit)
        co_return Error{Reaction::askOperator, Code::mailboxSignInRefused,
                        session.peer() + ": the token is longer than any server takes in one line"};
    auto& connection = session.connection();
    session.secrets = {encoded.reveal(), response.reveal()};
    const Forget forget{session};
    auto command = session.begin("AUTHENTICATE", encoded.reveal().size() + 64);
    command.word(entry.name);
    const bool initial = session.has("SASL-IR");
    if (initial) command.word(encoded.reveal());
    command.end();
    session.forgetCapabilities();  // what comes now counts: some send the new list untagged, some in the OK
    auto written = co_await connection.write(command.pieces().front(), stop);
    if (!written) co_return written.error();
    bool answered = initial;
    Outcome outcome;
    for (int challenges = 0;;) {
        auto next = co_await connection.next(stop);
        if (!next) co_return next.error();
        session.leaveOutSecrets(*next);
        const auto noted = session.note(*next);
        if (!noted) co_return noted.error();
        if (auto* status = std::get_if<Status>(&*next); status != nullptr && status->tag == command.tag()) {
            outcome.status = std::move(*status);
            co_return std::move(outcome);
        }
        const auto* continuation = std::get_if<Continuation>(&*next);
        if (continuation == nullptr) continue;
        if (!answered) {
            answered = true;
            written = co_await connection.write(encoded.reveal(), stop);
            if (written) written = co_await connection.write("\r\n", stop);
        } else {
            if (++challenges > challengeLimit) {
                connection.giveUp();
                co_return Error{Reaction::reconnect, Code::mailboxProtocol, session.peer() + ": AUTHENTICATE does not come to an end"};
            }
            outcome.challenged = true;
            outcome.challenge = auth::sasl::challenge(continuation->text);
            if (session.repeatsSecret(auth::sasl::describe(outcome.challenge))) outcome.challenge = {};
            written = co_await connection.write(entry.onChallenge, stop);
        }
        if (!written) co_return written.error();
    }
}

Task<Result<Outcome>> login(Session& session, const Credentials& credentials, std::stop_token stop) {
    const auto password = credentials.password->password.reveal();
    if (credentials.identity.user.find('\0') != std::string::npos || password.find('\0') != std::string_view::npos)
        co_return Error{Reaction::askOperator, Code::mailboxSignInRefused, session.peer() + ": user name and password must not contain NUL"};
    session.secrets = {password};
    const Forget forget{session};
    auto command = session.begin("LOGIN", 2 * (credentials.identity.user.size() + password.size()) + 128);
    command.string(credentials.identity.user).string(password).end();
    session.forgetCapabilities();
    auto status = co_await session.run(std::move(command), nullptr, stop);
    if (!status) co_return status.error();
    co_return Outcome{std::move(*status), {}, false};
}

/// Is OAUTHBEARER what the server cannot do, not the token what it refuses? A refused token is told by a challenge (RFC 7628 section 3.2.2) or a
/// code.
bool isAboutMechanism(const Outcome& outcome) {
    const auto& status = outcome.status;
    if (status.condition == Condition::ok || isNotAboutCredentials(status, refusal(status, "", ""))) return false;
    return status.condition == Condition::bad || (!outcome.challenged && !saysSignInRefused(status));
}

/// Whose fault was it? Only a refusal of the token itself may cost the token.
Error signInError(Session& session, auth::Access& access, const Credentials& credentials, const MechanismEntry& entry, const Outcome& outcome) {
    auto error = refusal(outcome.status, session.peer(), std::string{entry.name} + " as " + plugin::printable(credentials.identity.user));
    session.connection().giveUp();
    if (isNotAboutCredentials(outcome.status, error)) return error;
    const auto detail = auth::sasl::describe(outcome.challenge);
    if (!detail.empty()) error.what += " (" + detail + ")";
    error.code = Code::mailboxSignInRefused;
    error.reaction = Reaction::askOperator;
    if (credentials.token && outcome.status.condition == Condition::no) {  // BAD: the server did not get as far as looking at the token
        error.reaction = Reaction::reauthenticate;
        access.tokens().refused(credentials.identity, *credentials.token);
    }
    return error;
}

Task<Result<bool>> greeting(Session& session, std::stop_token stop) {
    auto response = co_await session.connection().next(stop);
    if (!response) co_return response.error();
    session.leaveOutSecrets(*response);
    const auto noted = session.note(*response);
    if (!noted) co_return noted.error();
    const auto* status = std::get_if<Status>(&*response);
    const bool greets = status != nullptr && status->tag.empty() && (status->condition == Condition::ok || status->condition == Condition::preauth);
    if (!greets) {
        session.connection().giveUp();
        co_return Error{Reaction::askOperator, Code::mailboxProtocol, session.peer() + ": what answers there does not greet as IMAP does"};
    }
    session.software = plugin::printable(status->text, 100);
    co_return status->condition == Condition::preauth;
}

Task<Result<void>> askCapabilities(Session& session, std::stop_token stop) {
    auto command = session.begin("CAPABILITY");
    command.end();
    const auto status = co_await session.require(std::move(command), nullptr, "CAPABILITY", stop);
    if (!status) co_return status.error();
    co_return Result<void>{};
}

/// LIST of nothing: answered with the character between the levels (RFC 9051 section 6.3.9).
constexpr std::string_view delimiterOnly = "\"\" \"\"";

/// What NAMESPACE and LIST tell of how names are built here.
bool takeNaming(Naming& naming, const Response& response) {
    if (const auto* list = std::get_if<List>(&response)) naming.delimiter = list->delimiter.value_or('\0');
    const auto* names = std::get_if<Namespace>(&response);
    if (names == nullptr || names->personal.empty()) return false;
    naming.prefix = names->personal.front().prefix;
    naming.delimiter = names->personal.front().delimiter.value_or('\0');
    for (const auto* entries : {&names->others, &names->shared})
        for (const auto& entry : *entries)
            if (!entry.prefix.empty()) naming.foreign.push_back(entry.prefix);
    return true;
}

/// ID (RFC 2971; Gmail asks for it, operators find us by it, what comes back is for people), NAMESPACE or LIST, and what the caller is
/// going to ask for first, in one round trip. The second is also the first command that needs the mailbox: Exchange answers AUTHENTICATE with OK and
/// this with "User is authenticated but not connected".
Task<Result<void>> introduce(Session& session, std::string version, std::stop_token stop) {
    std::string software;
    bool known = false;
    Ahead ahead{session};
    const Taker taker = [&session, &software, &known, &ahead](Response& response) -> Result<void> {
        ahead.take(response);
        if (const auto* id = std::get_if<Id>(&response))
            for (const auto& [name, value] : id->fields)
                if ((name == "name" || name == "version") && !session.repeatsSecret(value))
                    software += (software.empty() ? "" : " ") + plugin::printable(value, 60);
        if (takeNaming(session.naming, response)) known = true;
        return {};
    };
    std::vector<Command> commands;
    std::vector<std::string> verbs;
    if (session.has("ID")) {
        commands.push_back(session.begin("ID"));
        commands.back().word("(\"name\" \"postern\" \"version\" \"" + plugin::printable(version, 30) + "\")").end();
        verbs.emplace_back("ID");
    }
    const bool namespaces = session.has("NAMESPACE");
    commands.push_back(session.begin(namespaces ? "NAMESPACE" : "LIST"));
    if (!namespaces) commands.back().word(delimiterOnly);
    commands.back().end();
    verbs.emplace_back(namespaces ? "NAMESPACE" : "LIST");
    ahead.ask(commands);
    const auto answers = co_await session.runTogether(std::move(commands), &taker, stop);
    if (!answers) co_return answers.error();
    for (std::size_t i = 0; i < verbs.size(); ++i) {
        if ((*answers)[i].condition == Condition::ok) continue;
        const auto error = refusal((*answers)[i], session.peer(), verbs[i]);
        if (error.code != Code::mailboxCommandRefused || verbs[i] == "LIST") co_return error;
    }
    const auto done = ahead.finish(std::span{*answers}.subspan(verbs.size()));
    if (!done) co_return done.error();
    if (!software.empty()) session.software = software;
    if (known || !namespaces) co_return Result<void>{};
    auto command = session.begin("LIST");
    command.word(delimiterOnly).end();
    const auto status = co_await session.require(std::move(command), &taker, "LIST", stop);
    if (!status) co_return status.error();
    co_return Result<void>{};
}

/// `credentials` and `entry` outlive the call.
Task<Result<Outcome>> present(Session& session, const Credentials& credentials, const MechanismEntry& entry, std::stop_token stop) {
    if (entry.mechanism == Mechanism::login) co_return co_await login(session, credentials, stop);
    auto response = initialResponse(entry.mechanism, session, credentials);
    if (!response) co_return response.error();
    const auto secret = std::move(*response);
    co_return co_await authenticate(session, entry, secret, stop);
}

Task<Result<void>> presentCredentials(Session& session, auth::Access& access, const Credentials& credentials, std::stop_token stop) {
    const auto kind = credentials.token ? auth::Access::Kind::token : auth::Access::Kind::password;
    const std::function<bool(std::string_view)> offers = [&session](std::string_view name) { return session.has(name); };
    const auto chosen = chooseMechanism(kind, session.settings().sasl, offers);
    if (!chosen) {
        auto error = chosen.error();
        error.what = session.peer() + ": " + error.what + "; the server offers: " + session.capabilityList();
        co_return error;
    }
    const bool other = *chosen == Mechanism::oauthbearer && session.settings().sasl == "auto" && session.has("AUTH=XOAUTH2");
    const auto* entry = &entryOf(*chosen);
    session.phase = Phase::signingIn;
    auto outcome = co_await present(session, credentials, *entry, stop);
    if (outcome && other && isAboutMechanism(*outcome)) {
        session.log().information("listener.imap", "the server offers OAUTHBEARER and refuses it: signing in by XOAUTH2 instead",
                                  {{"mailbox", session.settings().alias}, {"text", plugin::printable(outcome->status.text)}});
        entry = &entryOf(Mechanism::xoauth2);
        outcome = co_await present(session, credentials, *entry, stop);
    }
    if (!outcome) co_return outcome.error();
    if (outcome->status.condition != Condition::ok) co_return signInError(session, access, credentials, *entry, *outcome);
    session.log().debug("listener.imap", "signed in",
                        {{"mailbox", session.settings().alias}, {"host", session.settings().target.host}, {"mechanism", entry->name}});
    co_return Result<void>{};
}

/// STARTTLS (RFC 9051 section 6.2.1). Once chosen it is not done without: what would be sent next is a token or a password. Nothing of what was
/// said before TLS counts afterwards.
Task<Result<void>> beginTls(Session& session, bool preauthenticated, std::stop_token stop) {
    const auto refused = [&session](const char* why) {
        session.connection().giveUp();
        return Error{Reaction::askOperator, Code::channelNotTls, session.peer() + ": " + why};
    };
    if (preauthenticated) co_return refused("the server signs us in before TLS could begin; that is not believed with .tls = starttls");
    if (!session.knowsCapabilities()) {
        const auto asked = co_await askCapabilities(session, stop);
        if (!asked) co_return asked.error();
    }
    if (!session.has("STARTTLS")) co_return refused("the server does not offer STARTTLS, and without TLS nobody is signed in; check .tls and .port");
    auto command = session.begin("STARTTLS");
    command.end();
    const auto status = co_await session.require(std::move(command), nullptr, "STARTTLS", stop);
    if (!status) co_return status.error();
    const auto begun = co_await session.connection().startTls(stop);
    if (!begun) co_return begun.error();
    session.forgetCapabilities();
    session.software.clear();
    co_return Result<void>{};
}

}  // namespace

Task<Result<Credentials>> obtainCredentials(auth::Access& access, const Settings& settings, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    if (settings.target.tls == auth::Target::Tls::none && !plugin::isLoopback(settings.target.host))
        co_return Error{Reaction::askOperator, Code::configPlainHttp,
                        settings.target.host + ": nobody is signed in without TLS but at this machine: set .tls = implicit or starttls"};
    const auto kind = access.kind(settings.credential);
    if (!kind) co_return kind.error();
    Credentials credentials;
    credentials.identity = auth::Identity{settings.credential, settings.user, std::nullopt};
    if (*kind == auth::Access::Kind::token) {
        auto identity = credentials.identity;
        auto token = co_await access.tokens().token(std::move(identity), loop.clock().steady() + settings.connectTimeout, stop);
        if (!token) co_return token.error();
        credentials.token = std::move(*token);
    } else {
        auto read = [&access, name = settings.credential] { return access.password(name); };
        auto reading = plugin::offload(loop, std::move(read));
        auto password = co_await reading;
        if (!password) co_return password.error();
        if (!password->username.empty()) credentials.identity.user = password->username;
        credentials.password = std::move(*password);
    }
    co_return std::move(credentials);
}

Result<Mechanism> chooseMechanism(auth::Access::Kind kind, std::string_view sasl, const std::function<bool(std::string_view)>& offers) {
    const auto missing = [](std::string what) { return Error{Reaction::askOperator, Code::mailboxNoMechanism, std::move(what)}; };
    bool fits = false;
    for (const auto& entry : mechanisms) {
        if (entry.kind != kind || (sasl != "auto" && sasl != entry.sasl)) continue;
        fits = true;
        if (entry.mechanism == Mechanism::login ? !offers("LOGINDISABLED") : offers(entry.capability)) return entry.mechanism;
    }
    const std::string credential = kind == auth::Access::Kind::token ? "a token" : "a password";
    if (!fits) return missing(".sasl = " + std::string{sasl} + " does not go with a credential that is " + credential);
    return missing("no way to sign in with " + credential + (sasl == "auto" ? "" : " by " + std::string{sasl}));
}

Task<Result<void>> signIn(Session& session, auth::Access& access, const Credentials& credentials, std::string version, std::stop_token stop) {
    const auto preauthenticated = co_await greeting(session, stop);
    if (!preauthenticated) co_return preauthenticated.error();
    Result<void> done{};
    if (session.settings().target.tls == auth::Target::Tls::starttls) done = co_await beginTls(session, *preauthenticated, stop);
    if (!done) co_return done.error();
    if (!*preauthenticated) {
        if (!session.knowsCapabilities()) done = co_await askCapabilities(session, stop);
        if (!done) co_return done.error();
        done = co_await presentCredentials(session, access, credentials, stop);
        if (!done) co_return done.error();
    }
    session.phase = Phase::signedIn;
    if (!session.knowsCapabilities()) done = co_await askCapabilities(session, stop);
    if (done) done = co_await introduce(session, std::move(version), stop);
    co_return done;
}

}  // namespace listener::imap
