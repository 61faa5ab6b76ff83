#pragma once

#include "tests/system/providers.h"
#include "tests/system/recipe.h"
#include "tests/system/workplace.h"

#include <string>
#include <vector>

namespace systemtest {

/// What an administrator fills in.
extern const Replacements placeholders;

/// A recipe's configuration between the program and its providers: the real names lead to them, through a proxy that is the only line added.
struct Stage {
    explicit Stage(const std::string& written);

    bool given(const std::string& key) const { return line(key) != std::string::npos; }
    void drop(const std::string& key);
    void set(const std::string& key, const std::string& value);
    void file(const std::string& name, const std::string& bytes) const { place.file("etc/" + name, bytes); }

    void begin();  ///< all is set: what the program is asked

    /// What a command prints, on both of its outputs. With `login` a person consents, and comes back as the redirect URI says.
    std::string run(const std::vector<std::string>& words) { return words.front() == "login" ? login(words) : said(place.postern(words)); }

    Workplace place{};
    Providers providers{};
    std::string lines;
    int status = 0;  ///< of the last command

private:
    std::size_t line(const std::string& key) const;  ///< where it begins, whatever the blanks
    std::string said(const servers::Outcome& outcome);
    std::string login(const std::vector<std::string>& words);
};

}  // namespace systemtest
