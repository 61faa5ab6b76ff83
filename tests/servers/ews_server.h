#pragma once

#include "tests/servers/ews_store.h"
#include "tests/servers/memory_channel.h"
#include "tests/servers/tls_server.h"

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace servers {

/// One HTTP request as it came.
struct EwsRequest {
    std::string method{}, target{}, body{};
    std::map<std::string, std::string> headers{};  ///< names in lower case
    std::string operation{};                       ///< "GetItem"; "": it has no such body
    std::string header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string() : found->second;
    }
};

struct EwsAnswer {
    int status = 200;
    std::string body{};
    std::map<std::string, std::string> headers{{"Content-Type", "text/xml; charset=utf-8"}};
    std::string streams{};  ///< id of a subscription: the answer stays open behind `body`, and tells of it
    bool byTheSchema = true;
};

/// Exchange as far as a listener needs it, in this process: one mailbox, strict about what it is asked, with moods. Over loopback (listen()), or in
/// memory (connect()), where seconds pass as the client waits. Thread-safe but for moods: set them while nobody asks.
class EwsServer {
public:
    /// Others ask than the program that is tested: what only that one has to do, and the house rules it keeps, are not asked of them.
    bool anyClient = false;
    enum class Impersonation { required, forbidden, denied };
    std::string user = "intake@contoso.example";
    std::set<std::string> tokens{"token-1"};                  ///< that are good
    std::function<bool(const std::string& token)> accepts{};  ///< which are, instead
    std::string basicUser{}, basicPassword{};                 ///< instead of tokens
    Impersonation impersonation = Impersonation::required;
    std::string serverVersion = "V2018_01_08";
    std::string newestSchema = "Exchange2016";  ///< of those a request may name: "Exchange2010_SP2" for an old one

    // Moods
    std::function<std::optional<EwsAnswer>(const EwsRequest&)> instead{};  ///< asked first
    std::map<std::string, std::deque<std::string>>
        itemCodes{};  ///< GetItem of a message fails with these, one after the other; the last for ever if it ends with "!"
    std::size_t changesAtOnce = 512;
    std::size_t foldersAtOnce = 500, foundAtOnce = 250;
    bool rendersAnew = false;  ///< each fetch shows other octets
    bool oneStopsAll = false;  ///< behind a failed message of a batch come only ErrorBatchProcessingStopped
    bool tellsTwice = false, tellsNothing = false;
    std::function<int()> tellings{};                                                    ///< asked at each arrival: how many times it is told of
    std::function<void(const std::string& kept, const std::string& shown)> handsOut{};  ///< each content: as it was put in, as it goes out
    std::function<void(const std::string& operation, const EwsItem& item)> acts{};      ///< before UpdateItem, MoveItem or DeleteItem of one
    bool wrongNamespace = true;                                                         ///< m:Notification, as real servers write
    std::string oddText{};                         ///< stands in the name of every folder and the subject of every message, as it is
    std::chrono::seconds heartbeat{45};            ///< 0: none
    std::chrono::milliseconds delay{0};            ///< before each answer
    std::optional<std::size_t> streamEndsAfter{};  ///< documents, then the connection is cut
    std::optional<int> requestsPerConnection{};    ///< the next one is read, and the connection closed
    bool closesAtOnce = false;                     ///< each stream says OK and Closed
    std::map<std::string, EwsServer*> beside{};    ///< other mailboxes at this address, by X-AnchorMailbox, with moods of their own

    EwsServer();
    ~EwsServer();
    EwsServer(const EwsServer&) = delete;
    EwsServer& operator=(const EwsServer&) = delete;

    /// A connection in memory.
    std::shared_ptr<Peer> connect();
    /// On loopback; answers the port.
    std::uint16_t listen(const TlsServer::Options& options);
    std::uint16_t listen() { return listen(TlsServer::Options{}); }

    EwsStore& store() { return store_; }  ///< while nobody asks
    /// The mailbox, as somebody else changes it. Any thread.
    template <class Change>
    auto change(Change make) {
        const std::lock_guard lock(mutex_);
        return make(store_);
    }
    /// A message arrives. Any thread.
    std::string deliver(const std::string& folder, const std::string& mime, const std::string& received = "2026-11-22T12:00:00Z");
    std::string inbox() const { return store_.distinguished("inbox"); }
    void killSubscriptions();
    std::size_t subscriptions() const;
    /// The mailbox goes to another server: open answers end with this code, and nobody may come with a cookie of the one before.
    void move(const std::string& code);
    std::size_t mostAtOnce() const;  ///< requests under way, but for answers that stay open; they take time by `delay`

    std::vector<EwsRequest> requests() const;
    std::vector<std::string> operations() const;  ///< of requests(), in order
    std::vector<std::string> problems() const;    ///< what nobody may ask
    /// What does not go with the schema of EWS_SCHEMA_DIR, which there has to be. Needs xmllint.
    std::vector<std::string> schemaProblems() const;
    static bool checksSchema();

    // Answers to be scripted
    static EwsAnswer fault(const std::string& code, std::optional<int> backOff = std::nullopt, const std::string& text = "It cannot be done.");
    static EwsAnswer refusal(const std::string& operation, const std::string& code, std::optional<int> backOff = std::nullopt);
    static EwsAnswer plain(int status, std::map<std::string, std::string> headers = {}, const std::string& body = "");

    EwsAnswer answer(EwsRequest request);

private:
    friend class EwsConnection;
    class Answering;
    struct Subscription {
        std::set<std::string> folders{}, types{};
        std::deque<std::string> events{};
        std::string affinity{};
    };
    EwsServer& at(const EwsRequest& request);  ///< this one, or one beside it
    std::optional<EwsAnswer> refuseEntry(const EwsRequest& request, int sameId);
    void checkHeaders(const EwsRequest& request, int sameId);
    void notify(const std::string& folder, const std::string& item, const char* type);
    std::string streamed(const std::string& subscription, const std::string& content) const;
    std::string keptStreamed(const std::string& subscription, const std::string& content);
    std::deque<std::string> eventsOf(const std::string& subscription, bool& alive);
    bool hasEvents(const std::string& subscription) const;
    void note(const std::string& problem);  ///< under the lock
    void noteAlone(const std::string& problem);
    void keepDocument(const std::string& document);
    void serve(TlsServer::Stream& stream);
    void begun(std::size_t requests);
    void done(std::size_t requests);

    mutable std::mutex mutex_{};
    EwsStore store_{};
    std::map<std::string, Subscription> subscriptions_{};
    int subscriptionIds_ = 0;
    std::string deadCode_ = "ErrorSubscriptionNotFound";  ///< of answers whose subscription is gone
    std::set<std::string> left_{};                        ///< cookies of servers the mailbox is on no more
    std::size_t underWay_ = 0, mostUnderWay_ = 0;
    int renderings_ = 0;
    std::vector<EwsRequest> requests_{};
    std::map<std::string, int> requestIds_{};  ///< how often each was given
    std::vector<std::string> problems_{};
    std::set<std::string> documents_{};
    std::atomic<bool> stopping_{false};
    std::unique_ptr<TlsServer> tcp_{};
};

}  // namespace servers
