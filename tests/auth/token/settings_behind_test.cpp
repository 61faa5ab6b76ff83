#include "auth/settings_behind.h"
#include "auth/token/token_want.h"

#include <catch2/catch.hpp>

namespace {

using Values = std::map<std::string, std::string>;

Values all() {
    return {{"mailbox.a.credential", "c"}, {"mailbox.a.truststore", "t"},    {"mailbox.a.host", "h"},          {"mailbox.b.proxy", "p"},
            {"mailbox.a.keystore", "k"},   {"mailbox.b.keystore", "l"},      {"keystore.k.path", "/k"},        {"keystore.k.password", "${file:/p}"},
            {"keystore.l.path", "/l"},     {"credential.c.truststore", "u"}, {"credential.c.client_id", "id"}, {"credential.other.client_id", "o"},
            {"truststore.t.path", "/t"},   {"truststore.u.path", "/u"},      {"truststore.v.path", "/v"},      {"proxy.p.host", "p"},
            {"proxy.d.host", "d"},         {"proxy.d.default", "true"},      {"proxy.d.truststore", "v"},      {"proxy.fallback_to_direct", "false"}};
}

std::shared_ptr<const plugin::Configuration> snapshot(const Values& values) {
    std::map<std::string, plugin::Configuration::Setting, std::less<>> settings;
    for (const auto& [key, value] : values) settings[key] = {value, {"x", 1}, true};
    return std::make_shared<const plugin::Configuration>(std::move(settings));
}

std::string behind(const Values& values, std::string_view prefix) { return auth::settingsBehind(*snapshot(values), prefix); }

/// Whether a change of this key is a change of what stands under the prefix.
bool counts(const std::string& key, std::string_view prefix) {
    auto changed = all();
    changed[key] += "x";
    return behind(changed, prefix) != behind(all(), prefix);
}

}  // namespace

TEST_CASE("a mailbox depends on its own settings and on all it names, directly or through them", "[reload]") {
    for (const auto* key : {"mailbox.a.host", "mailbox.a.new", "mailbox.a.credential", "credential.c.client_id", "truststore.t.path",
                            "truststore.u.path", "keystore.k.path", "keystore.k.password"}) {
        INFO(key);
        CHECK(counts(key, "mailbox.a."));
    }
    for (const auto* key : {"mailbox.b.host", "credential.other.client_id", "proxy.p.host", "server.threads", "keystore.l.path"}) {
        INFO(key);
        CHECK_FALSE(counts(key, "mailbox.a."));
    }
}

TEST_CASE("what a mailbox names for one of its protocols counts as well", "[reload]") {
    auto values = all();
    values["mailbox.a.graph.credential"] = "other";
    values["mailbox.a.graph.proxy"] = "p";
    for (const auto* key : {"credential.other.client_id", "proxy.p.host", "proxy.d.host"}) {
        INFO(key);
        auto changed = values;
        changed[key] += "x";
        CHECK(behind(changed, "mailbox.a.") != behind(values, "mailbox.a."));
    }
}

TEST_CASE("who names no proxy depends on the default one, who names one does not", "[reload]") {
    for (const auto* key : {"proxy.d.host", "proxy.fallback_to_direct", "truststore.v.path"}) {
        INFO(key);
        CHECK(counts(key, "mailbox.a."));
        CHECK_FALSE(counts(key, "mailbox.b."));
    }
    CHECK(counts("proxy.p.host", "mailbox.b."));
    auto another = all();
    another["proxy.p.default"] = "true";
    CHECK(behind(another, "mailbox.a.") != behind(all(), "mailbox.a."));
}

TEST_CASE("where a setting stands makes no difference, and two settings are not mistaken for one", "[reload]") {
    CHECK(behind(all(), "mailbox.a.").size() == 64);
    CHECK(behind({{"mailbox.a.x", "1"}, {"mailbox.a.y", "2"}}, "mailbox.a.") !=
          behind({{"mailbox.a.x", std::string("1\0mailbox.a.\0y\0002", 17)}}, "mailbox.a."));
}

TEST_CASE("what a credential asks for is read once from a snapshot, and again from the next one", "[reload]") {
    Values values{{"credential.c.grant", "client_credentials"},
                  {"credential.c.client_id", "id"},
                  {"credential.c.client_secret", "${file:/s}"},
                  {"credential.c.scopes", "mail"},
                  {"credential.c.token_endpoint", "https://idp.example/token"}};
    const auto before = snapshot(values);
    values["credential.c.scopes"] = "other";
    values["credential.d.grant"] = "client_credentials";
    const auto after = snapshot(values);
    const auth::Identity one{"c", "u"}, byScope{"c", "u", "own"};
    auth::Wants wants;
    const auto first = wants.of(before, one);
    REQUIRE(first);
    CHECK((*first)->scopes == "mail");
    CHECK(*wants.of(before, one) == *first);
    CHECK((*wants.of(before, byScope))->scopes == "own");
    CHECK_FALSE(wants.of(before, {"e", "u"}));
    const auto next = wants.of(after, one);
    REQUIRE(next);
    CHECK((*next)->scopes == "other");
    CHECK((*wants.of(before, one))->scopes == "mail");  // of a thread that is late
}
