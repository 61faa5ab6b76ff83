#pragma once

#include "plugin/contract/configuration.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

/// The keys the program itself reads: server.*, log.*, admin.*, store.*, package.*. Alone they make a valid, empty configuration.
std::vector<Key> hostKeys();

/// What single keys cannot show: an admin port that others could reach without TLS, or that is called what it is not.
void checkHostKeys(const Configuration& configuration, std::vector<Problem>& problems);

/// "127.0.0.1:8025", "[::1]:0", "localhost:8025" taken apart; the host without brackets. Nothing: not of that form.
struct AddressAndPort {
    std::string host;
    int port = 0;
};
std::optional<AddressAndPort> parseAddress(std::string_view text);

/// The hosts the admin port answers to beside this machine's own: admin.host_names, and that of admin.public_url.
std::vector<std::string> adminNames(const Configuration& configuration);
/// The path of admin.public_url, without a "/" at its end; "": it has none, or is not set.
std::string publicPath(const Configuration& configuration);

}  // namespace plugin::host
