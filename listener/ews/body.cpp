#include "listener/ews/body.h"

#include <algorithm>

namespace listener::ews {

using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t writeSize = 64 * 1024;

Task<Result<void>> write(ContentBuilder* builder, std::string_view octets) {
    if (!builder->spills(octets.size())) co_return builder->append(octets);
    auto& loop = co_await plugin::thisLoop();
    auto append = [builder, octets] { return builder->append(octets); };
    auto appending = plugin::offload(loop, append);
    co_return co_await appending;
}

}  // namespace

Body::Body(plugin::Directory& staging, std::uint64_t expected, std::optional<std::uint64_t> limit) : limit_(limit) {
    if (!limit_ || *limit_ > 0) builder_.emplace(staging, std::min(expected, Content::memoryLimit));
}

Task<Result<void>> Body::append(std::string_view octets) {
    size_ += octets.size();
    if (limit_) beginning_.append(octets.substr(0, headLimit - std::min<std::size_t>(headLimit, beginning_.size())));
    if (tooLarge()) {
        builder_.reset();
        std::string().swap(gathered_);
    }
    if (!builder_) co_return Result<void>{};
    if (gathered_.empty() && !builder_->spills(octets.size())) co_return builder_->append(octets);
    gathered_.append(octets);
    if (gathered_.size() < writeSize) co_return Result<void>{};
    auto writing = write(&*builder_, gathered_);
    auto written = co_await writing;
    gathered_.clear();
    co_return written;
}

Task<Result<ContentBuilder::Built>> Body::finish() {
    if (!builder_) co_return ContentBuilder::Built{{}, readHead(beginning_)};
    if (!gathered_.empty()) {
        auto writing = write(&*builder_, gathered_);
        auto written = co_await writing;
        if (!written) co_return written.error();
        gathered_.clear();
    }
    if (!builder_->finishBlocks()) co_return builder_->finish();
    auto& loop = co_await plugin::thisLoop();
    auto finish = [builder = &*builder_] { return builder->finish(); };
    auto finishing = plugin::offload(loop, finish);
    co_return co_await finishing;
}

bool Body::headIsWhole() const {
    const std::string_view text = beginning_;
    return text.size() >= headLimit || text.starts_with("\n") || text.starts_with("\r\n") || text.find("\n\n") != std::string_view::npos ||
           text.find("\n\r\n") != std::string_view::npos;
}

}  // namespace listener::ews
