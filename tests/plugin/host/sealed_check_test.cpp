// `postern check` and the key of this instance: what it was not sealed with is told of before somebody needs it.
#include "tests/plugin/host/host_fakes.h"
#include "tests/servers/process.h"

#include <catch2/catch.hpp>

#include <filesystem>

namespace {

const std::string one(64, '1'), other(64, '2');

struct Place {
    fakes::Folder folder{};

    Place() { std::filesystem::create_directories(folder / "packages"); }
    void configure(const std::string& more) const {
        fakes::write(folder / "postern.properties",
                     "server.data = " + folder / "data" + "\npackage.path = " + folder / "packages" + "\nkeystore.k.path = /k\n" + more);
    }
    /// As an administrator does it: the secret on standard input.
    std::string seal(const std::string& secret) const {
        configure("");
        auto sealed = servers::run(
            {"sh", "-c", "printf '%s' '" + secret + "' | '" + POSTERN_PROGRAM + "' seal --config '" + folder / "postern.properties" + "'"});
        INFO(sealed.error);
        REQUIRE(sealed.status == 0);
        return sealed.output.substr(0, sealed.output.find('\n'));
    }
    servers::Outcome check(const std::string& more) const {
        configure(more);
        return servers::run({POSTERN_PROGRAM, "check", "--config", folder / "postern.properties"});
    }
    void key(const std::string& digits) const { fakes::write(folder / "data/seal.key", digits + "\n"); }
};

std::string replaced(std::string text, std::size_t at, char by) {
    text[at] = by;
    return text;
}

}  // namespace

SCENARIO("check says which sealed values this key does not open", "[check][program]") {
    const Place place;
    const auto sealed = place.seal("hunter2");
    const auto setting = "keystore.k.password = " + sealed + "\n";
    const auto told = [&](const std::string& settings, const std::string& what) {
        const auto outcome = place.check(settings);
        INFO(outcome.output << outcome.error);
        CHECK(outcome.status == 78);
        CHECK(outcome.output.find(":4: error PO-7008 keystore.k.password: " + what) != std::string::npos);
        CHECK(outcome.output.find("  Next: put the right key back") != std::string::npos);
        CHECK(outcome.output.find("hunter2") == std::string::npos);
    };
    const auto silent = [&](const std::string& settings) {
        const auto outcome = place.check(settings);
        INFO(outcome.output << outcome.error);
        CHECK(outcome.status == 0);
        CHECK(outcome.output.find("keystore.k.password") == std::string::npos);
    };
    GIVEN("its own key") {
        silent(setting);
        THEN("no value but a whole one passes") {
            told("keystore.k.password = " + sealed.substr(0, 9 + 48) + "}\n", "the value is not what this version seals");
            told("keystore.k.password = " + sealed.substr(0, sealed.size() - 5) + "}\n", "the value has been changed since it was sealed");
            told("keystore.k.password = " + replaced(sealed, 9 + 40, sealed[9 + 40] == 'x' ? 'y' : 'x') + "\n",
                 "the value has been changed since it was sealed");
            told("keystore.k.password = ${sealed:aGVsbG8=}\n", "the value is not what this version seals");
        }
    }
    GIVEN("another key") {
        place.key(one);
        told(setting, "the value was sealed with the key ");
        AND_GIVEN("the right one by the configuration") {
            const auto right = place.folder / "right.key";
            place.key(one);
            const auto resealed = place.seal("hunter2");
            std::filesystem::rename(place.folder / "data/seal.key", right);
            place.key(other);
            silent("keystore.k.password = " + resealed + "\nserver.seal_key = ${file:" + right + "}\n");
            told("keystore.k.password = " + resealed + "\n", "the value was sealed with the key ");
        }
    }
    GIVEN("a key that is none") {
        place.key("1234");
        told(setting, "the seal key (");
    }
    GIVEN("no key, as where a configuration is written for another machine") {
        std::filesystem::remove_all(place.folder / "data");
        silent(setting);
        CHECK_FALSE(std::filesystem::exists(place.folder / "data"));
        told("keystore.k.password = ${sealed:aGVsbG8=}\n", "the value is not what this version seals");
    }
    GIVEN("a key that only a command knows") {
        const auto program = place.folder / "key.sh";
        fakes::write(program, "#!/bin/sh\ntouch '" + place.folder / "ran" + "'\necho " + one + "\n");
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        silent(setting + "server.seal_key = ${command:" + program + "}\n");
        CHECK_FALSE(std::filesystem::exists(place.folder / "ran"));
    }
}
