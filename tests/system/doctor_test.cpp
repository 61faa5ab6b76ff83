// A tenant that is set up wrongly, in each way people do it: what `postern doctor` says of it, and the log.
#include "tests/system/tenant.h"

#include <Poco/JSON/Array.h>

#include <catch2/catch.hpp>

#include <sstream>

using namespace systemtest;

namespace {

struct Misconfiguration {
    std::string what;
    TokenAnswer token;
    Exchange::Mood exchange;
    std::string diagnosis;
    std::string failedStep;
    int status;
    std::string says;  ///< a piece of the fix
};

std::vector<Misconfiguration> misconfigurations() {
    using Mood = Exchange::Mood;
    const auto powerShell = std::string("New-ServicePrincipal -AppId ") + Application::id + " -ObjectId " + Application::object;
    return {
        {"the secret's ID was pasted instead of its value", entraError("invalid_client", 7000215), Mood::good, "secret-wrong", "token", 77, "Value"},
        {"the secret has expired", entraError("invalid_client", 7000222), Mood::good, "secret-expired", "token", 77, "new secret"},
        {"no secret arrives", entraError("invalid_client", 7000218), Mood::good, "secret-missing", "token", 77, "client_secret"},
        {"the application is unknown in the tenant", entraError("unauthorized_client", 700016), Mood::good, "application-unknown", "token", 77,
         "credential.c.client_id"},
        {"the application is disabled", entraError("unauthorized_client", 7000112), Mood::good, "application-disabled", "token", 77, "Enabled"},
        {"the tenant is misspelled", entraError("invalid_request", 90002), Mood::good, "tenant-unknown", "token", 77, "token_endpoint"},
        {"the tenant is not named", entraError("invalid_request", 9001023), Mood::good, "tenant-not-named", "token", 77, "/common"},
        {"the scope is not a default one", entraError("invalid_scope", 1002012), Mood::good, "scope-not-default", "token", 77, "/.default"},
        {"the resource is unknown", entraError("invalid_resource", 500011), Mood::good, "resource-unknown", "token", 77, "outlook.office365.com"},
        {"nobody has consented", entraError("invalid_grant", 65001), Mood::good, "consent-missing", "token", 77,
         std::string("https://login.microsoftonline.com/tenant/adminconsent?client_id=") + Application::id},
        {"no role is assigned", entraError("invalid_grant", 501051), Mood::good, "role-not-assigned", "token", 77, "IMAP.AccessAsApp"},
        {"the clock is wrong", entraError("invalid_client", 700024), Mood::good, "clock-wrong", "token", 77, "clock"},
        {"the token is for Graph", tokenAnswer(entraToken("tenant-id", "https://graph.microsoft.com", R"(,"roles":["Mail.Read"])")), Mood::refuses,
         "graph-audience", "sign-in", 77, "credential.c.scopes = https://outlook.office365.com/.default"},
        {"the token is for something else", tokenAnswer(entraToken("tenant-id", "api://mine", R"(,"roles":["IMAP.AccessAsApp"])")), Mood::refuses,
         "other-audience", "sign-in", 77, "/.default"},
        {"the role is missing", tokenAnswer(entraToken("tenant-id", "https://outlook.office365.com", "")), Mood::refuses, "role-missing", "sign-in",
         77, std::string("https://login.microsoftonline.com/tenant-id/adminconsent?client_id=") + Application::id},
        {"a user's token has no IMAP scope", tokenAnswer(entraToken("tenant-id", "https://outlook.office.com", R"(,"scp":"User.Read Mail.Read")")),
         Mood::refuses, "scope-missing", "sign-in", 77, "IMAP.AccessAsUser.All"},
        {"the service principal is not registered, or with the wrong object id", tokenAnswer(exchangeToken()), Mood::refuses, "service-principal",
         "sign-in", 77, powerShell},
        {"authenticated but not connected", tokenAnswer(exchangeToken()), Mood::notConnected, "mailbox-access", "sign-in", 77,
         std::string("Add-MailboxPermission -Identity ") + box + " -User " + Application::object + " -AccessRights FullAccess"},
        {"IMAP is throttled", tokenAnswer(exchangeToken()), Mood::throttles, "throttled", "sign-in", 75, "wait"},
        {"no OAuth is offered", tokenAnswer(exchangeToken()), Mood::noOauth, "no-mechanism", "sign-in", 77, "XOAUTH2"},
        {"an answer nobody has a row for", entraError("invalid_grant", 424242), Mood::good, "oauth-grant", "token", 77, "postern login c"},
        {"an opaque token is refused", tokenAnswer("0123456789abcdef"), Mood::refuses, "sign-in-refused", "sign-in", 77, box},
    };
}

std::string lines(const Poco::JSON::Array::Ptr& array) {
    std::string text;
    for (std::size_t i = 0; i < array->size(); ++i) text += array->getElement<std::string>(static_cast<unsigned>(i)) + "\n";
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
            CHECK(exchange.server.strange() == 0);
        }
    }
}

SCENARIO("a tenant that is set up well is found so, and so is one that lets the application in everywhere", "[system][doctor]") {
    GIVEN("an application with access to one mailbox") {
        Entra entra{tokenAnswer(exchangeToken())};
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
                CHECK(report->getObject("claims")->getValue<std::string>("oid") == Application::object);
                CHECK(report->getObject("denied")->getValue<std::string>("result") == "refused");
                CHECK(exchange.signIns == 2);
                CHECK(servers::eventually([&] { return exchange.server.goodbyes() == 1; },
                                          std::chrono::seconds{10}));  // of the session that was opened
                CHECK(exchange.server.strange() == 0);
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
                CHECK(outcome.output.find(std::string("Remove-MailboxPermission -Identity ceo@contoso.example -User ") + Application::object +
                                          " -AccessRights FullAccess") != std::string::npos);
                CHECK(servers::eventually([&] { return exchange.server.goodbyes() == 2; }, std::chrono::seconds{10}));
            }
        }
    }
}

SCENARIO("the clock of the token endpoint is compared with this machine's", "[system][doctor]") {
    Workplace place;
    Exchange exchange{Exchange::Mood::good};
    const auto doctor = [&](TokenAnswer answer, std::chrono::seconds ahead) {
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
        const auto [text, report] = doctor(tokenAnswer(exchangeToken()), seconds{0});
        INFO(text);
        CHECK(std::abs(report->getValue<int>("clock_offset_seconds")) <= 60);
        CHECK(text.find("the clocks of the token endpoint and of this machine agree") != std::string::npos);
        CHECK(text.find(warning) == std::string::npos);
    }
    GIVEN("one that is ahead, and one that is behind") {
        const auto [ahead, aheadReport] = doctor(tokenAnswer(exchangeToken()), seconds{6000});
        INFO(ahead);
        CHECK(aheadReport->getValue<int>("clock_offset_seconds") > 5000);
        CHECK(aheadReport->getValue<int>("clock_offset_seconds") <= 6000);
        CHECK(ahead.find(warning) != std::string::npos);
        CHECK(ahead.find("s ahead of this machine's") != std::string::npos);
        CHECK(aheadReport->getValue<bool>("ok"));
        const auto [behind, behindReport] = doctor(tokenAnswer(exchangeToken()), seconds{-6000});
        CHECK(behindReport->getValue<int>("clock_offset_seconds") < -5000);
        CHECK(behind.find("s behind this machine's") != std::string::npos);
    }
    GIVEN("an assertion that is refused for it") {
        const auto [text, report] = doctor(entraError("invalid_client", 700024), seconds{6000});
        INFO(text);
        CHECK(report->getValue<int>("clock_offset_seconds") > 5000);
        const auto diagnosis = report->getObject("diagnosis");
        CHECK(diagnosis->getValue<std::string>("id") == "clock-wrong");
        CHECK(diagnosis->getValue<std::string>("cause").find("s ahead of this machine's") != std::string::npos);
        CHECK(text.find("clock_offset=") != std::string::npos);
        CHECK(text.find(warning) != std::string::npos);
    }
    GIVEN("an answer that does not tell the time") {
        Entra entra{tokenAnswer(exchangeToken())};
        entra.answer.ahead.reset();
        place.configure(tenant(entra, exchange, place));
        CHECK(json(place.postern({"doctor", "m", "--json"}).output)->isNull("clock_offset_seconds"));
    }
}

SCENARIO("the log tells the cause and the first step of the fix", "[system][doctor]") {
    Workplace place;
    const auto logOf = [&](const TokenAnswer& token, Exchange::Mood mood) {
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
        const auto log = logOf(entraError("invalid_grant", 65001), Exchange::Mood::good);
        INFO(log);
        for (const auto* where : {"credential=c", "mailbox=m"}) {
            const auto line = lineWith(log, where);
            CHECK(line.find("nobody has consented to the application's permissions") != std::string::npos);
            CHECK(line.find("fix=\"Entra admin center: App registrations") != std::string::npos);
            CHECK(line.find("cause=") == std::string::npos);  // the error says it
        }
    }
    GIVEN("a mailbox that stays closed") {
        const auto line = lineWith(logOf(tokenAnswer(exchangeToken()), Exchange::Mood::notConnected), "mailbox=m");
        INFO(line);
        CHECK(line.find("PO-4003") != std::string::npos);
        CHECK(line.find("cause=\"the sign-in was accepted, the mailbox was not opened") != std::string::npos);
        CHECK(line.find("fix=\"check mailbox.m.user") != std::string::npos);
    }
}

SCENARIO("what is to be pasted is of the provider's own cloud, also where clouds share an endpoint", "[system][doctor]") {
    Entra entra{entraError("invalid_scope", 1002012)};
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
