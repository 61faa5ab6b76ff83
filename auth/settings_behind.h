#pragma once

#include "plugin/contract/configuration.h"

#include <string>
#include <string_view>

namespace auth {

/// A fingerprint (SHA-256, hexadecimal) of every setting that what stands under `prefix` ("mailbox.a.", "credential.c.") works with: its own,
/// and those of the credential, truststore, keystore and proxy it names, directly or through them; where no proxy is named, the default ones.
/// Two snapshots with the same fingerprint make no difference to it. Contents of files do not count: they are looked at when they are used.
std::string settingsBehind(const plugin::Configuration& configuration, std::string_view prefix);

}  // namespace auth
