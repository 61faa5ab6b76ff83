#include "tests/system/throttling.h"

#include <Poco/Base64Decoder.h>

#include <iterator>
#include <sstream>

namespace systemtest {

using servers::Relay;

void Record::asked(std::string what) {
    const std::lock_guard lock(mutex_);
    asked_.push_back({std::chrono::steady_clock::now(), std::move(what)});
}

void Record::refused(std::string what) {
    const std::lock_guard lock(mutex_);
    if (refusal_) return;
    refusal_ = {std::chrono::steady_clock::now(), std::move(what)};
    before_ = asked_.size();
}

std::optional<Record::Asked> Record::refusal() const {
    const std::lock_guard lock(mutex_);
    return refusal_;
}

std::vector<Record::Asked> Record::since() const {
    const std::lock_guard lock(mutex_);
    return {asked_.begin() + static_cast<std::ptrdiff_t>(refusal_ ? before_ : asked_.size()), asked_.end()};
}

ThrottledImap::ThrottledImap(std::uint16_t server) : relay_(server) {
    relay_.rewrite([this](std::uint64_t connection, bool fromClient, std::string line) { return pass(connection, fromClient, std::move(line)); });
}

void ThrottledImap::note(const std::string& user, std::shared_ptr<Record> record) {
    const std::lock_guard lock(mutex_);
    users_[user].record = std::move(record);
}

void ThrottledImap::refuse(const std::string& user, Refusal refusal) {
    const std::lock_guard lock(mutex_);
    users_.at(user).refusal = std::move(refusal);
}

Relay::Passed ThrottledImap::pass(std::uint64_t connection, bool fromClient, std::string line) {
    const std::lock_guard lock(mutex_);
    auto& session = sessions_[connection];
    if (fromClient) return ask(session, std::move(line));
    const auto refused = session.refused.find(line.substr(0, line.find(' ')));
    if (refused == session.refused.end()) return {line};
    const auto& how = refused->second;
    const auto text =
        how.code.empty()
            ? "Request is throttled. Suggested Backoff Time: " + std::to_string(std::chrono::milliseconds(how.rest).count()) + " milliseconds\r\n"
            : "[" + how.code + "] Not now.\r\n";
    if (how.how == Refusal::How::bye) return {"* BYE " + text, true};
    auto answer = refused->first + (how.how == Refusal::How::bad ? " BAD " : " NO ") + text;
    session.refused.erase(refused);
    return {std::move(answer)};
}

Relay::Passed ThrottledImap::ask(Session& session, std::string line) {
    if (session.user.empty()) session.user = userIn(line);
    if (session.user.empty()) return {std::move(line)};
    auto& user = users_.at(session.user);
    const auto what = line.find(" AUTHENTICATE ") == std::string::npos ? line.substr(0, line.find('\r')) : std::string{"AUTHENTICATE"};
    const bool refuses = user.refusal && what.find(user.refusal->at) != std::string::npos;
    user.record->asked(what);
    if (!refuses) return {std::move(line)};
    const auto tag = line.substr(0, line.find(' '));
    session.refused.emplace(tag, *std::exchange(user.refusal, std::nullopt));
    user.record->refused(what);
    return {tag + " NOOP\r\n"};
}

/// Who signs in with this line, by a token or a password; "": nobody.
std::string ThrottledImap::userIn(const std::string& line) const {
    if (line.find(" AUTHENTICATE ") == std::string::npos) return {};
    std::istringstream encoded{line.substr(line.rfind(' ') + 1)};
    Poco::Base64Decoder decoder{encoded};
    const std::string text{std::istreambuf_iterator<char>{decoder}, {}};
    for (const auto& [name, user] : users_)
        if (text.find("=" + name) != std::string::npos || text.find('\0' + name) != std::string::npos) return name;
    return {};
}

}  // namespace systemtest
