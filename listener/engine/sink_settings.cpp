#include "listener/engine/sink_settings.h"

#include "listener/engine/type_check.h"

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

void checkSink(TypeCheck sink) {
    const auto& type = sink.type();
    if (type == "spool") sink.needs("path");
    if (type == "http") sink.needs("url");
    if (type == "exec") sink.needs("command");
    sink.owned(owners);
    sink.checkSigningSecret();
    for (const auto& [header, value] : sink.below("headers.")) {
        if (type != "http")
            sink.foreign("headers." + header, "http");
        else if (const auto wrong = headerProblem(header, sink.given("credential")))
            sink.report("headers." + header, Code::configBadValue, *wrong);
    }
    if (type == "spool" && sink.text("oversize") == "reference")
        sink.report("oversize", Code::configConflict, "reference is for http and exec: a spool holds files anyway");
    if (sink.given("key_alias") && !sink.given("keystore")) sink.report("key_alias", Code::configConflict, "names a key, but there is no .keystore");
}

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
        checkSink({configuration, "sink", name, "a sink", problems});
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
