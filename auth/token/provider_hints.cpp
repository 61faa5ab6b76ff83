#include "auth/token/provider_hints.h"

#include <algorithm>
#include <array>

namespace auth {

namespace {

struct Hint {
    std::int64_t number;
    std::string_view text;
};

constexpr std::string_view transient = "a passing fault of the provider; it is retried";
constexpr std::string_view otherCloud = "the tenant lives in another national cloud: use that cloud's endpoints";
constexpr std::string_view signInAgain = "the stored grant has ended: sign in again";
constexpr std::string_view interaction = "a second factor or Conditional Access stands in the way; for a service use app-only access or exclude it";
constexpr std::string_view federated = "no federated credential matches the assertion's issuer, audience or subject";
constexpr std::string_view oneDefault = "app-only needs exactly one scope of the form <resource>/.default, and not encoded twice";
constexpr std::string_view addPermission = "the resource is not among the application's permissions: add the API permission and consent";

constexpr std::array hints{
    // sorted by number
    Hint{28002, "exactly one resource per request; the scope is empty or names several"},
    Hint{28003, "the scope is empty"},
    Hint{50001, "the resource is disabled or misspelled: check the scope's host"},
    Hint{50012, "this certificate is not authorised for the application: upload the right one"},
    Hint{50020, "the user is not in this tenant"},
    Hint{50033, transient},
    Hint{50034, "the user is not in this tenant"},
    Hint{50055, "the password has expired"},
    Hint{50074, interaction},
    Hint{50076, interaction},
    Hint{50079, interaction},
    Hint{50173, signInAgain},
    Hint{50194, "a single-tenant application cannot use /common: put the tenant id into the token endpoint"},
    Hint{50196, "the provider sees a loop of requests: wait"},
    Hint{53003, interaction},
    Hint{54005, "the code was used twice: restart the sign-in"},
    Hint{65001, "consent is missing: an administrator must consent to the application permissions"},
    Hint{65005, addPermission},
    Hint{70000, signInAgain},
    Hint{70008, signInAgain},
    Hint{70011, oneDefault},
    Hint{90002, "the tenant was not found: check its id or domain in the token endpoint, and the cloud"},
    Hint{90006, transient},
    Hint{90012, transient},
    Hint{90024, transient},
    Hint{90033, transient},
    Hint{90038, otherCloud},
    Hint{90055, transient},
    Hint{90072, "the user is not in this tenant"},
    Hint{500011, "the resource is unknown in this tenant: wrong scope host, or the tenant has no such service"},
    Hint{501051, "the application has no role for the resource: assign one"},
    Hint{530035, interaction},
    Hint{650056, addPermission},
    Hint{650057, addPermission},
    Hint{700016, "the application was not found in this tenant: check client_id and tenant, and that consent was given"},
    Hint{700022, "exactly one resource per request; the scope names several"},
    Hint{700024, "the assertion is outside its time: check this machine's clock"},
    Hint{700025, "a public client must not send a secret: remove it or change the application's type"},
    Hint{700027, "the assertion's certificate is not the one uploaded for this application"},
    Hint{700030, "this certificate is not authorised for the application: upload the right one"},
    Hint{700082, signInAgain},
    Hint{700211, federated},
    Hint{700212, federated},
    Hint{700213, federated},
    Hint{900144, "a parameter is missing in the request"},
    Hint{900382, otherCloud},
    Hint{900432, otherCloud},
    Hint{1002012, oneDefault},
    Hint{7000112, "the application is disabled: enable the enterprise application"},
    Hint{7000215, "wrong client secret: use the secret's Value, not its ID, and do not encode it yourself"},
    Hint{7000218, "no client secret arrived: set client_secret, or allow public client flows"},
    Hint{7000222, "the client secret has expired: create a new one"},
    Hint{9001023, "this grant is not allowed on /common or /consumers: put the tenant id into the token endpoint"},
};
static_assert(std::is_sorted(hints.begin(), hints.end(), [](const Hint& a, const Hint& b) { return a.number < b.number; }));

}  // namespace

std::string_view entraHint(std::int64_t number) {
    const auto at = std::lower_bound(hints.begin(), hints.end(), number, [](const Hint& hint, std::int64_t wanted) { return hint.number < wanted; });
    return at != hints.end() && at->number == number ? at->text : std::string_view{};
}

}  // namespace auth
