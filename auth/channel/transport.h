#pragma once

#include "plugin/contract/result.h"

#include <algorithm>
#include <span>
#include <string>
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

    /// Bytes that were read here and belong to whoever reads next.
    void giveBack(std::string_view bytes) { unread_.insert(0, bytes); }

protected:
    /// What was given back, for tryRead(); 0: nothing waits.
    std::size_t takeUnread(std::span<char> into) {
        if (unread_.empty()) return 0;
        const auto taken = std::min(into.size(), unread_.size());
        std::copy_n(unread_.begin(), taken, into.begin());
        unread_.erase(0, taken);
        if (unread_.empty()) unread_ = {};  // its memory too
        return taken;
    }

private:
    std::string unread_{};
};

}  // namespace auth
