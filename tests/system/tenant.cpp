#include "tests/system/tenant.h"

#include <Poco/JSON/Array.h>

namespace systemtest {

namespace {

std::string offers(Exchange::Mood mood) {
    return mood == Exchange::Mood::noOauth ? "IMAP4rev1 AUTH=NTLM LOGINDISABLED" : "IMAP4rev1 AUTH=XOAUTH2 SASL-IR NAMESPACE";
}

}  // namespace

std::string exchangeToken() { return entraToken("tenant-id", "https://outlook.office365.com", R"(,"roles":["IMAP.AccessAsApp"])"); }

Entra::Entra(TokenAnswer given)
    : answer(std::move(given)), server({}, [this](const TokenRequest& request) {
          if (request.path != "/tenant/oauth2/v2.0/token" || request.field("grant_type") != "client_credentials") ++strange;
          return answer;
      }) {}

Exchange::Exchange(Mood kind)
    : mood(kind),
      server(
          {}, "[CAPABILITY " + offers(kind) + "] The Microsoft Exchange IMAP4 service is ready.",
          [this](const std::string& user, const std::string&) { return lets(user); }, offers(kind)) {}

ImapServer::Verdict Exchange::lets(const std::string& user) {
    ++signIns;
    if (mood == Mood::refuses || (mood == Mood::onlyBox && user != box)) return {.refused = "AUTHENTICATE failed."};
    if (mood == Mood::throttles) return {.refused = "Request is throttled. Suggested Backoff Time: 299910 milliseconds"};
    return {.connected = mood != Mood::notConnected};
}

std::string tenant(const Entra& entra, const Exchange& exchange, const Workplace& place) {
    const auto port = [](const auto& server) { return std::to_string(server.port()); };
    return "credential.c.client_id = " + std::string(Application::id) +
           "\ncredential.c.client_secret = ${file:" + place.file("secret", "S3cret~value").string() +
           "}\ncredential.c.authentication = body\ncredential.c.token_endpoint = http://127.0.0.1:" + port(entra.server) +
           "/tenant/oauth2/v2.0/token\ncredential.c.scopes = https://outlook.office365.com/.default\n" +
           "mailbox.m.protocol = imap\nmailbox.m.host = 127.0.0.1\nmailbox.m.tls = none\nmailbox.m.port = " + port(exchange.server) +
           "\nmailbox.m.user = " + box + "\nmailbox.m.credential = c\nmailbox.m.deliver = spool\n";
}

std::string states(const Poco::JSON::Object::Ptr& report) {
    std::string text;
    const auto steps = report->getArray("steps");
    for (unsigned i = 0; i < steps->size(); ++i) {
        const auto step = steps->getObject(i);
        text += (text.empty() ? "" : " ") + step->getValue<std::string>("step") + "=" + step->getValue<std::string>("state");
    }
    return text;
}

}  // namespace systemtest
