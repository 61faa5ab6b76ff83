#pragma once

#include "auth/sealing.h"
#include "auth/token/grant_locks.h"

#include <string>

namespace plugin::host {

/// seal.key and locks/ of server.data. The directory is made with the first thing that is written. Thread-safe; all members block.
class Vault final : public auth::SealKeyFile, public auth::GrantLocks {
public:
    explicit Vault(std::string dataDirectory) : directory_(std::move(dataDirectory)) {}

    std::string path() const override { return directory_ + "/seal.key"; }
    Result<std::optional<auth::Secret>> read() override;
    Result<auth::Secret> make(const auth::Secret& content) override;
    Result<std::unique_ptr<Held>> tryTake(const std::string& credential) override;

private:
    std::string directory_;
};

}  // namespace plugin::host
