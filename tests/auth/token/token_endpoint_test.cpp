#include "machine.h"
#include "token_server.h"

#include <catch2/catch.hpp>

#include <future>
#include <set>
#include <string>
#include <thread>

using namespace auth;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Deadline;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using Mood = TokenServer::Mood;
using Placement = TokenServer::Placement;

namespace {

const std::map<Placement, std::string> names{{Placement::basic, "basic"}, {Placement::basicRaw, "basic_raw"}, {Placement::body, "body"}};

std::string utf8(std::uint32_t point) {
    if (point >= 0xd800 && point < 0xe000) point -= 0x800;  // surrogates are no characters
    const auto octet = [](std::uint32_t value) { return static_cast<char>(value); };
    const auto follows = [&](int shift) { return octet(0x80 | (point >> shift & 0x3f)); };
    if (point < 0x800) return {octet(0xc0 | point >> 6), follows(0)};
    if (point < 0x10000) return {octet(0xe0 | point >> 12), follows(6), follows(0)};
    return {octet(0xf0 | point >> 18), follows(12), follows(6), follows(0)};
}

}  // namespace

SCENARIO("a strict server lets every odd secret in, in its own placement only", "[token]") {
    const auto placement = GENERATE(Placement::basic, Placement::basicRaw, Placement::body);
    std::string printable;
    for (char c = 0x20; c < 0x7f; ++c) printable += c;
    std::vector<std::string> secrets{
        printable, "s3cr+t/ with:%&=", "p\xc3\xa4ssw\xc3\xb6rd \xe2\x82\xac", "${env:HOME}", "$", "a&client_secret=b", "%41", "~.8Q~xyz", ":", " "};

    for (char c = 0x20; c < 0x7f; ++c) secrets.push_back(c + std::string("x") + c);
    for (std::uint32_t point = 0x80; point < 0x110000; point += 0x4003) {  // across all of Unicode, forty characters each
        secrets.emplace_back();
        for (std::uint32_t next = point; next < point + 40; ++next) secrets.back() += utf8(next);
    }
    std::map<std::string, TokenServer::Client> clients;
    for (std::size_t i = 0; i < secrets.size(); ++i) clients["app-" + std::to_string(i)] = {secrets[i], placement};
    const TokenServer server(clients);
    Settings settings;
    for (std::size_t i = 0; i < secrets.size(); ++i)
        add(settings, "c" + std::to_string(i), "app-" + std::to_string(i), secrets[i], names.at(placement), server.url());
    const auto wrong = placement == Placement::body ? "basic" : "body";
    add(settings, "elsewhere", "app-1", secrets[1], wrong, server.url());
    Machine machine(std::move(settings));

    for (std::size_t i = 0; i < secrets.size(); ++i) {
        const auto token = machine.token("c" + std::to_string(i));
        INFO(secrets[i] << " -> " << server.lastRefusal());
        REQUIRE(token);
        CHECK(token->grantedScopes == "granted");
    }
    const auto refused = machine.token("elsewhere");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::tokenClientRefused);
}

SCENARIO("64 callers on four loops make one request", "[token]") {
    TokenServer server({{"app", {"s", Placement::basic}}});
    Settings settings;
    add(settings, "m", "app", "s", "basic", server.url());
    Machine machine(std::move(settings), 4);

    const auto all = [&machine] {
        std::vector<std::future<Result<Token>>> waiting;
        for (std::size_t i = 0; i < 64; ++i) waiting.push_back(machine.begin("m", i % 4));
        return waiting;
    };
    server.hold();
    auto waiting = all();
    machine.settle();
    server.release();
    std::set<std::string> seen;
    std::optional<Token> first;
    for (auto& one : waiting) {
        auto token = one.get();
        REQUIRE(token);
        seen.insert(std::string(token->secret->reveal()));
        first = *token;
    }
    CHECK(seen.size() == 1);
    CHECK(server.requests() == 1);

    WHEN("all of them are refused with it at once") {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) threads.emplace_back([&] { machine.tokens().refused({"m", {}, {}}, *first); });
        auto again = all();
        for (auto& thread : threads) thread.join();
        for (auto& one : again) REQUIRE(one.get());
        const auto fresh = machine.token("m");
        REQUIRE(fresh);
        THEN("one more request is made") {
            CHECK(server.requests() == 2);
            CHECK(fresh->number == 2);
        }
    }
}

SCENARIO("every misconfiguration has its code, its reaction and a text without the secret", "[token]") {
    struct Row {
        std::string what;
        Mood mood;
        std::string secret, scopes;
        Code code;
        Reaction reaction;
        std::string text;  ///< part of what people read
    };
    const auto row = GENERATE(values<Row>({
        {"a wrong secret", Mood::proper, "Wr0ng-Secret", "mail", Code::tokenClientRefused, Reaction::askOperator,
         "HTTP 401 invalid_client: client authentication failed"},
        {"a wrong scope", Mood::proper, "Right-Secret", "forbidden", Code::tokenScopeRefused, Reaction::askOperator,
         "HTTP 400 invalid_scope: this scope is not yours"},
        {"a login page", Mood::html, "Right-Secret", "mail", Code::tokenNotJson, Reaction::askOperator, "HTTP 200 with text/html"},
        {"a throttle", Mood::throttles, "Right-Secret", "mail", Code::tokenEndpointBusy, Reaction::retryLater, "HTTP 429"},
        {"a broken server", Mood::broken, "Right-Secret", "mail", Code::tokenEndpointBusy, Reaction::retryLater, "HTTP 500"},
        {"a token of type mac", Mood::mac, "Right-Secret", "mail", Code::tokenTypeNotBearer, Reaction::askOperator, "of type mac, not bearer"},
        {"an empty token", Mood::emptyToken, "Right-Secret", "mail", Code::tokenIncomplete, Reaction::askOperator, "empty access_token"},
        {"a token that forges", Mood::badToken, "Right-Secret", "mail", Code::tokenIncomplete, Reaction::askOperator,
         "octets that no token may have"},
        {"a server that repeats the secret", Mood::repeatsSecret, "Right-Secret", "mail", Code::tokenClientRefused, Reaction::askOperator,
         "it repeats a secret"},
        {"a redirect", Mood::redirects, "Right-Secret", "mail", Code::tokenEndpointAnswer, Reaction::askOperator,
         "HTTP 302: redirects are not followed"},
        {"a server that hangs up", Mood::hangsUp, "Right-Secret", "mail", Code::tokenEndpointUnreachable, Reaction::retryLater, "127.0.0.1"},
        {"a silent server", Mood::silent, "Right-Secret", "mail", Code::tokenEndpointUnreachable, Reaction::retryLater,
         "no answer in the time given"},
    }));
    GIVEN(row.what) {
        const TokenServer server({{"app", {"Right-Secret", Placement::body}}}, row.mood);
        Settings settings;
        add(settings, "m", "app", row.secret, "body", server.url(), row.scopes);
        Machine machine(std::move(settings));
        const auto token = machine.token("m", row.mood == Mood::silent ? 300ms : 20s);
        REQUIRE_FALSE(token);
        const auto text = plugin::describe(token.error());
        INFO(text);
        CHECK(token.error().code == row.code);
        CHECK(token.error().reaction == row.reaction);
        CHECK(text.find(row.text) != std::string::npos);
        CHECK(text.find("credential m, " + server.url()) != std::string::npos);
        if (row.mood == Mood::throttles) CHECK(token.error().retryAfter == 42s);
        for (const auto& shown : {text, machine.log.text()})
            for (const auto* secret : {"Wr0ng-Secret", "Right-Secret", "token-of-mac"}) CHECK(shown.find(secret) == std::string::npos);
    }
}

SCENARIO("an endpoint where nobody listens is named with its cause", "[token]") {
    std::string url;
    {
        const TokenServer gone({});
        url = gone.url();
    }
    Settings settings;
    add(settings, "m", "app", "Right-Secret", "basic", url);
    add(settings, "tls", "app", "Right-Secret", "basic", "https" + url.substr(4));
    Machine machine(std::move(settings));
    for (const auto* name : {"m", "tls"}) {
        const auto token = machine.token(name);
        REQUIRE_FALSE(token);
        CHECK(token.error().code == Code::tokenEndpointUnreachable);
        CHECK(token.error().reaction == Reaction::retryLater);
        CHECK(token.error().what.find("PO-2002") != std::string::npos);
    }
}

SCENARIO("an https endpoint that speaks plain http is named as such", "[token]") {
    const TokenServer server({{"app", {"s", Placement::basic}}});
    Settings settings;
    add(settings, "m", "app", "s", "basic", "https" + server.url().substr(4));
    Machine machine(std::move(settings));
    const auto token = machine.token("m");
    REQUIRE_FALSE(token);
    CHECK(token.error().code == Code::tokenEndpointUnreachable);
    INFO(token.error().what);
    CHECK(token.error().what.find("PO-2011") != std::string::npos);
}
