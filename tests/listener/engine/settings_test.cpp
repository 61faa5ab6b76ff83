#include "listener/engine/settings.h"
#include "listener/engine/sink_settings.h"

#include "auth/access.h"
#include "plugin/host/validation.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace listener;
using plugin::Code;

namespace {

const std::string complete =
    "credential.c.grant = client_credentials\ncredential.c.client_id = id\ncredential.c.client_secret = ${file:/s}\n"
    "credential.c.token_endpoint = https://idp.example/token\ncredential.c.scopes = mail\n"
    "credential.p.grant = user_password\ncredential.p.password = ${file:/p}\n"
    "sink.s.type = spool\nsink.s.path = /var/spool/orders\n"
    "mailbox.orders.protocol = imap\nmailbox.orders.host = mail.example\nmailbox.orders.user = orders@example\n"
    "mailbox.orders.credential = c\nmailbox.orders.deliver = s\n";

plugin::host::Validated validated(const std::string& text) {
    plugin::host::Rules rules;
    rules.keys = keys();
    for (auto& key : auth::keys()) rules.keys.push_back(std::move(key));
    rules.checks = {check, auth::check};
    rules.workingDirectory = "/srv";
    return plugin::host::validate(plugin::host::parseProperties(text, "test.properties"), rules);
}

/// "PO-1006 mailbox.orders.start", sorted: what a configuration is told.
std::vector<std::string> problems(const std::string& more) {
    std::vector<std::string> found;
    for (const auto& problem : validated(complete + more).problems) found.push_back(plugin::codeName(problem.code) + " " + problem.key);
    std::sort(found.begin(), found.end());
    return found;
}

using Told = std::vector<std::string>;

}  // namespace

SCENARIO("a complete mailbox is understood, with everybody's defaults", "[settings]") {
    const auto result = validated(complete);
    REQUIRE(result.problems.empty());
    const auto settings = mailboxSettings(*result.configuration, "orders");
    REQUIRE(settings.enabled);
    REQUIRE(settings.session.target.host == "mail.example");
    REQUIRE(settings.session.target.port == 993);
    REQUIRE(settings.session.target.tls == auth::Target::Tls::implicit);
    REQUIRE(settings.folders == std::vector<std::string>{"INBOX"});
    REQUIRE(settings.interval == std::chrono::seconds(60));
    REQUIRE(settings.start.kind == Start::Kind::now);
    REQUIRE(settings.after.kind == AfterAction::Kind::leave);
    const auto spool = spoolSettings(*result.configuration, "s");
    REQUIRE(spool.path == "/var/spool/orders");
    REQUIRE(spool.metadata);
    REQUIRE(spool.mode == 0640);
}

SCENARIO("settings that are written are taken as written", "[settings]") {
    const auto result = validated(
        complete +
        "mailbox.orders.tls = none\nmailbox.orders.folders = inbox, Orders\\, old, Aufträge/Neu\nmailbox.orders.interval = 5m\n"
        "mailbox.orders.start = since:2026-11-01\nmailbox.orders.after = seen+move:Done/2026\nmailbox.orders.disable_capabilities = esearch Move\n"
        "sink.s.mode = 0600\nsink.s.metadata = none\n");
    const auto settings = mailboxSettings(*result.configuration, "orders");
    REQUIRE(settings.session.target.port == 143);
    REQUIRE(settings.folders == std::vector<std::string>{"INBOX", "Orders, old", "Aufträge/Neu"});
    REQUIRE(settings.interval == std::chrono::minutes(5));
    REQUIRE(settings.start.since == plugin::Wall{std::chrono::seconds{1'793'491'200}});  // 2026-11-01T00:00:00Z
    REQUIRE(settings.after.kind == AfterAction::Kind::seenAndMove);
    REQUIRE(settings.after.target == "Done/2026");
    REQUIRE(settings.session.disabledCapabilities == std::set<std::string>{"ESEARCH", "MOVE"});
    REQUIRE(spoolSettings(*result.configuration, "s").mode == 0600);
}

SCENARIO("what cannot work is refused before anything runs", "[settings]") {
    REQUIRE(problems("mailbox.orders.start = yesterday\n") == Told{"PO-1006 mailbox.orders.start"});
    REQUIRE(problems("mailbox.orders.start = since:2026-02-30\n") == Told{"PO-1006 mailbox.orders.start"});
    REQUIRE(problems("mailbox.orders.after = move:\n") == Told{"PO-1006 mailbox.orders.after"});
    REQUIRE(problems("mailbox.orders.interval = 60\n") == Told{"PO-1006 mailbox.orders.interval"});
    REQUIRE(problems("mailbox.orders.interval = 10000s\n") == Told{"PO-1006 mailbox.orders.interval"});
    REQUIRE(problems("mailbox.orders.folders = INBOX, \\Orders\n") == Told{"PO-1006 mailbox.orders.folders"});
    REQUIRE(problems("mailbox.orders.after = move:Done*\n") == Told{"PO-1006 mailbox.orders.after"});
    REQUIRE(problems("mailbox.orders.after = move:\\Done\n") == Told{"PO-1006 mailbox.orders.after"});
    REQUIRE(problems("mailbox.orders.reconcile = 1s\n") == Told{"PO-1006 mailbox.orders.reconcile"});
    REQUIRE(problems("mailbox.orders.proxy = nobody\n") == Told{"PO-1008 mailbox.orders.proxy"});
    REQUIRE(problems("mailbox.orders.truststore = nobody\n") == Told{"PO-1008 mailbox.orders.truststore"});
    REQUIRE(problems("sink.s.mode = 644\n").empty());
    REQUIRE(problems("sink.s.mode = 0888\n") == Told{"PO-1006 sink.s.mode"});
    REQUIRE(problems("sink.t.type = spool\n") == Told{"PO-1005 sink.t.path"});
}

SCENARIO("folders may be named by wildcards and by their use", "[settings]") {
    const auto result = validated(complete + "mailbox.orders.folders = Orders/*, %, \\Junk, \\archive\nmailbox.orders.after = seen+move:\\Trash\n");
    REQUIRE(result.problems.empty());
    const auto settings = mailboxSettings(*result.configuration, "orders");
    REQUIRE(settings.folders == std::vector<std::string>{"Orders/*", "%", "\\Junk", "\\archive"});
    REQUIRE(settings.after.target == "\\Trash");
}

SCENARIO("how a mailbox is reached and listened to is taken as written", "[settings]") {
    const auto result =
        validated(complete +
                  "proxy.corporate.type = http\nproxy.corporate.host = proxy.example\nproxy.corporate.port = 3128\n"
                  "mailbox.orders.tls = starttls\nmailbox.orders.proxy = corporate\nmailbox.orders.push = false\nmailbox.orders.reconcile = 30s\n");
    REQUIRE(result.problems.empty());
    const auto settings = mailboxSettings(*result.configuration, "orders");
    REQUIRE(settings.session.target.tls == auth::Target::Tls::starttls);
    REQUIRE(settings.session.target.port == 143);
    REQUIRE(settings.session.target.proxy == "corporate");
    REQUIRE_FALSE(settings.session.push);
    REQUIRE(settings.reconcile == std::chrono::seconds(30));
}

SCENARIO("a mailbox nobody writes to is looked into at the interval that is written, else at the time between whole looks", "[settings]") {
    const auto quiet = [](const std::string& more) { return mailboxSettings(*validated(complete + more).configuration, "orders").quiet; };
    CHECK(quiet("") == std::chrono::minutes(5));
    CHECK(quiet("mailbox.orders.reconcile = 20m\n") == std::chrono::minutes(20));
    CHECK(quiet("mailbox.orders.interval = 10s\n") == std::chrono::seconds(10));
    CHECK(quiet("mailbox.orders.interval = 60s\nmailbox.orders.reconcile = 20m\n") == std::chrono::seconds(60));
}

SCENARIO("a mailbox whose credential names a provider needs no host", "[settings]") {
    const std::string mailbox = "mailbox.m.protocol = imap\nmailbox.m.user = u@example.com\nmailbox.m.credential = ms\nmailbox.m.deliver = s\n";
    const std::string credential = "credential.ms.tenant = t\ncredential.ms.client_id = id\ncredential.ms.client_secret = ${env:SECRET}\n";
    GIVEN("a provider") {
        const auto result = validated(complete + mailbox + credential + "credential.ms.provider = microsoft365-dod\n");
        REQUIRE(result.problems.empty());
        const auto settings = mailboxSettings(*result.configuration, "m");
        CHECK(settings.session.target.host == "outlook-dod.office365.us");
        CHECK(settings.session.target.port == 993);
        CHECK(settings.session.target.tls == auth::Target::Tls::implicit);
    }
    GIVEN("a provider, and a host that is written") {
        const auto result = validated(complete + mailbox + credential + "credential.ms.provider = microsoft365\nmailbox.m.host = imap.example.com\n");
        CHECK(mailboxSettings(*result.configuration, "m").session.target.host == "imap.example.com");
    }
    GIVEN("none") {
        REQUIRE(problems(mailbox + "credential.ms.grant = user_password\ncredential.ms.password = ${env:SECRET}\n") ==
                Told{"PO-1005 mailbox.m.host"});
    }
}

SCENARIO("a mailbox can say how it is read by each protocol", "[settings]") {
    const std::string other =
        "credential.g.grant = client_credentials\ncredential.g.client_id = id\ncredential.g.client_secret = ${file:/s}\n"
        "credential.g.token_endpoint = https://idp.example/token\ncredential.g.scopes = graph\n";
    const std::string ways = other +
                             "mailbox.orders.graph.url = https://graph.example/\nmailbox.orders.graph.credential = g\n"
                             "mailbox.orders.ews.url = https://mail.example/EWS/Exchange.asmx\nmailbox.orders.ews.user = CORP\\orders\n";
    GIVEN("others beside the one in use") {
        const auto result = validated(complete + ways);
        REQUIRE(result.problems.empty());
        auto settings = mailboxSettings(*result.configuration, "orders");
        CHECK(settings.session.target.host == "mail.example");
        CHECK(settings.others.at("graph").url == "https://graph.example");
        CHECK(settings.others.at("graph").credential == "g");
        CHECK(settings.others.at("graph").user == "orders@example");
        CHECK(settings.others.at("ews").url == "https://mail.example/EWS/Exchange.asmx");
        CHECK(settings.others.at("ews").user == "CORP\\orders");
        CHECK(settings.others.at("ews").credential == "c");
        REQUIRE(readBy(settings, "graph"));
        CHECK(settings.session.credential == "g");
        CHECK(settings.others.at("imap").target.host == "mail.example");
    }
    GIVEN("one of them in use: no key has to be changed but the protocol's") {
        std::string text = complete + ways + "mailbox.orders.imap.host = imap.example\nmailbox.orders.imap.port = 1993\n";
        for (const std::string gone : {"mailbox.orders.host = mail.example\n", "mailbox.orders.protocol = imap\n"})
            text.erase(text.find(gone), gone.size());
        for (const std::string protocol : {"imap", "ews", "graph"}) {
            const auto result = validated(text + "mailbox.orders.protocol = " + protocol + "\n");
            REQUIRE(result.problems.empty());
            auto settings = mailboxSettings(*result.configuration, "orders");
            CHECK(settings.others.size() == 2);
            REQUIRE(readBy(settings, "imap"));
            CHECK(settings.session.target.host == "imap.example");
            CHECK(settings.session.target.port == 1993);
            REQUIRE(readBy(settings, "graph"));
            CHECK(settings.session.url == "https://graph.example");
        }
    }
    GIVEN("what is written for it goes before what is written for any") {
        const auto result = validated(complete + "mailbox.orders.imap.host = imap.example\n");
        CHECK(mailboxSettings(*result.configuration, "orders").session.target.host == "imap.example");
    }
    GIVEN("mistakes") {
        CHECK(problems("mailbox.orders.graph.url = https://graph.example/v1.0\n") == Told{"PO-1006 mailbox.orders.graph.url"});
        CHECK(problems("mailbox.orders.graph.credential = nobody\n") == Told{"PO-1008 mailbox.orders.graph.credential"});
        CHECK(problems("mailbox.orders.imap.host = imap.example\nmailbox.orders.imap.tls = none\n") == Told{"PO-1012 mailbox.orders.imap.tls"});
        CHECK(problems("mailbox.orders.pop3.host = x\n").size() == 1);
    }
    GIVEN("a way out for EWS that no provider has") {
        const std::string ews = other +
                                "mailbox.m.protocol = ews\nmailbox.m.ews.url = https://mail.example/EWS/Exchange.asmx\nmailbox.m.user = u\n"
                                "mailbox.m.credential = c\nmailbox.m.deliver = s\nmailbox.m.fallback = graph\n";
        CHECK(problems(ews) == Told{"PO-1013 mailbox.m.fallback"});
        CHECK(problems(ews + "mailbox.m.graph.url = https://graph.example\n") == Told{"PO-1013 mailbox.m.fallback"});
        CHECK(problems(ews + "mailbox.m.graph.url = https://graph.example\nmailbox.m.graph.credential = g\n") == Told{});
        CHECK(problems(ews + "mailbox.m.graph.url = https://graph.example\nmailbox.m.graph.credential = p\n") ==
              Told{"PO-1013 mailbox.m.graph.credential"});
    }
}

SCENARIO("a mailbox of Exchange is read by EWS or Microsoft Graph at the address of its provider, or at its own", "[settings]") {
    const std::string mailbox = "mailbox.m.user = u@example.com\nmailbox.m.credential = ms\nmailbox.m.deliver = s\n";
    const std::string credential = "credential.ms.tenant = t\ncredential.ms.client_id = id\ncredential.ms.client_secret = ${env:SECRET}\n";
    const std::string provider = "credential.ms.provider = microsoft365-gcch\n";
    GIVEN("a provider") {
        const auto result = validated(complete + mailbox + credential + provider + "mailbox.m.protocol = ews\nmailbox.m.fallback = graph\n");
        REQUIRE(result.problems.empty());
        auto settings = mailboxSettings(*result.configuration, "m");
        CHECK(settings.protocol == "ews");
        CHECK(settings.fallsBack);
        CHECK(settings.session.url == "https://outlook.office365.us/EWS/Exchange.asmx");
        CHECK(settings.session.target.host == "outlook.office365.us");
        CHECK(settings.session.target.port == 443);
        CHECK(settings.session.user == "u@example.com");
        CHECK(settings.session.application);
        THEN("it can be read by its other protocols, too, and back") {
            REQUIRE(readBy(settings, "graph"));
            CHECK(settings.protocol == "graph");
            CHECK(settings.session.url == "https://graph.microsoft.us");
            CHECK(settings.session.user == "u@example.com");
            REQUIRE(readBy(settings, "imap"));
            CHECK(settings.session.target.host == "outlook.office365.us");
            CHECK(settings.session.target.port == 993);
            REQUIRE(readBy(settings, "ews"));
            CHECK(settings.session.url == "https://outlook.office365.us/EWS/Exchange.asmx");
        }
    }
    GIVEN("an address of its own") {
        const auto result = validated(complete + mailbox + credential + provider +
                                      "mailbox.m.protocol = ews\nmailbox.m.url = https://mail.corp.example:8443/EWS/Exchange.asmx\n");
        REQUIRE(result.problems.empty());
        auto settings = mailboxSettings(*result.configuration, "m");
        CHECK(settings.session.target.host == "mail.corp.example");
        CHECK(settings.session.target.port == 8443);
        REQUIRE(readBy(settings, "graph"));
        CHECK(settings.session.url == "https://graph.microsoft.us");
    }
    GIVEN("scopes that are written, where two protocols want others") {
        CHECK(problems(mailbox + credential + provider + "credential.ms.scopes = https://outlook.office365.us/.default\nmailbox.m.protocol = ews\n")
                  .empty());
        CHECK(problems(mailbox + credential + provider +
                       "credential.ms.scopes = https://outlook.office365.us/.default\nmailbox.m.protocol = ews\nmailbox.m.fallback = graph\n") ==
              Told{"PO-1013 mailbox.m.fallback"});
    }
    GIVEN("a root with a slash at its end") {
        const auto result =
            validated(complete + mailbox + credential + provider + "mailbox.m.protocol = graph\nmailbox.m.url = https://graph.example/\n");
        REQUIRE(result.problems.empty());
        CHECK(mailboxSettings(*result.configuration, "m").session.url == "https://graph.example");
    }
    GIVEN("neither") {
        const std::string own =
            "credential.ms.grant = client_credentials\ncredential.ms.token_endpoint = https://idp.example/t\ncredential.ms.scopes = "
            "x\n" +
            credential.substr(credential.find('\n') + 1);
        CHECK(problems(mailbox + own + "mailbox.m.protocol = graph\n") == Told{"PO-1005 mailbox.m.url"});
        CHECK(
            problems(mailbox + own + "mailbox.m.protocol = ews\nmailbox.m.url = https://a.example/EWS/Exchange.asmx\nmailbox.m.fallback = graph\n") ==
            Told{"PO-1013 mailbox.m.fallback"});
        CHECK_FALSE(readBy(*std::make_unique<MailboxSettings>(), "ews"));
    }
    GIVEN("a password, as a server on premises takes it and Microsoft Graph does not") {
        const std::string password = "credential.ms.grant = user_password\ncredential.ms.password = ${env:SECRET}\n";
        const auto ews = mailbox + password + "mailbox.m.protocol = ews\nmailbox.m.url = https://mail.corp.example/EWS/Exchange.asmx\n";
        CHECK(validated(complete + ews).valid());
        CHECK(problems(ews).empty());
        CHECK(problems(mailbox + password + "mailbox.m.protocol = graph\nmailbox.m.url = https://graph.example\n") ==
              Told{"PO-1013 mailbox.m.credential"});
        CHECK(problems(ews + "mailbox.m.fallback = graph\n") == Told{"PO-1013 mailbox.m.credential", "PO-1013 mailbox.m.fallback"});
    }
    GIVEN("what belongs to another protocol") {
        const auto graph = mailbox + credential + provider + "mailbox.m.protocol = graph\n";
        for (const auto* line :
             {"host = a.example", "port = 993", "tls = implicit", "sasl = auto", "disable_capabilities = IDLE", "fallback = graph"}) {
            const auto key = std::string(line).substr(0, std::string(line).find(' '));
            CHECK(problems(graph + "mailbox.m." + line + "\n") == Told{"PO-1013 mailbox.m." + key});
        }
        CHECK(problems("mailbox.orders.url = https://a.example/\n") == Told{"PO-1013 mailbox.orders.url"});
        CHECK(problems("mailbox.orders.fallback = graph\n") == Told{"PO-1013 mailbox.orders.fallback"});
    }
    GIVEN("what cannot be right") {
        const auto graph = mailbox + credential + provider + "mailbox.m.protocol = graph\n";
        CHECK(problems(graph + "mailbox.m.url = https://graph.microsoft.us/v1.0\n") == Told{"PO-1006 mailbox.m.url"});
        CHECK_FALSE(validated(complete + graph + "mailbox.m.url = http://graph.example\n").valid());
        CHECK(validated(complete + graph + "mailbox.m.url = http://127.0.0.1:8080\n").valid());
        CHECK(problems("mailbox.m.protocol = graph\nmailbox.m.user = u\nmailbox.m.credential = p\nmailbox.m.deliver = s\nmailbox.m.url = "
                       "https://graph.example\n") == Told{"PO-1013 mailbox.m.credential"});
    }
}

SCENARIO("settings that contradict each other are named", "[settings]") {
    REQUIRE(problems("mailbox.orders.folders = INBOX, \\Junk\nmailbox.orders.after = move:\\Junk\n") == Told{"PO-1013 mailbox.orders.after"});
    REQUIRE(problems("mailbox.orders.folders = INBOX, inbox\n") == Told{"PO-1013 mailbox.orders.folders"});
    REQUIRE(problems("mailbox.orders.folders = INBOX, Done\nmailbox.orders.after = move:Done\n") == Told{"PO-1013 mailbox.orders.after"});
    REQUIRE(problems("mailbox.orders.after = move:Inbox\n") == Told{"PO-1013 mailbox.orders.after"});
    REQUIRE(problems("mailbox.orders.sasl = plain\n") == Told{"PO-1013 mailbox.orders.sasl"});
    REQUIRE(problems("sink.t.type = spool\nsink.t.path = /var/spool/orders\n") == Told{"PO-1013 sink.t.path"});
}

SCENARIO("clear text is allowed to this machine only", "[settings]") {
    REQUIRE(problems("mailbox.orders.tls = none\n") == Told{"PO-1012 mailbox.orders.tls"});
    REQUIRE_FALSE(validated(complete + "mailbox.orders.tls = none\n").valid());
    for (const auto* host : {"127.evil.example", "127.0.0.1.example", "127.0.0", "localhost.example", "127.0.0.256"})
        CHECK_FALSE(plugin::isLoopback(host));
    for (const auto* host : {"127.0.0.1", "127.255.3.4", "LocalHost", "::1"}) CHECK(plugin::isLoopback(host));
    // Nor where the host is a provider's, for a mailbox that is read by another protocol until it moves.
    CHECK(problems("credential.ms.provider = microsoft365\ncredential.ms.tenant = t\ncredential.ms.client_id = id\n"
                   "credential.ms.client_secret = ${env:SECRET}\nmailbox.m.protocol = ews\nmailbox.m.user = u@example.com\n"
                   "mailbox.m.credential = ms\nmailbox.m.deliver = s\nmailbox.m.imap.tls = none\n") == Told{"PO-1012 mailbox.m.imap.tls"});
    const auto local = validated(complete +
                                 "mailbox.l.tls = none\nmailbox.l.protocol = imap\nmailbox.l.host = 127.0.0.1\nmailbox.l.user = "
                                 "u\nmailbox.l.credential = c\nmailbox.l.deliver = s\n");
    REQUIRE(local.valid());
    REQUIRE(local.problems.size() == 1);
}

SCENARIO("what is planned is said to be not in this version, rather than unknown", "[settings]") {
    for (const auto* line : {"mailbox.orders.rule.1 = all -> s"}) {
        const auto told = problems(std::string(line) + "\n");
        INFO(line);
        REQUIRE(told.size() == 1);
        REQUIRE(told.front().starts_with("PO-1009 "));
    }
    REQUIRE(problems("sink.h.type = amqp\n") == Told{"PO-1009 sink.h.type"});
    REQUIRE(validated("mailbox.m.protocol = pop3\n").problems.front().code == Code::configNotInThisVersion);
}

SCENARIO("a sink of each type has its own keys, and is told which of them it lacks and which belong to another", "[settings]") {
    REQUIRE(problems("sink.h.type = http\n") == Told{"PO-1005 sink.h.url"});
    REQUIRE(problems("sink.e.type = exec\n") == Told{"PO-1005 sink.e.command"});
    REQUIRE(problems("sink.e.type = exec\nsink.e.command = consume --now\n") == Told{"PO-1006 sink.e.command"});
    REQUIRE(problems("sink.e.type = exec\nsink.e.command = /bin/consume\nsink.e.url = https://a.example/\n") == Told{"PO-1013 sink.e.url"});
    REQUIRE(problems("sink.h.type = http\nsink.h.url = https://a.example/\nsink.h.path = /x\n") == Told{"PO-1013 sink.h.path"});
    REQUIRE(problems("sink.h.type = http\nsink.h.url = https://a.example/\nsink.h.headers.Content-Type = text/plain\n") ==
            Told{"PO-1006 sink.h.headers.Content-Type"});
    REQUIRE(problems("sink.h.type = http\nsink.h.url = https://a.example/\nsink.h.credential = nobody\n") == Told{"PO-1008 sink.h.credential"});
    for (const auto* written : {"whsec_", "whsec_!", "whsec_AAAA whsec_"})
        REQUIRE(problems("sink.h.type = http\nsink.h.url = https://a.example/\nsink.h.signing_secret = " + std::string(written) + "\n") ==
                Told{"PO-1006 sink.h.signing_secret", "PO-1010 sink.h.signing_secret"});
    REQUIRE(problems("sink.s.retry.give_up = soon\n") == Told{"PO-1006 sink.s.retry.give_up"});
    REQUIRE(problems("sink.s.oversize = reference\n") == Told{"PO-1013 sink.s.oversize"});
    REQUIRE(problems("mailbox.orders.after_quarantine = move:INBOX\n") == Told{"PO-1013 mailbox.orders.after_quarantine"});
}

SCENARIO("what a sink may cost is as configured, or as is sensible", "[settings]") {
    const auto result = validated(complete +
                                  "sink.h.type = http\nsink.h.url = https://a.example/in\nsink.h.headers.X-Env = prod\nsink.h.concurrency = 9\n"
                                  "sink.h.timeout = 5s\nsink.h.retry.max_interval = 1m\nsink.h.retry.give_up = 7d\nsink.h.max_size = 1MB\n"
                                  "sink.h.oversize = reference\n");
    const auto usual = sinkSettings(*result.configuration, "s");
    REQUIRE(usual.concurrency == 4);
    REQUIRE(usual.timeout == std::chrono::seconds(60));
    REQUIRE(usual.retryMaxInterval == std::chrono::minutes(15));
    REQUIRE_FALSE(usual.giveUp);
    REQUIRE_FALSE(usual.maxSize);
    const auto hook = sinkSettings(*result.configuration, "h");
    REQUIRE(hook.type == SinkSettings::Type::http);
    REQUIRE(hook.concurrency == 9);
    REQUIRE(hook.timeout == std::chrono::seconds(5));
    REQUIRE(hook.retryMaxInterval == std::chrono::minutes(1));
    REQUIRE(hook.giveUp == std::chrono::hours(24 * 7));
    REQUIRE(hook.maxSize == 1'000'000U);
    REQUIRE(hook.oversize == SinkSettings::Oversize::reference);
    REQUIRE(httpSettings(*result.configuration, "h").headers.at("X-Env") == "prod");
}
