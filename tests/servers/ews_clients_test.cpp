#include "tests/servers/davmail.h"
#include "tests/servers/ews_schema_check.h"
#include "tests/servers/imap_client.h"
#include "tests/servers/process.h"
#include "tests/servers/sha256.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <thread>

using namespace servers;
using namespace std::chrono_literals;
using Names = std::vector<std::string>;

namespace {

/// Octets that a client which thinks in characters or lines would spoil.
std::string mail(const std::string& number) {
    std::string octets;
    for (int i = 1; i < 256; ++i)
        if (i != '\r' && i != '\n') octets += static_cast<char>(i);
    return "Message-ID: <" + number + "@contoso.example>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@contoso.example\r\nSubject: mail " +
           number +
           "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.\r\n..\r\nFrom "
           "here\r\n" +
           octets + "\r\n<&>\r\n\r\n";
}

/// A person's mailbox with three messages, of which the second is read.
struct Mailbox {
    Mailbox() {
        server.anyClient = true;
        server.store().furnish();
        server.basicUser = server.user;
        server.basicPassword = "geheim";
        server.impersonation = EwsServer::Impersonation::forbidden;
        for (const auto* number : {"1", "2", "3"}) ids.push_back(server.deliver(server.inbox(), mail(number)));
        server.store().markRead(ids[1]);
        port = server.listen();
    }
    /// Runs a client while somebody delivers a fourth message, once it listens.
    Outcome runs(std::vector<std::string> words) {
        for (const auto& more : {std::to_string(port), server.user, server.basicPassword}) words.push_back(more);
        std::atomic<bool> over{false};
        std::thread sender([this, &over] {
            const auto listens = [&] {
                const auto asked = server.operations();
                return over || std::find(asked.begin(), asked.end(), "GetStreamingEvents") != asked.end();
            };
            if (eventually(listens, 60s) && !over) server.deliver(server.inbox(), mail("4"));
        });
        auto outcome = run(words);
        over = true;
        sender.join();
        return outcome;
    }
    Names in(const char* use) {
        Names found;
        for (const auto* item : server.store().itemsOf(server.store().distinguished(use))) found.push_back(item->mime);
        std::sort(found.begin(), found.end());
        return found;
    }
    bool isRead(const std::string& id) { return server.store().item(id)->isRead; }

    EwsServer server{};
    Names ids{};
    std::uint16_t port = 0;
};

const std::filesystem::path clients = POSTERN_TEST_SERVERS;

std::string line(const std::string& number, const std::string& rest) { return "item " + sha256(mail(number)) + " " + rest + "\n"; }

}  // namespace

SCENARIO("exchangelib reads a mailbox of the server of these tests", "[servers][ews]") {
    Mailbox mailbox;
    const auto told = mailbox.runs({"/usr/bin/python3", (clients / "ews_client.py").string()});
    INFO(told.output << told.error);
    REQUIRE(told.status == 0);
    const std::string at = " 2026-11-22T12:00:00+00:00";
    CHECK(told.output.find("inbox Posteingang\nsynced 3 True True\n" + line("1", "False" + at) + line("2", "True" + at) + line("3", "False" + at) +
                           "subscribed True\ntold ") == 0);
    CHECK(told.output.find("then 1 create\n") != std::string::npos);
    CHECK(mailbox.server.problems() == Names{});
    checkSchema(mailbox.server);
}

SCENARIO("Microsoft's Managed API in JavaScript reads a mailbox of the server of these tests, hears of mail, and marks, moves and deletes",
         "[servers][ews]") {
    const auto directory = clients / "ews";
    if (!std::filesystem::exists(directory / "node_modules/ews-javascript-api")) FAIL("run `npm ci` in " << directory << ", or ./tests/run");
    Mailbox mailbox;
    const auto told = mailbox.runs({"node", (directory / "client.cjs").string()});
    INFO(told.output << told.error);
    REQUIRE(told.status == 0);
    const std::string at = " 2026-11-22T12:00:00.000Z";
    CHECK(told.output ==
          "inbox Posteingang 3\n"
          "folders 9 Calendar, Contacts, Deleted Items, Drafts, Junk Email, Outbox, Posteingang, Sent Items, Tasks\n"
          "found 3\nsynced 3 false true\n" +
              line("1", "false" + at) + line("2", "true" + at) + line("3", "false" + at) + "told Created\nthen 1\nworked\n");
    CHECK(mailbox.isRead(mailbox.ids[0]));
    CHECK(mailbox.in("inbox") == Names{mail("1"), mail("4")});
    CHECK(mailbox.in("junkemail") == Names{mail("2")});
    CHECK(mailbox.in("deleteditems") == Names{mail("3")});
    CHECK(mailbox.server.subscriptions() == 0);
    CHECK(mailbox.server.problems() == Names{});
    checkSchema(mailbox.server);
}

SCENARIO("what DavMail hands out by IMAP is what lies in a mailbox of the server of these tests, and what is done there is done here",
         "[servers][ews]") {
    if (!std::filesystem::exists("/usr/bin/davmail-server")) FAIL("davmail-server is not installed: ./tests/run does it");
    Mailbox mailbox;
    const TemporaryDirectory place;
    const Davmail davmail(place.path(), "http://127.0.0.1:" + std::to_string(mailbox.port) + "/EWS/Exchange.asmx");
    ImapClient client(davmail.port(), mailbox.server.user, mailbox.server.basicPassword);
    const auto folders = client.command("LIST \"\" \"*\"");
    INFO(folders);
    for (const auto* name : {" \"INBOX\"", " \"Junk\"", " \"Trash\"", " \"Sent\"", " \"Drafts\""}) CHECK(folders.find(name) != std::string::npos);
    CHECK(folders.find("Calendar") == std::string::npos);

    const auto held = client.fetch("INBOX");
    REQUIRE(held.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(held[i].bytes == mail(std::to_string(i + 1)));
        CHECK((held[i].flags.find("\\Seen") != std::string::npos) == (i == 1));
        CHECK(held[i].received.find("22-Nov-2026 12:00:00 +0000") != std::string::npos);
    }
    const auto uid = [&held](std::size_t at) { return std::to_string(held[at].uid); };
    client.command("SELECT INBOX");
    client.command("UID STORE " + uid(0) + " +FLAGS (\\Seen)");
    client.command("UID MOVE " + uid(1) + " Junk");
    client.command("UID STORE " + uid(2) + " +FLAGS (\\Deleted)");
    client.command("EXPUNGE");
    CHECK(mailbox.isRead(mailbox.ids[0]));
    CHECK(mailbox.in("inbox") == Names{mail("1")});
    CHECK(mailbox.in("junkemail") == Names{mail("2")});
    CHECK(mailbox.server.store().item(mailbox.ids[2]) == nullptr);
    CHECK(mailbox.server.problems() == Names{});
    checkSchema(mailbox.server);
}
