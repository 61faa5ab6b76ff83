// Every recipe of conf/recipes, tried as it stands there: the real names of providers lead to servers of this test, through a proxy that is the only
// line added. What a recipe shows is what the program prints; what it says of mistakes is what the program says when they are made.
#include "tests/servers/admin_port.h"
#include "tests/servers/keystores.h"
#include "tests/system/providers.h"
#include "tests/system/recipe.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <cstdlib>

using namespace systemtest;
using servers::eventually;
using servers::EwsServer;

namespace {

constexpr auto soon = std::chrono::seconds{60};

const Replacements placeholders{{"<tenant id>", Providers::tenant}, {"<client id>", Providers::application}, {"<object id>", Providers::object}};

/// Where the recipes' paths lie in a test.
Replacements paths(const Workplace& place) {
    return {{"/etc/postern/", (place.path() / "etc/").string()}, {"/var/spool/postern", (place.path() / "mail").string()}};
}

/// Keys that cannot be what they are in a recipe: the proxy is here, and the port is any free one.
std::map<std::string, std::string> overrides(const Providers& providers) {
    return {
        {"proxy.corporate.host", "127.0.0.1"}, {"proxy.corporate.port", std::to_string(providers.tunnel().port())}, {"admin.address", "127.0.0.1:0"}};
}

struct Stage {
    explicit Stage(const std::string& written) : lines(replacedAll(written, placeholders)) {
        lines = replacedAll(lines, paths(place));
        for (const auto& [key, value] : overrides(providers))
            if (given(key)) set(key, value);
        if (!given("proxy.corporate.host"))
            for (const auto& [key, value] :
                 std::map<std::string, std::string>{{"host", "127.0.0.1"}, {"port", std::to_string(providers.tunnel().port())}, {"default", "true"}})
                set("proxy.test." + key, value);
        else
            providers.tunnel().demand("postern", "proxy password");
        std::filesystem::create_directories(place.path() / "etc");
        const auto root = place.file("roots.pem", Providers::authority().pem());
        ::setenv("SSL_CERT_FILE", root.c_str(), 1);  // the system's roots, to the programs we start
        const auto own = servers::makeCertificate({.commonName = "postern", .rsa = true});
        providers.certificate = own.pem();
        const auto& authority = Providers::authority();
        const auto admin = servers::makeCertificate({.commonName = "postern.example.com", .names = {"postern.example.com"}}, &authority);
        for (const auto& [name, bytes] :
             std::map<std::string, std::string>{{"m365.secret", Providers::secret},
                                                {"exchange.password", providers.ownEws.basicPassword},
                                                {"corporate-ca.pem", Providers::ownAuthority().pem()},
                                                {"client.password", "keystore password"},
                                                {"client.p12", servers::pkcs12({{"postern", &own, {own}}}, "keystore password")},
                                                {"proxy.password", "proxy password"},
                                                {"admin.pem", admin.keyPem() + admin.pem()},
                                                {"google.json", providers.keyFile()}})
            file(name, bytes);
    }

    bool given(const std::string& key) const { return line(key) != std::string::npos; }
    void drop(const std::string& key) {
        if (const auto begin = line(key); begin != std::string::npos) lines.erase(begin, lines.find('\n', begin) + 1 - begin);
    }
    void set(const std::string& key, const std::string& value) {
        drop(key);
        lines += key + " = " + value + "\n";
    }
    void file(const std::string& name, const std::string& bytes) const { place.file("etc/" + name, bytes); }

    /// All is set: what the program is asked.
    void begin() {
        INFO(lines);
        REQUIRE(lines.find('<') == std::string::npos);
        providers.ready();
        place.configure("");
        auto rest = servers::readFile(place.path() / "conf" / "postern.properties");
        if (given("admin.address")) rest = rest.substr(0, rest.find("admin.address")) + rest.substr(rest.find('\n', rest.find("admin.address")) + 1);
        servers::writeFile(place.path() / "conf" / "postern.properties", rest);
        servers::writeFile(place.path() / "conf" / "recipe.properties", lines);
    }

    /// What a command prints, on both of its outputs.
    std::string run(const std::vector<std::string>& words) { return words.front() == "login" ? login(words) : said(place.postern(words)); }

    Workplace place{};
    Providers providers{};
    std::string lines;
    int status = 0;  ///< of the last command

private:
    /// Where the line of a key begins, whatever the blanks.
    std::size_t line(const std::string& key) const {
        for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
            const auto text = lines.substr(at, lines.find('=', at) - at);
            if (text.substr(0, text.find(' ')) == key) return at;
        }
        return std::string::npos;
    }
    std::string said(const servers::Outcome& outcome) {
        status = outcome.status;
        return outcome.output + outcome.error;
    }
    /// With a person who consents, and comes back as the redirect URI says.
    std::string login(const std::vector<std::string>& words) {
        std::optional<servers::Process> service;
        const bool toService = lines.find("admin.public_url") != std::string::npos;
        if (toService) {
            service.emplace(servers::Process::Command{{POSTERN_PROGRAM, "run", "--config", (place.path() / "conf").string()},
                                                      place.path() / "service.log",
                                                      place.path() / "service.log",
                                                      place.path()});
            REQUIRE(eventually([&] { return servers::readFile(place.path() / "service.log").find(" up packages=") != std::string::npos; }, soon));
        }
        auto process = place.start(words);
        const bool device = lines.find("device_code") != std::string::npos;
        if (!device) {
            REQUIRE(eventually([&] { return place.log().find("The browser comes back by itself") != std::string::npos; }, soon));
            const auto begin = place.log().find("https://login.");
            const auto back = providers.consent(place.log().substr(begin, place.log().find('\n', begin) - begin));
            REQUIRE_FALSE(back.empty());
            std::vector<std::string> curl{"curl",          "--silent", "--show-error", "--fail", "--retry",  "30",
                                          "--retry-delay", "1",        "--noproxy",    "*",      "--cacert", (place.path() / "roots.pem").string()};
            if (toService) {
                curl.insert(curl.end(), {"--connect-to", "postern.example.com:8025:" + servers::AdminPort(place.data()).address()});
            }
            curl.push_back(back);
            const auto browser = servers::run(curl);
            INFO(browser.output << browser.error << place.log() << servers::readFile(place.path() / "service.log"));
            REQUIRE(browser.status == 0);
        }
        const auto ended = process.wait(soon);
        REQUIRE(ended);
        status = ended->status;
        return place.log();
    }
};

/// What the test added is taken out again: the step of the proxy, and its part in the name's.
std::string asShown(const std::string& output, const Stage& stage) {
    std::string text = replacedAll(output, {{": the proxy resolves it", ""}, {(stage.place.path() / "etc/").string(), "/etc/postern/"}});
    if (const auto step = text.find("  proxy           ok        proxy test"); step != std::string::npos)
        text.erase(step, text.find('\n', step) + 1 - step);
    return replacedAll(text,
                       {{"proxy corporate 127.0.0.1:" + std::to_string(stage.providers.tunnel().port()), "proxy corporate proxy.corp.example:3128"}});
}

std::vector<std::string> filled(std::vector<std::string> lines) {
    for (auto& line : lines) line = replacedAll(line, placeholders);
    return lines;
}

bool needsSignIn(const std::string& lines) {
    return lines.find("authorization_code") != std::string::npos || lines.find("device_code") != std::string::npos;
}

/// How a mistake is made, and what is asked then; without words the recipe's first `doctor`.
struct Mistake {
    std::string recipe, what;
    std::function<void(Stage&)> make;
    std::vector<std::string> words{};
    bool signedIn = true;
};

void graphRefuses(Stage& stage, int status, const std::string& code, const std::string& message, const std::string& of = "/v1.0/users/") {
    stage.providers.graph().fail({.what = of, .status = status, .code = code, .times = 1000, .message = message});
}
void graphDenies(Stage& stage, const std::string& of = "/v1.0/users/") {
    graphRefuses(stage, 403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.", of);
}
void ewsAnswers(Stage& stage, servers::EwsAnswer answer) {
    stage.providers.ews.instead = [answer](const servers::EwsRequest&) { return std::optional(answer); };
}
void ownEwsAnswers(Stage& stage, servers::EwsAnswer answer) {
    stage.providers.ownEws.instead = [answer](const servers::EwsRequest&) { return std::optional(answer); };
}
servers::EwsAnswer blocked(const std::string& reason) { return EwsServer::plain(403, {{"X-EWS-Policy-Reason", reason}}); }

const std::string orders = Providers::user, ceo = Providers::other;

std::vector<Mistake> mistakesInTheCloud() {
    const auto secretsId = [](Stage& s) { s.file("m365.secret", "33333333-4444-5555-6666-777777777777"); };
    const auto misspelled = [](Stage& s) { s.set("mailbox.orders.user", "order@contoso.com"); };
    const auto forGraph = [](Stage& s) { s.set("credential.m365.scopes", "https://graph.microsoft.com/.default"); };
    const auto noGraphConsent = [](Stage& s) {
        s.providers.graphRoles.clear();
        graphDenies(s);
    };
    const std::vector<std::string> denied{"doctor", "orders", "--denied", ceo};
    return {
        {"microsoft365-graph.md", "the secret's ID in place of its Value", secretsId},
        {"microsoft365-graph.md", "tenant id and client id mixed up",
         [](Stage& s) {
             s.set("credential.m365.tenant", Providers::application);
             s.set("credential.m365.client_id", Providers::tenant);
         }},
        {"microsoft365-graph.md", "a client id of another tenant", [](Stage& s) { s.set("credential.m365.client_id", Providers::object); }},
        {"microsoft365-graph.md", "no admin consent, or a *delegated* permission", noGraphConsent},
        {"microsoft365-graph.md", "the mailbox's name misspelled", misspelled},
        {"microsoft365-graph.md", "the mailbox is on an Exchange Server, or has no licence",
         [](Stage& s) {
             graphRefuses(s, 404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.");
         }},
        {"microsoft365-graph.md", "a policy or management scope leaves the mailbox out", [](Stage& s) { graphDenies(s); }},
        {"microsoft365-graph.md", "an old line `credential.m365.scopes` asks for Exchange",
         [](Stage& s) { s.set("credential.m365.scopes", "https://outlook.office365.com/.default"); }},

        {"microsoft365-imap.md", "the object id of the app registration given to New-ServicePrincipal, or that line forgotten",
         [](Stage& s) { s.providers.registered = false; }},
        {"microsoft365-imap.md", "no Add-MailboxPermission for this mailbox", [](Stage& s) { s.providers.mailboxes.clear(); }},
        {"microsoft365-imap.md", "no admin consent", [](Stage& s) { s.providers.exchangeRoles.clear(); }},
        {"microsoft365-imap.md", "scopes of Microsoft Graph written down", forGraph},
        {"microsoft365-imap.md", "the secret's ID in place of its Value", secretsId},
        {"microsoft365-imap.md", "the secret has expired", [](Stage& s) { s.providers.entraRefuses = 7000222; }},
        {"microsoft365-imap.md", "full access to more than it should have (`--denied ceo@contoso.com`)",
         [](Stage& s) { s.providers.mailboxes.insert(ceo); }, denied},

        {"microsoft365-ews.md", "EWS switched off for the tenant or the mailbox",
         [](Stage& s) { ewsAnswers(s, blocked("EWS is disabled for this user or tenant")); }},
        {"microsoft365-ews.md", "the application not among EwsAllowedAppIDs",
         [](Stage& s) { ewsAnswers(s, blocked("EWS is blocked by policy for this user or tenant")); }},
        {"microsoft365-ews.md", "no admin consent for full_access_as_app",
         [](Stage& s) {
             s.providers.exchangeRoles.clear();
             ewsAnswers(s, EwsServer::plain(403));
         }},
        {"microsoft365-ews.md", "the mailbox's licence has no EWS (Kiosk, F1, F3)", [](Stage& s) { ewsAnswers(s, EwsServer::plain(403)); }},
        {"microsoft365-ews.md", "scopes of Microsoft Graph written down", forGraph},
        {"microsoft365-ews.md", "the mailbox's name misspelled", misspelled},

        {"some-mailboxes-only.md", "the consent in Entra is still there (`--denied ceo@contoso.com`)",
         [](Stage& s) { s.providers.graph().opensAll(true); }, denied},
        {"some-mailboxes-only.md", "the management scope has the other mailbox too, or was left out (`--denied ceo@contoso.com`)",
         [](Stage& s) {
             s.providers.graphRoles.clear();
             s.providers.graph().opensAll(true);
         },
         denied},
        {"some-mailboxes-only.md", "the mailbox outside the scope, or all of it less than two hours old", noGraphConsent},
        {"some-mailboxes-only.md", "the object id of the app registration given to New-ServicePrincipal", noGraphConsent},
        {"some-mailboxes-only.md", "an application access policy leaves the mailbox out", [](Stage& s) { graphDenies(s); }},
        {"some-mailboxes-only.md", "whether the other stays closed cannot be told, since the own one does not open (`--denied ceo@contoso.com`)",
         noGraphConsent, denied},
    };
}

std::vector<Mistake> mistakesElsewhere() {
    const std::vector<std::string> login{"login", "me"}, plan{"move", "orders", "--to", "graph", "--plan"};
    const auto clockIsOff = [](Stage& s) { s.providers.googleClock = false; };
    return {
        {"microsoft365-person.md", "nobody has signed in yet", [](Stage&) {}, {}, false},
        {"microsoft365-person.md", "the consent was taken back, or the password changed",
         [](Stage& s) {
             s.providers.lifetime = 1;
             s.providers.entraRefuses = 50173;
         }},
        {"microsoft365-person.md", "somebody else has signed in (`postern login me`)", [](Stage& s) { s.providers.signsIn = ceo; }, login, false},
        {"microsoft365-person.md", "the application registered as a single-page application (`postern login me`)",
         [](Stage& s) { s.providers.entraRefuses = 9002327; }, login, false},
        {"microsoft365-person.md", "the secret's ID in place of its Value (`postern login me`)",
         [](Stage& s) { s.file("m365.secret", "33333333-4444-5555-6666-777777777777"); }, login, false},
        {"microsoft365-person.md", "scopes without `IMAP.AccessAsUser.All` written down",
         [](Stage& s) {
             s.set("credential.me.scopes", "https://outlook.office.com/Mail.Read offline_access");
             s.providers.scopes = {"Mail.Read"};
         }},
        {"microsoft365-person.md", "a shared mailbox to which the person has no full access",
         [](Stage& s) {
             s.providers.signsIn = "anna@contoso.com";
             s.providers.mailboxes.clear();
         }},
        {"microsoft365-person.md", "*Allow public client flows* is No (`postern login me`)", [](Stage& s) { s.providers.entraRefuses = 7000218; },
         login, false},
        {"microsoft365-person.md", "Conditional Access blocks device codes (`postern login me`)", [](Stage& s) { s.providers.entraRefuses = 53003; },
         login, false},

        {"exchange-server.md", "Basic not enabled on the virtual directory",
         [](Stage& s) {
             ownEwsAnswers(s, EwsServer::plain(401, {{"WWW-Authenticate", "Negotiate"}}));
         }},
        {"exchange-server.md", "a wrong password, or an account without its domain",
         [](Stage& s) {
             ownEwsAnswers(s, EwsServer::plain(401, {{"WWW-Authenticate", "Basic realm=\"mail.corp.example\""}}));
         }},
        {"exchange-server.md", "no role ApplicationImpersonation for this mailbox",
         [](Stage& s) {
             s.providers.ownEws.instead = [](const servers::EwsRequest& request) {
                 const bool acts = request.body.find("ExchangeImpersonation") != std::string::npos;
                 return std::optional(acts ? EwsServer::fault("ErrorImpersonateUserDenied") : EwsServer::refusal("GetFolder", "ErrorAccessDenied"));
             };
         }},
        {"exchange-server.md", "the certificate's authority not in the truststore",
         [](Stage& s) { s.file("corporate-ca.pem", servers::makeCertificate({.commonName = "another", .authority = true}).pem()); }},
        {"exchange-server.md", "url of another host than the certificate's",
         [](Stage& s) { s.set("mailbox.scanner.url", "https://exchange01.corp.example/EWS/Exchange.asmx"); }},
        {"exchange-server.md", "url of Outlook on the web",
         [](Stage& s) {
             ownEwsAnswers(s, EwsServer::plain(200, {{"Content-Type", "text/html"}}, "<html>Outlook</html>"));
         }},
        {"exchange-server.md", "another address of the mailbox as user",
         [](Stage& s) { ownEwsAnswers(s, EwsServer::fault("ErrorNonPrimarySmtpAddress")); }},

        {"certificate-and-proxy.md", "the certificate not uploaded, or another one", [](Stage& s) { s.providers.certificate.clear(); }},
        {"certificate-and-proxy.md", "a wrong password of the PKCS#12 file", [](Stage& s) { s.file("client.password", "another"); }},
        {"certificate-and-proxy.md", "the clock of this machine is off", [](Stage& s) { s.providers.entraRefuses = 700024; }},
        {"certificate-and-proxy.md", "the proxy wants another user or password", [](Stage& s) { s.file("proxy.password", "another"); }},
        {"certificate-and-proxy.md", "the proxy does not let through to Graph",
         [](Stage& s) { s.providers.tunnel().deny("graph.microsoft.com:443"); }},
        {"certificate-and-proxy.md", "the proxy opens the TLS of others (inspection)",
         [](Stage& s) { s.place.file("roots.pem", Providers::ownAuthority().pem()); }},

        {"google-workspace.md", "no domain-wide delegation, another client id, or another scope", [](Stage& s) { s.providers.delegated = false; }},
        {"google-workspace.md", "no such user, or the address of a group or an alias",
         [](Stage& s) { s.set("mailbox.orders.user", "order@contoso.com"); }},
        {"google-workspace.md", "the key deleted or disabled at Google", [](Stage& s) { s.providers.googleKey = false; }},
        {"google-workspace.md", "IMAP switched off for the user", [](Stage& s) { s.providers.googleImap = false; }},
        {"google-workspace.md", "this machine's clock is off", clockIsOff},

        {"ews-to-graph.md", "no Mail.ReadWrite of Graph for the application (`postern move orders --to graph --plan`)",
         [](Stage& s) { graphDenies(s); }, plan},
        {"ews-to-graph.md", "scopes of Exchange written down (`postern move orders --to graph --plan`)",
         [](Stage& s) { s.set("credential.m365.scopes", "https://outlook.office365.com/.default"); }, plan},
        {"ews-to-graph.md", "a credential without a provider (`postern move orders --to graph --plan`)",
         [](Stage& s) {
             s.drop("credential.m365.provider");
             s.drop("credential.m365.tenant");
             s.set("credential.m365.token_endpoint", std::string("https://login.microsoftonline.com/") + Providers::tenant + "/oauth2/v2.0/token");
             s.set("credential.m365.scopes", "https://outlook.office365.com/.default");
             s.set("mailbox.orders.url", "https://outlook.office365.com/EWS/Exchange.asmx");
         },
         plan},
        {"ews-to-graph.md", "the mailbox not in Exchange Online (`postern move orders --to graph --plan`)",
         [](Stage& s) {
             graphRefuses(s, 404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.");
         },
         plan},
    };
}

std::vector<Mistake> mistakes() {
    auto all = mistakesInTheCloud();
    const auto more = mistakesElsewhere();
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

/// How it is when all is well, where that is not how everything begins.
void wellSetUp(const std::string& recipe, Stage& stage) {
    if (recipe == "some-mailboxes-only.md") {
        stage.providers.graphRoles.clear();  // by RBAC for Applications none is in the token
        graphDenies(stage, "/v1.0/users/ceo");
    }
    if (recipe == "ews-to-graph.md") stage.set("mailbox.orders.start", "all");
}

std::vector<std::string> firstDoctor(const Recipe& recipe, std::size_t configuration) {
    for (const auto& command : recipe.commands)
        if (command.configuration == configuration && command.words.front() == "doctor") return {command.words[0], command.words[1]};
    return {};
}

}  // namespace

TEST_CASE("every recipe is a file the test knows, with what an administrator looks for", "[system][recipes]") {
    std::map<std::string, std::size_t> tried;
    for (const auto& mistake : mistakes()) ++tried[mistake.recipe];
    for (const auto& file : recipeFiles()) {
        const auto recipe = readRecipe(file);
        INFO(recipe.name);
        CHECK(tried[recipe.name] >= 4);
        CHECK(recipe.wrongs.size() == tried[recipe.name]);
        CHECK_FALSE(recipe.configurations.empty());
        CHECK_FALSE(recipe.commands.empty());
        tried.erase(recipe.name);
        const auto list = servers::readFile(file.parent_path() / "README.md");
        CHECK(list.find("(" + recipe.name + ")") != std::string::npos);
    }
    CHECK(tried.empty());
}

TEST_CASE("a recipe that is followed leads to a mailbox in order, and what it shows is what is printed", "[system][recipes]") {
    for (const auto& file : recipeFiles()) {
        const auto recipe = readRecipe(file);
        for (std::size_t number = 0; number < recipe.configurations.size(); ++number) {
            Stage stage(recipe.configurations[number]);
            wellSetUp(recipe.name, stage);
            stage.begin();
            INFO(recipe.name << ", configuration " << number << "\n" << stage.lines);
            const auto check = stage.place.postern({"check"});
            INFO(check.output << check.error);
            CHECK(check.status == 0);
            CHECK((check.output + check.error).find("warning") == std::string::npos);
            if (recipe.name == "ews-to-graph.md") REQUIRE(stage.place.postern({"run", "--once"}).status == 0);
            for (const auto& command : recipe.commands) {
                if (command.configuration != number) continue;
                const auto output = asShown(stage.run(command.words), stage);
                INFO(command.line() << "\n" << output);
                CHECK(stage.status == 0);
                CHECK(difference(filled(command.lines), output) == "");
                CHECK(output.find(Providers::secret) == std::string::npos);
            }
            CHECK(stage.providers.problems() == std::vector<std::string>{});
        }
    }
}

TEST_CASE("what a recipe says of each mistake is what the program says", "[system][recipes]") {
    for (const auto& file : recipeFiles()) {
        const auto recipe = readRecipe(file);
        for (const auto& wrong : recipe.wrongs) {
            DYNAMIC_SECTION(recipe.name << ": " << wrong.what) {
                const auto all = mistakes();
                const auto found =
                    std::find_if(all.begin(), all.end(), [&](const Mistake& each) { return each.recipe == recipe.name && each.what == wrong.what; });
                REQUIRE(found != all.end());
                Stage stage(recipe.configurations[wrong.configuration]);
                found->make(stage);
                stage.begin();
                if (needsSignIn(stage.lines) && found->signedIn) {
                    const auto refuses = std::exchange(stage.providers.entraRefuses, std::nullopt);
                    const auto said = stage.run({"login", "me", "--user", stage.providers.signsIn});
                    INFO(said);
                    REQUIRE(stage.status == 0);
                    stage.providers.entraRefuses = refuses;
                    if (refuses)
                        REQUIRE(eventually(
                            [&] {
                                return stage.place.postern({"credentials", "me"}).output.find("which is over") != std::string::npos;
                            },
                            soon));
                }
                const auto words = found->words.empty() ? firstDoctor(recipe, wrong.configuration) : found->words;
                REQUIRE_FALSE(words.empty());
                const auto output = asShown(stage.run(words), stage);
                INFO(output);
                CHECK(stage.status != 0);
                for (const auto& quote : filled(wrong.says)) {
                    INFO("quoted: " << quote);
                    CHECK(output.find(quote) != std::string::npos);
                }
                CHECK(output.find(Providers::secret) == std::string::npos);
            }
        }
    }
}
