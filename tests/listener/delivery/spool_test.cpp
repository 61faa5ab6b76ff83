#include "plugin/runtime/posix_disk.h"
#include "tests/listener/delivery/spool_fixture.h"
#include "tests/simulation/sim_disk.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

using namespace listener;
using namespace spooling;
using simulation::SimDisk;
using Verdict = Delivery::Verdict;
using Operation = SimDisk::Operation;
namespace fs = std::filesystem;

namespace {

std::map<std::string, std::string> expectedFiles(const std::vector<Message>& messages, const std::vector<std::string>& bytes, bool metadata) {
    std::map<std::string, std::string> files;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        files[messages[i].id + ".eml"] = bytes[i];
        if (metadata) files[messages[i].id + ".json"] = metadataJson(messages[i]);
    }
    return files;
}

std::shared_ptr<plugin::Directory> opened(plugin::Disk& disk, const std::string& path) {
    auto directory = disk.directory(path, true);
    REQUIRE(directory);
    return *directory;
}

}  // namespace

SCENARIO("a batch is delivered byte for byte and durably", "[spool]") {
    const bool metadata = GENERATE(true, false);
    const int count = GENERATE(1, 3, 8, 9, 200);
    const bool together = GENERATE(true, false);
    SimDisk disk;
    disk.setSyncsTogether(together);
    const auto sink = makeSpool({.name = "archive", .path = "/spool", .metadata = metadata, .mode = 0604}, disk);
    CHECK(sink->name() == "archive");
    GIVEN(std::to_string(count) + " messages" + (metadata ? " with metadata" : "") + (together ? "" : ", each file synced by itself")) {
        std::vector<Message> messages;
        std::vector<std::string> bytes;
        for (int i = 0; i < count; ++i) messages.push_back(messageOf(i, bytes.emplace_back(bytesOf(i, i % 3 == 0 ? 0 : 4072))));
        const auto deliveries = deliver(*sink, messages);
        THEN("every one is settled, and its files survive whatever comes") {
            for (const auto& delivery : deliveries) CHECK(delivery.verdict() == Verdict::delivered);
            CHECK(disk.durableFiles("/spool/box") == expectedFiles(messages, bytes, metadata));
            CHECK(disk.mode("/spool/box", messages[0].id + ".eml") == 0604U);
        }
        THEN("the directory is synced once, and the files together when they are many") {
            const auto files = static_cast<std::uint64_t>(metadata ? 2 * count : count);
            CHECK(disk.count(Operation::syncNames) == 1);
            CHECK(disk.count(Operation::syncFiles) == (together && files > 8 ? 1U : 0U));
            CHECK(disk.count(Operation::syncFile) == (together && files > 8 ? 0U : files));
        }
        WHEN("it is delivered again") {
            const auto before = disk.files("/spool/box");
            const auto appends = disk.count(Operation::append);
            const auto again = deliver(*sink, messages);
            THEN("it is known, and nothing is written") {
                for (const auto& delivery : again) CHECK(delivery.verdict() == Verdict::known);
                CHECK(disk.files("/spool/box") == before);
                CHECK(disk.count(Operation::append) == appends);
            }
        }
        WHEN("a consumer took a file away before") {
            disk.take("/spool/box", messages[0].id + ".eml");
            const auto again = deliver(*sink, messages);
            THEN("that one is delivered again") {
                CHECK(again[0].verdict() == Verdict::delivered);
                CHECK(disk.durableFiles("/spool/box") == expectedFiles(messages, bytes, metadata));
            }
        }
    }
}

SCENARIO("an existing file is never rewritten", "[spool]") {
    SimDisk disk;
    const auto sink = makeSpool({.name = "s", .path = "/spool"}, disk);
    const std::vector messages{messageOf(1, bytesOf(1, 100))};
    disk.put("/spool/box", messages[0].id + ".eml", "what was there");
    WHEN("its message is delivered") {
        const auto deliveries = deliver(*sink, messages);
        THEN("it is known, and gets the metadata it lacks") {
            CHECK(deliveries[0].verdict() == Verdict::known);
            CHECK(disk.read("/spool/box", messages[0].id + ".eml") == "what was there");
            CHECK(disk.durableFiles("/spool/box").at(messages[0].id + ".json") == metadataJson(messages[0]));
        }
    }
}

SCENARIO("the same id twice in a batch is one file", "[spool]") {
    SimDisk disk;
    const auto sink = makeSpool({.name = "s", .path = "/spool"}, disk);
    const auto message = messageOf(1, bytesOf(1, 100));
    const auto deliveries = deliver(*sink, {message, message});
    CHECK(deliveries[0].verdict() == Verdict::delivered);
    CHECK(deliveries[1].verdict() == Verdict::known);
    CHECK(disk.durableFiles("/spool/box").size() == 2);
}

SCENARIO("large messages come from staging", "[spool]") {
    SimDisk disk;
    const auto sink = makeSpool({.name = "s", .path = "/spool", .mode = 0644}, disk);
    const auto bytes = bytesOf(1, 2'000'000);
    GIVEN("one staged in the spool directory") {
        auto staging = sink->staging("box");
        REQUIRE(staging);
        const std::vector messages{messageOf(1, bytes, staging->get())};
        const auto appends = disk.count(Operation::append);
        const auto deliveries = deliver(*sink, messages);
        THEN("that very file is published, with the sink's mode, durably") {
            CHECK(deliveries[0].verdict() == Verdict::delivered);
            CHECK(disk.count(Operation::append) == appends + 1);  // the metadata
            CHECK(disk.durableFiles("/spool/box").at(messages[0].id + ".eml") == bytes);
            CHECK(disk.mode("/spool/box", messages[0].id + ".eml") == 0644U);
        }
    }
    GIVEN("one staged elsewhere") {
        const auto staging = opened(disk, "/data/staging");
        const std::vector messages{messageOf(1, bytes, staging.get())};
        THEN("it is copied") {
            CHECK(deliver(*sink, messages)[0].verdict() == Verdict::delivered);
            CHECK(disk.durableFiles("/spool/box").at(messages[0].id + ".eml") == bytes);
            CHECK(disk.files("/data/staging").empty());
        }
    }
    GIVEN("one whose bytes were damaged in staging") {
        const auto staging = opened(disk, "/data/staging");
        auto message = messageOf(1, bytes, staging.get());
        message.content = Content(message.content.sharedFile(), "/data/staging", sha256("other bytes"));
        const auto deliveries = deliver(*sink, {message, messageOf(2, "fine")});
        THEN("it is not delivered, and says why; others are") {
            REQUIRE(deliveries[0].verdict() == Verdict::notDelivered);
            REQUIRE(deliveries[0].error());
            CHECK(deliveries[0].error()->code == plugin::Code::messageStaging);
            CHECK(deliveries[1].verdict() == Verdict::delivered);
            CHECK(disk.files("/spool/box").size() == 2);
        }
    }
    GIVEN("a staged file that cannot be synced") {
        auto staging = sink->staging("box");
        REQUIRE(staging);
        const std::vector messages{messageOf(1, bytes, staging->get())};
        bool isFirst = true;
        disk.setHook([&](const SimDisk::Step& step) -> std::optional<plugin::Error> {
            if (step.operation == Operation::syncFile && std::exchange(isFirst, false)) return SimDisk::ioError();
            return std::nullopt;
        });
        const auto deliveries = deliver(*sink, messages);
        THEN("it is not trusted any more, but copied") {
            CHECK(deliveries[0].verdict() == Verdict::delivered);
            CHECK(disk.durableFiles("/spool/box").at(messages[0].id + ".eml") == bytes);
        }
    }
}

SCENARIO("each mailbox has a directory of its own", "[spool]") {
    SimDisk disk;
    const auto sink = makeSpool({.name = "s", .path = "/spool", .metadata = false}, disk);
    const std::vector messages{messageOf(1, "one", nullptr, "a"), messageOf(1, "two", nullptr, "b"), messageOf(2, "three", nullptr, "a")};
    GIVEN("a batch of two mailboxes") {
        const auto deliveries = deliver(*sink, messages);
        THEN("each message is in its own") {
            for (const auto& delivery : deliveries) CHECK(delivery.verdict() == Verdict::delivered);
            CHECK(disk.files("/spool/a").size() == 2);
            CHECK(disk.files("/spool/b").size() == 1);
        }
    }
    GIVEN("one directory that cannot be opened") {
        disk.setHook([](const SimDisk::Step& step) -> std::optional<plugin::Error> {
            if (step.operation == Operation::directory && step.directory == "/spool/a")
                return plugin::Error{plugin::Reaction::askOperator, plugin::Code::sinkPath, "/spool/a: no permission"};
            return std::nullopt;
        });
        const auto deliveries = deliver(*sink, messages);
        THEN("the other mailbox gets its mail") {
            CHECK(deliveries[0].error()->code == plugin::Code::sinkPath);
            CHECK_FALSE(isSettled(deliveries[0]));
            CHECK(isSettled(deliveries[1]));
            CHECK_FALSE(isSettled(deliveries[2]));
        }
    }
}

SCENARIO("leftovers of a process that was killed are removed when a mailbox is first met", "[spool]") {
    SimDisk disk;
    disk.put("/spool/box", ".postern-12-34", "half");
    disk.put("/spool/box", ".hidden", "not ours");
    disk.put("/spool/box", "done.eml", "whole");
    const auto sink = makeSpool({.name = "s", .path = "/spool"}, disk);
    REQUIRE(sink->staging("box"));
    CHECK(disk.files("/spool/box").size() == 2);
    CHECK_FALSE(disk.read("/spool/box", ".postern-12-34"));
    const auto lists = disk.count(Operation::list);
    deliver(*sink, {messageOf(1, "x")});
    CHECK(disk.count(Operation::list) == lists);
}

SCENARIO("without time nothing is begun", "[spool]") {
    SimDisk disk;
    const auto sink = makeSpool({.name = "s", .path = "/spool"}, disk);
    const std::vector messages{messageOf(1, "x"), messageOf(2, "y")};
    GIVEN("a deadline that has passed") {
        for (const auto& delivery : deliver(*sink, messages, plugin::Deadline{})) {
            CHECK_FALSE(isSettled(delivery));
            CHECK(delivery.error()->reaction == plugin::Reaction::retryLater);
        }
        CHECK(disk.files("/spool/box").empty());
    }
    GIVEN("a service that stops in the middle") {
        std::stop_source source;
        disk.setHook([&](const SimDisk::Step& step) -> std::optional<plugin::Error> {
            if (step.operation == Operation::append) source.request_stop();
            return std::nullopt;
        });
        const auto deliveries = deliver(*sink, messages, plugin::Deadline::max(), source.get_token());
        THEN("what is begun is finished") {
            CHECK(deliveries[0].verdict() == Verdict::delivered);
            CHECK_FALSE(isSettled(deliveries[1]));
            CHECK(disk.durableFiles("/spool/box").size() == 2);
        }
    }
}

SCENARIO("bugs of callers do not become files", "[spool]") {
    SimDisk disk;
    const auto sink = makeSpool({.name = "s", .path = "/spool"}, disk);
    auto message = messageOf(1, "x");
    message.id = "../../../../etc/passwd0123456789";
    CHECK_THROWS_AS(deliver(*sink, {message}), std::logic_error);
    CHECK_THROWS_AS(deliver(*sink, {messageOf(1, "x", nullptr, "../b")}), std::logic_error);
    CHECK_THROWS_AS(static_cast<void>(sink->staging("..")), std::logic_error);
    for (const auto& path : disk.directories()) CHECK(disk.files(path).empty());
}

SCENARIO("the spool works on a real disk", "[spool]") {
    const bool unnamed = GENERATE(true, false);
    // In memory where that can be: the disk under /tmp may have a lot to do.
    std::string root = ((fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) / "spool_test_XXXXXX").string();
    REQUIRE(::mkdtemp(root.data()) != nullptr);
    const auto disk = plugin::makePosixDisk({.unnamedFiles = unnamed});
    const auto sink = makeSpool({.name = "s", .path = root + "/mail/spool", .mode = 0640}, *disk);
    std::vector<Message> messages;
    std::vector<std::string> bytes;
    auto staging = sink->staging("box");
    REQUIRE(staging);
    const auto elsewhere = opened(*disk, root + "/staging");
    for (int i = 0; i < 50; ++i) {
        auto* const place = i % 10 == 3 ? staging->get() : i % 10 == 7 ? elsewhere.get() : nullptr;
        messages.push_back(messageOf(i, bytes.emplace_back(bytesOf(i, place == nullptr ? 4072 : 1'100'000)), place));
    }
    const auto read = [&] {
        std::map<std::string, std::string> files;
        for (const auto& entry : fs::directory_iterator(root + "/mail/spool/box")) {
            std::ifstream file(entry.path(), std::ios::binary);
            std::ostringstream text;
            text << file.rdbuf();
            files[entry.path().filename().string()] = text.str();
            struct stat status {};
            REQUIRE(::stat(entry.path().c_str(), &status) == 0);
            CHECK((status.st_mode & 07777U) == 0640U);
            CHECK(status.st_nlink == 1);
        }
        return files;
    };
    WHEN("a batch of all kinds is delivered, and again") {
        for (const auto& delivery : deliver(*sink, messages)) CHECK(delivery.verdict() == Verdict::delivered);
        for (const auto& delivery : deliver(*sink, messages)) CHECK(delivery.verdict() == Verdict::known);
        THEN("the files are there, and nothing else") {
            CHECK(read() == expectedFiles(messages, bytes, true));
            struct stat status {};
            REQUIRE(::stat((root + "/mail/spool/box").c_str(), &status) == 0);
            CHECK((status.st_mode & 07777U) == 0750U);
        }
        THEN("a spool moved away is made anew, with all that is delivered again") {
            fs::rename(root + "/mail", root + "/old");
            for (const auto& delivery : deliver(*sink, messages)) CHECK(delivery.verdict() == Verdict::delivered);
            CHECK(read() == expectedFiles(messages, bytes, true));
        }
        THEN("taken away, all is delivered again, from staging too") {
            fs::remove_all(root + "/mail");
            for (const auto& delivery : deliver(*sink, messages)) CHECK(delivery.verdict() == Verdict::delivered);
            CHECK(read() == expectedFiles(messages, bytes, true));
        }
    }
    fs::remove_all(root);
}
