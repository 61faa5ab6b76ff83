#pragma once

#include "plugin/contract/codes.h"

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace plugin {

/// What the caller does next. The only part of an Error that code branches on.
enum class Reaction {
    retryLater,      ///< busy or throttled: back off, honour retryAfter
    reconnect,       ///< the channel is gone: dial again
    reauthenticate,  ///< the token was refused: ask for a fresh one, once
    setAside,        ///< this one message cannot pass: quarantine it, go on
    askOperator,     ///< configuration, certificate or consent: show in health, retry slowly
};

/// A failure as a value. `what` is for people: the cause in plain words, with no secret and no mail content;
/// the general next step comes from the code's table entry (codes.h), so `what` need not repeat it.
struct Error {
    Reaction reaction;
    Code code;
    std::string what;
    std::optional<std::chrono::milliseconds> retryAfter{};  ///< how long the other side asked us to wait
    std::string provider{};                                 ///< the other side's own identifiers (AADSTS number, request-id …); may be empty
};

/// "PO-3002 the client secret was refused (invalid_client). Next: …": one line, for logs and terminals.
inline std::string describe(const Error& error) {
    std::string line = codeName(error.code) + " " + error.what;
    if (!error.provider.empty()) line += " [" + error.provider + "]";
    if (const auto* entry = findCode(error.code); entry != nullptr && !entry->next.empty()) line.append(". Next: ").append(entry->next);
    return line;
}

/// A value or an Error. std::expected<T, Error> the day we build as C++23.
/// Reading the side that is not there is a bug and throws std::logic_error.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const noexcept { return state_.index() == 0; }
    T& operator*() & { return value(); }
    const T& operator*() const& { return const_cast<Result*>(this)->value(); }
    T&& operator*() && { return std::move(value()); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &const_cast<Result*>(this)->value(); }

    const Error& error() const& {
        if (*this) throw std::logic_error("Result holds a value, its error was read");
        return std::get<1>(state_);
    }
    Error&& error() && {
        if (*this) throw std::logic_error("Result holds a value, its error was read");
        return std::get<1>(std::move(state_));
    }

private:
    T& value() {
        if (!*this) throw std::logic_error("Result holds an error, its value was read: " + std::get<1>(state_).what);
        return std::get<0>(state_);
    }
    std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    explicit operator bool() const noexcept { return !error_.has_value(); }
    const Error& error() const {
        if (!error_) throw std::logic_error("Result is a success, its error was read");
        return *error_;
    }

private:
    std::optional<Error> error_;
};

}  // namespace plugin
