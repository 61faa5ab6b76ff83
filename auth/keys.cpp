#include "auth/access.h"
#include "auth/channel/proxy.h"
#include "auth/endings.h"
#include "auth/keystore/configured_keystore.h"
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

/// An id or a domain: it becomes part of a URL.
std::optional<std::string> tenantForm(std::string_view text) {
    const auto fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
    if (std::all_of(text.begin(), text.end(), fine)) return std::nullopt;
    return "a tenant is its id or its domain: 00000000-0000-0000-0000-000000000000 or example.onmicrosoft.com";
}

void addCredentialKeys(std::vector<Key>& all) {
    auto grant = key("credential.<name>.grant", KeyType::choice, "how a token is got; user_password signs in without OAuth");
    grant.fallback = "client_credentials";
    grant.choices = {"client_credentials", "authorization_code", "device_code", "refresh_token", "jwt_bearer", "user_password"};
    all.push_back(std::move(grant));

    auto provider = key("credential.<name>.provider", KeyType::choice,
                        "whose endpoints, scopes and servers are filled in where they are not given; custom: everything is given here");
    provider.fallback = "custom";
    provider.choices = {"microsoft365", "microsoft365-gcch", "microsoft365-dod", "microsoft365-china", "google", "custom"};
    all.push_back(std::move(provider));

    auto tenant = key("credential.<name>.tenant", KeyType::text, "the tenant's id or domain at Microsoft");
    tenant.form = tenantForm;
    all.push_back(std::move(tenant));

    auto authentication =
        key("credential.<name>.authentication", KeyType::choice,
            "how the client shows who it is: its secret in a Basic header (RFC 6749), the same unencoded, in the request's body (for servers that "
            "cannot do Basic); a JWT signed with a key of ours, or read from a file; its certificate; none: a public client");
    authentication.fallback = "basic";
    authentication.choices = {"basic", "basic_raw", "body", "private_key_jwt", "assertion_file", "tls", "none"};
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

/// What is signed, with what, and what it says.
void addAssertionKeys(std::vector<Key>& all) {
    auto keystore = key("credential.<name>.keystore", KeyType::text, "keystore alias of the key for private_key_jwt, tls and jwt_bearer");
    keystore.reference = "keystore";
    all.push_back(std::move(keystore));
    all.push_back(key("credential.<name>.signing_alias", KeyType::text, "which key of that keystore; may be left out where it holds exactly one"));
    all.push_back(key("credential.<name>.assertion_file", KeyType::path, "file with a JWT somebody else keeps fresh; read at every request"));
    all.push_back(
        key("credential.<name>.key_file", KeyType::path, "key file of a service account at Google, for jwt_bearer; in place of a keystore"));

    auto algorithm = key("credential.<name>.jwt.algorithm", KeyType::choice, "none: ES256 for EC keys; for RSA keys RS256, at Microsoft PS256");
    algorithm.choices = {"RS256", "PS256", "ES256"};
    all.push_back(std::move(algorithm));
    all.push_back(key("credential.<name>.jwt.key_id", KeyType::text, "the header kid, for servers that want one"));
    all.push_back(key("credential.<name>.jwt.issuer", KeyType::text, "none: the client_id; with a key_file its client_email"));
    all.push_back(key("credential.<name>.jwt.subject", KeyType::text, "none: for jwt_bearer the mailbox's user, for private_key_jwt the client_id"));
    all.push_back(key("credential.<name>.jwt.audience", KeyType::text, "none: the token_endpoint"));
    auto expiration = key("credential.<name>.jwt.expiration", KeyType::duration, "life of the assertion, which is made anew for each request");
    expiration.fallback = "5m";
    expiration.minimum = 60;
    expiration.maximum = 3600;
    all.push_back(std::move(expiration));
    all.push_back(key("credential.<name>.jwt.claim.<claim>", KeyType::text, "a further claim of the assertion, a text"));
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
    auto idle =
        key("credential.<name>.refresh_idle_limit", KeyType::duration,
            "how long the provider honours a refresh token nobody uses (Microsoft 365: 90d, Google: 180d): it is told of 30, 14, 7 and 1 days ahead");
    idle.minimum = 3600;
    idle.maximum = 100LL * 366 * 86'400;
    all.push_back(std::move(idle));
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

/// RFC 7519 section 4.1.
constexpr std::array<std::string_view, 7> registered{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"};

bool has(std::span<const std::string_view> names, std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); }

class Checker {
public:
    Checker(const Configuration& configuration, std::string name, std::vector<Problem>& problems)
        : configuration_(configuration), prefix_("credential." + name + "."), name_(std::move(name)), problems_(problems) {}

    void check() {
        const std::string grant(grantName(grantOf(configuration_, name_)));
        for (const auto& part : missingKeys(configuration_, name_)) {
            const bool ofAuthentication = (part == "keystore" && grant != "jwt_bearer") || part == "assertion_file";
            const auto who = ofAuthentication ? "authentication " + authentication() : "grant " + grant;
            report(Code::configMissingKey, part, prefix_ + part + " is missing: " + who + " cannot do without", anywhere());
        }
        checkForeign(grant);
        if (grant != "user_password") checkProof(grant);
        checkParameters();
    }

private:
    void checkForeign(const std::string& grant) {
        if (grant == "user_password")
            foreign({"client_id", "client_secret", "client_secret_next", "token_endpoint", "scopes", "authentication", "tenant", "keystore",
                     "signing_alias", "assertion_file", "key_file"},
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
    }
    std::string authentication() const { return std::string(authenticationName(authenticationOf(configuration_, name_))); }
    bool has(const std::string& part) const { return !configuration_.text(prefix_ + part).empty(); }

    /// One way to show who we are, and nothing of the others.
    void checkProof(const std::string& grant) {
        const auto how = authenticationOf(configuration_, name_);
        const bool bearer = grant == "jwt_bearer", signs = how == ClientAuthentication::privateKeyJwt;
        const auto why = "with authentication = " + authentication();
        if (!showsSecret(how))
            foreign({"client_secret", "client_secret_next"},
                    how == ClientAuthentication::none ? "a public client (authentication = none) has no secret" : why + " no secret is sent");
        if (how != ClientAuthentication::assertionFile) foreign({"assertion_file"}, why + " no assertion is read from a file");
        const bool showsKey = signs || how == ClientAuthentication::tls;
        if (!showsKey && !bearer) foreign({"keystore", "signing_alias"}, why + " no key is used");
        if (!showsKey && bearer && has("key_file")) foreign({"keystore", "signing_alias"}, "the key_file has a key of its own");
        if (!bearer) foreign({"key_file"}, "only grant = jwt_bearer signs with it");
        if (!bearer && !signs) {
            const std::string none = why + " and grant = " + grant + " nothing is signed";
            foreign({"jwt.algorithm", "jwt.key_id", "jwt.issuer", "jwt.subject", "jwt.audience", "jwt.expiration"}, none);
            for (const auto& [claim, value] : configuration_.below(prefix_ + "jwt.claim.")) foreign({"jwt.claim." + claim}, none);
        }
        for (const auto& [claim, value] : configuration_.below(prefix_ + "jwt.claim."))
            if (auth::has(registered, claim))
                given(Code::configConflict, "jwt.claim." + claim, "the assertion has " + claim + " already; it cannot be given a second time");
        checkProvider(grant);
    }
    void checkProvider(const std::string& grant) {
        const auto provider = configuration_.text(prefix_ + "provider");
        if (!provider.starts_with("microsoft365")) foreign({"tenant"}, "only the providers microsoft365... have tenants");
        if (provider == "google" && grant == "client_credentials")
            given(Code::configConflict, "provider",
                  "Google has no grant client_credentials: give the key_file of a service account, or grant = authorization_code");
        if (provider == "google" && grant == "device_code" && !has("scopes"))
            given(Code::configConflict, "provider",
                  "Google gives no access to mail by device code: give the key_file of a service account, or grant = authorization_code");
    }
    void checkParameters() {
        for (const auto& [parameter, value] : configuration_.below(prefix_ + "token.parameter."))
            if (auth::has(reserved, parameter))
                given(Code::configConflict, "token.parameter." + parameter,
                      "the token request carries " + parameter + " already; it cannot be given a second time");
        const bool prompts = configuration_.text(prefix_ + "grant") == "authorization_code" && configuration_.text(prefix_ + "use_prompt") != "false";
        for (const auto& [parameter, value] : configuration_.below(prefix_ + "authorize.parameter."))
            if (auth::has(reservedOfAuthorization, parameter))
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
    addAssertionKeys(all);
    addLastingKeys(all);
    addSignInKeys(all);
    addProxyKeys(all);
    addKeystoreKeys(all);
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
