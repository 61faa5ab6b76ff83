#pragma once

#include "plugin/contract/database.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <memory>
#include <type_traits>
#include <utility>

namespace listener {

/// What a transaction function leaves behind. Shared with the function, so that it is there even when the waiting frame is not.
template <class T>
struct Slot {
    T value{};
};
template <>
struct Slot<void> {};

/// `body` owns what it uses: it runs on a worker thread.
template <class T, class Body>
plugin::Task<plugin::Result<T>> ask(plugin::Database& database,
                                    plugin::Task<plugin::Result<void>> (plugin::Database::*how)(plugin::Database::Function), Body body) {
    auto slot = std::make_shared<Slot<T>>();
    plugin::Database::Function function = [slot, body = std::move(body)](plugin::Transaction& transaction) -> plugin::Result<void> {
        if constexpr (std::is_void_v<T>)
            body(transaction);
        else
            slot->value = body(transaction);
        return {};
    };
    auto done = co_await (database.*how)(std::move(function));
    if (!done) co_return done.error();
    if constexpr (std::is_void_v<T>)
        co_return plugin::Result<void>{};
    else
        co_return std::move(slot->value);
}

}  // namespace listener
