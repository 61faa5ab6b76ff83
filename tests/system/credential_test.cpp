// What an administrator sees of a credential: a sealed secret, a secret in the wrong place, what was granted and what was refused.
#include "tests/servers/tls_server.h"
#include "tests/system/workplace.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <Poco/URI.h>

#include <catch2/catch.hpp>

#include <map>
#include <mutex>

using namespace systemtest;
using servers::TlsServer;

namespace {

/// `postern WORDS` with bytes on its standard input.
servers::Outcome fed(const Workplace& place, const std::string& words, std::string_view input) {
    const auto file = place.file("input", input);
    return servers::run(
        {"/bin/sh", "-c", std::string(POSTERN_PROGRAM) + " " + words + " --config " + (place.path() / "conf").string() + " < " + file.string()},
        place.path());
}

std::string sealedOf(const Workplace& place, std::string_view secret) {
    const auto sealed = fed(place, "seal", secret);
    INFO(sealed.error);
    REQUIRE(sealed.status == 0);
    CHECK(sealed.output.find("${sealed:") == 0);
    REQUIRE(sealed.output.ends_with("}\n"));
    return sealed.output.substr(0, sealed.output.size() - 1);
}

std::string withSecret(const Workplace& place, const std::string& value) {
    return replaced(basicCredential(place, "c"), "credential.c.client_secret", value);
}

/// A token endpoint that knows client "app" with the secret "s3cret", in one place alone, as providers that are strict do.
class StrictEndpoint {
public:
    enum class Takes { header, body };
    explicit StrictEndpoint(Takes takes, std::string grants)
        : server_({}, [this, takes, grants = std::move(grants)](TlsServer::Stream& stream) {
              const auto head = stream.readUntil("\r\n\r\n");
              const auto length = head.find("Content-Length: ");
              const auto body = length == head.npos ? std::string() : stream.readExactly(std::stoul(head.substr(length + 16)));
              {
                  const std::lock_guard lock(mutex_);
                  asked_ = body;
              }
              const bool inHeader = head.find("Authorization: Basic YXBwOnMzY3JldA==\r\n") != head.npos;  // app:s3cret
              const bool inBody = body.find("client_id=app") != body.npos && body.find("client_secret=s3cret") != body.npos;
              const bool fits = takes == Takes::header ? inHeader && body.find("client_secret") == body.npos : inBody && !inHeader;
              const std::string answer = fits ? grants : R"({"error":"invalid_client","error_description":"Client authentication failed."})";
              stream.write(std::string("HTTP/1.1 ") + (fits ? "200 OK" : "401 Unauthorized") +
                           "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " + std::to_string(answer.size()) +
                           "\r\n\r\n" + answer);
          }) {}
    std::string credential(const Workplace& place, const std::string& authentication) const {
        return "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = ${file:" +
               place.file("secret", "s3cret").string() + "}\ncredential.c.scopes = mail\ncredential.c.authentication = " + authentication +
               "\ncredential.c.token_endpoint = http://127.0.0.1:" + std::to_string(server_.port()) + "/token\n";
    }

    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/token"; }
    std::string lastBody() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }

private:
    mutable std::mutex mutex_{};
    std::string asked_{};
    TlsServer server_;
};

const std::string plainGrant = R"({"access_token":"a-token","token_type":"Bearer","expires_in":3600})";

Poco::JSON::Object::Ptr shown(const Workplace& place) {
    const auto outcome = place.postern({"credentials", "c", "--json"});
    INFO(outcome.output << outcome.error);
    REQUIRE(outcome.status == 0);
    const auto all = Poco::JSON::Parser().parse(outcome.output).extract<Poco::JSON::Array::Ptr>();
    REQUIRE(all->size() == 1);
    return all->getObject(0);
}

}  // namespace

SCENARIO("a secret is sealed once and serves from then on, on this machine alone", "[system][seal]") {
    Workplace place;
    GIVEN("the secret of an application, sealed with the key of this instance") {
        const auto sealed = sealedOf(place, servers::IdentityProvider::basicSecret() + "\n");
        CHECK(sealed.find(servers::IdentityProvider::basicSecret()) == std::string::npos);
        CHECK(sealedOf(place, servers::IdentityProvider::basicSecret()) != sealed);  // nobody sees that two are the same
        place.configure(withSecret(place, sealed));
        CHECK(place.postern({"check"}).status == 0);
        const auto token = place.postern({"token", "c"});
        INFO(token.error);
        CHECK(token.status == 0);
        WHEN("one character of it is another") {
            auto damaged = sealed;
            auto& octet = damaged[damaged.size() / 2];
            octet = octet == 'A' ? 'B' : 'A';
            place.configure(withSecret(place, damaged));
            const auto refused = place.postern({"token", "c"});
            CHECK(refused.status == 78);
            CHECK((refused.output + refused.error).find("PO-7008") != std::string::npos);
        }
        WHEN("the key is another one") {
            std::filesystem::remove(place.data() / "seal.key");
            sealedOf(place, "x");  // makes one
            const auto refused = place.postern({"token", "c"});
            CHECK(refused.status == 78);
            CHECK((refused.output + refused.error).find("PO-7008") != std::string::npos);
        }
    }
    GIVEN("a key that comes from where secrets are kept") {
        const std::string key = "server.seal_key = ${file:" + place.file("key", std::string(64, 'a')).string() + "}\n";
        place.configure(key);
        const auto sealed = sealedOf(place, servers::IdentityProvider::basicSecret());
        CHECK_FALSE(std::filesystem::exists(place.data() / "seal.key"));
        place.configure(key + withSecret(place, sealed));
        CHECK(place.postern({"token", "c"}).status == 0);
    }
    GIVEN("nothing, or more than any secret") {
        for (const auto& input : {std::string(), std::string("\n"), std::string(65'537, 'x')}) {
            const auto refused = fed(place, "seal", input);
            CHECK(refused.status == 64);
            CHECK(refused.output.empty());
        }
    }
}

SCENARIO("a secret in the wrong place is found out, and nothing else is changed for it", "[system][validate]") {
    struct Row {
        StrictEndpoint::Takes takes;
        const char *written, *other;
    };
    const auto row = GENERATE(values<Row>({{StrictEndpoint::Takes::body, "basic", "body"}, {StrictEndpoint::Takes::header, "body", "basic"}}));
    StrictEndpoint endpoint(row.takes, plainGrant);
    Workplace place;
    place.configure(endpoint.credential(place, row.written));
    const auto wrong = place.postern({"validate", "credential", "c"});
    INFO(wrong.output << wrong.error);
    CHECK(wrong.status == 77);
    CHECK((wrong.output + wrong.error).find(std::string("it takes the same secret with .authentication = ") + row.other) != std::string::npos);
    CHECK(place.postern({"token", "c"}).status == 77);  // that was only to tell
    place.configure(endpoint.credential(place, row.other));
    const auto right = place.postern({"validate", "credential", "c"});
    CHECK(right.status == 0);
    const bool isBody = row.other == std::string("body");
    CHECK((right.output.find("meant for servers that cannot do Basic") != std::string::npos) == isBody);
}

SCENARIO("a credential is tried with the scopes of the protocol that signs in with it", "[system][validate]") {
    StrictEndpoint endpoint(StrictEndpoint::Takes::body, plainGrant);
    Workplace place;
    const auto credential = [&](const std::string& name) {
        const auto prefix = "credential." + name + ".";
        return prefix + "provider = microsoft365\n" + prefix + "tenant = 00000000-0000-0000-0000-000000000000\n" + prefix + "client_id = app\n" +
               prefix + "client_secret = ${file:" + place.file("secret", "s3cret").string() + "}\n" + prefix + "token_endpoint = " + endpoint.url() +
               "\n";
    };
    place.configure(credential("plain") + credential("own") +
                    "mailbox.m.protocol = graph\nmailbox.m.user = intake@contoso.com\nmailbox.m.credential = plain\n"
                    "mailbox.m.graph.credential = own\nmailbox.m.deliver = spool\n");
    const auto own = place.postern({"validate", "credential", "own"});
    INFO(own.output << own.error);
    CHECK(own.status == 0);
    CHECK(endpoint.lastBody().find("scope=https%3A%2F%2Fgraph.microsoft.com%2F.default") != std::string::npos);
    const auto plain = place.postern({"validate", "credential", "plain"});
    INFO(plain.output << plain.error);
    CHECK(plain.status == 0);
    CHECK(endpoint.lastBody().find("scope=https%3A%2F%2Foutlook.office365.com%2F.default") != std::string::npos);  // never by Graph
}

SCENARIO("what was asked of a provider and how it ended is shown", "[system][credentials]") {
    Workplace place;
    REQUIRE(place.postern({"run", "--once"}).status == 0);  // from the first start on there is a place to keep it in
    GIVEN("a grant of fewer scopes than were asked for, without an end") {
        StrictEndpoint endpoint(StrictEndpoint::Takes::header, R"({"access_token":"a-token","token_type":"Bearer","scope":"mail.read"})");
        place.configure(endpoint.credential(place, "basic"));
        const auto login = json(place.postern({"oauth", "server-login", "c", "--json"}).output);
        CHECK(login->getValue<int>("status") == 0);
        CHECK(login->get("expires_in").isEmpty());  // not given
        CHECK(login->getValue<std::string>("granted_scopes") == "mail.read");
        REQUIRE(place.postern({"token", "c"}).status == 0);
        const auto state = shown(place);
        CHECK(state->getValue<std::string>("grant") == "client_credentials");
        CHECK(state->getValue<std::string>("obtained_by") == "client_credentials");
        CHECK_FALSE(state->get("obtained_at").isEmpty());
        CHECK(state->getValue<std::string>("asked_scopes") == "mail");
        CHECK(state->getValue<std::string>("granted_scopes") == "mail.read");
        CHECK(state->getValue<bool>("scopes_differ"));
        CHECK_FALSE(state->getValue<bool>("refresh_token"));
        const auto last = state->getArray("results")->getObject(0);
        CHECK(last->getValue<std::string>("status") == "ok");
        CHECK(last->get("error_code").isEmpty());
        const auto text = place.postern({"credentials", "c"}).output;
        CHECK(text.find("granted scopes  mail.read (not those asked for)") != std::string::npos);
    }
    GIVEN("a secret that is refused") {
        StrictEndpoint endpoint(StrictEndpoint::Takes::body, plainGrant);
        place.configure(endpoint.credential(place, "basic") + "credential.c.secret_expires = 2020-01-31\n");
        CHECK(place.postern({"token", "c"}).status == 77);
        const auto state = shown(place);
        CHECK(state->get("obtained_at").isEmpty());
        CHECK(state->getValue<std::string>("secret_expires") == "2020-01-31");
        const auto last = state->getArray("results")->getObject(0);
        CHECK(last->getValue<std::string>("status") == "failed");
        CHECK(last->getValue<std::string>("error_code") == "PO-3001");
        CHECK(last->getValue<std::string>("cause").find("invalid_client") != std::string::npos);
        const auto text = place.postern({"credentials", "c"}).output;
        CHECK(text.find("obtained at     not yet") != std::string::npos);
        CHECK(text.find("2020-01-31, which is over") != std::string::npos);
        CHECK(text.find("PO-3001") != std::string::npos);
    }
    GIVEN("more requests than are remembered") {
        StrictEndpoint endpoint(StrictEndpoint::Takes::header, plainGrant);
        place.configure(endpoint.credential(place, "basic"));
        for (int i = 0; i < 22; ++i) REQUIRE(place.postern({"token", "c"}).status == 0);
        CHECK(shown(place)->getArray("results")->size() == 20);
    }
}
