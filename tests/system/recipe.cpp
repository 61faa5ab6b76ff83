#include "tests/system/recipe.h"

#include "tests/servers/process.h"

#include <algorithm>
#include <optional>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace systemtest {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view anything = "…", prompt = "$ postern ";

std::vector<std::string> linesOf(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::vector<std::string> words(const std::string& text) {
    std::istringstream in{text};
    std::vector<std::string> all;
    for (std::string word; in >> word;) all.push_back(word);
    return all;
}

std::string trimmed(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    text.erase(0, text.find_first_not_of(' '));
    return text;
}

std::vector<std::string> quoted(const std::string& cell) {
    std::vector<std::string> spans;
    for (auto begin = cell.find('`'); begin != std::string::npos; begin = cell.find('`', begin)) {
        const auto end = cell.find('`', begin + 1);
        if (end == std::string::npos) break;
        spans.push_back(cell.substr(begin + 1, end - begin - 1));
        begin = end + 1;
    }
    return spans;
}

/// "| a | b |" with \| for a bar within a cell.
std::vector<std::string> cells(const std::string& line) {
    std::vector<std::string> all(1);
    for (std::size_t i = 1; i < line.size(); ++i) {
        if (line.compare(i, 2, "\\|") == 0)
            all.back() += line[++i];
        else if (line[i] == '|')
            all.emplace_back();
        else
            all.back() += line[i];
    }
    all.pop_back();  // behind the last bar
    for (auto& cell : all) cell = trimmed(cell);
    return all;
}

/// A whole line, "…" for anything in it.
bool fits(std::string_view shown, std::string_view said) {
    const auto mark = shown.find(anything);
    if (mark == std::string_view::npos) return shown == said;
    if (said.substr(0, mark) != shown.substr(0, mark)) return false;
    shown.remove_prefix(mark + anything.size());
    said.remove_prefix(mark);
    for (std::size_t skipped = 0; skipped <= said.size(); ++skipped)
        if (fits(shown, said.substr(skipped))) return true;
    return false;
}

}  // namespace

std::string replacedAll(std::string text, const Replacements& replacements) {
    for (const auto& [from, to] : replacements)
        for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
    return text;
}

std::string Recipe::Command::line() const {
    std::string text = "postern";
    for (const auto& word : words) text += " " + word;
    return text;
}

Recipe readRecipe(const fs::path& file) {
    Recipe recipe{file.filename().string()};
    const auto lines = linesOf(servers::readFile(file));
    const auto refuse = [&](std::size_t line, const std::string& why) {
        throw std::runtime_error(recipe.name + ":" + std::to_string(line + 1) + ": " + why);
    };
    const auto current = [&](std::size_t line) {
        if (recipe.configurations.empty()) refuse(line, "there is no configuration before it");
        return recipe.configurations.size() - 1;
    };
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].starts_with("```")) {
            const auto language = lines[i].substr(3);
            if (language == "properties") recipe.configurations.emplace_back();
            for (++i; i < lines.size() && lines[i] != "```"; ++i) {
                if (language == "properties")
                    recipe.configurations.back() += lines[i] + "\n";
                else if (lines[i].starts_with(prompt))
                    recipe.commands.push_back({words(lines[i].substr(prompt.size())), {}, current(i)});
                else if (language == "text" && !recipe.commands.empty())
                    recipe.commands.back().lines.push_back(lines[i]);
                else if (language == "text")
                    refuse(i, "a block that begins with no command");
            }
            if (i == lines.size()) refuse(i - 1, "a block without an end");
        } else if (lines[i].starts_with("|")) {
            const auto row = cells(lines[i]);
            if (row.size() != 2 || row.front().starts_with("--") || (i + 1 < lines.size() && lines[i + 1].starts_with("|--"))) continue;
            auto says = quoted(row.back());
            if (says.empty()) refuse(i, "a row that quotes nothing");
            recipe.wrongs.push_back({row.front(), std::move(says), current(i)});
        }
    }
    return recipe;
}

std::vector<fs::path> recipeFiles() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator{fs::path(POSTERN_SOURCE) / "conf" / "recipes"})
        if (entry.path().filename() != "README.md") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

std::string difference(const std::vector<std::string>& shown, const std::string& output) {
    static const std::regex took{" *\\([0-9]+ ms\\)$| +$"};
    auto said = linesOf(output);
    for (auto& line : said) line = std::regex_replace(line, took, "");
    std::size_t at = 0;
    for (std::size_t i = 0; i < shown.size(); ++i) {
        const auto wanted = std::regex_replace(shown[i], took, "");
        if (wanted == anything) {
            if (i + 1 == shown.size()) return {};
            const auto next = std::regex_replace(shown[i + 1], took, "");
            while (at < said.size() && !fits(next, said[at])) ++at;
            continue;
        }
        if (at == said.size()) return "not said: " + wanted;
        if (!fits(wanted, said[at])) return "shown: " + wanted + "\nsaid:  " + said[at];
        ++at;
    }
    return at == said.size() ? std::string{} : "not shown: " + said[at];
}

}  // namespace systemtest
