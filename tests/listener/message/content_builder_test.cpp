#include "listener/message/message.h"
#include "listener/message/sha256.h"
#include "tests/simulation/sim_disk.h"

#include <catch2/catch.hpp>

using namespace listener;
using simulation::SimDisk;

namespace {

constexpr std::size_t limit = Content::memoryLimit;

std::string someBytes(std::size_t size) {
    std::string bytes = "Message-ID: <m@x>\r\nSubject: s\r\n\r\n";
    std::uint32_t state = 7;
    while (bytes.size() < size) bytes += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    bytes.resize(size);
    return bytes;
}

std::string bytesOf(const Content& content) {
    if (content.inMemory() != nullptr) return *content.inMemory();
    std::string bytes(static_cast<std::size_t>(content.size()) + 1, '?');
    const auto got = content.file()->readAt(0, bytes);
    REQUIRE(got);
    bytes.resize(*got);
    return bytes;
}

std::shared_ptr<plugin::Directory> stagingOf(SimDisk& disk) {
    auto opened = disk.directory("/staging", true);
    REQUIRE(opened);
    return *opened;
}

}  // namespace

SCENARIO("content is built the same however it arrives", "[message]") {
    const auto size = GENERATE(as<std::size_t>{}, 0, 1, 4072, limit - 1, limit, limit + 1, 2 * limit + 17);
    const auto piece = GENERATE(as<std::size_t>{}, 4093, 16384, 262144, 700'000, 8'000'000);
    const auto expected = GENERATE_COPY(as<std::uint64_t>{}, 0, size, 3 * size + 1);
    GIVEN(std::to_string(size) + " bytes in pieces of " + std::to_string(piece) + ", announced as " + std::to_string(expected)) {
        SimDisk disk;
        const auto staging = stagingOf(disk);
        const auto bytes = someBytes(size);
        ContentBuilder builder(*staging, expected);
        for (std::size_t at = 0; at < size; at += piece) {
            const auto part = std::string_view(bytes).substr(at, piece);
            const bool mayWrite = builder.spills(part.size());
            const auto before = disk.count(SimDisk::Operation::append);
            REQUIRE(builder.append(part));
            REQUIRE(mayWrite == (disk.count(SimDisk::Operation::append) > before));
        }
        CHECK(builder.size() == size);
        const bool mayWrite = builder.finishBlocks();
        const auto before = disk.count(SimDisk::Operation::append);
        const auto built = builder.finish();
        REQUIRE(built);
        CHECK(mayWrite == (disk.count(SimDisk::Operation::append) > before));
        THEN("size, hash, head and bytes are those of the message") {
            CHECK(built->content.size() == size);
            CHECK(built->content.sha256() == sha256(bytes));
            CHECK(built->head.matchKey == readHead(bytes).matchKey);
            CHECK(built->head.messageId == readHead(bytes).messageId);
            CHECK(bytesOf(built->content) == bytes);
        }
        THEN("only a large one is in a file, in few writes") {
            if (size > limit) {
                CHECK(built->content.inMemory() == nullptr);
                CHECK(built->content.directory() == "/staging");
                CHECK(disk.count(SimDisk::Operation::append) <= size / 100'000);
            } else if (expected <= limit) {
                CHECK(built->content.file() == nullptr);
                CHECK(built->content.inMemory()->capacity() <= 2 * size + 64);
            } else {
                CHECK(built->content.size() <= limit);  // announced as large: either will do
            }
        }
    }
}

SCENARIO("the head of a large message may be as long as the limit", "[message]") {
    SimDisk disk;
    const auto staging = stagingOf(disk);
    const auto bytes = "X: " + std::string(200 * 1024, 'x') + "\r\nMessage-ID: <late@x>\r\n\r\n" + someBytes(2'000'000);
    const auto expected = GENERATE(as<std::uint64_t>{}, 0, 2'000'000);
    ContentBuilder builder(*staging, expected);
    for (std::size_t at = 0; at < bytes.size(); at += 100) REQUIRE(builder.append(std::string_view(bytes).substr(at, 100)));
    const auto built = builder.finish();
    REQUIRE(built);
    CHECK(built->head.messageId == std::optional<std::string>("<late@x>"));
}

SCENARIO("a message that cannot be staged says so", "[message]") {
    const auto bytes = someBytes(3'000'000);
    std::uint64_t failures = 0;
    for (std::uint64_t n = 1;; ++n) {
        SimDisk disk(n);
        const auto staging = stagingOf(disk);
        disk.failOperation(n, SimDisk::fullError());
        ContentBuilder builder(*staging, 0);
        bool failed = false;
        for (std::size_t at = 0; at < bytes.size() && !failed; at += 50'000) {
            const auto appended = builder.append(std::string_view(bytes).substr(at, 50'000));
            failed = !appended;
            if (failed) {
                CHECK(appended.error().code == plugin::Code::messageStaging);
                CHECK(appended.error().reaction == plugin::Reaction::retryLater);
                CHECK(appended.error().what == SimDisk::fullError().what);
                CHECK_FALSE(builder.append("more"));
            }
        }
        const auto built = builder.finish();
        disk.heal();
        if (built) {
            CHECK(bytesOf(built->content) == bytes);
            break;
        }
        CHECK(built.error().code == plugin::Code::messageStaging);
        ++failures;
    }
    CHECK(failures >= 8);  // create and each write
}
