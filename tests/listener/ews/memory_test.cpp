// What a session keeps between two answers. Blocks are counted in this program.
#include "tests/listener/ews/fixture.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

using namespace ewstest;

namespace {

/// Blocks as large as a buffer for octets off the wire: those that are held now, and all that ever were.
std::atomic<long> buffers{0}, taken{0};
bool isBuffer(void* block) { return block != nullptr && malloc_usable_size(block) >= 16 * 1024; }

}  // namespace

void* operator new(std::size_t size) {
    void* const block = std::malloc(size == 0 ? 1 : size);
    if (block == nullptr) throw std::bad_alloc();
    if (isBuffer(block)) ++buffers, ++taken;
    return block;
}
void operator delete(void* block) noexcept {
    if (isBuffer(block)) --buffers;
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept { operator delete(block); }

SCENARIO("between two answers a session holds no buffer", "[ews]") {
    GIVEN("a mailbox whose messages were read over both connections") {
        Fixture fixture;
        fixture.begin(12);
        std::vector<std::uint64_t> ordinals;
        for (std::uint64_t ordinal = 1; ordinal <= 12; ++ordinal) ordinals.push_back(ordinal);
        const auto before = taken.load();
        REQUIRE(fixture.fetch(ordinals));
        CHECK(taken > before);  // which it needs meanwhile
        REQUIRE(fixture.received.messages.size() == 12);
        const auto fetched = buffers.load();
        fixture.renew();  // all the rest is the server's and the test's
        CHECK(fetched == buffers);
    }
}
