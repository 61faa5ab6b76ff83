#pragma once

#include <cstddef>
#include <mutex>

namespace plugin::admin {

/// Poco reads requests, with the token or a code in them, into buffers of a pool that it never gives back: they are wiped whenever no connection is
/// served, and the stack behind each. One for all connections of a port. Thread-safe.
class Buffers {
public:
    /// most   buffers that are in use at a time
    explicit Buffers(std::size_t most) : most_(most) {}

    /// While a connection is served.
    class InUse {
    public:
        explicit InUse(Buffers& all);
        InUse(const InUse&) = delete;
        InUse& operator=(const InUse&) = delete;
        ~InUse();

    private:
        Buffers& all_;
    };

private:
    void wipe() const;

    const std::size_t most_;
    std::mutex mutex_{};
    int served_ = 0;  // under mutex_
};

}  // namespace plugin::admin
