#include "plugin/admin/buffers.h"

#include <Poco/Net/HTTPBufferAllocator.h>

#include <openssl/crypto.h>

#include <array>
#include <vector>

namespace plugin::admin {

namespace {

using Pool = Poco::Net::HTTPBufferAllocator;

/// Where whoever was called has had its variables, and where the dynamic linker has put registers with what had just been copied.
[[gnu::noinline]] void wipeStackBelow() {
    std::array<char, 64 * 1024> below;
    OPENSSL_cleanse(below.data(), below.size());
}

}  // namespace

Buffers::InUse::InUse(Buffers& all) : all_(all) {
    const std::lock_guard lock(all_.mutex_);
    ++all_.served_;
}

Buffers::InUse::~InUse() {
    wipeStackBelow();
    const std::lock_guard lock(all_.mutex_);
    if (--all_.served_ == 0) all_.wipe();  // all of them are in the pool, and nobody takes one meanwhile
}

void Buffers::wipe() const {
    std::vector<char*> taken(most_);
    for (auto*& each : taken) each = Pool::allocate(Pool::BUFFER_SIZE);
    for (auto* const each : taken) {
        OPENSSL_cleanse(each, Pool::BUFFER_SIZE);
        Pool::deallocate(each, Pool::BUFFER_SIZE);
    }
}

}  // namespace plugin::admin
