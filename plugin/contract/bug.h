#pragma once

#include "plugin/contract/codes.h"
#include "plugin/contract/log.h"

#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace plugin {

/// What an exception says of itself.
inline std::string causeOf(const std::exception_ptr& bug) {
    try {
        std::rethrow_exception(bug);
    } catch (const std::exception& exception) {
        return printable(exception.what(), 400);
    } catch (...) {  // it says nothing
        return "no std::exception";
    }
}

/// Tells of a bug that was caught so that all else goes on: a line of the log, and one more of postern_errors_total.
inline void tellBug(Log& log, Metrics& metrics, std::string_view logger, std::string_view message, const std::exception_ptr& bug,
                    std::vector<Field> fields = {}) {
    fields.emplace_back("code", codeName(Code::internalBug));
    fields.emplace_back("cause", causeOf(bug));
    log.error(logger, message, fields);
    metrics.add("postern_errors_total", {{"mailbox", ""}, {"code", codeName(Code::internalBug)}}, 1);
}

}  // namespace plugin
