#pragma once

#include "listener/ledger/ledger.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/log.h"
#include "plugin/contract/package.h"
#include "plugin/contract/text.h"
#include "plugin/contract/waiting.h"

#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

// What the commands share: waiting for a task, tables and JSON.
namespace listener {

/// Runs a task on a loop of the host and waits for it here: in the main thread, or in one of the admin port.
template <class T>
plugin::Result<T> wait(plugin::Command::Call& call, plugin::Task<plugin::Result<T>> task) {
    return plugin::waitFor(*call.host.loops().front(), std::move(task));
}

/// Say what is wrong, and answer the exit status for it.
inline int failed(plugin::Command::Call& call, const plugin::Error& error) {
    call.error << "postern: " << plugin::describe(error) << "\n";
    call.failure = error;
    return plugin::exitStatus(error);
}
inline int misused(plugin::Command::Call& call, const std::string& what) {
    call.error << "postern: " << what << "\n";
    return plugin::exits::usage;
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

/// Lines up columns for a terminal; text from outside is escaped.
class Table {
public:
    explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
    void add(std::vector<std::string> row) {
        for (auto& cell : row) cell = plugin::printable(cell, 120);
        rows_.push_back(std::move(row));
    }
    void print(std::ostream& out) const {
        std::vector<std::size_t> widths(rows_.front().size());
        for (const auto& row : rows_)
            for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
        for (const auto& row : rows_) {
            std::string line;
            for (std::size_t i = 0; i < row.size(); ++i) line += row[i] + std::string(i + 1 < row.size() ? widths[i] - row[i].size() + 2 : 0, ' ');
            out << line << "\n";
        }
    }

private:
    std::vector<std::vector<std::string>> rows_;
};

/// Names of states, as people write and read them. Nothing: no such state.
std::string_view nameOf(MessageState state);
std::optional<MessageState> messageStateOf(std::string_view name);

}  // namespace listener
