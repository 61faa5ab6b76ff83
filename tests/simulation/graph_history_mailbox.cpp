#include "tests/servers/graph_server.h"
#include "tests/simulation/exchange_history_mailbox.h"
#include "tests/simulation/lent_peer.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>

namespace simulation {

using servers::GraphServer;
using servers::GraphStore;

namespace {

class GraphHistoryMailbox final : public ExchangeHistoryMailbox {
public:
    GraphHistoryMailbox(Dice& dice, Accepts accepts) : ExchangeHistoryMailbox(dice), server_(options(std::move(accepts))) {
        server_.rendersAnew(true);
        server_.onContent([this](const auto& kept, const auto& shown) { handOut(kept, shown); });
        server_.moods([this](const auto&) { return refuses() ? std::optional(fault()) : std::nullopt; });
        server_.onAction([this](const std::string& what, const GraphStore::Mail& mail) { touched(what, nameOf(mail.folder), message(mail)); });
    }

    std::string make(const std::vector<std::string>& folders, Kind kind) override {
        names_ = {folders.begin(), folders.end()};
        names_.insert("Done");
        for (const auto& name : names_) makeFolder(name);
        if (kind == Kind::usual) return {};
        const auto page = dice_.oneIn(2) ? 2 + dice_.below(8) : 1000;
        server_.pages(page);
        store().replays = dice_.oneIn(3) ? dice_.below(4) : 0;
        store().emptyPages = dice_.oneIn(4) ? 1 : 0;
        server_.contentLength(dice_.oneIn(2));
        return "pages=" + std::to_string(page) + " replays=" + std::to_string(store().replays) + " empty=" + std::to_string(store().emptyPages);
    }
    std::string listenAt(std::uint16_t port) override {
        server_.linksLeadTo("http://127.0.0.1:" + std::to_string(port));
        return "protocol = graph\n" + urlAt(port, "") + "user = box@example.test\n";
    }
    std::unique_ptr<Peer> accept() override { return std::make_unique<Lent>(server_.connect()); }

    std::vector<std::string> folders() const override { return {names_.begin(), names_.end()}; }
    std::vector<Message> messages(const std::string& folder) const override {
        std::vector<Message> all;
        const auto id = idOf(folder);
        if (id.empty()) return all;
        for (const auto& mail : store().in(id)) all.push_back(message(*store().find(mail)));  // ids rise as they came
        return all;
    }
    std::vector<std::string> violations() const override { return server_.problems(); }

    std::uint64_t arrive(const std::string& folder, const std::string& bytes, plugin::Wall received) override {
        return keep(store().deliver(idOf(folder), bytes, utc(received), false));
    }
    void remove(const std::string&, std::uint64_t serial) override { store().remove(ids_.at(serial)); }
    void move(const std::string&, std::uint64_t serial, const std::string& to) override { store().move(ids_.at(serial), idOf(to)); }
    std::uint64_t copy(const std::string&, std::uint64_t serial, const std::string& to) override {
        const auto mail = *store().find(ids_.at(serial));
        return keep(store().deliver(idOf(to), mail.bytes, mail.received, mail.read));
    }
    bool rename(const std::string& from, const std::string& to, std::uint32_t) override {
        if (from.rfind('/') == std::string::npos || to.rfind('/') != from.rfind('/')) return false;  // beside where it was
        store().folderAt(idOf(from)).name = to.substr(to.rfind('/') + 1);
        names_.erase(from);
        names_.insert(to);
        return true;
    }
    void rebuild(const std::string&, std::uint32_t, bool) override {
        if (dice_.oneIn(4))
            server_.expire("ErrorItemNotFound", 404);
        else
            server_.expire(dice_.oneIn(2) ? "syncStateNotFound" : "resyncRequired");
    }

private:
    static GraphServer::Options options(Accepts accepts) {
        GraphServer::Options options;
        options.user = "box@example.test";
        options.accepts = std::move(accepts);
        options.listens = false;
        options.linesAreCut = true;
        return options;
    }
    GraphServer::Fault fault() {
        const std::vector<std::pair<std::string, std::string>> rest{{"Retry-After", std::to_string(1 + dice_.below(90))}};
        switch (dice_.below(5)) {
            case 0:
                return {.what = {}, .status = 429, .code = "ApplicationThrottled", .headers = rest};
            case 1:
                return {.what = {}, .status = 429, .code = "ApplicationThrottled"};
            case 2:
                return {.what = {}, .status = 503, .code = "ServiceUnavailable", .headers = rest};
            case 3:
                return {.what = {}, .status = 504, .code = "GatewayTimeout"};
            default: {
                GraphServer::Fault odd{.what = {}, .status = 500 + static_cast<int>(dice_.below(4)), .code = "ErrorInternalServerError"};
                if (dice_.oneIn(2)) odd.body = "<html>Oops</html>";
                return odd;
            }
        }
    }

    std::uint64_t keep(const std::string& id) {
        ids_[++lastSerial_] = id;
        serials_[id] = lastSerial_;
        return lastSerial_;
    }
    Message message(const GraphStore::Mail& mail) const { return {serials_.at(mail.id), mail.id, mail.bytes, mail.read}; }

    std::string top() const { return store().findFolder("msgfolderroot")->id; }
    /// "INBOX", "Orders/2026"; none: "".
    std::string idOf(const std::string& path) const {
        if (path == "INBOX") return store().findFolder("inbox")->id;
        auto id = top();
        for (const auto& name : split(path, '/')) {
            const auto* child = store().findFolder(id, name);
            if (child == nullptr) return {};
            id = child->id;
        }
        return id;
    }
    std::string nameOf(const std::string& id) const {
        if (id == store().findFolder("inbox")->id) return "INBOX";
        const auto* folder = store().findFolder(id);
        return folder->parent == top() ? folder->name : nameOf(folder->parent) + "/" + folder->name;
    }
    void makeFolder(const std::string& path) {
        if (path == "INBOX") return;
        auto id = top();
        for (const auto& name : split(path, '/')) id = store().folder(id, name);
    }
    GraphStore& store() const { return *store_; }

    GraphServer server_;
    GraphStore* store_ = server_.change([](GraphStore& store) { return &store; });  // there is one thread: nobody asks while it is looked at
    std::map<std::uint64_t, std::string> ids_{};
    std::map<std::string, std::uint64_t> serials_{};
};

}  // namespace

std::unique_ptr<HistoryMailbox> makeGraphHistoryMailbox(Dice& dice, HistoryMailbox::Accepts accepts) {
    return std::make_unique<GraphHistoryMailbox>(dice, std::move(accepts));
}

}  // namespace simulation
