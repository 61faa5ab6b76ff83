#include "auth/sasl/base64.h"

#include <catch2/catch.hpp>

#include <string>

using auth::sasl::base64;
using auth::sasl::decodeBase64;

SCENARIO("Base64 is written as RFC 4648 section 10 shows", "[sasl]") {
    struct Row {
        std::string plain, encoded;
    };
    const auto row = GENERATE(Row{"", ""}, Row{"f", "Zg=="}, Row{"fo", "Zm8="}, Row{"foo", "Zm9v"}, Row{"foob", "Zm9vYg=="}, Row{"fooba", "Zm9vYmE="},
                              Row{"foobar", "Zm9vYmFy"}, Row{"\xff\xef\xbe", "/+++"});
    GIVEN("the octets of \"" + row.encoded + "\"") {
        THEN("they are encoded so") { CHECK(base64(row.plain).reveal() == row.encoded); }
        THEN("and decoded back") {
            const auto decoded = decodeBase64(row.encoded);
            REQUIRE(decoded);
            CHECK(decoded->reveal() == row.plain);
        }
    }
}

SCENARIO("every octet survives, in every place of a group", "[sasl]") {
    std::string all;
    for (int octet = 0; octet < 256; ++octet) all += static_cast<char>(octet);
    const auto shift = GENERATE(0, 1, 2);
    const auto plain = std::string(static_cast<std::size_t>(shift), 'x') + all;
    const auto encoded = base64(plain);
    const auto decoded = decodeBase64(encoded.reveal());
    REQUIRE(decoded);
    CHECK(decoded->reveal() == plain);
    CHECK(encoded.reveal().find_first_of("\r\n ") == std::string_view::npos);
}

SCENARIO("for URLs it has another alphabet and no padding", "[sasl]") {
    using auth::sasl::base64Url;
    using auth::sasl::decodeBase64Url;
    CHECK(base64Url("\xff\xef\xbe").reveal() == "_---");
    for (const std::string plain : {"", "f", "fo", "foo", "\xff\xef\xbe\xff"}) {
        const auto encoded = base64Url(plain);
        INFO(encoded.reveal());
        CHECK(encoded.reveal().find('=') == std::string_view::npos);
        const auto decoded = decodeBase64Url(encoded.reveal());
        REQUIRE(decoded);
        CHECK(decoded->reveal() == plain);
    }
    for (const auto* bad : {"Zg==", "Zm+v", "Zm/v", "Z", "Zh", "Zm9v "}) CHECK_FALSE(decodeBase64Url(bad));
}

SCENARIO("what only looks like Base64 is refused", "[sasl]") {
    const auto text = GENERATE("Z", "Zg", "Zg=", "Zg==Zg==", "Zm9v\r\n", " Zm9v", "Zm9v====", "====", "Z===", "Zm-v", "Zm_v", "Zh==", "Zm9=");
    WHEN("\"" + std::string(text) + "\" is decoded") {
        THEN("there is no answer") { CHECK_FALSE(decodeBase64(text)); }
    }
}
