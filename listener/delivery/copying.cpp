#include "listener/delivery/copying.h"

#include "listener/message/sha256.h"

namespace listener {

namespace {
constexpr std::size_t copySize = 256 * 1024;
}

plugin::Result<void> copyContent(const Content& content, plugin::File& into, std::string& buffer) {
    if (content.inMemory() != nullptr) return into.append(*content.inMemory());
    Sha256 hash;
    buffer.resize(copySize);
    std::uint64_t offset = 0;
    while (true) {
        const auto got = content.file()->readAt(offset, buffer);
        if (!got) return got.error();
        if (*got == 0) break;
        const std::string_view piece(buffer.data(), *got);
        hash.update(piece);
        if (auto written = into.append(piece); !written) return written;
        offset += *got;
    }
    if (offset != content.size() || hash.finish() != content.sha256())
        return plugin::Error{plugin::Reaction::retryLater, plugin::Code::messageStaging,
                             content.directory() + ": a staged message does not hold the bytes it was given"};
    return {};
}

}  // namespace listener
