#pragma once

#include "auth/secret.h"
#include "plugin/contract/result.h"

#include <stop_token>
#include <string>
#include <vector>

namespace auth {

/// What a program (the first word, an absolute path) writes to its standard output. It starts without a shell, in a process group of its own, with
/// our environment and working directory, default signal handling, standard input and error at /dev/null (what it says there may hold a secret) and
/// no other descriptor. After 10 s, or when `stop` is requested, it is killed with all it has started; none is started from then on. Blocks until it
/// has ended: call it through offload. Needs SIGCHLD not to be ignored. Errors askOperator configSecretSource, naming the program alone: it cannot be
/// started, ended with another status than 0 or by a signal, wrote more than 64 KiB, or was not done in time (with the last: retryLater); retryLater
/// channelStopped.
plugin::Result<Secret> commandOutput(const std::vector<std::string>& words, std::stop_token stop = {});

}  // namespace auth
