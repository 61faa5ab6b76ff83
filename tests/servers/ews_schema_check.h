#pragma once

#include "tests/servers/ews_server.h"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

namespace servers {

/// What the server was asked and has answered is by Microsoft's schema. Where there is none to compare with, that is skipped, and said once a
/// program.
inline void checkSchema(const EwsServer& server) {
    static bool told = false;
    if (EwsServer::checksSchema())
        CHECK(server.schemaProblems() == std::vector<std::string>{});
    else if (!std::exchange(told, true))
        WARN("skipped: what goes to and fro is not compared with Microsoft's schema, of which EWS_SCHEMA_DIR names no directory");
}

}  // namespace servers
