#pragma once

#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <stop_token>
#include <string>

namespace auth::login {

/// What somebody has to do at another device (RFC 8628 3.3).
struct DevicePrompt {
    std::string uri;            ///< verification_uri
    std::string uriWithCode{};  ///< verification_uri_complete; ""
    std::string code;           ///< user_code
};

/// Whoever sits in front of it while a person signs in. All text given to it is printable, and holds no secret but what a person has to see. Belongs
/// to one loop.
class Dialogue {
public:
    virtual ~Dialogue() = default;
    /// Before anything is opened: what has to be registered at the provider.
    /// used   what this sign-in sends: the same, or with the port that is listened at
    virtual void redirectUri(const std::string& registered, const std::string& used) = 0;
    /// The address to be opened in a browser. listening: the browser comes back by itself; else the address it ends on has to be pasted.
    virtual void visit(const std::string& url, bool listening) = 0;
    virtual void enterCode(const DevicePrompt& prompt) = 0;
    virtual void remark(const std::string& text) = 0;
    /// The next line somebody pastes, without its end. Errors: tokenSignInAbandoned (askOperator: there is nobody to paste anything; retryLater:
    /// stopped).
    virtual plugin::Task<plugin::Result<std::string>> line(std::stop_token stop) = 0;
};

}  // namespace auth::login
