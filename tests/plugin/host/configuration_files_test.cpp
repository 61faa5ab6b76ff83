#include "plugin/host/configuration_files.h"

#include "tests/servers/temporary_directory.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using plugin::Code;
using plugin::Problem;
using plugin::host::findConfiguration;
using plugin::host::loadConfiguration;
using plugin::host::Surroundings;

namespace {

namespace fs = std::filesystem;

class Folder {
public:
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((directory_ / name).parent_path());
        std::ofstream(directory_ / name, std::ios::binary) << text;
    }
    std::string path() const { return directory_.path().string(); }

private:
    servers::TemporaryDirectory directory_{};
};

}  // namespace

SCENARIO("the configuration is looked for in a fixed order", "[configuration-files]") {
    Folder folder;
    folder.write("conf/a.properties", "a = 1\n");
    folder.write("other/b.properties", "b = 1\n");
    GIVEN("--config") {
        const auto found = findConfiguration({folder.path(), "other", "conf"});
        THEN("it goes before all others, relative to the start") {
            REQUIRE(found.path == "other");
            REQUIRE(fs::path(found.files) == fs::path(folder.path()) / "other");
            REQUIRE(found.problems.empty());
        }
    }
    GIVEN("--config naming nothing") {
        const auto found = findConfiguration({folder.path(), "absent", "other"});
        THEN("nothing else is used instead") {
            REQUIRE(found.files.empty());
            REQUIRE(found.problems.size() == 1);
            REQUIRE(found.problems[0].code == Code::configUnreadable);
            REQUIRE_THAT(found.problems[0].what, Catch::Contains("absent"));
        }
    }
    GIVEN("$POSTERN_CONFIG") {
        THEN("it goes before ./conf") { REQUIRE(findConfiguration({folder.path(), std::nullopt, "other"}).path == "other"); }
    }
    GIVEN("a $POSTERN_CONFIG that names nothing") {
        const auto found = findConfiguration({folder.path(), std::nullopt, "absent"});
        THEN("the next is used, with a warning") {
            REQUIRE(found.path == "conf");
            REQUIRE(found.problems.size() == 1);
            REQUIRE(found.problems[0].severity == Problem::Severity::warning);
        }
    }
    GIVEN("neither") {
        THEN("it is ./conf") { REQUIRE(findConfiguration({folder.path(), std::nullopt, ""}).path == "conf"); }
    }
}

SCENARIO("a directory is its *.properties, sorted and merged", "[configuration-files]") {
    Folder folder;
    folder.write("conf/b.properties", "same = 2\nb = 1\n");
    folder.write("conf/a.properties", "same = 1\na = 1\n");
    folder.write("conf/notes.txt", "not read");
    folder.write("conf/a.properties~", "not read");
    folder.write("conf/.#b.properties", "not read");
    folder.write("conf/sub/c.properties", "c = 1\n");
    folder.write("conf/sub.properties/d.properties", "d = 1\n");
    WHEN("it is loaded") {
        const auto loaded = loadConfiguration(findConfiguration({folder.path(), "conf"}));
        THEN("sub-folders and other files are left alone") {
            REQUIRE(loaded.files == std::vector<std::string>{"conf/a.properties", "conf/b.properties"});
            REQUIRE(loaded.properties.entries.size() == 3);
        }
        THEN("a key in two files is an error naming both places") {
            REQUIRE(loaded.properties.problems.size() == 1);
            const auto& problem = loaded.properties.problems[0];
            REQUIRE(problem.code == Code::configDuplicateKey);
            REQUIRE(problem.place.file == "conf/b.properties");
            REQUIRE(problem.place.line == 1);
            REQUIRE_THAT(problem.what, Catch::Contains("conf/a.properties:1"));
        }
    }
    WHEN("one file is named") {
        const auto loaded = loadConfiguration(findConfiguration({folder.path(), "conf/notes.txt"}));
        THEN("it alone is read, whatever its name") {
            REQUIRE(loaded.files == std::vector<std::string>{"conf/notes.txt"});
            REQUIRE(loaded.properties.problems.size() == 1);
        }
    }
}

SCENARIO("what cannot be read is an error that says which and why", "[configuration-files]") {
    Folder folder;
    const auto load = [&](const std::string& name) { return loadConfiguration(findConfiguration({folder.path(), name})).properties; };
    GIVEN("a directory without properties files") {
        fs::create_directories(fs::path(folder.path()) / "empty");
        const auto read = load("empty");
        THEN("that is said") {
            REQUIRE(read.problems.size() == 1);
            REQUIRE(read.problems[0].code == Code::configUnreadable);
            REQUIRE_THAT(read.problems[0].what, Catch::Contains("holds no *.properties file"));
        }
    }
    GIVEN("a link to nowhere beside a good file") {
        folder.write("conf/a.properties", "a = 1\n");
        fs::create_symlink("nowhere", fs::path(folder.path()) / "conf/b.properties");
        const auto read = load("conf");
        THEN("the good file is read and the link is named") {
            REQUIRE(read.entries.size() == 1);
            REQUIRE(read.problems.size() == 1);
            REQUIRE_THAT(read.problems[0].what, Catch::Contains("conf/b.properties cannot be opened: No such file"));
        }
    }
    GIVEN("a named pipe in the directory") {
        folder.write("conf/a.properties", "a = 1\n");
        REQUIRE(::mkfifo((folder.path() + "/conf/p.properties").c_str(), 0600) == 0);
        const auto read = load("conf");
        THEN("nobody waits for it") {
            REQUIRE(read.problems.size() == 1);
            REQUIRE_THAT(read.problems[0].what, Catch::Contains("not a regular file"));
        }
    }
    GIVEN("a directory in the place of a file, as far as even root is refused") {
        folder.write("conf/a.properties", "a = 1\n");
        const auto read = load("conf/a.properties/b");
        THEN("that is said") {
            REQUIRE(read.problems.size() == 1);
            REQUIRE(read.problems[0].code == Code::configUnreadable);
        }
    }
}
