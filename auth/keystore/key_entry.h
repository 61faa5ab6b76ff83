#pragma once

#include "auth/keystore/keystore.h"

#include <openssl/bio.h>

#include <optional>

namespace auth {

// What the readers of all kinds of keystores share.

plugin::Error keystoreError(const std::string& name, const std::string& why);

/// Answers the entry of `key`: with the first certificate that is for it, and the way from there to the root among the others. Nothing: none
/// of them is for it.
std::optional<KeyEntry> entryOf(std::string alias, std::shared_ptr<EVP_PKEY> key, const Certificates& certificates);

/// The first private key of a PEM text. Errors as keystoreError().
plugin::Result<std::shared_ptr<EVP_PKEY>> readPemKey(std::string_view text, const Secret& password, const std::string& name);

/// Bytes for OpenSSL to read; they outlive it.
std::unique_ptr<BIO, decltype(&BIO_free)> reading(std::string_view bytes);

/// Whether OpenSSL's last failure on this thread was an algorithm it no longer has. Its error queue is empty afterwards.
bool failedForAlgorithm();

}  // namespace auth
