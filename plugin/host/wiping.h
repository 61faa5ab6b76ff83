#pragma once

namespace plugin::host {

/// What OpenSSL gives back is wiped from now on: it cleanses what it knows to be secret, but not the buffers keys are read through. False: OpenSSL
/// has taken memory already, and goes on as it was.
bool wipeWhatOpensslFrees();

}  // namespace plugin::host
