#include "listener/ews/sign_in.h"

#include "auth/channel/http_parser.h"
#include "auth/diagnosis/claims.h"

#include <array>

namespace listener::ews {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

/// Where tokens are for Exchange Online, and for nothing else.
bool isOnline(std::string_view url) {
    const auto parsed = auth::parseHttpUrl(url);
    if (!parsed) return false;
    constexpr std::array<std::string_view, 5> hosts{"outlook.office365.com", "outlook.office.com", "outlook.office365.us", "outlook-dod.office365.us",
                                                    "partner.outlook.cn"};
    return std::find(hosts.begin(), hosts.end(), parsed->host) != hosts.end();
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

/// Nothing: the token may be for this server.
std::optional<Error> wrongAudience(const Session& session, const auth::diagnosis::Claims& claims) {
    const bool online = isOnline(session.settings.url);
    const bool elsewhere = claims.isForGraph() || (online && !claims.audience.empty() && !claims.isForExchange());
    if (!elsewhere) return std::nullopt;
    const auto* const scope = session.settings.application ? "/.default" : "/EWS.AccessAsUser.All";
    const auto parsed = auth::parseHttpUrl(session.settings.url);
    const auto resource = "https://" + (parsed ? parsed->authority : session.peer);
    return Error{Reaction::askOperator, Code::mailboxWrongAudience,
                 session.peer + ": the token is for " + joined(claims.audience) + " and not for this server: set the scopes of credential " +
                     session.settings.credential + " to " + resource + scope + (claims.isForGraph() ? ", or protocol = graph for this mailbox" : "")};
}

Task<Result<void>> obtainToken(Session& session, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    auto identity = session.identity;
    auto token = co_await session.access.tokens().token(std::move(identity), loop.clock().steady() + session.settings.connectTimeout, stop);
    if (!token) co_return token.error();
    session.token = std::move(*token);
    session.impersonates = session.settings.application;
    const auto claims = auth::diagnosis::claimsOf(session.token->secret->reveal());
    if (!claims) co_return Result<void>{};
    session.application = claims->application;
    session.impersonates = session.impersonates || (claims->scopes.empty() && !claims->roles.empty());
    if (auto wrong = wrongAudience(session, *claims)) co_return std::move(*wrong);
    co_return Result<void>{};
}

/// Is it so that whoever has signed in has no such mailbox?
bool saysNotYours(Meaning meaning) {
    return meaning == Meaning::closed || meaning == Meaning::folderGone || meaning == Meaning::itemGone || meaning == Meaning::impersonation;
}

Task<Result<void>> readPassword(Session& session) {
    auto& loop = co_await plugin::thisLoop();
    auto read = [&access = session.access, name = session.settings.credential] { return access.password(name); };
    auto reading = plugin::offload(loop, std::move(read));
    auto password = co_await reading;
    if (!password) co_return password.error();
    session.impersonates = !password->username.empty() && password->username != session.settings.user;
    session.password = std::move(*password);
    co_return Result<void>{};
}

}  // namespace

Task<Result<void>> signIn(Session& session, Endpoint& endpoint, std::stop_token stop) {
    const auto kind = session.access.kind(session.settings.credential);
    if (!kind) co_return kind.error();
    session.identity = auth::Identity{session.settings.credential, session.settings.user, std::nullopt, "ews"};
    auto obtain = *kind == auth::Access::Kind::token ? obtainToken(session, stop) : readPassword(session);
    auto obtained = co_await obtain;
    if (!obtained) co_return obtained;
    std::optional<Error> first;  // of two ways that were tried
    for (;;) {
        const auto inbox = session.distinguished("inbox");
        auto operation = getFolder(inbox);
        auto answer = co_await endpoint.ask(std::move(operation), stop);
        // A fault, or a message: servers do both. Who has the rights of a delegate needs no other role.
        const auto meaning = !answer ? endpoint.refusedAs : answer->success ? std::nullopt : std::optional{meaningOf(answer->code)};
        if (!answer || !answer->success) {
            const auto refused = answer ? refusal(session, *answer, "GetFolder") : answer.error();
            if (meaning == Meaning::impersonation && session.password && session.impersonates) {
                first = refused;
                session.impersonates = false;
                continue;
            }
            if (!meaning || !saysNotYours(*meaning)) co_return refused;
            if (session.password && first) first->what += "; without the role, as a delegate: " + refused.what;
            if (session.password || session.impersonates) co_return first.value_or(refused);
            first = refused;  // a service account's own token may act for others, where it has the role ApplicationImpersonation
            session.impersonates = true;
            continue;
        }
        if (answer->folders.empty() || answer->folders.front().id.empty())
            co_return Error{Reaction::reconnect, Code::mailboxProtocol, session.peer + ": GetFolder: the answer names no folder"};
        session.inboxId = answer->folders.front().id;
        co_return Result<void>{};
    }
}

}  // namespace listener::ews
