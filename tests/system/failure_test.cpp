#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>

using namespace systemtest;

namespace {

/// One thing that is wrong with a configuration, or with the other side.
struct Trouble {
    std::string what;
    std::string code;                                                 ///< as the log shows it
    std::string names;                                                ///< what the message must name for a person to find the place
    std::function<std::string(const Workplace&, std::string)> spoil;  ///< takes the good configuration, answers the bad one
    int tokenStatus;                                                  ///< of `postern token c`: 0 where the token is not what is wrong
};

const std::string& aPortWithoutServer() {
    static const std::string port = [] {
        for (unsigned candidate = 19999;; --candidate)
            if (!servers::answers(static_cast<std::uint16_t>(candidate))) return std::to_string(candidate);
    }();
    return port;
}

std::vector<Trouble> troubles() {
    const auto set = [](std::string key, std::string value) {
        return
            [key = std::move(key), value = std::move(value)](const Workplace&, std::string lines) { return replaced(std::move(lines), key, value); };
    };
    const auto& around = Surroundings::get();
    const auto endpoint = [&](const std::string& kind) { return set("credential.c.token_endpoint", around.provider().fault(kind)); };
    const auto otherTruststore = [&](const std::string& key) {
        return [key, path = around.certificates().unknownAuthority.string()](const Workplace&, std::string lines) {
            return replaced(std::move(lines), key, "other") + "truststore.other.path = " + path + "\n";
        };
    };
    return {
        {"the certificate is for another host name", "PO-2007", "127.0.0.1", set("mailbox.m.host", "127.0.0.1"), 0},
        {"the mail server's certificate is signed by an unknown authority", "PO-2006", "localhost", otherTruststore("mailbox.m.truststore"), 0},
        {"the token endpoint's certificate is signed by an unknown authority", "PO-2006", "localhost", otherTruststore("credential.c.truststore"),
         69},
        {"nothing listens at the mailbox's port", "PO-2002", aPortWithoutServer(), set("mailbox.m.port", aPortWithoutServer()), 0},
        {"the port does not speak TLS", "PO-2011", std::to_string(around.mailServer().imapPort()),
         set("mailbox.m.port", std::to_string(around.mailServer().imapPort())), 0},
        {"the host name does not exist", "PO-2001", "no-such-host.invalid", set("mailbox.m.host", "no-such-host.invalid"), 0},
        {"the client secret is wrong", "PO-3001", "client_secret",
         [](const Workplace& place, std::string lines) {
             return replaced(std::move(lines), "credential.c.client_secret", "${file:" + place.file("wrong", "not the secret").string() + "}");
         },
         77},
        {"the client is unknown", "PO-3001", "client_id", set("credential.c.client_id", "nobody"), 77},
        {"the scope is not offered", "PO-3003", "scope", set("credential.c.scopes", "https://mail.example.test/denied"), 77},
        {"the mailbox does not exist", "PO-4002", "nobody@example.test", set("mailbox.m.user", "nobody@example.test"), 0},
        {"the mailbox refuses the token", "PO-4002", "", endpoint("foreign"), 0},
        {"the token endpoint is down", "PO-3008", aPortWithoutServer(),
         set("credential.c.token_endpoint", "https://localhost:" + aPortWithoutServer() + "/token"), 69},
        {"the token endpoint answers HTML", "PO-3004", "token_endpoint", endpoint("html"), 77},
        {"the token endpoint answers 429", "PO-3007", "7", endpoint("busy"), 75},
        {"the token endpoint answers 503", "PO-3007", "", endpoint("unavailable"), 75},
        {"the token endpoint answers without a token", "PO-3005", "access_token", endpoint("incomplete"), 77},
        {"the token endpoint hands out another type of token", "PO-3006", "mac", endpoint("mac"), 77},
        {"the token endpoint does not exist at that server", "PO-3011", "404", endpoint("nothing-here"), 77},
        {"the token endpoint never answers", "PO-3008", "localhost", endpoint("slow"), 69},
    };
}

struct Mistake {
    std::string what;
    std::string line;  ///< added to the good configuration
    std::string code;
    std::string names;  ///< what the message must say
};

}  // namespace

SCENARIO("a mailbox that cannot be read says why, and nothing pretends to be well", "[system]") {
    const auto all = troubles();
    const auto index = GENERATE_COPY(range(std::size_t{0}, all.size()));
    const auto& trouble = all[index];
    GIVEN("a configuration in which " + trouble.what) {
        Workplace place;
        const auto user = Surroundings::get().newUser(), neighbour = Surroundings::get().newUser();
        Surroundings::get().reader(user).append("INBOX", someMails("waiting", 2));
        Surroundings::get().reader(neighbour).append("INBOX", someMails("well", 3));
        const auto good = basicCredential(place, "c") + bodyCredential(place, "well") + mailbox("m", user, "c") + mailbox("well", neighbour, "well");
        place.configure(trouble.spoil(place, good));
        CHECK(place.postern({"check"}).status == 0);  // being refused by the other side is no mistake in the configuration
        WHEN("it is run once") {
            const auto outcome = place.postern({"run", "--once"});
            THEN("the message has its code and names the place, the exit status says try again, and the other mailbox is not disturbed") {
                INFO(outcome.error);
                CHECK(outcome.status == 75);
                CHECK(outcome.error.find(trouble.code) != std::string::npos);
                CHECK(outcome.error.find(trouble.names) != std::string::npos);
                CHECK(place.countDelivered("m") == 0);
                CHECK(place.countDelivered("well") == 3);
                CHECK(outcome.error.find(servers::IdentityProvider::basicSecret()) == std::string::npos);
                CHECK(outcome.error.find("not-a-token-of-ours") == std::string::npos);

                place.configure(good);
                const auto mended = place.postern({"run", "--once"});
                INFO(mended.error);
                CHECK(mended.status == 0);
                CHECK(place.countDelivered("m") == 2);
            }
        }
        WHEN("only the token is asked for") {
            const auto outcome = place.postern({"token", "c"});
            THEN("the exit status tells refused from unreachable from busy") {
                INFO(outcome.output << outcome.error);
                CHECK(outcome.status == trouble.tokenStatus);
                if (trouble.tokenStatus != 0) CHECK((outcome.output + outcome.error).find(trouble.code) != std::string::npos);
                CHECK(outcome.error.find(servers::IdentityProvider::basicSecret()) == std::string::npos);
            }
        }
    }
}

SCENARIO("a mistake in the configuration is shown with its place before anything is done", "[system]") {
    const auto mistake = GENERATE(Mistake{"a key that nothing reads", "mailbox.m.ineterval = 5s", "PO-1003", "mailbox.m.interval"},
                                  Mistake{"a reference to nothing", "mailbox.x.credential = nobody", "PO-1008", "nobody"},
                                  Mistake{"a value without its unit", "mailbox.y.interval = 5", "PO-1006", "unit"},
                                  Mistake{"a key given twice", "mailbox.m.port = 1", "PO-1004", "mailbox.m.port"},
                                  Mistake{"a line that is none", "mailbox.m.description", "PO-1002", ""},
                                  Mistake{"an alias with a bad character", "mailbox.a b.user = u", "PO-1007", ""},
                                  Mistake{"a keystore only Java reads", "keystore.k.type = jks", "PO-1006", "keytool -importkeystore"},
                                  Mistake{"what this version does not have", "mailbox.m.select = unread", "PO-1009", "not in this version"});
    GIVEN("a configuration with " + mistake.what) {
        Workplace place;
        const auto user = Surroundings::get().newUser();
        Surroundings::get().reader(user).append("INBOX", someMails("waiting", 1));
        const auto lines = basicCredential(place, "c") + mailbox("m", user, "c");
        place.configure(lines + mistake.line + "\n");
        const auto text = servers::readFile(place.path() / "conf" / "postern.properties");
        const auto line = std::count(text.begin(), text.end(), '\n');
        WHEN("it is checked and run") {
            const auto check = place.postern({"check"});
            const auto run = place.postern({"run", "--once"});
            THEN("both say 78, with file, line, code and what to do, and nothing is delivered") {
                INFO(check.output << check.error);
                INFO(run.output << run.error);
                CHECK(check.status == 78);
                CHECK(run.status == 78);
                for (const auto& said : {check.output + check.error, run.output + run.error}) {
                    CHECK(said.find("postern.properties:" + std::to_string(line)) != std::string::npos);
                    CHECK(said.find(mistake.code) != std::string::npos);
                    CHECK(said.find(mistake.names) != std::string::npos);
                }
                CHECK(place.countDelivered("m") == 0);
            }
        }
    }
    GIVEN("a credential without any of what client_credentials needs") {
        Workplace place;
        place.configure("credential.c.provider = custom\ncredential.c.grant = client_credentials\n");
        WHEN("it is checked") {
            const auto check = place.postern({"check"});
            THEN("every missing key is named") {
                INFO(check.output << check.error);
                CHECK(check.status == 78);
                for (const auto* key : {"client_id", "client_secret", "token_endpoint", "scopes"})
                    CHECK((check.output + check.error).find(std::string{"credential.c."} + key) != std::string::npos);
            }
        }
    }
    GIVEN("a configuration without any mailbox") {
        Workplace place;
        WHEN("it is checked and run once") {
            THEN("both are content") {
                CHECK(place.postern({"check"}).status == 0);
                CHECK(place.postern({"run", "--once"}).status == 0);
            }
        }
    }
}

SCENARIO("what stands on the command line is judged first", "[system]") {
    GIVEN("a good configuration") {
        Workplace place;
        const auto words =
            GENERATE(std::vector<std::string>{"rnu"}, std::vector<std::string>{"run", "--onec"}, std::vector<std::string>{"run", "--on"},
                     std::vector<std::string>{"token"}, std::vector<std::string>{"check", "surplus"});
        WHEN("`postern " + words.front() + "` is given what it does not know") {
            const auto outcome = place.postern(words);
            THEN("the exit status is 64 and nothing was made") {
                INFO(outcome.error);
                CHECK(outcome.status == 64);
                CHECK_FALSE(outcome.error.empty());
                CHECK_FALSE(std::filesystem::exists(place.data()));
            }
        }
    }
}
