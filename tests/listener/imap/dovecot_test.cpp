#include "tests/servers/dovecot.h"
#include "listener/imap/imap_mailbox.h"
#include "tests/auth/channel/world.h"
#include "tests/servers/imap_client.h"
#include "tests/simulation/sim_disk.h"

#include <catch2/catch.hpp>

#include <thread>

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
    plugin::Result<auth::Secret> secret(std::string_view) override { throw std::logic_error("no secret here"); }

private:
    plugin::Task<plugin::Result<auth::Token>> token(auth::Identity, plugin::Deadline, std::stop_token) override {
        throw std::logic_error("no token here");
    }
    void refused(const auth::Identity&, const auth::Token&) override {}
    auth::Dialer& dialer_;
    std::string secret_;
};

class TokenAccess final : public auth::Access, private auth::TokenSource {
public:
    TokenAccess(auth::Dialer& real, std::string_view token) : dialer_(real), token_(std::make_shared<const auth::Secret>(token)) {}
    std::size_t refusals = 0;
    auth::Dialer& dialer() override { return dialer_; }
    auth::TokenSource& tokens() override { return *this; }
    plugin::Result<Kind> kind(std::string_view) const override { return Kind::token; }
    plugin::Result<Password> password(std::string_view) override { throw std::logic_error("no password here"); }
    plugin::Result<auth::Secret> secret(std::string_view) override { throw std::logic_error("no secret here"); }

private:
    plugin::Task<plugin::Result<auth::Token>> token(auth::Identity, plugin::Deadline, std::stop_token) override {
        auth::Token token;
        token.secret = token_;
        token.type = "Bearer";
        co_return token;
    }
    void refused(const auth::Identity&, const auth::Token&) override { ++refusals; }
    auth::Dialer& dialer_;
    std::shared_ptr<const auth::Secret> token_;
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

namespace {

/// A mailbox at a real Dovecot, and a second hand that puts mails into it.
struct Place {
    explicit Place(auth::Target::Tls tls = auth::Target::Tls::implicit) {
        settings.alias = "alice";
        settings.target = {"localhost", tls == auth::Target::Tls::implicit ? server.imapsPort() : server.imapPort(), tls, "test"};
        settings.user = user;
        settings.credential = "reader";
    }
    listener::Mailbox& open() {
        mailbox = listener::imap::makeMailbox(settings, access, world.log, "0.1.0");
        const auto opened = world.run(mailbox->open({}));
        INFO((opened ? std::string{} : describe(opened.error())));
        REQUIRE(opened);
        return *mailbox;
    }
    void look(const std::string& folder) {
        const auto view = world.run(mailbox->select(folder, {}));
        INFO((view ? std::string{} : describe(view.error())));
        REQUIRE(view);
        REQUIRE(world.run(mailbox->list({.above = view->next - 1}, {})));
    }
    /// What comes when a mail is put into a folder while the mailbox is watched; "" in `into`: none.
    std::vector<std::string> watch(std::vector<std::string> folders, const std::string& into,
                                   std::chrono::milliseconds sweep = std::chrono::minutes{10}) {
        std::thread hand;
        if (!into.empty())
            world.loop->at(world.clock->steady() + std::chrono::milliseconds{300},
                           [&] { hand = std::thread([this, into] { client.append(into, "Subject: one more\r\n\r\nbody\r\n"); }); });
        listener::Watching watching{.folders = std::move(folders), .until = world.in(std::chrono::seconds{60}), .sweep = sweep};
        const auto news = world.run(mailbox->watch(std::move(watching), {}));
        if (hand.joinable()) hand.join();
        INFO((news ? std::string{} : describe(news.error())));
        REQUIRE(news);
        return *news;
    }

    servers::TemporaryDirectory place{};
    servers::CertificateFiles certificates{place / "d" / "certificates"};
    servers::Dovecot server{place / "d", 1};
    servers::ImapClient client{server.imapPort(), user, server.readerPassword()};
    World world{{{"test", certificates.authority}}};
    PasswordAccess access{*world.dialer, server.readerPassword()};
    listener::imap::Settings settings{};
    std::unique_ptr<listener::Mailbox> mailbox{};
};

}  // namespace

SCENARIO("a real Dovecot's messages past the limit come as their heads, those around them whole", "[imap][servers]") {
    struct Keeper : listener::Receiver {
        std::optional<std::uint64_t> limit{};
        std::map<std::uint64_t, listener::Fetched> mails{};
        std::optional<std::uint64_t> sizeLimit() const override { return limit; }
        plugin::Task<plugin::Result<void>> take(listener::Fetched message) override {
            const auto uid = message.position.ordinal;
            mails.emplace(uid, std::move(message));
            co_return plugin::Result<void>{};
        }
    };
    constexpr std::uint64_t limit = 20'000;
    Place place;
    std::vector<servers::ImapClient::Mail> sent;
    for (const std::size_t size : {std::size_t{300}, limit, limit + 1, std::size_t{5'000'000}, std::size_t{400}})
        for (const std::string head : {"Message-ID: <a@x>\r\nsubject: one\r\n two\r\nSubject: three\r\nFrom : b@x\r\n\r\n", "X-Other: y\r\n\r\n"})
            sent.push_back({head + std::string(size - head.size() - 2, 'x') + "\r\n", "21-Nov-2026 13:14:15 +0200", "\\Seen $Label1"});
    for (int i = 0; i < 450; ++i) sent.push_back({"Subject: " + std::to_string(i) + "\r\n\r\nbody\r\n"});
    place.client.append("INBOX", sent);
    auto& mailbox = place.open();
    REQUIRE(place.world.run(mailbox.select("INBOX", {})));
    const auto listing = place.world.run(mailbox.list({}, {}));
    REQUIRE(listing->ordinals.size() == sent.size());
    simulation::SimDisk disk;
    const auto staging = *disk.directory("/staging", true);
    Keeper all, some;
    some.limit = limit;
    for (auto* keeper : {&all, &some}) {
        const auto fetched = place.world.run(mailbox.fetch(listing->ordinals, *keeper, *staging, {}));
        INFO((fetched ? std::string{} : describe(fetched.error())));
        REQUIRE(fetched);
        REQUIRE(keeper->mails.size() == sent.size());
    }
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const auto& whole = all.mails.at(listing->ordinals[i]);
        const auto& message = some.mails.at(listing->ordinals[i]);
        INFO("mail " << i << " of " << sent[i].bytes.size() << " octets");
        REQUIRE(whole.content.size() == sent[i].bytes.size());
        REQUIRE_FALSE(whole.tooLarge);
        REQUIRE(message.tooLarge == (sent[i].bytes.size() > limit ? std::optional<std::uint64_t>{sent[i].bytes.size()} : std::nullopt));
        REQUIRE(message.content.size() == (message.tooLarge ? 0 : whole.content.size()));
        REQUIRE((message.tooLarge || message.content.sha256() == whole.content.sha256()));
        REQUIRE(message.head.matchKey == whole.head.matchKey);
        REQUIRE(message.head.messageId == whole.head.messageId);
        REQUIRE(message.flags == whole.flags);
        REQUIRE(message.received == whole.received);
        REQUIRE(message.position == whole.position);
    }
    place.world.run(mailbox.close({}));
}

SCENARIO("a real Dovecot tells of mail that comes", "[imap][servers]") {
    Place place;
    for (const auto folder : {"Sales", "Sales/Gr&APwA3w-e"}) place.client.command(std::string{"CREATE \""} + folder + "\"");
    const std::vector<std::string> three{"INBOX", "Sales", "Sales/Grüße"};
    const auto lookIntoAll = [&] {
        for (const auto& folder : three) place.look(folder);
    };
    GIVEN("IDLE") {
        auto& mailbox = place.open();
        REQUIRE(mailbox.pushes());
        place.look("INBOX");
        for (int i = 0; i < 3; ++i) {
            REQUIRE(place.watch({"INBOX"}, "INBOX") == std::vector<std::string>{"INBOX"});
            place.look("INBOX");
        }
        THEN("mail that came before it was watched is told at once") {
            place.client.append("INBOX", "Subject: early\r\n\r\nbody\r\n");
            REQUIRE(place.watch({"INBOX"}, "") == std::vector<std::string>{"INBOX"});
        }
        THEN("mail that came while another folder was looked into is told at once") {
            place.look("Sales");
            place.client.append("INBOX", "Subject: early\r\n\r\nbody\r\n");
            REQUIRE(place.watch({"INBOX", "Sales"}, "") == std::vector<std::string>{"INBOX"});
        }
        THEN("a wake ends it in order, and the session goes on") {
            std::stop_source wake;
            place.world.loop->at(place.world.clock->steady() + std::chrono::milliseconds{300}, [&] { wake.request_stop(); });
            listener::Watching watching{
                .folders = {"INBOX"}, .until = place.world.in(std::chrono::seconds{60}), .sweep = {}, .wake = wake.get_token()};
            const auto news = place.world.run(mailbox.watch(std::move(watching), {}));
            REQUIRE(news);
            REQUIRE(news->empty());
            place.look("INBOX");
        }
    }
    GIVEN("NOTIFY for three folders") {
        place.open();
        lookIntoAll();
        for (const auto& [folder, wire] :
             std::map<std::string, std::string>{{"Sales/Grüße", "Sales/Gr&APwA3w-e"}, {"Sales", "Sales"}, {"INBOX", "INBOX"}}) {
            REQUIRE(place.watch(three, wire) == std::vector<std::string>{folder});
            place.look(folder);
        }
        THEN("mail that came before is told at once") {
            place.client.append("Sales", "Subject: early\r\n\r\nbody\r\n");
            REQUIRE(place.watch(three, "") == std::vector<std::string>{"Sales"});
        }
    }
    GIVEN("a sweep, by LIST-STATUS or by STATUS") {
        place.settings.disabledCapabilities = GENERATE(std::set<std::string>{"NOTIFY"}, std::set<std::string>{"NOTIFY", "LIST-STATUS"});
        place.open();
        lookIntoAll();
        REQUIRE(place.watch(three, "Sales/Gr&APwA3w-e", std::chrono::milliseconds{500}) == std::vector<std::string>{"Sales/Grüße"});
    }
    place.world.run(place.mailbox->close({}));
}

SCENARIO("a real Dovecot's folders are found by pattern and by use", "[imap][servers]") {
    Place place;
    for (const auto folder : {"Sales", "Sales/2026", "Sales/2026/Gr&APwA3w-e", "Entw&APw-rfe", "a *b"})
        place.client.command(std::string{"CREATE \""} + folder + "\"");
    place.client.command("CREATE Trash");
    auto& mailbox = place.open();
    const auto find = [&](std::vector<std::string> patterns) {
        const auto found = place.world.run(mailbox.folders(std::move(patterns), {}));
        INFO((found ? std::string{} : describe(found.error())));
        REQUIRE(found);
        return *found;
    };
    using Names = std::vector<std::string>;
    REQUIRE(find({"*"}) == Names{"Entwürfe", "INBOX", "Sales", "Sales/2026", "Sales/2026/Grüße", "Trash", "a *b"});
    REQUIRE(find({"INBOX", "Sales/%", "Sales/*"}) == Names{"INBOX", "Sales/2026", "Sales/2026/Grüße"});
    REQUIRE(find({"Entwü*"}) == Names{"Entwürfe"});
    REQUIRE(find({"\\Trash", "\\Junk", "\\Archive"}) == Names{"Trash"});
    for (const auto& folder : find({"*"})) place.look(folder);
}

SCENARIO("a real Dovecot is signed in to after STARTTLS on its plain port", "[imap][servers]") {
    Place place{auth::Target::Tls::starttls};
    auto& mailbox = place.open();
    place.client.append("INBOX", "Subject: one\r\n\r\nbody\r\n");
    place.look("INBOX");
    REQUIRE(place.watch({"INBOX"}, "INBOX") == std::vector<std::string>{"INBOX"});
    place.world.run(mailbox.close({}));
    REQUIRE(servers::eventually([&] { return place.server.log().find(", TLS, session=") != std::string::npos; }, std::chrono::seconds{10}));
}

SCENARIO("a real Dovecot takes a token by either mechanism", "[imap][servers]") {
    servers::TemporaryDirectory directory;
    const servers::CertificateFiles certificates{directory / "d" / "certificates"};
    const servers::IdentityProvider provider{directory / "idp", certificates, {}};
    const servers::Dovecot server{directory / "d", provider.introspectionPort()};
    const auto answer = servers::run({"curl", "-s", "--cacert", certificates.authority, "-d", "grant_type=client_credentials", "--data-urlencode",
                                      "client_id=app/post: 1", "--data-urlencode", "client_secret=" + servers::IdentityProvider::postSecret(),
                                      "--data-urlencode", "scope=" + servers::IdentityProvider::scope(), provider.tokenEndpoint()})
                            .output;
    const std::string key = "\"access_token\":\"";
    const auto begin = answer.find(key) + key.size();
    World world{{{"test", certificates.authority}}};
    TokenAccess access{*world.dialer, answer.substr(begin, answer.find('"', begin) - begin)};
    listener::imap::Settings settings;
    settings.alias = "alice";
    settings.target = {"localhost", server.imapsPort(), auth::Target::Tls::implicit, "test"};
    settings.user = user;
    settings.credential = "app";
    for (const auto& [sasl, mechanism] : std::map<std::string, std::string>{{"auto", "OAUTHBEARER"}, {"xoauth2", "XOAUTH2"}}) {
        settings.sasl = sasl;
        const auto mailbox = listener::imap::makeMailbox(settings, access, world.log, "0.1.0");
        const auto opened = world.run(mailbox->open({}));
        INFO((opened ? std::string{} : describe(opened.error())));
        REQUIRE(opened);
        world.run(mailbox->close({}));
        REQUIRE(servers::eventually([&] { return server.log().find("method=" + mechanism) != std::string::npos; }, std::chrono::seconds{10}));
    }
    GIVEN("a token it does not know") {
        TokenAccess invented{*world.dialer, "invented"};
        settings.sasl = GENERATE(as<std::string>{}, "auto", "xoauth2");
        const auto mailbox = listener::imap::makeMailbox(settings, invented, world.log, "0.1.0");
        const auto opened = world.run(mailbox->open({}));
        REQUIRE(opened.error().reaction == plugin::Reaction::reauthenticate);
        REQUIRE(opened.error().what.find("status ") != std::string::npos);
        REQUIRE(invented.refusals == 1);
    }
}
