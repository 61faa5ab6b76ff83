#include "listener/ews/identifying.h"

#include "listener/ews/listing.h"

#include <algorithm>

namespace listener::ews {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t messagesAtOnce = 200;

/// Where no message is to be kept: nothing is written to it.
class NoDirectory final : public plugin::Directory {
public:
    const std::string& path() const override { return path_; }
    Result<std::unique_ptr<plugin::File>> create(unsigned) override { return no(); }
    Result<void> syncFiles() override { return no(); }
    Result<bool> publish(plugin::File&, std::string_view) override { return no(); }
    Result<void> syncNames() override { return no(); }
    Result<std::unique_ptr<plugin::File>> open(std::string_view) override { return no(); }
    Result<bool> exists(std::string_view) override { return no(); }
    Result<void> remove(std::string_view) override { return no(); }
    Result<std::vector<std::string>> list() override { return no(); }

private:
    static Error no() { return {Reaction::retryLater, Code::messageStaging, "heads are not kept"}; }
    std::string path_{};
};

class Heads final : public Receiver {
public:
    Task<Result<void>> take(Fetched message) override {
        if (!message.sourceDefect)
            came.push_back({message.position.ordinal, message.received, message.tooLarge.value_or(0) > 0 ? message.tooLarge : std::nullopt,
                            message.head.matchKey, message.head.crossKey});
        co_return Result<void>{};
    }
    std::optional<std::uint64_t> sizeLimit() const override { return 0; }
    std::vector<Identified> came{};
};

}  // namespace

Task<Result<void>> identifyMessages(Session& session, Endpoints endpoints, IdentifiedTaker taker, std::stop_token stop) {
    const ListRequest everything;
    auto listing = co_await listFolder(session, endpoints.main, everything, stop);
    if (!listing) co_return listing.error();
    const auto& all = listing->ordinals;
    NoDirectory nowhere;
    for (std::size_t at = 0; at < all.size(); at += messagesAtOnce) {
        const auto end = std::min(all.size(), at + messagesAtOnce);
        std::vector<std::uint64_t> piece(all.begin() + static_cast<std::ptrdiff_t>(at), all.begin() + static_cast<std::ptrdiff_t>(end));
        Heads heads;
        auto fetching = fetchMessages(session, endpoints, std::move(piece), heads, nowhere, stop);
        auto fetched = co_await fetching;
        if (!fetched) co_return fetched.error();
        std::sort(heads.came.begin(), heads.came.end(), [](const Identified& a, const Identified& b) { return a.ordinal < b.ordinal; });
        for (auto& each : heads.came)
            if (auto taken = taker(std::move(each)); !taken) co_return taken;
    }
    co_return Result<void>{};
}

}  // namespace listener::ews
