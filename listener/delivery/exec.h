#pragma once

#include "listener/delivery/program.h"
#include "listener/delivery/sink.h"

#include <memory>
#include <string>
#include <vector>

namespace listener {

struct ExecSettings {
    std::string name;                  ///< of the sink
    std::vector<std::string> command;  ///< the program, an absolute path, and its arguments
};

/// Sink "exec": a program for each message. The exact bytes are on its standard input. Its environment tells what is known of the message:
/// POSTERN_ID, _MAILBOX, _FOLDER, _PROTOCOL, _POSITION, _RECEIVED (RFC 3339, UTC), _SIZE, _SHA256 (hex), _MESSAGE_ID (unset where there is none) and
/// _FLAGS (separated by blanks; those beyond 16 KiB are left out). Its exit status is the verdict (sysexits.h): 0 is delivered; EX_DATAERR (65) means
/// that it can never take this message (setAside, messageUnfit); EX_NOPERM and EX_CONFIG are refused with askOperator; EX_UNAVAILABLE, EX_TEMPFAIL
/// and all else, signals too, with retryLater. A program that ends with 0 without having read all of the message has it all the same. One that is not
/// done at the deadline is killed with all it has started. Messages of a batch are given one after another. Errors: those of Programs::run,
/// sinkRefused (retryLater, askOperator), messageUnfit (setAside). `programs` outlives the sink.
std::unique_ptr<Sink> makeExec(ExecSettings settings, Programs& programs);

}  // namespace listener
