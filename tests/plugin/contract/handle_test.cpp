#include "plugin/contract/handle.h"

#include <fcntl.h>
#include <catch2/catch.hpp>

#include <cerrno>
#include <utility>

using plugin::Handle;

namespace {

bool isOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
Handle opened() { return Handle(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

SCENARIO("a descriptor has one owner, and ends with it", "[handle]") {
    CHECK_FALSE(Handle());
    CHECK_FALSE(Handle(-1));
    int fd = -1;
    {
        auto handle = opened();
        REQUIRE(handle);
        fd = handle.get();
        auto other = std::move(handle);
        CHECK_FALSE(handle);
        CHECK(isOpen(fd));
        CHECK(other.get() == fd);
    }
    CHECK_FALSE(isOpen(fd));
    GIVEN("one that gets another") {
        auto handle = opened();
        fd = handle.get();
        auto other = opened();
        const auto theirs = other.get();
        handle = std::move(other);
        CHECK_FALSE(isOpen(fd));
        CHECK(handle.get() == theirs);
        CHECK(isOpen(theirs));
        handle.close();
        CHECK_FALSE(handle);
        CHECK_FALSE(isOpen(theirs));
    }
    GIVEN("one that is given away") {
        fd = opened().release();
        CHECK(isOpen(fd));
        const Handle again(fd);
    }
    GIVEN("an error that is still to be told when it is closed") {
        Handle handle = opened();
        Handle twice(handle.get());
        errno = ENOENT;
        handle.close();
        twice.close();
        CHECK(errno == ENOENT);
    }
}
