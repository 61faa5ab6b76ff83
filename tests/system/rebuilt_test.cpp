#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace systemtest;

namespace {

constexpr std::size_t known = 10'000, before = 5;

std::vector<servers::ImapClient::Mail> datedMails(const std::string& series, std::size_t count, const std::string& date) {
    std::vector<servers::ImapClient::Mail> mails;
    for (std::size_t i = 0; i < count; ++i) {
        const auto name = series + std::to_string(i);
        auto head = "Message-ID: <" + name + "@example.test>\r\nDate: Tue, 03 Nov 2026 10:00:00 +0000\r\nfrom:  Sales\r\n <sales@example.test>\r\n";
        mails.push_back({head + "Subject : " + name + "\r\n\r\nbody of " + name + "\r\n", date, ""});
    }
    return mails;
}

/// What an administrator does who restores a mailbox: the mail server forgets its UIDs and gives new ones.
void forgetUids(const std::filesystem::path& maildir) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(maildir)) {
        const auto name = entry.path().filename().string();
        if (name.starts_with("dovecot.index") || name.starts_with("dovecot-uid") || name.starts_with("dovecot.list")) files.push_back(entry.path());
    }
    REQUIRE_FALSE(files.empty());
    for (const auto& file : files) std::filesystem::remove(file);
}

}  // namespace

SCENARIO("of a folder rebuilt at the server exactly the new mails are delivered", "[system]") {
    const auto start = GENERATE(std::string("now"), std::string("all"));
    GIVEN(std::to_string(known) + " mails delivered with start = " + start) {
        const auto user = Surroundings::get().newUser();
        const auto& server = Surroundings::get().mailServer();
        Surroundings::get().reader(user).append("INBOX", datedMails("before", before, "01-Jan-2020 00:00:00 +0000"));
        Workplace place;
        place.configure(basicCredential(place, "c") + replaced(mailbox("m", user, "c"), "mailbox.m.start", start));
        REQUIRE(place.postern({"run", "--once"}).status == 0);
        Surroundings::get().reader(user).append("INBOX", datedMails("known", known, ""));
        REQUIRE(place.postern({"run", "--once"}).status == 0);
        const auto delivered = place.delivered("m");
        REQUIRE(delivered.size() == known + (start == "all" ? before : 0));
        WHEN("its UIDVALIDITY and all UIDs change, and three mails come") {
            forgetUids(server.maildir(user));
            Surroundings::get().reader(user).append("INBOX", datedMails("new", 3, ""));
            const auto again = place.postern({"run", "--once"});
            THEN("three are delivered, in one pass over the heads, and what was delivered keeps its id") {
                INFO(again.error.substr(0, 2000));
                CHECK(again.status == 0);
                const auto now = place.delivered("m");
                CHECK(now.size() == delivered.size() + 3);
                CHECK(std::all_of(delivered.begin(), delivered.end(), [&now](const auto& one) { return now.contains(one.first); }));
                const auto counts = "matched=" + std::to_string(delivered.size()) + " new=3 before_start=" + (start == "all" ? "0" : "5") +
                                    " gone=0 compared_by_content=0";
                CHECK(again.error.find(counts) != std::string::npos);
                CHECK(place.postern({"run", "--once"}).status == 0);
                CHECK(place.delivered("m").size() == now.size());
            }
        }
    }
}
