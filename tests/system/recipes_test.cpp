// Every recipe of conf/recipes, tried as it stands there: the real names of providers lead to servers of this test, through a proxy that is the only
// line added. What a recipe shows is what the program prints; what it says of mistakes is what the program says when they are made.
#include "tests/system/recipe_mistakes.h"
#include "tests/system/recipe_stage.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace systemtest;
using servers::eventually;

namespace {

constexpr auto soon = std::chrono::seconds{60};

/// What the test added is taken out again: the step of the proxy, and its part in the name's.
std::string asShown(const std::string& output, const Stage& stage) {
    std::string text = replacedAll(output, {{": the proxy resolves it", ""}, {(stage.place.path() / "etc/").string(), "/etc/postern/"}});
    if (const auto step = text.find("  proxy           ok        proxy test"); step != std::string::npos)
        text.erase(step, text.find('\n', step) + 1 - step);
    return replacedAll(text,
                       {{"proxy corporate 127.0.0.1:" + std::to_string(stage.providers.tunnel().port()), "proxy corporate proxy.corp.example:3128"}});
}

std::vector<std::string> filled(std::vector<std::string> lines) {
    for (auto& line : lines) line = replacedAll(line, placeholders);
    return lines;
}

bool needsSignIn(const std::string& lines) {
    return lines.find("authorization_code") != std::string::npos || lines.find("device_code") != std::string::npos;
}

/// How it is when all is well, where that is not how everything begins.
void wellSetUp(const std::string& recipe, Stage& stage) {
    if (recipe == "some-mailboxes-only.md") {
        stage.providers.graphRoles.clear();  // by RBAC for Applications none is in the token
        graphDenies(stage, "/v1.0/users/ceo");
    }
    if (recipe == "ews-to-graph.md") stage.set("mailbox.orders.start", "all");
}

std::vector<std::string> firstDoctor(const Recipe& recipe, std::size_t configuration) {
    for (const auto& command : recipe.commands)
        if (command.configuration == configuration && command.words.front() == "doctor") return {command.words[0], command.words[1]};
    return {};
}

}  // namespace

TEST_CASE("every recipe is a file the test knows, with what an administrator looks for", "[system][recipes]") {
    std::map<std::string, std::size_t> tried;
    for (const auto& mistake : mistakes()) ++tried[mistake.recipe];
    for (const auto& file : recipeFiles()) {
        const auto recipe = readRecipe(file);
        INFO(recipe.name);
        CHECK(tried[recipe.name] >= 4);
        CHECK(recipe.wrongs.size() == tried[recipe.name]);
        CHECK_FALSE(recipe.configurations.empty());
        CHECK_FALSE(recipe.commands.empty());
        tried.erase(recipe.name);
        const auto list = servers::readFile(file.parent_path() / "README.md");
        CHECK(list.find("(" + recipe.name + ")") != std::string::npos);
    }
    CHECK(tried.empty());
}

TEST_CASE("a recipe that is followed leads to a mailbox in order, and what it shows is what is printed", "[system][recipes]") {
    for (const auto& file : recipeFiles()) {
        const auto recipe = readRecipe(file);
        for (std::size_t number = 0; number < recipe.configurations.size(); ++number) {
            Stage stage(recipe.configurations[number]);
            wellSetUp(recipe.name, stage);
            stage.begin();
            INFO(recipe.name << ", configuration " << number << "\n" << stage.lines);
            const auto check = stage.place.postern({"check"});
            INFO(check.output << check.error);
            CHECK(check.status == 0);
            CHECK((check.output + check.error).find("warning") == std::string::npos);
            if (recipe.name == "ews-to-graph.md") REQUIRE(stage.place.postern({"run", "--once"}).status == 0);
            for (const auto& command : recipe.commands) {
                if (command.configuration != number) continue;
                const auto output = asShown(stage.run(command.words), stage);
                INFO(command.line() << "\n" << output);
                CHECK(stage.status == 0);
                CHECK(difference(filled(command.lines), output) == "");
                CHECK(output.find(Providers::secret) == std::string::npos);
            }
            CHECK(stage.providers.problems() == std::vector<std::string>{});
        }
    }
}

TEST_CASE("what a recipe says of each mistake is what the program says", "[system][recipes]") {
    for (const auto& file : recipeFiles()) {
        const auto recipe = readRecipe(file);
        for (const auto& wrong : recipe.wrongs) {
            DYNAMIC_SECTION(recipe.name << ": " << wrong.what) {
                const auto all = mistakes();
                const auto found =
                    std::find_if(all.begin(), all.end(), [&](const Mistake& each) { return each.recipe == recipe.name && each.what == wrong.what; });
                REQUIRE(found != all.end());
                Stage stage(recipe.configurations[wrong.configuration]);
                found->make(stage);
                stage.begin();
                if (needsSignIn(stage.lines) && found->signedIn) {
                    const auto refuses = std::exchange(stage.providers.entraRefuses, std::nullopt);
                    const auto said = stage.run({"login", "me", "--user", stage.providers.signsIn});
                    INFO(said);
                    REQUIRE(stage.status == 0);
                    stage.providers.entraRefuses = refuses;
                    if (refuses)
                        REQUIRE(eventually(
                            [&] {
                                return stage.place.postern({"credentials", "me"}).output.find("which is over") != std::string::npos;
                            },
                            soon));
                }
                const auto words = found->words.empty() ? firstDoctor(recipe, wrong.configuration) : found->words;
                REQUIRE_FALSE(words.empty());
                const auto output = asShown(stage.run(words), stage);
                INFO(output);
                CHECK(stage.status != 0);
                for (const auto& quote : filled(wrong.says)) {
                    INFO("quoted: " << quote);
                    CHECK(output.find(quote) != std::string::npos);
                }
                CHECK(output.find(Providers::secret) == std::string::npos);
            }
        }
    }
}
