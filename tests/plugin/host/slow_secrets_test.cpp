// The built program while a program that gives a password does not come to an end: nothing else waits for it, least of all the end of the service.
#include "tests/plugin/host/host_fakes.h"
#include "tests/plugin/host/started_program.h"
#include "tests/servers/keystores.h"
#include "tests/servers/process.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <array>
#include <csignal>
#include <optional>

using fakes::Program;
using servers::eventually;

namespace {

constexpr auto soon = std::chrono::seconds{60};

/// Three keystores whose passwords come from a program that waits for what never comes.
struct Place {
    fakes::Folder folder{};
    int gate = -1;  // open at both ends, so that nobody waits for somebody to open it

    Place() {
        std::filesystem::create_directories(folder / "packages");
        const auto own = servers::makeCertificate({.commonName = "postern"});
        fakes::write(folder / "client.pem", own.pem() + own.keyPem());
        REQUIRE(::mkfifo((folder / "gate").c_str(), 0600) == 0);
        gate = ::open((folder / "gate").c_str(), O_RDWR | O_CLOEXEC);
        fakes::write(folder / "password.sh",
                     "#!/bin/sh\necho $$ >> '" + folder / "began" + "'\nread line < '" + folder / "gate" + "'\necho secret\n");
        std::filesystem::permissions(folder / "password.sh", std::filesystem::perms::owner_all);
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { ::close(gate); }

    std::vector<std::string> words(const std::string& more) const {
        std::string text = "server.data = " + folder / "data" + "\nadmin.address = 127.0.0.1:0\n" + more;
        for (const auto* name : {"a", "b", "c"})
            text += std::string("keystore.") + name + ".type = pem\nkeystore." + name + ".path = " + folder / "client.pem" + "\nkeystore." + name +
                    ".password = ${command:" + folder / "password.sh" + "}\n";
        fakes::write(folder / "postern.properties", text);
        return {"run", "--config", folder / "postern.properties"};
    }
    std::string withoutPackages() const { return "package.path = " + folder / "packages" + "\n"; }
    std::size_t begun() const {
        const auto text = servers::readFile(folder / "began");
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }
    bool isClean() const {
        const auto text = servers::readFile(folder / "data/instance.json");
        return Poco::JSON::Parser().parse(text).extract<Poco::JSON::Object::Ptr>()->getValue<bool>("clean");
    }
    /// "200 " and the body; "000 ": there was no answer.
    std::string get(const std::string& path) const {
        auto address = servers::readFile(folder / "data/admin.address"), token = servers::readFile(folder / "data/admin.token");
        for (auto* each : {&address, &token})
            while (each->ends_with('\n')) each->pop_back();
        const auto outcome = servers::run({"curl", "--silent", "--max-time", "60", "--noproxy", "*", "--write-out", "\n%{http_code}", "--header",
                                           "Authorization: Bearer " + token, "http://" + address + path});
        const auto end = outcome.output.rfind('\n');
        return outcome.output.substr(end + 1) + " " + outcome.output.substr(0, end);
    }
};

/// One who asks, and what came of it.
class Asker {
public:
    Asker(const Place& place, const std::string& path) : thread_([this, &place, path] { take(place.get(path)); }) {}
    std::string answer() {
        const std::lock_guard lock(mutex_);
        return answer_;
    }
    std::string wait() {
        if (thread_.joinable()) thread_.join();
        return answer_;
    }

private:
    void take(std::string answer) {
        const std::lock_guard lock(mutex_);
        answer_ = std::move(answer);
    }
    std::mutex mutex_{};
    std::string answer_{};
    std::jthread thread_;
};

}  // namespace

SCENARIO("the service ends while its API waits for a password that does not come", "[secret][ending][program]") {
    const Place place;
    Program service(place.words(place.withoutPackages()));
    service.awaitError(" up packages=0");
    Asker asker(place, "/api/v1/keystores");
    REQUIRE(eventually([&] { return place.begun() > 0; }, soon));
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
    CHECK(place.isClean());
    CHECK(place.begun() == 1);
    const auto answer = asker.wait();
    INFO(answer);
    CHECK(answer.starts_with("200 "));
    CHECK(answer.find("the service is stopping") != std::string::npos);
}

SCENARIO("the API answers who asks for something else while keystores take their time", "[secret][api][program]") {
    const Place place;
    Program service(place.words(place.withoutPackages()));
    service.awaitError(" up packages=0");
    std::array<std::optional<Asker>, 6> askers;
    for (auto& each : askers) each.emplace(place, "/api/v1/keystores");
    const auto busy = [&] { return std::count_if(askers.begin(), askers.end(), [](auto& each) { return each->answer().starts_with("503 "); }); };
    const auto ended = [&] { return std::count_if(askers.begin(), askers.end(), [](auto& each) { return !each->answer().empty(); }); };
    REQUIRE(eventually([&] { return ended() >= 3; }, soon));
    CHECK(busy() == ended());
    CHECK(place.begun() == 1);  // for all of them
    CHECK(place.get("/api/v1/credentials").starts_with("200 "));
    THEN("who has waited long enough is told to come again") {
        for (auto& each : askers) {
            const auto answer = each->wait();
            INFO(answer);
            CHECK(answer.starts_with("503 "));
            CHECK(answer.find("PO-9005") != std::string::npos);
            CHECK(answer.find("postern keystores") != std::string::npos);
        }
    }
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
}

SCENARIO("alerts and the end of the service do not wait for the password of a keystore whose end is looked for", "[secret][ending][program]") {
    const Place place;
    Program service(place.words(""));
    service.awaitError(" up packages=1");
    REQUIRE(eventually([&] { return place.begun() > 0; }, soon));
    CHECK(eventually([&] { return place.get("/metrics").find("postern_alert_conditions{") != std::string::npos; }, soon));
    CHECK(place.begun() == 1);  // the first is still waited for
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
    CHECK(place.isClean());
    CHECK(place.begun() == 1);
}
