#include "tests/system/workplace.h"

#include <Poco/JSON/Parser.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>

namespace systemtest {

namespace fs = std::filesystem;
using servers::ImapClient;

namespace {

constexpr unsigned mailboxes = 400;

fs::path withUsers(const fs::path& directory) {
    fs::create_directories(directory);
    std::string users;
    for (unsigned number = 1; number <= mailboxes; ++number) users += "u" + std::to_string(number) + "@example.test\n";
    servers::writeFile(directory / "users", users);
    return directory;
}

}  // namespace

Surroundings& Surroundings::get() {
    static Surroundings surroundings;
    return surroundings;
}

Surroundings::Surroundings()
    : certificates_(place_ / "m" / "certificates"),
      provider_(place_ / "idp", certificates_, {.tokenLifetime = static_cast<int>(tokenLifetime.count())}),
      mailServer_(withUsers(place_ / "m"), provider_.introspectionPort()) {}

std::string Surroundings::newUser() {
    if (++users_ > mailboxes) throw std::logic_error("more mailboxes wanted than there are");
    return "u" + std::to_string(users_) + "@example.test";
}

Workplace::Workplace() {
    fs::create_directories(path() / "conf");
    configure("");
}

void Workplace::configure(const std::string& lines) {
    std::string text = "server.data = " + data().string() +
                       "\nadmin.address = 127.0.0.1:0\ntruststore.test.path = " + Surroundings::get().certificates().authority.string() +
                       "\nsink.spool.type = spool\nsink.spool.path = " + (path() / "spool").string() + "\n" + lines;
    servers::writeFile(path() / "conf" / "postern.properties", text);
}

fs::path Workplace::file(const std::string& name, std::string_view bytes) const {
    servers::writeFile(path() / name, bytes);
    return path() / name;
}

servers::Outcome Workplace::postern(std::vector<std::string> words, servers::Milliseconds atMost) const {
    words.insert(words.begin(), POSTERN_PROGRAM);
    words.insert(words.end(), {"--config", (path() / "conf").string()});
    return servers::run(words, path(), atMost);
}

servers::Process Workplace::start(std::vector<std::string> words) const {
    words.insert(words.begin(), POSTERN_PROGRAM);
    words.insert(words.end(), {"--config", (path() / "conf").string()});
    return servers::Process{{words, path() / "log", path() / "log", path()}};
}

std::map<std::string, Delivered> Workplace::delivered(const std::string& mailbox) const {
    std::map<std::string, Delivered> all;
    if (!fs::exists(spool(mailbox))) return all;
    for (const auto& entry : fs::directory_iterator{spool(mailbox)}) {
        const auto name = entry.path().filename().string();
        if (name.front() == '.') continue;
        const auto id = entry.path().stem().string();
        INFO("in the spool: " << name);
        REQUIRE(id.size() == 32);
        REQUIRE(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string::npos);
        if (entry.path().extension() == ".eml")
            all[id].bytes = servers::readFile(entry.path());
        else if (entry.path().extension() == ".json" && fs::exists(spool(mailbox) / (id + ".eml")))
            all[id].metadata = servers::readFile(entry.path());
        else
            REQUIRE(entry.path().extension() == ".json");  // its .eml was not reached: a crash, and the message will come again
    }
    return all;
}

std::size_t Workplace::countDelivered(const std::string& mailbox) const {
    std::error_code none;
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator{spool(mailbox), none})
        if (entry.path().extension() == ".eml" && entry.path().filename().string().front() != '.') ++count;
    return count;
}

namespace {

std::string credential(const std::string& name, const std::string& client, const fs::path& secret, const std::string& authentication) {
    const auto key = [&name](const std::string& last) { return "credential." + name + "." + last + " = "; };
    return key("provider") + "custom\n" + key("grant") + "client_credentials\n" + key("client_id") + client + "\n" + key("client_secret") +
           "${file:" + secret.string() + "}\n" + key("token_endpoint") + Surroundings::get().provider().tokenEndpoint() + "\n" + key("scopes") +
           servers::IdentityProvider::scope() + "\n" + key("authentication") + authentication + "\n" + key("truststore") + "test\n";
}

}  // namespace

std::string basicCredential(const Workplace& place, const std::string& name) {
    return credential(name, "app-basic", place.file(name + ".secret", servers::IdentityProvider::basicSecret() + "\n"), "basic");
}

std::string bodyCredential(const Workplace& place, const std::string& name) {
    return credential(name, "app/post: 1", place.file(name + ".secret", servers::IdentityProvider::postSecret()), "body");
}

std::string mailbox(const std::string& alias, const std::string& user, const std::string& credential) {
    const auto key = [&alias](const std::string& last) { return "mailbox." + alias + "." + last + " = "; };
    return key("protocol") + "imap\n" + key("host") + "localhost\n" + key("port") + std::to_string(Surroundings::get().mailServer().imapsPort()) +
           "\n" + key("user") + user + "\n" + key("credential") + credential + "\n" + key("truststore") + "test\n" + key("interval") + "1s\n" +
           key("start") + "all\n" + key("deliver") + "spool\n";
}

std::string replaced(std::string text, const std::string& key, const std::string& value) {
    const auto begin = text.find(key + " = ");
    if (begin != std::string::npos) text.erase(begin, text.find('\n', begin) + 1 - begin);
    return text + key + " = " + value + "\n";
}

std::vector<ImapClient::Mail> someMails(const std::string& series, std::size_t count) {
    std::vector<ImapClient::Mail> mails;
    for (std::size_t number = 0; number < count; ++number) {
        const auto name = series + "-" + std::to_string(number);
        std::string head =
            "From: Sender <sender@example.test>\r\nTo: receiver@example.test\r\nSubject: " + name + "\r\nMessage-ID: <" + name + "@example.test>\r\n";
        std::string body;
        switch (number % 8) {
            case 0:
                body = "One line.\r\n";
                break;
            case 1:
                body = "No line end at the end";
                break;
            case 2:
                break;
            case 3:
                body =
                    "Gr\xfc\xdf"
                    "e, 8-bit without a declaration\r\n.\r\n..\r\nFrom the beginning of a line\r\n)\r\nt1 OK fake\r\n";
                break;
            case 4:
                body = std::string(20'000, 'x') + "\r\n";
                break;
            case 5:
                head += "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n";
                body =
                    "--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: "
                    "base64\r\n\r\nAAECAwQF\r\n--b--\r\n";
                break;
            case 6:
                for (std::size_t line = 0; line < 50 + number % 100; ++line)
                    body += "Line " + std::to_string(line) + " of a longer text, as people write them.\r\n";
                break;
            case 7:
                head += "X-Folded: first\r\n\tsecond\r\n third {12}\r\n";
                body = "{5}\r\n* 1 FETCH (BODY[] {3}\r\nabc)\r\n";
                break;
        }
        const auto second = std::to_string(10 + number % 50);
        mails.push_back({head + "\r\n" + body,
                         "0" + std::to_string(1 + number % 9) + "-Nov-2026 0" + std::to_string(number % 10) + ":15:" + second + " +0100",
                         {}});
    }
    return mails;
}

std::vector<std::string> sortedBytes(const std::vector<servers::Held>& held) {
    std::vector<std::string> all;
    for (const auto& mail : held) all.push_back(mail.bytes);
    std::sort(all.begin(), all.end());
    return all;
}

std::vector<std::string> sortedBytes(const std::map<std::string, Delivered>& delivered) {
    std::vector<std::string> all;
    for (const auto& [id, mail] : delivered) all.push_back(mail.bytes);
    std::sort(all.begin(), all.end());
    return all;
}

Poco::JSON::Object::Ptr json(const std::string& text) { return Poco::JSON::Parser{}.parse(text).extract<Poco::JSON::Object::Ptr>(); }

}  // namespace systemtest
