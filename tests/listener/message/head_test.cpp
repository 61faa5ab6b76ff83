#include "listener/message/message.h"
#include "listener/message/sha256.h"
#include "plugin/contract/text.h"

#include <catch2/catch.hpp>

using namespace listener;
using namespace std::string_view_literals;

namespace {

/// The key as the contract defines it.
Digest keyOf(std::string_view id, std::string_view date, std::string_view from, std::string_view subject) {
    std::string all;
    for (const auto body : {id, date, from, subject}) all.append(body).push_back('\0');
    return sha256(all);
}

std::string hex(const Digest& digest) {
    std::string text;
    for (const auto byte : digest) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 15];
    }
    return text;
}

using Id = std::optional<std::string>;

}  // namespace

SCENARIO("the match key covers the raw bodies of four fields", "[message]") {
    GIVEN("an ordinary head with a folded subject") {
        const auto head = readHead(
            "Received: by x\r\nMessage-ID: <1@x>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nFrom: A <a@x>\r\nSubject: Hi\r\n there\r\n\r\nSubject: "
            "not this\r\n");
        THEN("the key is the one computed elsewhere") {  // python3 hashlib
            CHECK(hex(head.matchKey) == "6df450d4f8f87051d97a1b888455e2b1943a830424c7e2b4066c8089f1377bd6");
        }
        THEN("the Message-ID is found") { CHECK(head.messageId == Id("<1@x>")); }
    }
    GIVEN("nothing at all") {
        THEN("all bodies are empty") { CHECK(hex(readHead("").matchKey) == "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"); }
        THEN("there is no Message-ID") { CHECK(readHead("").messageId == std::nullopt); }
    }
    GIVEN("heads as strange as they come") {
        struct Case {
            std::string_view what, bytes;
            Digest key;
            Id id;
        };
        const auto none = keyOf("", "", "", "");
        const Case cases[] = {
            {"line ends are bare LF", "Message-ID: <1@x>\nSubject: a\n b\n\nFrom: c\n", keyOf(" <1@x>", "", "", " a\n b"), "<1@x>"},
            {"no empty line follows", "Subject: only\r\nMessage-Id:<2@x>", keyOf("<2@x>", "", "", " only"), "<2@x>"},
            {"the first line is empty", "\r\nSubject: body\r\n", none, std::nullopt},
            {"no head, only text", "Dear all,\r\nhere it is\r\n", none, std::nullopt},
            {"an mbox line stands first", "From a@x Mon Jan 1\r\nSubject: s\r\n\r\n", keyOf("", "", "", " s"), std::nullopt},
            {"names in any case, blanks before the colon", "SUBJECT \t: s\r\nfrom:f\r\n\r\n", keyOf("", "", "f", " s"), std::nullopt},
            {"a field comes twice", "Subject: first\r\nSubject: second\r\n\r\n", keyOf("", "", "", " first"), std::nullopt},
            {"an empty one comes first", "Subject:\r\nSubject: second\r\n\r\n", keyOf("", "", "", ""), std::nullopt},
            {"a line of blanks is a continuation", "Subject: a\r\n \t\r\nFrom: f\r\n\r\n", keyOf("", "", " f", " a\r\n \t"), std::nullopt},
            {"a continuation with nothing before it", " Subject: x\r\nFrom: f\r\n\r\n", keyOf("", "", " f", ""), std::nullopt},
            {"a CR alone ends nothing", "Subject: a\rFrom: b\r\n\r\n", keyOf("", "", "", " a\rFrom: b"), std::nullopt},
            {"a name that only begins alike", "Subject-Extra: a\r\nX-Subject: b\r\n\r\n", none, std::nullopt},
            {"octets are octets", "Subject: \0\xFF\x80z\r\n\r\n"sv, keyOf("", "", "", " \0\xFF\x80z"sv), std::nullopt},
            {"the Message-ID is folded", "Message-ID:\r\n\t<long@x> \r\n\r\n", keyOf("\r\n\t<long@x> ", "", "", ""), "<long@x>"},
            {"the Message-ID is UTF-8", "Message-ID: <\xC3\xA4@x>\r\n\r\n", keyOf(" <\xC3\xA4@x>", "", "", ""), "<\xC3\xA4@x>"},
            {"the Message-ID is not UTF-8", "Message-ID: <\xE4@x>\r\n\r\n", keyOf(" <\xE4@x>", "", "", ""), std::nullopt},
            {"the Message-ID holds a NUL", "Message-ID: <\0@x>\r\n\r\n"sv, keyOf(" <\0@x>"sv, "", "", ""), std::nullopt},
            {"the Message-ID is blank", "Message-ID: \t \r\n\r\n", keyOf(" \t ", "", "", ""), std::nullopt},
        };
        for (const auto& one : cases) {
            const auto head = readHead(one.bytes);
            THEN(std::string(one.what)) {
                CHECK(head.matchKey == one.key);
                CHECK(head.messageId == one.id);
            }
        }
    }
}

SCENARIO("a head has limits", "[message]") {
    GIVEN("a subject of 1 MB") {
        const std::string head = "Subject: " + std::string(1'000'000, 's') + "\r\nFrom: f\r\n\r\n";
        THEN("what stands within the limit counts, and what comes later does not") {
            CHECK(readHead(head).matchKey == keyOf("", "", "", " " + std::string(headLimit - 9, 's')));
        }
    }
    GIVEN("a million continuation lines") {
        std::string head = "Subject:";
        while (head.size() < headLimit) head += "\n ";
        THEN("they are one body") { CHECK(readHead(head).matchKey == keyOf("", "", "", std::string_view(head).substr(8, headLimit - 8))); }
    }
    GIVEN("Message-IDs around the longest line") {
        THEN("998 octets are one, 999 are none") {
            CHECK(readHead("Message-ID: " + std::string(998, 'i') + "\r\n\r\n").messageId == Id(std::string(998, 'i')));
            CHECK(readHead("Message-ID: " + std::string(999, 'i') + "\r\n\r\n").messageId == std::nullopt);
            CHECK(readHead("Message-ID: " + std::string(200'000, 'i') + "\r\n\r\n").messageId == std::nullopt);
        }
    }
}

SCENARIO("UTF-8 is what RFC 3629 says", "[message]") {
    for (const auto good : {""sv, "a"sv, "\0"sv, "\x7f"sv, "\xC2\x80"sv, "\xDF\xBF"sv, "\xE0\xA0\x80"sv, "\xED\x9F\xBF"sv, "\xEE\x80\x80"sv,
                            "\xF0\x90\x80\x80"sv, "\xF4\x8F\xBF\xBF"sv})
        CHECK(plugin::isUtf8(good));
    for (const auto bad : {"\x80"sv, "\xBF"sv, "\xC0\x80"sv, "\xC1\xBF"sv, "\xC2"sv, "\xC2\x41"sv, "\xE0\x9F\xBF"sv, "\xED\xA0\x80"sv, "\xE2\x82"sv,
                           "\xF0\x8F\xBF\xBF"sv, "\xF4\x90\x80\x80"sv, "\xF5\x80\x80\x80"sv, "\xFF"sv, "a\xF0\x9F\x98"sv})
        CHECK_FALSE(plugin::isUtf8(bad));
}
