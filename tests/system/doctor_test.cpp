#include "tests/servers/tls_server.h"
#include "tests/system/workplace.h"

#include <Poco/Base64Decoder.h>
#include <Poco/Base64Encoder.h>
#include <Poco/DateTimeFormat.h>
#include <Poco/DateTimeFormatter.h>
#include <Poco/JSON/Array.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>

using namespace systemtest;
using servers::TlsServer;

namespace {

constexpr const char* box = "box@contoso.example";
constexpr const char* appId = "11111111-2222-3333-4444-555555555555";
constexpr const char* objectId = "99999999-8888-7777-6666-555555555555";

std::string base64Url(const std::string& text) {
    std::ostringstream out;
    Poco::Base64Encoder encoder{out, Poco::BASE64_URL_ENCODING | Poco::BASE64_NO_PADDING};
    encoder << text;
    encoder.close();
    return out.str();
}

/// A token as Entra makes them, but for the signature.
std::string jwt(const std::string& audience, const std::string& rest) {
    return base64Url(R"({"alg":"RS256","typ":"JWT"})") + "." +
           base64Url(R"({"aud":")" + audience + R"(","iss":"https://sts.windows.net/tenant-id/","appid":")" + appId + R"(","oid":")" + objectId +
                     R"(","tid":"tenant-id","nbf":1000000000,"exp":4000000000)" + rest + "}") +
           "." + base64Url("no signature");
}

std::string exchangeToken() { return jwt("https://outlook.office365.com", R"(,"roles":["IMAP.AccessAsApp"])"); }

struct Answer {
    int status = 200;
    std::string body;
    std::optional<std::chrono::seconds> ahead{};  ///< of this machine's clock, in a header Date
};
Answer granted(const std::string& token) { return {200, R"({"token_type":"Bearer","expires_in":3599,"access_token":")" + token + "\"}"}; }
Answer entraRefuses(const std::string& error, int number) {
    const auto text = std::to_string(number);
    return {error == "invalid_client" ? 401 : 400, R"({"error":")" + error + R"(","error_description":"AADSTS)" + text +
                                                       R"(: as Entra puts it.","error_codes":[)" + text +
                                                       R"(],"trace_id":"0a1b","correlation_id":"2c3d"})"};
}

std::string dateOf(const Answer& answer) {
    if (!answer.ahead) return {};
    const auto moment = Poco::Timestamp{} + answer.ahead->count() * Poco::Timestamp::resolution();
    return "Date: " + Poco::DateTimeFormatter::format(moment, Poco::DateTimeFormat::HTTP_FORMAT) + "\r\n";
}

/// A token endpoint that knows one request and one answer.
struct Entra {
    explicit Entra(Answer given)
        : answer(std::move(given)), server({}, [this](TlsServer::Stream& stream) {
              const auto head = stream.readUntil("\r\n\r\n");
              const auto length = head.find("Content-Length: ");
              if (head.rfind("POST /tenant/oauth2/v2.0/token ", 0) != 0 || length == std::string::npos) {
                  ++strange;
                  return;
              }
              const auto body = stream.readExactly(std::stoul(head.substr(length + 16)));
              if (body.find("grant_type=client_credentials") == std::string::npos) ++strange;
              stream.write("HTTP/1.1 " + std::to_string(answer.status) + " x\r\n" + dateOf(answer) +
                           "Content-Type: application/json\r\nContent-Length: " + std::to_string(answer.body.size()) +
                           "\r\nConnection: close\r\n\r\n" + answer.body);
              stream.goodbye();
          }) {}
    Answer answer;
    std::atomic<int> strange{0};
    TlsServer server;
};

/// Exchange in one mood: what it answers to AUTHENTICATE and to what comes then, each by user.
struct Exchange {
    enum class Mood { good, refuses, notConnected, throttles, noOauth, onlyBox };
    explicit Exchange(Mood kind) : mood(kind), server({}, [this](TlsServer::Stream& stream) { talk(stream); }) {}

    void talk(TlsServer::Stream& stream) {
        const std::string offers = mood == Mood::noOauth ? "IMAP4rev1 AUTH=NTLM LOGINDISABLED" : "IMAP4rev1 AUTH=XOAUTH2 SASL-IR NAMESPACE";
        stream.write("* OK [CAPABILITY " + offers + "] The Microsoft Exchange IMAP4 service is ready.\r\n");
        std::string user;
        for (auto line = stream.readLine(); !line.empty(); line = stream.readLine()) {
            const auto blank = line.find(' ');
            const auto tag = line.substr(0, blank);
            std::istringstream words{line.substr(blank + 1)};
            std::string command, argument, response;
            words >> command >> argument >> response;
            const auto ok = [&](const std::string& before = {}) { stream.write(before + tag + " OK done\r\n"); };
            if (command == "AUTHENTICATE") {
                ++signIns;
                const bool other = response.substr(0, 12) != base64Url(std::string("user=") + box).substr(0, 12);
                if (mood == Mood::refuses || (mood == Mood::onlyBox && other))
                    stream.write(tag + " NO AUTHENTICATE failed.\r\n");
                else if (mood == Mood::throttles)
                    stream.write(tag + " NO Request is throttled. Suggested Backoff Time: 299910 milliseconds\r\n");
                else
                    ok();
            } else if (command == "CAPABILITY") {
                ok("* CAPABILITY " + offers + "\r\n");
            } else if (mood == Mood::notConnected) {
                stream.write(tag + " BAD User is authenticated but not connected.\r\n");
            } else if (command == "NAMESPACE") {
                ok("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
            } else if (command == "LIST") {
                ok("* LIST (\\HasNoChildren) \"/\" INBOX\r\n");
            } else if (command == "SELECT" || command == "EXAMINE") {
                ok("* 0 EXISTS\r\n* OK [UIDVALIDITY 14] x\r\n* OK [UIDNEXT 1] x\r\n* FLAGS (\\Seen)\r\n");
            } else if (command == "LOGOUT") {
                ++goodbyes;  // who says it does not wait for the answer
                stream.write("* BYE Microsoft Exchange Server IMAP4 server signing off.\r\n" + tag + " OK done\r\n");
                return;
            } else {
                ++strange;
                stream.write(tag + " BAD Command Argument Error. 11\r\n");
            }
        }
    }
    Mood mood;
    std::atomic<int> signIns{0}, goodbyes{0}, strange{0};
    TlsServer server;
};

std::string tenant(const Entra& entra, const Exchange& exchange, const Workplace& place) {
    const auto port = [](const TlsServer& server) { return std::to_string(server.port()); };
    return "credential.c.client_id = " + std::string(appId) +
           "\ncredential.c.client_secret = ${file:" + place.file("secret", "S3cret~value").string() +
           "}\ncredential.c.authentication = body\ncredential.c.token_endpoint = http://127.0.0.1:" + port(entra.server) +
           "/tenant/oauth2/v2.0/token\ncredential.c.scopes = https://outlook.office365.com/.default\n" +
           "mailbox.m.protocol = imap\nmailbox.m.host = 127.0.0.1\nmailbox.m.tls = none\nmailbox.m.port = " + port(exchange.server) +
           "\nmailbox.m.user = " + box + "\nmailbox.m.credential = c\nmailbox.m.deliver = spool\n";
}

struct Misconfiguration {
    std::string what;
    Answer token;
    Exchange::Mood exchange;
    std::string diagnosis;
    std::string failedStep;
    int status;
    std::string says;  ///< a piece of the fix
};

std::vector<Misconfiguration> misconfigurations() {
    using Mood = Exchange::Mood;
    const auto powerShell = std::string("New-ServicePrincipal -AppId ") + appId + " -ObjectId " + objectId;
    return {
        {"the secret's ID was pasted instead of its value", entraRefuses("invalid_client", 7000215), Mood::good, "secret-wrong", "token", 77,
         "Value"},
        {"the secret has expired", entraRefuses("invalid_client", 7000222), Mood::good, "secret-expired", "token", 77, "new secret"},
        {"no secret arrives", entraRefuses("invalid_client", 7000218), Mood::good, "secret-missing", "token", 77, "client_secret"},
        {"the application is unknown in the tenant", entraRefuses("unauthorized_client", 700016), Mood::good, "application-unknown", "token", 77,
         "credential.c.client_id"},
        {"the application is disabled", entraRefuses("unauthorized_client", 7000112), Mood::good, "application-disabled", "token", 77, "Enabled"},
        {"the tenant is misspelled", entraRefuses("invalid_request", 90002), Mood::good, "tenant-unknown", "token", 77, "token_endpoint"},
        {"the tenant is not named", entraRefuses("invalid_request", 9001023), Mood::good, "tenant-not-named", "token", 77, "/common"},
        {"the scope is not a default one", entraRefuses("invalid_scope", 1002012), Mood::good, "scope-not-default", "token", 77, "/.default"},
        {"the resource is unknown", entraRefuses("invalid_resource", 500011), Mood::good, "resource-unknown", "token", 77, "outlook.office365.com"},
        {"nobody has consented", entraRefuses("invalid_grant", 65001), Mood::good, "consent-missing", "token", 77,
         std::string("https://login.microsoftonline.com/tenant/adminconsent?client_id=") + appId},
        {"no role is assigned", entraRefuses("invalid_grant", 501051), Mood::good, "role-not-assigned", "token", 77, "IMAP.AccessAsApp"},
        {"the clock is wrong", entraRefuses("invalid_client", 700024), Mood::good, "clock-wrong", "token", 77, "clock"},
        {"the token is for Graph", granted(jwt("https://graph.microsoft.com", R"(,"roles":["Mail.Read"])")), Mood::refuses, "graph-audience",
         "sign-in", 77, "credential.c.scopes = https://outlook.office365.com/.default"},
        {"the token is for something else", granted(jwt("api://mine", R"(,"roles":["IMAP.AccessAsApp"])")), Mood::refuses, "other-audience",
         "sign-in", 77, "/.default"},
        {"the role is missing", granted(jwt("https://outlook.office365.com", "")), Mood::refuses, "role-missing", "sign-in", 77,
         std::string("https://login.microsoftonline.com/tenant-id/adminconsent?client_id=") + appId},
        {"a user's token has no IMAP scope", granted(jwt("https://outlook.office.com", R"(,"scp":"User.Read Mail.Read")")), Mood::refuses,
         "scope-missing", "sign-in", 77, "IMAP.AccessAsUser.All"},
        {"the service principal is not registered, or with the wrong object id", granted(exchangeToken()), Mood::refuses, "service-principal",
         "sign-in", 77, powerShell},
        {"authenticated but not connected", granted(exchangeToken()), Mood::notConnected, "mailbox-access", "sign-in", 77,
         std::string("Add-MailboxPermission -Identity ") + box + " -User " + objectId + " -AccessRights FullAccess"},
        {"IMAP is throttled", granted(exchangeToken()), Mood::throttles, "throttled", "sign-in", 75, "wait"},
        {"no OAuth is offered", granted(exchangeToken()), Mood::noOauth, "no-mechanism", "sign-in", 77, "XOAUTH2"},
        {"an answer nobody has a row for", entraRefuses("invalid_grant", 424242), Mood::good, "oauth-grant", "token", 77, "postern login c"},
        {"an opaque token is refused", granted("0123456789abcdef"), Mood::refuses, "sign-in-refused", "sign-in", 77, box},
    };
}

std::string lines(const Poco::JSON::Array::Ptr& array) {
    std::string text;
    for (std::size_t i = 0; i < array->size(); ++i) text += array->getElement<std::string>(static_cast<unsigned>(i)) + "\n";
    return text;
}

/// "name=ok token=failed …"
std::string states(const Poco::JSON::Object::Ptr& report) {
    std::string text;
    const auto steps = report->getArray("steps");
    for (unsigned i = 0; i < steps->size(); ++i) {
        const auto step = steps->getObject(i);
        text += (text.empty() ? "" : " ") + step->getValue<std::string>("step") + "=" + step->getValue<std::string>("state");
    }
    return text;
}

}  // namespace

SCENARIO("each way to set a tenant up wrongly has its one diagnosis", "[system][doctor]") {
    for (const auto& wrong : misconfigurations()) {
        GIVEN(wrong.what) {
            Entra entra{wrong.token};
            Exchange exchange{wrong.exchange};
            Workplace place;
            place.configure(tenant(entra, exchange, place));
            const auto outcome = place.postern({"doctor", "m", "--json"});
            INFO(outcome.output << outcome.error);
            const auto report = json(outcome.output);
            CHECK(outcome.status == wrong.status);
            CHECK(states(report).find(" " + wrong.failedStep + "=failed") != std::string::npos);
            REQUIRE(report->isObject("diagnosis"));
            CHECK(report->getObject("diagnosis")->getValue<std::string>("id") == wrong.diagnosis);
            CHECK(lines(report->getObject("diagnosis")->getArray("fix")).find(wrong.says) != std::string::npos);
            const auto text = place.postern({"doctor", "m"});
            CHECK(text.output.find("diagnosis: " + wrong.diagnosis) != std::string::npos);
            for (const auto& shown : {outcome.output, outcome.error, text.output, text.error}) {
                CHECK(shown.find("S3cret~value") == std::string::npos);
                CHECK(shown.find("eyJ") == std::string::npos);
                CHECK(shown.find("0123456789abcdef") == std::string::npos);
            }
            CHECK(entra.strange == 0);
            CHECK(exchange.strange == 0);
        }
    }
}

SCENARIO("a tenant that is set up well is found so, and so is one that lets the application in everywhere", "[system][doctor]") {
    GIVEN("an application with access to one mailbox") {
        Entra entra{granted(exchangeToken())};
        Workplace place;
        WHEN("another mailbox stays closed to it") {
            Exchange exchange{Exchange::Mood::onlyBox};
            place.configure(tenant(entra, exchange, place));
            const auto outcome = place.postern({"doctor", "m", "--denied", "ceo@contoso.example", "--json"});
            THEN("that is good, and said") {
                INFO(outcome.output << outcome.error);
                const auto report = json(outcome.output);
                CHECK(outcome.status == 0);
                CHECK(report->getValue<bool>("ok"));
                CHECK(report->isNull("diagnosis"));
                CHECK(report->getObject("claims")->getValue<std::string>("oid") == objectId);
                CHECK(report->getObject("denied")->getValue<std::string>("result") == "refused");
                CHECK(exchange.signIns == 2);
                CHECK(servers::eventually([&] { return exchange.goodbyes == 1; }, std::chrono::seconds{10}));  // of the session that was opened
                CHECK(exchange.strange == 0);
            }
        }
        WHEN("it opens every mailbox") {
            Exchange exchange{Exchange::Mood::good};
            place.configure(tenant(entra, exchange, place));
            const auto outcome = place.postern({"doctor", "m", "--denied", "ceo@contoso.example"});
            THEN("it warns, says how to limit it, and answers 77") {
                INFO(outcome.output << outcome.error);
                CHECK(outcome.status == 77);
                CHECK(outcome.output.find("WARNING") != std::string::npos);
                CHECK(outcome.output.find("RBAC for Applications") != std::string::npos);
                CHECK(outcome.output.find(std::string("Remove-MailboxPermission -Identity ceo@contoso.example -User ") + objectId +
                                          " -AccessRights FullAccess") != std::string::npos);
                CHECK(servers::eventually([&] { return exchange.goodbyes == 2; }, std::chrono::seconds{10}));
            }
        }
    }
}

SCENARIO("the clock of the token endpoint is compared with this machine's", "[system][doctor]") {
    Workplace place;
    Exchange exchange{Exchange::Mood::good};
    const auto doctor = [&](Answer answer, std::chrono::seconds ahead) {
        answer.ahead = ahead;
        Entra entra{std::move(answer)};
        place.configure(tenant(entra, exchange, place));
        const auto text = place.postern({"doctor", "m"}).output;
        const auto report = json(place.postern({"doctor", "m", "--json"}).output);
        return std::pair{text, report};
    };
    using std::chrono::seconds;
    const std::string warning = "WARNING: the token endpoint's clock is ";
    GIVEN("clocks that agree") {
        const auto [text, report] = doctor(granted(exchangeToken()), seconds{0});
        INFO(text);
        CHECK(std::abs(report->getValue<int>("clock_offset_seconds")) <= 60);
        CHECK(text.find("the clocks of the token endpoint and of this machine agree") != std::string::npos);
        CHECK(text.find(warning) == std::string::npos);
    }
    GIVEN("one that is ahead, and one that is behind") {
        const auto [ahead, aheadReport] = doctor(granted(exchangeToken()), seconds{6000});
        INFO(ahead);
        CHECK(aheadReport->getValue<int>("clock_offset_seconds") > 5000);
        CHECK(aheadReport->getValue<int>("clock_offset_seconds") <= 6000);
        CHECK(ahead.find(warning) != std::string::npos);
        CHECK(ahead.find("s ahead of this machine's") != std::string::npos);
        CHECK(aheadReport->getValue<bool>("ok"));
        const auto [behind, behindReport] = doctor(granted(exchangeToken()), seconds{-6000});
        CHECK(behindReport->getValue<int>("clock_offset_seconds") < -5000);
        CHECK(behind.find("s behind this machine's") != std::string::npos);
    }
    GIVEN("an assertion that is refused for it") {
        const auto [text, report] = doctor(entraRefuses("invalid_client", 700024), seconds{6000});
        INFO(text);
        CHECK(report->getValue<int>("clock_offset_seconds") > 5000);
        const auto diagnosis = report->getObject("diagnosis");
        CHECK(diagnosis->getValue<std::string>("id") == "clock-wrong");
        CHECK(diagnosis->getValue<std::string>("cause").find("s ahead of this machine's") != std::string::npos);
        CHECK(text.find("clock_offset=") != std::string::npos);
        CHECK(text.find(warning) != std::string::npos);
    }
    GIVEN("an answer that does not tell the time") {
        Entra entra{granted(exchangeToken())};
        place.configure(tenant(entra, exchange, place));
        CHECK(json(place.postern({"doctor", "m", "--json"}).output)->isNull("clock_offset_seconds"));
    }
}

SCENARIO("the log tells the cause and the first step of the fix", "[system][doctor]") {
    Workplace place;
    const auto logOf = [&](const Answer& token, Exchange::Mood mood) {
        Entra entra{token};
        Exchange exchange{mood};
        place.configure(tenant(entra, exchange, place));
        const auto outcome = place.postern({"run", "--once"});
        CHECK(outcome.error.find("S3cret~value") == std::string::npos);
        CHECK(outcome.error.find("eyJ") == std::string::npos);
        return outcome.error;
    };
    const auto lineWith = [](const std::string& log, const std::string& piece) {
        std::istringstream lines{log};
        for (std::string line; std::getline(lines, line);)
            if (line.find(piece) != std::string::npos) return line;
        return std::string{};
    };
    GIVEN("a credential that is refused") {
        const auto log = logOf(entraRefuses("invalid_grant", 65001), Exchange::Mood::good);
        INFO(log);
        for (const auto* where : {"credential=c", "mailbox=m"}) {
            const auto line = lineWith(log, where);
            CHECK(line.find("nobody has consented to the application's permissions") != std::string::npos);
            CHECK(line.find("fix=\"Entra admin center: App registrations") != std::string::npos);
            CHECK(line.find("cause=") == std::string::npos);  // the error says it
        }
    }
    GIVEN("a mailbox that stays closed") {
        const auto line = lineWith(logOf(granted(exchangeToken()), Exchange::Mood::notConnected), "mailbox=m");
        INFO(line);
        CHECK(line.find("PO-4003") != std::string::npos);
        CHECK(line.find("cause=\"the sign-in was accepted, the mailbox was not opened") != std::string::npos);
        CHECK(line.find("fix=\"check mailbox.m.user") != std::string::npos);
    }
}

SCENARIO("what is to be pasted is of the provider's own cloud, also where clouds share an endpoint", "[system][doctor]") {
    Entra entra{entraRefuses("invalid_scope", 1002012)};
    Exchange exchange{Exchange::Mood::good};
    Workplace place;
    place.configure(tenant(entra, exchange, place) + "credential.c.provider = microsoft365-dod\n");
    const auto doctor = place.postern({"doctor", "m"});
    INFO(doctor.output << doctor.error);
    CHECK(doctor.output.find("set credential.c.scopes = https://outlook-dod.office365.us/.default") != std::string::npos);
    const auto run = place.postern({"run", "--once"});
    INFO(run.error);
    std::istringstream log{run.error};
    std::string told;
    for (std::string line; std::getline(log, line);)
        if (line.find("fix=\"set credential.c.scopes = https://outlook-dod.office365.us/.default") != std::string::npos)
            told += line.find(" mailbox=m") != std::string::npos ? "mailbox " : line.find(" credential=c") != std::string::npos ? "credential " : "";
    CHECK(told.find("credential ") != std::string::npos);
    CHECK(told.find("mailbox ") != std::string::npos);
    const auto credentials = place.postern({"credentials", "c"});
    INFO(credentials.output << credentials.error);
    CHECK(credentials.output.find("set credential.c.scopes = https://outlook-dod.office365.us/.default") != std::string::npos);
}

SCENARIO("a credential whose tokens belong to users is validated with the first mailbox's", "[system][validate]") {
    const auto one = servers::makeCertificate({.commonName = "one"}), two = servers::makeCertificate({.commonName = "two"});
    std::mutex mutex;
    std::string claims;  // under mutex
    const TlsServer provider({}, [&](TlsServer::Stream& stream) {
        const auto head = stream.readUntil("\r\n\r\n");
        if (head.empty()) return;  // who only looks whether somebody is there
        const auto body = stream.readExactly(std::stoul(head.substr(head.find("Content-Length: ") + 16)));
        const auto assertion = body.substr(body.find("assertion=") + 10);
        const auto from = assertion.find('.') + 1;
        std::istringstream payload{assertion.substr(from, assertion.find('.', from) - from)};
        Poco::Base64Decoder decoder{payload, Poco::BASE64_URL_ENCODING | Poco::BASE64_NO_PADDING};
        const std::lock_guard lock(mutex);
        claims.assign(std::istreambuf_iterator<char>(decoder), {});
        const std::string answer = R"({"token_type":"Bearer","expires_in":3599,"access_token":"0123456789abcdef"})";
        stream.write("HTTP/1.1 200 x\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(answer.size()) +
                     "\r\nConnection: close\r\n\r\n" + answer);
        stream.goodbye();
    });
    Workplace place;
    place.configure(
        "keystore.k.type = pem\nkeystore.k.path = " + place.file("keys.pem", one.keyPem() + two.keyPem() + one.pem() + two.pem()).string() +
        "\ncredential.b.grant = jwt_bearer\ncredential.b.keystore = k\ncredential.b.signing_alias = 2\ncredential.b.client_id = app\n"
        "credential.b.authentication = none\ncredential.b.scopes = mail\ncredential.b.token_endpoint = http://127.0.0.1:" +
        std::to_string(provider.port()) + "/token\nmailbox.m.protocol = imap\nmailbox.m.host = 127.0.0.1\nmailbox.m.user = " + box +
        "\nmailbox.m.credential = b\nmailbox.m.deliver = spool\n");
    const auto outcome = place.postern({"validate", "credential", "b", "--json"});
    INFO(outcome.output << outcome.error);
    CHECK(outcome.status == 0);
    CHECK(states(json(outcome.output)).find("token=ok") != std::string::npos);
    const std::lock_guard lock(mutex);
    CHECK(claims.find(std::string(R"("sub":")") + box + '"') != std::string::npos);
}

SCENARIO("validate says that the default proxy was passed by, and why", "[system][validate]") {
    Entra entra{granted(exchangeToken())};
    Exchange exchange{Exchange::Mood::good};
    Workplace place;
    const auto proxy = "proxy.office.type = http\nproxy.office.host = 127.0.0.1\nproxy.office.port = " + std::to_string(servers::closedPort()) +
                       "\nproxy.office.default = true\n";
    const auto stepsOf = [&](const std::string& own) {
        place.configure(own + proxy);
        const auto outcome = place.postern({"validate", "mailbox", "m"});
        INFO(outcome.output << outcome.error);
        std::map<std::string, std::string> lines;
        std::istringstream text{outcome.output};
        for (std::string line, state, name; std::getline(text, line);) {
            std::istringstream words{line};
            words >> name >> state;
            lines.emplace(name, line);
        }
        return lines;
    };
    const auto steps = [&](const std::string& more) { return stepsOf(tenant(entra, exchange, place) + more); };
    GIVEN("a proxy nobody answers for, and leave to go without it") {
        auto told = steps("proxy.fallback_to_direct = true\n");
        CHECK(told["proxy"].find("ok") != std::string::npos);
        CHECK(told["proxy"].find("passed by: directly, as proxy.fallback_to_direct allows, since ") != std::string::npos);
        CHECK(told["proxy"].find("cannot be reached through proxy office 127.0.0.1:") != std::string::npos);
        CHECK(told["name"].find("the proxy resolves it") == std::string::npos);
        CHECK(told["sign-in"].find("ok") != std::string::npos);
    }
    GIVEN("leave to go without it, to a server that is not there, is unknown, or shows a certificate nobody trusts") {
        servers::TlsServer untrusted({.chain = {servers::makeCertificate({.commonName = "x", .names = {"127.0.0.1"}})}},
                                     [](auto& stream) { stream.read(); });
        const auto port = std::to_string(servers::closedPort());
        struct Row {
            std::string failed, key, value, why;
            bool tls = false;
        };
        const auto row = GENERATE_REF(Row{"connection", "mailbox.m.port", port, "127.0.0.1:" + port},
                                      Row{"name", "mailbox.m.host", "nowhere.invalid", "nowhere.invalid", true},
                                      Row{"TLS", "mailbox.m.port", "", "certificate", true});
        auto own = replaced(tenant(entra, exchange, place), row.key, row.value.empty() ? std::to_string(untrusted.port()) : row.value);
        if (row.tls) own = replaced(own, "mailbox.m.tls", "implicit");
        auto told = stepsOf(own + "proxy.fallback_to_direct = true\n");
        std::string all;
        for (const auto& [name, line] : told) all += line + "\n";
        INFO(all);
        CHECK(told["proxy"].find("ok") != std::string::npos);
        CHECK(told["proxy"].find("passed by: directly, as proxy.fallback_to_direct allows, since ") != std::string::npos);
        CHECK(told[row.failed].find("failed") != std::string::npos);
        CHECK(told[row.failed].find(row.why) != std::string::npos);
    }
    GIVEN("no leave") {
        auto told = steps("");
        CHECK(told["proxy"].find("failed") != std::string::npos);
        CHECK(told["proxy"].find("passed by") == std::string::npos);
    }
}

SCENARIO("validate tries everything on real servers and leaves no trace", "[system][validate]") {
    GIVEN("a mailbox with folders and mail, and nobody who has read it") {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        reader.append("INBOX", someMails("seen", 3));
        reader.command("CREATE Extra");
        Workplace place;
        const auto good = basicCredential(place, "c") + replaced(mailbox("m", user, "c"), "mailbox.m.folders", "INBOX,Ex*");
        place.configure(good);
        WHEN("all is validated") {
            const auto outcome = place.postern({"validate", "--all"});
            const auto asJson = place.postern({"validate", "mailbox", "m", "--json"});
            THEN("each step is shown as good") {
                INFO(outcome.output << outcome.error << asJson.output);
                CHECK(outcome.status == 0);
                CHECK(outcome.output.find("failed") == std::string::npos);
                CHECK(outcome.output.find("credential c") != std::string::npos);
                CHECK(outcome.output.find("sink spool") != std::string::npos);
                CHECK(outcome.output.find("folder INBOX") != std::string::npos);
                CHECK(outcome.output.find("3 messages, UIDVALIDITY") != std::string::npos);
                CHECK(outcome.output.find("folder Extra") != std::string::npos);
                CHECK(asJson.status == 0);
                CHECK(states(json(asJson.output)) ==
                      "configuration=ok name=ok connection=ok TLS=ok token=ok sign-in=ok folder INBOX=ok folder Extra=ok message=ok");
                AND_THEN("no mail is marked, nothing is delivered, nothing is in the ledger, nothing is left in the spool") {
                    for (const auto& mail : reader.fetch("INBOX")) CHECK(mail.flags.find("\\Seen") == std::string::npos);
                    CHECK(place.countDelivered("m") == 0);
                    CHECK_FALSE(std::filesystem::exists(place.data() / "postern.db"));
                    CHECK_FALSE(std::filesystem::exists(place.path() / "spool"));
                    const auto run = place.postern({"run", "--once"});
                    CHECK(run.status == 0);
                    CHECK(place.countDelivered("m") == 3);
                    const auto beside = place.postern({"validate", "sink", "spool", "--json"});
                    CHECK(states(json(beside.output)) == "configuration=ok directory=ok write=ok make durable=ok name=ok remove=ok");
                    for (const auto& entry : std::filesystem::directory_iterator{place.path() / "spool"})
                        CHECK(entry.path().filename().string().front() != '.');
                }
            }
        }
        WHEN("TLS is agreed on in the session") {
            const auto port = std::to_string(Surroundings::get().mailServer().imapPort());
            place.configure(replaced(replaced(good, "mailbox.m.tls", "starttls"), "mailbox.m.port", port));
            const auto outcome = place.postern({"doctor", "m", "--json"});
            THEN("that is a step too") {
                INFO(outcome.output << outcome.error);
                CHECK(outcome.status == 0);
                CHECK(states(json(outcome.output)).find("connection=ok token=ok TLS=ok sign-in=ok folder INBOX=ok") != std::string::npos);
            }
        }
        WHEN("it is asked of what is wrong") {
            struct Wrong {
                std::string key, value;
                std::vector<std::string> words;
                std::string states;
                int status;
            };
            const auto wrongs = std::vector<Wrong>{
                {"mailbox.m.host", "no-such-host.invalid", {"mailbox", "m"}, "configuration=ok name=failed connection=not tried", 69},
                {"mailbox.m.port",
                 std::to_string(Surroundings::get().mailServer().imapPort()),
                 {"mailbox", "m"},
                 "connection=ok TLS=failed token=not tried",
                 69},
                {"truststore.test.path",
                 "/nowhere/roots.pem",
                 {"mailbox", "m"},
                 "configuration=ok TLS=failed name=not tried connection=not tried",
                 69},
                {"mailbox.m.user", "nobody@example.test", {"mailbox", "m"}, "token=ok sign-in=failed folders=not tried", 77},
                {"mailbox.m.folders", "INBOX,Nowhere", {"mailbox", "m"}, "folder INBOX=ok folder Nowhere=failed message=ok", 77},
                {"credential.c.client_id", "nobody", {"credential", "c"}, "TLS=ok token=failed", 77},
                {"credential.c.client_secret", "${file:/nowhere/secret}", {"credential", "c"}, "TLS=ok secret=failed", 78},
                {"sink.spool.path", "/proc/nowhere", {"sink", "spool"}, "directory=ok write=failed make durable=not tried", 78},
            };
            for (const auto& wrong : wrongs) {
                const bool always = wrong.key.starts_with("sink") || wrong.key.starts_with("truststore");  // stands in every workplace
                place.configure(always ? good : replaced(good, wrong.key, wrong.value));
                if (always) {
                    const auto file = place.path() / "conf" / "postern.properties";
                    servers::writeFile(file, replaced(servers::readFile(file), wrong.key, wrong.value));
                }
                auto words = wrong.words;
                words.insert(words.begin(), "validate");
                words.push_back("--json");
                const auto outcome = place.postern(words);
                INFO(wrong.key << " = " << wrong.value << "\n" << outcome.output << outcome.error);
                CHECK(outcome.status == wrong.status);
                CHECK(states(json(outcome.output)).find(wrong.states) != std::string::npos);
            }
        }
        WHEN("the command line makes no sense") {
            CHECK(place.postern({"validate"}).status == 64);
            CHECK(place.postern({"validate", "mail", "m"}).status == 64);
            CHECK(place.postern({"doctor"}).status == 64);
            CHECK(place.postern({"doctor", "nobody"}).status == 78);
            CHECK(place.postern({"validate", "mailbox", "nobody"}).status == 78);
        }
    }
}
