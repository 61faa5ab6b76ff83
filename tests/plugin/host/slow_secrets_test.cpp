// The built program while a program that gives a password does not come to an end: nothing else waits for it, least of all the end of the service.
#include "tests/plugin/host/host_fakes.h"
#include "tests/plugin/host/secret_giver.h"
#include "tests/plugin/host/started_program.h"
#include "tests/servers/admin_port.h"
#include "tests/servers/keystores.h"
#include "tests/servers/process.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <future>

using fakes::Program;
using servers::eventually;
using Answer = servers::AdminPort::Answer;

namespace {

constexpr auto soon = std::chrono::seconds{60};

/// Three keystores whose passwords come from a program that waits for what never comes.
struct Place {
    fakes::Folder folder{};
    fakes::SecretGiver giver{folder, "secret"};

    Place() {
        std::filesystem::create_directories(folder / "packages");
        const auto own = servers::makeCertificate({.commonName = "postern"});
        fakes::write(folder / "client.pem", own.pem() + own.keyPem());
        giver.beSlow();
    }

    std::vector<std::string> words(const std::string& more) const {
        std::string text = "server.data = " + folder / "data" + "\nadmin.address = 127.0.0.1:0\n" + more;
        for (const auto* name : {"a", "b", "c"})
            text += std::string("keystore.") + name + ".type = pem\nkeystore." + name + ".path = " + folder / "client.pem" + "\nkeystore." + name +
                    ".password = " + giver.source() + "\n";
        fakes::write(folder / "postern.properties", text);
        return {"run", "--config", folder / "postern.properties"};
    }
    std::string withoutPackages() const { return "package.path = " + folder / "packages" + "\n"; }
    bool isClean() const {
        const auto text = servers::readFile(folder / "data/instance.json");
        return Poco::JSON::Parser().parse(text).extract<Poco::JSON::Object::Ptr>()->getValue<bool>("clean");
    }
    Answer get(const std::string& path) const {
        const servers::AdminPort port(folder / "data");
        return port.get(path, port.token());
    }
};

/// One who asks in a thread of his own.
std::shared_future<Answer> asker(const Place& place, const std::string& path) {
    return std::async(std::launch::async, [&place, path] { return place.get(path); }).share();
}
bool isAnswered(const std::shared_future<Answer>& asked) { return asked.wait_for(std::chrono::seconds{0}) == std::future_status::ready; }

}  // namespace

SCENARIO("the service ends while its API waits for a password that does not come", "[secret][ending][program]") {
    const Place place;
    Program service(place.words(place.withoutPackages()));
    service.awaitError(" up packages=0");
    const auto asked = asker(place, "/api/v1/keystores");
    REQUIRE(eventually([&] { return place.giver.begun() > 0; }, soon));
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
    CHECK(place.isClean());
    CHECK(place.giver.begun() == 1);
    const auto answer = asked.get();
    INFO(answer.body);
    CHECK(answer.status == 200);
    CHECK(answer.body.find("the service is stopping") != std::string::npos);
}

SCENARIO("the API answers who asks for something else while keystores take their time", "[secret][api][program]") {
    const Place place;
    Program service(place.words(place.withoutPackages()));
    service.awaitError(" up packages=0");
    std::array<std::shared_future<Answer>, 6> askers;
    for (auto& each : askers) each = asker(place, "/api/v1/keystores");
    REQUIRE(eventually([&] { return std::count_if(askers.begin(), askers.end(), isAnswered) >= 3; }, soon));
    for (const auto& each : askers) CHECK((!isAnswered(each) || each.get().status == 503));
    CHECK(place.giver.begun() == 1);  // for all of them
    CHECK(place.get("/api/v1/credentials").status == 200);
    THEN("who has waited long enough is told to come again") {
        for (auto& each : askers) {
            const auto& answer = each.get();
            INFO(answer.body);
            CHECK(answer.status == 503);
            CHECK(answer.body.find("PO-9005") != std::string::npos);
            CHECK(answer.body.find("postern keystores") != std::string::npos);
        }
    }
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
}

SCENARIO("alerts and the end of the service do not wait for the password of a keystore whose end is looked for", "[secret][ending][program]") {
    const Place place;
    Program service(place.words(""));
    service.awaitError(" up packages=1");
    REQUIRE(eventually([&] { return place.giver.begun() > 0; }, soon));
    CHECK(eventually([&] { return place.get("/metrics").body.find("postern_alert_conditions{") != std::string::npos; }, soon));
    CHECK(place.giver.begun() == 1);  // the first is still waited for
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
    CHECK(place.isClean());
    CHECK(place.giver.begun() == 1);
}
