#include "auth/json_object.h"

#include <catch2/catch.hpp>

#include <string>

using auth::JsonObject;

SCENARIO("members of an object are found by name", "[json]") {
    const auto object = JsonObject::parse(
        "\xef\xbb\xbf \r\n{ \"a\" : \"x\\n\\u00e9\\ud83d\\ude00\\/\" "
        ",\"n\":-12.5e+3,\"t\":true,\"z\":null,\"l\":[1,{\"q\":\"]\"}],\"o\":{\"k\":[]},\"a b\":\"\"}\t");
    REQUIRE(object);
    CHECK(object->string("a") == "x\n\xc3\xa9\xf0\x9f\x98\x80/");
    CHECK(object->string("a b") == "");
    REQUIRE(object->find("n") != nullptr);
    CHECK(object->find("n")->text.reveal() == "-12.5e+3");
    CHECK(object->find("n")->kind == JsonObject::Kind::number);
    CHECK(object->find("t")->kind == JsonObject::Kind::boolean);
    CHECK(object->find("z")->kind == JsonObject::Kind::null);
    CHECK(object->find("l")->text.reveal() == "[1,{\"q\":\"]\"}]");
    CHECK(object->find("o")->kind == JsonObject::Kind::object);
    CHECK(object->find("missing") == nullptr);
    CHECK_FALSE(object->string("n"));
}

SCENARIO("of two members with one name the later counts", "[json]") {
    const auto object = JsonObject::parse(R"({"a":"1","a":"2"})");
    REQUIRE(object);
    CHECK(object->string("a") == "2");
}

SCENARIO("whole numbers are read from numbers and strings", "[json]") {
    const auto object = JsonObject::parse(R"({"a":3599,"b":"3599","c":3599.0,"d":3599.5,"e":"","f":"12x","g":true,"h":-1,"i":99999999999999999999})");
    REQUIRE(object);
    CHECK(object->integer("a") == 3599);
    CHECK(object->integer("b") == 3599);
    CHECK(object->integer("c") == 3599);
    CHECK(object->integer("h") == -1);
    for (const auto* name : {"d", "e", "f", "g", "i", "missing"}) CHECK_FALSE(object->integer(name));
}

SCENARIO("what is not one complete JSON object is refused", "[json]") {
    const auto text =
        GENERATE(as<std::string>{}, "", " ", "[]", "\"a\"", "{", "{}x", "{}{}", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}",
                 "{\"a\":01}", "{\"a\":+1}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "{\"a\":-}", "{\"a\":tru}", "{\"a\":nulll}", "{\"a\":\"\n\"}",
                 "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ude00\"}", "{\"a\":\"\\ud800\\u0041\"}",
                 "{\"a\":\"\\u-123\"}", "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":{\"b\" 1}}", "<html>", "{\"a\":\"");
    WHEN("\"" + text + "\" is parsed") {
        THEN("there is no object") { CHECK_FALSE(JsonObject::parse(text)); }
    }
}

SCENARIO("depth and number of members are limited", "[json]") {
    const auto nested = [](std::size_t depth) { return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}"; };
    CHECK(JsonObject::parse(nested(31)));
    CHECK_FALSE(JsonObject::parse(nested(32)));
    CHECK_FALSE(JsonObject::parse("{\"a\":" + std::string(1'000'000, '[')));

    const auto wide = [](std::size_t count) {
        std::string text = "{\"a\":0";
        for (std::size_t i = 1; i < count; ++i) text += ",\"a\":0";
        return text + "}";
    };
    CHECK(JsonObject::parse(wide(JsonObject::maxMembers)));
    CHECK_FALSE(JsonObject::parse(wide(JsonObject::maxMembers + 1)));
}
