#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace systemtest {

struct HostileMail {
    std::string what;  ///< which kind it is, for the message of a failed test
    std::string bytes;
};

/// Mails as nobody should write them and somebody does, and sizes at the borders of buffers: the same for the same seed. At least 60, about
/// 120 MB for a thousand.
std::vector<HostileMail> hostileMails(std::uint64_t seed, std::size_t count);

}  // namespace systemtest
