#include "listener/folder_path.h"

#include <algorithm>

namespace listener {

std::vector<std::string> levelsOf(std::string_view path) {
    std::vector<std::string> levels{""};
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] != '/') {
            levels.back() += path[i];
        } else if (path.substr(i + 1).starts_with('/')) {
            levels.back() += '/';
            ++i;
        } else {
            levels.emplace_back();
        }
    }
    if (std::any_of(levels.begin(), levels.end(), [](const auto& level) { return level.empty(); })) return {};
    return levels;
}

std::string asLevel(std::string_view name) {
    std::string level;
    for (const char c : name) level.append(c == '/' ? 2 : 1, c);
    return level;
}

bool fitsPattern(std::string_view path, std::string_view pattern) {
    std::vector<bool> fits(path.size() + 1);  // the first so many octets, and the pattern as far as it has been looked at
    fits[0] = true;
    for (const char wanted : pattern) {
        if (wanted == '*' || wanted == '%') {
            for (std::size_t i = 0; i < path.size(); ++i)
                if (fits[i] && (wanted == '*' || path[i] != '/')) fits[i + 1] = true;
            continue;
        }
        for (std::size_t i = path.size(); i > 0; --i) fits[i] = fits[i - 1] && path[i - 1] == wanted;
        fits[0] = false;
    }
    return fits[path.size()];
}

}  // namespace listener
