#include "listener/engine/alert_settings.h"

#include "auth/access.h"
#include "plugin/host/validation.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace listener;

namespace {

const std::string complete = "alert.ops.type = http\nalert.ops.url = https://hooks.example/postern\n";

plugin::host::Validated validated(const std::string& text) {
    plugin::host::Rules rules;
    rules.keys = alertKeys();
    for (auto& key : auth::keys()) rules.keys.push_back(std::move(key));
    rules.checks = {checkAlerts, auth::check};
    rules.workingDirectory = "/srv";
    return plugin::host::validate(plugin::host::parseProperties(text, "test.properties"), rules);
}

/// "PO-1006 alert.ops.on", sorted: what a configuration is told.
std::vector<std::string> problems(const std::string& text) {
    std::vector<std::string> found;
    for (const auto& problem : validated(text).problems) found.push_back(plugin::codeName(problem.code) + " " + problem.key);
    std::sort(found.begin(), found.end());
    return found;
}

using Told = std::vector<std::string>;

}  // namespace

SCENARIO("an alert needs no more than where it goes", "[settings]") {
    const auto result = validated(complete + "alert.pager.type = exec\nalert.pager.command = /usr/bin/page 'on call'\n");
    REQUIRE(result.problems.empty());
    const auto all = alertSettings(*result.configuration);
    REQUIRE(all.size() == 2);
    REQUIRE(all[0].name == "ops");
    REQUIRE(all[0].type == AlertSettings::Type::http);
    REQUIRE(all[0].url == "https://hooks.example/postern");
    REQUIRE(all[0].kinds.empty());
    REQUIRE(all[0].timeout == std::chrono::seconds(10));
    REQUIRE(all[1].type == AlertSettings::Type::exec);
    REQUIRE(all[1].command == std::vector<std::string>{"/usr/bin/page", "on call"});
}

SCENARIO("settings of alerts are taken as written", "[settings]") {
    const auto result =
        validated(complete +
                  "truststore.corp.path = /etc/corp.pem\nproxy.out.type = http\nproxy.out.host = proxy.example\nproxy.out.port = 3128\n"
                  "alert.ops.on = mailbox-blocked, sink-disabled\nalert.ops.timeout = 3s\nalert.ops.headers.X-Api-Key = ${file:/run/key}\n"
                  "alert.ops.signing_secret = ${file:/run/hook}\nalert.ops.truststore = corp\nalert.ops.proxy = out\n");
    REQUIRE(result.problems.empty());
    const auto ops = alertSettings(*result.configuration).front();
    REQUIRE(ops.kinds == std::set<std::string, std::less<>>{"mailbox-blocked", "sink-disabled"});
    REQUIRE(ops.timeout == std::chrono::seconds(3));
    REQUIRE(ops.headers == std::map<std::string, std::string>{{"X-Api-Key", "${file:/run/key}"}});
    REQUIRE(ops.signingSecret == "${file:/run/hook}");
    REQUIRE(ops.truststore == "corp");
    REQUIRE(ops.proxy == "out");
    REQUIRE(ops == alertSettings(*result.configuration).front());
}

SCENARIO("an alert that could never be told is refused before anything runs", "[settings]") {
    REQUIRE(problems("alert.ops.url = https://hooks.example/\n") == Told{"PO-1005 alert.ops.type"});
    REQUIRE(problems("alert.ops.type = http\n") == Told{"PO-1005 alert.ops.url"});
    REQUIRE(problems("alert.ops.type = exec\n") == Told{"PO-1005 alert.ops.command"});
    REQUIRE(problems("alert.ops.type = mail\n") == Told{"PO-1006 alert.ops.type"});
    REQUIRE(problems("alert.ops.type = exec\nalert.ops.command = page\n") == Told{"PO-1006 alert.ops.command"});
    REQUIRE(problems("alert.ops.type = http\nalert.ops.url = http://hooks.example/\n") == Told{"PO-1012 alert.ops.url"});
    REQUIRE(problems(complete + "alert.ops.on = mailbox-blocked, mailbox-tired\n") == Told{"PO-1006 alert.ops.on"});
    REQUIRE(problems(complete + "alert.ops.on = ,\n") == Told{"PO-1006 alert.ops.on"});
    REQUIRE(problems(complete + "alert.ops.timeout = 0s\n") == Told{"PO-1006 alert.ops.timeout"});
    REQUIRE(problems(complete + "alert.ops.proxy = nobody\nalert.ops.truststore = nobody\n") ==
            Told{"PO-1008 alert.ops.proxy", "PO-1008 alert.ops.truststore"});
    REQUIRE(problems(complete + "alert.ops.headers.X@Key = a\nalert.ops.headers.Idempotency-key = a\nalert.ops.headers.HOST = a\n") ==
            Told{"PO-1006 alert.ops.headers.HOST", "PO-1006 alert.ops.headers.Idempotency-key", "PO-1006 alert.ops.headers.X@Key"});
    REQUIRE(problems(complete + "alert.ops.signing_secret = whsec_AAAA\n") == Told{"PO-1010 alert.ops.signing_secret"});
    REQUIRE(problems(complete + "alert.ops.signing_secret = whsec_\n") ==
            Told{"PO-1006 alert.ops.signing_secret", "PO-1010 alert.ops.signing_secret"});
}

SCENARIO("keys of the other type are named", "[settings]") {
    REQUIRE(problems(complete + "alert.ops.command = /usr/bin/page\n") == Told{"PO-1013 alert.ops.command"});
    REQUIRE(problems("truststore.corp.path = /c\nalert.p.type = exec\nalert.p.command = /usr/bin/page\nalert.p.url = https://hooks.example/\n"
                     "alert.p.headers.X-Key = a\nalert.p.truststore = corp\nalert.p.signing_secret = ${file:/s}\n") ==
            Told{"PO-1013 alert.p.headers.X-Key", "PO-1013 alert.p.signing_secret", "PO-1013 alert.p.truststore", "PO-1013 alert.p.url"});
}
