#include "tests/servers/browser.h"

#include <regex>
#include <stdexcept>
#include <utility>
#include <vector>

namespace servers {

namespace {

using Form = std::vector<std::pair<std::string, std::string>>;

std::string unescaped(std::string text) {
    for (const auto& [from, to] : {std::pair{"&amp;", "&"}, std::pair{"&#x2F;", "/"}})
        for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) text.replace(at, std::string(from).size(), to);
    return text;
}

std::string attribute(const std::string& tag, const std::string& name) {
    std::smatch found;
    return std::regex_search(tag, found, std::regex("\\b" + name + "=\"([^\"]*)\"")) ? unescaped(found[1]) : "";
}

std::string absolute(const std::string& reference, const std::string& base) {
    if (reference.find("://") != std::string::npos) return reference;
    const auto host = base.find("://") + 3;
    return base.substr(0, base.find('/', host)) + reference;
}

/// What a person fills into the first form of a page; nothing: there is none.
Form filledIn(const std::string& page, const std::string& user) {
    Form form;
    static const std::regex input("<input[^>]*>");
    for (std::sregex_iterator at(page.begin(), page.end(), input), end; at != end; ++at) {
        const auto name = attribute(at->str(), "name");
        form.emplace_back(name, name == "login" ? user : name == "password" ? "any" : attribute(at->str(), "value"));
    }
    return form;
}

}  // namespace

Browser::Browser(const std::filesystem::path& directory, std::filesystem::path authority, std::string connectTo)
    : jar_(directory / "cookies"), authority_(std::move(authority)), connectTo_(std::move(connectTo)) {
    std::filesystem::create_directories(directory);
}

Browser::Page Browser::fetch(const std::string& url, const Form* form) const {
    std::vector<std::string> words{"curl",
                                   "--silent",
                                   "--location",
                                   "--max-redirs",
                                   "20",
                                   "--max-time",
                                   "30",
                                   "--noproxy",
                                   "*",
                                   "--cacert",
                                   authority_,
                                   "--cookie",
                                   jar_,
                                   "--cookie-jar",
                                   jar_,
                                   "--write-out",
                                   "\n%{http_code} %{url_effective}"};
    if (!connectTo_.empty()) words.insert(words.end(), {"--connect-to", connectTo_});
    if (form != nullptr)
        for (const auto& [name, value] : *form) words.insert(words.end(), {"--data-urlencode", name + "=" + value});
    words.push_back(url);
    const auto outcome = run(words);
    const auto last = outcome.output.rfind('\n');
    if (last == std::string::npos) throw std::runtime_error("curl said nothing: " + outcome.error);
    const auto trailer = outcome.output.substr(last + 1);
    const auto blank = trailer.find(' ');
    return {std::stoi(trailer.substr(0, blank)), trailer.substr(blank + 1), outcome.output.substr(0, last)};
}

Browser::Page Browser::open(const std::string& url) const { return fetch(url, nullptr); }

Browser::Page Browser::submit(const Page& page, const std::vector<std::pair<std::string, std::string>>& form) const {
    std::smatch tag;
    if (!std::regex_search(page.body, tag, std::regex("<form[^>]*>"))) throw std::runtime_error("no form: " + page.body);
    return fetch(absolute(attribute(tag.str(), "action"), page.address), &form);
}

Browser::Page Browser::signIn(const std::string& url, const std::string& user) const {
    auto page = open(url);
    for (int forms = 0; page.body.find("<form") != std::string::npos; ++forms) {
        if (forms == 10) throw std::runtime_error("the sign-in does not come to its end: " + page.body);
        page = submit(page, filledIn(page.body, user));
    }
    return page;
}

Browser::Page Browser::abortDevice(const std::string& url) const {
    auto page = open(url);
    if (page.body.find("name=\"abort\"") == std::string::npos) page = submit(page, filledIn(page.body, ""));
    auto form = filledIn(page.body, "");
    std::erase_if(form, [](const auto& field) { return field.first == "confirm"; });
    form.emplace_back("abort", "yes");
    return submit(page, form);
}

Browser::Page Browser::cancel(const std::string& url) const {
    const auto page = open(url);
    std::smatch link;
    if (!std::regex_search(page.body, link, std::regex("<a href=\"([^\"]*/abort)\""))) throw std::runtime_error("no way to cancel: " + page.body);
    return open(absolute(unescaped(link[1]), page.address));
}

}  // namespace servers
