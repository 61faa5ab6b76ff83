// The built program, as an administrator meets it.
#include "tests/plugin/host/host_fakes.h"
#include "tests/plugin/host/started_program.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <thread>

using fakes::Folder;
using fakes::Program;

namespace {

/// A configuration with the packages of these tests; only the named ones are enabled.
std::string configuration(const Folder& folder, const std::string& more = "", const std::vector<std::string>& enabled = {"good-package"}) {
    std::string text =
        "server.data = " + folder / "data" + "\nserver.threads = 1\nadmin.address = 127.0.0.1:0\npackage.path = " POSTERN_TEST_PACKAGES "\n";
    for (const std::string name :
         {"good-package", "foreign-package", "throwing-package", "no-symbols-package", "no-manifest-package", "other-type-package"})
        if (std::find(enabled.begin(), enabled.end(), name) == enabled.end()) text += "package." + name + ".enabled = false\n";
    fakes::write(folder / "postern.properties", text + more);
    return folder / "postern.properties";
}

}  // namespace

SCENARIO("the service runs until it is told to stop", "[program]") {
    Folder folder;
    const auto config = configuration(folder);
    Program service({"run", "--config", config});
    service.awaitError(" up packages=1");
    GIVEN("a service that is up") {
        const auto address = fakes::content(folder / "data/admin.address");
        THEN("it says where its admin port is, to its own user alone") { REQUIRE(address.starts_with("127.0.0.1:")); }
        WHEN("a second one is started on the same data") {
            Program second({"run", "--config", config});
            THEN("it leaves with 75 and names the first") {
                REQUIRE(second.wait() == 75);
                REQUIRE(second.error().find("PO-7006") != std::string::npos);
                REQUIRE(second.error().find("process " + std::to_string(service.id())) != std::string::npos);
            }
        }
        WHEN("it is sent SIGHUP after a change") {
            configuration(folder, "sample.status = 7\n");
            service.signal(SIGHUP);
            service.awaitError("the configuration was reloaded");
            THEN("its packages see the new values, and it goes on") {
                service.awaitError("sample reloaded status=7");
                service.signal(SIGTERM);
                REQUIRE(service.wait() == 0);
            }
        }
        WHEN("it is sent SIGHUP after a change that breaks a package") {
            configuration(folder, "sample.behaviour = throwing\n");
            service.signal(SIGHUP);
            service.awaitError("a package failed to take over the configuration");
            THEN("that is told as a bug, and it goes on") {
                service.awaitError("PO-9003");
                service.signal(SIGTERM);
                REQUIRE(service.wait() == 0);
            }
        }
        WHEN("it is sent SIGHUP after a change that cannot be") {
            const auto wrong = GENERATE(as<std::string>{}, "sample.status = many\n", "server.name = another\n", "no such line\n");
            configuration(folder, wrong);
            service.signal(SIGHUP);
            service.awaitError("the configuration was not reloaded");
            THEN("nothing is taken over, the place is named, and it goes on") {
                REQUIRE(service.error().find("line=") != std::string::npos);
                REQUIRE(service.error().find("sample reloaded") == std::string::npos);
                service.signal(SIGTERM);
                REQUIRE(service.wait() == 0);
            }
        }
        WHEN("its database is removed under it") {
            std::filesystem::remove(folder / "data/postern.db");
            THEN("it ends with 75 by itself, and the next start knows of the loss") {
                REQUIRE(service.wait() == 75);
                REQUIRE(service.error().find("PO-7004") != std::string::npos);
                REQUIRE(fakes::content(folder / "data/instance.json").find("\"clean\": true") == std::string::npos);
                Program next({"run", "--config", config});
                next.awaitError("begun lost=yes");
                next.signal(SIGTERM);
                REQUIRE(next.wait() == 0);
            }
        }
        WHEN("it is sent a stop signal") {
            service.signal(GENERATE(SIGTERM, SIGINT));
            THEN("it stops in order and removes what stands for a running one") {
                REQUIRE(service.wait() == 0);
                REQUIRE_FALSE(std::filesystem::exists(folder / "data/admin.address"));
                REQUIRE(fakes::content(folder / "data/instance.json").find("\"clean\": true") != std::string::npos);
            }
        }
        WHEN("it is killed") {
            service.signal(SIGKILL);
            static_cast<void>(service.wait());
            Program next({"run", "--config", config});
            next.awaitError(" up packages=1");
            next.signal(SIGTERM);
            THEN("the next one begins where it stood") {
                REQUIRE(next.wait() == 0);
                REQUIRE(next.error().find("begun lost=no") != std::string::npos);
            }
        }
    }
}

SCENARIO("the service may have as many files open as the system lets it", "[program]") {
    Folder folder;
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(before.rlim_max > 256);
    rlimit narrow = before;
    narrow.rlim_cur = 256;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &narrow) == 0);
    Program service({"run", "--config", configuration(folder)});
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    service.awaitError(" up ");
    rlimit its{};
    REQUIRE(::prlimit(service.id(), RLIMIT_NOFILE, nullptr, &its) == 0);
    CHECK(its.rlim_cur == before.rlim_max);
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
}

SCENARIO("a package that does not stop does not hold up the process", "[program]") {
    Folder folder;
    const auto config = configuration(folder, "sample.behaviour = stuck\n");
    Program service({"run", "--config", config});
    service.awaitError(" up packages=1");
    service.signal(SIGTERM);
    service.awaitError("stopping");
    WHEN("it is told again") {
        service.signal(SIGTERM);
        THEN("it leaves at once, with 75, naming what was still running") {
            REQUIRE(service.wait() == 75);
            REQUIRE(service.error().find("running=good-package") != std::string::npos);
            REQUIRE(fakes::content(folder / "data/instance.json").find("\"clean\": false") != std::string::npos);
        }
    }
    WHEN("it is not") {
        THEN("it leaves when its time is over, with 75") {
            REQUIRE(service.wait() == 75);
            REQUIRE(service.error().find("not everything has ended in time") != std::string::npos);
        }
    }
}

SCENARIO("run --once ends with the worst of the packages' statuses", "[program]") {
    Folder folder;
    struct Case {
        const char* more;
        std::vector<std::string> enabled;
        int status;
    };
    const auto each = GENERATE(Case{"", {"good-package"}, 0}, Case{"sample.status = 75\n", {"good-package"}, 75},
                               Case{"", {"good-package", "throwing-package"}, 78}, Case{"sample.behaviour = refusing\n", {"good-package"}, 78},
                               Case{"sample.behaviour = throwing\n", {"good-package"}, 78});
    Program once({"run", "--once", "--config", configuration(folder, each.more, each.enabled)});
    REQUIRE(once.wait() == each.status);
    REQUIRE_FALSE(std::filesystem::exists(folder / "data/admin.address"));
}

SCENARIO("a broken package is shown, and the service stays up to show it", "[program]") {
    Folder folder;
    // The keys of the broken package are no unknown keys.
    const auto config = configuration(folder, "broken.anything = 1\n", {"good-package", "foreign-package"});
    Program service({"run", "--config", config});
    service.awaitError(" up packages=1");
    THEN("its error is in the log") { REQUIRE(service.error().find("PO-8002") != std::string::npos); }
    service.signal(SIGTERM);
    REQUIRE(service.wait() == 0);
}

SCENARIO("a lost database is told to the packages at every start", "[program]") {
    Folder folder;
    const auto config = configuration(folder);
    REQUIRE(Program({"run", "--once", "--config", config}).wait() == 0);
    std::filesystem::remove(folder / "data/postern.db");
    for (int start = 0; start < 2; ++start) {
        Program once({"run", "--once", "--config", config});
        REQUIRE(once.wait() == 0);
        REQUIRE(once.error().find("begun lost=yes") != std::string::npos);
    }
    Program command({"sample-write", "--config", config});
    REQUIRE(command.wait() == 0);
    REQUIRE(command.output() == "lost=yes\n");
}

SCENARIO("the service goes to the background once it is up", "[program]") {
    Folder folder;
    const auto config = configuration(folder, "log.file = " + folder / "postern.log" + "\n");
    GIVEN("a good configuration") {
        Program parent({"run", "--daemon", "--pidfile", "postern.pid", "--config", "postern.properties"}, {}, folder.path());
        REQUIRE(parent.wait() == 0);
        const auto id = static_cast<pid_t>(std::stoi(fakes::content(folder / "postern.pid")));
        THEN("its process id is noted, it holds the lock, and it stops when told") {
            REQUIRE(id > 1);
            REQUIRE(id != parent.id());
            REQUIRE(fakes::content(folder / "data/postern.lock") == std::to_string(id) + "\n");
            Program second({"run", "--config", config});
            REQUIRE(second.wait() == 75);
            REQUIRE(::kill(id, SIGTERM) == 0);
            REQUIRE(fakes::gone(folder / "postern.pid"));
        }
    }
    GIVEN("one that cannot be started") {
        Program taken({"run", "--config", configuration(folder)});
        taken.awaitError(" up packages=1");
        auto address = fakes::content(folder / "data/admin.address");
        address.pop_back();
        Folder other;
        auto text = fakes::content(configuration(other, "log.file = " + other / "postern.log" + "\n"));
        text.replace(text.find("127.0.0.1:0"), 11, address);
        fakes::write(other / "postern.properties", text);
        Program parent({"run", "--daemon", "--config", other / "postern.properties"});
        THEN("the caller gets the status and the reason of the background process") {
            REQUIRE(parent.wait() == 78);
            REQUIRE(parent.error().find("PO-9001") != std::string::npos);
            taken.signal(SIGTERM);
            REQUIRE(taken.wait() == 0);
        }
    }
}

SCENARIO("the service manager is told when the service is up and when it stops", "[program]") {
    Folder folder;
    const auto name = "@postern-program-" + std::to_string(::getpid());
    const int manager = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
    REQUIRE(::bind(manager, reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
    const auto hear = [&] {
        std::array<char, 256> text{};
        const auto count = ::recv(manager, text.data(), text.size(), 0);
        return std::string(text.data(), count < 0 ? 0 : static_cast<std::size_t>(count));
    };
    Program service({"run", "--config", configuration(folder)}, {"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=200000"});
    std::string heard;
    while (heard.find("READY=1") == std::string::npos) heard += hear() + "\n";
    REQUIRE(heard.find("MAINPID=" + std::to_string(service.id())) != std::string::npos);
    while (heard.find("WATCHDOG=1") == std::string::npos) heard += hear() + "\n";
    service.signal(SIGHUP);
    while (heard.find("RELOADING=1\nMONOTONIC_USEC=") == std::string::npos) heard += hear() + "\n";
    heard.erase(0, heard.find("RELOADING=1"));
    while (heard.find("READY=1") == std::string::npos) heard += hear() + "\n";
    service.signal(SIGTERM);
    while (heard.find("STOPPING=1") == std::string::npos) heard += hear() + "\n";
    REQUIRE(service.wait() == 0);
    ::close(manager);
}

SCENARIO("commands are dispatched", "[program]") {
    Folder folder;
    const auto config = configuration(folder);
    const auto run = [](std::vector<std::string> arguments) {
        Program program(std::move(arguments));
        const int status = program.wait();
        return std::tuple(status, program.output(), program.error());
    };
    GIVEN("version") {
        const auto [status, out, error] = run({"version", "--json", "--config", config});
        REQUIRE(status == 0);
        REQUIRE(Poco::JSON::Parser().parse(out).extract<Poco::JSON::Object::Ptr>()->getValue<std::string>("version") == "0.5.1");
    }
    GIVEN("a command of a package, without any data directory") {
        const auto [status, out, error] = run({"sample", "--config", config, "one", "two"});
        REQUIRE(status == 0);
        REQUIRE(out == "sample lost=no one two\n");
        REQUIRE_FALSE(std::filesystem::exists(folder / "data"));
    }
    GIVEN("a command nobody has") { REQUIRE(std::get<0>(run({"dance", "--config", config})) == 64); }
    GIVEN("a command of a package that is broken") {
        const auto [status, out, error] = run({"ledger", "--config", configuration(folder, "", {"foreign-package"})});
        REQUIRE(status == 64);
        REQUIRE(error.find("PO-8002") != std::string::npos);
    }
    GIVEN("a configuration with two errors") {
        const auto bad = configuration(folder, "sample.status = many\nserver.dtaa = x\n");
        const auto command = GENERATE("run", "check", "sample");
        const auto [status, out, error] = run({command, "--config", bad});
        THEN("both are told, each with its line, and the status is 78: " + std::string(command)) {
            REQUIRE(status == 78);
            const auto text = out + error;
            REQUIRE(text.find("PO-1006") != std::string::npos);
            REQUIRE(text.find("PO-1004") == std::string::npos);
            REQUIRE(text.find("PO-1003") != std::string::npos);
            REQUIRE(text.find("postern.properties:") != std::string::npos);
            REQUIRE_FALSE(std::filesystem::exists(folder / "data"));
        }
    }
    GIVEN("token for a credential that does not exist") {
        const auto [status, out, error] = run({"token", "nobody", "--json", "--config", config});
        REQUIRE(status == 78);
        const auto answer = Poco::JSON::Parser().parse(out).extract<Poco::JSON::Object::Ptr>();
        REQUIRE(answer->getValue<std::string>("status") == "failed");
        REQUIRE(answer->getValue<std::string>("error_code") == "PO-3009");
        REQUIRE(answer->isNull("access_token"));
        REQUIRE(answer->size() == 8);
    }
    GIVEN("a look at a credential that does not exist, and the wish to forget it") {
        const auto [status, out, error] = run({"credentials", "nobody", "--config", config});
        REQUIRE(status == 78);
        REQUIRE(error.starts_with("PO-1008 there is no credential named nobody. Next: "));
        const auto [forgotten, nothing, told] = run({"credentials", "nobody", "--forget", "--config", config});
        REQUIRE(forgotten == 78);
        REQUIRE(told.starts_with("PO-3009 there is no credential named nobody. Next: "));
    }
    GIVEN("a data directory that cannot be made") {
        fakes::write(folder / "data", "a file");
        REQUIRE(std::get<0>(run({"run", "--config", config})) == 73);
    }
}
