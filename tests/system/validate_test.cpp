#include "tests/servers/base64.h"
#include "tests/system/tenant.h"

#include <catch2/catch.hpp>

#include <map>
#include <mutex>
#include <sstream>

using namespace systemtest;

SCENARIO("a credential whose tokens belong to users is validated with the first mailbox's", "[system][validate]") {
    const auto one = servers::makeCertificate({.commonName = "one"}), two = servers::makeCertificate({.commonName = "two"});
    std::mutex mutex;
    std::string claims;  // under mutex
    const TokenServer provider({}, [&](const TokenRequest& request) {
        const auto assertion = request.field("assertion");
        const auto from = assertion.find('.') + 1;
        const std::lock_guard lock(mutex);
        claims = servers::fromBase64Url(assertion.substr(from, assertion.find('.', from) - from));
        return tokenAnswer("0123456789abcdef");
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
    Entra entra{tokenAnswer(exchangeToken())};
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
