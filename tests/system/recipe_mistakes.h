#pragma once

#include "tests/system/recipe_stage.h"

#include <functional>
#include <string>
#include <vector>

namespace systemtest {

/// How a mistake is made, and what is asked then; without words the recipe's first `doctor`.
struct Mistake {
    std::string recipe, what;
    std::function<void(Stage&)> make;
    std::vector<std::string> words{};
    bool signedIn = true;
};
/// Each row of the recipes' tables.
std::vector<Mistake> mistakes();

/// Graph shuts what is below this path, as it does where the application may not go.
void graphDenies(Stage& stage, const std::string& of = "/v1.0/users/");

}  // namespace systemtest
