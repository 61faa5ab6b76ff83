#pragma once

#include "auth/channel/http_client.h"
#include "listener/delivery/http_secrets.h"
#include "listener/delivery/sink.h"

#include <string>
#include <string_view>

namespace listener {

/// An answer to the delivery of one message, as far as it was read.
struct HttpReply {
    int status = 0;
    auth::HttpHeaders headers{};
    std::string text{};  ///< the beginning of the body
};

/// What shownText() looks at; more of a body need not be read.
inline constexpr std::size_t replyTextLimit = 1024;

/// At most 200 printable characters of the body, with blanks for its line ends; "" where it may not be shown: it is no plain text or JSON (a page of
/// HTML says nothing in 200 characters), not all of it is printable ASCII, it repeats what is hidden, or it has an "@": it may be an address.
std::string shownText(const HttpReply& reply, const Hidden& hidden);

/// Whether it says that the message has arrived: 2xx, 409.
bool settles(int status);

/// What the answer means for the message (http.h). Pure.
/// origin: scheme, host and port of the sink     shown: shownText()     now: for a Retry-After that is a date
void judge(Delivery& delivery, const std::string& origin, const HttpReply& reply, const std::string& shown, const Hidden& hidden, plugin::Wall now);

/// No answer, or no token to ask with: the same error, but what tells a session what to do next tells a sink to try again.
plugin::Error unanswered(plugin::Error error);

/// Scheme, host and port: of a URL this may be told. Path and query may hold what is nobody's business. "" if it is no URL.
std::string originOf(std::string_view url);

}  // namespace listener
