#include "listener/imap/session.h"

#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <algorithm>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

Session::Session(std::unique_ptr<auth::Channel> channel, plugin::Loop& loop, const Settings& settings, plugin::Log& log)
    : connection_(std::move(channel), loop, settings.target.host + ":" + std::to_string(settings.target.port), settings.ioTimeout),
      settings_(settings),
      log_(log) {}

std::string Session::capabilityList() const {
    std::string list;
    for (const auto& name : capabilities_) list += (list.empty() ? "" : " ") + name;
    return plugin::printable(list, 500);
}

namespace {

/// Whether a part of the secret worth having stands in the text.
bool repeats(std::string_view text, std::string_view secret) {
    constexpr std::size_t part = 12;
    if (secret.empty()) return false;
    for (std::size_t at = 0; at == 0 || at + part <= secret.size(); ++at)
        if (text.find(secret.substr(at, part)) != std::string_view::npos) return true;
    return false;
}

}  // namespace

Command Session::begin(std::string_view verb, std::size_t expected) {
    const auto literals = has("LITERAL+") ? Literals::plus : has("LITERAL-") ? Literals::minus : Literals::synchronising;
    Command command{"A" + std::to_string(++commands_), literals, expected};
    command.word(verb);
    return command;
}

void Session::noteCapabilities(const std::vector<std::string>& names) {
    capabilities_.clear();
    for (const auto& name : names)
        if (!settings_.disabledCapabilities.contains(name)) capabilities_.insert(name);
}

Result<void> Session::noteStatus(const Status& status) {
    if (status.code.is("CAPABILITY")) noteCapabilities(status.code.arguments);
    if (status.code.is("ALERT") && alerts_++ < alertLimit)  // RFC 9051 section 7.1: must be shown to the user
        log_.warning("listener.imap", "the server sends an alert",
                     {{"mailbox", settings_.alias}, {"host", settings_.target.host}, {"text", plugin::printable(status.text)}});
    if (status.tag.empty() && status.condition == Condition::bye && !leaving_) {
        connection_.giveUp();
        return refusal(status, peer(), "the server ends the session");
    }
    if (status.tag.empty() && phase == Phase::selected && status.code.is("UIDVALIDITY") && status.code.number != folder.validity) {
        connection_.giveUp();
        return Error{Reaction::reconnect, Code::mailboxProtocol, peer() + ": the UIDVALIDITY of the open folder changed"};
    }
    return {};
}

bool Session::repeatsSecret(std::string_view text) const {
    return std::any_of(secrets.begin(), secrets.end(), [text](std::string_view secret) { return repeats(text, secret); });
}

void Session::leaveOutSecrets(Response& response) const {
    auto* status = std::get_if<Status>(&response);
    if (status != nullptr && repeatsSecret(status->text)) status->text = "(the server's text is left out: it repeats what we signed in with)";
}

Result<void> Session::note(const Response& response) {
    if (const auto* status = std::get_if<Status>(&response)) return noteStatus(*status);
    if (const auto* capability = std::get_if<CapabilityData>(&response)) noteCapabilities(capability->names);
    if (const auto* exists = std::get_if<Exists>(&response)) {
        if (phase == Phase::selected && exists->count > folder.exists) folder.grown = true;
        folder.exists = exists->count;
    }
    if (std::holds_alternative<Expunge>(response) && folder.exists > 0) --folder.exists;
    return {};
}

Task<Result<Status>> Session::run(Command command, const Taker* taker, std::stop_token stop) {
    const auto pieces = command.pieces();
    std::size_t sent = 0;
    bool mayGoOn = true;
    for (;;) {
        if (mayGoOn && sent < pieces.size()) {
            const auto written = co_await connection_.write(pieces[sent], stop);
            if (!written) co_return written.error();
            ++sent;
        }
        auto response = co_await connection_.next(stop);
        if (!response) co_return response.error();
        leaveOutSecrets(*response);
        const auto noted = note(*response);
        if (!noted) co_return noted.error();
        mayGoOn = std::holds_alternative<Continuation>(*response);
        if (auto* status = std::get_if<Status>(&*response); status != nullptr && !status->tag.empty()) {
            if (status->tag == command.tag()) co_return std::move(*status);
            connection_.giveUp();
            co_return Error{Reaction::reconnect, Code::mailboxProtocol,
                            peer() + ": the answer to a command we did not send: " + plugin::printable(status->tag, 40)};
        }
        if (taker == nullptr) continue;
        const auto taken = (*taker)(*response);
        if (!taken) {
            connection_.giveUp();
            co_return taken.error();
        }
    }
}

Task<Result<Status>> Session::require(Command command, const Taker* taker, std::string_view during, std::stop_token stop) {
    auto status = co_await run(std::move(command), taker, stop);
    if (status && status->condition != Condition::ok) co_return refusal(*status, peer(), during);
    co_return status;
}

}  // namespace listener::imap
