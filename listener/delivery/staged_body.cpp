#include "listener/delivery/staged_body.h"

#include "listener/message/sha256.h"
#include "plugin/contract/loop.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace listener {
namespace {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

/// A turn to the worker pool costs more than a small read; this much is held for each message under way.
constexpr std::size_t blockSize = 256 * 1024;

Error damaged(const Content& content, const std::string& why) {
    return {Reaction::retryLater, Code::messageStaging, content.directory() + ": a staged message " + why};
}

/// The next block, full unless it is the last. `block` is resized to what was read.
Result<void> readBlock(const Content& content, std::uint64_t offset, std::string& block) {
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(blockSize, content.size() - offset)));
    std::size_t have = 0;
    while (have < block.size()) {
        const auto got = content.file()->readAt(offset + have, std::span(block).subspan(have));
        if (!got) return damaged(content, "cannot be read: " + got.error().what);
        if (*got == 0) return damaged(content, "has become shorter");
        have += *got;
    }
    return {};
}

class StagedBody {
public:
    explicit StagedBody(Content content) : content_(std::move(content)) {}

    bool holds(std::uint64_t offset) const { return offset >= begin_ && offset < next_; }
    std::size_t take(std::uint64_t offset, std::span<char> into) const {
        const auto rest = std::string_view(block_).substr(static_cast<std::size_t>(offset - begin_));
        const auto taken = std::min(rest.size(), into.size());
        std::copy_n(rest.begin(), taken, into.begin());
        return taken;
    }
    std::uint64_t size() const { return content_.size(); }

    /// Blocks. Reads on until the block holds `offset`; from the beginning where it lies before what was read: a hash cannot go back.
    Result<void> load(std::uint64_t offset) {
        if (offset < next_) {
            hash_ = Sha256();
            next_ = 0;
        }
        do {
            begin_ = next_;  // nothing is held until it is read
            if (auto read = readBlock(content_, next_, block_); !read) return read;
            hash_.update(block_);
            next_ += block_.size();
        } while (next_ <= offset);
        if (next_ < content_.size()) return {};
        const bool isSame = hash_.finish() == content_.sha256();
        hash_ = Sha256();
        if (isSame) return {};
        next_ = begin_ = 0;  // none of it is handed out, now or later
        return damaged(content_, "does not hold the bytes it was given");
    }

private:
    Content content_;
    Sha256 hash_{};
    std::string block_{};
    std::uint64_t begin_ = 0;  ///< of the block
    std::uint64_t next_ = 0;   ///< behind the block
};

plugin::Task<Result<std::size_t>> read(std::shared_ptr<StagedBody> body, std::uint64_t offset, std::span<char> into) {
    if (offset >= body->size()) co_return std::size_t{0};
    if (!body->holds(offset)) {
        auto& loop = co_await plugin::thisLoop();
        auto work = plugin::offload(loop, [body, offset] { return body->load(offset); });
        auto loaded = co_await work;
        if (!loaded) co_return loaded.error();
    }
    co_return body->take(offset, into);
}

}  // namespace

std::shared_ptr<const auth::HttpBody> stagedBody(const Content& content) {
    auto state = std::make_shared<StagedBody>(content);
    return std::make_shared<const auth::HttpBody>(
        auth::HttpBody{content.size(), [state](std::uint64_t offset, std::span<char> into) { return read(state, offset, into); }});
}

Result<void> signStaged(const Content& content, WebhookSigner& signer) {
    std::string block;
    for (std::uint64_t offset = 0; offset < content.size(); offset += block.size()) {
        if (auto read = readBlock(content, offset, block); !read) return read;
        signer.update(block);
    }
    return {};
}

}  // namespace listener
