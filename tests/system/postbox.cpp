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
    explicit ImapPostbox(std::shared_ptr<ThrottledImap> way) : ImapPostbox() {
        way_ = std::move(way);
        way_->note(user_, record_);
    }
    std::string protocol() const override { return "imap"; }
    std::string user() const override { return user_; }
    std::string credential(const Workplace& place, const std::string& name) const override { return basicCredential(place, name); }
    std::string plainCredential(const Workplace& place, const std::string& name) const override {
        const auto key = [&name](const std::string& last) { return "credential." + name + "." + last + " = "; };
        return key("grant") + "user_password\n" + key("username") + user_ + "\n" + key("password") +
               "${file:" + place.file("password", Surroundings::get().mailServer().readerPassword()).string() + "}\n";
    }
    std::string mailbox(const std::string& alias, const std::string& credential) const override {
        return way_ ? at(way_->port(), alias, credential) : systemtest::mailbox(alias, user_, credential);
    }
    std::uint16_t plainPort() const override { return Surroundings::get().mailServer().imapPort(); }
    std::string mailboxAt(std::uint16_t port, const std::string& alias, const std::string& credential) override {
        return at(port, alias, credential);
    }
    void put(const std::vector<Mail>& mails) override { reader_.append("INBOX", mails); }
    std::vector<Lying> in(const std::string& folder) override {
        std::vector<Lying> all;
        for (const auto& mail : reader_.fetch(folder)) all.push_back({sha256(mail.bytes), mail.flags.find("\\Seen") != std::string::npos});
        return all;
    }
    std::size_t handedOut() const override { return 0; }
    void refuse(const Refusal& refusal) override { way_->refuse(user_, refusal); }

private:
    std::string at(std::uint16_t port, const std::string& alias, const std::string& credential) const {
        auto words = systemtest::mailbox(alias, user_, credential);
        for (const auto& [key, value] : std::map<std::string, std::string>{{"host", "127.0.0.1"}, {"port", std::to_string(port)}, {"tls", "none"}})
            words = replaced(words, "mailbox." + alias + "." + key, value);
        return words;
    }
    std::string user_;
    std::shared_ptr<ThrottledImap> way_{};
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
    explicit ExchangePostbox(std::string name) : user_(std::move(name) + "@contoso.example") {}
    std::string user() const override { return user_; }
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
    const std::string user_;
    servers::TokenEndpoint tokens_{token_};
    mutable std::mutex mutex_{};
    std::map<std::string, std::string> shown_{};  ///< SHA-256 of what went out, of what was put in
};

class EwsPostbox final : public ExchangePostbox {
public:
    /// At an address of its own, or at that of another one.
    explicit EwsPostbox(std::string name, EwsPostbox* first = nullptr) : ExchangePostbox(std::move(name)) {
        server_.user = user();
        server_.tokens = {token_};
        server_.rendersAnew = true;
        server_.heartbeat = std::chrono::seconds(1);  // who is gone is noticed when something is said
        server_.handsOut = [this](const auto& kept, const auto& shown) { handsOut(kept, shown); };
        server_.instead = [this](const servers::EwsRequest& request) { return refused(request.operation); };
        port_ = first == nullptr ? server_.listen() : first->port_;
        if (first != nullptr) first->server_.beside[user()] = &server_;
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
    void refuse(const Refusal& refusal) override {
        server_.change([&](EwsStore&) { refusal_ = refusal; });
    }

private:
    /// Under the server's lock.
    std::optional<servers::EwsAnswer> refused(const std::string& operation) {
        record_->asked(operation);
        if (!refusal_ || operation != refusal_->at) return std::nullopt;
        const auto how = *std::exchange(refusal_, std::nullopt);
        record_->refused(operation);
        const auto backOff = static_cast<int>(std::chrono::milliseconds(how.rest).count());
        if (how.how == Refusal::How::fault) return EwsServer::fault("ErrorServerBusy", backOff);
        if (how.how == Refusal::How::message) return EwsServer::refusal(operation, "ErrorServerBusy", backOff);
        return EwsServer::plain(how.status, {{"Retry-After", std::to_string(how.rest.count())}});
    }
    std::string path() const override { return "/EWS/Exchange.asmx"; }
    std::optional<Refusal> refusal_{};
    EwsServer server_{};
    const std::string inbox_ = server_.inbox();
    std::uint16_t port_ = 0;
};

class GraphPostbox final : public ExchangePostbox {
public:
    /// At an address of its own, or at that of another one.
    explicit GraphPostbox(std::string name, GraphPostbox* first = nullptr)
        : ExchangePostbox(std::move(name)), server_(optionsFor(user(), first == nullptr)), first_(first) {
        server_.rendersAnew(true);
        server_.onContent([this](const auto& kept, const auto& shown) { handsOut(kept, shown); });
        server_.onRequest([this](const std::string& line, GraphStore&) { record_->asked(line); });
        server_.onFault([this](const std::string& line) { record_->refused(line); });
        if (first != nullptr) first->server_.beside(server_);
    }
    std::string protocol() const override { return "graph"; }
    std::uint16_t plainPort() const override {
        if (first_ != nullptr) return first_->plainPort();
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
    void refuse(const Refusal& refusal) override {
        GraphServer::Fault fault{.what = refusal.at, .status = refusal.status};
        fault.code = refusal.status == 429 ? "ApplicationThrottled" : "ServiceUnavailable";
        fault.headers = {{"Retry-After", std::to_string(refusal.rest.count())}};
        server_.fail(std::move(fault));
    }

private:
    static GraphServer::Options optionsFor(const std::string& user, bool listens) {
        GraphServer::Options options;
        options.listens = listens;
        options.user = user;
        options.token = token_;
        options.linesAreCut = true;
        return options;
    }
    GraphServer server_;
    const GraphPostbox* first_;  ///< whose address it has
};

}  // namespace

std::unique_ptr<Postbox> makePostbox(const std::string& protocol) {
    if (protocol == "imap") return std::make_unique<ImapPostbox>();
    if (protocol == "ews") return std::make_unique<EwsPostbox>("intake");
    if (protocol == "graph") return std::make_unique<GraphPostbox>("intake");
    throw std::logic_error("no protocol of mailboxes: " + protocol);
}

namespace {

template <class Box>
std::vector<std::unique_ptr<Postbox>> atOneAddress(std::size_t count) {
    std::vector<std::unique_ptr<Postbox>> all;
    Box* first = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
        auto box = std::make_unique<Box>("intake-" + std::to_string(i), first);
        if (first == nullptr) first = box.get();
        all.push_back(std::move(box));
    }
    return all;
}

}  // namespace

std::vector<std::unique_ptr<Postbox>> makePostboxes(const std::string& protocol, std::size_t count) {
    if (protocol == "ews") return atOneAddress<EwsPostbox>(count);
    if (protocol == "graph") return atOneAddress<GraphPostbox>(count);
    const auto way = std::make_shared<ThrottledImap>(Surroundings::get().mailServer().imapPort());
    std::vector<std::unique_ptr<Postbox>> all;
    while (all.size() < count) all.push_back(std::make_unique<ImapPostbox>(way));
    return all;
}

}  // namespace systemtest
