#include "plugin/contract/codes.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

using plugin::codeName;
using plugin::codeTable;

namespace {

struct Row {
    std::string code, text, next;
    bool operator==(const Row&) const = default;
};

/// What Markdown would take for itself stands as an entity.
std::string plain(std::string cell) {
    for (const auto& [entity, character] : {std::pair{"&#124;", "|"}, std::pair{"&lt;", "<"}, std::pair{"&gt;", ">"}})
        for (auto at = cell.find(entity); at != std::string::npos; at = cell.find(entity)) cell.replace(at, std::string(entity).size(), character);
    return cell;
}

/// The rows "| PO-1001 | text | next |".
std::vector<Row> documented() {
    std::ifstream file(POSTERN_CODES_TABLE);
    REQUIRE(file);
    std::vector<Row> rows;
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("| PO-")) continue;
        const auto first = line.find(" | "), second = line.find(" | ", first + 3);
        REQUIRE(second != std::string::npos);
        REQUIRE(line.ends_with(" |"));
        rows.push_back(
            {line.substr(2, first - 2), plain(line.substr(first + 3, second - first - 3)), plain(line.substr(second + 3, line.size() - second - 5))});
    }
    return rows;
}

/// The numbers of the enumeration as it stands in codes.h: what is missing from the table cannot be asked of the table.
std::vector<int> enumerated() {
    std::string path = POSTERN_CODES_TABLE;
    path.replace(path.rfind('/') + 1, std::string::npos, "codes.h");
    std::ifstream file(path);
    REQUIRE(file);
    std::vector<int> numbers;
    for (std::string line; std::getline(file, line);) {
        const auto equals = line.rfind(" = ");
        if (line.starts_with("    ") && line.ends_with(',') && equals != std::string::npos && line.size() == equals + 8)
            numbers.push_back(std::stoi(line.substr(equals + 3)));
    }
    return numbers;
}

}  // namespace

SCENARIO("the table of codes is the documented one", "[codes]") {
    std::vector<Row> table;
    for (const auto& entry : codeTable) table.push_back({codeName(entry.code), std::string(entry.text), std::string(entry.next)});
    const auto rows = documented();
    CHECK(rows.size() == table.size());
    for (std::size_t i = 0; i < std::min(rows.size(), table.size()); ++i) {
        CAPTURE(rows[i].code, rows[i].text, rows[i].next, table[i].code, table[i].text, table[i].next);
        REQUIRE(rows[i] == table[i]);
    }
}

SCENARIO("codes are sorted, unique and four digits", "[codes]") {
    unsigned last = 1000;
    for (const auto& entry : codeTable) {
        const auto number = static_cast<unsigned>(entry.code);
        CAPTURE(number);
        CHECK(number > last);
        CHECK(number < 10'000);
        CHECK_FALSE(entry.text.empty());
        CHECK_FALSE(entry.next.empty());
        CHECK(plugin::findCode(entry.code) == &entry);
        last = number;
    }
}

SCENARIO("every code has an entry in the table", "[codes]") {
    const auto numbers = enumerated();
    for (const int number : numbers) {
        CAPTURE(number);
        CHECK(plugin::findCode(static_cast<plugin::Code>(number)) != nullptr);
    }
    REQUIRE(numbers.size() == codeTable.size());
}
