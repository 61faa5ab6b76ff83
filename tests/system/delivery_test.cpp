#include "tests/servers/base64.h"
#include "tests/system/workplace.h"

#include <Poco/DateTimeParser.h>
#include <Poco/JSON/Array.h>
#include <Poco/URI.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>

using namespace systemtest;
using servers::Held;
using servers::ImapClient;

namespace {

/// application/x-www-form-urlencoded, one value.
std::string formDecoded(std::string text) {
    std::replace(text.begin(), text.end(), '+', ' ');
    std::string out;
    Poco::URI::decode(text, out);
    return out;
}

std::string formField(const std::string& body, const std::string& name) {
    std::istringstream fields{body};
    for (std::string field; std::getline(fields, field, '&');)
        if (field.rfind(name + "=", 0) == 0) return formDecoded(field.substr(name.size() + 1));
    return {};
}

std::int64_t seconds(const std::string& internalDate) {
    int zone = 0;
    auto when = Poco::DateTimeParser::parse("%d-%b-%Y %H:%M:%S %Z", internalDate, zone);
    return when.timestamp().epochTime() - zone;
}

std::string base32(const std::string& bytes) {
    static constexpr char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    std::string text;
    unsigned buffer = 0, bits = 0;
    for (const char byte : bytes) {
        buffer = (buffer << 8 | static_cast<unsigned char>(byte)) & 0xffff;
        for (bits += 8; bits >= 5; bits -= 5) text += digits[buffer >> (bits - 5) & 31];
    }
    return text;
}

/// The delivery id as the documentation defines it, worked out a second time.
std::string expectedId(const std::string& alias, const std::string& folder, std::uint64_t validity, const Held& held) {
    const auto when = static_cast<std::uint64_t>(seconds(held.received));
    std::string bytes;
    for (int shift = 32; shift >= 0; shift -= 8) bytes += static_cast<char>(when >> shift & 0xff);
    const std::string zero(1, '\0');
    const auto digest =
        sha256("postern-id-1" + zero + alias + zero + "imap" + zero + folder + zero + std::to_string(validity) + ":" + std::to_string(held.uid));
    for (std::size_t index = 0; index < 30; index += 2) bytes += static_cast<char>(std::stoi(digest.substr(index, 2), nullptr, 16));
    return base32(bytes);
}

void checkMetadata(const std::string& alias, std::uint64_t validity, const Held& held, const std::string& id, const Delivered& delivered) {
    INFO(delivered.metadata);
    const auto object = json(delivered.metadata);
    CHECK(object->size() == 11);
    CHECK(object->getValue<int>("version") == 1);
    CHECK(object->getValue<std::string>("id") == id);
    CHECK(object->getValue<std::string>("mailbox") == alias);
    CHECK(object->getValue<std::string>("folder") == "INBOX");
    CHECK(object->getValue<std::string>("protocol") == "imap");
    CHECK(object->getValue<std::string>("position") == std::to_string(validity) + ":" + std::to_string(held.uid));
    int zone = 0;
    const auto received = object->getValue<std::string>("received");
    CHECK(received.back() == 'Z');
    CHECK(Poco::DateTimeParser::parse("%Y-%m-%dT%H:%M:%SZ", received, zone).timestamp().epochTime() == seconds(held.received));
    CHECK(object->getValue<std::size_t>("size") == held.bytes.size());
    CHECK(object->getValue<std::string>("sha256") == sha256(held.bytes));
    const auto begin = held.bytes.find("Message-ID: ") + 12;
    CHECK(object->getValue<std::string>("message_id") == held.bytes.substr(begin, held.bytes.find("\r\n", begin) - begin));
    CHECK(object->getArray("flags")->size() == 0);
}

void checkAll(const Workplace& place, const std::string& alias, ImapClient& reader) {
    const auto held = reader.fetch("INBOX");
    const auto validity = reader.validity("INBOX");
    const auto delivered = place.delivered(alias);
    REQUIRE(delivered.size() == held.size());
    for (const auto& mail : held) {
        const auto id = expectedId(alias, "INBOX", validity, mail);
        INFO("UID " << mail.uid << ", expected under " << id);
        REQUIRE(delivered.count(id) == 1);
        REQUIRE(sha256(delivered.at(id).bytes) == sha256(mail.bytes));
        checkMetadata(alias, validity, mail, id, delivered.at(id));
    }
}

}  // namespace

SCENARIO("five hundred mails in two mailboxes are delivered once, byte for byte, through OAuth", "[system]") {
    GIVEN("a mailbox whose client secret travels in the header and one whose secret travels in the body") {
        auto& around = Surroundings::get();
        Workplace place;
        const auto first = around.newUser(), second = around.newUser();
        auto firstReader = around.reader(first), secondReader = around.reader(second);
        firstReader.append("INBOX", someMails("first", 250));
        secondReader.append("INBOX", someMails("second", 250));
        place.configure(basicCredential(place, "header") + bodyCredential(place, "body") + mailbox("first", first, "header") +
                        mailbox("second", second, "body"));
        const auto before = around.provider().requests().size();

        WHEN("they are drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("everything arrives as the server holds it, a second run delivers nothing, and a later mail comes once") {
                REQUIRE(outcome.status == 0);
                checkAll(place, "first", firstReader);
                checkAll(place, "second", secondReader);
                for (const auto& mail : firstReader.fetch("INBOX")) REQUIRE(mail.flags.find("\\Seen") == std::string::npos);

                auto requests = around.provider().requests();
                requests.erase(requests.begin(), requests.begin() + static_cast<std::ptrdiff_t>(before));
                REQUIRE(requests.size() == 2);
                if (requests[0].header("authorization").empty()) std::swap(requests[0], requests[1]);
                const auto& header = requests[0];
                const auto& body = requests[1];
                const auto pair = servers::fromBase64(header.header("authorization").substr(6));
                CHECK(header.header("authorization").rfind("Basic ", 0) == 0);
                CHECK(formDecoded(pair.substr(0, pair.find(':'))) == "app-basic");
                CHECK(formDecoded(pair.substr(pair.find(':') + 1)) == servers::IdentityProvider::basicSecret());
                CHECK(pair.find_first_of(" /&=") == std::string::npos);  // RFC 6749 2.3.1: form-encoded before Base64
                CHECK(formField(header.body, "client_secret").empty());
                CHECK(body.header("authorization").empty());
                CHECK(formField(body.body, "client_id") == "app/post: 1");
                CHECK(formField(body.body, "client_secret") == servers::IdentityProvider::postSecret());
                for (const auto& request : requests) {
                    CHECK(request.method == "POST");
                    CHECK(request.path == "/token");
                    CHECK(request.header("content-type").rfind("application/x-www-form-urlencoded", 0) == 0);
                    CHECK(formField(request.body, "grant_type") == "client_credentials");
                    CHECK(formField(request.body, "scope") == servers::IdentityProvider::scope());
                }

                const auto again = place.postern({"run", "--once"});
                INFO(again.error);
                REQUIRE(again.status == 0);
                REQUIRE(place.countDelivered("first") == 250);
                REQUIRE(place.countDelivered("second") == 250);

                firstReader.append("INBOX", someMails("later", 1));
                REQUIRE(place.postern({"run", "--once"}).status == 0);
                REQUIRE(place.countDelivered("second") == 250);
                checkAll(place, "first", firstReader);
                REQUIRE(place.postern({"run", "--once"}).status == 0);
                REQUIRE(place.countDelivered("first") == 251);

                for (const auto& said : {outcome.error, again.error, outcome.output})
                    for (const auto& secret : {servers::IdentityProvider::basicSecret(), servers::IdentityProvider::postSecret()})
                        CHECK(said.find(secret) == std::string::npos);
            }
        }
    }
}

SCENARIO("a mailbox without OAuth is read with user name and password", "[system]") {
    GIVEN("a credential of grant user_password") {
        auto& around = Surroundings::get();
        Workplace place;
        const auto user = around.newUser();
        auto reader = around.reader(user);
        reader.append("INBOX", someMails("plain", 9));
        place.configure("credential.p.grant = user_password\ncredential.p.username = " + user + "\ncredential.p.password = ${file:" +
                        place.file("password", around.mailServer().readerPassword()).string() + "}\n" + mailbox("m", user, "p"));
        WHEN("it is drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("all of it is delivered") {
                REQUIRE(outcome.status == 0);
                checkAll(place, "m", reader);
            }
        }
    }
}

SCENARIO("mails of unusual size and content are delivered byte for byte", "[system]") {
    GIVEN("mails of 3 MB and 40 MB, with NUL, without a head, with bare line feeds") {
        auto& around = Surroundings::get();
        Workplace place;
        const auto user = around.newUser();
        auto reader = around.reader(user);
        std::string large = "Subject: 3 MB\r\n\r\n", huge = "Subject: 40 MB\r\n\r\n";
        while (large.size() < 3'000'000) large += "A line of a large mail, number " + std::to_string(large.size()) + "\r\n";
        while (huge.size() < 40'000'000) huge += std::string(990, static_cast<char>('a' + huge.size() % 26)) + "\r\n";
        reader.append("INBOX", {{large + "no line end"}, {huge}, {"\r\n"}, {"no head at all"}});
        const auto box = around.mailServer().maildir(user);
        const auto put = [&](const std::string& name, std::string_view bytes) {
            servers::writeFile(box / "new" / name, bytes);
            std::filesystem::permissions(box / "new" / name, std::filesystem::perms{0644});
        };
        put("1795000002.b.host", std::string_view{"Subject: NUL\n\nbefore\0after\n", 27});
        put("1795000003.c.host", "Subject: bare line feeds\n\none\ntwo\n");
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c"));
        WHEN("they are drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("each is what an independent reader gets from the server") {
                REQUIRE(outcome.status == 0);
                const auto held = reader.fetch("INBOX");
                REQUIRE(held.size() == 6);
                const bool same = sortedBytes(held) == sortedBytes(place.delivered("m"));  // not 86 MB of text when it fails
                REQUIRE(same);
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
                CHECK(outcome.peakMemory < 60'000);  // kB; a large message is never whole in memory
#endif
            }
        }
    }
}

SCENARIO("a message without a single byte is a message", "[system]") {
    GIVEN("a file of no bytes between two mails in a maildir") {
        auto& around = Surroundings::get();
        Workplace place;
        const auto user = around.newUser();
        auto reader = around.reader(user);
        reader.append("INBOX", someMails("before", 1));
        servers::writeFile(around.mailServer().maildir(user) / "new" / "1795000001.a.host", "");
        reader.append("INBOX", someMails("after", 1));
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c"));
        WHEN("the mailbox is drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("it is delivered like the others") {
                CHECK(outcome.status == 0);
                CHECK(sortedBytes(place.delivered("m")) == sortedBytes(reader.fetch("INBOX")));
                CHECK(place.countDelivered("m") == 3);
            }
        }
    }
}
