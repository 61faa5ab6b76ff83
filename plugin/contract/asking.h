#pragma once

#include "plugin/contract/database.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <memory>
#include <type_traits>
#include <utility>

namespace plugin {

namespace detail {

/// What a transaction function leaves behind. Shared with the function, so that it is there even when the waiting frame is not.
template <class T>
struct Left {
    T value{};
};
template <>
struct Left<void> {};

}  // namespace detail

/// What `body` answers, a T or a Result<T>, of a transaction that was done. It owns what it uses, or what it uses outlives the task: it runs on a
/// worker thread. `how`: &Database::read or &Database::write.
template <class T, class Body>
Task<Result<T>> ask(Database& database, Task<Result<void>> (Database::*how)(Database::Function), Body body) {
    using Answer = std::invoke_result_t<Body&, Transaction&>;
    auto left = std::make_shared<detail::Left<T>>();
    Database::Function function = [left, body = std::move(body)](Transaction& transaction) mutable -> Result<void> {
        if constexpr (std::is_same_v<Answer, Result<T>>) {
            auto answer = body(transaction);
            if (!answer) return answer.error();
            if constexpr (!std::is_void_v<T>) left->value = std::move(*answer);
        } else if constexpr (std::is_void_v<T>) {
            body(transaction);
        } else {
            left->value = body(transaction);
        }
        return {};
    };
    auto done = co_await (database.*how)(std::move(function));
    if (!done) co_return done.error();
    if constexpr (std::is_void_v<T>)
        co_return Result<void>{};
    else
        co_return std::move(left->value);
}

}  // namespace plugin
