// The built program told to end while a refresh token is on its way: what the provider gives in its place is not lost.
#include "tests/plugin/host/started_program.h"
#include "tests/servers/process.h"
#include "tests/servers/tls_server.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <sqlite3.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <optional>

using fakes::Program;
using servers::Certificate;
using servers::makeCertificate;

namespace {

/// A token endpoint with refresh tokens that are good once, which answers when it is let. Its n-th answer is access-n and refresh-n.
class SlowProvider {
public:
    SlowProvider() : server_({.chain = {own_}}, [this](servers::TlsServer::Stream& stream) { answer(stream); }) {}
    ~SlowProvider() { letAnswer(); }
    SlowProvider(const SlowProvider&) = delete;
    SlowProvider& operator=(const SlowProvider&) = delete;

    std::string authority() const { return authority_.pem(); }
    std::string endpoint() const { return "https://localhost:" + std::to_string(server_.port()) + "/token"; }
    /// Until a request is there, whose answer is held back.
    void awaitRequest() {
        std::unique_lock lock(mutex_);
        change_.wait(lock, [&] { return asked_ > 0; });
    }
    void letAnswer() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        change_.notify_all();
    }
    int asked() {
        const std::lock_guard lock(mutex_);
        return asked_;
    }

private:
    void answer(servers::TlsServer::Stream& stream) {
        const auto head = stream.readUntil("\r\n\r\n");
        const auto at = head.find("Content-Length: ") + 16;
        const auto form = stream.readExactly(std::stoul(head.substr(at)));
        std::unique_lock lock(mutex_);
        const bool good = form.find("refresh_token=refresh-" + std::to_string(asked_)) != std::string::npos;
        const auto number = std::to_string(++asked_);
        change_.notify_all();
        change_.wait(lock, [&] { return open_; });
        const auto body =
            good ? R"({"access_token":"access-)" + number + R"(","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-)" + number + "\"}"
                 : std::string(R"({"error":"invalid_grant"})");
        stream.write("HTTP/1.1 " + std::string(good ? "200 OK" : "400 Bad Request") +
                     "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
        stream.goodbye();
    }

    Certificate authority_ = makeCertificate({.commonName = "Office", .authority = true});
    Certificate own_ = makeCertificate({.commonName = "idp", .names = {"localhost"}}, &authority_);
    std::mutex mutex_{};
    std::condition_variable change_{};
    int asked_ = 0;
    bool open_ = false;
    servers::TlsServer server_;
};

struct Place {
    servers::TemporaryDirectory directory{};
    SlowProvider provider{};

    Place() {
        std::filesystem::create_directories(directory / "packages");
        servers::writeFile(directory / "authority.pem", provider.authority());
        servers::writeFile(directory / "first", "refresh-0\n");
        configure("package.path = " + (directory / "packages").string() + "\n");
    }
    void configure(const std::string& more, const std::string& admin = "") const {
        servers::writeFile(directory / "postern.properties",
                           "server.data = " + (directory / "data").string() + "\nadmin.address = " + admin +
                               "\ntruststore.test.path = " + (directory / "authority.pem").string() +
                               "\ncredential.c.grant = refresh_token\ncredential.c.client_id = app\ncredential.c.authentication = none\n"
                               "credential.c.scopes = mail\ncredential.c.truststore = test\ncredential.c.token_endpoint = " +
                               provider.endpoint() + "\ncredential.c.refresh_token = ${file:" + (directory / "first").string() + "}\n" + more);
    }
    /// With an admin port, whose end takes its time too.
    void configureMailbox(const std::string& more = "") const {
        configure(more +
                      "mailbox.m.protocol = imap\nmailbox.m.host = localhost\nmailbox.m.user = u@example.test\nmailbox.m.credential = c\n"
                      "mailbox.m.deliver = s\nmailbox.m.truststore = test\nmailbox.m.port = " +
                      std::to_string(servers::closedPort()) + "\nsink.s.type = spool\nsink.s.path = " + (directory / "spool").string() + "\n",
                  "127.0.0.1:0");
    }
    std::vector<std::string> words(std::vector<std::string> own) const {
        own.insert(own.end(), {"--config", (directory / "postern.properties").string()});
        return own;
    }
    servers::Outcome postern(const std::vector<std::string>& own) const {
        auto all = words(own);
        all.insert(all.begin(), POSTERN_PROGRAM);
        return servers::run(all);
    }
    void isStored() {
        const auto token = postern({"token", "c", "--reveal"});
        INFO(token.error);
        CHECK(token.output == "access-1\n");
        CHECK(provider.asked() == 1);
    }
};

/// Nobody else can write to a database as long as this exists.
class HeldStore {
public:
    explicit HeldStore(const std::filesystem::path& path) {
        const bool open = ::sqlite3_open_v2(path.c_str(), &handle_, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK;
        ::sqlite3_busy_timeout(handle_, 10'000);
        if (!open || ::sqlite3_exec(handle_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK)
            throw std::runtime_error(std::string("the store cannot be held: ") + ::sqlite3_errmsg(handle_));
    }
    HeldStore(const HeldStore&) = delete;
    HeldStore& operator=(const HeldStore&) = delete;
    ~HeldStore() { ::sqlite3_close(handle_); }

private:
    sqlite3* handle_ = nullptr;
};

/// Whether SIGTERM is blocked, so that the program takes it from a descriptor (proc(5)).
bool looksForSignals(const Program& program) {
    const auto status = servers::readFile("/proc/" + std::to_string(program.id()) + "/status");
    const auto at = status.find("SigBlk:\t");
    return at != std::string::npos && (std::stoull(status.substr(at + 8, 16), nullptr, 16) & (1ULL << (SIGTERM - 1))) != 0;
}

}  // namespace

SCENARIO("a command that is told to end waits for a refresh that is under way, and stores it", "[ending][program]") {
    Place place;
    const auto words = GENERATE(values<std::vector<std::string>>({{"token", "c"}, {"oauth", "refresh-token", "c"}}));
    Program command(place.words(words));
    place.provider.awaitRequest();
    command.signal(GENERATE(SIGINT, SIGTERM, SIGHUP));
    command.awaitError("A refresh token is on its way");
    WHEN("the provider answers") {
        place.provider.letAnswer();
        THEN("the token that came is used from then on") {
            const auto status = command.wait();
            CHECK((status == 75 || status == 0));  // 0: the answer was there before the command was gone
            place.isStored();
        }
    }
    WHEN("it is told once more") {
        command.signal(SIGINT);
        THEN("it ends at once, and says what is lost") {
            CHECK(command.wait() == 75);
            CHECK(command.error().find("what the provider gives in its place is lost") != std::string::npos);
            CHECK(command.error().find("postern login") != std::string::npos);
        }
    }
}

SCENARIO("a command without a refresh under way ends at once", "[ending][program]") {
    Place place;
    GIVEN("one that reads a refresh token from a terminal") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const int before = ::dup(STDIN_FILENO);
        ::dup2(ends[0], STDIN_FILENO);
        Program command(place.words({"oauth", "refresh-token", "c", "--refresh-token-file", "-"}));
        ::dup2(before, STDIN_FILENO);
        REQUIRE(servers::eventually([&] { return looksForSignals(command); }, std::chrono::seconds(30)));
        command.signal(GENERATE(SIGINT, SIGTERM));
        THEN("nothing is asked") {
            CHECK(command.wait() == 75);
            CHECK(place.provider.asked() == 0);
        }
        for (const int end : {ends[0], ends[1], before}) ::close(end);
    }
}

SCENARIO("a command under nohup does not end with its terminal", "[ending][program]") {
    Place place;
    const auto before = std::signal(SIGHUP, SIG_IGN);
    Program command(place.words({"token", "c", "--reveal"}));
    std::signal(SIGHUP, before);
    place.provider.awaitRequest();
    command.signal(SIGHUP);
    place.provider.letAnswer();
    CHECK(command.wait() == 0);
    CHECK(command.output() == "access-1\n");
    CHECK(command.error().empty());
}

SCENARIO("a refresh token that is given and its answer are not lost with Ctrl-C", "[ending][program]") {
    Place place;
    servers::writeFile(place.directory / "given", "refresh-0\n");
    const auto given = (place.directory / "given").string();
    GIVEN("a call that shows what comes") {
        Program command(place.words({"oauth", "refresh-token", "c", "--refresh-token-file", given, "--reveal", "--json"}));
        place.provider.awaitRequest();
        command.signal(SIGINT);
        command.awaitError("Waiting for the provider's answer");
        place.provider.letAnswer();
        CHECK(command.wait() == 0);
        CHECK(command.output().find("\"refresh-1\"") != std::string::npos);
        CHECK(command.error().find("kept nowhere") == std::string::npos);
    }
    GIVEN("a call that does not show it") {
        place.provider.letAnswer();
        const auto outcome = place.postern({"oauth", "refresh-token", "c", "--refresh-token-file", given});
        CHECK(outcome.status == 0);
        THEN("that it is kept nowhere is told") {
            CHECK(outcome.error.find("the provider gave another refresh token, which is kept nowhere") != std::string::npos);
            CHECK((outcome.output + outcome.error).find("refresh-1") == std::string::npos);
        }
    }
}

SCENARIO("a command that a signal ends leaves no temporary database behind", "[ending][program]") {
    Place place;
    place.configureMailbox();
    const auto temporary = place.directory / "tmp";
    std::filesystem::create_directories(temporary);
    Program command(place.words({"validate", "credential", "c"}), {"TMPDIR=" + temporary.string()});
    place.provider.awaitRequest();
    CHECK_FALSE(std::filesystem::is_empty(temporary));
    command.signal(SIGINT);
    command.awaitError("A refresh token is on its way");
    command.signal(SIGINT);
    CHECK(command.wait() == 75);
    CHECK(std::filesystem::is_empty(temporary));
}

SCENARIO("what comes for a refresh token is stored at the end, although the key to seal it comes from a program", "[ending][program]") {
    Place place;
    const auto program = place.directory / "seal_key.sh";
    servers::writeFile(program, "#!/bin/sh\necho " + std::string(64, 'a') + "\n");
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    place.configureMailbox("server.seal_key = ${command:" + program.string() + "}\n");
    Program service(place.words({"run"}));
    place.provider.awaitRequest();
    service.signal(SIGTERM);
    service.awaitError("stopping");
    place.provider.letAnswer();
    CHECK(service.wait() == 0);
    place.isStored();
}

SCENARIO("the service waits for a refresh as long as its request may take", "[ending][program]") {
    Place place;
    place.configureMailbox();
    Program service(place.words({"run"}));
    place.provider.awaitRequest();
    service.signal(SIGTERM);
    service.awaitError("stopping");
    WHEN("the answer comes after the time everything else has") {
        std::this_thread::sleep_for(std::chrono::milliseconds(11'400));  // longer than what else may hold up a stop
        place.provider.letAnswer();
        THEN("it is stored before the service ends") {
            CHECK(service.wait() == 0);
            place.isStored();
        }
    }
    WHEN("the answer comes, and the store is held by somebody else for longer than it waits") {
        std::optional<HeldStore> held(std::in_place, place.directory / "data/postern.db");
        place.provider.letAnswer();
        std::this_thread::sleep_for(std::chrono::seconds(12));
        held.reset();
        THEN("it is stored before the service ends") {
            CHECK(service.wait() == 0);
            place.isStored();
        }
    }
    WHEN("it is told to stop again") {
        service.signal(SIGTERM);
        THEN("it leaves at once, and says what is lost") {
            CHECK(service.wait() == 75);
            CHECK(service.error().find("what the provider gives in its place is lost") != std::string::npos);
        }
    }
}
