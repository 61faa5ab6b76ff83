#include "tests/system/exact_server.h"
#include "tests/system/hostile_mails.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace systemtest;

namespace {

constexpr std::size_t thousand = 1'000;
constexpr std::uint64_t seed = 20'261'122;

/// What was delivered, by UID.
std::map<std::uint64_t, Delivered> byUid(const Workplace& place) {
    std::map<std::uint64_t, Delivered> all;
    for (auto& [id, mail] : place.delivered("m")) {
        const auto position = json(mail.metadata)->getValue<std::string>("position");
        const auto uid = std::stoull(position.substr(position.find(':') + 1));
        INFO("UID " << uid << " under a second id " << id);
        REQUIRE(all.emplace(uid, std::move(mail)).second);
    }
    return all;
}

void checkBytes(const Delivered& delivered, const std::string& bytes) {
    const bool same = sha256(delivered.bytes) == sha256(bytes);  // not 40 MB of text when it fails
    CHECK(same);
    CHECK(json(delivered.metadata)->getValue<std::string>("sha256") == sha256(bytes));
    CHECK(json(delivered.metadata)->getValue<std::size_t>("size") == bytes.size());
}

}  // namespace

SCENARIO("a thousand hostile mails in a Dovecot mailbox are delivered as the server holds them", "[system]") {
    GIVEN("them as files of a maildir, where no APPEND could refuse them") {
        auto& around = Surroundings::get();
        Workplace place;
        const auto user = around.newUser();
        auto reader = around.reader(user);
        reader.command("SELECT INBOX");  // makes the maildir
        const auto mails = hostileMails(seed, thousand);
        const auto box = around.mailServer().maildir(user);
        for (std::size_t index = 0; index < mails.size(); ++index) {
            const auto name = std::to_string(1'795'000'000 + index) + ".h.host";
            servers::writeFile(box / "tmp" / name, mails[index].bytes);
            std::filesystem::permissions(box / "tmp" / name, std::filesystem::perms{0644});
            std::filesystem::rename(box / "tmp" / name, box / "new" / name);
        }
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c"));
        WHEN("they are drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("each has the digest of what an independent reader gets, and a second run adds none") {
                REQUIRE(outcome.status == 0);
                const auto held = reader.fetch("INBOX");
                REQUIRE(held.size() == thousand);
                const auto delivered = byUid(place);
                REQUIRE(delivered.size() == thousand);
                std::size_t asWritten = 0;
                for (std::size_t index = 0; index < thousand; ++index) {
                    INFO("mail " << index << ", " << mails[index].what);
                    REQUIRE(delivered.count(held[index].uid) == 1);
                    checkBytes(delivered.at(held[index].uid), held[index].bytes);
                    if (held[index].bytes == mails[index].bytes) ++asWritten;
                }
                WARN(asWritten << " of them without a change by the server");
                CHECK(asWritten >= 600);  // the rest has bare line feeds or NUL, which Dovecot does not hand out
                CHECK(place.postern({"run", "--once"}).status == 0);
                CHECK(place.countDelivered("m") == thousand);
            }
        }
    }
}

SCENARIO("a thousand hostile mails are delivered byte for byte when the server hands them out so", "[system]") {
    GIVEN("a server that changes no octet") {
        Workplace place;
        const auto mails = hostileMails(seed + 1, thousand);
        std::vector<std::string> bytes;
        for (const auto& mail : mails) bytes.push_back(mail.bytes);
        ExactServer server{bytes};
        place.configure("credential.p.grant = user_password\ncredential.p.username = " + ExactServer::user() +
                        "\ncredential.p.password = ${file:" + place.file("password", ExactServer::password()).string() + "}\n" +
                        replaced(replaced(replaced(replaced(mailbox("m", ExactServer::user(), "p"), "mailbox.m.host", "127.0.0.1"), "mailbox.m.port",
                                                   std::to_string(server.port())),
                                          "mailbox.m.tls", "none"),
                                 "mailbox.m.timeout.io", "20s"));
        WHEN("they are drained, twice") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("each arrives once, as it was written") {
                REQUIRE(outcome.status == 0);
                REQUIRE(place.postern({"run", "--once"}).status == 0);
                const auto delivered = byUid(place);
                REQUIRE(delivered.size() == thousand);
                for (std::size_t index = 0; index < thousand; ++index) {
                    INFO("mail " << index << ", " << mails[index].what);
                    REQUIRE(delivered.count(index + 1) == 1);
                    checkBytes(delivered.at(index + 1), mails[index].bytes);
                }
                CHECK(server.violations() == std::vector<std::string>{});
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
                CHECK(outcome.peakMemory < 60'000);  // kB
#endif
            }
        }
    }
}
