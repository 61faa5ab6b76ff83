#include "auth/sealing.h"
#include "auth/sasl/base64.h"
#include "fakes.h"
#include "seal_key_in_memory.h"

#include <catch2/catch.hpp>

using namespace auth;
using plugin::Code;
using plugin::Reaction;

namespace {

const std::string keyText(64, 'a');
SealKey key(const std::string& text = keyText) { return *SealKey::parse(text); }

/// Another octet with each call.
class Counting final : public plugin::Random {
public:
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) byte = ++last_;
    }

private:
    std::uint8_t last_ = 0;
};

struct World {
    fakes::SecretReader secrets{};
    SealKeyInMemory file{};
    Counting random{};
    std::string source{};
    Sealer sealer() {
        return Sealer({std::make_shared<const plugin::Configuration>(fakes::configuration({{"server.seal_key", source}})), secrets, &file, random});
    }
};

}  // namespace

SCENARIO("what is sealed is opened with the same key, for what it was bound to", "[sealing]") {
    Counting random;
    const auto plain = GENERATE(as<std::string>{}, "", "x", "a refresh token of some length", std::string(70'000, '\xff'), std::string("a\0b", 3));
    const auto sealed = key().seal(plain, "auth_grant/a", random);
    CHECK(sealedWith(sealed) == key().id());
    const auto opened = key().open(sealed, "auth_grant/a");
    REQUIRE(opened);
    CHECK(opened->reveal() == plain);
    THEN("not for anything else, and not with another key") {
        CHECK_FALSE(key().open(sealed, "auth_grant/b"));
        CHECK_FALSE(key().open(sealed, ""));
        CHECK_FALSE(key(std::string(63, 'a') + "b").open(sealed, "auth_grant/a"));
    }
    THEN("each sealing has a nonce of its own") { CHECK(key().seal(plain, "auth_grant/a", random) != sealed); }
    if (plain.size() > 8) {
        THEN("the plain text is nowhere in it") { CHECK(sealed.find(plain.substr(0, 8)) == std::string::npos); }
    }
}

SCENARIO("a changed or shortened value is not opened, wherever the change is", "[sealing]") {
    Counting random;
    const auto sealed = key().seal("secret", "here", random);
    for (std::size_t at = 0; at < sealed.size(); ++at) {
        auto changed = sealed;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        INFO("octet " << at);
        CHECK_FALSE(key().open(changed, "here"));
        CHECK_FALSE(key().open(sealed.substr(0, at), "here"));
    }
    CHECK_FALSE(key().open(sealed + "x", "here"));
}

SCENARIO("a key is 64 hexadecimal digits", "[sealing]") {
    CHECK(SealKey::parse(keyText + "\n"));
    CHECK(SealKey::parse(keyText + "\r\n"));
    CHECK(SealKey::parse(std::string(64, 'A'))->id() == key().id());
    for (const auto& bad : {std::string(), std::string(63, 'a'), std::string(65, 'a'), std::string(63, 'a') + "g", keyText + "\n\n"})
        CHECK_FALSE(SealKey::parse(bad));
    Counting random;
    const auto fresh = SealKey::fresh(random);
    CHECK(SealKey::parse(fresh.reveal()));
    CHECK(SealKey::fresh(random).reveal() != fresh.reveal());
}

SCENARIO("the key is made when something is first sealed, and never in place of another", "[sealing]") {
    World world;
    auto sealer = world.sealer();
    const auto sealed = sealer.seal("secret", "here", true);
    REQUIRE(sealed);
    CHECK(world.file.made == 1);
    CHECK(sealer.open(*sealed, "here", "it")->reveal() == "secret");
    REQUIRE(sealer.seal("more", "here", true));
    CHECK(world.file.made == 1);
    WHEN("the file is lost") {
        world.file.content.reset();
        const auto opened = sealer.open(*sealed, "here", "the refresh token of credential a");
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == Code::storeSealed);
        CHECK(opened.error().reaction == Reaction::askOperator);
        CHECK(opened.error().what.find("the refresh token of credential a was sealed with the key ") == 0);
        CHECK(opened.error().what.find(world.file.path()) != std::string::npos);
        THEN("who knows that something was sealed makes no other one") {
            CHECK_FALSE(sealer.seal("more", "here", false));
            CHECK(world.file.made == 1);
        }
    }
    WHEN("it is another one") {
        world.file.content = keyText;
        const auto opened = sealer.open(*sealed, "here", "it");
        REQUIRE_FALSE(opened);
        CHECK(opened.error().what.find("this one (" + world.file.path() + ") is " + key().id()) != std::string::npos);
        CHECK(opened.error().what.find(keyText) == std::string::npos);
    }
    WHEN("it is no key") {
        world.file.content = "my-secret-value";
        const auto opened = sealer.open(*sealed, "here", "it");
        REQUIRE_FALSE(opened);
        CHECK(opened.error().what.find("64 hexadecimal digits") != std::string::npos);
        CHECK(opened.error().what.find("my-secret-value") == std::string::npos);
        CHECK_FALSE(sealer.seal("more", "here", true));
    }
}

SCENARIO("another process that makes the key at the same moment is heeded", "[sealing]") {
    World world;
    world.file.faster = keyText;
    auto sealer = world.sealer();
    const auto sealed = sealer.seal("secret", "here", true);
    REQUIRE(sealed);
    CHECK(sealedWith(*sealed) == key().id());
}

SCENARIO("the key may come from a secret source", "[sealing]") {
    World world;
    world.source = "${file:/key}";
    auto sealer = world.sealer();
    WHEN("it can be read") {
        world.secrets.put("/key", keyText + "\n");
        const auto sealed = sealer.seal("secret", "here", true);
        REQUIRE(sealed);
        CHECK(sealedWith(*sealed) == key().id());
        CHECK(world.file.made == 0);
    }
    WHEN("it cannot") {
        const auto sealed = sealer.seal("secret", "here", true);
        REQUIRE_FALSE(sealed);
        CHECK(sealed.error().code == Code::configSecretSource);
        CHECK(world.file.made == 0);
    }
}

SCENARIO("what has to be kept is sealed although nobody is to wait for other secrets any more", "[sealing]") {
    fakes::SecretReader stopped, toSeal;
    toSeal.setEnvironment("KEY", keyText);
    Counting random;
    Sealer sealer({std::make_shared<const plugin::Configuration>(fakes::configuration({{"server.seal_key", "${env:KEY}"}})), stopped, nullptr, random,
                   &toSeal});
    const auto sealed = sealer.seal("refresh", "here", false);
    REQUIRE(sealed);
    CHECK(key().open(*sealed, "here")->reveal() == "refresh");
    CHECK_FALSE(sealer.open(*sealed, "here", "it"));
}
