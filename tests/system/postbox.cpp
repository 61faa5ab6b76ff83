#include "tests/system/postbox.h"

#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/token_endpoint.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>

namespace systemtest {

using servers::EwsServer;
using servers::EwsStore;
using servers::GraphServer;
using servers::GraphStore;

namespace {

class ImapPostbox final : public Postbox {
public:
    ImapPostbox() : user_(Surroundings::get().newUser()), reader_(Surroundings::get().reader(user_)) {}
    std::string protocol() const override { return "imap"; }
    std::string user() const override { return user_; }
    std::string credential(const Workplace& place, const std::string& name) const override { return basicCredential(place, name); }
    std::string plainCredential(const Workplace& place, const std::string& name) const override {
        const auto key = [&name](const std::string& last) { return "credential." + name + "." + last + " = "; };
        return key("grant") + "user_password\n" + key("username") + user_ + "\n" + key("password") +
               "${file:" + place.file("password", Surroundings::get().mailServer().readerPassword()).string() + "}\n";
    }
    std::string mailbox(const std::string& alias, const std::string& credential) const override {
        return systemtest::mailbox(alias, user_, credential);
    }
    std::uint16_t plainPort() const override { return Surroundings::get().mailServer().imapPort(); }
    std::string mailboxAt(std::uint16_t port, const std::string& alias, const std::string& credential) override {
        auto words = mailbox(alias, credential);
        for (const auto& [key, value] : std::map<std::string, std::string>{{"host", "127.0.0.1"}, {"port", std::to_string(port)}, {"tls", "none"}})
            words = replaced(words, "mailbox." + alias + "." + key, value);
        return words;
    }
    void put(const std::vector<Mail>& mails) override { reader_.append("INBOX", mails); }
    std::vector<Lying> in(const std::string& folder) override {
        std::vector<Lying> all;
        for (const auto& mail : reader_.fetch(folder)) all.push_back({sha256(mail.bytes), mail.flags.find("\\Seen") != std::string::npos});
        return all;
    }
    std::size_t handedOut() const override { return 0; }

private:
    std::string user_;
    servers::ImapClient reader_;
};

/// "03-Nov-2026 02:15:12 +0100", as IMAP writes it, in Exchange's way; the zone does not matter here.
std::string dateOf(const std::string& imap) {
    if (imap.empty()) return "2026-11-22T12:00:00Z";
    return "2026-11-" + imap.substr(0, 2) + "T" + imap.substr(12, 8) + "Z";
}

/// What ews and graph have in common.
class ExchangePostbox : public Postbox {
public:
    std::string user() const override { return "intake@contoso.example"; }
    std::string credential(const Workplace& place, const std::string& name) const override {
        const auto key = [&name](const std::string& last) { return "credential." + name + "." + last + " = "; };
        return key("grant") + "client_credentials\n" + key("client_id") + "app\n" + key("client_secret") +
               "${file:" + place.file(name + ".secret", "s3cret").string() + "}\n" + key("scopes") + "mail\n" + key("token_endpoint") +
               tokens_.url() + "\n";
    }
    std::string mailbox(const std::string& alias, const std::string& credential) const override { return words(plainPort(), alias, credential); }
    std::string mailboxAt(std::uint16_t port, const std::string& alias, const std::string& credential) override {
        return words(port, alias, credential);
    }
    std::string original(const std::string& digest) const override {
        const std::lock_guard lock(mutex_);
        const auto found = shown_.find(digest);
        return found == shown_.end() ? std::string() : found->second;
    }
    std::size_t handedOut() const override {
        const std::lock_guard lock(mutex_);
        return shown_.size();  // each time with other octets
    }

protected:
    virtual std::string path() const { return {}; }
    void handsOut(const std::string& kept, const std::string& shown) {
        const std::lock_guard lock(mutex_);
        if (!shown_.emplace(sha256(shown), sha256(kept)).second) throw std::logic_error("a message is rendered as it was before");
    }
    static constexpr const char* token_ = "token-of-this-test";

private:
    std::string words(std::uint16_t port, const std::string& alias, const std::string& credential) const {
        const auto key = [&alias](const std::string& last) { return "mailbox." + alias + "." + last + " = "; };
        return key("protocol") + protocol() + "\n" + key("url") + "http://127.0.0.1:" + std::to_string(port) + path() + "\n" + key("user") + user() +
               "\n" + key("credential") + credential + "\n" + key("interval") + "1s\n" + key("start") + "all\n" + key("deliver") + "spool\n";
    }
    servers::TokenEndpoint tokens_{token_};
    mutable std::mutex mutex_{};
    std::map<std::string, std::string> shown_{};  ///< SHA-256 of what went out, of what was put in
};

class EwsPostbox final : public ExchangePostbox {
public:
    EwsPostbox() {
        server_.user = user();
        server_.tokens = {token_};
        server_.rendersAnew = true;
        server_.heartbeat = std::chrono::seconds(1);  // who is gone is noticed when something is said
        server_.handsOut = [this](const auto& kept, const auto& shown) { handsOut(kept, shown); };
        port_ = server_.listen();
    }
    std::string protocol() const override { return "ews"; }
    std::uint16_t plainPort() const override { return port_; }
    void put(const std::vector<Mail>& mails) override {
        for (const auto& mail : mails) server_.deliver(inbox_, mail.bytes, dateOf(mail.received));
    }
    std::vector<Lying> in(const std::string& folder) override {
        return server_.change([&](EwsStore& store) {
            const auto* made = store.child("", folder);
            const auto id = folder == "INBOX" ? inbox_ : folder == bin() ? store.distinguished("deleteditems") : made == nullptr ? "" : made->id;
            std::vector<Lying> all;
            for (const auto* item : store.itemsOf(id)) all.push_back({sha256(item->mime), item->isRead});
            return all;
        });
    }
    std::string bin() const override { return "Deleted Items"; }
    void programDied() override { server_.killSubscriptions(); }  // or they keep all that comes, as long as this server lives
    std::vector<std::string> problems() const override { return server_.problems(); }
    std::size_t looks() const override {
        const auto asked = server_.operations();
        return static_cast<std::size_t>(std::count(asked.begin(), asked.end(), "GetStreamingEvents"));
    }

private:
    std::string path() const override { return "/EWS/Exchange.asmx"; }
    EwsServer server_{};
    const std::string inbox_ = server_.inbox();
    std::uint16_t port_ = 0;
};

class GraphPostbox final : public ExchangePostbox {
public:
    GraphPostbox() : server_(optionsFor(user())) {
        server_.rendersAnew(true);
        server_.onContent([this](const auto& kept, const auto& shown) { handsOut(kept, shown); });
    }
    std::string protocol() const override { return "graph"; }
    std::uint16_t plainPort() const override {
        const auto url = server_.url();
        return static_cast<std::uint16_t>(std::stoul(url.substr(url.rfind(':') + 1)));
    }
    std::string mailboxAt(std::uint16_t port, const std::string& alias, const std::string& credential) override {
        server_.linksLeadTo("http://127.0.0.1:" + std::to_string(port));
        return ExchangePostbox::mailboxAt(port, alias, credential);
    }
    void put(const std::vector<Mail>& mails) override {
        for (const auto& mail : mails) server_.deliver(mail.bytes, dateOf(mail.received));
    }
    std::vector<Lying> in(const std::string& folder) override {
        return server_.change([&](GraphStore& store) {
            const auto* made = store.findFolder(store.findFolder("msgfolderroot")->id, folder);
            const auto id = folder == "INBOX" ? "inbox" : folder == bin() ? "deleteditems" : made == nullptr ? "" : made->id;
            std::vector<Lying> all;
            for (const auto& each : store.in(id)) all.push_back({sha256(store.find(each)->bytes), store.find(each)->read});
            return all;
        });
    }
    std::string bin() const override { return "Deleted Items"; }
    std::vector<std::string> problems() const override { return server_.problems(); }
    std::size_t looks() const override { return server_.count("$deltatoken="); }

private:
    static GraphServer::Options optionsFor(const std::string& user) {
        GraphServer::Options options;
        options.user = user;
        options.token = token_;
        options.linesAreCut = true;
        return options;
    }
    GraphServer server_;
};

}  // namespace

std::unique_ptr<Postbox> makePostbox(const std::string& protocol) {
    if (protocol == "imap") return std::make_unique<ImapPostbox>();
    if (protocol == "ews") return std::make_unique<EwsPostbox>();
    if (protocol == "graph") return std::make_unique<GraphPostbox>();
    throw std::logic_error("no protocol of mailboxes: " + protocol);
}

}  // namespace systemtest
