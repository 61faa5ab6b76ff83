#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/log.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

std::string_view levelName(Level level);
std::optional<Level> levelNamed(std::string_view name);

/// `2026-11-22T17:00:00.123Z information listener.engine message key=value`, without a line end. A value with blanks, quotes, `=` or control
/// characters is quoted, with \" \\ \n \r \t \xNN inside; control characters of the message are escaped likewise.
std::string textLine(Wall time, Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields);
/// The same as one JSON object: time, level, logger, message, then the fields (one that has such a name gets a "_" behind it).
/// Octets that are no UTF-8 become U+FFFD.
std::string jsonLine(Wall time, Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields);

struct LogOptions {
    Level level = Level::information;
    bool json = false;
    std::string file{};  ///< absolute; "": standard error
};

/// Where log lines go: a thread of its own writes them, each with one write(2), so that lines never mix and a stuck terminal or disk never
/// holds up a loop. Between caller and thread stand at most 8 MiB; what does not fit is dropped, and the next line says how many were.
/// A file that was renamed or removed (logrotate) is made anew within a second of the next line. Poco's own loggers write here too.
/// Make it after the last fork.
class HostLog : public Log {
public:
    /// Waits until everything written so far is out, at most so long. False: it is not.
    virtual bool flush(std::chrono::milliseconds longest) = 0;
    /// The least that is logged from now on.
    virtual void level(Level least) = 0;
};

/// Errors: askOperator, configBadValue when the file cannot be opened.
Result<std::unique_ptr<HostLog>> makeHostLog(LogOptions options, Clock& clock);

}  // namespace plugin::host
