#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace browser {

/// What a person before Chromium does.
struct Visit {
    std::string url;
    std::string user;
    bool cancels = false;
    std::vector<std::filesystem::path> trusted{};  ///< certificates whose keys are believed
    std::string map{};                             ///< "NAME=HOST:PORT": where a name that nobody knows is found
};
/// Where it ends.
struct Page {
    std::string address;
    int status = 0;
    std::string text;
};
/// Debian's Chromium, headless, driven by sign-in.mjs: a browser of its own for each visit. Blocks, three minutes at most; throws std::runtime_error
/// with what it said when it does not come to a page.
Page visit(const Visit& visit);

}  // namespace browser
