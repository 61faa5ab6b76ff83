#pragma once

#include "plugin/contract/loop.h"
#include "plugin/contract/package.h"
#include "plugin/contract/text.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

// What the commands share: waiting for a task, and JSON.
namespace listener {

/// Runs a task on a loop of the host and waits for it here, in the main thread.
template <class T>
plugin::Result<T> wait(plugin::Command::Call& call, plugin::Task<plugin::Result<T>> task) {
    struct Answer {
        std::mutex mutex{};
        std::condition_variable there{};
        std::optional<plugin::Result<T>> result{};
    };
    const auto answer = std::make_shared<Answer>();
    const auto run = [](plugin::Task<plugin::Result<T>> work, std::shared_ptr<Answer> into) -> plugin::Task<void> {
        std::optional<plugin::Result<T>> result;
        try {
            result.emplace(co_await work);
        } catch (const std::exception& bug) {
            result.emplace(plugin::Error{plugin::Reaction::askOperator, plugin::Code::internalBug, bug.what()});
        }
        const std::lock_guard lock(into->mutex);
        into->result = std::move(result);
        into->there.notify_one();
    };
    plugin::startOn(*call.host.loops().front(), run(std::move(task), answer));
    std::unique_lock lock(answer->mutex);
    answer->there.wait(lock, [&] { return answer->result.has_value(); });
    return std::move(*answer->result);
}

/// A JSON object on one line, keys in the order given.
class Object {
public:
    Object& text(std::string_view key, std::string_view value) { return raw(key, plugin::jsonText(value)); }
    Object& number(std::string_view key, std::uint64_t value) { return raw(key, std::to_string(value)); }
    Object& time(std::string_view key, const std::optional<plugin::Wall>& value) {
        return raw(key, value ? plugin::jsonText(plugin::utcText(*value)) : "null");
    }
    Object& raw(std::string_view key, std::string_view value) {
        body_ += body_.empty() ? "" : ", ";
        body_.append(plugin::jsonText(key)).append(": ").append(value);
        return *this;
    }
    std::string str() const { return "{" + body_ + "}"; }

private:
    std::string body_{};
};

inline void printArray(std::ostream& out, const std::vector<std::string>& items) {
    out << "[";
    for (std::size_t i = 0; i < items.size(); ++i) out << (i ? ",\n " : "") << items[i];
    out << "]\n";
}

}  // namespace listener
