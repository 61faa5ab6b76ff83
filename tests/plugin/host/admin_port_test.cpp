// The admin port of the built program over TLS: how it is configured, what it says when that is wrong, and how its certificate is replaced.
#include "tests/servers/admin_port.h"
#include "tests/plugin/host/host_fakes.h"
#include "tests/plugin/host/secret_giver.h"
#include "tests/plugin/host/started_program.h"
#include "tests/servers/keystores.h"
#include "tests/servers/process.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

using fakes::Program;
using servers::Certificate;
using servers::makeCertificate;

namespace {

struct Place {
    fakes::Folder folder{};
    Certificate authority = makeCertificate({.commonName = "Office", .authority = true});
    fakes::SecretGiver giver{folder, "hunter2"};

    Place() {
        std::filesystem::create_directories(folder / "packages");
        fakes::write(folder / "authority.pem", authority.pem());
        fakes::write(folder / "password", "hunter2\n");
        keep("first");
    }
    Certificate certificate(const std::string& name) const { return makeCertificate({.commonName = name, .names = {"localhost"}}, &authority); }
    /// Puts a keystore with that certificate in the place of what was there, as one whole.
    void keep(const std::string& name, const std::string& password = "hunter2") const {
        const auto own = certificate(name);
        fakes::write(folder / "admin.new", servers::pkcs12({{name, &own, {own, authority}}}, password));
        std::filesystem::rename(folder / "admin.new", folder / "admin.p12");
    }
    std::vector<std::string> words(const std::string& command, const std::string& more = "") const {
        return wordsWith("${file:" + folder / "password" + "}", command, more);
    }
    std::vector<std::string> wordsWithGiver(const std::string& more) const { return wordsWith(giver.source(), "run", more); }
    bool isGiverAsked() const {
        return servers::eventually([&] { return giver.begun() > 0; }, std::chrono::seconds(30));
    }
    /// password   where that of the keystore comes from
    std::vector<std::string> wordsWith(const std::string& password, const std::string& command, const std::string& more) const {
        fakes::write(folder / "postern.properties", "server.data = " + folder / "data" + "\npackage.path = " + folder / "packages" +
                                                        "\nadmin.address = 127.0.0.1:0\nadmin.tls.keystore = admin\nkeystore.admin.path = " +
                                                        folder / "admin.p12" + "\nkeystore.admin.password = " + password + "\n" + more);
        return {command, "--config", folder / "postern.properties"};
    }
    std::string subject() const {
        const auto port = servers::AdminPort(folder / "data").number();
        const auto outcome = servers::run({"curl", "--silent", "--verbose", "--max-time", "30", "--noproxy", "*", "--cacert",
                                           folder / "authority.pem", "https://localhost:" + port + "/healthz"});
        if (outcome.output != "ok\n") return "not answered: " + outcome.error;
        const auto at = outcome.error.find("subject: ");
        return outcome.error.substr(at, outcome.error.find('\n', at) - at);
    }
};

/// A file of the data directory whose content does not come until it is given.
class SlowFile {
public:
    explicit SlowFile(const std::string& path) : path_(path) {
        std::filesystem::create_directories(std::filesystem::path(path).parent_path());
        std::filesystem::permissions(std::filesystem::path(path).parent_path(), std::filesystem::perms::owner_all);
        if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo failed");
    }
    SlowFile(const SlowFile&) = delete;
    SlowFile& operator=(const SlowFile&) = delete;
    ~SlowFile() {
        if (end_ >= 0) ::close(end_);
    }
    /// Somebody reads it, and waits.
    bool isRead() {
        return servers::eventually([&] { return (end_ = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0; }, std::chrono::seconds(30));
    }
    void give(const std::string& content) {
        if (::write(end_, content.data(), content.size()) != static_cast<ssize_t>(content.size())) throw std::runtime_error("write failed");
        ::close(end_);
        end_ = -1;
    }

private:
    std::string path_;
    int end_ = -1;
};

}  // namespace

SCENARIO("the admin port speaks HTTPS with the key of a keystore, and shows a newer one without a restart", "[admin][program]") {
    const Place place;
    Program service(place.words("run"));
    service.awaitError(" up packages=0");
    REQUIRE(place.subject().find("CN=first") != std::string::npos);
    WHEN("the keystore's file is replaced") {
        place.keep("second");
        THEN("whoever connects after a few seconds sees the new certificate") {
            service.awaitError("the admin port shows another certificate from now on");
            CHECK(place.subject().find("CN=second") != std::string::npos);
        }
    }
    WHEN("the keystore's file is replaced, and then that of its password") {
        place.keep("second", "another");
        service.awaitError("the admin port goes on with the certificate it has");
        CHECK(place.subject().find("CN=first") != std::string::npos);
        fakes::write(place.folder / "password", "another\n");
        THEN("the new certificate is shown all the same") {
            service.awaitError("the admin port shows another certificate from now on");
            CHECK(place.subject().find("CN=second") != std::string::npos);
        }
    }
    WHEN("the keystore's file is replaced by something else") {
        fakes::write(place.folder / "admin.p12", "nonsense");
        THEN("that is told, and the port goes on") {
            service.awaitError("the admin port goes on with the certificate it has");
            CHECK(service.error().find("PO-2020") != std::string::npos);
            CHECK(place.subject().find("CN=first") != std::string::npos);
        }
    }
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
    CHECK(service.error().find("hunter2") == std::string::npos);
}

SCENARIO("a password that takes its time holds up neither a reload nor the end", "[admin][program]") {
    const Place place;
    Program service(place.wordsWithGiver("log.level = information\n"));
    service.awaitError(" up packages=0");
    place.giver.beSlow();
    place.keep("second");
    REQUIRE(place.isGiverAsked());
    place.wordsWithGiver("log.level = notice\n");
    service.signal(SIGHUP);
    service.awaitError("the configuration was reloaded");
    REQUIRE(service.error().find("the admin port goes on with the certificate it has") == std::string::npos);  // the program is still waited for
    place.giver.beQuick();
    WHEN("it comes at last") {
        place.giver.letGoOn();
        THEN("the new certificate is shown") {
            service.awaitError("the admin port shows another certificate from now on");
            CHECK(place.subject().find("CN=second") != std::string::npos);
            service.signal(SIGTERM);
            CHECK(service.wait() == 0);
        }
    }
    WHEN("the service is to end meanwhile") {
        service.signal(SIGTERM);
        service.awaitError(" stopping");
        THEN("the program is not waited for, and nothing is told of it") {
            CHECK(service.wait() == 0);
            CHECK(service.error().find("the admin port goes on with the certificate it has") == std::string::npos);
        }
    }
}

SCENARIO("a password that takes its time when the service starts holds up nobody who wants it to end", "[admin][program]") {
    const Place place;
    place.giver.beSlow();
    GIVEN("a service in the foreground") {
        Program service(place.wordsWithGiver(""));
        REQUIRE(place.isGiverAsked());
        WHEN("it is told to end") {
            service.signal(SIGTERM);
            THEN("it has ended in order before it was up") {
                CHECK(service.wait() == 0);
                CHECK(service.error().find("stopping before the service is up") != std::string::npos);
                CHECK(service.error().find("PO-") == std::string::npos);
                CHECK_FALSE(std::filesystem::exists(place.folder / "data/admin.address"));
            }
        }
        WHEN("it is told of another configuration, and the password comes at last") {
            place.wordsWithGiver("log.level = notice\n");
            service.signal(SIGHUP);
            place.giver.beQuick();
            place.giver.letGoOn();
            THEN("it is up, and has that one") {
                service.awaitError("the configuration was reloaded");
                service.signal(SIGTERM);
                CHECK(service.wait() == 0);
            }
        }
    }
    GIVEN("a service that goes to the background") {
        auto words = place.wordsWithGiver("log.file = " + place.folder / "postern.log" + "\n");
        words.emplace_back("--daemon");
        Program parent(words);
        REQUIRE(place.isGiverAsked());
        REQUIRE(::kill(static_cast<pid_t>(std::stoi(fakes::content(place.folder / "data/postern.lock"))), SIGTERM) == 0);
        THEN("whoever started it is told that it is not up") { CHECK(parent.wait() == 75); }
    }
}

SCENARIO("a service that is told to end before it is up, and does not get there, is told again", "[admin][program]") {
    const Place place;
    SlowFile token(place.folder / "data/admin.token");
    GIVEN("one in the foreground") {
        Program service(place.words("run"));
        REQUIRE(token.isRead());
        service.signal(SIGTERM);
        service.awaitError("stopping before the service is up");
        service.signal(SIGTERM);
        THEN("it leaves at once") {
            CHECK(service.wait() == 75);
            CHECK(service.error().find("told to stop again: leaving at once") != std::string::npos);
        }
    }
}

SCENARIO("what keeps a service from starting is logged, also where it is told to end meanwhile", "[admin][program]") {
    const Place place;
    SlowFile token(place.folder / "data/admin.token");
    const auto log = place.folder / "postern.log";
    fakes::write(place.folder / "password", "other\n");
    Program service(place.words("run", "log.file = " + log + "\n"));
    REQUIRE(token.isRead());
    service.signal(SIGTERM);
    REQUIRE(servers::eventually([&] { return fakes::content(log).find("stopping before the service is up") != std::string::npos; },
                                std::chrono::seconds(30)));
    token.give(std::string(64, 'a') + "\n");
    CHECK(service.wait() == 78);
    CHECK(service.error().find("PO-2020 admin.tls.keystore: ") != std::string::npos);
    CHECK(fakes::content(log).find("PO-2020 admin.tls.keystore: ") != std::string::npos);
}

SCENARIO("a keystore that cannot be used keeps the service from starting, with what to do", "[admin][program]") {
    const Place place;
    const std::string wrong = GENERATE("another password", "no file", "an alias that is not in it");
    GIVEN(wrong) {
        if (wrong == "another password") fakes::write(place.folder / "password", "other\n");
        if (wrong == "no file") std::filesystem::remove(place.folder / "admin.p12");
        Program service(place.words("run", wrong.starts_with("an alias") ? "admin.tls.key_alias = second\n" : ""));
        CHECK(service.wait() == 78);
        CHECK(service.error().find("PO-2020 admin.tls.keystore: ") != std::string::npos);
        CHECK(service.error().find("Next: ") != std::string::npos);
    }
}
