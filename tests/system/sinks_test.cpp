#include "tests/system/sinks.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace systemtest;
using servers::eventually;
using servers::WebhookReceiver;
using Mails = std::vector<servers::ImapClient::Mail>;

namespace {

servers::ImapClient::Mail mailOf(std::size_t size, const std::string& subject) {
    return {"Subject: " + subject + "\r\n\r\n" + std::string(size, 'x') + "\r\n"};
}

std::string idOf(const Poco::JSON::Object::Ptr& row) { return row->getValue<std::string>("id"); }

/// Stores what it gets as <id>, but for mails whose Subject has the word "poison", which it cannot take before there is a file "antidote".
std::string storing(const std::filesystem::path& box) {
    std::filesystem::create_directories(box);
    return "cat >" + box.string() + "/.$POSTERN_ID\ngrep -q '^Subject: .*poison' " + box.string() + "/.$POSTERN_ID && [ ! -e " + box.string() +
           "/antidote ] && exit 65\nmv " + box.string() + "/.$POSTERN_ID " + box.string() + "/$POSTERN_ID\n";
}

}  // namespace

SCENARIO("what a program can never take is set aside with its bytes, and the rest arrives", "[system][sinks]") {
    GIVEN("a program that ends with 65 for some mails") {
        FilledMailbox box("m");
        const Mails good{mailOf(100, "one"), mailOf(3'000'000, "two, large"), mailOf(20, "three")};
        const Mails bad{mailOf(50, "poison"), mailOf(2'000'000, "large poison")};
        box.add({good[0], bad[0], good[1], bad[1], good[2]});
        Workplace place;
        place.configure(program(place, "program", storing(place.path() / "box")) + basicCredential(place, "c") + box.words("program", "move:Done") +
                        "mailbox.m.after_quarantine = move:Bad\n");
        WHEN("the mailbox is drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("those are quarantined, kept byte for byte and moved to where quarantined mail goes") {
                CHECK(outcome.status == 0);
                const auto rows = ledger(place, {"--state", "quarantined"});
                REQUIRE(rows.size() == 2);
                std::set<std::string> aside, wanted;
                for (const auto& mail : bad) wanted.insert(sha256(mail.bytes));
                for (const auto& row : rows) {
                    const auto file = place.data() / "quarantine" / "m" / (idOf(row) + ".eml");
                    CHECK(sha256(servers::readFile(file)) == row->getValue<std::string>("sha256"));
                    aside.insert(row->getValue<std::string>("sha256"));
                }
                CHECK(aside == wanted);
                CHECK(box.in("Bad") == wanted);
                CHECK(box.left() == 0);
                std::set<std::string> stored, sent;
                for (const auto& mail : good) sent.insert(sha256(mail.bytes));
                for (const auto& row : ledger(place, {"--state", "delivered"}))
                    stored.insert(sha256(servers::readFile(place.path() / "box" / idOf(row))));
                CHECK(stored == sent);
                CHECK(box.in("Done") == sent);
                CHECK(outboxOf(place, "program")->getValue<int>("set_aside") == 2);
                CHECK(place.postern({"run", "--once"}).status == 0);
                CHECK(ledger(place, {}).size() == 5);
                AND_THEN("their bytes go when an operator says so, and what is known of them stays") {
                    CHECK(place.postern({"outbox", "discard", idOf(rows.front()), "--query"}).status == 64);
                    const auto kept = json(place.postern({"outbox", "--json"}).output)->getValue<int>("bytes");
                    CHECK(kept > 2'000'000);
                    const auto done = place.postern({"outbox", "discard", "--query", "state=quarantined", "--json"});
                    INFO(done.error);
                    CHECK(done.status == 0);
                    CHECK(json(done.output)->getValue<int>("messages") == 2);
                    CHECK(json(done.output)->getValue<int>("bytes") == kept);
                    CHECK(filesIn(place.data() / "quarantine" / "m") == 0);
                    CHECK(json(place.postern({"outbox", "--json"}).output)->getValue<int>("bytes") == 0);
                    CHECK(ledger(place, {"--state", "quarantined"}).size() == 2);
                    CHECK(place.postern({"outbox", "discard", idOf(rows.front())}).status == 75);  // nothing of it is kept
                    CHECK(place.postern({"run", "--once"}).status == 0);
                    CHECK(ledger(place, {}).size() == 5);
                }
                AND_THEN("they are delivered from there once the program can take them") {
                    place.file("box/antidote", "");
                    const auto replayed = place.postern({"replay", "--query", "state=quarantined", "--to", "program", "--json"});
                    CHECK(json(replayed.output)->getValue<int>("kept") == 2);
                    CHECK(place.postern({"run", "--once"}).status == 0);
                    for (const auto& row : rows)
                        CHECK(sha256(servers::readFile(place.path() / "box" / idOf(row))) == row->getValue<std::string>("sha256"));
                    CHECK(ledger(place, {"--state", "quarantined"}).empty());
                    CHECK(filesIn(place.data() / "quarantine" / "m") == 0);
                    CHECK(box.in("Bad") == wanted);
                }
            }
        }
    }
}

SCENARIO("mail that is larger than its mailbox may hand on is set aside without being fetched, and delivered when an operator says so",
         "[system][sinks]") {
    GIVEN("max_size = 10kB and a mail of 30 KB among small ones") {
        WebhookReceiver hook;
        FilledMailbox box("m");
        const auto large = mailOf(30'000, "large");
        box.add({mailOf(10, "small"), large, mailOf(20, "small too")});
        Workplace place;
        const std::string after = GENERATE("leave", "move:Done");
        place.configure(webhook("hook", hook) + basicCredential(place, "c") + box.words("hook", after) + "mailbox.m.max_size = 10kB\n");
        WHEN("it is drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("only the ledger knows of it, until it is replayed") {
                CHECK(outcome.status == 0);
                CHECK(hook.taken().size() == 2);
                const auto rows = ledger(place, {"--state", "quarantined"});
                REQUIRE(rows.size() == 1);
                CHECK(rows.front()->getValue<std::size_t>("size") > 30'000);
                CHECK(filesIn(place.data() / "quarantine" / "m") == 0);

                const auto replayed = place.postern({"replay", idOf(rows.front()), "--to", "hook", "--json"});
                INFO(replayed.output << replayed.error);
                REQUIRE(replayed.status == 0);
                CHECK(json(replayed.output)->getValue<int>("to_fetch") == 1);
                const auto last = place.postern({"run", "--once"});
                INFO(last.error);
                CHECK(last.status == 0);
                CHECK(hook.taken()[idOf(rows.front())] == sha256(large.bytes));
                CHECK(digestsOf(hook.taken()) == box.digests());
                CHECK(ledger(place, {"--state", "quarantined"}).empty());
                if (after == "move:Done") {
                    CHECK(box.left() == 0);
                    CHECK(box.in("Done") == box.digests());
                }
            }
        }
    }
}

SCENARIO("mail that is larger than a sink takes goes there by its place", "[system][sinks]") {
    GIVEN("a webhook with max_size and oversize = reference, beside a spool") {
        WebhookReceiver hook({.takesReferences = true});
        FilledMailbox box("m");
        const Mails large{mailOf(30'000, "large"), mailOf(3'000'000, "very large")};
        box.add({mailOf(10, "small"), large[0], large[1]});
        Workplace place;
        place.configure(webhook("hook", hook) + "sink.hook.max_size = 10kB\nsink.hook.oversize = reference\n" + basicCredential(place, "c") +
                        box.words("spool,hook", "move:Done"));
        const auto down = GENERATE(false, true);
        if (down) hook.script({WebhookReceiver::answer(500), WebhookReceiver::answer(500), WebhookReceiver::answer(500)});
        WHEN(std::string("it is drained") + (down ? ", the webhook being down at first" : "")) {
            const auto first = place.postern({"run", "--once"});
            INFO(first.error);
            CHECK(first.status == (down ? 75 : 0));
            if (down) CHECK(place.postern({"run", "--once"}).status == 0);
            THEN("the webhook gets the small one as it is, and of the others a file with exactly their bytes") {
                CHECK(hook.problems().empty());
                CHECK(digestsOf(hook.taken()) == box.digests());
                std::set<std::string> referred;
                for (const auto& request : hook.requests()) {
                    if (request.headers.at("content-type") != "application/json" || request.answered != 200) continue;
                    const auto told = json(request.body);
                    const auto path = told->getValue<std::string>("reference");
                    CHECK(std::filesystem::path(path).is_absolute());
                    CHECK(sha256(servers::readFile(path)) == request.sha256);
                    CHECK(told->getValue<std::string>("id") == request.id);
                    referred.insert(request.sha256);
                }
                CHECK(referred == std::set{sha256(large[0].bytes), sha256(large[1].bytes)});
                CHECK(place.countDelivered("m") == 3);
                CHECK(box.in("Done") == box.digests());
            }
        }
    }
}

SCENARIO("messages are delivered once more as an operator wants it, under the same ids", "[system][sinks]") {
    GIVEN("a drained mailbox whose mail is still there") {
        WebhookReceiver hook;
        FilledMailbox box("m"), other("n");
        box.add(someMails("replayed", 20));
        other.add(someMails("other", 5));
        Workplace place;
        place.configure(webhook("hook", hook) + basicCredential(place, "c") + box.words("hook", "leave") + other.words("hook", "leave"));
        const auto drained = place.postern({"run", "--once"});
        INFO(drained.error);
        REQUIRE(drained.status == 0);
        const auto before = hook.taken();
        REQUIRE(before.size() == 25);
        const auto some = idOf(ledger(place, {"--mailbox", "m"}).front());
        WHEN("all of it is replayed while the service runs") {
            auto service = place.start({"run"});
            const auto replayed = place.postern({"replay", "--query", "mailbox=m", "--to", "hook", "--json"});
            INFO(replayed.output << replayed.error);
            THEN("it is fetched and comes again, and nothing else does") {
                REQUIRE(replayed.status == 0);
                CHECK(json(replayed.output)->getValue<int>("to_fetch") == 20);
                REQUIRE(eventually([&] { return hook.repeats() >= 20; }, patience));
                REQUIRE(eventually([&] { return waitingFor(place, "hook") == 0; }, patience));
                CHECK(hook.repeats() == 20);
                CHECK(hook.taken() == before);
                CHECK(hook.problems().empty());
                CHECK(eventually([&] { return filesIn(place.data() / "outbox") == 0; }, patience));
            }
            CHECK(service.stop().status == 0);
        }
        WHEN("one is replayed while nothing runs") {
            CHECK(place.postern({"replay", some, "--to", "hook"}).status == 0);
            THEN("the next drain delivers it, to its end") {
                const auto outcome = place.postern({"run", "--once"});
                INFO(outcome.error);
                CHECK(outcome.status == 0);
                CHECK(hook.repeats() == 1);
                const auto requests = hook.requests();
                CHECK(requests.back().id == some);
                CHECK(hook.taken() == before);
            }
        }
    }
}

SCENARIO("a webhook over TLS gets a client certificate and a signature, and takes nothing without", "[system][sinks]") {
    const auto authority = servers::makeCertificate({.commonName = "webhook authority", .authority = true});
    const auto clients = servers::makeCertificate({.commonName = "client authority", .authority = true});
    const auto leaf = servers::makeCertificate({.commonName = "hook", .addresses = {"127.0.0.1"}}, &authority);
    const auto client = servers::makeCertificate({.commonName = "postern"}, &clients);
    const std::string key = "0123456789abcdef01234567";  // in Base64: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3
    WebhookReceiver hook({.chain = {leaf}, .demandsClientCertificate = true, .clientAuthorities = {clients}, .key = key});
    FilledMailbox box("m");
    box.add(someMails("tls", 16));
    box.add({mailOf(3'000'000, "large")});
    Workplace place;
    const auto identity = servers::pkcs12({{.alias = "first", .key = &client, .certificates = {client, clients}}}, "hunter2");
    const auto words = webhook("hook", hook) + "truststore.hook.path = " + place.file("authority.pem", authority.pem()).string() +
                       "\nsink.hook.truststore = hook\nsink.hook.signing_secret = ${file:" +
                       place.file("signing", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n").string() +
                       "}\nkeystore.k.path = " + place.file("k.p12", identity).string() +
                       "\nkeystore.k.password = ${file:" + place.file("p12", "hunter2").string() + "}\n" + basicCredential(place, "c") +
                       box.words("hook", "move:Done");
    GIVEN("no keystore") {
        place.configure(words);
        const auto outcome = place.postern({"run", "--once"});
        INFO(outcome.error);
        THEN("nothing is settled, and nothing is moved") {
            CHECK(outcome.status == 75);
            CHECK(hook.taken().empty());
            CHECK(box.left() == box.size());
            AND_THEN("with it the outbox delivers") {
                place.configure(words + "sink.hook.keystore = k\n");
                const auto mended = place.postern({"run", "--once"});
                INFO(mended.error);
                CHECK(mended.status == 0);
                CHECK(digestsOf(hook.taken()) == box.digests());
                CHECK(box.in("Done") == box.digests());
            }
        }
    }
    GIVEN("a keystore") {
        place.configure(words + "sink.hook.keystore = k\n");
        const auto outcome = place.postern({"run", "--once"});
        INFO(outcome.error);
        THEN("everything is taken") {
            CHECK(outcome.status == 0);
            CHECK(hook.problems().empty());
            CHECK(digestsOf(hook.taken()) == box.digests());
            CHECK(box.in("Done") == box.digests());
            CHECK(outcome.error.find("whsec") == std::string::npos);
        }
    }
}
