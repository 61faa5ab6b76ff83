#include "listener/message/message.h"

#include <catch2/catch.hpp>

using namespace listener;
using namespace std::chrono_literals;

namespace {

plugin::Wall at(std::int64_t seconds) { return plugin::Wall{std::chrono::seconds{seconds}}; }

}  // namespace

SCENARIO("a delivery id is made from received time, mailbox, protocol, folder and position alone", "[message]") {
    // Expected values: python3, base64.b32encode(seconds.to_bytes(5) + sha256(b"postern-id-1\0" + b"\0".join(parts)).digest()[:15]).lower()
    GIVEN("a message in an inbox") {
        const auto id = deliveryId(at(1793467923), "orders", "imap", "INBOX", "1700000000:42");
        THEN("its id is the one computed elsewhere") { CHECK(id == "abvomjqt3h5sbvweqjpba4pr7fmy6x3x"); }
        THEN("it looks like one") { CHECK(isDeliveryId(id)); }
        THEN("parts of a second do not matter") { CHECK(deliveryId(at(1793467923) + 999ms, "orders", "imap", "INBOX", "1700000000:42") == id); }
        THEN("each part matters, and where it ends") {
            CHECK(deliveryId(at(1793467924), "orders", "imap", "INBOX", "1700000000:42") != id);
            CHECK(deliveryId(at(1793467923), "order", "imap", "INBOX", "1700000000:42") != id);
            CHECK(deliveryId(at(1793467923), "orders", "pop3", "INBOX", "1700000000:42") != id);
            CHECK(deliveryId(at(1793467923), "orders", "imap", "INBOX", "1700000000:43") != id);
            CHECK(deliveryId(at(1793467923), "ordersimap", "", "INBOX", "1700000000:42") != id);
        }
    }
    GIVEN("names beyond ASCII and the highest numbers of IMAP") {
        THEN("the id is the one computed elsewhere") {
            CHECK(deliveryId(at(1793467923),
                             "b\xC3\xBC"
                             "cher",
                             "imap", "Entw\xC3\xBCrfe/\xC3\x84", "4294967295:4294967295") == "abvomjqtnyj56itc4lof4gg4653wndwo");
        }
    }
    GIVEN("a date at or before 1970") {
        THEN("it counts as the beginning of time") {
            CHECK(deliveryId(at(0), "a", "imap", "INBOX", "1:1") == "aaaaaaaaduj2pkd2y7wrz62s5emdntfo");
            CHECK(deliveryId(at(-5), "a", "imap", "INBOX", "1:1") == "aaaaaaaaduj2pkd2y7wrz62s5emdntfo");
            CHECK(deliveryId(at(0) - 1ms, "a", "imap", "INBOX", "1:1") == "aaaaaaaaduj2pkd2y7wrz62s5emdntfo");
        }
    }
    GIVEN("messages of one second and of the next") {
        const auto first = deliveryId(at(1793467923), "a", "imap", "x", "1:1");
        THEN("the first eight characters are the second") {
            CHECK(deliveryId(at(1793467923), "z", "imap", "b", "9:9").substr(0, 8) == first.substr(0, 8));
            CHECK(deliveryId(at(1793467924), "a", "imap", "x", "1:1").substr(0, 8) != first.substr(0, 8));
        }
    }
}

SCENARIO("only what can be an id is taken for one", "[message]") {
    CHECK(isDeliveryId("abcdefghijklmnopqrstuvwxyz234567"));
    CHECK_FALSE(isDeliveryId(""));
    CHECK_FALSE(isDeliveryId("abcdefghijklmnopqrstuvwxyz23456"));
    CHECK_FALSE(isDeliveryId("abcdefghijklmnopqrstuvwxyz2345677"));
    CHECK_FALSE(isDeliveryId("Abcdefghijklmnopqrstuvwxyz234567"));
    CHECK_FALSE(isDeliveryId("abcdefghijklmnopqrstuvwxyz234568"));
    CHECK_FALSE(isDeliveryId("abcdefghijklmnopqrstuvwxyz23456/"));
    CHECK_FALSE(isDeliveryId(std::string("abcdefghijklmnopqrstuvwxyz23456\0", 32)));
}
