#include "listener/message/metadata.h"

#include "listener/message/sha256.h"
#include "plugin/contract/text.h"

#include <Poco/JSON/Parser.h>

#include <catch2/catch.hpp>

using namespace listener;
using namespace std::string_literals;

namespace {

Message someMessage() {
    Message message;
    message.id = "abvomjqt3h5sbvweqjpba4pr7fmy6x3x";
    message.mailbox = "orders";
    message.folder = "INBOX";
    message.protocol = "imap";
    message.position = {"1700000000:42", 42};
    message.received = plugin::Wall{std::chrono::seconds{1793467923}};
    message.flags = {"\\Seen", "$Forwarded"};
    message.messageId = "<1@x>";
    auto bytes = std::make_shared<const std::string>("Subject: x\r\n\r\nbody\r\n");
    message.content = Content(bytes, sha256(*bytes));
    return message;
}

}  // namespace

SCENARIO("metadata is one line of JSON with all keys in order", "[message]") {
    GIVEN("a message of which everything is known") {
        THEN("it is exactly this") {
            CHECK(
                metadataJson(someMessage()) ==
                R"({"version":1,"id":"abvomjqt3h5sbvweqjpba4pr7fmy6x3x","mailbox":"orders","folder":"INBOX","protocol":"imap","position":"1700000000:42",)"
                R"("received":"2026-10-31T17:32:03Z","size":20,"sha256":"94aa02c65e3473d1c7d53430c4fd2b49d6b8cbc875139d1b4b248e6a8243bf38",)"
                R"("message_id":"<1@x>","flags":["\\Seen","$Forwarded"]})"
                "\n");
        }
    }
    GIVEN("a message without Message-ID and flags") {
        auto message = someMessage();
        message.messageId.reset();
        message.flags.clear();
        THEN("no key is left out") { CHECK(metadataJson(message).ends_with("\"message_id\":null,\"flags\":[]}\n")); }
    }
    GIVEN("dates of all kinds") {
        const std::pair<std::int64_t, std::string> dates[] = {{0, "1970-01-01T00:00:00Z"},
                                                              {-1, "1969-12-31T23:59:59Z"},
                                                              {951826154, "2000-02-29T12:09:14Z"},
                                                              {4107542399, "2100-02-28T23:59:59Z"},
                                                              {-2208988801, "1899-12-31T23:59:59Z"}};
        for (const auto& [seconds, text] : dates) {
            auto message = someMessage();
            message.received = plugin::Wall{std::chrono::seconds{seconds}} + std::chrono::milliseconds{999};
            CHECK(metadataJson(message).find("\"received\":\"" + text + "\"") != std::string::npos);
        }
    }
}

SCENARIO("whatever a server sent, metadata is valid", "[message]") {
    GIVEN("hostile names") {
        auto message = someMessage();
        message.folder = "a\"b\\c/\r\n\t\x01\x7f";
        message.flags = {"\xFF\xFE", "\xC3", "\xED\xA0\x80", "\0"s, "\xF0\x9F\x93\xA7"};
        const auto json = metadataJson(message);
        THEN("they are escaped or replaced, character by character") {
            CHECK(json.find(R"("folder":"a\"b\\c/\u000d\n\u0009\u0001\u007f")") != std::string::npos);
            CHECK(json.find("\"flags\":[\"\xEF\xBF\xBD\xEF\xBF\xBD\",\"\xEF\xBF\xBD\",\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\",\"\\u0000\","
                            "\"\xF0\x9F\x93\xA7\"]") != std::string::npos);
        }
    }
    GIVEN("every pair of octets") {
        for (unsigned first = 0; first < 256; ++first) {
            auto message = someMessage();
            message.folder.clear();
            message.flags.clear();
            for (unsigned second = 0; second < 256; ++second) {
                message.folder += static_cast<char>(first);
                message.folder += static_cast<char>(second);
                message.flags.push_back({static_cast<char>(first), static_cast<char>(second)});
            }
            const auto json = metadataJson(message);
            REQUIRE(plugin::isUtf8(json));
            REQUIRE(json.find('\n') == json.size() - 1);
            Poco::JSON::Parser parser;
            const auto object = parser.parse(json).extract<Poco::JSON::Object::Ptr>();
            REQUIRE(object->size() == 11);
            REQUIRE(object->getArray("flags")->size() == 256);
        }
    }
}
