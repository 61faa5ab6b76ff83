#include "listener/folder_path.h"

#include <catch2/catch.hpp>

using namespace listener;
using Levels = std::vector<std::string>;

SCENARIO("paths have levels, and a slash in a name is written twice", "[folders]") {
    CHECK(levelsOf("INBOX") == Levels{"INBOX"});
    CHECK(levelsOf("INBOX/a b/c") == Levels{"INBOX", "a b", "c"});
    CHECK(levelsOf("INBOX/Invoices/2026//11") == Levels{"INBOX", "Invoices", "2026/11"});
    CHECK(levelsOf("in//out/x") == Levels{"in/out", "x"});
    CHECK(levelsOf("a///b") == Levels{"a/", "b"});
    for (const auto* const none : {"", "/a", "a/", "/"}) CHECK(levelsOf(none).empty());
    CHECK(asLevel("in/out") == "in//out");
    CHECK(levelsOf(asLevel("/in/out/")) == Levels{"/in/out/"});
}

SCENARIO("patterns fit as LIST has them fit", "[folders]") {
    struct Row {
        std::string_view path, pattern;
        bool fits;
    };
    for (const auto& [path, pattern, fits] : {Row{"INBOX/a/b", "INBOX/*", true},
                                              Row{"INBOX/a/b", "INBOX/%", false},
                                              Row{"INBOX/a", "INBOX/%", true},
                                              Row{"INBOX", "INBOX/*", false},
                                              Row{"a/b/c", "*c", true},
                                              Row{"a/b/c", "%c", false},
                                              Row{"a/b/c", "%/%/%", true},
                                              Row{"a/b/c", "%b%", false},
                                              Row{"abcabd", "*ab%d", true},
                                              Row{"", "*", true},
                                              Row{"", "", true},
                                              Row{"", "%*", true},
                                              Row{"a", "", false},
                                              Row{"a/b", "a%b", false},
                                              Row{"axb/c", "a%/c", true},
                                              Row{"aaa", "*a*a*a*", true},
                                              Row{"Sales/2026/x", "Sales/%/x", true},
                                              Row{"Sales", "Sales*", true},
                                              Row{"Sales/2026/x", "%", false},
                                              Row{"sales", "Sales", false}}) {
        INFO(path << " " << pattern);
        CHECK(fitsPattern(path, pattern) == fits);
    }
    GIVEN("a pattern made to take long") {
        std::string pattern;
        for (int i = 0; i < 500; ++i) pattern += "*a";
        CHECK_FALSE(fitsPattern(std::string(2000, 'a'), pattern + "b"));
        CHECK_FALSE(fitsPattern(std::string(3000, 'a') + "b", "*a*a*a*a*a%a%a%a%a%c"));
    }
}
