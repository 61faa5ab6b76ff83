#include "listener/engine/id_matching.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace listener;
using Found = std::vector<std::optional<std::size_t>>;

namespace {

Digest digest(char of) {
    Digest bytes{};
    bytes.fill(static_cast<std::uint8_t>(of));
    return bytes;
}
Identified shown(std::uint64_t ordinal, char head, std::uint64_t cross = 0) {
    return {.ordinal = ordinal, .matchKey = digest(head), .crossKey = cross};
}
Candidate row(std::int64_t number, char head, std::uint64_t cross = 0) { return {.number = number, .matchKey = digest(head), .crossKey = cross}; }
Claim here(std::size_t candidate, std::uint64_t ordinal) { return {.candidate = candidate, .ordinal = ordinal}; }
Claim elsewhere(std::size_t candidate) { return {.candidate = candidate, .id = "id"}; }

}  // namespace

SCENARIO("what ids claim is believed as far as it can do no harm", "[matching]") {
    const std::vector<Identified> messages{shown(3, 'a', 7), shown(5, 'a', 7), shown(9, 'b', 8)};
    std::vector<Candidate> rows{row(1, 'a', 7), row(2, 'x', 8)};
    GIVEN("ids of messages that are like the known ones") {
        const std::vector<Claim> claims{here(0, 5), here(1, 9)};
        const auto told = judgeClaims(messages, rows, claims);
        THEN("they tell which of several alike is meant, by whatever of the keys agrees") { CHECK(told.found == Found{std::nullopt, 0, 1}); }
        THEN("they are counted") { CHECK(told.count == 2); }
    }
    GIVEN("an id of a message that is not like the known one at all") {
        const std::vector<Claim> claims{here(0, 9)};
        CHECK(judgeClaims(messages, rows, claims).found == Found{std::nullopt, std::nullopt, std::nullopt});
    }
    GIVEN("two known ones that are said to be one message") {
        rows[1] = row(2, 'a', 7);
        const std::vector<Claim> claims{here(0, 5), here(1, 5)};
        CHECK(judgeClaims(messages, rows, claims).count == 0);
    }
    GIVEN("a place where nothing was identified") {
        const std::vector<Claim> claims{here(0, 4)};
        CHECK(judgeClaims(messages, rows, claims).count == 0);
    }
}

SCENARIO("that a known message is elsewhere is believed where nearly all others are here", "[matching]") {
    std::vector<Identified> messages;
    std::vector<Candidate> rows;
    std::vector<Claim> claims;
    for (std::uint64_t i = 0; i < 10; ++i) {
        messages.push_back(shown(i + 1, static_cast<char>('a' + i)));
        rows.push_back(row(static_cast<std::int64_t>(i), static_cast<char>('a' + i)));
        claims.push_back(here(i, i + 1));
    }
    rows.push_back(row(77, 'a'));
    claims.push_back(elsewhere(10));
    GIVEN("ten that are here for it") {
        const auto told = judgeClaims(messages, rows, claims);
        CHECK(told.count == 10);
        CHECK(told.absent[10]);
        CHECK(std::count(told.absent.begin(), told.absent.end(), true) == 1);
        CHECK(told.elsewhere == std::vector<std::pair<std::int64_t, std::string>>{{77, "id"}});
    }
    GIVEN("fewer") {
        claims.erase(claims.begin());
        const auto told = judgeClaims(messages, rows, claims);
        CHECK(told.elsewhere.empty());
        CHECK(told.absent == std::vector<bool>(11));
    }
    GIVEN("ten that are known by their own places: they say nothing of what the server translates") {
        for (std::size_t i = 0; i < 10; ++i) claims[i].translated = false;
        const auto told = judgeClaims(messages, rows, claims);
        CHECK(told.count == 10);
        CHECK(told.absent == std::vector<bool>(11));
    }
}

SCENARIO("positions that a protocol had before mean the same only in the same folder as it was", "[matching]") {
    const auto record = [](std::int64_t id, const char* protocol, const char* name, std::uint64_t validity) {
        FolderRecord one{.id = id, .protocol = protocol, .name = name, .validity = validity};
        one.cursor = 8;
        return one;
    };
    const std::vector<FolderRecord> records{record(1, "imap", "INBOX", 7), record(2, "graph", "INBOX", 7), record(3, "imap", "Orders", 7),
                                            record(4, "imap", "INBOX", 7), record(5, "ews", "INBOX", 9)};
    CHECK(formerRecord(records, "imap", "INBOX", {.validity = 7, .next = 20}) == 4);
    CHECK(formerRecord(records, "graph", "INBOX", {.validity = 7, .next = 20}) == 2);
    CHECK(formerRecord(records, "ews", "INBOX", {.validity = 7, .next = 20}) == std::nullopt);
    CHECK(formerRecord(records, "ews", "Orders", {.validity = 9, .next = 20}) == std::nullopt);
    CHECK(formerRecord(records, "imap", "INBOX", {.validity = 7, .next = 5}) == std::nullopt);
}
