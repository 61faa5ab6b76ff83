// Answers that browsers bring to the service, for a sign-in in another process: two of them share a database on disk.
#include "auth/login/callback_desk.h"
#include "auth/schema.h"
#include "auth/token/grant_store.h"
#include "plugin/store/sqlite_database.h"
#include "scripted_provider.h"
#include "tests/auth/token/seal_key_in_memory.h"
#include "tests/servers/process.h"

using namespace auth;
using namespace auth::login;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Task;

namespace {

/// One process: the service, or the command.
struct Process {
    Process(const std::string& path, simulation::InlineLoop& loop, SealKeyInMemory& key, fakes::SecretReader& secrets, fakes::Random& random) {
        plugin::SqliteOptions options;
        options.path = path;
        auto opened = plugin::makeSqliteDatabase(std::move(options));
        REQUIRE(opened);
        database = std::move(*opened);
        REQUIRE(database->migrate(schemaOwner, migrations()));
        sealer = std::make_unique<Sealer>(
            Sealer::Parts{std::make_shared<const plugin::Configuration>(fakes::configuration({{"server.seal_key", ""}})), secrets, &key, random});
        grants = makeGrantStore(*database, *sealer);
        desk = std::make_unique<CallbackDesk>(CallbackDesk::Parts{*database, *sealer, *grants, loop.clock()});
    }
    std::unique_ptr<plugin::Database> database{};
    std::unique_ptr<Sealer> sealer{};
    std::unique_ptr<GrantStore> grants{};
    std::unique_ptr<CallbackDesk> desk{};
};

struct Office {
    servers::TemporaryDirectory directory{};
    simulation::InlineLoop loop{};
    SealKeyInMemory key{};
    fakes::SecretReader secrets{};
    fakes::Random random{};
    Process service{directory / "postern.db", loop, key, secrets, random}, command{directory / "postern.db", loop, key, secrets, random};

    plugin::Result<void> expect(const std::string& state) { return loop.run(command.desk->expect(state, loop.clock().wall() + 600s)); }
    bool bring(const std::string& query) {
        const auto brought = loop.run(service.desk->bring(Secret(query)));
        REQUIRE(brought);
        return *brought;
    }
    std::string look(const std::string& state) {
        const auto found = loop.run(command.desk->look(state));
        REQUIRE(found);
        return *found ? std::string((*found)->reveal()) : "nothing";
    }
};

}  // namespace

SCENARIO("an answer waits for the sign-in that asked for it, once", "[login][callback]") {
    Office office;
    REQUIRE(office.expect("right"));
    CHECK(office.look("right") == "nothing");
    GIVEN("answers that nobody waits for") {
        for (const auto* query : {"code=c&state=other", "code=c", "", "state=", "state=right&state=right", "state=%zz"}) {
            CAPTURE(query);
            CHECK_FALSE(office.bring(query));
        }
        CHECK_FALSE(office.bring("state=right&code=" + std::string(20'000, 'x')));
        CHECK(office.look("right") == "nothing");
        CHECK(office.key.made == 0);
    }
    GIVEN("the answer") {
        REQUIRE(office.bring("code=secret-code&state=right"));
        THEN("it is there as it came, and a second one is not taken") {
            CHECK(office.look("right") == "code=secret-code&state=right");
            CHECK_FALSE(office.bring("code=another&state=right"));
            CHECK(office.look("right") == "code=secret-code&state=right");
            CHECK(office.look("other") == "nothing");
        }
        THEN("it is forgotten with the sign-in") {
            REQUIRE(office.loop.run(office.command.desk->forget("right")));
            CHECK(office.look("right") == "nothing");
            CHECK_FALSE(office.bring("code=secret-code&state=right"));
        }
        THEN("neither code nor state can be read in the files of the database") {
            for (const auto& file : std::filesystem::directory_iterator(office.directory.path())) {
                const auto bytes = servers::readFile(file.path());
                CHECK(bytes.find("secret-code") == std::string::npos);
                CHECK(bytes.find("state=right") == std::string::npos);
            }
        }
    }
    GIVEN("a sign-in whose time is over") {
        office.loop.clock().pass(601s);
        CHECK_FALSE(office.bring("code=c&state=right"));
    }
}

SCENARIO("an answer nobody came for does not stay behind", "[login][callback]") {
    Office office;
    REQUIRE(office.expect("right"));
    REQUIRE(office.bring("code=secret-code&state=right"));
    office.loop.clock().pass(601s);
    WHEN("the service is started") { REQUIRE(office.loop.run(office.service.desk->clearAway())); }
    WHEN("another answer comes") {
        const auto waited = office.loop.run(office.command.desk->expect("later", office.loop.clock().wall() + 600s));
        REQUIRE(waited);
        REQUIRE(office.bring("code=c&state=later"));
    }
    CHECK(office.look("right") == "nothing");
}

SCENARIO("so many sign-ins may wait, and those that are over make room", "[login][callback]") {
    Office office;
    for (int i = 0; i < CallbackDesk::mostAtATime; ++i) REQUIRE(office.expect("state" + std::to_string(i)));
    const auto refused = office.expect("one more");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::tokenSignInAbandoned);
    office.loop.clock().pass(601s);
    CHECK(office.expect("one more"));
}

namespace {

/// What the service does when the browser has come.
Task<void> bringLater(Office* office, fakes::Dialogue* person, std::string rest) {
    auto pause = plugin::sleepUntil(office->loop.clock().steady() + 1s, {});
    co_await pause;
    for (const auto& state : std::vector<std::string>{"another", person->parameter("state")}) {
        auto bringing = office->service.desk->bring(Secret("state=" + state + rest));
        const auto brought = co_await bringing;
        REQUIRE(brought);
        CHECK(*brought == (state != "another"));
    }
}

std::shared_ptr<Credential> client() {
    auto credential = std::make_shared<Credential>();
    credential->name = "c";
    credential->grant = Grant::authorizationCode;
    credential->clientId = "app";
    credential->authentication = ClientAuthentication::none;
    credential->authorizationEndpoint = "https://idp.example/auth";
    credential->tokenEndpoint = "https://idp.example/token";
    credential->redirectUri = "https://postern.example/oauth-callback";
    return credential;
}

}  // namespace

SCENARIO("a sign-in takes the answer that came to the admin port", "[login][callback]") {
    Office office;
    fakes::ScriptedProvider provider{office.loop.clock()};
    fakes::Dialogue person;
    TokenEndpoint endpoint{{provider, office.secrets, office.loop.clock(), office.random}};
    const SignInTools tools{endpoint, office.random, person, office.command.desk.get(), "https://postern.example/oauth-callback"};
    const auto signIn = [&] { return office.loop.run(login::signIn(tools, client(), {}, office.loop.clock().steady() + 600s, {})); };
    person.atTerminal = GENERATE(true, false);
    GIVEN("a person who signs in") {
        provider.answers = {fakes::http(200, R"({"access_token":"t0ken","token_type":"bearer"})")};
        person.whenVisited = [&](const std::string&) { plugin::start(office.loop, bringLater(&office, &person, "&code=c%2F0de")); };
        const auto result = signIn();
        REQUIRE(result);
        CHECK(person.listening);
        CHECK(person.used == "https://postern.example/oauth-callback");
        CHECK(provider.requests.at(0).has("code=c%2F0de&redirect_uri=https%3A%2F%2Fpostern.example%2Foauth-callback&"));
        THEN("nothing is kept of it") { CHECK(office.look(person.parameter("state")) == "nothing"); }
    }
    GIVEN("a person who says no") {
        person.whenVisited = [&](const std::string&) { plugin::start(office.loop, bringLater(&office, &person, "&error=access_denied")); };
        const auto result = signIn();
        REQUIRE_FALSE(result);
        CHECK(result.error().what == "credential c: the provider answered access_denied");
    }
    GIVEN("nobody") {
        const auto result = signIn();
        REQUIRE_FALSE(result);
        CHECK(result.error().what.find("nobody has signed in in the time given") != std::string::npos);
        CHECK_FALSE(office.bring("code=c&state=" + person.parameter("state")));
    }
}

SCENARIO("the callback's URI is written behind the public URL", "[login][callback]") {
    const auto uri = [](const std::string& url) { return callbackUri(fakes::configuration({{"admin.public_url", url}})); };
    CHECK(uri("https://postern.example").append("!") == "https://postern.example/oauth-callback!");
    CHECK(uri("https://postern.example:8025/mail/") == "https://postern.example:8025/mail/oauth-callback");
    CHECK(uri("").empty());
}
