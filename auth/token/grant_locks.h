#pragma once

#include "plugin/contract/result.h"

#include <memory>
#include <string>

namespace auth {

/// One lock for each stored grant, held over a whole refresh: a rotated refresh token that is used twice ends the consent at many providers, so
/// one process asks at a time. The edge to the lock files of server.data, so that a simulation can stand in. Thread-safe.
class GrantLocks {
public:
    /// Let go when it is destroyed, or when its process ends however it does.
    class Held {
    public:
        virtual ~Held() = default;
    };
    virtual ~GrantLocks() = default;
    /// Null: somebody has it, in this process or in another. Never waits for them; blocks for the disk. Errors: storeDataDirectory, storeDiskFull.
    virtual plugin::Result<std::unique_ptr<Held>> tryTake(const std::string& credential) = 0;
};

}  // namespace auth
