#pragma once

#include "plugin/contract/clock.h"

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

/// One value of a record that a command shows: text, a number or a truth value as it is written, or nothing.
struct RecordField {
    std::string_view name;
    std::string value{};
    bool bare = false;  ///< a number, true or false: without quotes in JSON
    bool none = false;  ///< null in JSON, no line in a table

    static RecordField text(std::string_view name, std::string value) { return {name, std::move(value)}; }
    static RecordField number(std::string_view name, long long value) { return {name, std::to_string(value), true}; }
    static RecordField truth(std::string_view name, bool value) { return {name, value ? "true" : "false", true}; }
    static RecordField nothing(std::string_view name) { return {name, {}, false, true}; }
};

/// One JSON object in one line, or a line for each field that has a value.
void writeRecord(const std::vector<RecordField>& fields, bool json, std::ostream& out);

/// How far away an end is, as it stands behind its time: ", in 12 days", ", which is over".
std::string untilThen(Wall end, Wall now);

}  // namespace plugin::host
