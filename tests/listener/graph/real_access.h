#pragma once

#include "tests/listener/graph/fixture.h"

namespace graphtest {

/// Real sockets, with a token that is made up.
using RealAccess = listenertest::FakeAccess<auth::Dialer&, FakeTokens>;

}  // namespace graphtest
