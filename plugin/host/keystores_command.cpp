#include "plugin/host/keystores_command.h"

#include "auth/endings.h"
#include "auth/keystore/configured_keystore.h"
#include "auth/keystore/key_description.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/log.h"
#include "plugin/contract/text.h"
#include "plugin/host/record.h"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

namespace plugin::host {

namespace {

struct Loaded {
    std::string alias, type, path;
    Result<auth::Keystore> keys;
};

Loaded load(const Configuration& configuration, const std::string& alias, auth::SecretReader& secrets) {
    const auto prefix = "keystore." + alias + ".";
    return {alias, configuration.text(prefix + "type"), configuration.text(prefix + "path"), auth::configuredKeystore(configuration, alias, secrets)};
}

std::string json(const auth::KeyDescription& key, std::size_t chain, Wall now) {
    const auto stage = auth::daysReached(key.ends, now);
    return "{\"key\": " + jsonText(key.alias) + ", \"subject\": " + jsonText(key.subject) + ", \"issuer\": " + jsonText(key.issuer) +
           ", \"not_before\": " + jsonText(utcText(key.begins)) + ", \"not_after\": " + jsonText(utcText(key.ends)) +
           ", \"within_days\": " + (stage ? std::to_string(*stage) : "null") + ", \"type\": " + jsonText(key.type) +
           ", \"sha1\": " + jsonText(key.sha1) + ", \"sha256\": " + jsonText(key.sha256) + ", \"chain\": " + std::to_string(chain) + "}";
}

void writeJson(const std::vector<Loaded>& all, Wall now, std::ostream& out) {
    out << "[";
    const char* separator = "";
    for (const auto& each : all) {
        out << separator << "{\"keystore\": " << jsonText(each.alias) << ", \"type\": " << jsonText(each.type)
            << ", \"path\": " << jsonText(each.path) << ", \"state\": " << (each.keys ? "\"loaded\"" : "\"failed\"")
            << ", \"error\": " << (each.keys ? "null" : jsonText(describe(each.keys.error()))) << ", \"keys\": [";
        if (each.keys)
            for (std::size_t i = 0; i < each.keys->size(); ++i)
                out << (i == 0 ? "" : ", ") << json(auth::describe((*each.keys)[i]), (*each.keys)[i].chain.size(), now);
        out << "]}";
        separator = ",\n ";
    }
    out << "]\n";
}

void writeText(const std::vector<Loaded>& all, Wall now, std::ostream& out) {
    if (all.empty()) out << "no keystores\n";
    for (const auto& each : all) {
        out << each.alias << "  " << each.type << "  " << printable(each.path, 4096) << "  " << (each.keys ? "loaded" : "failed") << '\n';
        if (!each.keys) {
            out << "  " << describe(each.keys.error()) << '\n';
            continue;
        }
        for (const auto& entry : *each.keys) {
            const auto key = auth::describe(entry);
            out << "  " << (key.alias.empty() ? "(without a name)" : printable(key.alias, 200)) << '\n';
            const auto row = [&](const char* name, const std::string& value) { out << "    " << name << printable(value, 500) << '\n'; };
            row("subject  ", key.subject);
            row("issuer   ", key.issuer);
            row("expires  ", utcText(key.ends) + untilThen(key.ends, now));
            row("key      ", key.type);
            row("SHA-1    ", key.sha1);
            row("SHA-256  ", key.sha256);
        }
    }
}

Result<int> showCertificate(const Configuration& configuration, const Loaded& from, const std::string& key, bool asJson, std::ostream& out) {
    const auto found = from.keys ? auth::keyCalled(*from.keys, key, auth::keystoreName(configuration, from.alias)) : from.keys.error();
    if (!found) return found.error();
    const auto pem = auth::pemOf(*found->certificate);
    if (asJson)
        out << "{\"keystore\": " << jsonText(from.alias) << ", \"key\": " << jsonText(found->alias) << ", \"certificate\": " << jsonText(pem)
            << "}\n";
    else
        out << pem;
    return exits::ok;
}

}  // namespace

Result<int> showKeystores(const Configuration& configuration, auth::SecretReader& secrets, const KeystoresArguments& arguments, Wall now, bool asJson,
                          std::ostream& out) {
    auto aliases = configuration.aliases("keystore");
    if (!arguments.alias.empty()) {
        if (std::find(aliases.begin(), aliases.end(), arguments.alias) == aliases.end())
            return Error{Reaction::askOperator, Code::configUnknownReference, "there is no keystore " + printable(arguments.alias, 64)};
        aliases = {arguments.alias};
    }
    std::vector<Loaded> all;
    for (const auto& alias : aliases) all.push_back(load(configuration, alias, secrets));
    if (arguments.certificate) return showCertificate(configuration, all.front(), *arguments.certificate, asJson, out);
    asJson ? writeJson(all, now, out) : writeText(all, now, out);
    const bool failed = std::any_of(all.begin(), all.end(), [](const Loaded& each) { return !each.keys; });
    return failed ? exits::config : exits::ok;
}

}  // namespace plugin::host
