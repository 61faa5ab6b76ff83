#include "auth/access.h"
#include "auth/channel/proxy.h"
#include "auth/keystore/configured_keystore.h"
#include "auth/secret_expiry.h"
#include "auth/token/credential.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

namespace auth {

using plugin::Code;
using plugin::Configuration;
using plugin::Key;
using plugin::KeyType;
using plugin::Place;
using plugin::Problem;

namespace {

Key key(std::string pattern, KeyType type, std::string doc) {
    Key made;
    made.pattern = std::move(pattern);
    made.type = type;
    made.doc = std::move(doc);
    return made;
}

/// RFC 6749 A.4: scopes are printable ASCII without the quotation mark and the backslash.
std::optional<std::string> scopesForm(std::string_view text) {
    const bool fine = std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c >= 0x20 && c <= 0x7e && c != '"' && c != '\\'); });
    if (fine) return std::nullopt;
    return "scopes are separated by blanks and made of printable ASCII without \" and \\ (RFC 6749 A.4)";
}

void addCredentialKeys(std::vector<Key>& all) {
    auto grant = key("credential.<name>.grant", KeyType::choice, "how a token is got; user_password signs in without OAuth");
    grant.fallback = "client_credentials";
    grant.choices = {"client_credentials", "authorization_code", "device_code", "refresh_token", "user_password"};
    grant.later = {"jwt_bearer"};
    all.push_back(std::move(grant));

    auto provider = key("credential.<name>.provider", KeyType::choice, "custom: everything is given here");
    provider.fallback = "custom";
    provider.choices = {"custom"};
    provider.later = {"microsoft365", "microsoft365-gcch", "microsoft365-dod", "microsoft365-china", "google"};
    all.push_back(std::move(provider));

    auto authentication = key("credential.<name>.authentication", KeyType::choice,
                              "where the client's secret goes: Basic header (RFC 6749), the same unencoded, request body; none: a public client");
    authentication.fallback = "basic";
    authentication.choices = {"basic", "basic_raw", "body", "none"};
    authentication.later = {"private_key_jwt", "assertion_file", "tls"};
    all.push_back(std::move(authentication));

    auto scopes = key("credential.<name>.scopes", KeyType::words, "separated by blanks, case kept, sent as written");
    scopes.form = scopesForm;
    all.push_back(std::move(scopes));

    auto truststore = key("credential.<name>.truststore", KeyType::text, "truststore alias for the token endpoint; none: the system's roots");
    truststore.reference = "truststore";
    all.push_back(std::move(truststore));

    auto proxy = key("credential.<name>.proxy", KeyType::text, "proxy alias for the token endpoint; none: the default one, if there is one");
    proxy.reference = "proxy";
    all.push_back(std::move(proxy));

    all.push_back(key("credential.<name>.client_id", KeyType::text, "the application's id at the provider"));
    all.push_back(key("credential.<name>.client_secret", KeyType::secret,
                      "the application's secret: ${file:/path}, ${env:NAME}, ${credential:name} or ${command:/program}"));
    all.push_back(key("credential.<name>.token_endpoint", KeyType::url, "URL that issues tokens"));
    all.push_back(key("credential.<name>.token.parameter.<p>", KeyType::text, "a further parameter of the token request: audience, resource ..."));
    all.push_back(key("credential.<name>.username", KeyType::text, "for user_password; none: the mailbox's own user"));
    all.push_back(key("credential.<name>.password", KeyType::secret, "for user_password, from the same sources"));
}

/// RFC 6749 3.1.2: an absolute URI without a fragment.
std::optional<std::string> redirectForm(std::string_view text) {
    const auto colon = text.find(':');
    const bool scheme = colon != std::string_view::npos && colon > 0 && text.find_first_of("/?") > colon;
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
    if (scheme && plain) return std::nullopt;
    return "a redirect URI is absolute, in printable ASCII, and has no # (RFC 6749 3.1.2): http://localhost/oauth-callback";
}

/// What lasts: a second secret, the day a secret ends, and refresh tokens.
void addLastingKeys(std::vector<Key>& all) {
    all.push_back(
        key("credential.<name>.client_secret_next", KeyType::secret, "a second secret, tried when the first is refused; from the same sources"));
    all.push_back(key("credential.<name>.refresh_token", KeyType::secret,
                      "for refresh_token: the first one, from the same sources; what the provider gives in its place is stored"));
    auto style = key("credential.<name>.refresh_style", KeyType::choice, "where the parameters of a refresh go: the body, or the URL's query");
    style.fallback = "body";
    style.choices = {"body", "query"};
    all.push_back(std::move(style));
    auto expires = key("credential.<name>.secret_expires", KeyType::text,
                       "the day the client's secret ends, 2027-01-31: it is told of 30, 14, 7 and 1 days ahead");
    expires.form = [](std::string_view text) -> std::optional<std::string> {
        if (parseDay(text)) return std::nullopt;
        return "a day is written 2027-01-31";
    };
    all.push_back(std::move(expires));
}

/// What a person's sign-in wants to know.
void addSignInKeys(std::vector<Key>& all) {
    all.push_back(key("credential.<name>.authorization_endpoint", KeyType::url, "URL where a person signs in and consents"));
    all.push_back(key("credential.<name>.device_endpoint", KeyType::url, "URL of the device authorization (RFC 8628)"));

    auto redirect =
        key("credential.<name>.redirect_uri", KeyType::text,
            "where the provider sends the browser back to; http://localhost/... is listened at on a free port, any other is used exactly");
    redirect.fallback = "http://localhost/oauth-callback";
    redirect.form = redirectForm;
    all.push_back(std::move(redirect));

    all.push_back(
        key("credential.<name>.issuer", KeyType::text, "the provider's name for itself; given, the browser has to bring it back as iss (RFC 9207)"));

    auto prompt =
        key("credential.<name>.use_prompt", KeyType::boolean, "true: consent is asked for each time (prompt=consent); false: no prompt is sent");
    prompt.fallback = "true";
    all.push_back(std::move(prompt));

    all.push_back(key("credential.<name>.authorize.parameter.<p>", KeyType::text,
                      "a further parameter of the authorization or device authorization request: access_type, login_hint, audience ..."));
}

struct Planned {
    std::string_view pattern;
    std::string_view doc;
};

constexpr std::array planned{
    Planned{"credential.<name>.tenant", "tenant of a provider preset"},
    Planned{"credential.<name>.keystore", "keystore alias of the signing key"},
    Planned{"credential.<name>.signing_alias", "key alias of the signing key"},
    Planned{"credential.<name>.assertion_file", "file with a client assertion"},
    Planned{"credential.<name>.key_file", "key file of a service account"},
    Planned{"credential.<name>.jwt.algorithm", "algorithm of the assertion"},
    Planned{"credential.<name>.jwt.issuer", "issuer of the assertion"},
    Planned{"credential.<name>.jwt.subject", "subject of the assertion"},
    Planned{"credential.<name>.jwt.audience", "audience of the assertion"},
    Planned{"credential.<name>.jwt.expiration", "life of the assertion"},
    Planned{"credential.<name>.jwt.claim.<claim>", "a further claim of the assertion"},
    Planned{"truststore.<alias>.password", "password of a truststore"},
    Planned{"keystore.<alias>.key.<key_alias>.password", "password of a key"},
    Planned{"issuer.enabled", "the authorization server"},
    Planned{"issuer.url", "base URL of the authorization server"},
    Planned{"issuer.access_token_expires_in", "life of issued tokens"},
    Planned{"issuer.code_expires_in", "life of issued codes"},
    Planned{"issuer.require_pkce", "whether PKCE is demanded"},
    Planned{"issuer.implicit", "whether the implicit grant is offered"},
};

/// What the request itself says; a second one would make two meanings.
constexpr std::array<std::string_view, 12> reserved{"grant_type",    "client_id",        "client_secret",         "scope",
                                                    "assertion",     "client_assertion", "client_assertion_type", "code",
                                                    "code_verifier", "redirect_uri",     "device_code",           "refresh_token"};
constexpr std::array<std::string_view, 11> reservedOfAuthorization{"response_type",         "response_mode", "client_id",  "client_secret",
                                                                   "redirect_uri",          "scope",         "state",      "code_challenge",
                                                                   "code_challenge_method", "request",       "request_uri"};

bool has(std::span<const std::string_view> names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

class Checker {
public:
    Checker(const Configuration& configuration, std::string name, std::vector<Problem>& problems)
        : configuration_(configuration), prefix_("credential." + name + "."), name_(std::move(name)), problems_(problems) {}

    void check() {
        const auto written = configuration_.text(prefix_ + "grant");
        const auto grant = written.empty() ? "client_credentials" : written;
        for (const auto& part : missingKeys(configuration_, name_))
            report(Code::configMissingKey, part, prefix_ + part + " is missing: grant " + grant + " cannot do without", anywhere());
        checkForeign(grant);
        checkParameters();
    }

private:
    void checkForeign(const std::string& grant) {
        if (grant == "user_password")
            foreign({"client_id", "client_secret", "client_secret_next", "token_endpoint", "scopes", "authentication"},
                    "user_password signs in without OAuth");
        else
            foreign({"username", "password"},
                    grant == "client_credentials"
                        ? "client_credentials signs in as an application; for a user's name and password set grant = user_password"
                        : grant + " signs in at the provider's own page; for a name and a password set grant = user_password");
        if (grant != "refresh_token") foreign({"refresh_token"}, "a refresh token is configured only with grant = refresh_token");
        if (grant == "client_credentials" || grant == "user_password") foreign({"refresh_style"}, grant + " has no refresh token");
        const bool code = grant == "authorization_code", device = grant == "device_code";
        if (!code)
            foreign({"authorization_endpoint", "redirect_uri", "issuer", "use_prompt"},
                    "a browser is sent away and comes back only with grant = authorization_code");
        if (!device) foreign({"device_endpoint"}, "a code is shown only with grant = device_code");
        if (!code && !device)
            for (const auto& [parameter, value] : configuration_.below(prefix_ + "authorize.parameter."))
                foreign({"authorize.parameter." + parameter}, "nobody is asked to sign in with grant = " + grant);
        if ((code || device) && configuration_.text(prefix_ + "authentication") == "none")
            foreign({"client_secret"}, "a public client (authentication = none) has no secret");
    }
    void checkParameters() {
        for (const auto& [parameter, value] : configuration_.below(prefix_ + "token.parameter."))
            if (has(reserved, parameter))
                given(Code::configConflict, "token.parameter." + parameter,
                      "the token request carries " + parameter + " already; it cannot be given a second time");
        const bool prompts = configuration_.text(prefix_ + "grant") == "authorization_code" && configuration_.text(prefix_ + "use_prompt") != "false";
        for (const auto& [parameter, value] : configuration_.below(prefix_ + "authorize.parameter."))
            if (has(reservedOfAuthorization, parameter))
                given(Code::configConflict, "authorize.parameter." + parameter,
                      "the authorization request carries " + parameter + " already; it cannot be given a second time");
            else if (parameter == "prompt" && prompts)
                given(Code::configConflict, "authorize.parameter.prompt",
                      "use_prompt sends prompt=consent; for another prompt set use_prompt = false");
    }
    void foreign(std::initializer_list<std::string> parts, const std::string& why) {
        for (const auto& part : parts) {
            const auto found = configuration_.settings().find(prefix_ + part);
            if (found != configuration_.settings().end() && found->second.given)
                given(Code::configConflict, part, found->first + " has no meaning here: " + why);
        }
    }
    void given(Code code, const std::string& part, std::string what) { report(code, part, std::move(what), configuration_.place(prefix_ + part)); }
    void report(Code code, const std::string& part, std::string what, Place place) {
        problems_.push_back({Problem::Severity::error, code, prefix_ + part, std::move(what), std::move(place)});
    }
    /// The first line of this credential: where a missing key would stand.
    Place anywhere() const {
        Place first;
        const auto& all = configuration_.settings();
        for (auto at = all.lower_bound(prefix_); at != all.end() && at->first.starts_with(prefix_); ++at)
            if (at->second.given && (first.line == 0 || at->second.place.line < first.line)) first = at->second.place;
        return first;
    }

    const Configuration& configuration_;
    std::string prefix_;
    std::string name_;
    std::vector<Problem>& problems_;
};

}  // namespace

std::vector<Key> keys() {
    std::vector<Key> all;
    addCredentialKeys(all);
    addLastingKeys(all);
    addSignInKeys(all);
    addProxyKeys(all);
    addKeystoreKeys(all);
    auto path = key("truststore.<alias>.path", KeyType::path, "PEM file with the certificates that are trusted in place of the system's");
    path.required = true;
    all.push_back(std::move(path));
    for (const auto& [pattern, doc] : planned) {
        auto later = key(std::string(pattern), KeyType::text, std::string(doc));
        later.planned = true;
        all.push_back(std::move(later));
    }
    return all;
}

void check(const Configuration& configuration, std::vector<Problem>& problems) {
    for (auto& name : configuration.aliases("credential")) Checker(configuration, name, problems).check();
    checkProxies(configuration, problems);
    checkKeystores(configuration, problems);
}

}  // namespace auth
