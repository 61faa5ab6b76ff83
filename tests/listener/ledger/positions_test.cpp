#include "listener/ledger/position_set.h"
#include "listener/ledger/stored_form.h"

#include <catch2/catch.hpp>

#include <limits>
#include <numeric>

using namespace listener;
using Ordinals = std::vector<std::uint64_t>;

SCENARIO("rising ordinals are stored in few bytes and come back", "[ledger]") {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max() - 1;
    const auto ordinals =
        GENERATE_COPY(Ordinals{}, Ordinals{0}, Ordinals{1}, Ordinals{1, 2, 3}, Ordinals{5, 7, 8, 200, 4'294'967'295}, Ordinals{0, most});
    GIVEN("a set of " + std::to_string(ordinals.size())) {
        THEN("it survives") { CHECK(decodePositions(encodePositions(ordinals), "a test") == ordinals); }
    }
    GIVEN("200 neighbours far up") {
        Ordinals batch(200);
        std::iota(batch.begin(), batch.end(), std::uint64_t{1'000'000});
        THEN("they take five bytes") { CHECK(encodePositions(batch).size() == 5); }
    }
    GIVEN("ordinals that do not rise") {
        THEN("that is a bug") {
            CHECK_THROWS_AS(encodePositions({2, 1}), std::logic_error);
            CHECK_THROWS_AS(encodePositions({2, 2}), std::logic_error);
        }
    }
    GIVEN("bytes that are no such set") {
        using Bytes = std::vector<std::uint8_t>;
        const auto bytes = GENERATE(Bytes{1}, Bytes{1, 0}, Bytes{0x80}, Bytes{1, 0xff, 0xff, 0xff, 0xff, 0x7f}, Bytes(20, 0xff),
                                    Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1});
        THEN("they are told to be damaged") { CHECK_THROWS_AS(decodePositions(bytes, "a test"), plugin::StoreError); }
    }
}

SCENARIO("a delivery id is stored as its 20 bytes", "[ledger]") {
    GIVEN("an id with every kind of character") {
        const std::string id = "abcdefghijklmnopqrstuvwxyz234567";
        THEN("it comes back, and its bytes are those of RFC 4648") {
            const auto bytes = stored::id(id);
            CHECK(stored::deliveryId(bytes) == id);
            CHECK(bytes[0] == 0x00);
            CHECK(bytes[1] == 0x44);
            CHECK(bytes[2] == 0x32);
            CHECK(bytes[19] == 0xdf);
        }
    }
    GIVEN("what is no id") {
        THEN("that is a bug") {
            CHECK_THROWS_AS(stored::id("short"), std::logic_error);
            CHECK_THROWS_AS(stored::id(std::string(32, 'A')), std::logic_error);
        }
    }
}

SCENARIO("states are stored as the words people use", "[ledger]") {
    CHECK(stored::text(AfterAction::Kind::seenAndMove) == "seen+move");
    CHECK(stored::text(AfterAction::Kind::remove) == "delete");
    for (const auto state : {MessageState::pending, MessageState::delivered, MessageState::filtered, MessageState::quarantined, MessageState::dead,
                             MessageState::missing})
        CHECK(stored::messageState(stored::text(state)) == state);
    for (const auto kind : {Start::Kind::now, Start::Kind::all, Start::Kind::since}) CHECK(stored::startKind(stored::text(kind)) == kind);
    CHECK_THROWS_AS(stored::messageState("lost"), plugin::StoreError);
}

SCENARIO("times are stored in milliseconds, however far away", "[ledger]") {
    const plugin::Wall time{std::chrono::milliseconds{1'700'000'000'123}};
    CHECK(stored::time(stored::time(time)) == time);
    CHECK(stored::time(plugin::Wall{std::chrono::microseconds{-1}}) == -1);
    CHECK(stored::time(std::numeric_limits<std::int64_t>::max()) > time);
}
