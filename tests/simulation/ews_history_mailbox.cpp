#include "tests/servers/ews_server.h"
#include "tests/simulation/exchange_history_mailbox.h"
#include "tests/simulation/lent_peer.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <stdexcept>

namespace simulation {

using servers::EwsAnswer;
using servers::EwsFolder;
using servers::EwsItem;
using servers::EwsRequest;
using servers::EwsServer;

namespace {

class EwsHistoryMailbox final : public ExchangeHistoryMailbox {
public:
    EwsHistoryMailbox(Dice& dice, Accepts accepts) : ExchangeHistoryMailbox(dice) {
        server_.user = "box@example.test";
        server_.accepts = std::move(accepts);
        server_.rendersAnew = true;
        server_.handsOut = [this](const auto& kept, const auto& shown) { handOut(kept, shown); };
        server_.instead = [this](const EwsRequest& request) { return refuses() ? refusal(request) : std::nullopt; };
        server_.tellings = [this] { return forgets() ? 0 : dice_.oneIn(5) ? 2 : 1; };
        server_.acts = [this](const std::string& operation, const EwsItem& item) { touched(operation, nameOf(item.folder), message(item)); };
    }

    std::string make(const std::vector<std::string>& folders, Kind kind) override {
        names_ = {folders.begin(), folders.end()};
        names_.insert("Done");
        for (const auto& name : names_) makeFolder(name);
        if (kind == Kind::usual) return {};
        if (dice_.oneIn(2)) server_.changesAtOnce = 2 + dice_.below(8);
        if (dice_.oneIn(4)) server_.newestSchema = "Exchange2010_SP2";
        if (dice_.oneIn(4)) server_.oneStopsAll = true;
        server_.wrongNamespace = dice_.oneIn(2);
        return "changes=" + std::to_string(server_.changesAtOnce) + " schema=" + server_.newestSchema;
    }
    std::string listenAt(std::uint16_t port) override { return "protocol = ews\n" + urlAt(port, "/EWS/Exchange.asmx") + "user = box@example.test\n"; }
    std::unique_ptr<Peer> accept() override { return std::make_unique<Lent>(server_.connect()); }

    std::vector<std::string> folders() const override { return {names_.begin(), names_.end()}; }
    std::vector<Message> messages(const std::string& folder) const override {
        std::vector<Message> all;
        for (const auto* item : itemsOf(folder)) all.push_back(message(*item));
        return all;
    }
    std::vector<std::string> violations() const override { return server_.problems(); }

    std::uint64_t arrive(const std::string& folder, const std::string& bytes, plugin::Wall received) override {
        const auto id = server_.deliver(idOf(folder), bytes, utc(received));
        return server_.store().item(id)->serial = ++lastSerial_;
    }
    void remove(const std::string& folder, std::uint64_t serial) override { server_.store().remove(item(folder, serial).id); }
    void move(const std::string& from, std::uint64_t serial, const std::string& to) override {
        server_.store().move(item(from, serial).id, idOf(to));
    }
    std::uint64_t copy(const std::string& from, std::uint64_t serial, const std::string& to) override {
        auto copied = item(from, serial);
        copied.folder = idOf(to);
        copied.serial = ++lastSerial_;
        server_.store().add(std::move(copied));
        return lastSerial_;
    }
    bool rename(const std::string& from, const std::string& to, std::uint32_t) override {
        if (from.rfind('/') == std::string::npos || to.rfind('/') != from.rfind('/')) return false;  // beside where it was
        server_.store().folder(idOf(from))->name = to.substr(to.rfind('/') + 1);
        names_.erase(from);
        names_.insert(to);
        return true;
    }
    void rebuild(const std::string&, std::uint32_t, bool) override {
        switch (dice_.below(4)) {
            case 0:
                return server_.killSubscriptions();
            case 1:
                return server_.move(dice_.oneIn(2) ? "ErrorMailboxMoveInProgress" : "ErrorMailboxFailover");
            default:
                return server_.store().forgetStates();
        }
    }

private:
    static Message message(const EwsItem& item) { return {item.serial, item.id, item.mime, item.isRead}; }

    /// Nothing: one message of the answer fails, not the request.
    std::optional<EwsAnswer> refusal(const EwsRequest& request) {
        const std::string id = "<t:ItemId Id=\"";
        const auto at = request.body.find(id);
        if (request.operation == "GetItem" && at != std::string::npos && dice_.oneIn(2)) {
            const auto from = at + id.size();
            server_.itemCodes[request.body.substr(from, request.body.find('"', from) - from)].push_back(
                dice_.oneIn(2) ? "ErrorInternalServerTransientError" : "ErrorMailboxStoreUnavailable");
            return std::nullopt;
        }
        const auto seconds = std::to_string(1 + dice_.below(90));
        switch (dice_.below(7)) {
            case 0:
                return EwsServer::fault("ErrorServerBusy", static_cast<int>(dice_.below(90'000)));
            case 1:
                return EwsServer::refusal(request.operation, "ErrorServerBusy", static_cast<int>(dice_.below(90'000)));
            case 2:
                return EwsServer::plain(503, {{"Retry-After", seconds}});
            case 3:
                return EwsServer::plain(429, {{"Retry-After", seconds}});
            case 4:
                return EwsServer::fault("ErrorInternalServerTransientError");
            case 5:
                return EwsServer::refusal(request.operation, dice_.oneIn(2) ? "ErrorMailboxStoreUnavailable" : "ErrorExceededConnectionCount");
            default:
                return EwsServer::plain(500 + static_cast<int>(dice_.below(4)), {{"Content-Type", "text/html"}}, "<html>Oops</html>");
        }
    }

    /// "INBOX", "Orders/2026"; none: "".
    std::string idOf(const std::string& path) const {
        if (path == "INBOX") return server_.inbox();
        std::string id;
        for (const auto& name : split(path, '/')) {
            const auto* child = store().child(id, name);
            if (child == nullptr) return {};
            id = child->id;
        }
        return id;
    }
    std::string nameOf(const std::string& id) const {
        if (id == server_.inbox()) return "INBOX";
        const auto* folder = store().folder(id);
        return folder->parent.empty() ? folder->name : nameOf(folder->parent) + "/" + folder->name;
    }
    void makeFolder(const std::string& path) {
        if (!idOf(path).empty()) return;
        const auto slash = path.rfind('/');
        if (slash != std::string::npos) makeFolder(path.substr(0, slash));
        store().addFolder(slash == std::string::npos ? "" : idOf(path.substr(0, slash)), path.substr(slash + 1));
    }
    std::vector<EwsItem*> itemsOf(const std::string& folder) const {
        const auto id = idOf(folder);
        auto all = id.empty() ? std::vector<EwsItem*>() : store().itemsOf(id);
        std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->number < b->number; });
        return all;
    }
    const EwsItem& item(const std::string& folder, std::uint64_t serial) const {
        for (const auto* each : itemsOf(folder))
            if (each->serial == serial) return *each;
        throw std::logic_error("no such message in " + folder);
    }
    servers::EwsStore& store() const { return server_.store(); }

    mutable EwsServer server_{};
};

}  // namespace

std::unique_ptr<HistoryMailbox> makeEwsHistoryMailbox(Dice& dice, HistoryMailbox::Accepts accepts) {
    return std::make_unique<EwsHistoryMailbox>(dice, std::move(accepts));
}

}  // namespace simulation
