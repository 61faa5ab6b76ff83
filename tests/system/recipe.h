#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace systemtest {

/// What is put in place of a text, in this order.
using Replacements = std::vector<std::pair<std::string, std::string>>;
std::string replacedAll(std::string text, const Replacements& replacements);

/// A file of conf/recipes, as far as it can be tried: blocks of properties, each a whole configuration; commands with what they print; and the table
/// of what is set up wrongly, whose second column quotes in `backticks` what the program says then.
struct Recipe {
    struct Command {
        std::vector<std::string> words{};  ///< behind "$ postern"
        std::vector<std::string> lines{};  ///< "…" stands for anything within a line, a line of its own for any lines
        std::size_t configuration = 0;     ///< the block of properties before it
        std::string line() const;
    };
    struct Wrong {
        std::string what;
        std::vector<std::string> says{};
        std::size_t configuration = 0;
    };
    std::string name;  ///< of the file
    std::vector<std::string> configurations{};
    std::vector<Command> commands{};
    std::vector<Wrong> wrongs{};
};

/// Throws std::runtime_error, with the line, for what no test could try.
Recipe readRecipe(const std::filesystem::path& file);
std::vector<std::filesystem::path> recipeFiles();

/// The lines of `output` are those of `shown`, but for times taken and blanks at ends of lines. "": so it is; else the first that differs.
std::string difference(const std::vector<std::string>& shown, const std::string& output);

}  // namespace systemtest
