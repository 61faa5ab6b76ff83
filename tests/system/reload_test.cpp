#include "tests/servers/admin_port.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <csignal>

using namespace systemtest;

namespace {

constexpr auto soon = std::chrono::seconds{30};

/// Sign-ins of a user that the mail server has noted.
std::size_t signIns(const std::string& user) {
    const auto log = Surroundings::get().mailServer().log();
    std::size_t count = 0;
    for (auto at = log.find("Login: user=<" + user + ">, method=OAUTHBEARER"); at != std::string::npos;
         at = log.find("Login: user=<" + user + ">, method=OAUTHBEARER", at + 1))
        ++count;
    return count;
}

bool says(const Workplace& place, const std::string& text) {
    return servers::eventually([&] { return place.log().find(text) != std::string::npos; }, soon);
}

bool delivers(const Workplace& place, const std::string& alias, std::size_t count) {
    return servers::eventually([&] { return place.countDelivered(alias) == count; }, soon);
}

/// A service with mailboxes that have a mail each, until it is told otherwise.
struct Service {
    std::string first = Surroundings::get().newUser(), second = Surroundings::get().newUser();
    Workplace place{};
    std::string lines = basicCredential(place, "c") + mailbox("a", first, "c") + mailbox("b", second, "c");
    std::optional<servers::Process> process{};

    Service() {
        mail(first, "first");
        mail(second, "second");
        place.configure(lines);
        process.emplace(place.start({"run"}));
        REQUIRE(delivers(place, "a", 1));
        REQUIRE(delivers(place, "b", 1));
        for (const auto* told : {"delivered mailbox=a", "delivered mailbox=b"}) REQUIRE(says(place, told));  // after the file is there
        REQUIRE(signIns(first) == 1);
        REQUIRE(signIns(second) == 1);
    }
    static void mail(const std::string& user, const std::string& series, const std::string& folder = "INBOX") {
        auto reader = Surroundings::get().reader(user);
        reader.append(folder, someMails(series, 1));
    }
    void reload(const std::string& changed) {
        place.configure(changed);
        process->signal(SIGHUP);
    }
    std::string metrics() const { return servers::AdminPort(place.data()).get("/metrics").body; }
};

}  // namespace

SCENARIO("a reload changes what has changed and leaves everything else at work", "[system]") {
    GIVEN("a service with two mailboxes") {
        Service service;
        INFO(service.place.log());
        CHECK(service.metrics().find("postern_config_reload_failed 0") != std::string::npos);
        WHEN("one of them gets another folder, and a third mailbox is added") {
            auto reader = Surroundings::get().reader(service.second);
            reader.command("CREATE Extra");
            Service::mail(service.second, "extra", "Extra");
            const auto third = Surroundings::get().newUser();
            Service::mail(third, "third");
            service.reload(replaced(service.lines, "mailbox.b.folders", "INBOX,Extra") + mailbox("n", third, "c"));
            THEN("both are delivered, and the one nobody touched keeps its session and its token") {
                CHECK(delivers(service.place, "b", 2));
                CHECK(delivers(service.place, "n", 1));
                CHECK(signIns(service.second) == 2);
                Service::mail(service.first, "later");
                CHECK(delivers(service.place, "a", 2));
                CHECK(signIns(service.first) == 1);
                CHECK(service.metrics().find("postern_mailbox_health{mailbox=\"n\",health=\"ok\"} 1") != std::string::npos);
                CHECK(service.metrics().find("postern_token_requests_total{credential=\"c\",result=\"ok\"} 1") != std::string::npos);
            }
        }
        WHEN("one of them is removed") {
            service.reload(basicCredential(service.place, "c") + mailbox("a", service.first, "c"));
            THEN("it is no longer read and no longer counted, the other goes on, and what was delivered stays known") {
                CHECK(servers::eventually([&] { return service.metrics().find("mailbox=\"b\"") == std::string::npos; }, soon));
                Service::mail(service.second, "unread");
                Service::mail(service.first, "later");
                CHECK(delivers(service.place, "a", 2));
                CHECK(service.place.countDelivered("b") == 1);
                CHECK(signIns(service.first) == 1);
                const auto rows = service.place.postern({"ledger", "--mailbox", "b"});
                CHECK(rows.output.find("delivered") != std::string::npos);
            }
            AND_WHEN("it comes back") {
                REQUIRE(servers::eventually([&] { return service.metrics().find("mailbox=\"b\"") == std::string::npos; }, soon));
                Service::mail(service.second, "meanwhile");
                service.reload(service.lines);
                THEN("it goes on where it stood") {
                    CHECK(delivers(service.place, "b", 2));
                    CHECK(signIns(service.first) == 1);
                }
            }
        }
        WHEN("one of them is switched off, and the sink of the other is another directory") {
            auto lines = replaced(service.lines, "mailbox.b.enabled", "false");
            lines = replaced(lines, "mailbox.a.deliver", "other") +
                    "sink.other.type = spool\nsink.other.path = " + (service.place.path() / "other").string() + "\n";
            service.reload(lines);
            THEN("the first is disabled, the second delivers there") {
                CHECK(servers::eventually(
                    [&] { return service.metrics().find("postern_mailbox_state{mailbox=\"b\",state=\"disabled\"} 1") != std::string::npos; }, soon));
                Service::mail(service.first, "later");
                CHECK(servers::eventually([&] { return std::filesystem::exists(service.place.path() / "other" / "a"); }, soon));
                CHECK(service.place.countDelivered("a") == 1);
            }
        }
        WHEN("the credential both use gets another scope parameter") {
            service.reload(replaced(service.lines, "credential.c.token.parameter.note", "1"));
            THEN("both sign in again, with a new token") {
                CHECK(servers::eventually([&] { return signIns(service.first) == 2 && signIns(service.second) == 2; }, soon));
                CHECK(servers::eventually(
                    [&] { return service.metrics().find("postern_token_requests_total{credential=\"c\",result=\"ok\"} 2") != std::string::npos; },
                    soon));
            }
        }
        service.process->signal(SIGTERM);
        const auto ended = service.process->wait(std::chrono::seconds{15});
        REQUIRE(ended);
        CHECK(ended->status == 0);
    }
}

SCENARIO("a reload that cannot be taken over as a whole changes nothing", "[system]") {
    GIVEN("a service with two mailboxes") {
        Service service;
        WHEN("the file is broken in two places while a mailbox is removed") {
            service.reload(basicCredential(service.place, "c") + mailbox("a", service.first, "nobody") + "mailbox.a.intervall = 5s\n");
            THEN("both problems are named with their lines, and everything goes on as it was") {
                CHECK(says(service.place, "PO-1003"));
                CHECK(says(service.place, "PO-1008"));
                CHECK(says(service.place, "the configuration was not reloaded"));
                CHECK(service.metrics().find("postern_config_reload_failed 1") != std::string::npos);
                Service::mail(service.second, "later");
                CHECK(delivers(service.place, "b", 2));
                CHECK(signIns(service.first) == 1);
                CHECK(signIns(service.second) == 1);
                AND_THEN("a good file is taken over again") {
                    service.reload(service.lines);
                    CHECK(servers::eventually([&] { return service.metrics().find("postern_config_reload_failed 0") != std::string::npos; }, soon));
                }
            }
        }
        WHEN("a key changes that needs a restart, and a mailbox too") {
            service.reload(replaced(service.lines, "mailbox.b.interval", "7s") + "server.threads = 3\nlog.format = json\n");
            THEN("each such key is named, and nothing is changed") {
                CHECK(says(service.place, "server.threads has changed"));
                CHECK(says(service.place, "log.format has changed"));
                CHECK(says(service.place, "PO-1014"));
                CHECK(says(service.place, "the configuration was not reloaded"));
                CHECK(service.metrics().find("postern_config_reload_failed 1") != std::string::npos);
                Service::mail(service.second, "later");
                CHECK(delivers(service.place, "b", 2));
                CHECK(signIns(service.second) == 1);
            }
        }
        WHEN("only the log level changes") {
            service.reload(service.lines + "log.level = warning\n");
            THEN("it counts at once and disturbs nobody") {
                CHECK(says(service.place, "the configuration was reloaded"));
                Service::mail(service.first, "later");
                CHECK(delivers(service.place, "a", 2));
                CHECK(signIns(service.first) == 1);
                CHECK(service.place.log().find("messages=1", service.place.log().find("was reloaded")) == std::string::npos);
            }
        }
        INFO(service.place.log());
        service.process->signal(SIGTERM);
        REQUIRE(service.process->wait(std::chrono::seconds{15}));
    }
}
