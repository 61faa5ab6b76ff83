#pragma once

#include "auth/access.h"
#include "listener/imap/session.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace listener::imap {

/// What we sign in with. Exactly one of the two.
struct Credentials {
    auth::Identity identity{};
    std::optional<auth::Token> token{};
    std::optional<auth::Access::Password> password{};
};

/// Before the mailbox is dialled: most servers hang up on somebody who has to look for his token first.
/// Errors: those of the TokenSource (3xxx) and of secrets (1xxx). `access` and `settings` outlive the call.
plugin::Task<plugin::Result<Credentials>> obtainCredentials(auth::Access& access, const Settings& settings, std::stop_token stop);

enum class Mechanism {
    xoauth2,
    oauthbearer,  ///< RFC 7628
    plain,        ///< RFC 4616
    login,        ///< the LOGIN command: where AUTH=PLAIN is missing and LOGINDISABLED is not there
};

/// sasl  auto|xoauth2|oauthbearer|plain      offers  does the server list that capability?
/// Errors: askOperator mailboxNoMechanism, saying what is missing.
plugin::Result<Mechanism> chooseMechanism(auth::Access::Kind kind, std::string_view sasl, const std::function<bool(std::string_view)>& offers);

/// From the greeting to the first command that proves the mailbox is ours. `access` outlives the call; `credentials` too.
/// Errors: reauthenticate mailboxSignInRefused (the TokenSource knows already), askOperator mailboxSignInRefused (a password),
/// mailboxNoMechanism, mailboxAccess ("authenticated but not connected": the token is kept), mailboxThrottled …
plugin::Task<plugin::Result<void>> signIn(Session& session, auth::Access& access, const Credentials& credentials, std::string version,
                                          std::stop_token stop);

}  // namespace listener::imap
