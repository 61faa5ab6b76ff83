#include "tests/servers/identity_provider.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/String.h>

#include <sstream>
#include <stdexcept>

namespace servers {

namespace fs = std::filesystem;

namespace {

const std::string specials = R"( !"#$%&'()*+,-./:;<=>?@[\]^_`{|}~)";

Poco::JSON::Object::Ptr parse(const std::string& text) { return Poco::JSON::Parser{}.parse(text).extract<Poco::JSON::Object::Ptr>(); }

}  // namespace

CertificateFiles::CertificateFiles(const fs::path& directory)
    : authority(directory / "ca.pem"),
      unknownAuthority(directory / "unknown-ca.pem"),
      server(directory / "server.pem"),
      key(directory / "server.key") {
    const auto made = run({std::string{POSTERN_TEST_SERVERS} + "/certificates", directory.string()});
    if (made.status != 0) throw std::runtime_error("certificates: " + made.error);
}

IdentityProvider::IdentityProvider(const fs::path& directory, const CertificateFiles& certificates, Options options) : directory_(directory) {
    if (!fs::exists(fs::path{POSTERN_TEST_SERVERS} / "idp/node_modules/oidc-provider"))
        throw std::runtime_error("the identity provider is not installed: run `npm ci` in tests/servers/idp, or ./tests/run");
    fs::create_directories(directory);
    Poco::JSON::Array clients;
    for (const auto& [id, secret] : options.clients) {
        Poco::JSON::Object client;
        client.set("client_id", id);
        client.set("client_secret", secret);
        clients.add(client);
    }
    for (const auto& [id, keyed] : options.keyed) {
        Poco::JSON::Object client;
        client.set("client_id", id);
        client.set("token_endpoint_auth_method", keyed.method);
        if (!keyed.certificate.empty()) client.set("certificate", keyed.certificate);
        if (!keyed.algorithm.empty()) client.set("token_endpoint_auth_signing_alg", keyed.algorithm);
        clients.add(client);
    }
    std::ostringstream list;
    clients.stringify(list);
    writeFile(directory / "clients.json", list.str());
    const std::vector<std::string> words{"node",
                                         std::string{POSTERN_TEST_SERVERS} + "/idp/provider.mjs",
                                         "--directory",
                                         directory.string(),
                                         "--certificate",
                                         certificates.server,
                                         "--key",
                                         certificates.key,
                                         "--ttl",
                                         std::to_string(options.tokenLifetime),
                                         "--clients",
                                         directory / "clients.json",
                                         "--refresh-tokens",
                                         std::to_string(options.refreshTokens)};
    process_ = std::make_unique<Process>(Process::Command{words, directory / "log", directory / "log"});
    const bool ready = eventually([&] { return fs::exists(directory / "endpoints.json") || !process_->running(); }, std::chrono::seconds{60});
    if (!ready || !process_->running()) throw std::runtime_error("the identity provider did not start: " + readFile(directory / "log"));
    const auto endpoints = parse(readFile(directory / "endpoints.json"));
    tokenEndpoint_ = endpoints->getValue<std::string>("token_endpoint");
    faultBase_ = endpoints->getValue<std::string>("fault_base");
    for (const auto& token : *endpoints->getArray("refresh_tokens")) refreshTokens_.push_back(token.toString());
    introspectionPort_ = endpoints->getValue<Poco::UInt16>("introspection_port");
}

std::vector<IdentityProvider::Request> IdentityProvider::requests() const {
    std::vector<Request> all;
    std::istringstream lines{readFile(directory_ / "requests.jsonl")};
    for (std::string line; std::getline(lines, line);) {
        const auto object = parse(line);
        Request request{object->getValue<std::string>("method"), object->getValue<std::string>("path"), {}, object->getValue<std::string>("body")};
        const auto headers = object->getArray("headers");
        for (unsigned index = 0; index + 1 < headers->size(); index += 2)
            request.headers.emplace_back(Poco::toLower(headers->getElement<std::string>(index)), headers->getElement<std::string>(index + 1));
        all.push_back(std::move(request));
    }
    return all;
}

std::map<std::string, std::string> IdentityProvider::issued() const {
    std::map<std::string, std::string> all;
    std::istringstream lines{readFile(directory_ / "issued.jsonl")};
    int number = 0;
    for (std::string line; std::getline(lines, line); ++number) {
        const auto object = parse(line);
        for (const auto* name : {"access_token", "refresh_token", "id_token"})
            if (object->has(name)) all[name + (" " + std::to_string(number))] = object->getValue<std::string>(name);
    }
    return all;
}

std::string IdentityProvider::Request::header(const std::string& name) const {
    const std::string* found = nullptr;
    for (const auto& [key, value] : headers) {
        if (key != name) continue;
        if (found) throw std::logic_error("header given twice: " + name);
        found = &value;
    }
    return found ? *found : std::string{};
}

const std::string& IdentityProvider::basicSecret() {
    static const std::string secret = "basic" + specials + "secret";
    return secret;
}

const std::string& IdentityProvider::postSecret() {
    static const std::string secret = "post" + specials + "secret";
    return secret;
}

const std::string& IdentityProvider::webSecret() {
    static const std::string secret = "web" + specials + "secret";
    return secret;
}

const std::string& IdentityProvider::scope() {
    static const std::string scope = "https://mail.example.test/.default";
    return scope;
}

}  // namespace servers
