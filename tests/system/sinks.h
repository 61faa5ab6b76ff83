#pragma once

#include "tests/servers/webhook_receiver.h"
#include "tests/system/postbox.h"

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
