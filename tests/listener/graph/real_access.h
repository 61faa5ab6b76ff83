#pragma once

#include "tests/listener/graph/fixture.h"

namespace graphtest {

/// Real sockets, with a token that is made up.
class RealAccess final : public auth::Access {
public:
    explicit RealAccess(auth::Dialer& dialer) : dialer_(dialer) {}
    auth::Dialer& dialer() override { return dialer_; }
    FakeTokens& tokens() override { return tokens_; }
    plugin::Result<Kind> kind(std::string_view) const override { return Kind::token; }
    plugin::Result<Password> password(std::string_view) override { throw std::logic_error("no passwords here"); }
    plugin::Result<auth::Secret> secret(std::string_view) override { throw std::logic_error("no secrets here"); }

private:
    auth::Dialer& dialer_;
    FakeTokens tokens_{};
};

}  // namespace graphtest
