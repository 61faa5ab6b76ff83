#include "tests/listener/alerting/alert_world.h"

#include "listener/delivery/webhook_signature.h"

using namespace alert_test;

namespace {

AlertSettings program(std::string name) {
    AlertSettings settings;
    settings.name = std::move(name);
    settings.type = AlertSettings::Type::exec;
    settings.command = {"/usr/bin/page", "ops"};
    return settings;
}

const std::string raisedPayload =
    R"({"version":1,"alert":"mailbox-blocked","state":"raised","subject":"orders","code":"PO-4002","text":"the mailbox refused the \"sign-in\"",)"
    R"("next":"check .user, the scopes of the token and the rights of the application on this mailbox",)"
    R"("since":"2026-10-26T07:33:20Z","at":"2026-10-26T07:33:20Z","instance":"mail-in-1"})";
const std::string clearedPayload =
    R"({"version":1,"alert":"mailbox-blocked","state":"cleared","subject":"orders","code":"PO-4002","text":"the mailbox refused the \"sign-in\"",)"
    R"("next":"","since":"2026-10-26T07:33:20Z","at":"2026-10-26T07:33:25Z","instance":"mail-in-1"})";

Condition quoted() {
    auto condition = blocked("orders");
    condition.what = "the mailbox refused the \"sign-in\"";
    return condition;
}

}  // namespace

SCENARIO("a webhook is told in JSON, under a key of its own", "[alerts]") {
    World world;
    auto settings = hook("ops");
    settings.headers = {{"X-Api-Key", "$${1}"}};
    Life life(world, {settings}, {quoted()});
    life.pass(4500ms);
    life.be({});
    REQUIRE(world.hook.calls.size() == 2);
    const auto& request = world.hook.calls.front().request;
    REQUIRE(request.starts_with("POST /alerts HTTP/1.1\r\nHost: hook.example\r\n"));
    REQUIRE(Hook::field(request, "Content-Type") == "application/json");
    REQUIRE(Hook::field(request, "X-Api-Key") == "${1}");
    REQUIRE(Hook::body(request) == raisedPayload);
    REQUIRE(Hook::body(world.hook.calls.back().request) == clearedPayload);
    const auto first = Hook::field(request, "Idempotency-Key");
    REQUIRE(first.size() == 32);
    REQUIRE(first != Hook::field(world.hook.calls.back().request, "Idempotency-Key"));
}

SCENARIO("a webhook with a signing secret is signed, anew for each attempt", "[alerts]") {
    World world;
    world.hook.status = 503;
    auto settings = hook("ops");
    settings.signingSecret = "whsec_c2VjcmV0";
    Life life(world, {settings}, {quoted()});
    life.pass(2500ms);
    REQUIRE(world.hook.calls.size() == 2);
    std::set<std::string> timestamps;
    for (const auto& [request, answered] : world.hook.calls) {
        REQUIRE(Hook::field(request, "webhook-id") == Hook::field(request, "Idempotency-Key"));
        const auto timestamp = Hook::field(request, "webhook-timestamp");
        timestamps.insert(timestamp);
        WebhookSigner signer(*webhookKeys(auth::Secret(settings.signingSecret)), Hook::field(request, "webhook-id"), std::stoll(timestamp));
        signer.update(raisedPayload);
        REQUIRE(Hook::field(request, "webhook-signature") == signer.finish());
    }
    REQUIRE(timestamps.size() == 2);
}

SCENARIO("a signing secret that is none is told without showing it", "[alerts]") {
    World world;
    auto settings = hook("ops");
    settings.signingSecret = "whsec_hunter2!";
    Life life(world, {settings}, {blocked("orders")});
    life.pass(100s);
    REQUIRE(world.hook.calls.empty());
    REQUIRE(world.logged("PO-6012") == 1);
    REQUIRE(world.logged("hunter2") == 0);
}

SCENARIO("a program is told in its environment and on its standard input", "[alerts]") {
    World world;
    Life life(world, {program("pager")}, {quoted()});
    life.pass(4500ms);
    life.be({});
    REQUIRE(world.programs.runs.size() == 2);
    const auto& run = world.programs.runs.front();
    REQUIRE(run.words == std::vector<std::string>{"/usr/bin/page", "ops"});
    REQUIRE(*run.input.inMemory() == raisedPayload);
    const std::map<std::string, std::string> expected{
        {"POSTERN_ALERT", "mailbox-blocked"},
        {"POSTERN_ALERT_STATE", "raised"},
        {"POSTERN_ALERT_SUBJECT", "orders"},
        {"POSTERN_ALERT_CODE", "PO-4002"},
        {"POSTERN_ALERT_TEXT", "the mailbox refused the \"sign-in\""},
        {"POSTERN_ALERT_NEXT", "check .user, the scopes of the token and the rights of the application on this mailbox"},
        {"POSTERN_ALERT_SINCE", "2026-10-26T07:33:20Z"}};
    REQUIRE(run.environment == expected);
    REQUIRE(world.programs.runs.back().environment.at("POSTERN_ALERT_STATE") == "cleared");
    REQUIRE(world.programs.runs.back().environment.at("POSTERN_ALERT_NEXT").empty());
    REQUIRE(*world.programs.runs.back().input.inMemory() == clearedPayload);
}

SCENARIO("only exit status 0 is told", "[alerts]") {
    World world;
    world.programs.status = GENERATE(0, 1);
    world.programs.signal = world.programs.status == 0 ? 9 : 0;
    Life life(world, {program("pager")}, {blocked("orders")});
    life.pass(10s);
    REQUIRE(world.programs.runs.size() == 4);
    REQUIRE(world.logged(world.programs.status == 0 ? "ended by signal 9" : "ended with status 1") == 1);
    world.programs.status = world.programs.signal = 0;
    life.pass(1h);
    REQUIRE(world.programs.runs.size() == 5);
}

SCENARIO("only 2xx is told", "[alerts]") {
    World world;
    world.hook.status = GENERATE(301, 404, 503);
    Life life(world, {hook("ops")}, {blocked("orders")});
    life.pass(5s);
    REQUIRE(world.hook.calls.size() == 3);
    REQUIRE(world.logged("PO-6012 alert ops: the answer has the HTTP status " + std::to_string(world.hook.status)) == 1);
    world.hook.status = 202;
    life.pass(1h);
    REQUIRE(world.hook.told() == Told{"raised orders"});
    REQUIRE(world.hook.calls.size() == 4);
}

SCENARIO("a receiver that never answers is tried again when its time is over", "[alerts]") {
    World world;
    world.hook.status = 0;
    Life life(world, {hook("ops")}, {blocked("orders")});
    life.pass(9s);
    REQUIRE(world.hook.calls.size() == 1);
    world.hook.status = 200;
    life.pass(4s);
    REQUIRE(world.hook.told() == Told{"raised orders"});
}

SCENARIO("a secret that cannot be read or cannot be a header is told without its value", "[alerts]") {
    World world;
    auto settings = hook("ops");
    const bool missing = GENERATE(true, false);
    settings.headers = {{"X-Api-Key", missing ? "${file:/nowhere/key}" : "hunter2\r\nX-Forged: yes"}};
    Life life(world, {settings}, {blocked("orders")});
    life.pass(100s);
    REQUIRE(world.hook.calls.empty());
    REQUIRE(world.logged("PO-6012") == 1);
    REQUIRE(world.logged(missing ? "/nowhere/key" : "header X-Api-Key") == 1);
    REQUIRE(world.logged("hunter2") == 0);
}
