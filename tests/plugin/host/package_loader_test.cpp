#include "plugin/host/package_loader.h"

#include "tests/plugin/host/host_fakes.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>

using namespace plugin;
using namespace plugin::host;

namespace {

constexpr const char* folderOfTests = POSTERN_TEST_PACKAGES;
bool all(const std::string&) { return true; }

const LoadedPackage& find(const Packages& packages, const std::string& name) {
    for (const auto& each : packages.all)
        if (each.description.name == name) return each;
    throw std::runtime_error("no package " + name);
}

std::vector<std::string> exports(const std::string& library) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(("nm -D --defined-only '" + library + "'").c_str(), "r"), ::pclose);
    std::vector<std::string> names;
    std::array<char, 512> line{};
    while (pipe && std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
        std::string text(line.data());
        while (text.ends_with('\n')) text.pop_back();
        names.push_back(text.substr(text.rfind(' ') + 1));
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

SCENARIO("a package is loaded, or is one clear error", "[packages]") {
    const auto packages = loadPackages(folderOfTests, all);
    GIVEN("a good one") {
        const auto& good = find(packages, "good-package");
        THEN("it is there with what it declares") {
            REQUIRE_FALSE(good.error);
            REQUIRE(good.package);
            REQUIRE(good.package->schemaOwner() == "sample");
            REQUIRE(good.description.version == "0.5.1");
            REQUIRE(good.description.keys == std::vector<std::string>{"sample"});
            REQUIRE(packages.keys().size() == 2);
            REQUIRE(packages.commands().size() == 2);
        }
    }
    GIVEN("broken ones") {
        struct Case {
            const char* name;
            Code code;
            const char* text;
        };
        const auto each = GENERATE(Case{"foreign-package", Code::packageForeign, "postern-contract-0 poco-1.9"},
                                   Case{"throwing-package", Code::packageBroken, "the constructor broke"},
                                   Case{"no-symbols-package", Code::packageBroken, "does not export posternPackageAbi"},
                                   Case{"no-manifest-package", Code::packageBroken, "does not export pocoBuildManifest"},
                                   Case{"other-type-package", Code::packageBroken, "cannot be loaded"});
        const auto& broken = find(packages, each.name);
        THEN("each says what is wrong, and others are not disturbed: " + std::string(each.name)) {
            REQUIRE_FALSE(broken.package);
            REQUIRE(broken.error);
            REQUIRE(broken.error->code == each.code);
            REQUIRE(broken.error->reaction == Reaction::askOperator);
            REQUIRE(broken.error->what.find(each.text) != std::string::npos);
            REQUIRE(broken.error->what.find(each.name) != std::string::npos);
            REQUIRE(packages.broken());
        }
    }
}

SCENARIO("a disabled package is not opened", "[packages]") {
    const auto packages = loadPackages(folderOfTests, [](const std::string& name) { return name == "good-package"; });
    REQUIRE_FALSE(packages.broken());
    REQUIRE(find(packages, "good-package").package);
    REQUIRE_FALSE(find(packages, "throwing-package").package);
    REQUIRE_FALSE(find(packages, "throwing-package").error);
    REQUIRE(find(packages, "throwing-package").description.version == "0.5.1");
}

SCENARIO("what stands in package.properties is checked", "[packages]") {
    fakes::Folder folder;
    std::filesystem::create_directory(folder / "odd");
    const std::string whole = "name = odd\nlibrary = odd.so\nversion = 1\ndescription = An odd one\n";
    struct Case {
        std::string text;
        Code code;
        const char* cause;
    };
    const auto each = GENERATE_COPY(Case{whole, Code::packageMissing, "odd.so is not there"},
                                    Case{"name = odd\nlibrary = odd.so\nversion = 1\n", Code::packageBroken, "description is missing"},
                                    Case{whole + "color = red\n", Code::packageBroken, "unknown key color"},
                                    Case{"name odd\n", Code::packageBroken, "package.properties:1"},
                                    Case{"name = even\nlibrary = odd.so\nversion = 1\ndescription = x\n", Code::packageBroken, "name is even"},
                                    Case{"name = odd\nlibrary = ../odd.so\nversion = 1\ndescription = x\n", Code::packageBroken, "without a folder"});
    fakes::write(folder / "odd/package.properties", each.text);
    const auto packages = loadPackages(folder.path(), all);
    REQUIRE(packages.all.size() == 1);
    REQUIRE(packages.all.front().error);
    REQUIRE(packages.all.front().error->code == each.code);
    REQUIRE(packages.all.front().error->what.find(each.cause) != std::string::npos);
}

SCENARIO("a folder without a description, a file that is no library, a missing path", "[packages]") {
    fakes::Folder folder;
    GIVEN("no description") {
        std::filesystem::create_directory(folder / "empty");
        const auto packages = loadPackages(folder.path(), all);
        REQUIRE(packages.all.front().error->what.find("package.properties is missing") != std::string::npos);
    }
    GIVEN("text where a library should be") {
        std::filesystem::create_directory(folder / "odd");
        fakes::write(folder / "odd/package.properties", "name = odd\nlibrary = odd.so\nversion = 1\ndescription = x\n");
        fakes::write(folder / "odd/odd.so", "not a library");
        const auto packages = loadPackages(folder.path(), all);
        REQUIRE(packages.all.front().error->code == Code::packageBroken);
    }
    GIVEN("no folder of packages at all") {
        const auto packages = loadPackages(folder / "nowhere", all);
        REQUIRE(packages.all.front().error->code == Code::packageMissing);
    }
}

SCENARIO("keys of a package that did not load are not unknown", "[packages]") {
    Packages packages;
    const std::vector<Key> declared{{.pattern = "server.data"}};
    packages.all.push_back(
        {.description = {.name = "one", .keys = {"mailbox", "sink"}}, .error = Error{Reaction::askOperator, Code::packageBroken, "x"}});
    THEN("its description tells which they are") {
        REQUIRE(packages.foreign({"server", "mailbx"}, declared) == std::vector<std::string>{"mailbox", "sink"});
    }
    THEN("without that, anything nobody declares may be its own") {
        packages.all.front().description.keys.clear();
        REQUIRE(packages.foreign({"server", "mailbx"}, declared) == std::vector<std::string>{"mailbx"});
    }
}

SCENARIO("packages lie beside the program, or in the library folder of its prefix", "[packages]") {
    fakes::Folder folder;
    std::filesystem::create_directories(folder / "bin");
    REQUIRE(packagePath(folder / "bin/postern") == folder / "lib/postern/packages");
    std::filesystem::create_directories(folder / "bin/packages");
    REQUIRE(packagePath(folder / "bin/postern") == folder / "bin/packages");
}

SCENARIO("a package exports two symbols and no more", "[packages]") {
    const std::string library = GENERATE(as<std::string>{}, POSTERN_TEST_PACKAGES "/good-package/good-package.so", POSTERN_MAIL_LISTENER);
    if (library.empty()) {
        SUCCEED("this build has no mail-listener");
        return;
    }
    REQUIRE(exports(library) == std::vector<std::string>{"pocoBuildManifest", "posternPackageAbi"});
}
