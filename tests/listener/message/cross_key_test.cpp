#include "listener/message/cross_key.h"
#include "listener/message/message.h"

#include <catch2/catch.hpp>

using namespace listener;
using Id = std::optional<std::string>;

SCENARIO("a message has one key, whatever protocol shows its head", "[message]") {
    GIVEN("a Message-ID") {
        const auto key = crossKey(Id("<a@example.com>"), "someone@example.com", "one");
        THEN("its brackets count for nothing, nor does anything else") {
            CHECK(crossKey(Id("a@example.com"), "", "another") == key);
            CHECK(crossKey(Id(" <a@example.com> "), "", "") == key);
            CHECK(crossKey(Id("<b@example.com>"), "someone@example.com", "one") != key);
        }
    }
    GIVEN("none") {
        const auto key = crossKey(std::nullopt, "someone@example.com",
                                  "Gr\xc3\xbc\xc3\x9f"
                                  "e aus K\xc3\xb6ln");
        THEN("sender and subject tell, as people read them") {
            CHECK(crossKey(Id(""), " \"Some One\" <Someone@Example.com>\r\n", " =?iso-8859-1?Q?Gr=FC=DFe?= aus\r\n =?utf-8?b?S8O2bG4=?=\r\n") == key);
            CHECK(crossKey(std::nullopt, "someone@example.com (Some One)",
                           "Gr\xc3\xbc\xc3\x9f"
                           "e  aus K\xc3\xb6ln ") == key);
            CHECK(crossKey(std::nullopt, "another@example.com",
                           "Gr\xc3\xbc\xc3\x9f"
                           "e aus K\xc3\xb6ln") != key);
            CHECK(crossKey(std::nullopt, "someone@example.com",
                           "Gr\xc3\xbc\xc3\x9f"
                           "e") != key);
        }
        THEN("nothing at all is no key") {
            CHECK(crossKey(std::nullopt, "", " \r\n") == 0);
            CHECK(crossKey(Id("<>"), "", "") == 0);
        }
    }
    GIVEN("a head") {
        const auto head = readHead("Message-ID: <x@y>\r\nFrom: a@b\r\nSubject: s\r\n\r\n");
        THEN("it has that key") { CHECK(head.crossKey == crossKey(Id("x@y"), "", "")); }
        THEN("a Message-ID that cannot be shown is none") {
            CHECK(readHead("From: A <a@b>\r\nSubject: =?utf-8?q?s?=\r\n\r\n").crossKey == crossKey(std::nullopt, "a@b", "s"));
        }
    }
}

SCENARIO("encoded words are read as people read them", "[message]") {
    struct Case {
        const char* what;
        const char* body;
        const char* text;
    };
    const auto one = GENERATE(from_range(std::vector<Case>{
        {"plain text", " Hello \t world\r\n", "Hello world"},
        {"blanks between two words", "=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
        {"words of two charsets", "=?utf-8?q?=C3=A4?=\r\n =?iso-8859-15?q?=A4?=", "\xc3\xa4\xe2\x82\xac"},
        {"a character cut between two words", "=?utf-8?b?ww==?= =?utf-8?q?=A4?=", "\xc3\xa4"},
        {"an underscore", "=?us-ascii?Q?a_b?=", "a b"},
        {"a language", "=?utf-8*en?q?a?=", "a"},
        {"a charset nobody knows", "=?x-none?q?a?= b", "=?x-none?q?a?= b"},
        {"what only looks like one", "=?utf-8?q?a b?= =?=", "=?utf-8?q?a b?= =?="},
        {"a broken hexadecimal digit", "=?utf-8?q?=G1?=", "=?utf-8?q?=G1?="},
        {"octets that are not of the charset", "=?utf-8?q?=FF?=", "=?utf-8?q?=FF?="},
        {"Japanese", "=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
    }));
    GIVEN(one.what) {
        THEN("it means that") { CHECK(readableText(one.body) == one.text); }
    }
}
