#include "plugin/host/known_keys.h"

#include "plugin/host/nearest.h"

#include <catch2/catch.hpp>

using plugin::Key;
using plugin::host::badAlias;
using plugin::host::KnownKeys;

namespace {

std::vector<Key> keys() {
    std::vector<Key> all;
    for (const char* pattern :
         {"server.data", "server.name", "mailbox.<alias>.host", "mailbox.<alias>.folders", "mailbox.<alias>.timeout.connect",
          "mailbox.<alias>.max_per_round", "mailbox.<alias>.rule.<n>", "sink.<name>.headers.<h>", "sink.<name>.path", "proxy.fallback_to_direct",
          "proxy.<alias>.host", "credential.<name>.client_secret", "credential.<name>.client_secret_next"})
        all.push_back(Key{.pattern = pattern});
    for (auto& key : all) key.planned = key.pattern.starts_with("proxy");
    return all;
}

}  // namespace

SCENARIO("a written key is found by its pattern", "[known-keys]") {
    const KnownKeys known(keys());
    struct Row {
        std::string key, pattern, alias;
    };
    const auto row = GENERATE(values<Row>({
        {"server.data", "server.data", ""},
        {"mailbox.office.host", "mailbox.<alias>.host", "office"},
        {"mailbox.a.timeout.connect", "mailbox.<alias>.timeout.connect", "a"},
        {"mailbox.a.rule.10", "mailbox.<alias>.rule.<n>", "a"},
        {"sink.s.headers.X-Api.Version", "sink.<name>.headers.<h>", "s"},
        {"mailbox.my box.host", "mailbox.<alias>.host", "my box"},
        {"mailbox.my.box.host", "mailbox.<alias>.host", "my.box"},
        {"mailbox..host", "mailbox.<alias>.host", ""},
        {"mailbox.a.rule.x", "", ""},
        {"sink.s.headers", "", ""},
        {"mailbox.host", "", ""},
        {"Server.data", "", ""},
        {"server", "", ""},
        {"", "", ""},
    }));
    GIVEN(row.key) {
        const auto match = known.match(row.key);
        THEN("the pattern is \"" + row.pattern + "\"") {
            REQUIRE((match ? match->key->pattern : "") == row.pattern);
            REQUIRE((match ? match->alias : "") == row.alias);
        }
    }
}

SCENARIO("the nearest known key is the one that was meant", "[known-keys]") {
    const KnownKeys known(keys());
    struct Row {
        std::string written, meant;
    };
    const auto row = GENERATE(values<Row>({
        {"mailbox.office.hots", "mailbox.office.host"},
        {"mailbox.office.fodlers", "mailbox.office.folders"},
        {"mailboxes.office.host", "mailbox.office.host"},
        {"mailbox.host", "mailbox.<alias>.host"},
        {"mailbox.office.timeout.conect", "mailbox.office.timeout.connect"},
        {"mailbox.office.timeout", ""},
        {"mailbox.a-very-long-alias-that-costs-nothing.hst", "mailbox.a-very-long-alias-that-costs-nothing.host"},
        {"credential.m.client_secert", "credential.m.client_secret"},
        {"Server.data", "server.data"},
        {"sink.s.header.X-Key", "sink.s.headers.X-Key"},
        {"mailbox.office.xyz", ""},
        {"completely.different", ""},
        {"proxy.corp.hots", ""},  // planned keys are not advised
        {"a.b.c.d.e.f.g.h.i.j.k", ""},
    }));
    GIVEN(row.written) {
        THEN("it is \"" + row.meant + "\"") { REQUIRE(known.nearest(row.written) == row.meant); }
    }
}

SCENARIO("a group whose keys are all planned is planned", "[known-keys]") {
    const KnownKeys known(keys());
    REQUIRE(known.isPlannedGroup("proxy.corp.whatever"));
    REQUIRE_FALSE(known.isPlannedGroup("mailbox.a.whatever"));
    REQUIRE_FALSE(known.isPlannedGroup("nobody.a.whatever"));
}

SCENARIO("a bad alias is refused by its character", "[known-keys]") {
    struct Row {
        std::string alias, what;
    };
    const auto row = GENERATE(values<Row>({
        {"my box", "holds a blank"},
        {"my.box", "holds '.'"},
        {"b\xC3\xBCro", "holds '\xC3\xBC'"},
        {"a\tb", "holds the control character 0x09"},
        {"a/b", "holds '/'"},
        {"", "is empty"},
        {std::string(65, 'a'), "65 characters"},
    }));
    GIVEN("\"" + row.alias + "\"") {
        THEN("the text says: " + row.what) { REQUIRE_THAT(badAlias(row.alias).value_or("nothing"), Catch::Contains(row.what)); }
    }
    REQUIRE_FALSE(badAlias("Office_2-b"));
    REQUIRE_FALSE(badAlias(std::string(64, 'a')));
}

SCENARIO("edits are counted, a swap as one", "[known-keys]") {
    using plugin::host::editDistance;
    REQUIRE(editDistance("host", "host") == 0);
    REQUIRE(editDistance("hots", "host") == 1);
    REQUIRE(editDistance("", "abc") == 3);
    REQUIRE(editDistance("kitten", "sitting") == 3);
    REQUIRE(plugin::host::nearest("informaton", {"debug", "information"}) == "information");
    REQUIRE(plugin::host::nearest("verbose", {"debug", "trace"}).empty());
}
