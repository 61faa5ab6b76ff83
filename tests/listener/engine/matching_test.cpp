#include "listener/engine/matching.h"

#include <catch2/catch.hpp>

using namespace listener;
using namespace std::chrono_literals;

namespace {

Digest digest(char of) {
    Digest bytes{};
    bytes.fill(static_cast<std::uint8_t>(of));
    return bytes;
}
plugin::Wall at(int second) { return plugin::Wall{std::chrono::seconds{second}}; }

Candidate row(char head, int second, std::uint64_t size, char content) {
    return {.number = 1, .received = at(second), .size = size, .settled = true, .matchKey = digest(head), .sha256 = digest(content)};
}

/// A mailbox: what it shows of each message, and what its contents are.
struct Mails {
    std::vector<Identified> shown{};
    std::map<std::uint64_t, Digest> contents{};
    std::size_t asked = 0;
    void add(char head, std::optional<plugin::Wall> received, std::optional<std::uint64_t> size, char content) {
        shown.push_back({shown.size() + 1, received, size, digest(head)});
        contents[shown.size()] = digest(content);
    }
    std::vector<std::optional<std::size_t>> match(const std::vector<Candidate>& rows) {
        Matching matching(shown, rows);
        for (auto question = matching.question(); !question.empty(); question = matching.question()) {
            std::map<std::uint64_t, Digest> answer;
            for (const auto ordinal : question)
                if (contents.contains(ordinal)) answer[ordinal] = contents[ordinal];
            asked += question.size();
            matching.answer(answer);
        }
        CHECK(matching.compared() == asked);
        return matching.found();
    }
};
using Found = std::vector<std::optional<std::size_t>>;

}  // namespace

SCENARIO("messages are found again by what they are", "[matching]") {
    Mails mails;
    GIVEN("heads that differ") {
        mails.add('b', at(2), 20, 'y');
        mails.add('a', at(1), 10, 'x');
        mails.add('c', at(3), 30, 'z');
        THEN("they tell all, in any order, and no content is asked for") {
            CHECK(mails.match({row('a', 1, 10, 'x'), row('b', 2, 20, 'y')}) == Found{1, 0, std::nullopt});
            CHECK(mails.asked == 0);
        }
    }
    GIVEN("one head, told apart by second or size") {
        mails.add('a', at(1), 10, 'x');
        mails.add('a', at(2), 10, 'y');
        mails.add('a', at(2), 11, 'z');
        THEN("those break the tie") {
            CHECK(mails.match({row('a', 2, 11, 'z'), row('a', 2, 10, 'y'), row('a', 1, 10, 'x')}) == Found{2, 1, 0});
            CHECK(mails.asked == 0);
        }
    }
    GIVEN("one head, second and size, and two contents") {
        mails.add('a', at(1), 10, 'x');
        mails.add('a', at(1), 10, 'y');
        THEN("contents decide which is which") { CHECK(mails.match({row('a', 1, 10, 'y'), row('a', 1, 10, 'x')}) == Found{1, 0}); }
        THEN("one of them gone and another new is seen") {
            CHECK(mails.match({row('a', 1, 10, 'y'), row('a', 1, 10, 'q')}) == Found{std::nullopt, 0});
        }
        THEN("with one row only one is known") { CHECK(mails.match({row('a', 1, 10, 'y')}) == Found{std::nullopt, 0}); }
        THEN("a content that cannot be had matches nothing") {
            mails.contents.erase(2);
            CHECK(mails.match({row('a', 1, 10, 'y')}) == Found{std::nullopt, std::nullopt});
        }
    }
    GIVEN("twice the same mail, known once") {
        mails.add('a', at(1), 10, 'x');
        mails.add('a', at(1), 10, 'x');
        THEN("one of them is new") { CHECK(mails.match({row('a', 1, 10, 'x')}) == Found{0, std::nullopt}); }
    }
    GIVEN("the same head later, with another body") {
        mails.add('a', at(9), 12, 'y');
        THEN("it is another message") { CHECK(mails.match({row('a', 1, 10, 'x')}) == Found{std::nullopt}); }
    }
    GIVEN("a mail we took away, and another of its head, second and size") {
        auto removed = row('a', 1, 10, 'x');
        removed.removed = true;
        mails.add('a', at(1), 10, 'y');
        THEN("it is new") { CHECK(mails.match({removed}) == Found{std::nullopt}); }
        THEN("the same octets in the same second are the one we took away") {
            mails.contents[1] = digest('x');
            CHECK(mails.match({removed}) == Found{0});
        }
        THEN("the same octets in another second are not") {
            mails.contents[1] = digest('x');
            mails.shown[0].received = at(2);
            CHECK(mails.match({removed}) == Found{std::nullopt});
        }
    }
    GIVEN("a mail we took away, and another of the same octets and second that is still under way") {
        auto removed = row('a', 1, 10, 'x');
        removed.removed = true;
        auto underWay = row('a', 1, 10, 'x');
        underWay.settled = false;
        mails.add('a', at(1), 10, 'x');
        THEN("the one that is there is the one nobody took away") { CHECK(mails.match({removed, underWay}) == Found{1}); }
        THEN("whichever came first") { CHECK(mails.match({underWay, removed}) == Found{0}); }
    }
}

SCENARIO("a server that estimates sizes, or a backup that lost its dates, costs twenty contents", "[matching]") {
    const bool sizes = GENERATE(true, false);
    GIVEN(std::string("a hundred messages with ") + (sizes ? "estimated sizes" : "other dates")) {
        Mails mails;
        std::vector<Candidate> rows;
        for (char head = 0; head < 100; ++head) {
            rows.push_back(row(head, 5, 10, head));
            mails.add(head, sizes ? at(5) : at(6), sizes ? std::optional<std::uint64_t>() : 10, head);
        }
        THEN("all are found after the samples") {
            const auto found = mails.match(rows);
            for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == i);
            CHECK(mails.asked == Matching::samples);
        }
        AND_WHEN("one sample is another mail") {
            mails.contents[3] = digest('!');
            const auto found = mails.match(rows);
            THEN("every content is looked at") {
                CHECK(mails.asked == 100);
                for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i].has_value() == (i != 2));
            }
        }
    }
}
