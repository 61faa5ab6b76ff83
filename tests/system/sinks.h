#pragma once

#include "tests/servers/webhook_receiver.h"
#include "tests/system/workplace.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace systemtest {

constexpr std::chrono::seconds patience{60};

/// sink.<name>.*: a webhook that is tried again soon.
inline std::string webhook(const std::string& name, const servers::WebhookReceiver& receiver) {
    const auto prefix = "sink." + name + ".";
    return prefix + "type = http\n" + prefix + "url = " + receiver.url() + "\n" + prefix + "timeout = 5s\n" + prefix + "retry.max_interval = 1s\n";
}

/// sink.<name>.*: a shell script, in whose environment the facts of the message are.
inline std::string program(const Workplace& place, const std::string& name, const std::string& script) {
    const auto file = place.file(name + ".sh", "#!/bin/sh\n" + script);
    std::filesystem::permissions(file, std::filesystem::perms{0755});
    const auto prefix = "sink." + name + ".";
    return prefix + "type = exec\n" + prefix + "command = " + file.string() + "\n" + prefix + "retry.max_interval = 1s\n";
}

/// A mailbox with a user nobody has used, and mails that have been put into it.
class FilledMailbox {
public:
    explicit FilledMailbox(std::string alias)
        : alias_(std::move(alias)), user_(Surroundings::get().newUser()), reader_(Surroundings::get().reader(user_)) {}
    std::string words(const std::string& sinks, const std::string& after) const {
        return replaced(mailbox(alias_, user_, "c"), "mailbox." + alias_ + ".deliver", sinks) + "mailbox." + alias_ + ".after = " + after + "\n";
    }
    void add(const std::vector<servers::ImapClient::Mail>& mails) {
        for (const auto& mail : mails) digests_.insert(sha256(mail.bytes));
        reader_.append("INBOX", mails);
    }
    std::set<std::string> digests() const { return digests_; }  ///< SHA-256 of all that was put in
    std::size_t size() const { return digests_.size(); }
    std::size_t left() { return reader_.fetch("INBOX").size(); }
    /// Of the mails in a folder, each of which is there once.
    std::set<std::string> in(const std::string& folder) {
        std::set<std::string> all;
        for (const auto& mail : reader_.fetch(folder))
            if (!all.insert(sha256(mail.bytes)).second) throw std::runtime_error("a mail is in " + folder + " twice");
        return all;
    }
    servers::ImapClient& reader() { return reader_; }

private:
    std::string alias_, user_;
    servers::ImapClient reader_;
    std::set<std::string> digests_{};
};

/// What a receiver has taken: SHA-256, each under one id.
inline std::set<std::string> digestsOf(const std::map<std::string, std::string>& taken) {
    std::set<std::string> all;
    for (const auto& [id, digest] : taken)
        if (!all.insert(digest).second) throw std::runtime_error("a mail came under two ids");
    return all;
}

/// One sink in `postern outbox --json`; null when it is owed nothing and never was, or the service has only just begun to make its database.
inline Poco::JSON::Object::Ptr outboxOf(const Workplace& place, const std::string& sink) {
    const auto shown = place.postern({"outbox", "--json"});
    if (shown.status != 0) return nullptr;
    const auto sinks = json(shown.output)->getArray("sinks");
    for (std::size_t i = 0; i < sinks->size(); ++i)
        if (auto one = sinks->getObject(static_cast<unsigned>(i)); one->getValue<std::string>("sink") == sink) return one;
    return nullptr;
}
inline std::size_t waitingFor(const Workplace& place, const std::string& sink) {
    const auto one = outboxOf(place, sink);
    return one ? one->getValue<std::size_t>("waiting") : 0;
}

/// `postern ledger WORDS --json`.
inline std::vector<Poco::JSON::Object::Ptr> ledger(const Workplace& place, std::vector<std::string> words) {
    words.insert(words.begin(), "ledger");
    words.push_back("--json");
    const auto rows = Poco::JSON::Parser{}.parse(place.postern(words).output).extract<Poco::JSON::Array::Ptr>();
    std::vector<Poco::JSON::Object::Ptr> all;
    for (std::size_t i = 0; i < rows->size(); ++i) all.push_back(rows->getObject(static_cast<unsigned>(i)));
    return all;
}

inline std::size_t filesIn(const std::filesystem::path& folder) {
    std::error_code none;
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{folder, none}) ++count;
    return count;
}

}  // namespace systemtest
