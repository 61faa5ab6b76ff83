#include "plugin/runtime/runtime.h"

#include <openssl/rand.h>

#include <stdexcept>

namespace plugin {

namespace {

class SystemClock final : public Clock {
public:
    Steady steady() const override { return std::chrono::steady_clock::now(); }
    Wall wall() const override { return std::chrono::system_clock::now(); }
};

class SystemRandom final : public Random {
public:
    void fill(std::span<std::uint8_t> bytes) override {
        if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) throw std::runtime_error("the system gives no random bytes");
    }
};

}  // namespace

std::unique_ptr<Clock> makeSystemClock() { return std::make_unique<SystemClock>(); }
std::unique_ptr<Random> makeSystemRandom() { return std::make_unique<SystemRandom>(); }

}  // namespace plugin
