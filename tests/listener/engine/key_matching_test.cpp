#include "listener/engine/key_matching.h"

#include <catch2/catch.hpp>

using namespace listener;
using Found = std::vector<std::optional<std::size_t>>;
using Few = std::vector<std::size_t>;
using Doubts = std::vector<bool>;

namespace {

Digest digest(char of) {
    Digest bytes{};
    bytes.fill(static_cast<std::uint8_t>(of));
    return bytes;
}
plugin::Wall at(int second) { return plugin::Wall{std::chrono::seconds{second}}; }

Identified shown(char head, int second, std::uint64_t cross) { return {.received = at(second), .matchKey = digest(head), .crossKey = cross}; }
Candidate row(char head, int second, std::uint64_t cross) {
    return {.number = 1, .received = at(second), .size = 10, .settled = true, .matchKey = digest(head), .crossKey = cross};
}
Candidate removed(char head, int second, std::uint64_t cross) {
    auto one = row(head, second, cross);
    one.removed = true;
    return one;
}

Found match(const std::vector<Identified>& messages, const std::vector<Candidate>& rows) { return matchByKeys(messages, rows).found; }

}  // namespace

SCENARIO("messages are found again by their keys, whatever octets the server makes of them", "[matching]") {
    GIVEN("heads that are as they were") {
        THEN("they tell, in any order") {
            CHECK(match({shown('b', 7, 0), shown('a', 1, 0), shown('c', 3, 0)}, {row('a', 1, 0), row('b', 7, 0)}) == Found{1, 0, std::nullopt});
        }
        THEN("one of another second is another copy, which nobody has delivered") {
            CHECK(match({shown('a', 4, 77)}, {row('a', 1, 77)}) == Found{std::nullopt});
        }
        THEN("of several equal ones those of the same second are the same") {
            CHECK(match({shown('a', 1, 0), shown('a', 2, 0)}, {row('a', 2, 0), row('a', 1, 0)}) == Found{1, 0});
            CHECK(match({shown('a', 5, 0), shown('a', 2, 0)}, {row('a', 2, 0), row('a', 1, 0)}) == Found{std::nullopt, 0});
        }
    }
    GIVEN("heads that another protocol shows in another way") {
        THEN("the cross key tells, of the same second only") {
            CHECK(match({shown('x', 1, 77), shown('y', 9, 88)}, {row('a', 1, 77), row('b', 2, 88)}) == Found{0, std::nullopt});
        }
        THEN("no cross key tells nothing") { CHECK(match({shown('x', 1, 0)}, {row('a', 1, 0)}) == Found{std::nullopt}); }
        THEN("a message without a date is found by its head alone") {
            const std::vector<Identified> undated{{.matchKey = digest('x'), .crossKey = 77}};
            CHECK(match(undated, {row('a', 1, 77)}) == Found{std::nullopt});
            CHECK(match(undated, {row('x', 1, 0)}) == Found{0});
        }
    }
    GIVEN("fewer messages than known ones that have all in common") {
        THEN("each of them is known") {
            CHECK(match({shown('x', 1, 7), shown('x', 1, 7)}, {row('a', 1, 7), row('a', 1, 7), row('a', 1, 7)}) == Found{0, 1});
        }
        THEN("nothing is doubtful: those that are missing are gone") {
            const auto told = matchByKeys(std::vector{shown('x', 1, 7)}, std::vector{row('a', 1, 7), row('a', 1, 7)});
            CHECK(told.undecided == Few{});
            CHECK(told.doubtful == Doubts{false});
        }
    }
    GIVEN("more messages than known ones that have all in common") {
        THEN("none is taken for known: rather delivered than lost") {
            CHECK(match({shown('a', 1, 7), shown('a', 1, 7)}, {row('a', 1, 7)}) == Found{std::nullopt, std::nullopt});
        }
        THEN("whatever their sizes are, and the known one's") {
            auto small = shown('a', 1, 7), large = shown('a', 1, 7);
            small.size = 10, large.size = 5'000'000;
            CHECK(match({small, large}, {row('a', 1, 7)}) == Found{std::nullopt, std::nullopt});
        }
        THEN("all of them are doubtful, and none is said to be a known one later") {
            const auto told =
                matchByKeys(std::vector{shown('x', 1, 7), shown('b', 2, 0), shown('x', 1, 7)}, std::vector{row('b', 2, 0), row('a', 1, 7)});
            CHECK(told.found == Found{std::nullopt, 0, std::nullopt});
            CHECK(told.doubtful == Doubts{true, false, true});
            CHECK(told.undecided == Few{1});
        }
        THEN("heads that are as they were tell which is meant, if they do") {
            const auto told = matchByKeys(std::vector{shown('x', 1, 7), shown('a', 1, 7)}, std::vector{row('a', 1, 7)});
            CHECK(told.found == Found{std::nullopt, 0});
            CHECK(told.doubtful == Doubts{false, false});
            CHECK(told.undecided == Few{});
        }
    }
    GIVEN("a message we took away ourselves") {
        THEN("one that is like it is another one, and perhaps it all the same") {
            for (const auto& message : {shown('a', 1, 7), shown('x', 1, 7)}) {
                const auto told = matchByKeys(std::vector{message}, std::vector{removed('a', 1, 7)});
                CHECK(told.found == Found{std::nullopt});
                CHECK(told.doubtful == Doubts{true});
                CHECK(told.undecided == Few{});
            }
        }
        THEN("of another second there is no doubt") {
            CHECK(matchByKeys(std::vector{shown('a', 2, 7)}, std::vector{removed('a', 1, 7)}).doubtful == Doubts{false});
        }
        THEN("it keeps none from being found that is there") {
            CHECK(match({shown('a', 1, 7)}, {removed('a', 1, 7), row('a', 1, 7)}) == Found{1});
            CHECK(match({shown('a', 1, 7), shown('a', 1, 7)}, {removed('a', 1, 7), row('a', 1, 7)}) == Found{std::nullopt, std::nullopt});
        }
    }
    GIVEN("a row of which nobody could tell before which of several messages it is") {
        auto undecided = row('a', 1, 7);
        undecided.undecided = true;
        THEN("it is not told by its keys now either, though there are no more messages than rows") {
            for (const auto& message : {shown('a', 1, 7), shown('x', 1, 7)}) {
                const auto told = matchByKeys(std::vector{message}, std::vector{undecided});
                CHECK(told.found == Found{std::nullopt});
                CHECK(told.doubtful == Doubts{true});
                CHECK(told.undecided == Few{0});
            }
            const auto told = matchByKeys(std::vector{shown('a', 1, 7), shown('x', 1, 7)}, std::vector{row('a', 1, 7), undecided});
            CHECK(told.found == Found{0, std::nullopt});
            CHECK(told.doubtful == Doubts{false, true});
        }
        THEN("it keeps none from being found that is there") {
            CHECK(match({shown('a', 1, 7)}, {undecided, row('a', 1, 7)}) == Found{1});
            CHECK(match({shown('a', 1, 7), shown('a', 1, 7)}, {undecided, row('a', 1, 7)}) == Found{std::nullopt, std::nullopt});
        }
        THEN("an id says which it is") { CHECK(matchByKeys(std::vector{shown('a', 1, 7)}, std::vector{undecided}, {0}).found == Found{0}); }
    }
    GIVEN("some that are found already, and candidates that are not to be considered") {
        const std::vector<Identified> messages{shown('a', 1, 0), shown('a', 1, 0)};
        const std::vector<Candidate> rows{row('a', 1, 0), row('a', 1, 0)};
        THEN("they are left alone") {
            CHECK(matchByKeys(messages, rows, {std::nullopt, 0}, {true, false}).found == Found{1, 0});
            CHECK(matchByKeys(messages, rows, {}, {true, true}).found == Found{std::nullopt, std::nullopt});
            CHECK(matchByKeys(messages, rows, {}, {true, false}).undecided == Few{1});
        }
    }
}
