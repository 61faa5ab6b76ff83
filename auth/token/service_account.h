#pragma once

#include "auth/keystore/keystore.h"
#include "plugin/contract/result.h"

#include <memory>
#include <string>
#include <string_view>

namespace auth {

/// A service account at Google, as the key file has it that Google hands out.
struct ServiceAccount {
    std::string email;     ///< client_email: who issues the assertion
    std::string keyId;     ///< private_key_id; "": not said
    std::string tokenUri;  ///< token_uri: for whom it is; "": not said
    std::shared_ptr<EVP_PKEY> key;
};

/// Takes the JSON object of a key file with "type": "service_account". Pure. Errors askOperator configSecretSource: it is none, or lacks something;
/// `name` says where it comes from, and nothing of the key is told.
plugin::Result<ServiceAccount> readServiceAccount(std::string_view json, const std::string& name);

}  // namespace auth
