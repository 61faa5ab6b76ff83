#include "tests/servers/dovecot.h"
#include "tests/servers/identity_provider.h"
#include "tests/servers/imap_client.h"
#include "tests/servers/process.h"

#include <catch2/catch.hpp>

using namespace servers;

SCENARIO("the servers behind the tests do what the tests take for granted", "[servers]") {
    GIVEN("an identity provider and a mail server that asks it") {
        TemporaryDirectory place;
        const CertificateFiles certificates{place / "d" / "certificates"};
        const IdentityProvider provider{place / "idp", certificates, {}};
        const Dovecot server{place / "d", provider.introspectionPort()};

        const auto form = [&](const std::string& client, const std::string& secret) {
            return run({"curl", "-s", "--cacert", certificates.authority, "-d", "grant_type=client_credentials", "--data-urlencode",
                        "client_id=" + client, "--data-urlencode", "client_secret=" + secret, "--data-urlencode",
                        "scope=" + IdentityProvider::scope(), provider.tokenEndpoint()});
        };
        const auto tokenIn = [](const std::string& answer) {
            const auto begin = answer.find("\"access_token\":\"") + 16;
            return answer.substr(begin, answer.find('"', begin) - begin);
        };
        const auto signIn = [&](const std::string& user, const std::string& token) {
            return run({"curl", "-s", "--cacert", certificates.authority, "--login-options", "AUTH=XOAUTH2", "-u", user + ":", "--oauth2-bearer",
                        token, "imaps://localhost:" + std::to_string(server.imapsPort()) + "/INBOX", "-X", "NOOP"})
                .status;
        };

        WHEN("a client asks for tokens with a right and with a wrong secret") {
            const auto right = form("app/post: 1", IdentityProvider::postSecret());
            const auto wrong = form("app/post: 1", "something else");
            THEN("one gets a token, the other an error, and both requests are on record") {
                CHECK(right.output.find("\"token_type\":\"Bearer\"") != std::string::npos);
                CHECK(wrong.output.find("invalid_client") != std::string::npos);
                REQUIRE(provider.requests().size() == 2);
                CHECK(provider.requests()[0].header("content-type") == "application/x-www-form-urlencoded");
                CHECK(provider.requests()[1].body.find("client_secret=something") != std::string::npos);
            }
        }
        WHEN("an app-only token, a user's token and an invented one knock at mailboxes") {
            const auto app = tokenIn(form("app/post: 1", IdentityProvider::postSecret()).output);
            const auto alice = tokenIn(form("user-alice", "alice-secret").output);
            THEN("the first opens every mailbox there is, the second only its owner's, the third none") {
                CHECK(signIn("alice@example.test", app) == 0);
                CHECK(signIn("bob@example.test", app) == 0);
                CHECK(signIn("nobody@example.test", app) == 67);  // curl: login denied
                CHECK(signIn("alice@example.test", alice) == 0);
                CHECK(signIn("bob@example.test", alice) == 67);
                CHECK(signIn("alice@example.test", "invented") == 67);
            }
        }
        WHEN("mails are put in") {
            ImapClient client{server.imapPort(), "alice@example.test", server.readerPassword()};
            client.append("INBOX", {{"Subject: one\r\n\r\nfirst\r\n", "22-Nov-2026 17:31:33 +0000", "\\Seen"},
                                    {"Subject: two\r\n\r\nsecond, no final line end"}});
            THEN("they are read back byte for byte, and doveadm counts as many") {
                const auto held = client.fetch("INBOX");
                REQUIRE(held.size() == 2);
                CHECK(held[0].uid < held[1].uid);
                CHECK(held[0].flags.find("\\Seen") != std::string::npos);
                CHECK(held[0].received == "22-Nov-2026 17:31:33 +0000");
                CHECK(held[1].bytes == "Subject: two\r\n\r\nsecond, no final line end");
                CHECK(server.count("alice@example.test", "INBOX") == 2);
                CHECK(client.validity("INBOX") > 0);
            }
        }
    }
}
