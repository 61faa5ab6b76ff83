#include "listener/ews/session.h"

#include "auth/channel/http_parser.h"

namespace listener::ews {

namespace {

std::string hostOf(const std::string& url) {
    const auto parsed = auth::parseHttpUrl(url);
    return parsed ? parsed->host : std::string{"EWS"};
}

}  // namespace

Session::Session(Settings theSettings, auth::Access& theAccess, ItemIndex& theIndex, plugin::Log& theLog, std::string version,
                 std::shared_ptr<RequestLimit> theLimit)
    : settings(std::move(theSettings)),
      access(theAccess),
      index(theIndex),
      log(theLog),
      limit(std::move(theLimit)),
      agent("Postern/" + plugin::printable(version, 30)),
      peer(hostOf(settings.url)) {}

FolderRef Session::distinguished(std::string_view use) const {
    return {.distinguished = std::string{use}, .mailbox = impersonates ? std::string{} : settings.user};
}

std::string Session::shown(std::string_view text) const {
    const bool repeats =
        (token && auth::repeatsPartOf(token->secret->reveal(), text)) || (password && auth::repeatsPartOf(password->password.reveal(), text));
    return repeats ? std::string{} : plugin::printable(text);
}

}  // namespace listener::ews
