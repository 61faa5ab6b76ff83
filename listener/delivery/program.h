#pragma once

#include "listener/message/message.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// What is run: without a shell, in a process group of its own, with default signal handling, no descriptor of ours, standard output and error at
/// /dev/null. Its environment is PATH, HOME, LANG, TZ and TMPDIR of ours and `environment`, nothing else: ours may hold secrets.
/// The input is a pipe, and ends only after all of it, checked against its hash, unless we ourselves are killed.
struct Program {
    std::vector<std::string> words;  ///< the first: an absolute path
    std::map<std::string, std::string> environment{};
    Content input{};  ///< on its standard input; none: /dev/null
};

struct ProgramEnd {
    int status = 0;  ///< of its exit
    int signal = 0;  ///< not 0: what ended it instead
};

/// The edge to programs, so that a simulation can stand in. Belongs to no loop: run() works on the loop of its caller and blocks nobody.
/// Error texts name the program, never its arguments.
class Programs {
public:
    virtual ~Programs() = default;
    /// Runs it to its end, whether it has read its input or not; what it leaves behind then is its own affair. At the deadline, or when `stop` is
    /// asked, it is killed with all it has started (its process group). Needs SIGCHLD not to be ignored, and Linux 5.3.
    /// Errors: sinkProgram (askOperator: it cannot be started), sinkUnavailable (retryLater: not done in time, stopped, no process or pipe to be
    /// had), messageStaging (retryLater: the input cannot be read; it is killed).
    virtual plugin::Task<plugin::Result<ProgramEnd>> run(Program program, plugin::Deadline deadline, std::stop_token stop) = 0;
};
/// Those of this machine. Our environment is read here, once.
std::unique_ptr<Programs> makePrograms();

}  // namespace listener
