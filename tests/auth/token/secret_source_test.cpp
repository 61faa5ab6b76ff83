#include "auth/secret_source.h"

#include <catch2/catch.hpp>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

using namespace auth;
using plugin::Code;
using plugin::Reaction;

namespace {

class Folder {
public:
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "postern-secret-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string put(const std::string& name, const std::string& text) const {
        const auto path = (path_ / name).string();
        std::ofstream(path, std::ios::binary) << text;
        return path;
    }
    std::string path(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

plugin::Result<Secret> read(const std::string& written) {
    auto source = parseSecretSource(written);
    if (!source) return source.error();
    const auto reader = makeSecretReader();
    return readSecret(*source, *reader);
}

}  // namespace

SCENARIO("a value is a literal unless it is ${...} from end to end", "[secret]") {
    struct Row {
        std::string written, secret;
    };
    const auto row = GENERATE(Row{"plain", "plain"}, Row{" a b ", " a b "}, Row{"$${file:/x}", "${file:/x}"}, Row{"$$${x}", "$$${x}"},
                              Row{"${file:/x", "${file:/x"}, Row{"a${file:/x}", "a${file:/x}"}, Row{"${file:/x}b", "${file:/x}b"},
                              Row{"${file:/x}y}", "${file:/x}y}"}, Row{"$", "$"}, Row{"$$", "$$"}, Row{"\xc3\xa9", "\xc3\xa9"});
    WHEN("\"" + row.written + "\" is read") {
        const auto secret = read(row.written);
        REQUIRE(secret);
        CHECK(secret->reveal() == row.secret);
    }
}

SCENARIO("sources that are planned, unknown or nameless are refused", "[secret]") {
    struct Row {
        std::string written;
        Code code;
    };
    const auto row =
        GENERATE(Row{"${credential:x}", Code::configNotInThisVersion}, Row{"${command:/bin/x}", Code::configNotInThisVersion},
                 Row{"${sealed:abc}", Code::configNotInThisVersion}, Row{"${file:}", Code::configSecretSource},
                 Row{"${env}", Code::configSecretSource}, Row{"${my-secret-value}", Code::configSecretSource}, Row{"${}", Code::configSecretSource});
    WHEN(row.written + " is read") {
        const auto secret = read(row.written);
        REQUIRE_FALSE(secret);
        CHECK(secret.error().code == row.code);
        CHECK(secret.error().reaction == Reaction::askOperator);
        CHECK(secret.error().what.find("my-secret-value") == std::string::npos);
    }
}

SCENARIO("of a file exactly one final line end is dropped", "[secret]") {
    struct Row {
        std::string content, secret;
    };
    const auto row =
        GENERATE(Row{"s", "s"}, Row{"s\n", "s"}, Row{"s\r\n", "s"}, Row{"s\n\n", "s\n"}, Row{"s \n", "s "}, Row{"a\nb", "a\nb"}, Row{"s\r", "s\r"});
    const Folder folder;
    const auto secret = read("${file:" + folder.put("secret", row.content) + "}");
    REQUIRE(secret);
    CHECK(secret->reveal() == row.secret);
}

SCENARIO("a secret is read anew each time, and its stamp tells a changed file", "[secret]") {
    const Folder folder;
    const auto path = folder.put("secret", "first");
    const auto reader = makeSecretReader();
    auto source = parseSecretSource("${file:" + path + "}");
    REQUIRE(source);
    std::optional<SecretReader::Stamp> before;
    const auto first = readSecret(*source, *reader, &before);
    REQUIRE(first);
    CHECK(reader->stamp(path) == before);
    WHEN("another file takes its name") {
        std::filesystem::rename(folder.put("next", "second"), path);
        THEN("stamp and secret are others") {
            CHECK_FALSE(reader->stamp(path) == before);
            const auto second = readSecret(*source, *reader);
            REQUIRE(second);
            CHECK(second->reveal() == "second");
        }
    }
    WHEN("the file goes") {
        std::filesystem::remove(path);
        CHECK_FALSE(reader->stamp(path));
    }
}

SCENARIO("the environment is a source", "[secret]") {
    ::setenv("POSTERN_TEST_SECRET", "from the environment", 1);
    const auto secret = read("${env:POSTERN_TEST_SECRET}");
    ::unsetenv("POSTERN_TEST_SECRET");
    REQUIRE(secret);
    CHECK(secret->reveal() == "from the environment");
    const auto missing = read("${env:POSTERN_TEST_SECRET}");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().what == "the environment variable POSTERN_TEST_SECRET is not set");
}

SCENARIO("a source that cannot be read is named", "[secret]") {
    const Folder folder;
    const auto refused = [&](const std::string& path, const std::string& why) {
        const auto secret = read("${file:" + path + "}");
        REQUIRE_FALSE(secret);
        CHECK(secret.error().code == Code::configSecretSource);
        CHECK(secret.error().reaction == Reaction::askOperator);
        CHECK(secret.error().what.find(path) != std::string::npos);
        CHECK(secret.error().what.find(why) != std::string::npos);
    };
    refused(folder.path("missing"), "No such file");
    refused(folder.path(""), "not a regular file");
    refused(folder.put("empty", "\n"), "empty secret");
    refused(folder.put("large", std::string(65'537, 'x')), "larger than 65536");
    const auto pipe = folder.path("pipe");
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    refused(pipe, "not a regular file");
}

SCENARIO("a builder keeps every piece, however it grows", "[secret]") {
    SecretBuilder builder(1);
    std::string expected;
    for (int i = 0; i < 200; ++i) {
        const auto piece = std::string(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
        builder.add(piece).add('-');
        expected += piece + "-";
    }
    CHECK(builder.finish().reveal() == expected);
}
