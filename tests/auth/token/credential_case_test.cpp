#include "auth/token/credential_case.h"
#include "fakes.h"

#include <catch2/catch.hpp>

using plugin::Code;
using plugin::Reaction;

namespace {

/// The first step of what mends a scope Entra does not take (AADSTS70011).
std::string fix(std::initializer_list<std::pair<const char*, std::string>> lines) {
    const auto configuration = fakes::configuration(lines);
    const auto found = auth::diagnosis::diagnose(
        auth::caseOf(configuration, "c", {Reaction::askOperator, Code::tokenScopeRefused, "AADSTS70011: the scope is not valid"}));
    REQUIRE(found);
    return found->fix.front();
}

}  // namespace

SCENARIO("what is advised for a credential is of its own cloud and protocol", "[diagnosis]") {
    const std::pair<const char*, std::string> id{"credential.c.client_id", "app"}, secret{"credential.c.client_secret", "x"},
        tenant{"credential.c.tenant", "t"}, dod{"credential.c.provider", "microsoft365-dod"}, worldwide{"credential.c.provider", "microsoft365"};
    CHECK(fix({id, secret, tenant, dod}) == "set credential.c.scopes = https://outlook-dod.office365.us/.default");
    GIVEN("a mailbox that uses it") {
        const std::pair<const char*, std::string> uses{"mailbox.m.credential", "c"};
        CHECK(fix({id, secret, tenant, dod, uses, {"mailbox.m.protocol", "graph"}}) ==
              "set credential.c.scopes = https://dod-graph.microsoft.us/.default");
        CHECK(fix({id, secret, tenant, worldwide, uses, {"mailbox.m.protocol", "ews"}, {"credential.c.scopes", "https://graph.microsoft.com/x"}}) ==
              "set credential.c.scopes = https://outlook.office365.com/.default");
        CHECK(fix({id, secret, tenant, worldwide, uses, {"credential.c.scopes", "https://graph.microsoft.com/x"}}) ==
              "set credential.c.scopes = https://outlook.office365.com/.default");
    }
    GIVEN("no mailbox, or only others") {
        const std::pair<const char*, std::string> other{"mailbox.m.credential", "other"};
        CHECK(fix({id, secret, tenant, worldwide, other, {"credential.c.scopes", "https://graph.microsoft.com/Mail.Read"}}) ==
              "set credential.c.scopes = https://graph.microsoft.com/.default");
        CHECK(fix({id, secret, tenant, dod, {"credential.c.scopes", "https://dod-graph.microsoft.us/Mail.Read"}}) ==
              "set credential.c.scopes = https://dod-graph.microsoft.us/.default");
        CHECK(fix({id, secret, tenant, worldwide, other, {"credential.c.scopes", "https://graph.microsoft.com.example/Mail.Read"}}) ==
              "set credential.c.scopes = https://outlook.office365.com/.default");
    }
    GIVEN("scopes of a person") {
        const auto protocol = [&](const std::string& scopes) {
            return auth::caseOf(fakes::configuration({id, secret, tenant, worldwide, {"credential.c.scopes", scopes}}), "c",
                                {Reaction::askOperator, Code::tokenScopeRefused, ""})
                .protocol;
        };
        CHECK(protocol("offline_access https://outlook.office.com/EWS.AccessAsUser.All") == "ews");
        CHECK(protocol("https://outlook.office.com/POP.AccessAsUser.All") == "pop3");
        CHECK(protocol("https://outlook.office.com/IMAP.AccessAsUser.All") == "imap");
    }
}
