#pragma once

#include "auth/sealing.h"

#include <mutex>
#include <optional>
#include <string>

/// The file of the seal key, in memory. Thread-safe but for the members tests look at.
class SealKeyInMemory final : public auth::SealKeyFile {
public:
    std::optional<std::string> content{};
    std::optional<std::string> faster{};  ///< another process makes this one just before ours
    int made = 0;

    std::string path() const override { return "/data/seal.key"; }
    plugin::Result<std::optional<auth::Secret>> read() override {
        const std::lock_guard lock(mutex_);
        if (!content) return std::optional<auth::Secret>{};
        return std::optional<auth::Secret>(auth::Secret(*content));
    }
    plugin::Result<auth::Secret> make(const auth::Secret& fresh) override {
        const std::lock_guard lock(mutex_);
        if (faster) content = faster;
        if (!content) {
            content = fresh.reveal();
            ++made;
        }
        return auth::Secret(*content);
    }

private:
    std::mutex mutex_{};
};
