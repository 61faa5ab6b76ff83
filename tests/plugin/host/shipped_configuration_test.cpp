#include "auth/access.h"
#include "listener/engine/settings.h"
#include "plugin/host/configuration_files.h"
#include "plugin/host/host_keys.h"
#include "plugin/host/known_keys.h"
#include "plugin/host/problem_report.h"
#include "plugin/host/validation.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using plugin::Key;
using plugin::Problem;
using namespace plugin::host;

namespace {

Rules everything() {
    Rules rules{.keys = hostKeys(), .workingDirectory = "/start"};
    for (auto& key : auth::keys()) rules.keys.push_back(std::move(key));
    for (auto& key : listener::keys()) rules.keys.push_back(std::move(key));
    rules.checks = {checkHostKeys, auth::check, listener::check};
    return rules;
}

/// The shipped files with the lines that begin with `mark` and a key un-commented, all others as they are.
Properties shipped(const std::string& mark) {
    std::vector<Properties> files;
    for (const std::string name : {"credentials", "keystores", "mailboxes", "postern", "proxies", "sinks"}) {
        std::ifstream file(POSTERN_SHIPPED_CONFIGURATION "/" + name + ".properties");
        REQUIRE(file);
        std::string text;
        for (std::string line; std::getline(file, line);) {
            const bool example = !mark.empty() && line.starts_with(mark) && line.size() > mark.size() && line[mark.size()] >= 'a' &&
                                 line[mark.size()] <= 'z' && line.find(" = ") != std::string::npos;
            text += (example ? line.substr(mark.size()) : line) + "\n";
        }
        files.push_back(parseProperties(text, name + ".properties"));
    }
    return merge(std::move(files));
}

std::string listed(const std::vector<Problem>& problems) {
    std::string text;
    for (const auto& each : problems) text += reportLine(each) + "\n";
    return text;
}

}  // namespace

SCENARIO("the shipped configuration is valid and empty", "[shipped]") {
    const auto loaded = loadConfiguration(findConfiguration({POSTERN_SHIPPED_CONFIGURATION, "."}));
    REQUIRE(loaded.files.size() == 6);
    REQUIRE(loaded.properties.entries.empty());
    REQUIRE(validate(loaded.properties, everything()).problems.empty());
}

SCENARIO("every example of the shipped configuration works, all at once", "[shipped]") {
    const auto examples = shipped("#");
    const auto checked = validate(examples, everything());
    THEN("there is not even a warning") { REQUIRE(listed(checked.problems).empty()); }
    THEN("every key of this version has an example") {
        const auto rules = everything();
        const KnownKeys known(rules.keys);
        std::set<std::string> shown;
        for (const auto& entry : examples.entries)
            if (const auto match = known.match(entry.key)) shown.insert(match->key->pattern);
        for (const auto& key : rules.keys) {
            CAPTURE(key.pattern);
            CHECK((key.planned || shown.count(key.pattern) == 1));
        }
    }
    THEN("defaults are shown as they are") {
        for (const auto& key : hostKeys()) {
            CAPTURE(key.pattern);
            const auto at =
                std::find_if(examples.entries.begin(), examples.entries.end(), [&](const Entry& each) { return each.key == key.pattern; });
            if (!key.fallback.empty() && at != examples.entries.end()) CHECK(at->value == key.fallback);
        }
    }
}

SCENARIO("what the shipped files call not in this version is refused as that", "[shipped]") {
    const auto planned = shipped("#  ");
    REQUIRE(planned.entries.size() > 10);
    const auto rules = everything();
    for (const auto& entry : planned.entries) {
        const auto checked = validate(Properties{{entry}, {}}, rules);
        CAPTURE(entry.key, listed(checked.problems));
        CHECK(std::any_of(checked.problems.begin(), checked.problems.end(),
                          [&](const Problem& each) { return each.key == entry.key && each.code == plugin::Code::configNotInThisVersion; }));
    }
}
