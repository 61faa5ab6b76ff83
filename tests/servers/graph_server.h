#pragma once

#include "tests/servers/graph_store.h"
#include "tests/servers/memory_channel.h"
#include "tests/servers/tls_server.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace servers {

/// Microsoft Graph, as far as a mail listener uses it, with one mailbox: HTTP/1.1 on loopback with a free port, or in memory. It shares no code with
/// the program, and is strict: what real Graph would refuse, and what would be a mistake, is answered with 400 and is in problems():
/// no Prefer: IdType="ImmutableId", options it does not know, options beside a token, links that are not as they were given, paths that are not
/// encoded, more than 20 requests in a $batch, more than 1000 ids to be translated, bodies with anything but what was asked for, a client-request-id
/// that is none or comes twice. More than four requests at a time, those of a
/// $batch among them, are answered with 429. Thread-safe.
class GraphServer {
public:
    struct Options {
        std::vector<Certificate> chain{};  ///< empty: plain http
        std::string user = "intake@contoso.com";
        std::string token = "graph-token-of-this-test";
        std::function<bool(const std::string&)> accepts{};  ///< which tokens are good; none: `token` alone
        bool listens = true;                                ///< else in memory alone
        bool anyClient = false;                             ///< others than the program may ask, by any name
        bool linesAreCut = false;                           ///< the same GET may come again: nobody can tell that it had arrived
        bool behindProxy = false;                           ///< one that writes "%24" and "%2C" in queries where "$" and "," were
    };
    /// A request that is answered otherwise than usually.
    struct Fault {
        std::string what;  ///< part of "GET /v1.0/users/..."; of one in a $batch of "BATCH POST /users/..."
        int status = 503;
        std::string code = "ServiceUnavailable";
        std::vector<std::pair<std::string, std::string>> headers{};
        std::size_t times = 1;
        std::string message = "said by the test";
        std::optional<std::string> body{};  ///< instead of Graph's
        std::size_t passes = 0;             ///< so many such requests go through first
    };

    GraphServer() : GraphServer(Options()) {}
    explicit GraphServer(Options options);
    ~GraphServer();
    GraphServer(const GraphServer&) = delete;
    GraphServer& operator=(const GraphServer&) = delete;

    std::string url() const;          ///< without "/" at the end
    std::shared_ptr<Peer> connect();  ///< a connection in memory, to whatever host

    /// The mailbox, as somebody else changes it. Folders by id or well-known name.
    template <class Change>
    auto change(Change make) {
        const std::lock_guard lock(mutex_);
        return make(store_);
    }
    std::string deliver(const std::string& bytes, const std::string& received = "2026-11-22T08:15:00Z", bool read = false,
                        const std::string& folder = "inbox") {
        return change([&](GraphStore& store) { return store.deliver(folder, bytes, received, read); });
    }
    std::vector<std::string> in(const std::string& folder) {
        return change([&](GraphStore& store) { return store.in(folder); });
    }

    void fail(Fault fault);
    /// More requests within a window of time, those of a $batch each for itself, are answered with 429.
    struct Limit {
        std::size_t requests = 10'000;
        std::chrono::seconds window{600};
        std::function<std::chrono::steady_clock::time_point()> now{};
    };
    void moods(std::function<std::optional<Fault>(const std::string&)> refuses);  ///< asked about each request, as Fault::what names it
    void limit(Limit limit);
    void token(std::string token);                    ///< the only one that is good from now on
    void rename(std::string user);                    ///< the mailbox: its old name is nobody's any more, in links neither
    void opensAll(bool all);                          ///< every user that is asked for has this mailbox
    void pages(std::size_t size);                     ///< messages and folders on a page at most
    void expire(std::string code, int status = 410);  ///< links given so far are answered with this from now on
    void beside(GraphServer& other);                  ///< requests that name its user are passed to it; it outlives the last of them
    void linksLeadTo(std::string root);               ///< "https://evil.example" instead of url(); "" = url()
    void rendersAnew(bool anew);                      ///< each $value has other octets
    void onContent(std::function<void(const std::string& kept, const std::string& shown)> hook);  ///< each $value: as it was put in, as it goes out
    void mayTranslate(bool may);  ///< translateExchangeIds: the application has User.Read.All; at first it has not
    /// Exchange calls a message so by EWS: GraphStore::find() need not find it any more.
    void callByEws(const std::string& ewsId, const std::string& id);
    /// What is answered to translateExchangeIds (source, target; "" = an error) is changed before it goes.
    using Translations = std::vector<std::pair<std::string, std::string>>;
    void onTranslation(std::function<void(Translations&)> change);
    using Headers = std::vector<std::pair<std::string, std::string>>;
    void poison(const std::string& id, int status = 500, std::string code = "ErrorInternalServerError", Headers headers = {});  ///< $value, always
    void onAction(std::function<void(const std::string& what, const GraphStore::Mail&)> hook);  ///< before one is changed ("read") or moved ("moved")
    void contentLength(bool announced);                                                         ///< of $value: else chunked
    void untilTheEnd();                                                                         ///< $value ends with the connection, as nobody may do
    /// The next answers to such requests end after so many octets of them, head and all.
    void cut(std::string what, std::size_t octets, std::size_t times = 1);
    void gather(std::size_t requests);           ///< on loopback: nothing is answered until so many are under way at a time, once
    void slow(std::chrono::milliseconds delay);  ///< each answer, on loopback
    void onRequest(std::function<void(const std::string&, GraphStore&)> hook);  ///< "GET /v1.0/...", before it is answered
    void onFault(std::function<void(const std::string&)> hook);                 ///< what is answered with a Fault, as this names it

    std::vector<std::string> requests() const;  ///< "GET /v1.0/...", in the order they came; of a $batch "BATCH GET /users/..." each
    std::size_t count(std::string_view part) const;
    std::vector<std::string> problems() const;
    std::size_t mostAtOnce() const;
    std::size_t connections() const;

private:
    class Connection;
    struct Asked;
    struct Reply;
    friend class Connection;

    struct Given {
        std::string folder, token;
        std::optional<std::size_t> children{};  ///< it is a page of folders that begins here
    };

    GraphServer& at(const Asked& asked);  ///< this one, or one beside it
    std::string serve(Asked asked, bool& closes);
    Reply answer(Asked& asked);
    Reply inside(Asked& asked);  ///< of a request that may be made
    Reply route(Asked& asked, const std::vector<std::string>& path);
    Reply folders(Asked& asked, const std::vector<std::string>& path);
    Reply messages(Asked& asked, const std::vector<std::string>& path);
    Reply delta(Asked& asked, const std::string& folder, const std::string& token);
    Reply children(Asked& asked, const std::string& folder, std::size_t from);
    Reply createFolder(Asked& asked, const std::string& parent);
    Reply change(Asked& asked, const std::string& id);
    Reply move(Asked& asked, const std::string& id);
    std::string given(const std::string& path, Given what);
    Reply content(const std::string& id);
    void render(std::string& bytes);  ///< anew
    Reply batch(Asked& asked);
    Reply translate(Asked& asked);
    Reply problem(const std::string& what);
    std::optional<Reply> scripted(const std::string& line);
    static Reply refused(const Fault& fault);
    std::optional<Reply> throttled();
    bool wellFormed(Asked& asked);
    std::string origin() const;

    const Options options_;
    mutable std::mutex mutex_{};
    GraphStore store_{};
    std::string token_, user_;
    std::vector<Fault> faults_{};
    std::vector<std::string> requests_{}, problems_{};
    std::set<std::string> seenIds_{};
    std::map<std::string, Given> links_{};   ///< by their path and query
    std::map<std::string, Fault> poison_{};  ///< by the message's id
    struct Cut {
        std::size_t octets = 0, times = 1;
    };
    std::map<std::string, Cut> cuts_{};
    std::optional<Limit> limit_{};
    std::deque<std::chrono::steady_clock::time_point> spent_{};  ///< requests, while they count
    std::string expiredCode_ = "syncStateNotFound", leadTo_{};
    int expiredStatus_ = 410;
    std::size_t pages_ = 1000, renderings_ = 0, inFlight_ = 0, mostInFlight_ = 0, connections_ = 0;
    bool rendersAnew_ = false, announced_ = false, untilEnd_ = false, opensAll_ = false, mayTranslate_ = false;
    std::map<std::string, std::string> ewsIds_{};
    std::function<void(Translations&)> onTranslation_{};
    std::size_t gather_ = 0;
    std::condition_variable gathered_{};
    std::chrono::milliseconds delay_{0};
    std::map<std::string, GraphServer*> beside_{};  ///< by their users, encoded
    std::function<void(const std::string&, GraphStore&)> hook_{};
    std::function<void(const std::string&)> faultHook_{};
    std::function<void(const std::string&, const std::string&)> handsOut_{};
    std::function<void(const std::string&, const GraphStore::Mail&)> acts_{};
    std::function<std::optional<Fault>(const std::string&)> moods_{};
    std::uint16_t port_ = 0;
    std::unique_ptr<TlsServer> server_{};
};

}  // namespace servers
