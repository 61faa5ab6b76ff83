#pragma once

#include "auth/channel/channel.h"
#include "auth/token/token_source.h"
#include "listener/engine/settings.h"
#include "listener/engine/validate_steps.h"
#include "plugin/contract/host.h"
#include "plugin/contract/task.h"

#include <optional>
#include <string>

namespace listener {

/// What a check leaves for explanations.
struct Seen {
    std::optional<auth::Token> token{};
};

/// Each tries one thing for real and notes its steps; a failed step is followed by those that were not tried. An Error is a bug of ours.
/// All references outlive the task.

/// Configuration, name, proxy, connection, TLS, token, sign-in, each folder, the heads of a first message. The session is its own and logs out;
/// no message is marked, nothing is written.
plugin::Task<plugin::Result<void>> checkMailbox(plugin::Host& host, MailboxSettings settings, Steps& steps, Seen& seen);
/// Configuration, the way to the token endpoint, the secret's source, a token.
plugin::Task<plugin::Result<void>> checkCredential(plugin::Host& host, std::string name, Steps& steps);
/// A spool: a file written, made durable, named and removed again where the messages would be. A webhook: its secrets, its token, the way to it;
/// nothing is posted. A program: whether it is there; it is not run.
plugin::Task<plugin::Result<void>> checkSink(plugin::Host& host, std::string name, Steps& steps);

/// Dials once and hangs up. False: a step has failed.
plugin::Task<plugin::Result<bool>> tryWay(plugin::Host& host, auth::Target target, std::chrono::milliseconds patience, Steps& steps);
/// The token, or the password. `protocol`: as auth::Identity. False: a step has failed.
plugin::Task<plugin::Result<bool>> trySecret(plugin::Host& host, std::string credential, std::string user, std::string protocol, Steps& steps,
                                             Seen& seen);

/// Whether this credential opens another mailbox, as it should not. Nothing: it does; else why not.
plugin::Task<plugin::Result<std::optional<plugin::Error>>> tryToOpen(plugin::Host& host, MailboxSettings settings);

}  // namespace listener
