#include "listener/engine/sink_settings.h"

#include <algorithm>
#include <charconv>

namespace listener {

using plugin::Code;
using plugin::Configuration;
using plugin::Key;
using plugin::KeyType;
using plugin::Problem;

namespace {

using namespace std::chrono_literals;

std::optional<std::string> modeForm(std::string_view text) {
    unsigned mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error == std::errc{} && end == text.data() + text.size() && mode <= 0777 && (mode & 0600) == 0600) return std::nullopt;
    return "must be an octal file mode that lets the owner read and write, as 0640";
}

std::optional<std::string> giveUpForm(std::string_view text) {
    if (text == "never") return std::nullopt;
    const auto time = plugin::parseDuration(text);
    if (time && *time >= 1s) return std::nullopt;
    return "must be never, or a time of at least a second with its unit: 30m, 7d";
}

std::optional<std::string> commandForm(std::string_view text) {
    if (plugin::parseCommand(text)) return std::nullopt;
    return "must begin with the absolute path of a program; quotes must be closed";
}

Key planned(std::string pattern, std::string doc) {
    Key key{.pattern = std::move(pattern), .doc = std::move(doc)};
    key.planned = true;
    return key;
}

void addCommonKeys(std::vector<Key>& keys) {
    const auto add = [&](Key key) { keys.push_back(std::move(key)); };
    add({.pattern = "sink.<name>.type",
         .type = KeyType::choice,
         .required = true,
         .doc = "spool: a directory; http: a webhook; exec: a program",
         .choices = {"spool", "http", "exec"},
         .later = {"lmtp", "smtp", "amqp", "kafka"}});
    add({.pattern = "sink.<name>.metadata",
         .type = KeyType::choice,
         .fallback = "json",
         .doc = "spool: what is known of the message, as a file beside it",
         .choices = {"json", "none"}});
    add({.pattern = "sink.<name>.max_size", .type = KeyType::size, .doc = "larger messages do not go to this sink as they are; none: no limit"});
    add({.pattern = "sink.<name>.oversize",
         .type = KeyType::choice,
         .fallback = "quarantine",
         .doc = "what becomes of those: quarantine: set aside and shown; reference: http and exec are told where the message lies",
         .choices = {"quarantine", "reference"}});
    add({.pattern = "sink.<name>.concurrency", .type = KeyType::integer, .doc = "calls at a time (4)", .minimum = 1, .maximum = 64});
    add({.pattern = "sink.<name>.timeout",
         .type = KeyType::duration,
         .fallback = "60s",
         .doc = "what has no answer by then is tried again",
         .minimum = 1,
         .maximum = 3600});
    add({.pattern = "sink.<name>.retry.max_interval",
         .type = KeyType::duration,
         .fallback = "15m",
         .doc = "the longest pause between two attempts",
         .minimum = 1,
         .maximum = 86'400});
    add({.pattern = "sink.<name>.retry.give_up",
         .fallback = "never",
         .doc = "so long after the first refusal a delivery is dead; never: it is tried for ever",
         .form = giveUpForm});
}

void addSpoolKeys(std::vector<Key>& keys) {
    const auto add = [&](Key key) { keys.push_back(std::move(key)); };
    add({.pattern = "sink.<name>.path", .type = KeyType::path, .doc = "spool: the directory, made when missing"});
    add({.pattern = "sink.<name>.layout",
         .type = KeyType::choice,
         .fallback = "eml",
         .doc = "spool: one file a message",
         .choices = {"eml"},
         .later = {"maildir"}});
    add({.pattern = "sink.<name>.mode", .fallback = "0640", .doc = "spool: permissions of the files, octal", .form = modeForm});
}

void addHttpKeys(std::vector<Key>& keys) {
    const auto add = [&](Key key) { keys.push_back(std::move(key)); };
    add({.pattern = "sink.<name>.url", .type = KeyType::url, .doc = "http: where each message is POSTed to"});
    add({.pattern = "sink.<name>.format",
         .type = KeyType::choice,
         .fallback = "raw",
         .doc = "http: raw: the exact bytes as message/rfc822",
         .choices = {"raw"},
         .later = {"json"}});
    add({.pattern = "sink.<name>.headers.<h>", .type = KeyType::maybeSecret, .doc = "http: a further header; ${file:...} and the like are read"});
    add({.pattern = "sink.<name>.signing_secret", .type = KeyType::secret, .doc = "http: signs each request as Standard Webhooks says (whsec_...)"});
    add({.pattern = "sink.<name>.credential", .reference = "credential", .doc = "http: whose token is sent as Authorization: Bearer"});
    add({.pattern = "sink.<name>.proxy", .reference = "proxy", .doc = "http: proxy alias; none: the default one, if there is one"});
    add({.pattern = "sink.<name>.truststore", .reference = "truststore", .doc = "http: whose certificates to trust instead of the system's roots"});
    add({.pattern = "sink.<name>.keystore", .reference = "keystore", .doc = "http: keystore alias of the client certificate"});
    add({.pattern = "sink.<name>.key_alias", .doc = "http: which key of that keystore, where it holds several"});
}

/// Keys that mean something to one type of sink only.
constexpr std::pair<std::string_view, std::string_view> owners[] = {
    {"path", "spool"},          {"layout", "spool"},    {"mode", "spool"},    {"url", "http"},        {"format", "http"},
    {"signing_secret", "http"}, {"credential", "http"}, {"proxy", "http"},    {"truststore", "http"}, {"keystore", "http"},
    {"key_alias", "http"},      {"command", "exec"},    {"metadata", "spool"}};

class SinkCheck {
public:
    SinkCheck(const Configuration& configuration, const std::string& name, std::vector<Problem>& problems)
        : configuration_(configuration), prefix_("sink." + name + "."), type_(configuration.text(prefix_ + "type")), problems_(problems) {}

    void run() {
        if (type_ == "spool") needs("path");
        if (type_ == "http") needs("url");
        if (type_ == "exec") needs("command");
        for (const auto& [key, owner] : owners)
            if (type_ != owner && given(key))
                report(key, Code::configConflict, "means nothing to a sink of type " + type_ + ": it belongs to type " + std::string(owner));
        if (type_ != "http" && !configuration_.below(prefix_ + "headers.").empty())
            report("headers." + configuration_.below(prefix_ + "headers.").begin()->first, Code::configConflict,
                   "means nothing to a sink of type " + type_ + ": it belongs to type http");
        if (type_ == "http")
            for (const auto& [header, value] : configuration_.below(prefix_ + "headers."))
                if (const auto wrong = headerProblem(header, given("credential"))) report("headers." + header, Code::configBadValue, *wrong);
        if (type_ == "spool" && configuration_.text(prefix_ + "oversize") == "reference")
            report("oversize", Code::configConflict, "reference is for http and exec: a spool holds files anyway");
        if (given("key_alias") && !given("keystore")) report("key_alias", Code::configConflict, "names a key, but there is no .keystore");
    }

private:
    bool given(std::string_view key) const {
        const auto found = configuration_.settings().find(prefix_ + std::string(key));
        return found != configuration_.settings().end() && found->second.given;
    }
    void needs(std::string_view key) {
        if (configuration_.text(prefix_ + std::string(key)).empty())
            problems_.push_back({Problem::Severity::error, Code::configMissingKey, prefix_ + std::string(key),
                                 "is mandatory for a sink of type " + type_, configuration_.place(prefix_ + "type")});
    }
    void report(std::string_view key, Code code, std::string what) {
        const auto whole = prefix_ + std::string(key);
        problems_.push_back({Problem::Severity::error, code, whole, std::move(what), configuration_.place(whole)});
    }

    const Configuration& configuration_;
    std::string prefix_, type_;
    std::vector<Problem>& problems_;
};

}  // namespace

std::vector<Key> sinkKeys() {
    std::vector<Key> all;
    addCommonKeys(all);
    addSpoolKeys(all);
    addHttpKeys(all);
    all.push_back(
        {.pattern = "sink.<name>.command", .doc = "exec: the program, an absolute path, and its arguments by blanks; no shell", .form = commandForm});
    for (const auto* name : {"host", "port", "tls", "from", "to", "exchange", "routing_key", "brokers", "topic"})
        all.push_back(planned(std::string("sink.<name>.") + name, "not in this version"));
    return all;
}

void checkSinks(const Configuration& configuration, std::vector<Problem>& problems) {
    std::vector<std::pair<std::string, std::string>> paths;
    for (const auto& name : configuration.aliases("sink")) {
        SinkCheck(configuration, name, problems).run();
        const auto key = "sink." + name + ".path";
        const auto path = configuration.text(key);
        if (path.empty() || configuration.text("sink." + name + ".type") != "spool") continue;
        for (const auto& [other, taken] : paths)
            if (taken == path)
                problems.push_back({Problem::Severity::error, Code::configConflict, key,
                                    "is the directory of sink " + other + " too: each message would be written by one and found there by the other",
                                    configuration.place(key)});
        paths.emplace_back(name, path);
    }
}

SinkSettings sinkSettings(const Configuration& configuration, const std::string& name) {
    const auto prefix = "sink." + name + ".";
    const auto type = configuration.text(prefix + "type");
    SinkSettings settings;
    settings.name = name;
    settings.type = type == "http" ? SinkSettings::Type::http : type == "exec" ? SinkSettings::Type::exec : SinkSettings::Type::spool;
    settings.concurrency = configuration.has(prefix + "concurrency") ? static_cast<std::size_t>(configuration.integer(prefix + "concurrency")) : 4;
    settings.timeout = configuration.duration(prefix + "timeout");
    settings.retryMaxInterval = configuration.duration(prefix + "retry.max_interval");
    settings.giveUp = plugin::parseDuration(configuration.text(prefix + "retry.give_up"));
    if (configuration.has(prefix + "max_size")) settings.maxSize = configuration.size(prefix + "max_size");
    if (configuration.text(prefix + "oversize") == "reference") settings.oversize = SinkSettings::Oversize::reference;
    return settings;
}

SpoolSettings spoolSettings(const Configuration& configuration, const std::string& name) {
    const auto prefix = "sink." + name + ".";
    SpoolSettings settings;
    settings.name = name;
    settings.path = configuration.text(prefix + "path");
    settings.metadata = configuration.text(prefix + "metadata") != "none";
    const auto mode = configuration.text(prefix + "mode");
    std::from_chars(mode.data(), mode.data() + mode.size(), settings.mode, 8);
    return settings;
}

HttpSettings httpSettings(const Configuration& configuration, const std::string& name) {
    const auto prefix = "sink." + name + ".";
    const auto text = [&](const char* key) { return configuration.text(prefix + key); };
    HttpSettings settings;
    settings.name = name;
    settings.url = text("url");
    settings.headers = configuration.below(prefix + "headers.");
    settings.signingSecret = text("signing_secret");
    settings.credential = text("credential");
    settings.proxy = text("proxy");
    settings.truststore = text("truststore");
    settings.keystore = text("keystore");
    settings.keyAlias = text("key_alias");
    return settings;
}

ExecSettings execSettings(const Configuration& configuration, const std::string& name) {
    return {name, *plugin::parseCommand(configuration.text("sink." + name + ".command"))};
}

}  // namespace listener
