// The API of a running service: it says what the commands beside it say, and what is wrong now.
#include "tests/servers/admin_port.h"
#include "tests/servers/keystores.h"
#include "tests/system/workplace.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <Poco/Net/StreamSocket.h>
#include <Poco/URI.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>
#include <thread>

using namespace systemtest;
using servers::eventually;

namespace {

using Answer = servers::AdminPort::Answer;

constexpr auto soon = std::chrono::seconds{60};

/// One service with what goes well and what does not.
struct Office {
    Workplace place{};
    std::string user = Surroundings::get().newUser();
    servers::AdminPort port{place.data()};
    std::optional<servers::Process> service{};

    Office() {
        auto reader = Surroundings::get().reader(user);
        reader.append("INBOX", someMails("api", 3));
        const auto own = servers::makeCertificate({.commonName = "postern", .endsInSeconds = 20 * 86'400});
        place.configure(
            basicCredential(place, "good") + "credential.good.secret_expires = 2020-01-31\n" + wrongSecret() + mailbox("well", user, "good") +
            mailbox("closed", "nobody@example.test", "good") + mailbox("poor", Surroundings::get().newUser(), "wrong") +
            "keystore.client.type = pem\nkeystore.client.path = " + place.file("client.pem", own.pem() + own.keyPem()).string() +
            "\nkeystore.gone.path = /nowhere/gone.p12\nkeystore.gone.password = ${file:" + place.file("password", "Pa55word~").string() + "}\n");
        service.emplace(place.start({"run"}));
        REQUIRE(eventually([&] { return place.log().find(" up packages=") != std::string::npos; }, soon));
    }
    std::string wrongSecret() const {
        return replaced(basicCredential(place, "wrong"), "credential.wrong.client_secret",
                        "${file:" + place.file("wrong", "not~the~secret").string() + "}");
    }
    Answer get(const std::string& path) const { return port.get(path, port.token()); }
    std::string shown(std::vector<std::string> words) const {
        words.push_back("--json");
        return place.postern(words).output;
    }
    /// What the port answers to these octets, to the end of the connection.
    std::string raw(const std::string& octets) const {
        Poco::Net::StreamSocket socket{Poco::Net::SocketAddress{port.address()}};
        socket.setReceiveTimeout(Poco::Timespan{30, 0});
        std::string all;
        try {
            socket.sendBytes(octets.data(), static_cast<int>(octets.size()));
            char piece[4096];
            for (int count = socket.receiveBytes(piece, sizeof piece); count > 0; count = socket.receiveBytes(piece, sizeof piece))
                all.append(piece, static_cast<std::size_t>(count));
        } catch (const Poco::Exception&) {  // it was cut off
        }
        return all;
    }
};

Poco::JSON::Array::Ptr list(const std::string& text) { return Poco::JSON::Parser().parse(text).extract<Poco::JSON::Array::Ptr>(); }
Poco::JSON::Object::Ptr errorIn(const std::string& text) { return json(text)->getObject("error"); }

/// Without what only the service knows.
std::string withoutNow(const std::string& text) {
    const auto rows = list(text);
    for (std::size_t i = 0; i < rows->size(); ++i) rows->getObject(static_cast<unsigned>(i))->remove("now");
    std::ostringstream out;
    rows->stringify(out);
    return out.str();
}

Poco::JSON::Object::Ptr nowOf(const Office& office, const std::string& mailbox) {
    const auto answer = office.get("/api/v1/mailboxes/" + mailbox);
    REQUIRE(answer.status == 200);
    return list(answer.body)->getObject(0)->getObject("now");
}

/// Once it has failed.
Poco::JSON::Object::Ptr troubleOf(const Office& office, const std::string& mailbox) {
    REQUIRE(eventually([&] { return !nowOf(office, mailbox)->isNull("trouble"); }, soon));
    return nowOf(office, mailbox)->getObject("trouble");
}

}  // namespace

SCENARIO("the API of a running service says what the commands beside it say, and what is wrong now", "[system][api]") {
    const Office office;
    const auto closed = troubleOf(office, "closed"), poor = troubleOf(office, "poor");
    REQUIRE(eventually([&] { return office.place.countDelivered("well") == 3; }, soon));

    const auto wrong = list(office.get("/api/v1/credentials/wrong").body)->getObject(0);
    THEN("each answer is the document the command prints, but for what only a service knows") {
        const auto checkSame = [&](const std::string& path, const std::vector<std::string>& words) {
            const bool equal = eventually([&] { return office.get(path).body == office.shown(words); }, soon);
            INFO(path << " answers " << office.get(path).body << "\nand the command says " << office.shown(words));
            CHECK(equal);
            CHECK(office.get(path).status == 200);
        };
        checkSame("/api/v1/credentials", {"credentials"});
        checkSame("/api/v1/credentials/wrong", {"credentials", "wrong"});
        checkSame("/api/v1/keystores", {"keystores"});
        checkSame("/api/v1/keystores/client", {"keystores", "client"});
        const auto sameBut = [&](const std::string& path, const std::vector<std::string>& words) {
            return eventually([&] { return withoutNow(office.get(path).body) == withoutNow(office.shown(words)); }, soon);
        };
        CHECK(sameBut("/api/v1/mailboxes", {"mailboxes"}));
        CHECK(sameBut("/api/v1/mailboxes/well", {"mailboxes", "well"}));
        CHECK(list(office.shown({"mailboxes", "well"}))->getObject(0)->isNull("now"));
    }
    THEN("a client the provider refuses has its cause, and how it is mended") {
        const auto result = wrong->getArray("results")->getObject(0);
        CHECK(result->getValue<std::string>("status") == "failed");
        CHECK(result->getValue<std::string>("error_code") == "PO-3001");
        CHECK(result->getValue<std::string>("cause").find("invalid_client") != std::string::npos);
        CHECK(result->getObject("diagnosis")->getValue<std::string>("id") == "client-refused");
        CHECK(result->getObject("diagnosis")->getArray("fix")->getElement<std::string>(0).find("compare client_id") == 0);
        const auto table = office.place.postern({"credentials", "wrong"}).output;
        CHECK(table.find("likely cause    the token endpoint does not take this client id") != std::string::npos);
        CHECK(table.find("fix             compare client_id") != std::string::npos);
    }
    THEN("what ends is there, with how near it is") {
        const auto good = list(office.get("/api/v1/credentials/good").body)->getObject(0);
        CHECK(good->getArray("results")->getObject(0)->isNull("diagnosis"));
        REQUIRE(good->getArray("endings")->size() == 1);
        const auto secret = good->getArray("endings")->getObject(0);
        CHECK(secret->getValue<std::string>("of") == "secret");
        CHECK(secret->getValue<std::string>("ends") == "2020-01-31T00:00:00Z");
        CHECK(secret->getValue<int>("within_days") == 0);
        CHECK(secret->getValue<std::string>("next").find("client_secret_next") != std::string::npos);
        CHECK(wrong->getArray("endings")->size() == 0);
        CHECK(list(office.get("/api/v1/keystores/client").body)->getObject(0)->getArray("keys")->getObject(0)->getValue<int>("within_days") == 30);
    }
    THEN("one mailbox is well, one stays closed, one has no token") {
        REQUIRE(eventually([&] { return nowOf(office, "well")->getValue<std::string>("health") == "ok"; }, soon));
        CHECK(nowOf(office, "well")->isNull("trouble"));
        CHECK(closed->getValue<std::string>("code") == "PO-4002");
        CHECK_FALSE(closed->getValue<std::string>("text").empty());
        CHECK_FALSE(closed->getValue<std::string>("next").empty());
        CHECK(closed->getObject("diagnosis")->getValue<std::string>("id") == "challenge-token");
        CHECK(closed->getObject("diagnosis")->getArray("fix")->getElement<std::string>(0).find("nobody@example.test") != std::string::npos);
        CHECK(poor->getValue<std::string>("code") == "PO-3001");
        CHECK(poor->getObject("diagnosis")->getValue<std::string>("id") == "client-refused");
        CHECK(nowOf(office, "poor")->getValue<std::string>("health") == "blocked");
    }
    THEN("no answer holds a secret") {
        for (const auto* path : {"/api/v1/credentials", "/api/v1/keystores", "/api/v1/mailboxes"})
            for (const auto& text : {std::string("not~the~secret"), std::string("Pa55word~"), servers::IdentityProvider::basicSecret(),
                                     office.port.token(), std::string("PRIVATE KEY")}) {
                INFO(path << " " << text);
                CHECK(office.get(path).body.find(text) == std::string::npos);
            }
    }
}

SCENARIO("the API lets nobody in without the token, and knows nothing but what it shows", "[system][api]") {
    const Office office;
    for (const auto* path : {"/api/v1/credentials", "/api/v1/nothing", "/api/v1/diagnosis?text=AADSTS7000215"}) {
        INFO(path);
        CHECK(office.port.get(path).status == 401);
        CHECK(office.port.get(path, std::string(office.port.token().size(), 'a')).status == 401);
        CHECK(errorIn(office.port.get(path).body)->getValue<std::string>("code") == "PO-9002");
        CHECK(office.port.get(path, office.port.token(), "POST").status == 405);
    }
    struct Unknown {
        const char* path;
        int status;
        const char *code, *text;
    };
    for (const auto& each :
         {Unknown{"/api/v1/credentials/nobody", 404, "PO-1008", "there is no credential named nobody"},
          Unknown{"/api/v1/keystores/nobody", 404, "PO-1008", "there is no keystore nobody"},
          Unknown{"/api/v1/mailboxes/nobody", 404, "PO-1008", "there is no mailbox nobody, neither in the configuration nor in the ledger"},
          Unknown{"/api/v1/mailboxes/restart", 404, "PO-9004", "there is nothing at this address"},
          Unknown{"/api/v1/mailboxes/--all", 404, "PO-9004", "there is nothing at this address"},
          Unknown{"/api/v1/ledger", 404, "PO-9004", "there is nothing at this address"},
          Unknown{"/api/v1/version", 404, "PO-9004", "there is nothing at this address"},
          Unknown{"/api/v1/credentials?x=y", 400, "PO-9004", "credentials takes no parameters"}}) {
        const auto answer = office.get(each.path);
        INFO(each.path << ": " << answer.body);
        CHECK(answer.status == each.status);
        CHECK(answer.caching == "no-store");
        CHECK(errorIn(answer.body)->getValue<std::string>("code") == each.code);
        CHECK(errorIn(answer.body)->getValue<std::string>("text") == each.text);
        CHECK_FALSE(errorIn(answer.body)->getValue<std::string>("next").empty());
    }
}

SCENARIO("the API makes a diagnosis of what a provider says", "[system][api]") {
    const Office office;
    const auto diagnosis = [&](const std::string& text) {
        std::string encoded;
        Poco::URI::encode(text, "+&?#=%", encoded);
        const auto answer = office.get("/api/v1/diagnosis?text=" + encoded);
        REQUIRE(answer.status == 200);
        return list(answer.body);
    };
    const auto found = diagnosis("AADSTS7000222: The provided client secret keys are expired.\r\nTrace ID: 0a1b");
    REQUIRE(found->size() == 1);
    CHECK(found->getObject(0)->getValue<std::string>("id") == "secret-expired");
    CHECK(found->getObject(0)->getArray("fix")->size() > 0);
    CHECK(diagnosis(R"({"error":"invalid_grant","error_description":"<script>"})")->getObject(0)->getValue<std::string>("id") == "oauth-grant");
    CHECK(diagnosis("nothing anybody has said")->size() == 0);
    for (const auto* wrong : {"/api/v1/diagnosis", "/api/v1/diagnosis?text=", "/api/v1/diagnosis?text=a&x=b", "/api/v1/diagnosis?text=%00"}) {
        INFO(wrong);
        CHECK(office.get(wrong).status == 400);
    }
    CHECK(office.get("/api/v1/diagnosis?text=" + std::string(4097, 'a')).status == 400);
    CHECK(office.get("/api/v1/diagnosis/name?text=a").status == 404);
}

SCENARIO("hostile requests get a refusal, and the service goes on", "[system][api]") {
    Office office;
    const auto head = " HTTP/1.1\r\nHost: localhost:" + office.port.number() + "\r\nAuthorization: Bearer " + office.port.token() + "\r\n\r\n";
    REQUIRE(office.raw("GET /api/v1/keystores" + head).find("HTTP/1.1 200") == 0);
    struct Hostile {
        std::string target;
        int status;
    };
    for (const auto& [target, status] :
         {Hostile{"/api/v1/credentials/..%2f..%2fdata%2fadmin.token", 404}, Hostile{"/api/v1/../../etc/passwd", 404},
          Hostile{"/api/v1/%2e%2e/healthz", 404}, Hostile{"/api/v1/credentials/%00", 404}, Hostile{std::string("/api/v1/credentials/a\0b", 23), 404},
          Hostile{"/api/v1/credentials/%", 400}, Hostile{"/api/v1/credentials/%g1", 400}, Hostile{"/api/v1/credentials/'%20OR%201=1--", 404},
          Hostile{"/api/v1/credentials/" + std::string(10'000, 'a'), 404}, Hostile{"/api/v1/" + std::string(100'000, 'a'), 400},
          Hostile{"/api/v1/diagnosis?text=" + std::string(100'000, 'a'), 400}, Hostile{"/api/v1/diagnosis?" + std::string(5'000, '&'), 400},
          Hostile{"http://evil.example/api/v1/credentials", 404}, Hostile{"*", 404}}) {
        const auto answer = office.raw("GET " + target + head);
        INFO(target.substr(0, 60) << " is answered " << answer.substr(0, 300));
        CHECK(answer.starts_with("HTTP/1.1 " + std::to_string(status) + " "));
        CHECK(answer.find(office.port.token()) == std::string::npos);
    }
    THEN("twenty at once are answered, or told to come again") {
        std::vector<Answer> answers(20);
        {
            std::vector<std::jthread> callers;
            for (std::size_t i = 0; i < answers.size(); ++i)
                callers.emplace_back([&office, &answer = answers[i], path = std::string(i % 2 == 0 ? "/api/v1/credentials" : "/api/v1/mailboxes"),
                                      token = office.port.token()] { answer = office.port.get(path, token); });
        }
        for (const auto& answer : answers) {
            INFO(answer.body);
            CHECK((answer.status == 200 || (answer.status == 503 && errorIn(answer.body)->getValue<std::string>("code") == "PO-9005")));
        }
        CHECK(std::any_of(answers.begin(), answers.end(), [](const auto& answer) { return answer.status == 200; }));
        CHECK(office.get("/api/v1/credentials").status == 200);
    }
    CHECK(office.service->running());
    CHECK(office.service->stop(soon).status == 0);
    CHECK(office.place.log().find("PO-9003") == std::string::npos);
    CHECK(office.place.log().find("not~the~secret") == std::string::npos);
}
