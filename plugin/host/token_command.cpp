#include "plugin/host/token_command.h"

#include "auth/login/connector.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/waiting.h"
#include "plugin/host/record.h"
#include "plugin/host/timestamp.h"

#include <ostream>
#include <utility>
#include <vector>

namespace plugin::host {

namespace {

constexpr auto longest = std::chrono::minutes(2);
constexpr std::string_view hidden = "***";

using Answer = Result<auth::Token>;

Answer answered(auth::Access& access, Loop& loop, const TokenArguments& arguments) {
    auto kind = access.kind(arguments.credential);
    if (!kind) return kind.error();
    if (*kind == auth::Access::Kind::password)
        return Error{Reaction::askOperator, Code::tokenCredentialIncomplete,
                     "credential " + arguments.credential + " signs in with a password; it has no token"};
    auth::Identity identity{arguments.credential, arguments.user.value_or(""), arguments.scope, arguments.protocol.value_or("")};
    return waitFor(loop, access.tokens().token(std::move(identity), loop.clock().steady() + longest, std::stop_token{}));
}

std::vector<RecordField> fields(const Answer& answer, bool reveal) {
    if (!answer)
        return {{"status", "failed"},
                {"error_code", codeName(answer.error().code)},
                {"access_token", "", false, true},
                {"token_type", "", false, true},
                {"expires_in", "", false, true},
                {"expires_at", "", false, true},
                {"scope", "", false, true},
                {"refresh_token", "", false, true}};
    const auto secret = [&](const std::shared_ptr<const auth::Secret>& text) { return std::string(reveal ? text->reveal() : hidden); };
    const auto& token = *answer;
    return {{"status", "ok"},
            {"error_code", "", false, true},
            {"access_token", secret(token.secret)},
            {"token_type", token.type},
            {"expires_in", token.expiresIn ? std::to_string(token.expiresIn->count()) : "", true, !token.expiresIn},
            {"expires_at", timestamp(token.expiresAt)},
            {"scope", token.grantedScopes, false, token.grantedScopes.empty()},
            {"refresh_token", token.refreshToken ? secret(token.refreshToken) : "", false, !token.refreshToken}};
}

}  // namespace

int showToken(auth::Access& access, Loop& loop, const TokenArguments& arguments, bool json, std::ostream& out, std::ostream& error) {
    const auto answer = answered(access, loop, arguments);
    if (!answer) error << describe(answer.error()) << '\n';
    if (answer && answer->secondSecret) error << "Note: " << auth::login::secondSecretTaken(arguments.credential) << '\n';
    if (!json && answer && arguments.reveal)
        out << answer->secret->reveal() << '\n';
    else
        writeRecord(fields(answer, arguments.reveal), json, out);
    return answer ? 0 : exitStatus(answer.error());
}

}  // namespace plugin::host
