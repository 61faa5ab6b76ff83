#include "tests/listener/ews/fixture.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

using namespace ewstest;

namespace {

/// Blocks as large as a buffer for octets off the wire that are held now.
std::atomic<long> buffers{0};
bool isBuffer(void* block) { return block != nullptr && malloc_usable_size(block) >= 16 * 1024; }

}  // namespace

void* operator new(std::size_t size) {
    void* const block = std::malloc(size == 0 ? 1 : size);
    if (block == nullptr) throw std::bad_alloc();
    if (isBuffer(block)) ++buffers;
    return block;
}
void operator delete(void* block) noexcept {
    if (isBuffer(block)) --buffers;
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

SCENARIO("between two answers a session holds no buffer", "[ews]") {
    GIVEN("that an empty list assigned to a vector keeps its memory, which is what they once were cleared with") {
        const auto before = buffers.load();
        std::vector<char> buffer(32 * 1024);
        buffer = {};
        REQUIRE(buffers == before + 1);
        buffer = std::vector<char>();
        REQUIRE(buffers == before);
    }
    GIVEN("a mailbox whose messages were read over both connections") {
        Fixture fixture;
        fixture.begin(12);
        std::vector<std::uint64_t> ordinals;
        for (std::uint64_t ordinal = 1; ordinal <= 12; ++ordinal) ordinals.push_back(ordinal);
        REQUIRE(fixture.fetch(ordinals));
        REQUIRE(fixture.received.messages.size() == 12);
        const auto fetched = buffers.load();
        fixture.renew();  // all the rest is the server's and the test's
        CHECK(fetched == buffers);
    }
}
