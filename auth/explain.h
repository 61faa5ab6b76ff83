#pragma once

#include "auth/diagnosis/diagnosis.h"

#include <string_view>
#include <vector>

namespace auth {

/// What a text of a provider's may mean, of which nothing else is known: the answer of a token endpoint (JSON with `error`), the challenge of a
/// refused token (Base64 or JSON), a line of a log or a page. The likeliest cause first, each once; none: nothing is known of it. Pure.
std::vector<diagnosis::Diagnosis> explain(std::string_view text);

}  // namespace auth
