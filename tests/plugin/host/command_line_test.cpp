#include "plugin/host/command_line.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace plugin::host;

namespace {

const std::vector<CommandInfo> packages{{"mailboxes", "mailboxes [restart ALIAS]", "show mailboxes"},
                                        {"ledger", "ledger [--find TEXT]", "show messages"}};

std::variant<CommandLine, UsageError> parse(const std::vector<std::string>& arguments) { return parseCommandLine(arguments, packages); }

template <class Arguments>
Arguments command(const std::vector<std::string>& arguments) {
    const auto parsed = parse(arguments);
    if (const auto* bad = std::get_if<UsageError>(&parsed)) FAIL(bad->what);
    REQUIRE(std::holds_alternative<Arguments>(std::get<CommandLine>(parsed).command));
    return std::get<Arguments>(std::get<CommandLine>(parsed).command);
}

CommonOptions common(const std::vector<std::string>& arguments) {
    const auto parsed = parse(arguments);
    if (const auto* bad = std::get_if<UsageError>(&parsed)) FAIL(bad->what);
    return std::get<CommandLine>(parsed).common;
}

}  // namespace

SCENARIO("each command takes its arguments", "[command-line]") {
    WHEN("run") {
        REQUIRE_FALSE(command<RunArguments>({"run"}).once);
        const auto run = command<RunArguments>({"run", "--once", "--pidfile", "/run/p", "--daemon"});
        THEN("all its options are known") {
            REQUIRE(run.once);
            REQUIRE(run.daemon);
            REQUIRE(run.pidfile == "/run/p");
            REQUIRE(command<RunArguments>({"run", "--pidfile=p=1"}).pidfile == "p=1");
        }
    }
    WHEN("token") {
        const auto token = command<TokenArguments>({"token", "--user", "me@example.com", "m365", "--scope=a b", "--protocol", "imap", "--reveal"});
        THEN("options may stand on either side of the credential") {
            REQUIRE(token.credential == "m365");
            REQUIRE(token.user == "me@example.com");
            REQUIRE(token.scope == "a b");
            REQUIRE(token.protocol == "imap");
            REQUIRE(token.reveal);
        }
        THEN("a credential may begin with a dash after --") { REQUIRE(command<TokenArguments>({"token", "--", "-x"}).credential == "-x"); }
    }
    WHEN("login") {
        REQUIRE_FALSE(command<LoginArguments>({"login", "sales"}).user);
        const auto login = command<LoginArguments>({"login", "sales", "--user", "sales@example.com"});
        REQUIRE(login.credential == "sales");
        REQUIRE(login.user == "sales@example.com");
    }
    WHEN("oauth, with each of its connectors") {
        const auto server = command<OauthArguments>({"oauth", "server-login", "m365", "--scope", "a b", "--reveal"});
        CHECK(server.connector == "server-login");
        CHECK(server.credential == "m365");
        CHECK(server.scope == "a b");
        CHECK(server.reveal);
        const auto user = command<OauthArguments>({"oauth", "--use-prompt=false", "user-login", "sales"});
        CHECK(user.connector == "user-login");
        CHECK(user.usePrompt == "false");
        CHECK_FALSE(user.reveal);
        CHECK(command<OauthArguments>({"oauth", "refresh-token", "sales", "--refresh-token-file", "-"}).refreshTokenFile == "-");
        CHECK_FALSE(command<OauthArguments>({"oauth", "refresh-token", "sales"}).refreshTokenFile);
    }
    WHEN("credentials, seal") {
        CHECK(command<CredentialsArguments>({"credentials"}).name.empty());
        CHECK(command<CredentialsArguments>({"credentials", "m365"}).name == "m365");
        CHECK_FALSE(command<CredentialsArguments>({"credentials", "m365"}).forget);
        CHECK(command<CredentialsArguments>({"credentials", "--forget", "m365"}).forget);
        command<SealArguments>({"seal"});
    }
    WHEN("check, version, help") {
        command<CheckArguments>({"check"});
        command<VersionArguments>({"version"});
        REQUIRE(command<HelpArguments>({"help"}).command.empty());
        REQUIRE(command<HelpArguments>({"--help"}).command.empty());
        REQUIRE(command<HelpArguments>({"help", "ledger"}).command == "ledger");
        REQUIRE(command<HelpArguments>({"run", "--bad", "--help"}).command == "run");
    }
    WHEN("a command of a package") {
        const auto call = command<PackageArguments>({"ledger", "--find", "a b", "--config", "c", "-x", "--json", "--", "--json"});
        THEN("its arguments are handed on as they are, without the common options") {
            REQUIRE(call.command == "ledger");
            REQUIRE(call.arguments == std::vector<std::string>{"--find", "a b", "-x", "--", "--json"});
        }
    }
}

SCENARIO("--config and --json may stand before and after everywhere", "[command-line]") {
    const auto name = GENERATE(as<std::string>{}, "run", "check", "version", "ledger", "token", "credentials", "seal", "help");
    const std::vector<std::string> own = name == "token" ? std::vector<std::string>{name, "m365"} : std::vector<std::string>{name};
    const auto put = GENERATE(true, false);
    const auto joined = GENERATE(true, false);
    GIVEN(name + (put ? " with them before" : " with them after")) {
        std::vector<std::string> options =
            joined ? std::vector<std::string>{"--config=etc", "--json"} : std::vector<std::string>{"--json", "--config", "etc"};
        std::vector<std::string> arguments = own;
        arguments.insert(put ? arguments.begin() : arguments.end(), options.begin(), options.end());
        THEN("they are understood") {
            REQUIRE(common(arguments).config == "etc");
            REQUIRE(common(arguments).json);
        }
    }
}

SCENARIO("what is not understood is a usage error with what was meant", "[command-line]") {
    struct Row {
        std::vector<std::string> arguments;
        std::string what;
    };
    const auto row = GENERATE(values<Row>({
        {{}, "a command is missing"},
        {{"--json"}, "a command is missing"},
        {{"rnu"}, "unknown command rnu; did you mean run?"},
        {{"mailbox"}, "did you mean mailboxes?"},
        {{"frobnicate"}, "unknown command frobnicate"},
        {{"Run"}, "did you mean run?"},
        {{""}, "a command is missing"},
        {{"run", "--onec"}, "unknown option --onec; did you mean --once?"},
        {{"run", "--on"}, "unknown option --on"},
        {{"run", "--conf", "x"}, "unknown option --conf"},
        {{"run", "-d"}, "unknown option -d"},
        {{"run", "--once=yes"}, "--once takes no value"},
        {{"run", "--once", "--once"}, "--once is given twice"},
        {{"run", "now"}, "run does not take now"},
        {{"run", "--pidfile"}, "--pidfile needs a value"},
        {{"run", "--pidfile="}, "--pidfile needs a value"},
        {{"check", "conf"}, "check does not take conf"},
        {{"check", "--verbose"}, "unknown option --verbose"},
        {{"check", "--config"}, "--config needs a value"},
        {{"check", "--config", "a", "--config", "b"}, "--config is given twice"},
        {{"check", "--json=1"}, "--json takes no value"},
        {{"--once", "run"}, "unknown option --once"},
        {{"--version"}, "did you mean the command version?"},
        {{"token"}, "needs the name of a credential"},
        {{"token", "a", "b"}, "one credential"},
        {{"token", "a", "--user"}, "--user needs a value"},
        {{"token", "a", "--protocol", "nntp"}, "imap, ews, graph or pop3"},
        {{"login"}, "needs the name of a credential"},
        {{"login", "a", "b"}, "login takes one credential"},
        {{"login", "a", "--scope", "s"}, "unknown option --scope"},
        {{"oauth"}, "oauth needs a connector"},
        {{"oauth", "user-logn", "a"}, "unknown connector user-logn; did you mean user-login?"},
        {{"oauth", "user-login"}, "oauth user-login needs the name of a credential"},
        {{"oauth", "user-login", "a", "b"}, "one connector and one credential"},
        {{"oauth", "user-login", "a", "--use-prompt", "yes"}, "--use-prompt is true or false"},
        {{"oauth", "server-login", "a", "--use-prompt", "true"}, "--use-prompt is for user-login"},
        {{"oauth", "refresh-token", "a", "--scope", "s"}, "takes no --scope"},
        {{"oauth", "user-login", "a", "--refresh-token-file", "f"}, "--refresh-token-file is for refresh-token"},
        {{"oauth", "refresh-token", "a", "--refresh-token", "s3cret"}, "a refresh token is no argument"},
        {{"help", "frob"}, "unknown command frob"},
        {{"help", "run", "check"}, "one command"},
        {{"frob", "--help"}, "unknown command frob"},
    }));
    std::string given = "postern";
    for (const auto& each : row.arguments) given += " " + each;
    GIVEN(given) {
        const auto parsed = parse(row.arguments);
        THEN("the error says: " + row.what) {
            REQUIRE(std::holds_alternative<UsageError>(parsed));
            REQUIRE_THAT(std::get<UsageError>(parsed).what, Catch::Contains(row.what));
        }
    }
}

SCENARIO("abbreviated options are advised, never taken", "[command-line]") {
    const auto parsed = parse({"check", "--confi", "x"});
    REQUIRE(std::get<UsageError>(parsed).what == "unknown option --confi; did you mean --config?");
}

SCENARIO("the first look knows the configuration before the commands are known", "[command-line]") {
    const auto scanned = std::get<Scanned>(scanCommandLine({"--json", "brandnew", "--x", "--config", "etc", "y"}));
    REQUIRE(scanned.command == "brandnew");
    REQUIRE(scanned.common.config == "etc");
    REQUIRE(scanned.common.json);
    REQUIRE(scanned.arguments == std::vector<std::string>{"--x", "y"});
    REQUIRE(isOwnCommand("run"));
    REQUIRE_FALSE(isOwnCommand("ledger"));
}

SCENARIO("help lists what works", "[command-line]") {
    const auto all = usageText(packages);
    for (const char* each : {"postern run [--once] [--daemon] [--pidfile F]", "postern check", "postern token CREDENTIAL",
                             "postern mailboxes [restart ALIAS]", "postern ledger", "postern version", "--config P"})
        CHECK_THAT(all, Catch::Contains(each));
    for (const char* each : {"postern login CREDENTIAL [--user EXPECTED]", "postern oauth server-login|user-login|refresh-token"})
        CHECK_THAT(all, Catch::Contains(each));
    CHECK_THAT(usageText(packages, "oauth"), Catch::Contains("--refresh-token-file F|-"));
    CHECK_THAT(usageText(packages, "token"), Catch::Contains("--reveal") && !Catch::Contains("--once"));
    CHECK_THAT(usageText(packages, "ledger"), Catch::Contains("ledger [--find TEXT]") && !Catch::Contains("mailboxes"));
}
