#include "plugin/contract/codes.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
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
        cell = std::regex_replace(cell, std::regex(entity), character);
    return cell;
}

std::vector<Row> documented() {
    std::ifstream file(POSTERN_CODES_TABLE);
    REQUIRE(file);
    std::vector<Row> rows;
    const std::regex row(R"(\| (PO-\d{4}) \| (.*) \| (.*) \|)");
    for (std::string line; std::getline(file, line);)
        if (std::smatch found; std::regex_match(line, found, row)) rows.push_back({found[1], plain(found[2]), plain(found[3])});
    return rows;
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
    std::ifstream file(std::string(POSTERN_CODES_TABLE).replace(std::string(POSTERN_CODES_TABLE).rfind('/') + 1, std::string::npos, "codes.h"));
    REQUIRE(file);
    const std::string source{std::istreambuf_iterator<char>(file), {}};
    const std::regex enumerator(R"(\n    (\w+) = (\d{4}),)");
    std::size_t count = 0;
    for (std::sregex_iterator each(source.begin(), source.end(), enumerator), end; each != end; ++each, ++count) {
        CAPTURE((*each)[1].str());
        CHECK(plugin::findCode(static_cast<plugin::Code>(std::stoi((*each)[2]))) != nullptr);
    }
    REQUIRE(count == codeTable.size());
}
