#include "listener/imap/session.h"

#include "auth/secret.h"
#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <algorithm>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t textLimit = 4096;  ///< of a status: nobody reads more

}  // namespace

Session::Session(std::unique_ptr<auth::Channel> channel, plugin::Loop& loop, const Settings& settings, plugin::Log& log)
    : connection_(std::move(channel), loop, settings.target.host + ":" + std::to_string(settings.target.port), settings.ioTimeout),
      settings_(settings),
      log_(log) {}

std::string Session::capabilityList() const {
    return capabilities_.empty() ? "" : plugin::printable(std::string_view{capabilities_}.substr(1, capabilities_.size() - 2), 500);
}

Command Session::begin(std::string_view verb, std::size_t expected) {
    const auto literals = has("LITERAL+") ? Literals::plus : has("LITERAL-") ? Literals::minus : Literals::synchronising;
    Command command{"A" + std::to_string(++commands_), literals, expected};
    command.word(verb);
    return command;
}

void Session::noteCapabilities(const std::vector<std::string>& names) {
    std::string all;
    for (const auto& name : names)
        if (!settings_.disabledCapabilities.contains(name) && !repeatsSecret(name)) all += (all.empty() ? " " : "") + name + " ";
    capabilities_ = std::string{all};  // in a buffer of its size
}

Result<void> Session::noteStatus(const Status& status) {
    if (status.code.is("CAPABILITY")) noteCapabilities(status.code.arguments);
    if (status.code.is("ALERT") && alerts_++ < alertLimit)  // RFC 9051 section 7.1: must be shown to the user
        log_.warning("listener.imap", "the server sends an alert",
                     {{"mailbox", settings_.alias}, {"host", settings_.target.host}, {"text", plugin::printable(status.text)}});
    const bool over = status.condition == Condition::no || status.condition == Condition::bad || status.condition == Condition::bye;
    if (byToken && phase >= Phase::signedIn && over && saysSignInOver(status)) {
        connection_.giveUp();
        refusedToken = saysSignInRefused(status);
        return sessionExpired(peer(), status);
    }
    if (status.tag.empty() && status.condition == Condition::bye) {
        connection_.giveUp();
        return refusal(status, peer(), "the server ends the session");
    }
    if (status.tag.empty() && phase == Phase::selected && status.code.is("UIDVALIDITY") && status.code.number != folder.validity) {
        connection_.giveUp();
        return Error{Reaction::reconnect, Code::mailboxProtocol, peer() + ": the UIDVALIDITY of the open folder changed"};
    }
    return {};
}

void Session::conceal(std::string_view secret) {
    secret_ = secret;
    connection_.conceal(secret);
}

bool Session::repeatsSecret(std::string_view text) const {
    return auth::repeatsPartOf(secret_, text) ||
           std::any_of(secrets.begin(), secrets.end(), [text](std::string_view secret) { return auth::repeatsPartOf(secret, text); });
}

/// The same for what has come down to us in capitals.
bool Session::repeatsSecretInCapitals(std::string_view text) const {
    const auto same = [](char a, char b) {
        const auto capital = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
        return capital(a) == capital(b);
    };
    const auto repeats = [&](std::string_view secret) {
        constexpr std::size_t part = 12;
        if (secret.empty()) return false;
        if (secret.size() <= part) return std::search(text.begin(), text.end(), secret.begin(), secret.end(), same) != text.end();
        for (std::size_t at = 0; at + part <= text.size(); ++at) {
            const auto piece = text.substr(at, part);
            if (std::search(secret.begin(), secret.end(), piece.begin(), piece.end(), same) != secret.end()) return true;
        }
        return false;
    };
    return repeats(secret_) || std::any_of(secrets.begin(), secrets.end(), repeats);
}

void Session::leaveOutSecrets(Response& response) const {
    auto* status = std::get_if<Status>(&response);
    if (status == nullptr) return;
    status->text.resize(std::min(status->text.size(), textLimit));
    if (repeatsSecretInCapitals(status->code.name)) status->code = {};
    if (repeatsSecret(status->text)) status->text = "(the server's text is left out: it repeats what we signed in with)";
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
        mayGoOn = std::holds_alternative<Continuation>(*response);
        const auto ended = heed(*response, taker);
        if (!ended) co_return ended.error();
        if (!*ended) continue;
        auto& status = std::get<Status>(*response);
        if (status.tag != command.tag()) co_return strayAnswer(status.tag);
        co_return std::move(status);
    }
}

Task<Result<std::vector<Status>>> Session::runTogether(std::vector<Command> commands, const Taker* taker, std::stop_token stop) {
    std::string lines;
    for (const auto& command : commands) lines += command.pieces().front();
    const auto written = co_await connection_.write(lines, stop);
    if (!written) co_return written.error();
    std::vector<Status> answers(commands.size());
    for (auto open = commands.size(); open > 0;) {
        auto response = co_await connection_.next(stop);
        if (!response) co_return response.error();
        const auto ended = heed(*response, taker);
        if (!ended) co_return ended.error();
        if (!*ended) continue;
        auto& status = std::get<Status>(*response);
        const auto asked = std::find_if(commands.begin(), commands.end(), [&status](const auto& each) { return each.tag() == status.tag; });
        if (asked == commands.end()) co_return strayAnswer(status.tag);
        auto& answer = answers[static_cast<std::size_t>(asked - commands.begin())];
        if (!answer.tag.empty()) co_return strayAnswer(status.tag);
        answer = std::move(status);
        --open;
    }
    co_return std::move(answers);
}

/// What is done with each response while commands are under way. True: it ends one of them.
Result<bool> Session::heed(Response& response, const Taker* taker) {
    leaveOutSecrets(response);
    const auto noted = note(response);
    if (!noted) return noted.error();
    if (const auto* status = std::get_if<Status>(&response); status != nullptr && !status->tag.empty()) return true;
    if (taker == nullptr) return false;
    const auto taken = (*taker)(response);
    if (taken) return false;
    connection_.giveUp();
    return taken.error();
}

Error Session::strayAnswer(const std::string& tag) {
    connection_.giveUp();
    return {Reaction::reconnect, Code::mailboxProtocol,
            peer() + ": the answer to a command we did not send: " + (repeatsSecret(tag) ? "" : plugin::printable(tag, 40))};
}

Task<Result<Status>> Session::require(Command command, const Taker* taker, std::string_view during, std::stop_token stop) {
    auto status = co_await run(std::move(command), taker, stop);
    if (status && status->condition != Condition::ok) co_return refusal(*status, peer(), during);
    co_return status;
}

}  // namespace listener::imap
