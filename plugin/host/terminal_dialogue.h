#pragma once

#include "auth/login/dialogue.h"

#include <iosfwd>
#include <memory>

namespace plugin::host {

/// A sign-in at a terminal: what has to be known is written to `error`, what is pasted is read from `input` (a descriptor: standard input's is 0),
/// up to 16 KiB a line. Reading waits on the worker pool and looks four times a second whether it is given up.
std::unique_ptr<auth::login::Dialogue> makeTerminalDialogue(int input, std::ostream& error);

}  // namespace plugin::host
