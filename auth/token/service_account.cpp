#include "auth/token/service_account.h"

#include "auth/json_object.h"
#include "auth/keystore/key_entry.h"
#include "plugin/contract/log.h"

namespace auth {

plugin::Result<ServiceAccount> readServiceAccount(std::string_view json, const std::string& name) {
    const auto refused = [&](const std::string& why) {
        return plugin::Error{plugin::Reaction::askOperator, plugin::Code::configSecretSource, name + ": " + why};
    };
    const auto object = JsonObject::parse(json);
    if (!object) return refused("it is no JSON object, as the key file of a service account is");
    const auto text = [&](std::string_view member) { return std::string(object->string(member).value_or("")); };
    if (const auto type = text("type"); type != "service_account")
        return refused("it is no key file of a service account" + (type.empty() ? "" : ", its type is " + plugin::printable(type, 60)));
    ServiceAccount account{text("client_email"), text("private_key_id"), text("token_uri"), {}};
    if (account.email.empty()) return refused("it has no client_email");
    const auto pem = object->string("private_key").value_or("");
    if (pem.empty()) return refused("it has no private_key");
    auto key = readPemKey(pem, {}, name);
    if (!key) return refused("its private_key cannot be read");
    account.key = std::move(*key);
    return account;
}

}  // namespace auth
