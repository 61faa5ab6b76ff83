#include "tests/browser/chromium.h"

#include "tests/servers/process.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <stdexcept>

namespace browser {

Page visit(const Visit& visit) {
    std::vector<std::string> words{"node", POSTERN_TEST_BROWSER "/sign-in.mjs", "--url", visit.url, "--user", visit.user};
    for (const auto& certificate : visit.trusted) words.insert(words.end(), {"--trust", certificate.string()});
    if (!visit.map.empty()) words.insert(words.end(), {"--map", visit.map});
    if (visit.cancels) words.emplace_back("--cancel");
    const auto outcome = servers::run(words, ".", std::chrono::minutes(3));
    if (outcome.status != 0) throw std::runtime_error("the browser came to no page: " + outcome.error);
    const auto object = Poco::JSON::Parser().parse(outcome.output).extract<Poco::JSON::Object::Ptr>();
    return {object->getValue<std::string>("address"), object->getValue<int>("status"), object->getValue<std::string>("text")};
}

}  // namespace browser
