#include "listener/delivery/webhook_signature.h"
#include "tests/listener/delivery/http_fixture.h"

using namespace webhooks;

namespace {

Reply plainly(int status, const std::string& text) { return WebhookReceiver::answer(status, {{"Content-Type", "text/plain"}}, text); }

bool tells(const plugin::Error& error, const std::string& what) { return describe(error).find(what) != std::string::npos; }

std::string signatureOf(const std::string& written, const std::string& id, std::int64_t timestamp, const std::string& body) {
    const auto keys = listener::webhookKeys(auth::Secret(written));
    REQUIRE(keys);
    listener::WebhookSigner signer(*keys, id, timestamp);
    for (const char c : body) signer.update({&c, 1});
    return signer.finish();
}

}  // namespace

SCENARIO("requests are signed as Standard Webhooks says", "[webhook]") {
    SECTION("the example of its reference libraries") {
        CHECK(signatureOf("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})") ==
              "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
    SECTION("several keys give several signatures, in their order") {
        const auto first = signatureOf("one", "id", 1, "body");
        const auto second = signatureOf("whsec_dHdv", "id", 1, "body");
        CHECK(second == signatureOf("two", "id", 1, "body"));
        CHECK(first != second);
        CHECK(signatureOf(" one \t whsec_dHdv\n", "id", 1, "body") == first + " " + second);
    }
    SECTION("what is no key is refused without being shown") {
        for (const auto* written : {"", "  ", "whsec_", "whsec_not*base64", "fine whsec_abc"}) {
            const auto keys = listener::webhookKeys(auth::Secret(written));
            REQUIRE_FALSE(keys);
            CHECK(keys.error().reaction == Reaction::askOperator);
            CHECK(keys.error().what.find("abc") == std::string::npos);
        }
    }
}

SCENARIO("a receiver that knows the old key or the new one accepts what is signed with both", "[webhook]") {
    const std::string known = GENERATE("the old key of them", "the-new-key-of-them");
    const TemporaryFile secret("the-new-key-of-them whsec_dGhlIG9sZCBrZXkgb2YgdGhlbQ==\n");
    Path path({.key = known}, {.signingSecret = "${file:" + secret.path + "}"});
    CHECK(path.deliver(messageOf(1, "mail")).verdict() == Verdict::delivered);
    secret.write("another-key-altogether");
    path.expectsProblems = true;
    CHECK(path.deliver(messageOf(2, "mail")).verdict() == Verdict::notDelivered);  // a changed secret is used at once
    CHECK(path.receiver.problems() == std::vector<std::string>{"request 2: webhook-signature is wrong"});
}

SCENARIO("further headers are sent, their secrets read when they are needed", "[webhook]") {
    const TemporaryFile secret("Basic dXNlcjpwYXNzd29yZA==\n");
    HttpSettings settings;
    settings.headers = {{"Authorization", "${file:" + secret.path + "}"}, {"X-Tenant", "seven"}, {"User-Agent", "ours"}};
    Path path({.demands = {{"authorization", "Basic dXNlcjpwYXNzd29yZA=="}, {"x-tenant", "seven"}, {"user-agent", "ours"}}}, settings);
    CHECK(path.deliver(messageOf(1, "mail")).verdict() == Verdict::delivered);
    SECTION("a value that would forge a header is refused before anything is sent") {
        const std::string forged = GENERATE(as<std::string>{}, "x\r\nX-Forged: yes", "x\nX-Forged: yes", "x\ry", std::string("x\0y", 3), "x\x7f");
        secret.write(forged);
        const auto error = refusalOf(path.deliver(messageOf(2, "mail")));
        CHECK(error.code == Code::configBadValue);
        CHECK(error.reaction == Reaction::askOperator);
        CHECK(tells(error, "sink crm, header Authorization"));
        CHECK_FALSE(tells(error, "Forged"));
        CHECK(path.receiver.count() == 1);
    }
    SECTION("a source that cannot be read asks for the operator") {
        std::filesystem::remove(secret.path);
        const auto error = refusalOf(path.deliver(messageOf(2, "mail")));
        CHECK(error.code == Code::configSecretSource);
        CHECK(error.reaction == Reaction::askOperator);
        CHECK(tells(error, "sink crm, header Authorization"));
    }
}

SCENARIO("a configured header cannot take the place of one of the contract", "[webhook]") {
    using listener::headerProblem;
    for (const auto* name : {"Content-Type",
                             "idempotency-key",
                             "Webhook-Id",
                             "webhook-timestamp",
                             "WEBHOOK-SIGNATURE",
                             "X-Postern-Mailbox",
                             "x-postern-whatever",
                             "Host",
                             "Content-Length",
                             "Connection",
                             "Accept-Encoding",
                             "Transfer-Encoding",
                             "Expect",
                             "Upgrade",
                             "TE",
                             "Trailer",
                             "",
                             "a b",
                             "a:b",
                             "a\r\nb",
                             "ä"})
        CHECK(headerProblem(name));
    for (const auto* name : {"Authorization", "X-Api-Key", "User-Agent", "apikey", "x-a.b_c"}) CHECK_FALSE(headerProblem(name));
    CHECK(headerProblem("authorization", true));

    HttpSettings settings;
    settings.headers = {{"Webhook-Id", "mine"}};
    Path path({}, settings);
    CHECK(refusalOf(path.deliver(messageOf(1, "mail"))).code == Code::configBadValue);
    CHECK(path.receiver.count() == 0);
}

SCENARIO("a credential's token goes with every request", "[webhook]") {
    Path path({}, {.credential = "crm"});
    auto& tokens = path.access.source;
    const auto message = messageOf(1, "mail");
    GIVEN("a receiver that takes it") {
        CHECK(path.deliver(message).verdict() == Verdict::delivered);
        CHECK(path.receiver.requests().front().headers.at("authorization") == "Bearer token-number-one-of-this-test");
        CHECK(tokens.asked == std::vector<std::string>{"crm"});
        CHECK(tokens.refusals.empty());
    }
    GIVEN("one that refuses it once") {
        const bool isLarge = GENERATE(false, true);
        path.receiver.script({{.status = 401,
                               .headers = {{"WWW-Authenticate", "Bearer error=\"invalid_token\""}},
                               .way = isLarge ? Reply::Way::early : Reply::Way::whole}});
        const auto delivery = path.deliver(isLarge ? stagedMessage(std::make_shared<MadeUpFile>(3'000'000)) : message);
        CHECK(delivery.verdict() == Verdict::delivered);
        CHECK(tokens.refusals == std::vector{tokens.tokens[0]});
        CHECK(path.receiver.requests().back().headers.at("authorization") == "Bearer token-number-two-of-this-test");
        CHECK(path.receiver.count() == 2);
    }
    GIVEN("one that refuses the fresh one too") {
        path.receiver.script({WebhookReceiver::answer(401), plainly(401, "no token-number-one-of-this-test either")});
        const auto error = refusalOf(path.deliver(message));
        CHECK(error.code == Code::sinkSignIn);
        CHECK(error.reaction == Reaction::askOperator);
        CHECK_FALSE(tells(error, "token-number"));
        CHECK(tokens.refusals.size() == 1);
        CHECK(path.receiver.count() == 2);
    }
    GIVEN("one that refuses a token that was fresh a moment ago") {
        tokens.failureOnceRefused = plugin::Error{Reaction::retryLater, Code::tokenRenewalTooSoon, "too soon", std::chrono::seconds(40)};
        path.receiver.script({WebhookReceiver::answer(401)});
        const auto error = refusalOf(path.deliver(message));
        CHECK(error.code == Code::sinkSignIn);
        CHECK(error.reaction == Reaction::askOperator);
        CHECK(error.retryAfter == std::chrono::seconds(40));
    }
    GIVEN("one that lets us do nothing") {
        const auto error = refusalOf(path.deliver(message, WebhookReceiver::answer(403)));
        CHECK(error.code == Code::sinkSignIn);
        CHECK(tokens.refusals.empty());
        CHECK(path.receiver.count() == 1);
    }
    GIVEN("no token to be had") {
        tokens.failure = plugin::Error{Reaction::askOperator, Code::tokenClientRefused, "refused"};
        const auto error = refusalOf(path.deliver(message));
        CHECK(error.code == Code::tokenClientRefused);
        CHECK(error.reaction == Reaction::askOperator);
        CHECK(path.receiver.count() == 0);
    }
}

SCENARIO("what a receiver repeats of our secrets or of the mail is shown to nobody", "[webhook]") {
    HttpSettings settings{.signingSecret = "whsec_dGhpcnR5LXR3byBvY3RldHMsIG9yIHRoZXJlYWJvdXQ=", .credential = "crm"};
    settings.headers = {{"X-Api-Key", "Ap1/Key+For-The/Receiver=="}, {"X-Login", "Basic dXNlcjpwYXNzd29yZA=="}};
    Path path({.key = "thirty-two octets, or thereabout"}, settings);
    const auto message = messageOf(1, "From: Alice <alice@wonder.example>\r\nSubject: the rabbit is late again\r\n\r\nhurry\r\n");
    const auto [text, secret] = GENERATE(table<std::string, std::string>({
        {"who is token-number-one-of-this-test?", "token-number"},
        {"who is TOKEN-NUMBER-ONE-OF-THIS-TEST?", "TOKEN"},
        {"who is number-one-of-t?", "number-one"},
        {R"(bad key: Ap1\/Key+For-The\/Receiver==)", "Receiver"},
        {"bad key: ap1%2FKey%2BFor-The%2FReceiver", "Receiver"},
        {"bad login dXNlcjpwYXNzd29yZA==", "dXNl"},
        {"user may not use password", "password"},
        {"I was given dGhpcnR5LXR3byBvY3RldHMsIG9yIHRoZXJlYWJvdXQ=", "dGhp"},
        {R"({"error":"unknown key Ap1/Key\u002BFor-The/Receiver=="})", "Receiver"},
        {"unknown key Ap1&#47;Key&#x2b;For-The&sol;Receiver", "Receiver"},
        {"unknown sender alice", "nothing"},
        {"alice@wonder.example is unknown", "alice"},
        {"I do not like The Rabbit Is Late Again", "Rabbit"},
    }));
    const auto error = refusalOf(path.deliver(message, plainly(500, text)));
    CHECK(error.code == Code::sinkRefused);
    CHECK_FALSE(tells(error, secret));
    CHECK(tells(error, "answers 500"));
}

SCENARIO("a receiver that sends our whole request back learns us nothing new", "[webhook]") {
    HttpSettings settings{.credential = "crm"};
    settings.headers = {{"X-Api-Key", "key-for-the-receiver"}};
    Path path({}, settings);
    path.receiver.decide([](const WebhookReceiver::Request& request) {
        auto reply = plainly(400, "");
        for (const auto& [name, value] : request.headers) reply.body += name + ": " + value + "\n";
        reply.headers.emplace_back("X-Echo", request.headers.at("authorization"));
        reply.headers.emplace_back("Location", "https://" + request.headers.at("x-api-key") + ".example/");
        reply.status = request.headers.at("webhook-id")[31] % 2 == 0 ? 400 : 302;
        return reply;
    });
    for (int i = 0; i < 6; ++i) {
        const auto error = refusalOf(path.deliver(messageOf(i, "mail")));
        CHECK_FALSE(tells(error, "token-number"));
        CHECK_FALSE(tells(error, "key-for-the"));
    }
}

SCENARIO("only text a person can read is shown, and little of it", "[webhook]") {
    Path path;
    const auto message = messageOf(1, "mail");
    const auto said = [&](const std::string& type, const std::string& body) {
        return refusalOf(path.deliver(message, WebhookReceiver::answer(500, {{"Content-Type", type}}, body))).what;
    };
    CHECK(said("text/plain; charset=utf-8", "no room left").ends_with("answers 500: no room left"));
    CHECK(said("application/json", R"({"error": "full"})").ends_with(R"(answers 500: {"error": "full"})"));
    CHECK(said("application/problem+json", "{}").ends_with("answers 500: {}"));
    CHECK(said("text/html", "<html>").ends_with("answers 500"));
    CHECK(said("application/octet-stream", "no room left").ends_with("answers 500"));
    CHECK(said("text/plain", "no room\x1b[31m left").ends_with("answers 500"));
    CHECK(said("text/plain", "kein Platz f\xc3\xbcr mehr").ends_with("answers 500"));
    CHECK(said("text/plain", " \r\n ").ends_with("answers 500"));
    CHECK(said("text/plain", std::string(100'000, 'y')).ends_with("answers 500: " + std::string(200, 'y') + "..."));
}
