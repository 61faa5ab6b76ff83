#include "plugin/host/check_command.h"

#include "plugin/host/host_keys.h"
#include "plugin/host/problem_report.h"
#include "tests/servers/temporary_directory.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <catch2/catch.hpp>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

using plugin::Code;
using plugin::Key;
using plugin::KeyType;
using plugin::Problem;
using namespace plugin::host;

namespace {

namespace fs = std::filesystem;

class OneFile {
public:
    explicit OneFile(const std::string& text) { std::ofstream(directory_ / "a.properties", std::ios::binary) << text; }
    std::string folder() const { return directory_.path().string(); }
    CheckRequest request(bool json = false) const {
        CheckRequest request{findConfiguration({folder(), "a.properties"}), {}};
        request.rules.keys = hostKeys();
        request.rules.keys.push_back(Key{.pattern = "credential.<name>.client_secret", .type = KeyType::secret});
        request.rules.checks.emplace_back(checkHostKeys);
        request.rules.workingDirectory = folder();
        request.json = json;
        return request;
    }

private:
    servers::TemporaryDirectory directory_{};
};

struct Ran {
    int status;
    std::string out, error;
};
Ran run(const CheckRequest& request) {
    std::ostringstream out, error;
    const int status = runCheck(request, out, error);
    return {status, out.str(), error.str()};
}

}  // namespace

SCENARIO("check answers 0 or 78 and lists every problem", "[check]") {
    GIVEN("a good configuration") {
        const OneFile file("log.level = debug\n");
        const auto ran = run(file.request());
        THEN("it is quiet") {
            REQUIRE(ran.status == 0);
            REQUIRE(ran.out.empty());
            REQUIRE(ran.error == "a.properties (1 file): no problems\n");
        }
    }
    GIVEN("a warning") {
        const OneFile file("credential.c.client_secret = hunter2\n");
        const auto ran = run(file.request());
        THEN("the status is 0 and the secret is not shown") {
            REQUIRE(ran.status == 0);
            REQUIRE_THAT(ran.out, Catch::StartsWith("a.properties:1: warning PO-1010 credential.c.client_secret: ") && !Catch::Contains("hunter2"));
            REQUIRE_THAT(ran.error, Catch::Contains("0 errors, 1 warning\n"));
        }
    }
    GIVEN("errors") {
        const OneFile file("log.level = loud\n\nserver.dat = x\n");
        const auto ran = run(file.request());
        THEN("each has file, line, code and next step") {
            REQUIRE(ran.status == 78);
            REQUIRE(ran.out ==
                    "a.properties:1: error PO-1006 log.level: \"loud\" is not error, warning, notice, information, debug or trace.  Next: write it "
                    "as the "
                    "message says; durations and sizes need a unit\n"
                    "a.properties:3: error PO-1003 server.dat: nothing reads this key; did you mean server.data?  Next: correct the spelling; the "
                    "nearest "
                    "known key is named\n");
        }
    }
    GIVEN("no configuration") {
        const OneFile file("");
        auto request = file.request();
        request.source = findConfiguration({file.folder(), "absent"});
        const auto ran = run(request);
        THEN("that is the error") {
            REQUIRE(ran.status == 78);
            REQUIRE_THAT(ran.out, Catch::StartsWith("absent: error PO-1001 --config names absent"));
        }
    }
    GIVEN("a package that could not be loaded") {
        const OneFile file("");
        auto request = file.request();
        request.packageProblems.push_back(Problem{.code = Code::packageMissing, .what = "mail-listener has no library"});
        const auto ran = run(request);
        THEN("it is an error like the others") {
            REQUIRE(ran.status == 78);
            REQUIRE_THAT(ran.out, Catch::StartsWith("error PO-8001 mail-listener has no library"));
        }
    }
}

SCENARIO("check looks at the sources of secrets without reading them out", "[check]") {
    const OneFile file(
        "credential.a.client_secret = ${file:absent}\ncredential.b.client_secret = ${file:there}\ncredential.c.client_secret = ${file:.}\n"
        "credential.d.client_secret = ${env:POSTERN_CHECK_TEST_UNSET}\ncredential.e.client_secret = ${env:PATH}\n"
        "credential.f.client_secret = ${file:empty}\n");
    std::ofstream(file.folder() + "/there") << "hunter2\n";
    std::ofstream(file.folder() + "/empty") << "";
    const auto ran = run(file.request());
    REQUIRE(ran.status == 78);
    CHECK_THAT(ran.out, Catch::Contains("a.properties:1: error PO-1011 credential.a.client_secret: the secret's file " + file.folder() +
                                        "/absent cannot be opened"));
    CHECK_THAT(ran.out, Catch::Contains("a.properties:3: error PO-1011") && Catch::Contains("is a directory"));
    CHECK_THAT(ran.out, Catch::Contains("a.properties:4: error PO-1011") && Catch::Contains("POSTERN_CHECK_TEST_UNSET is not set"));
    CHECK_THAT(ran.out, Catch::Contains("a.properties:6: error PO-1011") && Catch::Contains("is empty"));
    CHECK_THAT(ran.out, !Catch::Contains("properties:2:") && !Catch::Contains("properties:5:") && !Catch::Contains("hunter2"));
}

SCENARIO("check --json is one array for scripts", "[check]") {
    GIVEN("a good configuration") {
        const OneFile file("");
        const auto ran = run(file.request(true));
        THEN("it is empty") {
            REQUIRE(ran.status == 0);
            REQUIRE(Poco::JSON::Parser().parse(ran.out).extract<Poco::JSON::Array::Ptr>()->size() == 0);
            REQUIRE(ran.error.empty());
        }
    }
    GIVEN("problems") {
        const OneFile file("l\xC3\xB6g.\"level\" = 1\nno separator\n");
        const auto ran = run(file.request(true));
        const auto array = Poco::JSON::Parser().parse(ran.out).extract<Poco::JSON::Array::Ptr>();
        THEN("each is an object with every field") {
            REQUIRE(ran.status == 78);
            REQUIRE(array->size() == 2);
            const auto first = array->getObject(0);
            REQUIRE(first->getNames() == std::vector<std::string>{"code", "file", "key", "line", "message", "next", "severity"});
            REQUIRE(first->getValue<std::string>("severity") == "error");
            REQUIRE(first->getValue<std::string>("code") == "PO-1003");
            REQUIRE(first->getValue<std::string>("key") == "l\xC3\xB6g.\"level\"");
            REQUIRE(first->getValue<std::string>("file") == "a.properties");
            REQUIRE(first->getValue<int>("line") == 1);
            REQUIRE(array->getObject(1)->isNull("key"));
        }
    }
}

SCENARIO("a problem without a place or with its key in the text is one readable line", "[check]") {
    const Problem bare{.code = Code::configMissingKey, .key = "a.b", .what = "a.b is missing for x"};
    REQUIRE(reportLine(bare) == "error PO-1005 a.b is missing for x.  Next: add the key; conf/ has a commented example of each");
    const Problem fileOnly{.code = Code::configUnreadable, .what = "no", .place = {"conf", 0}};
    REQUIRE_THAT(reportLine(fileOnly), Catch::StartsWith("conf: error PO-1001 no.  Next: "));
    REQUIRE(summary({bare, bare}) == "2 errors, 0 warnings");
}

SCENARIO("check looks for what a secret comes from, and runs nothing", "[check]") {
    const OneFile place("");
    const auto program = fs::path(place.folder()) / "program", trace = fs::path(place.folder()) / "trace";
    std::ofstream(program) << "#!/bin/sh\ntouch '" << trace.string() << "'\necho secret\n";
    GIVEN("a program that could be run") {
        fs::permissions(program, fs::perms::owner_all);
        const OneFile file("credential.c.client_secret = ${command:" + program.string() + " 'an argument'}\n");
        const auto ran = run(file.request());
        CHECK(ran.status == 0);
        CHECK(ran.out.empty());
        CHECK_FALSE(fs::exists(trace));
    }
    GIVEN("one that could not") {
        const OneFile file("credential.c.client_secret = ${command:/nowhere/at/all s3cret}\n");
        const auto ran = run(file.request());
        CHECK(ran.status == 78);
        CHECK(ran.out.find("the program /nowhere/at/all cannot be run: No such file") != std::string::npos);
        CHECK(ran.out.find("s3cret") == std::string::npos);
    }
    GIVEN("a credential of systemd's") {
        std::ofstream(fs::path(place.folder()) / "mail") << "secret";
        const OneFile there("credential.c.client_secret = ${credential:mail}\n");
        const OneFile missing("credential.c.client_secret = ${credential:post}\n");
        ::unsetenv("CREDENTIALS_DIRECTORY");
        CHECK(run(there.request()).status == 0);
        CHECK(run(missing.request()).status == 0);  // a person checks what systemd will start
        ::setenv("CREDENTIALS_DIRECTORY", place.folder().c_str(), 1);
        CHECK(run(there.request()).status == 0);
        CHECK(run(missing.request()).status == 78);
        ::unsetenv("CREDENTIALS_DIRECTORY");
    }
}

SCENARIO("check warns of files that could not be made where they are wanted", "[check]") {
    GIVEN("a log file and a pid file") {
        OneFile file("log.file = there/postern.log\nserver.pidfile = nowhere/postern.pid\n");
        fs::create_directory(fs::path(file.folder()) / "there");
        const auto ran = run(file.request());
        THEN("the one whose directory is missing is named, as a warning") {
            CHECK(ran.status == 0);
            CHECK(ran.out.find("warning") != std::string::npos);
            CHECK(ran.out.find("server.pidfile") != std::string::npos);
            CHECK(ran.out.find("nowhere does not exist") != std::string::npos);
            CHECK(ran.out.find("log.file") == std::string::npos);
        }
    }
    GIVEN("a directory nobody may write to") {
        OneFile file("log.file = there/postern.log\n");
        auto request = file.request();
        request.directories = [](const std::string& directory) { return std::optional(directory + " is closed"); };
        const auto ran = run(request);
        THEN("that is a warning too") {
            CHECK(ran.status == 0);
            CHECK(ran.out.find("there is closed") != std::string::npos);
        }
    }
}
