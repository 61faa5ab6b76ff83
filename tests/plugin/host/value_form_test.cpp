#include "plugin/host/value_form.h"

#include "plugin/host/host_keys.h"

#include <catch2/catch.hpp>

#include <string>

using plugin::Code;
using plugin::Key;
using plugin::KeyType;
using plugin::Problem;
using plugin::host::judge;
using plugin::host::secretSource;

namespace {

Key keyOf(KeyType type) {
    Key key{.pattern = "k", .type = type};
    if (type == KeyType::choice) key.choices = {"imap", "none", "leave"};
    if (type == KeyType::choice) key.later = {"ews", "pop3"};
    if (type == KeyType::integer || type == KeyType::duration) key.minimum = 1, key.maximum = 9999;
    return key;
}

}  // namespace

SCENARIO("values of the right form are taken", "[values]") {
    struct Row {
        KeyType type;
        std::string value, kept;
    };
    const auto row = GENERATE(values<Row>({
        {KeyType::text, "", ""},
        {KeyType::text, "any\\thing, at all", "any\\thing, at all"},
        {KeyType::boolean, "true", "true"},
        {KeyType::integer, "9999", "9999"},
        {KeyType::duration, "60s", "60s"},
        {KeyType::duration, "2h", "2h"},
        {KeyType::duration, "1000ms", "1000ms"},
        {KeyType::size, "10MB", "10MB"},
        {KeyType::list, "a, b\\, c", "a, b\\, c"},
        {KeyType::url, "https://login.example/t/token?x=y", "https://login.example/t/token?x=y"},
        {KeyType::url, "HTTPS://[2001:db8::1]:8443/", "HTTPS://[2001:db8::1]:8443/"},
        {KeyType::host, "outlook.office365.com", "outlook.office365.com"},
        {KeyType::host, "mail_1.example.", "mail_1.example."},
        {KeyType::host, "10.0.0.1", "10.0.0.1"},
        {KeyType::host, "::1", "::1"},
        {KeyType::host, "2001:db8::192.0.2.1", "2001:db8::192.0.2.1"},
        {KeyType::host, "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
        {KeyType::path, "data", "/start/data"},
        {KeyType::path, "../x/./y", "/x/y"},
        {KeyType::path, "/var/lib", "/var/lib"},
        {KeyType::choice, "imap", "imap"},
        {KeyType::secret, "${file:/run/secret}", "${file:/run/secret}"},
        {KeyType::secret, "${file:keys/secret}", "${file:/start/keys/secret}"},
        {KeyType::secret, "${env:CLIENT_SECRET}", "${env:CLIENT_SECRET}"},
        {KeyType::maybeSecret, "${file:keys/secret}", "${file:/start/keys/secret}"},
        {KeyType::maybeSecret, "text/plain", "text/plain"},
        {KeyType::maybeSecret, "$${file:x}", "$${file:x}"},
        {KeyType::maybeSecret, "", ""},
    }));
    GIVEN("\"" + row.value + "\"") {
        const auto judged = judge(keyOf(row.type), row.value, "/start");
        THEN("it is kept without a complaint") {
            REQUIRE(judged.usable);
            REQUIRE(judged.complaints.empty());
            REQUIRE(judged.value == row.kept);
        }
    }
}

SCENARIO("values of another form are refused, and the text says which form is wanted", "[values]") {
    struct Row {
        KeyType type;
        std::string value, what;
        Code code = Code::configBadValue;
    };
    const auto row = GENERATE(values<Row>({
        {KeyType::boolean, "yes", "\"yes\" is neither true nor false"},
        {KeyType::boolean, "", "no value"},
        {KeyType::integer, "1.5", "\"1.5\" is not a whole number of 1 to 9999"},
        {KeyType::integer, "10000", "outside 1 to 9999"},
        {KeyType::duration, "60", "\"60\" has no unit: write 60s"},
        {KeyType::duration, "5 min", "is not a duration"},
        {KeyType::duration, "0s", "outside 1s to 9999s"},
        {KeyType::duration, "10000s", "outside 1s to 9999s"},
        {KeyType::duration, "999ms", "outside 1s to 9999s"},
        {KeyType::size, "10", "\"10\" has no unit"},
        {KeyType::size, "10mb", "is not a size"},
        {KeyType::size, "0GB", "\"0GB\" lets nothing through"},
        {KeyType::url, "login.example/token", "not a URL that begins with https://"},
        {KeyType::url, "ftp://login.example/", "not a URL that begins with https://"},
        {KeyType::url, "http://login.example/token", "plain http to another machine", Code::configPlainHttp},
        {KeyType::url, "http://127.0.0.1.example/", "plain http to another machine", Code::configPlainHttp},
        {KeyType::url, "http://localhost@login.example/", "user name or password"},
        {KeyType::url, "https://me:pass@login.example/", "user name or password"},
        {KeyType::url, "https:///token", "no host"},
        {KeyType::url, "https://login.example:0/", "port is not 1 to 65535"},
        {KeyType::url, "https://login.example:/", "port is not 1 to 65535"},
        {KeyType::url, "https://login.example:https/", "port is not 1 to 65535"},
        {KeyType::url, "https://a b/", "holds a blank"},
        {KeyType::url, "https://h/\xC3\xBC", "percent-encoded"},
        {KeyType::url, "https://h/#x", "fragment"},
        {KeyType::url, "https://[::1/", "IPv6"},
        {KeyType::url, "https://[::1]x/", "after the ]"},
        {KeyType::host, "mail.example:993", "a port has its own key"},
        {KeyType::host, "imaps://mail.example", "is a URL"},
        {KeyType::host, "me@mail.example", "e-mail address"},
        {KeyType::host, "mail..example", "between dots"},
        {KeyType::host, "-mail.example", "begins or ends with '-'"},
        {KeyType::host, "mail example", "holds a blank"},
        {KeyType::host, "b\xC3\xBCro.example", "xn--"},
        {KeyType::host, "1.2.3", "four numbers"},
        {KeyType::host, "1.2.3.256", "four numbers"},
        {KeyType::host, "[::1]", "without brackets"},
        {KeyType::host, "1:2:3", "IPv6"},
        {KeyType::host, "1::2::3", "IPv6"},
        {KeyType::host, std::string(64, 'a'), "1 to 63"},
        {KeyType::path, "~/data", "only a shell knows"},
        {KeyType::path, "", "no value"},
        {KeyType::choice, "impa", "\"impa\" is not imap, none or leave; did you mean imap?"},
        {KeyType::choice, "IMAP", "is not imap"},
        {KeyType::choice, "ews", "\"ews\" is not in this version; this version knows imap, none or leave", Code::configNotInThisVersion},
        {KeyType::secret, "", "no value"},
        {KeyType::secret, "${command:pass show x}", "absolute path", Code::configSecretSource},
        {KeyType::secret, "${command:/bin/pass 'show x}", "each quote in it is closed", Code::configSecretSource},
        {KeyType::secret, "${credential:a/b}", "no plain file name", Code::configSecretSource},
        {KeyType::secret, "${credential:..}", "no plain file name", Code::configSecretSource},
        {KeyType::maybeSecret, "${vault:x}", "${file:/path}, ${env:NAME}", Code::configSecretSource},
        {KeyType::secret, "${sealed:abc}", "not what `postern seal` writes", Code::configSecretSource},
        {KeyType::secret, "${vault:x}", "${file:/path}, ${env:NAME}", Code::configSecretSource},
        {KeyType::secret, "${HOME}", "${file:/path}, ${env:NAME}", Code::configSecretSource},
        {KeyType::secret, "${file:}", "names no path", Code::configSecretSource},
        {KeyType::secret, "${file:~/x}", "only a shell knows", Code::configSecretSource},
        {KeyType::secret, "${env:A B}", "environment variable", Code::configSecretSource},
    }));
    GIVEN("\"" + row.value + "\"") {
        const auto judged = judge(keyOf(row.type), row.value, "/start");
        THEN("one error says: " + row.what) {
            REQUIRE_FALSE(judged.usable);
            REQUIRE(judged.complaints.size() == 1);
            REQUIRE(judged.complaints[0].severity == Problem::Severity::error);
            REQUIRE(judged.complaints[0].code == row.code);
            REQUIRE_THAT(judged.complaints[0].what, Catch::Contains(row.what));
        }
    }
}

SCENARIO("what works but should not be is a warning", "[values]") {
    struct Row {
        KeyType type;
        std::string value;
        Code code;
    };
    const auto row = GENERATE(values<Row>({
        {KeyType::url, "http://localhost:8080/token", Code::configPlainHttp},
        {KeyType::url, "http://127.1.2.3/token", Code::configPlainHttp},
        {KeyType::url, "http://[::1]/token", Code::configPlainHttp},
        {KeyType::secret, "hunter2", Code::configLiteralSecret},
        {KeyType::secret, "$${file:hunter2}", Code::configLiteralSecret},
        {KeyType::secret, "${hunter2", Code::configLiteralSecret},
        {KeyType::secret, "${hun}ter2}", Code::configLiteralSecret},
        {KeyType::text, "${env:hunter2}", Code::configSecretSource},
    }));
    GIVEN("\"" + row.value + "\"") {
        const auto judged = judge(keyOf(row.type), row.value, "/start");
        THEN("it is kept as written, with a warning that does not show it") {
            REQUIRE(judged.usable);
            REQUIRE(judged.value == row.value);
            REQUIRE(judged.complaints.size() == 1);
            REQUIRE(judged.complaints[0].severity == Problem::Severity::warning);
            REQUIRE(judged.complaints[0].code == row.code);
            REQUIRE_THAT(judged.complaints[0].what, !Catch::Contains("hunter2"));
        }
    }
}

SCENARIO("a key's own check has the last word", "[values]") {
    Key key{.pattern = "k"};
    key.form = [](std::string_view value) { return value == "good" ? std::nullopt : std::optional<std::string>("a good one is wanted"); };
    REQUIRE(judge(key, "good", "/").usable);
    REQUIRE(judge(key, "bad", "/").complaints.at(0).what == "a good one is wanted");
}

SCENARIO("no message holds a secret or a URL", "[values]") {
    const auto type = GENERATE(KeyType::url, KeyType::secret, KeyType::choice, KeyType::host, KeyType::integer, KeyType::boolean);
    const auto value = GENERATE(as<std::string>{}, "https://me:hunter2@h/", "https://h:x/?key=hunter2", "https://h/hunter2#", "${vault:hunter2}",
                                "${hunter2}", "postgresql://me:hunter2@h/db");
    for (const auto& complaint : judge(keyOf(type), value, "/start").complaints) CHECK_THAT(complaint.what, !Catch::Contains("hunter2"));
    SUCCEED();
}

SCENARIO("a long value is cut between characters", "[values]") {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "\xC3\xBC";
    const auto shown = plugin::host::shown("a" + text);
    REQUIRE(shown.size() < 70);
    REQUIRE(shown.ends_with("\xBC...\""));
}

SCENARIO("a secret's source is taken apart", "[values]") {
    REQUIRE(secretSource("${file:/a:b}")->kind == "file");
    REQUIRE(secretSource("${file:/a:b}")->argument == "/a:b");
    REQUIRE(secretSource("${command:echo ${x}}")->argument == "echo ${x}");
    REQUIRE_FALSE(secretSource("$${file:/a}"));
    REQUIRE_FALSE(secretSource("${file:/a}b"));
    REQUIRE_FALSE(secretSource("${"));
    REQUIRE_FALSE(secretSource(""));
}

SCENARIO("an address and its port are taken apart", "[values]") {
    using plugin::host::parseAddress;
    REQUIRE(parseAddress("127.0.0.1:8025")->port == 8025);
    REQUIRE(parseAddress("[::1]:0")->host == "::1");
    REQUIRE(parseAddress("localhost:1")->host == "localhost");
    for (const char* bad : {"", "8025", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536", "::1:80", ":80", "a b:80", "[::1]"}) {
        CAPTURE(bad);
        CHECK_FALSE(parseAddress(bad));
    }
}
