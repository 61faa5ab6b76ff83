#pragma once

namespace plugin::host {

/// What OpenSSL gives back is wiped from now on: it cleanses what it knows to be secret, but not the buffers keys are read through. Without effect
/// where OpenSSL has taken memory already.
void wipeAfterOpenssl();

}  // namespace plugin::host
