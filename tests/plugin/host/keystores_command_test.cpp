// The built program's look at keystores; openssl has its own opinion of what is in them.
#include "tests/plugin/host/host_fakes.h"
#include "tests/plugin/host/started_program.h"
#include "tests/servers/keystores.h"
#include "tests/servers/process.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

namespace {

struct Answer {
    int status;
    std::string out, error;
};

struct Place {
    fakes::Folder folder{};
    servers::Certificate root = servers::makeCertificate({.commonName = "Corporate CA", .authority = true});
    servers::Certificate rsa = servers::makeCertificate({.commonName = "postern", .rsa = true}, &root);
    servers::Certificate curve = servers::makeCertificate({.commonName = "p\xc3\xb6stern"}, &root);

    Place() {
        fakes::write(folder / "two.p12", servers::pkcs12({{"mine", &rsa, {rsa, root}}, {"other", &curve, {curve}}}, "hunter2"));
        fakes::write(folder / "password", "hunter2\n");
    }
    Answer run(const std::string& settings, std::vector<std::string> arguments) const {
        fakes::write(folder / "postern.properties", settings);
        arguments.insert(arguments.begin(), {"keystores", "--config", folder / "postern.properties"});
        fakes::Program program(std::move(arguments));
        const int status = program.wait();
        return {status, program.output(), program.error()};
    }
    std::string two() const {
        return "keystore.two.path = " + folder / "two.p12" + "\nkeystore.two.password = ${file:" + folder / "password" + "}\n";
    }
    std::string broken() const { return "keystore.broken.path = " + folder / "two.p12" + "\nkeystore.broken.password = ${file:/dev/null/none}\n"; }
};

/// What openssl says the thumbprint is.
std::string fingerprint(const Place& place, const servers::Certificate& certificate, const std::string& digest) {
    fakes::write(place.folder / "one.pem", certificate.pem());
    auto told = servers::run({"openssl", "x509", "-in", place.folder / "one.pem", "-noout", "-fingerprint", "-" + digest}).output;
    told = told.substr(told.find('=') + 1);
    std::erase_if(told, [](char c) { return c == ':' || c == '\n'; });
    return told;
}

}  // namespace

SCENARIO("keystores are listed with all that is public of their keys", "[keystores]") {
    const Place place;
    GIVEN("none") {
        const auto text = place.run("", {});
        CHECK(text.status == 0);
        CHECK(text.out == "no keystores\n");
        CHECK(place.run("", {"--json"}).out == "[]\n");
    }
    GIVEN("one with two keys, and one that cannot be loaded") {
        const auto settings = place.two() + place.broken();
        const auto json = place.run(settings, {"--json"});
        CHECK(json.status == 78);
        INFO(json.out << json.error);
        const auto all = Poco::JSON::Parser().parse(json.out).extract<Poco::JSON::Array::Ptr>();
        REQUIRE(all->size() == 2);
        const auto failed = all->getObject(0), loaded = all->getObject(1);
        CHECK(failed->getValue<std::string>("state") == "failed");
        CHECK(failed->getValue<std::string>("error").find("PO-2020 keystore.broken.password: ") == 0);
        CHECK(failed->getArray("keys")->size() == 0);
        CHECK(loaded->getValue<std::string>("state") == "loaded");
        CHECK(loaded->isNull("error"));
        REQUIRE(loaded->getArray("keys")->size() == 2);
        const auto mine = loaded->getArray("keys")->getObject(0), other = loaded->getArray("keys")->getObject(1);
        CHECK(mine->getValue<std::string>("key") == "mine");
        CHECK(mine->getValue<std::string>("subject") == "CN=postern");
        CHECK(mine->getValue<std::string>("issuer") == "CN=Corporate CA");
        CHECK(mine->getValue<std::string>("type") == "RSA 2048");
        CHECK(mine->getValue<std::string>("sha1") == fingerprint(place, place.rsa, "sha1"));
        CHECK(mine->getValue<std::string>("sha256") == fingerprint(place, place.rsa, "sha256"));
        CHECK(other->getValue<std::string>("subject") == "CN=p\xc3\xb6stern");
        CHECK(other->getValue<std::string>("type") == "EC P-256");
        CHECK(other->getValue<std::string>("not_after") > other->getValue<std::string>("not_before"));
        AND_THEN("people are told the same") {
            const auto text = place.run(settings, {});
            CHECK(text.status == 78);
            for (const auto* part : {"broken  pkcs12  ", "  failed\n  PO-2020 ", "two  pkcs12  ", "  loaded\n  mine\n    subject  CN=postern\n"})
                CHECK(text.out.find(part) != std::string::npos);
            CHECK(text.out.find("    SHA-1    " + fingerprint(place, place.rsa, "sha1") + "\n") != std::string::npos);
            CHECK((text.out + text.error).find("hunter2") == std::string::npos);
        }
        AND_THEN("one of them may be named") {
            CHECK(place.run(settings, {"two"}).status == 0);
            const auto unknown = place.run(settings, {"three"});
            CHECK(unknown.status == 78);
            CHECK(unknown.error.find("PO-1008 there is no keystore three") == 0);
        }
    }
}

SCENARIO("what openssl makes of a PKCS#12 file is a PEM keystore with the same keys", "[keystores]") {
    const Place place;
    const bool encrypted = GENERATE(true, false);
    const auto made = servers::run({"openssl", "pkcs12", "-in", place.folder / "two.p12", "-passin", "pass:hunter2", "-out", place.folder / "two.pem",
                                    encrypted ? "-passout" : "-noenc", encrypted ? "pass:hunter2" : "-nodes"});
    INFO(made.error);
    REQUIRE(made.status == 0);
    const auto pem = "keystore.two.type = pem\nkeystore.two.path = " + place.folder / "two.pem" +
                     (encrypted ? "\nkeystore.two.key.mine.password = hunter2\nkeystore.two.key.other.password = hunter2\n" : "\n");
    for (const std::string key : {"mine", "other"}) {
        const auto told = place.run(pem, {"two", "--certificate", key});
        CHECK(told.status == 0);
        CHECK(told.out == place.run(place.two(), {"two", "--certificate", key}).out);
    }
    const auto list = place.run(pem, {"--json"});
    CHECK(list.status == 0);
    CHECK(list.out.find("\"state\": \"loaded\"") != std::string::npos);
    CHECK(place.run(pem, {"two", "--certificate", ""}).status != 0);
    CHECK(place.run(pem + "keystore.two.key.third.password = x\n", {}).out.find("it holds no key called 'third', but 'mine', 'other'") !=
          std::string::npos);
}

SCENARIO("the certificate of a key is handed out to be uploaded", "[keystores]") {
    const Place place;
    const auto pem = place.run(place.two(), {"two", "--certificate", "mine"});
    CHECK(pem.status == 0);
    CHECK(pem.out == place.rsa.pem());
    const auto json = place.run(place.two(), {"two", "--certificate", "other", "--json"});
    const auto answer = Poco::JSON::Parser().parse(json.out).extract<Poco::JSON::Object::Ptr>();
    CHECK(answer->getValue<std::string>("certificate") == place.curve.pem());
    const auto none = place.run(place.two(), {"two", "--certificate", "third"});
    CHECK(none.status == 78);
    CHECK(none.out.empty());
    CHECK(none.error.find("it holds no key called 'third', but 'mine', 'other'") != std::string::npos);
}
