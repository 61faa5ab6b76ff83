#include "plugin/host/validation.h"

#include "plugin/host/host_keys.h"
#include "plugin/host/problem_report.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using plugin::Code;
using plugin::Configuration;
using plugin::Key;
using plugin::KeyType;
using plugin::Problem;
using plugin::host::hostKeys;
using plugin::host::merge;
using plugin::host::parseProperties;
using plugin::host::reportLine;
using plugin::host::Rules;
using plugin::host::validate;
using plugin::host::Validated;

namespace {

/// What a mail package and a credential part might declare.
Rules rules() {
    Rules all{.keys = hostKeys(), .workingDirectory = "/start"};
    const std::vector<Key> more{
        {.pattern = "mailbox.<alias>.enabled", .type = KeyType::boolean, .fallback = "true"},
        {.pattern = "mailbox.<alias>.protocol", .type = KeyType::choice, .required = true, .choices = {"imap"}, .later = {"ews", "graph", "pop3"}},
        {.pattern = "mailbox.<alias>.host", .type = KeyType::host, .required = true},
        {.pattern = "mailbox.<alias>.port", .type = KeyType::integer, .minimum = 1, .maximum = 65535},
        {.pattern = "mailbox.<alias>.interval", .type = KeyType::duration, .fallback = "60s", .minimum = 1, .maximum = 9999},
        {.pattern = "mailbox.<alias>.credential", .reference = "credential"},
        {.pattern = "mailbox.<alias>.deliver", .type = KeyType::list, .required = true, .reference = "sink"},
        {.pattern = "mailbox.<alias>.fallback", .planned = true},
        {.pattern = "sink.<name>.type", .type = KeyType::choice, .required = true, .choices = {"spool"}, .later = {"http"}},
        {.pattern = "sink.<name>.path", .type = KeyType::path},
        {.pattern = "credential.<name>.client_secret", .type = KeyType::secret},
        {.pattern = "credential.<name>.token_endpoint", .type = KeyType::url},
        {.pattern = "proxy.<alias>.host", .planned = true},
        {.pattern = "keystore.<alias>.path", .type = KeyType::path},
        {.pattern = "keystore.<alias>.type", .type = KeyType::choice, .fallback = "pkcs12", .choices = {"pkcs12", "pem"}},
    };
    all.keys.insert(all.keys.end(), more.begin(), more.end());
    return all;
}

Validated read(const std::string& text, const Rules& by = rules()) { return validate(parseProperties(text, "f"), by); }

/// "line code key" of each problem, one below the other; a warning begins with "w".
std::string listed(const std::vector<Problem>& problems) {
    std::string text;
    for (const auto& each : problems)
        text += (each.severity == Problem::Severity::warning ? "w" : "") + std::to_string(each.place.line) + " " +
                std::to_string(static_cast<int>(each.code)) + " " + each.key + "\n";
    return text;
}

const std::string office =
    "mailbox.office.protocol = imap\n"
    "mailbox.office.host = mail.example\n"
    "mailbox.office.deliver = spool\n"
    "sink.spool.type = spool\n"
    "sink.spool.path = spool\n";

}  // namespace

SCENARIO("a configuration without a mailbox is valid", "[validation]") {
    const auto checked = read("");
    REQUIRE(checked.valid());
    REQUIRE(checked.problems.empty());
    REQUIRE(checked.configuration->text("server.data") == "/start/data");
    REQUIRE(checked.configuration->text("log.level") == "information");
    REQUIRE(checked.configuration->aliases("mailbox").empty());
    REQUIRE_FALSE(checked.configuration->has("server.pidfile"));
}

SCENARIO("what is not given has its default, for each alias", "[validation]") {
    GIVEN("a mailbox with what is mandatory, and one more") {
        const auto checked = read(office + "mailbox.Two.protocol=imap\nmailbox.Two.host=h\nmailbox.Two.deliver=spool\nmailbox.Two.interval = 5m\n");
        const auto& configuration = *checked.configuration;
        THEN("there is nothing to say") { REQUIRE(listed(checked.problems).empty()); }
        THEN("both are complete") {
            REQUIRE(configuration.aliases("mailbox") == std::vector<std::string>{"Two", "office"});
            REQUIRE(configuration.boolean("mailbox.office.enabled"));
            REQUIRE(configuration.duration("mailbox.office.interval") == std::chrono::seconds(60));
            REQUIRE(configuration.duration("mailbox.Two.interval") == std::chrono::minutes(5));
            REQUIRE_FALSE(configuration.has("mailbox.office.port"));
        }
        THEN("a value knows its place, a default has none") {
            REQUIRE(configuration.place("mailbox.office.host").line == 2);
            REQUIRE(configuration.place("mailbox.office.interval").line == 0);
            REQUIRE(configuration.settings().at("mailbox.office.host").given);
            REQUIRE_FALSE(configuration.settings().at("mailbox.office.interval").given);
        }
        THEN("relative paths count from the start") { REQUIRE(configuration.text("sink.spool.path") == "/start/spool"); }
    }
}

SCENARIO("every problem is found, at its line, with its code", "[validation]") {
    struct Row {
        std::string name, text, problems, words;
    };
    const auto row = GENERATE(values<Row>({
        {"an unknown key", "server.dat = x\n", "1 1003 server.dat\n", "did you mean server.data?"},
        {"an unknown key like no other", "x = y\n", "1 1003 x\n", "nothing reads this key"},
        {"an unknown key of a mailbox", office + "mailbox.office.prot = 1\n", "6 1003 mailbox.office.prot\n", "did you mean mailbox.office.port?"},
        {"an alias written wrong", office + "mailbox.offcie.port = 993\n",
         "6 1005 mailbox.offcie.protocol\n6 1005 mailbox.offcie.host\n6 1005 mailbox.offcie.deliver\n", "missing"},
        {"an alias known only by a mistyped key", "sink.s.pth = x\n", "1 1003 sink.s.pth\n1 1005 sink.s.type\n", "did you mean sink.s.path?"},
        {"a bad alias, once", "mailbox.my box.host = h\nmailbox.my box.port = 1\n", "1 1007 mailbox.my box.host\n", "holds a blank"},
        {"an alias with a dot", "mailbox.a.b.host = h\n", "1 1007 mailbox.a.b.host\n", "\"a.b\" holds '.'"},
        {"two aliases that differ in case", office + "sink.Spool.type = spool\n", "6 1007 sink.Spool.type\n", "\"spool\" (f:4)"},
        {"a bad value", office + "mailbox.office.port = 70000\n", "6 1006 mailbox.office.port\n", "1 to 65535"},
        {"a bad value with a default is not missing", office + "mailbox.office.interval = 60\n", "6 1006 mailbox.office.interval\n", "60s"},
        {"a bad value that is mandatory is not missing too", "sink.s.type = spol\n", "1 1006 sink.s.type\n", "\"spol\" is not spool"},
        {"an empty mandatory list", "mailbox.a.protocol=imap\nmailbox.a.host=h\nmailbox.a.deliver = ,\n", "3 1005 mailbox.a.deliver\n", "no value"},
        {"a reference to nothing", office + "mailbox.office.credential = m365\n", "6 1008 mailbox.office.credential\n",
         "there is no credential \"m365\"; define it with keys that begin with credential.m365."},
        {"a reference in another case", "sink.Spool.type = spool\nmailbox.a.protocol=imap\nmailbox.a.host=h\nmailbox.a.deliver = spool\n",
         "4 1008 mailbox.a.deliver\n", "did you mean Spool?"},
        {"one of a list", "sink.one.type = spool\nmailbox.a.protocol=imap\nmailbox.a.host=h\nmailbox.a.deliver = one, two\n",
         "4 1008 mailbox.a.deliver\n", "no sink \"two\"; there is one"},
        {"one of a list twice", "sink.one.type = spool\nmailbox.a.protocol=imap\nmailbox.a.host=h\nmailbox.a.deliver = one, one\n",
         "4 1006 mailbox.a.deliver\n", "named twice"},
        {"a planned key", office + "mailbox.office.fallback = graph\n", "6 1009 mailbox.office.fallback\n", "not in this version"},
        {"a planned group", "proxy.corp.host = h\nproxy.corp.portt = 1\n", "1 1009 proxy.corp.host\n2 1009 proxy.corp.portt\n",
         "not in this version"},
        {"a planned value", "sink.s.type = http\n", "1 1009 sink.s.type\n", "\"http\" is not in this version"},
        {"PostgreSQL", "store.url = postgresql://me:hunter2@db/postern\n", "1 1009 store.url\n", "\"postgresql:\" is not in this version"},
        {"another store", "store.url = mysql://me:hunter2@db/postern\n", "1 1006 store.url\n", "sqlite:"},
        {"plain http", "credential.c.token_endpoint = http://login.example/\n", "1 1012 credential.c.token_endpoint\n", "https"},
        {"plain http here", "credential.c.token_endpoint = http://localhost/\n", "w1 1012 credential.c.token_endpoint\n", "this machine only"},
        {"a literal secret", "credential.c.client_secret = hunter2\n", "w1 1010 credential.c.client_secret\n", "${file:/path}"},
        {"what nobody has sealed", "credential.c.client_secret = ${sealed:x}\n", "1 1011 credential.c.client_secret\n", "postern seal"},
        {"an admin port for everybody", "admin.address = 0.0.0.0:80\n", "1 1005 admin.tls.keystore\n", "TLS"},
        {"a public URL whose TLS somebody else has to speak", "admin.public_url = https://postern.example/mail\n", "w1 1013 admin.public_url\n",
         "reverse proxy"},
        {"a public URL in clear", "admin.public_url = http://postern.example\n", "1 1012 admin.public_url\n", "https"},
        {"a public URL with a query", "admin.public_url = https://postern.example/?a=b\n", "1 1006 admin.public_url\n", "query"},
        {"a public URL that is not what the port speaks",
         "log.level = loud\nkeystore.k.path = k\nadmin.tls.keystore = k\nadmin.public_url = http://localhost:8025\n",
         "1 1006 log.level\nw4 1012 admin.public_url\n4 1013 admin.public_url\n", "begins with https://"},
        {"a public URL without a port to reach",
         "admin.address =\nkeystore.k.path = k\nadmin.tls.keystore = k\nadmin.public_url = https://a.example\n",
         "w3 1013 admin.tls.keystore\nw4 1013 admin.public_url\n", "there is no admin port"},
        {"an admin port whose keystore is not there", "admin.tls.keystore = k\n", "1 1008 admin.tls.keystore\n", "keystore.k."},
        {"a key of no keystore", "admin.tls.key_alias = k\n", "1 1005 admin.tls.keystore\n", "which this key is in"},
        {"a name with a port", "admin.host_names = a.example, b.example:443\n", "1 1006 admin.host_names\n", "b.example:443"},
        {"an admin port without a port", "admin.address = 127.0.0.1\n", "1 1006 admin.address\n", "127.0.0.1:8025"},
        {"a key given twice", "log.level = debug\nlog.level = trace\n", "2 1004 log.level\n", "f:1"},
        {"a bad line", "log.level : debug\n", "1 1002 \n", "="},
        {"several, by line", "x = 1\nlog.level = loud\nlog.level\nserver.threads = 99\n",
         "1 1003 x\n2 1006 log.level\n3 1002 \n4 1006 server.threads\n", "trace"},
    }));
    GIVEN(row.name) {
        auto by = rules();
        by.checks.emplace_back(plugin::host::checkHostKeys);
        const auto checked = validate(merge({parseProperties(row.text, "f")}), by);
        THEN("it is reported as it should be") {
            REQUIRE(listed(checked.problems) == row.problems);
            std::string all;
            for (const auto& each : checked.problems) all += reportLine(each) + "\n";
            REQUIRE_THAT(all, Catch::Contains(row.words));
            REQUIRE_THAT(all, !Catch::Contains("hunter2"));
            REQUIRE(checked.valid() == (row.problems.front() == 'w'));
        }
    }
}

SCENARIO("the public URL says what the admin port is called, and where its callback lies", "[validation]") {
    const auto of = [](const std::string& url) {
        return *read(url.empty() ? "" : "admin.host_names = a.example\nadmin.public_url = " + url + "\n").configuration;
    };
    using Names = std::vector<std::string>;
    CHECK(plugin::host::adminNames(of("https://Postern.example:8025/mail/")) == Names{"a.example", "Postern.example"});
    CHECK(plugin::host::adminNames(of("https://[2001:db8::7]:8025")) == Names{"a.example", "2001:db8::7"});
    CHECK(plugin::host::adminNames(of("")).empty());
    CHECK(plugin::host::publicPath(of("https://postern.example:8025/mail/")) == "/mail");
    CHECK(plugin::host::publicPath(of("https://postern.example")).empty());
    CHECK(plugin::host::publicPath(of("")).empty());
}

SCENARIO("keys of a part that is not there are passed over", "[validation]") {
    Rules by{.keys = hostKeys(), .workingDirectory = "/start"};
    by.foreign = {"mailbox", "sink"};
    const auto checked = read(office + "mailboxes.a.host = h\n", by);
    THEN("only what is nobody's is unknown") { REQUIRE(listed(checked.problems) == "6 1003 mailboxes.a.host\n"); }
    THEN("a reference to what they would define is not judged") {
        by.keys.push_back(Key{.pattern = "alarm.<name>.mailbox", .reference = "mailbox"});
        REQUIRE(read("alarm.a.mailbox = b\n", by).valid());
    }
}

SCENARIO("package checks add to the other problems without repeating them", "[validation]") {
    auto by = rules();
    by.checks.emplace_back([](const Configuration& configuration, std::vector<Problem>& problems) {
        for (const auto& alias : configuration.aliases("mailbox"))
            for (const std::string last : {".port", ".credential"})
                if (const auto key = "mailbox." + alias + last; !configuration.has(key))
                    problems.push_back(Problem{.code = Code::configMissingKey, .key = key, .what = "wanted", .place = {"f", 1}});
        static_cast<void>(configuration.integer("server.threads"));
    });
    GIVEN("a configuration whose keys are valid") {
        const auto checked = read(office, by);
        THEN("the check's problems are reported") {
            REQUIRE(listed(checked.problems) == "1 1005 mailbox.office.port\n1 1005 mailbox.office.credential\n");
        }
    }
    GIVEN("a key with a bad value") {
        const auto checked = read(office + "mailbox.office.port = x\n", by);
        THEN("the check is heard about the others") {
            REQUIRE(listed(checked.problems) == "1 1005 mailbox.office.credential\n6 1006 mailbox.office.port\n");
        }
    }
    GIVEN("a mailbox whose protocol is not known") {
        const auto checked = read("sink.s.type=spool\nmailbox.a.protocol = imp\nmailbox.a.host = h\nmailbox.a.deliver = s\n", by);
        THEN("nothing is said that the protocol decides") { REQUIRE(listed(checked.problems) == "2 1006 mailbox.a.protocol\n"); }
    }
    GIVEN("a check that reads a key nobody declared") {
        by.checks.emplace_back(
            [](const Configuration& configuration, std::vector<Problem>&) { static_cast<void>(configuration.boolean("no.such")); });
        THEN("it is a bug while all is well") { REQUIRE_THROWS_AS(read("", by), std::logic_error); }
        THEN("it says nothing while other keys are missing") { REQUIRE(listed(read("x = 1\n", by).problems) == "1 1003 x\n"); }
    }
}

SCENARIO("a default that is not of its key's form is a bug", "[validation]") {
    const Rules by{.keys = {Key{.pattern = "a", .type = KeyType::duration, .fallback = "60"}}, .workingDirectory = "/"};
    REQUIRE_THROWS_AS(read("", by), std::logic_error);
}

SCENARIO("ten thousand mailboxes are read at once", "[validation]") {
    std::string text = "sink.s.type = spool\n";
    for (int i = 0; i < 10'000; ++i) {
        const auto alias = "mailbox.m" + std::to_string(i);
        text += alias + ".protocol = imap\n" + alias + ".host = h\n" + alias + ".deliver = s\n";
    }
    const auto checked = read(text);
    REQUIRE(checked.valid());
    REQUIRE(checked.configuration->settings().size() > 50'000);
}
