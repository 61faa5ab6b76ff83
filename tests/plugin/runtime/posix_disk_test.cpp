#include "plugin/runtime/posix_disk.h"

#include "tests/servers/temporary_directory.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace plugin;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

struct Place {
    servers::TemporaryDirectory directory{};
    std::string path = directory.path().string();
};

std::string contentOf(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

unsigned modeOf(const std::string& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

std::vector<std::string> namesIn(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path)) names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
}

std::shared_ptr<Directory> openIn(Disk& disk, const std::string& path) {
    auto opened = disk.directory(path, true);
    REQUIRE(opened);
    return *opened;
}

std::unique_ptr<File> makeFile(Directory& directory, std::string_view bytes, unsigned mode = 0640) {
    auto file = directory.create(mode);
    REQUIRE(file);
    REQUIRE((*file)->append(bytes));
    return std::move(*file);
}

}  // namespace

SCENARIO("a file has its name only when it is published", "[disk]") {
    const bool unnamed = GENERATE(true, false);
    Place where;
    const auto disk = makePosixDisk({.unnamedFiles = unnamed});
    const auto directory = openIn(*disk, where.path);
    GIVEN(std::string(unnamed ? "a file system with unnamed files" : "a file system without")) {
        WHEN("a file is made, written, synced and published") {
            auto file = makeFile(*directory, "first ");
            REQUIRE(file->append("second"));
            REQUIRE(file->size() == 12);
            THEN("before, nobody sees it") {
                for (const auto& name : namesIn(where.path)) CHECK(name.starts_with(temporaryPrefix));
                CHECK(namesIn(where.path).size() == (unnamed ? 0 : 1));
            }
            REQUIRE(file->sync());
            REQUIRE(directory->syncFiles());
            const auto published = directory->publish(*file, "a.eml");
            REQUIRE(published);
            REQUIRE(directory->syncNames());
            THEN("after, it is there under this name alone, also when the handle is gone") {
                CHECK(*published);
                file.reset();
                CHECK(namesIn(where.path) == std::vector{"a.eml"s});
                CHECK(contentOf(where.path + "/a.eml") == "first second");
                CHECK(modeOf(where.path + "/a.eml") == 0640);
            }
            THEN("it can still be read through the handle") {
                std::array<char, 5> piece{};
                const auto got = file->readAt(6, piece);
                REQUIRE(got);
                CHECK(std::string(piece.data(), *got) == "secon");
                CHECK(*file->readAt(12, piece) == 0);
            }
            THEN("another file does not take the name from it") {
                auto other = makeFile(*directory, "other");
                const auto again = directory->publish(*other, "a.eml");
                REQUIRE(again);
                CHECK_FALSE(*again);
                other.reset();
                CHECK(contentOf(where.path + "/a.eml") == "first second");
                CHECK(namesIn(where.path) == std::vector{"a.eml"s});
            }
        }
        WHEN("a file is forgotten") {
            makeFile(*directory, "forgotten");
            THEN("nothing is left") { CHECK(namesIn(where.path).empty()); }
        }
        WHEN("a file is published in another directory") {
            const auto other = openIn(*disk, where.path + "/other");
            auto file = makeFile(*directory, "moved");
            REQUIRE(file->setMode(0604));
            const auto published = other->publish(*file, "b");
            REQUIRE(published);
            file.reset();
            THEN("it is there and only there") {
                CHECK(contentOf(where.path + "/other/b") == "moved");
                CHECK(modeOf(where.path + "/other/b") == 0604);
                CHECK(namesIn(where.path) == std::vector{"other"s});
            }
        }
        WHEN("the umask is as strict as can be") {
            const auto before = ::umask(0777);
            auto file = directory->create(0644);
            const auto made = disk->directory(where.path + "/x/y", true, 0755);
            ::umask(before);
            REQUIRE(file);
            REQUIRE(made);
            REQUIRE(directory->publish(**file, "c"));
            THEN("modes are as asked") {
                CHECK(modeOf(where.path + "/c") == 0644);
                CHECK(modeOf(where.path + "/x") == 0755);
                CHECK(modeOf(where.path + "/x/y") == 0755);
            }
        }
    }
}

SCENARIO("a directory is asked about its names", "[disk]") {
    Place where;
    const auto disk = makePosixDisk();
    const auto directory = openIn(*disk, where.path);
    CHECK(directory->path() == where.path);
    auto file = makeFile(*directory, "x");
    REQUIRE(directory->publish(*file, "x"));
    GIVEN("one file") {
        THEN("it exists, others do not") {
            CHECK(*directory->exists("x"));
            CHECK_FALSE(*directory->exists("y"));
        }
        THEN("a dangling link takes its name too") {
            fs::create_symlink("nowhere", where.path + "/link");
            CHECK(*directory->exists("link"));
            auto other = makeFile(*directory, "y");
            CHECK_FALSE(*directory->publish(*other, "link"));
        }
        THEN("its file gets no second name, under whichever handle") {
            CHECK_FALSE(directory->publish(*file, "second"));
            CHECK_FALSE(directory->publish(**directory->open("x"), "second"));
            CHECK(namesIn(where.path) == std::vector{"x"s});
        }
        THEN("it is listed, again and again") {
            CHECK(*directory->list() == std::vector{"x"s});
            CHECK(*directory->list() == std::vector{"x"s});
        }
        THEN("it is opened and read") {
            const auto opened = directory->open("x");
            REQUIRE(opened);
            CHECK((*opened)->size() == 1);
        }
        THEN("what is not a file is not opened") {
            fs::create_directory(where.path + "/d");
            fs::create_symlink("x", where.path + "/link");
            REQUIRE(::mkfifo((where.path + "/pipe").c_str(), 0600) == 0);
            for (const auto* name : {"d", "link", "pipe", "missing"}) {
                const auto opened = directory->open(name);
                REQUIRE_FALSE(opened);
                CHECK(opened.error().what.find(where.path) != std::string::npos);
            }
        }
        THEN("it can be removed, twice") {
            CHECK(directory->remove("x"));
            CHECK(directory->remove("x"));
            CHECK(namesIn(where.path).empty());
        }
        THEN("paths are not names") {
            CHECK_THROWS_AS(directory->exists("../x"), std::logic_error);
            CHECK_THROWS_AS(directory->remove(".."), std::logic_error);
            CHECK_THROWS_AS(directory->publish(*file, ""), std::logic_error);
        }
    }
}

SCENARIO("leftovers of other processes are removed, and nothing else", "[disk]") {
    Place where;
    const auto disk = makePosixDisk({.unnamedFiles = false});
    const auto directory = openIn(*disk, where.path);
    std::ofstream(where.path + "/.postern-123-456-7") << "left";
    std::ofstream(where.path + "/.hidden") << "the operator's";
    std::ofstream(where.path + "/a.eml") << "mail";
    auto own = makeFile(*directory, "in work");
    REQUIRE(directory->removeLeftovers());
    CHECK(namesIn(where.path).size() == 3);
    REQUIRE(directory->publish(*own, "b.eml"));
    CHECK(namesIn(where.path) == std::vector{".hidden"s, "a.eml"s, "b.eml"s});
}

SCENARIO("directories are made with their parents", "[disk]") {
    Place where;
    const auto disk = makePosixDisk();
    GIVEN("a path of which the beginning exists") {
        THEN("the rest is made") {
            REQUIRE(disk->directory(where.path + "/a/b//c/", true, 0750));
            CHECK(modeOf(where.path + "/a") == 0750);
            CHECK(modeOf(where.path + "/a/b/c") == 0750);
            REQUIRE(disk->directory(where.path + "/a/b//c/", true, 0700));
            CHECK(modeOf(where.path + "/a/b/c") == 0750);  // what is there is left as it is
        }
        THEN("it is made again after somebody removed it") {
            REQUIRE(disk->directory(where.path + "/a/b", true));
            fs::remove_all(where.path + "/a");
            REQUIRE(disk->directory(where.path + "/a/b", true));
            CHECK(fs::is_directory(where.path + "/a/b"));
        }
        THEN("nothing is made unasked") {
            const auto opened = disk->directory(where.path + "/a", false);
            REQUIRE_FALSE(opened);
            CHECK(opened.error().code == Code::sinkPath);
            CHECK(opened.error().reaction == Reaction::askOperator);
            CHECK(opened.error().what == where.path + "/a: cannot open the directory: No such file or directory");
        }
        THEN("a file in the way is named") {
            std::ofstream(where.path + "/file") << "x";
            for (const auto* path : {"/file", "/file/below"}) {
                const auto opened = disk->directory(where.path + path, true);
                REQUIRE_FALSE(opened);
                CHECK(opened.error().code == Code::sinkPath);
                CHECK(opened.error().what.find("Not a directory") != std::string::npos);
            }
        }
    }
    GIVEN("a relative path") {
        const auto before = fs::current_path();
        fs::current_path(where.path);
        const auto opened = disk->directory("r/s", true);
        fs::current_path(before);
        THEN("it counts from the working directory") {
            REQUIRE(opened);
            CHECK(fs::is_directory(where.path + "/r/s"));
        }
    }
    GIVEN("a directory that was removed under our hands") {
        const auto directory = openIn(*disk, where.path + "/gone");
        fs::remove(where.path + "/gone");
        THEN("that is an error, not a delivery") {
            const auto file = directory->create(0600);
            REQUIRE_FALSE(file);
            CHECK(file.error().code == Code::sinkPath);
        }
    }
}

SCENARIO("a file that could not be written is never published", "[disk]") {
    Place where;
    const auto disk = makePosixDisk();
    const auto directory = openIn(*disk, where.path);
    GIVEN("a limit in the middle of the second write") {
        auto file = makeFile(*directory, std::string(5000, 'a'));
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
        auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
        const rlimit small{8192, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        const auto written = file->append(std::string(5000, 'b'));
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        static_cast<void>(std::signal(SIGXFSZ, handler));
        THEN("the short write is an error, and stays one") {
            REQUIRE_FALSE(written);
            CHECK(written.error().what.find(where.path) == 0);
            CHECK_FALSE(file->append("c"));
            CHECK_FALSE(file->sync());
            CHECK_FALSE(directory->publish(*file, "short"));
            CHECK(namesIn(where.path).empty());
        }
    }
}

SCENARIO("a full disk is told from other trouble", "[disk]") {
    Place where;
    if (::mount("postern-test", where.path.c_str(), "tmpfs", 0, "size=64k") != 0) {
        WARN("no right to mount: not tried");
        SUCCEED();
        return;
    }
    {
        const auto disk = makePosixDisk();
        const auto directory = openIn(*disk, where.path);
        auto file = directory->create(0600);
        REQUIRE(file);
        const auto written = (*file)->append(std::string(1'000'000, 'x'));
        REQUIRE_FALSE(written);
        CHECK(written.error().code == Code::sinkDiskFull);
        CHECK(written.error().reaction == Reaction::retryLater);
        CHECK(written.error().what == where.path + ": cannot write: No space left on device");
        file = directory->create(0600);
        REQUIRE(file);
        CHECK((*file)->append("the space is free again"));
        Place elsewhere;
        const auto other = openIn(*disk, elsewhere.path);
        const auto across = other->publish(**file, "x");
        REQUIRE_FALSE(across);
        CHECK(across.error().reaction == Reaction::retryLater);
    }
    CHECK(::umount(where.path.c_str()) == 0);
}
