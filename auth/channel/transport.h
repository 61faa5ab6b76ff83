#pragma once

#include "plugin/contract/result.h"

#include <span>
#include <string_view>

namespace auth {

/// One layer of a connection, tried and never waited for: the socket at the bottom, TLS above it, TLS to the other side above TLS to a
/// proxy. Only the Channel at the top waits, always for the one socket. Belongs to one loop.
class Transport {
public:
    enum class State {
        moved,      ///< `bytes` > 0 went through
        ended,      ///< reading: the other side has ended the stream in order
        wantRead,   ///< nothing moved until the socket can be read
        wantWrite,  ///< nothing moved until the socket can be written
        failed,     ///< failure() tells
    };
    struct Moved {
        State state;
        std::size_t bytes = 0;
    };

    virtual ~Transport() = default;
    virtual Moved tryRead(std::span<char> into) = 0;     ///< `into` is not empty
    virtual Moved tryWrite(std::string_view bytes) = 0;  ///< not empty; may take a part, and may hold what it took until it is flushed
    virtual Moved tryFlush() = 0;                        ///< moved: nothing that was written waits here or below
    /// Why the last try failed.
    virtual plugin::Error failure() const = 0;
};

}  // namespace auth
