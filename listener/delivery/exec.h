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

/// Sink "exec": a program for each message. The exact bytes are on its standard input, what is known of the message in its environment
/// (POSTERN_ID, POSTERN_MAILBOX, ...). Its exit status is the verdict (sysexits.h): 0 is delivered; EX_DATAERR (65) means that it can never take this
/// message (setAside, messageUnfit); EX_UNAVAILABLE, EX_TEMPFAIL and all else is refused and tried again (EX_NOPERM, EX_CONFIG: askOperator). A
/// program that ends with 0 without having read all of the message has it all the same. One that is not done at the deadline is killed with all it
/// has started. Errors: sinkProgram (askOperator), sinkRefused, sinkUnavailable (retryLater), messageUnfit (setAside). `programs` outlives the sink.
std::unique_ptr<Sink> makeExec(ExecSettings settings, Programs& programs);

}  // namespace listener
