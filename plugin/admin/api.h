#pragma once

#include "plugin/contract/codes.h"

#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace plugin::admin {

/// What a request below /api/v1/ asks for.
struct ApiQuestion {
    std::string what;                                 ///< "credentials": 1 to 32 letters a-z
    std::string name{};                               ///< [A-Za-z0-9_-]{1,64}; "": of all
    std::map<std::string, std::string> parameters{};  ///< UTF-8 without NUL, each at most 4096 octets
};

/// A JSON document, and the HTTP status that goes with it.
struct ApiAnswer {
    int status = 200;
    std::string body{};
};

/// {"error": {"code", "text", "next"}}; without `next` the step is the code's.
ApiAnswer apiError(int status, Code code, std::string_view text, std::string_view next = {});

/// Whether a path belongs to the API, so that whatever is said of it is JSON.
bool isApi(std::string_view path);

/// What a path that isApi() and the query behind it ask for, or why they make no sense: 404 for a path nothing can be at, 400 for broken escapes
/// (RFC 3986 section 2.1) and parameters. Pure. A "+" is a plus.
std::variant<ApiQuestion, ApiAnswer> parseQuestion(std::string_view path, std::string_view query);

}  // namespace plugin::admin
