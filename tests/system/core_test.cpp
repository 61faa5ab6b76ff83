// What a core file of the running service would hold: no secret, whatever it is doing.
#include "tests/system/core.h"
#include "tests/servers/admin_port.h"
#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/tls_server.h"
#include "tests/system/sinks.h"

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <mutex>

using namespace systemtest;
using servers::eventually;
using servers::IdentityProvider;
using servers::TlsServer;

namespace {

using Nothing = std::vector<std::string>;
constexpr const char* user = "intake@contoso.com";

/// As RFC 6749 section 2.3.1 has it sent: form-encoded.
std::string formEncoded(const std::string& text) {
    std::string coded;
    for (const char c : text) {
        char octet[4];
        std::snprintf(octet, sizeof octet, "%%%02X", static_cast<unsigned char>(c));
        coded += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_' || c == '*' ? std::string(1, c) : octet;
    }
    return coded;
}

std::string line(const std::filesystem::path& path) {
    auto text = servers::readFile(path);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

/// The token of the admin port, which is shown to it; 404: it was right, and there is nothing.
void useAdminToken(const Workplace& place, Secrets& secrets) {
    const servers::AdminPort port(place.data());
    const auto token = port.token();
    addToken(secrets, "admin token", token);
    CHECK(port.get("/there-is-nothing", token).status == 404);
}

/// Once what was asked for is dealt with: an answer is here before everything is wiped. What is always in the memory is found, else it was not looked
/// for.
void checkCore(const servers::Process& service, const Secrets& secrets) {
    CHECK_FALSE(foundInCore(service.id(), {{"its name", "postern"}}).empty());
    eventually([&] { return foundInCore(service.id(), secrets).empty(); }, std::chrono::seconds{5});
    CHECK(foundInCore(service.id(), secrets) == Nothing{});
}

/// A token endpoint that gives everybody the same token, and remembers what it was asked.
class Tokens {
public:
    explicit Tokens(std::string token) : token_(std::move(token)), server_({}, [this](TlsServer::Stream& stream) { serve(stream); }) {}
    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/token"; }
    const std::string& token() const { return token_; }
    /// Of the last request.
    std::string parameter(const std::string& name) const {
        const std::lock_guard lock(mutex_);
        const auto at = body_.find("&" + name + "=");
        REQUIRE(at != std::string::npos);
        const auto begin = at + name.size() + 2;
        return body_.substr(begin, body_.find('&', begin) - begin);
    }

private:
    void serve(TlsServer::Stream& stream) {
        const auto head = stream.readUntil("\r\n\r\n");
        const auto length = head.find("Content-Length: ");
        auto asked = length == std::string::npos ? std::string() : stream.readExactly(std::stoul(head.substr(length + 16)));
        {
            const std::lock_guard lock(mutex_);
            body_ = std::move(asked);
        }
        const auto body = R"({"token_type":"Bearer","expires_in":3600,"access_token":")" + token_ + "\"}";
        std::string chunks;  // in two, as many providers send them: what is put together from pieces is to be wiped too
        for (const auto& each : {body.substr(0, 80), body.substr(80)}) {
            char size[16];
            std::snprintf(size, sizeof size, "%zx\r\n", each.size());
            chunks += size + each + "\r\n";
        }
        stream.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
                     "0\r\n\r\n");
    }

    const std::string token_;
    mutable std::mutex mutex_{};
    std::string body_{};
    TlsServer server_;
};

/// A private key as it is read, and as OpenSSL works with it.
void addKey(Secrets& secrets, const std::string& name, const servers::Certificate& certificate) {
    const auto pem = certificate.keyPem();
    const auto text = pem.substr(pem.find('\n') + 1);
    addToken(secrets, name + " as it is read", text.substr(60, 60));  // of P-256: in the first line begins, in the second goes on
    BIGNUM* number = nullptr;
    REQUIRE(EVP_PKEY_get_bn_param(certificate.key.get(), "priv", &number) == 1);
    std::string octets(32, '\0');
    REQUIRE(BN_bn2binpad(number, reinterpret_cast<unsigned char*>(octets.data()), 32) == 32);
    BN_free(number);
    addToken(secrets, name, octets);
    addToken(secrets, name + " as a number", std::string(octets.rbegin(), octets.rend()));
}

/// credential.<name>.*, which signs its requests.
std::string signing(const Workplace& place, const std::string& name, const Tokens& tokens, Secrets& secrets) {
    const auto own = servers::makeCertificate({.commonName = name});
    addKey(secrets, "key of " + name, own);
    const auto prefix = "credential." + name + ".";
    return prefix + "grant = client_credentials\n" + prefix + "client_id = app\n" + prefix + "authentication = private_key_jwt\n" + prefix +
           "keystore = " + name + "\n" + prefix + "scopes = mail\n" + prefix + "token_endpoint = " + tokens.url() + "\nkeystore." + name +
           ".type = pem\nkeystore." + name + ".path = " + place.file(name + ".pem", own.keyPem() + own.pem()).string() + "\n";
}

std::string exchangeMailbox(const std::string& alias, const std::string& protocol, const std::string& url, const std::string& sink) {
    const auto prefix = "mailbox." + alias + ".";
    return prefix + "protocol = " + protocol + "\n" + prefix + "url = " + url + "\n" + prefix + "user = " + user + "\n" + prefix +
           "credential = " + alias + "\n" + prefix + "deliver = " + sink + "\n" + prefix + "start = all\n" + prefix + "interval = 1s\n";
}

std::string mail(int number) {
    return "Message-ID: <" + std::to_string(number) +
           "@contoso.com>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@contoso.com\r\nSubject: mail\r\n\r\nbody\r\n";
}

/// A server that lets whoever signs in wait for an answer, whatever it is asked.
class Silent {
public:
    /// `greeting` is said first, and what comes is read up to `mark`.
    Silent(std::string greeting, std::string mark)
        : server_({}, [this, greeting = std::move(greeting), mark = std::move(mark)](TlsServer::Stream& stream) {
              if (!greeting.empty()) stream.write(greeting);
              const auto asked = stream.readUntil(mark);
              {
                  const std::lock_guard lock(mutex_);
                  asked_ = asked;
              }
              while (!stream.read().empty()) continue;  // until the client has enough of it
          }) {}
    std::uint16_t port() const { return server_.port(); }
    std::string asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }

private:
    mutable std::mutex mutex_{};
    std::string asked_{};
    TlsServer server_;
};

void addAssertion(Secrets& secrets, const std::string& name, const Tokens& tokens) {
    const auto assertion = tokens.parameter("client_assertion");
    addToken(secrets, "assertion of " + name, assertion.substr(assertion.find('.') + 1));  // its head is the same each time, and no secret
    addToken(secrets, "token of " + name, tokens.token());
}

}  // namespace

SCENARIO("a core file of a service that waits for mail holds no secret, no password and no token", "[system][core]") {
    FilledMailbox box("m");
    box.add(someMails("core", 5));
    const auto other = Surroundings::get().newUser();
    Surroundings::get().reader(other).append("INBOX", someMails("core-of-another", 1));
    const auto password = Surroundings::get().mailServer().readerPassword();
    Workplace place;
    place.configure("log.level = trace\n" + basicCredential(place, "c") + box.words("spool", "leave") +
                    "credential.p.grant = user_password\ncredential.p.username = " + other +
                    "\ncredential.p.password = ${file:" + place.file("p.secret", password).string() + "}\n" + mailbox("p", other, "p"));
    auto service = place.start({"run"});
    REQUIRE(eventually([&] { return place.countDelivered("m") == box.size() && place.countDelivered("p") == 1; }, patience));
    Secrets tokens;
    for (const auto& [name, token] : Surroundings::get().provider().issued()) addToken(tokens, name, token);
    REQUIRE_FALSE(tokens.empty());
    const auto& secret = IdentityProvider::basicSecret();
    auto secrets = tokens;
    secrets["client secret"] = secret;
    secrets["client secret, form-encoded"] = formEncoded(secret).substr(20);
    Secrets header;
    addToken(header, "client secret in a header", "app-basic:" + formEncoded(secret));
    for (const auto& [name, bytes] : header)
        if (name.ends_with("Base64 0")) secrets[name] = bytes;  // the rest of it is no secret, or is here already
    addToken(secrets, "password", password);
    useAdminToken(place, secrets);
    checkCore(service, secrets);
    CHECK(service.stop().status == 0);
    CHECK(foundInFiles(place.path(), tokens) == Nothing{});
    CHECK(place.log().find(" debug ") != std::string::npos);
}

SCENARIO("a core file of a service that reads Exchange and calls webhooks holds no token, no assertion and no signing secret", "[system][core]") {
    const Tokens ewsTokens("ews-access-Zq8vT1mXw5Kc3Rb7Yd9Lh2Nf6Pg4Js0Ua-ends-here"),
        graphTokens("graph-access-Hb6nMv2Cx9Zl4Kj7Gf1Ds8Ap3Qw5Er0T-ends-here"), hookTokens("hook-access-Po9iUy7tRe5wQa3sDf1gHj2kLz4xCv6bN-ends-here");
    const std::string key = "0123456789abcdef-signing-key", tenant = "tenant-key-Rt5Yu8Io2Pa";
    servers::EwsServer ews;
    ews.user = user;
    ews.tokens = {ewsTokens.token()};
    const auto endpoint = "http://127.0.0.1:" + std::to_string(ews.listen()) + "/EWS/Exchange.asmx";
    servers::GraphServer graph({.user = user, .token = graphTokens.token()});
    servers::WebhookReceiver hook({.key = key, .demands = {{"authorization", "Bearer " + hookTokens.token()}, {"x-tenant", tenant}}});
    for (int number = 0; number < 5; ++number) {
        ews.deliver(ews.inbox(), mail(number), "2026-11-22T08:10:00Z");
        graph.deliver(mail(10 + number), "2026-11-22T08:10:00Z");
    }
    Workplace place;
    Secrets keys;
    place.configure("log.level = trace\n" + signing(place, "e", ewsTokens, keys) + signing(place, "g", graphTokens, keys) +
                    signing(place, "h", hookTokens, keys) + exchangeMailbox("e", "ews", endpoint, "hook") +
                    exchangeMailbox("g", "graph", graph.url(), "hook") + webhook("hook", hook) +
                    "sink.hook.credential = h\nsink.hook.headers.X-Tenant = ${file:" + place.file("tenant", tenant).string() +
                    "}\nsink.hook.signing_secret = ${file:" + place.file("signing", key).string() + "}\n");
    auto service = place.start({"run"});
    const bool delivered = eventually([&] { return hook.taken().size() == 10; }, patience);
    INFO(place.log().substr(0, 20'000));
    REQUIRE(delivered);
    const auto asked = [&] {
        const auto all = ews.operations();
        return std::find(all.begin(), all.end(), "GetStreamingEvents") != all.end();
    };
    REQUIRE(eventually(asked, patience));
    const auto polled = graph.requests().size();
    REQUIRE(eventually([&] { return graph.requests().size() > polled; }, patience));
    Secrets tokens;
    addAssertion(tokens, "EWS", ewsTokens);
    addAssertion(tokens, "Graph", graphTokens);
    addAssertion(tokens, "the webhook", hookTokens);
    auto secrets = tokens;
    secrets.insert(keys.begin(), keys.end());
    secrets["signing secret"] = key;
    secrets["header of the webhook"] = tenant;
    checkCore(service, secrets);
    CHECK(service.stop().status == 0);
    CHECK(foundInFiles(place.path(), tokens) == Nothing{});
    CHECK(hook.problems() == std::vector<std::string>{});
    CHECK(graph.problems() == std::vector<std::string>{});
    CHECK(ews.problems() == std::vector<std::string>{});
}

SCENARIO("a core file holds no token while a server makes us wait for its answer", "[system][core]") {
    const Tokens tokens("waiting-access-Mn7bVc3xZa9sDf5gHj1kLp0oIu-ends-here");
    Workplace place;
    Secrets secrets;
    const auto text = "log.level = trace\n" + signing(place, "c", tokens, secrets);
    GIVEN("a mail server") {
        const Silent server("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n", "AUTHENTICATE XOAUTH2 ");
        place.configure(text + "mailbox.m.protocol = imap\nmailbox.m.host = 127.0.0.1\nmailbox.m.tls = none\nmailbox.m.port = " +
                        std::to_string(server.port()) + "\nmailbox.m.user = " + user + "\nmailbox.m.credential = c\nmailbox.m.deliver = spool\n");
        auto service = place.start({"run"});
        const bool asked = eventually([&] { return !server.asked().empty(); }, patience);
        INFO(place.log());
        REQUIRE(asked);
        addAssertion(secrets, "the mailbox", tokens);
        checkCore(service, secrets);
        CHECK(service.stop().status == 0);
    }
    GIVEN("Microsoft Graph") {
        const Silent server("", "\r\n\r\n");
        place.configure(text + exchangeMailbox("c", "graph", "http://127.0.0.1:" + std::to_string(server.port()), "spool"));
        auto service = place.start({"run"});
        const bool asked = eventually([&] { return !server.asked().empty(); }, patience);
        INFO(place.log());
        REQUIRE(asked);
        CHECK(server.asked().find("Bearer " + tokens.token()) != std::string::npos);
        addAssertion(secrets, "the mailbox", tokens);
        checkCore(service, secrets);
        CHECK(service.stop().status == 0);
    }
    GIVEN("a token endpoint") {
        const Silent server("", "client_assertion=");
        const auto url = "http://127.0.0.1:" + std::to_string(server.port()) + "/token";
        place.configure(replaced(text, "credential.c.token_endpoint", url) +
                        exchangeMailbox("c", "graph", "http://127.0.0.1:" + std::to_string(server.port()), "spool"));
        auto service = place.start({"run"});
        const bool asked = eventually([&] { return !server.asked().empty(); }, patience);
        INFO(place.log());
        REQUIRE(asked);
        secrets["an assertion"] = "client_assertion=ey";
        checkCore(service, secrets);
        CHECK(service.stop().status == 0);
    }
}

SCENARIO("a core file of a service to whose admin port a browser has come holds no code, and no key it was sealed with", "[system][core]") {
    const auto& provider = Surroundings::get().provider();
    Workplace place;
    std::string text = "log.level = trace\nadmin.public_url = https://postern.example.test\n";
    for (const auto& [key, value] : std::map<std::string, std::string>{{"grant", "authorization_code"},
                                                                       {"client_id", "app-native"},
                                                                       {"authentication", "none"},
                                                                       {"authorization_endpoint", provider.authorizationEndpoint()},
                                                                       {"token_endpoint", provider.tokenEndpoint()},
                                                                       {"redirect_uri", "https://postern.example.test/oauth-callback"},
                                                                       {"scopes", "openid offline_access " + IdentityProvider::scope()},
                                                                       {"truststore", "test"}})
        text.append("credential.person.").append(key).append(" = ").append(value).append("\n");
    place.configure(text);
    auto service = place.start({"run"});
    const servers::AdminPort port(place.data());
    REQUIRE(eventually([&] { return port.get("/readyz").status == 200; }, patience));
    const auto said = place.path() / "said";
    servers::Process login{{{POSTERN_PROGRAM, "login", "person", "--config", (place.path() / "conf").string()}, said, said, place.path()}};
    const bool waits = eventually([&] { return servers::readFile(said).find("comes back by itself") != std::string::npos; }, patience);
    INFO(servers::readFile(said));
    REQUIRE(waits);
    const auto address = servers::readFile(said);
    const auto state = address.substr(address.find("&state=") + 7, 22);
    const std::string code = "code-Xc5vBn8mQw2eRt6yUi0pAs4dFg-ends-here";
    REQUIRE(port.get("/oauth-callback?code=" + code + "&state=" + state).status == 200);
    CHECK(login.wait(patience));  // the provider has given no such code
    Secrets secrets;
    addToken(secrets, "code", code);
    auto inMemory = secrets;
    const auto key = line(place.data() / "seal.key");
    addToken(inMemory, "seal key", key);
    std::string octets;
    for (std::size_t at = 0; at + 1 < key.size(); at += 2) octets += static_cast<char>(std::stoi(key.substr(at, 2), nullptr, 16));
    addToken(inMemory, "seal key as it is used", octets);
    useAdminToken(place, inMemory);
    checkCore(service, inMemory);
    CHECK(service.stop().status == 0);
    CHECK(foundInFiles(place.path(), secrets) == Nothing{});
}
