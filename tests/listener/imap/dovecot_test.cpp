#include "tests/servers/dovecot.h"
#include "listener/imap/imap_mailbox.h"
#include "tests/auth/channel/world.h"
#include "tests/servers/imap_client.h"
#include "tests/simulation/sim_disk.h"

#include <catch2/catch.hpp>

using Numbers = std::vector<std::uint64_t>;

namespace {

const std::string user = "alice@example.test";

class PasswordAccess final : public auth::Access, private auth::TokenSource {
public:
    PasswordAccess(auth::Dialer& real, std::string secret) : dialer_(real), secret_(std::move(secret)) {}
    auth::Dialer& dialer() override { return dialer_; }
    auth::TokenSource& tokens() override { return *this; }
    plugin::Result<Kind> kind(std::string_view) const override { return Kind::password; }
    plugin::Result<Password> password(std::string_view) override { return Password{"", auth::Secret{secret_}}; }

private:
    plugin::Task<plugin::Result<auth::Token>> token(auth::Identity, plugin::Deadline, std::stop_token) override {
        throw std::logic_error("no token here");
    }
    void refused(const auth::Identity&, const auth::Token&) override {}
    auth::Dialer& dialer_;
    std::string secret_;
};

struct Collector : listener::Receiver {
    std::map<std::uint64_t, std::string> mails{};
    plugin::Task<plugin::Result<void>> take(listener::Fetched message) override {
        std::string bytes;
        if (message.content.inMemory() != nullptr) {
            bytes = *message.content.inMemory();
        } else {
            bytes.resize(static_cast<std::size_t>(message.content.size()));
            const auto got = message.content.file()->readAt(0, bytes);
            bytes.resize(got ? *got : 0);
        }
        mails[message.position.ordinal] = std::move(bytes);
        co_return plugin::Result<void>{};
    }
};

}  // namespace

SCENARIO("a real Dovecot, through real sockets and TLS", "[imap][servers]") {
    servers::TemporaryDirectory place;
    const servers::CertificateFiles certificates{place / "d" / "certificates"};
    const servers::Dovecot server{place / "d", 1};
    servers::ImapClient client{server.imapPort(), user, server.readerPassword()};
    std::vector<servers::ImapClient::Mail> sent;
    for (int i = 0; i < 450; ++i)
        sent.push_back({"Subject: " + std::to_string(i) + "\r\n\r\n" + std::string(static_cast<std::size_t>(i * 37), 'x') + "\r\n"});
    sent.push_back({"Subject: large\r\n\r\n" + std::string(5'000'000, 'y') + "\r\n"});
    client.append("INBOX", sent);

    World world{{{"test", certificates.authority}}};
    PasswordAccess access{*world.dialer, server.readerPassword()};
    simulation::SimDisk disk;
    const auto staging = *disk.directory("/staging", true);
    listener::imap::Settings settings;
    settings.alias = "alice";
    settings.target = {"localhost", server.imapsPort(), auth::Target::Tls::implicit, "test"};
    settings.user = user;
    settings.credential = "reader";
    const auto disabled =
        GENERATE(std::set<std::string>{}, std::set<std::string>{"MOVE", "ESEARCH", "SASL-IR", "AUTH=PLAIN", "LITERAL+", "NAMESPACE", "ID"});
    settings.disabledCapabilities = disabled;
    const auto mailbox = listener::imap::makeMailbox(settings, access, world.log, "0.1.0");

    const auto opened = world.run(mailbox->open({}));
    INFO((opened ? std::string{} : describe(opened.error())));
    REQUIRE(opened);
    const auto view = world.run(mailbox->select("INBOX", {}));
    REQUIRE(view);
    REQUIRE(view->exists == 451);
    REQUIRE(view->validity == client.validity("INBOX"));
    const auto listing = world.run(mailbox->list({}, {}));
    REQUIRE(listing);
    REQUIRE(listing->ordinals.size() == 451);
    Collector collector;
    const auto fetched = world.run(mailbox->fetch(listing->ordinals, collector, *staging, {}));
    INFO((fetched ? std::string{} : describe(fetched.error())));
    REQUIRE(fetched);
    REQUIRE(collector.mails.size() == 451);
    for (std::size_t i = 0; i < sent.size(); ++i) REQUIRE(collector.mails[listing->ordinals[i]] == sent[i].bytes);

    std::vector<Numbers> recorded;
    const listener::Copied copied = [&recorded](Numbers ordinals) -> plugin::Task<plugin::Result<void>> {
        recorded.push_back(std::move(ordinals));
        return [](int) -> plugin::Task<plugin::Result<void>> { co_return plugin::Result<void>{}; }(0);
    };
    listener::AfterRequest move{
        {listener::AfterAction::Kind::seenAndMove, "Erledigt/Grüße"}, Numbers(listing->ordinals.begin(), listing->ordinals.begin() + 400), {}};
    const auto moved = world.run(mailbox->after(move, copied, {}));
    INFO((moved ? std::string{} : describe(moved.error())));
    REQUIRE(moved);
    REQUIRE(recorded.empty() == disabled.empty());
    REQUIRE(server.count(user, "Erledigt/Grüße") == 400);
    REQUIRE(world.run(mailbox->after(move, copied, {})));  // once more: all of them are gone already
    REQUIRE(server.count(user, "Erledigt/Grüße") == 400);
    listener::AfterRequest remove{{listener::AfterAction::Kind::remove, ""}, Numbers(listing->ordinals.begin() + 400, listing->ordinals.end()), {}};
    REQUIRE(world.run(mailbox->after(remove, copied, {})));
    REQUIRE(server.count(user, "INBOX") == 0);
    REQUIRE(world.run(mailbox->list({}, {}))->ordinals.empty());

    const auto missing = world.run(mailbox->select("Nowhere", {}));
    REQUIRE(missing.error().code == plugin::Code::mailboxFolderMissing);
    world.run(mailbox->close({}));
}
