#include "tests/system/recipe_stage.h"

#include "tests/servers/admin_port.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <map>
#include <optional>

namespace systemtest {

using servers::eventually;

const Replacements placeholders{{"<tenant id>", Providers::tenant}, {"<client id>", Providers::application}, {"<object id>", Providers::object}};

namespace {

constexpr auto soon = std::chrono::seconds{60};

/// Where the recipes' paths lie in a test.
Replacements paths(const Workplace& place) {
    return {{"/etc/postern/", (place.path() / "etc/").string()}, {"/var/spool/postern", (place.path() / "mail").string()}};
}

/// Keys that cannot be what they are in a recipe: the proxy is here, and the port is any free one.
std::map<std::string, std::string> overrides(const Providers& providers) {
    return {
        {"proxy.corporate.host", "127.0.0.1"}, {"proxy.corporate.port", std::to_string(providers.tunnel().port())}, {"admin.address", "127.0.0.1:0"}};
}

}  // namespace

Stage::Stage(const std::string& written) : lines(replacedAll(written, placeholders)) {
    lines = replacedAll(lines, paths(place));
    for (const auto& [key, value] : overrides(providers))
        if (given(key)) set(key, value);
    if (!given("proxy.corporate.host"))
        for (const auto& [key, value] :
             std::map<std::string, std::string>{{"host", "127.0.0.1"}, {"port", std::to_string(providers.tunnel().port())}, {"default", "true"}})
            set("proxy.test." + key, value);
    else
        providers.tunnel().demand("postern", "proxy password");
    std::filesystem::create_directories(place.path() / "etc");
    const auto root = place.file("roots.pem", Providers::authority().pem());
    ::setenv("SSL_CERT_FILE", root.c_str(), 1);  // the system's roots, to the programs we start
    const auto own = servers::makeCertificate({.commonName = "postern", .rsa = true});
    providers.certificate = own.pem();
    const auto& authority = Providers::authority();
    const auto admin = servers::makeCertificate({.commonName = "postern.example.com", .names = {"postern.example.com"}}, &authority);
    for (const auto& [name, bytes] :
         std::map<std::string, std::string>{{"m365.secret", Providers::secret},
                                            {"exchange.password", providers.ownEws.basicPassword},
                                            {"corporate-ca.pem", Providers::ownAuthority().pem()},
                                            {"client.password", "keystore password"},
                                            {"client.p12", servers::pkcs12({{"postern", &own, {own}}}, "keystore password")},
                                            {"proxy.password", "proxy password"},
                                            {"admin.pem", admin.keyPem() + admin.pem()},
                                            {"google.json", providers.keyFile()}})
        file(name, bytes);
}

void Stage::drop(const std::string& key) {
    if (const auto begin = line(key); begin != std::string::npos) lines.erase(begin, lines.find('\n', begin) + 1 - begin);
}

void Stage::set(const std::string& key, const std::string& value) {
    drop(key);
    lines += key + " = " + value + "\n";
}

void Stage::begin() {
    INFO(lines);
    REQUIRE(lines.find('<') == std::string::npos);
    providers.ready();
    place.configure("");
    auto rest = servers::readFile(place.path() / "conf" / "postern.properties");
    if (given("admin.address")) rest = rest.substr(0, rest.find("admin.address")) + rest.substr(rest.find('\n', rest.find("admin.address")) + 1);
    servers::writeFile(place.path() / "conf" / "postern.properties", rest);
    servers::writeFile(place.path() / "conf" / "recipe.properties", lines);
}

std::size_t Stage::line(const std::string& key) const {
    for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
        const auto text = lines.substr(at, lines.find('=', at) - at);
        if (text.substr(0, text.find(' ')) == key) return at;
    }
    return std::string::npos;
}

std::string Stage::said(const servers::Outcome& outcome) {
    status = outcome.status;
    return outcome.output + outcome.error;
}

std::string Stage::login(const std::vector<std::string>& words) {
    std::optional<servers::Process> service;
    const bool toService = lines.find("admin.public_url") != std::string::npos;
    if (toService) {
        service.emplace(servers::Process::Command{{POSTERN_PROGRAM, "run", "--config", (place.path() / "conf").string()},
                                                  place.path() / "service.log",
                                                  place.path() / "service.log",
                                                  place.path()});
        REQUIRE(eventually([&] { return servers::readFile(place.path() / "service.log").find(" up packages=") != std::string::npos; }, soon));
    }
    auto process = place.start(words);
    const bool device = lines.find("device_code") != std::string::npos;
    if (!device) {
        REQUIRE(eventually([&] { return place.log().find("The browser comes back by itself") != std::string::npos; }, soon));
        const auto begin = place.log().find("https://login.");
        const auto back = providers.consent(place.log().substr(begin, place.log().find('\n', begin) - begin));
        REQUIRE_FALSE(back.empty());
        std::vector<std::string> curl{"curl",          "--silent", "--show-error", "--fail", "--retry",  "30",
                                      "--retry-delay", "1",        "--noproxy",    "*",      "--cacert", (place.path() / "roots.pem").string()};
        if (toService) curl.insert(curl.end(), {"--connect-to", "postern.example.com:8025:" + servers::AdminPort(place.data()).address()});
        curl.push_back(back);
        const auto browser = servers::run(curl);
        INFO(browser.output << browser.error << place.log() << servers::readFile(place.path() / "service.log"));
        REQUIRE(browser.status == 0);
    }
    const auto ended = process.wait(soon);
    REQUIRE(ended);
    status = ended->status;
    return place.log();
}

}  // namespace systemtest
