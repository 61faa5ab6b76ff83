#include "plugin/host/login_command.h"

#include "auth/diagnosis/diagnosis.h"
#include "auth/login/callback_desk.h"
#include "auth/login/connector.h"
#include "auth/token/credential_case.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/log.h"
#include "plugin/host/interruption.h"
#include "plugin/host/record.h"
#include "plugin/host/small_files.h"
#include "plugin/host/terminal_dialogue.h"
#include "plugin/host/timestamp.h"
#include "plugin/host/wait_with_signals.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ostream>
#include <utility>

namespace plugin::host {

namespace {

using auth::login::ConnectorKind;
using auth::login::Granted;

constexpr std::chrono::minutes patience{10};
constexpr std::chrono::milliseconds lookAround{3'600'000};
constexpr std::size_t longestToken = 65'536;
constexpr std::string_view hidden = "***";

/// The main thread waits: a first signal asks the task to end, a second one ends the process.
/// rotates   the task does not end before the provider has answered: what it gives is kept by nobody else
template <class T>
T await(const SignInDesk& desk, std::stop_source& stop, Task<T> task, bool rotates = false) {
    return waitWithSignals(desk.loop, std::move(task), desk.signals, [&](Signals::Arrived arrived) {
        if (!isEnd(arrived)) return;
        if (!stop.request_stop()) endAtOnce(rotates || desk.access.tokens().refreshing(), desk.error);
        if (rotates)
            desk.error << "Waiting for the provider's answer, which may hold another refresh token. Another Ctrl-C ends at once, and loses it."
                       << std::endl;
    });
}

Task<Result<void>> keepIt(auth::login::Connector& connector, std::string credential, std::shared_ptr<Granted> granted) {
    auto kept = co_await connector.keep(std::move(credential), std::move(*granted));
    co_return kept;
}

std::vector<RecordField> loginRecord(const std::string& credential, const Granted& granted) {
    using Field = RecordField;
    return {Field::text("credential", credential), granted.account ? Field::text("account", granted.account->name) : Field::nothing("account"),
            granted.scopes.empty() ? Field::nothing("granted_scopes") : Field::text("granted_scopes", granted.scopes),
            granted.expires ? Field::text("expires_at", timestamp(*granted.expires)) : Field::nothing("expires_at"),
            Field::truth("refresh_token", !granted.token.refreshToken.empty())};
}

ConnectorKind kindOf(const std::string& connector) {
    if (connector == "server-login") return ConnectorKind::serverLogin;
    return connector == "user-login" ? ConnectorKind::userLogin : ConnectorKind::refreshToken;
}

using Fields = std::vector<RecordField>;

Fields failure(int status, const std::string& cause) {
    using Field = RecordField;
    return {Field::nothing("access_token"),  Field::nothing("token_type"),    Field::nothing("expires_in"), Field::nothing("granted_scopes"),
            Field::nothing("refresh_token"), Field::number("status", status), Field::text("cause", cause)};
}

Fields success(const Granted& granted, bool reveal) {
    using Field = RecordField;
    const auto secret = [reveal](std::string_view name, const auth::Secret& token) {
        return token.empty() ? Field::nothing(name) : Field::text(name, std::string(reveal ? token.reveal() : hidden));
    };
    const auto& token = granted.token;
    return {secret("access_token", token.accessToken),
            Field::text("token_type", token.type),
            token.expiresIn ? Field::number("expires_in", token.expiresIn->count()) : Field::nothing("expires_in"),
            granted.scopes.empty() ? Field::nothing("granted_scopes") : Field::text("granted_scopes", granted.scopes),
            secret("refresh_token", token.refreshToken),
            Field::number("status", 0),
            Field::nothing("cause")};
}

Error noToken(const std::string& file, const std::string& why) {
    return {Reaction::askOperator, Code::tokenSignInNeeded,
            "no refresh token is given: " + (file == "-" ? std::string("standard input") : "the file " + printable(file)) + " " + why};
}

/// All of standard input, or as much as no refresh token has. Ends at once when it is told to.
Result<std::string> readInput(const SignInDesk& desk) {
    std::string text;
    char piece[4096];
    while (text.size() <= longestToken) {
        const auto arrived = desk.signals.wait(lookAround, desk.input);
        if (isEnd(arrived)) return Error{Reaction::retryLater, Code::channelStopped, "the command was ended before it had read a refresh token"};
        if (arrived != Signals::Arrived::readable) continue;
        const auto got = ::read(desk.input, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(piece, static_cast<std::size_t>(got));
    }
    OPENSSL_cleanse(piece, sizeof piece);
    return text;
}

Result<std::string> readFile(const std::string& file) {
    auto read = readSmallFile(file);
    if (!read) return noToken(file, "cannot be read");
    if (!*read) return noToken(file, "is not there");
    return std::move(**read);
}

/// A refresh token from a file or, for "-", from standard input; its line end is dropped. Blocks.
Result<auth::Secret> tokenFrom(const SignInDesk& desk, const std::string& file) {
    auto read = file == "-" ? readInput(desk) : readFile(file);
    if (!read) return read.error();
    auto& text = *read;
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    if (text.empty() || text.size() > longestToken) return noToken(file, "holds no refresh token");
    auth::Secret token(text);
    OPENSSL_cleanse(text.data(), text.size());
    return token;
}

/// Another token has come in place of one that was given, and nobody has it.
void tellLost(const SignInDesk& desk, const OauthArguments& arguments, const auth::Secret& given, const Granted& granted) {
    const auto& fresh = granted.token.refreshToken;
    if (arguments.reveal || given.empty() || fresh.empty() || fresh.reveal() == given.reveal()) return;
    desk.error
        << "Note: the provider gave another refresh token, which is kept nowhere and not shown without --reveal. The one that was given may be of no "
           "use any more."
        << std::endl;
}

/// Whose answer comes to the admin port needs a service there.
void lookForService(const SignInDesk& desk, const std::string& name) {
    const auto credential = auth::credential(desk.configuration, name);
    if (!credential || credential->redirectUri != auth::login::callbackUri(desk.configuration)) return;
    const auto running = readSmallFile(desk.configuration.text("server.data") + "/admin.address");
    if (running && *running) return;
    desk.error << "Note: the browser comes back to the admin port of the service, which is not running with this server.data: start it with\n"
                  "`postern run`, or paste the address of the page the browser ends on.\n";
}

/// What mends it, as `doctor` would say.
void tellFix(const SignInDesk& desk, const std::string& name, const Error& error) {
    if (const auto found = auth::diagnosis::diagnose(auth::caseOf(desk.configuration, name, error)))
        for (const auto& line : found->fix) desk.error << "    " << line << '\n';
}

Result<Granted> ask(const SignInDesk& desk, const OauthArguments& arguments) {
    auto& connector = desk.access.connector();
    std::stop_source stop;
    switch (kindOf(arguments.connector)) {
        case ConnectorKind::serverLogin:
            return await(desk, stop, connector.serverLogin(arguments.credential, arguments.scope, stop.get_token()));
        case ConnectorKind::userLogin: {
            const auto dialogue = makeTerminalDialogue(desk.input, desk.error);
            auth::login::SignInWishes wishes{arguments.scope, {}};
            lookForService(desk, arguments.credential);
            if (arguments.usePrompt) wishes.usePrompt = *arguments.usePrompt == "true";
            return await(
                desk, stop,
                connector.userLogin(arguments.credential, std::move(wishes), *dialogue, desk.loop.clock().steady() + patience, stop.get_token()));
        }
        case ConnectorKind::refreshToken:
            break;
    }
    auth::Secret given;
    if (arguments.refreshTokenFile) {
        auto read = tokenFrom(desk, *arguments.refreshTokenFile);
        if (!read) return read.error();
        given = std::move(*read);
    }
    auto granted = await(desk, stop, connector.refresh(arguments.credential, auth::copyOf(given), stop.get_token()), !given.empty());
    if (granted) tellLost(desk, arguments, given, *granted);
    return granted;
}

}  // namespace

int login(const SignInDesk& desk, const LoginArguments& arguments, bool json) {
    auto& connector = desk.access.connector();
    const auto failed = [&](const Error& error) {
        desk.error << describe(error) << '\n';
        tellFix(desk, arguments.credential, error);
        desk.error.flush();
        return exitStatus(error);
    };
    std::stop_source stop;
    const auto dialogue = makeTerminalDialogue(desk.input, desk.error);
    lookForService(desk, arguments.credential);
    auto granted =
        await(desk, stop, connector.userLogin(arguments.credential, {}, *dialogue, desk.loop.clock().steady() + patience, stop.get_token()));
    if (!granted) return failed(granted.error());

    const auto expected = arguments.user ? std::vector{*arguments.user} : auth::login::usersOf(desk.configuration, arguments.credential);
    if (const auto other = auth::login::otherAccount(*granted, arguments.credential, expected)) return failed(*other);
    const auto credential = auth::credential(desk.configuration, arguments.credential);
    if (!credential) return failed(credential.error());
    const auto remarks = auth::login::remarksOn(*granted, *credential, expected);
    const auto record = loginRecord(arguments.credential, *granted);

    const auto kept = await(desk, stop, keepIt(connector, arguments.credential, std::make_shared<Granted>(std::move(*granted))));
    if (!kept) return failed(kept.error());
    for (const auto& remark : remarks) desk.error << "Note: " << remark << '\n';
    desk.error << "The sign-in is kept; a running service uses it within a second." << std::endl;
    writeRecord(record, json, desk.out);
    return 0;
}

int askConnector(const SignInDesk& desk, const OauthArguments& arguments, bool json) {
    const auto granted = ask(desk, arguments);
    if (granted) {
        if (granted->secondSecret) desk.error << "Note: " << auth::login::secondSecretTaken(arguments.credential) << std::endl;
        writeRecord(success(*granted, arguments.reveal), json, desk.out);
        return 0;
    }
    const auto& error = granted.error();
    desk.error << describe(error) << std::endl;
    const auto status = auth::login::connectorStatus(kindOf(arguments.connector), error);
    writeRecord(failure(status, codeName(error.code) + " " + error.what), json, desk.out);
    return exitStatus(error);
}

void writeUnconfigured(const OauthArguments& arguments, const std::vector<Problem>& problems, bool json, std::ostream& out) {
    const auto prefix = "credential." + arguments.credential + ".";
    const Problem* first = nullptr;
    bool scopesAlone = true;
    for (const auto& each : problems) {
        if (each.severity != Problem::Severity::error || !each.key.starts_with(prefix)) continue;
        if (first == nullptr) first = &each;
        scopesAlone = scopesAlone && each.key == prefix + "scopes" && each.code == Code::configMissingKey;
    }
    const auto kind = kindOf(arguments.connector);
    if (first == nullptr) return writeRecord(failure(-1, "the configuration has errors"), json, out);
    const bool noScope = kind == ConnectorKind::serverLogin && scopesAlone && !arguments.scope;
    const int status = noScope ? -3 : kind == ConnectorKind::userLogin ? -1 : -2;
    writeRecord(failure(status, codeName(first->code) + " " + first->what), json, out);
}

}  // namespace plugin::host
