#include "plugin/host/properties_reader.h"

#include <catch2/catch.hpp>

#include <string>

using plugin::Code;
using plugin::host::merge;
using plugin::host::parseProperties;
using plugin::host::Properties;

namespace {

/// "line key=value" of each entry, one below the other.
std::string entries(const Properties& read) {
    std::string text;
    for (const auto& each : read.entries) text += std::to_string(each.place.line) + " " + each.key + "=" + each.value + "\n";
    return text;
}

struct Row {
    std::string name, bytes, entries;
};
struct Fault {
    std::string name, bytes;
    int line;
    std::string what, entries;
};

}  // namespace

SCENARIO("a file is read as key = value, line by line", "[properties]") {
    const auto row = GENERATE(values<Row>({
        {"blanks around key and value", " \ta.b \t=\t x y \t\n", "1 a.b=x y\n"},
        {"only the first = separates", "url = https://h/?a=b=c", "1 url=https://h/?a=b=c\n"},
        {"a colon does not separate", "a:b = c:d", "1 a:b=c:d\n"},
        {"no value", "a =\nb = \n", "1 a=\n2 b=\n"},
        {"comments and empty lines", "# x = 1\n\n  ! y = 2\n \t \nz = 3 # no comment\n", "5 z=3 # no comment\n"},
        {"a comment is not continued", "# C:\\dir\\\na = 1\n", "2 a=1\n"},
        {"CRLF and LF in one file", "a = 1\r\nb = 2\nc = 3\r\n", "1 a=1\n2 b=2\n3 c=3\n"},
        {"a last line without its end", "a = 1\r\nb = 2", "1 a=1\n2 b=2\n"},
        {"a byte order mark",
         "\xEF\xBB\xBF"
         "a = 1\n",
         "1 a=1\n"},
        {"a backslash is an ordinary character", "path = C:\\new\\table\\u0041\n", "1 path=C:\\new\\table\\u0041\n"},
        {"a continued line loses its leading blanks, keeps those before", "a = x, \\\n  \ty\nb = 2\n", "1 a=x, y\n3 b=2\n"},
        {"continuations over CRLF", "a = x\\\r\n   y\\\r\n   z\r\nb = 2\r\n", "1 a=xyz\n4 b=2\n"},
        {"a continued line may hold # and =", "a = x\\\n# y = z\n", "1 a=x# y = z\n"},
        {"an empty line ends a continuation", "a = x\\\n\nb = 2\n", "1 a=x\n3 b=2\n"},
        {"two backslashes at the end are one and a continuation", "a = x\\\\\n y\n", "1 a=x\\y\n"},
        {"UTF-8 of every length", "a = \xC3\xBC\xE2\x82\xAC\xF0\x9F\x93\xAC", "1 a=\xC3\xBC\xE2\x82\xAC\xF0\x9F\x93\xAC\n"},
        {"what begins with ${ is kept as it is", "a = ${file:/x}\nb = $${y}", "1 a=${file:/x}\n2 b=$${y}\n"},
        {"nothing", "", ""},
    }));
    GIVEN(row.name) {
        WHEN("it is read") {
            const auto read = parseProperties(row.bytes, "f");
            THEN("the entries stand at their lines and nothing is wrong") {
                REQUIRE(entries(read) == row.entries);
                REQUIRE(read.problems.empty());
            }
        }
    }
}

SCENARIO("a bad line is named, and the others are read all the same", "[properties]") {
    const auto fault = GENERATE(values<Fault>({
        {"no separator", "a = 1\npassword: 123\nb = 2\n", 2, "no `=`", "1 a=1\n3 b=2\n"},
        {"no key", " = 1\na = 2", 1, "before the `=`", "2 a=2\n"},
        {"Latin-1", "a = 1\nb = M\xFCller\nc = 3\n", 2, "byte 0xFC at column 6 is not UTF-8", "1 a=1\n3 c=3\n"},
        {"Latin-1 in a comment", "# M\xFCller\nc = 3\n", 1, "0xFC at column 4", "2 c=3\n"},
        {"an overlong form", "b = \xC0\xAF\n", 1, "0xC0", ""},
        {"a surrogate", "b = \xED\xA0\x80\n", 1, "0xED", ""},
        {"a character cut off at the end", "b = \xE2\x82", 1, "0xE2", ""},
        {"beyond U+10FFFF", "b = \xF4\x90\x80\x80", 1, "0xF4", ""},
        {"NUL", std::string("a = 1\nb = x\0y\n", 14), 2, "NUL byte at column 6", "1 a=1\n"},
        {"a control character", "b = \x07\n", 1, "0x07", ""},
        {"carriage returns alone", "a = 1\rb = 2\r", 1, "carriage return at column 6", ""},
        {"a fault in a continued line", "a = x\\\n  \xFF\nb = 2\n", 2, "0xFF", "3 b=2\n"},
        {"a continuation into nothing", "a = 1\nb = 2\\", 2, "ends inside a continued line", "1 a=1\n"},
        {"UTF-16",
         std::string("\xFF\xFE"
                     "a\0=\0",
                     6),
         1, "UTF-16", ""},
        {"a line too long", "a = " + std::string(plugin::host::longestLine, 'x') + "\nb = 2\n", 1, "64 KiB", "2 b=2\n"},
        {"a file too large", std::string(plugin::host::largestFile + 1, '\n'), 1, "16 MiB", ""},
    }));
    GIVEN(fault.name) {
        WHEN("it is read") {
            const auto read = parseProperties(fault.bytes, "conf/x.properties");
            THEN("one problem names file, line and cause") {
                REQUIRE(read.problems.size() == 1);
                const auto& problem = read.problems.front();
                REQUIRE(problem.code == Code::configSyntax);
                REQUIRE(problem.place.file == "conf/x.properties");
                REQUIRE(problem.place.line == fault.line);
                REQUIRE_THAT(problem.what, Catch::Contains(fault.what));
                REQUIRE(entries(read) == fault.entries);
            }
            THEN("the text of the line, which may be a secret, is not repeated") {
                REQUIRE_THAT(read.problems.front().what, !Catch::Contains("123") && !Catch::Contains("ller"));
            }
        }
    }
}

SCENARIO("all bad lines are reported, up to a number nobody would read", "[properties]") {
    GIVEN("three bad lines") {
        const auto read = parseProperties("x\na = 1\ny\nz\n", "f");
        THEN("there are three problems") { REQUIRE(read.problems.size() == 3); }
    }
    GIVEN("a file that is something else") {
        std::string bytes;
        for (int i = 0; i < 10'000; ++i) bytes += "\xFF\xFA\n";
        const auto read = parseProperties("\n" + bytes, "f");
        THEN("the list ends with a word about the rest") {
            REQUIRE(read.problems.size() == plugin::host::mostSyntaxProblems + 1);
            REQUIRE_THAT(read.problems.back().what, Catch::Contains("too many bad lines"));
        }
    }
    GIVEN("blanks after a backslash at the end of a line") {
        const auto read = parseProperties("a = x,\\ \nb = 2\n", "f");
        THEN("a warning says that the line is not continued") {
            REQUIRE(entries(read) == "1 a=x,\\\n2 b=2\n");
            REQUIRE(read.problems.size() == 1);
            REQUIRE(read.problems.front().severity == plugin::Problem::Severity::warning);
        }
    }
}

SCENARIO("several files are one configuration", "[properties]") {
    GIVEN("a key in two files, and twice in one") {
        const auto merged = merge({parseProperties("a = 1\nb = 2\na = 3\n", "x"), parseProperties("\nb = 4\nc = 5\n", "y")});
        THEN("each second place is an error naming the first, whose value stays") {
            REQUIRE(entries(merged) == "1 a=1\n2 b=2\n3 c=5\n");
            REQUIRE(merged.problems.size() == 2);
            REQUIRE(merged.problems[0].code == Code::configDuplicateKey);
            REQUIRE(merged.problems[0].place.line == 3);
            REQUIRE_THAT(merged.problems[0].what, Catch::Contains("x:1"));
            REQUIRE(merged.problems[1].place.file == "y");
            REQUIRE(merged.problems[1].key == "b");
            REQUIRE_THAT(merged.problems[1].what, Catch::Contains("x:2"));
        }
    }
}
