#include "listener/message/sha256.h"

#include <algorithm>

namespace listener {
namespace {

constexpr std::size_t writeSize = 256 * 1024;  // so many bytes reach the file at a time
static_assert(writeSize >= headLimit, "the head is read from what is written first");

}  // namespace

/// In memory: `buffer` holds all. Large: `buffer` holds what the file does not have yet, and the head is read before the first write.
struct ContentBuilder::State {
    plugin::Directory& staging;
    Sha256 hash{};
    std::string buffer{};
    std::uint64_t size = 0;
    bool large = false;
    std::unique_ptr<plugin::File> file{};
    Head head{};
    std::optional<plugin::Error> failed{};

    plugin::Result<void> write(std::string_view bytes) {
        if (!file) {
            head = readHead(bytes);
            auto created = staging.create(0600);
            if (!created) return fail(created.error());
            file = std::move(*created);
        }
        if (auto written = file->append(bytes); !written) return fail(written.error());
        return {};
    }
    plugin::Result<void> flush() {
        auto written = write(buffer);
        buffer.clear();
        return written;
    }
    plugin::Error fail(const plugin::Error& error) {
        return failed.emplace(plugin::Error{plugin::Reaction::retryLater, plugin::Code::messageStaging, error.what});
    }
};

ContentBuilder::ContentBuilder(plugin::Directory& staging, std::uint64_t expected) : state_(std::unique_ptr<State>(new State{staging})) {
    state_->large = expected > Content::memoryLimit;
    state_->buffer.reserve(state_->large ? writeSize : static_cast<std::size_t>(expected));
}
ContentBuilder::~ContentBuilder() = default;
ContentBuilder::ContentBuilder(ContentBuilder&&) noexcept = default;
ContentBuilder& ContentBuilder::operator=(ContentBuilder&&) noexcept = default;

bool ContentBuilder::spills(std::size_t more) const {
    const auto held = state_->buffer.size();
    return state_->large ? held + more >= writeSize : held + more > Content::memoryLimit;
}

plugin::Result<void> ContentBuilder::append(std::string_view bytes) {
    auto& state = *state_;
    if (state.failed) return *state.failed;
    state.hash.update(bytes);
    state.size += bytes.size();
    if (!state.large && state.size > Content::memoryLimit) {
        state.large = true;
        const auto room = std::min(bytes.size(), static_cast<std::size_t>(Content::memoryLimit) - state.buffer.size());
        state.buffer.append(bytes.substr(0, room));
        bytes.remove_prefix(room);
        if (auto flushed = state.flush(); !flushed) return flushed;
        state.buffer.shrink_to_fit();
    }
    while (state.large && state.buffer.size() + bytes.size() >= writeSize) {
        if (state.buffer.empty() && state.file) return state.write(bytes);
        const auto room = writeSize - std::min(writeSize, state.buffer.size());
        state.buffer.append(bytes.substr(0, room));
        bytes.remove_prefix(std::min(room, bytes.size()));
        if (auto flushed = state.flush(); !flushed) return flushed;
    }
    state.buffer.append(bytes);
    return {};
}

std::uint64_t ContentBuilder::size() const { return state_->size; }

bool ContentBuilder::finishBlocks() const { return state_->file && !state_->buffer.empty(); }

plugin::Result<ContentBuilder::Built> ContentBuilder::finish() {
    auto& state = *state_;
    if (state.failed) return *state.failed;
    if (!state.file) {
        if (state.buffer.capacity() - state.buffer.size() > state.buffer.size() / 4) state.buffer.shrink_to_fit();
        const auto head = readHead(state.buffer);
        return Built{Content(std::make_shared<const std::string>(std::move(state.buffer)), state.hash.finish()), head};
    }
    if (!state.buffer.empty())
        if (auto flushed = state.flush(); !flushed) return flushed.error();
    return Built{Content(std::shared_ptr<plugin::File>(std::move(state.file)), state.staging.path(), state.hash.finish()), state.head};
}

}  // namespace listener
