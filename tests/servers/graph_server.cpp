#include "tests/servers/graph_exchange.h"

#include <stdexcept>
#include <thread>

namespace servers {

namespace {

bool isGuid(const std::string& text) {
    constexpr std::string_view form = "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx";
    return std::equal(text.begin(), text.end(), form.begin(), form.end(), [](char c, char wanted) {
        return wanted == 'x' ? std::string_view("0123456789abcdef").find(c) != std::string_view::npos : c == wanted;
    });
}

}  // namespace

/// One connection: requests in, answers out, one after the other.
class GraphServer::Connection final : public Peer {
public:
    explicit Connection(GraphServer& server) : server_(server) {
        const std::lock_guard lock(server_.mutex_);
        ++server_.connections_;
    }
    std::string greeting() override { return {}; }
    bool hasClosed() const override { return closes_; }
    std::string receive(std::string_view bytes) override {
        heard_ += bytes;
        std::string out;
        while (!closes_) {
            const auto end = heard_.find("\r\n\r\n");
            if (end == std::string::npos) return out;
            auto asked = read(heard_.substr(0, end + 2));
            const auto length = asked.header("content-length");
            const auto size = length.empty() ? 0 : std::stoul(length);
            if (heard_.size() < end + 4 + size) return out;
            asked.body = heard_.substr(end + 4, size);
            if (server_.options_.behindProxy) asked.target = plainQuery(asked.target);
            heard_.erase(0, end + 4 + size);
            out += server_.at(asked).serve(std::move(asked), closes_);
        }
        return out;
    }

private:
    static Asked read(const std::string& head) {
        Asked asked;
        std::stringstream lines(head);
        std::string line;
        std::getline(lines, line);
        const auto words = split(line.substr(0, line.size() - 1), ' ');
        if (words.size() == 3 && words[2] == "HTTP/1.1") asked.method = words[0], asked.target = words[1];
        while (std::getline(lines, line)) {
            const auto colon = line.find(": ");
            if (colon != std::string::npos) asked.headers[lowered(line.substr(0, colon))] = line.substr(colon + 2, line.size() - colon - 3);
        }
        return asked;
    }
    static std::string plainQuery(std::string target) {
        const auto query = std::min(target.find('?'), target.size());
        for (const auto& [written, meant] : {std::pair{"%24", '$'}, std::pair{"%2C", ','}})
            for (auto at = target.find(written, query); at != std::string::npos; at = target.find(written, at)) target.replace(at, 3, 1, meant);
        return target;
    }
    GraphServer& server_;
    std::string heard_{};
    bool closes_ = false;
};

GraphServer::GraphServer(Options options) : options_(std::move(options)), token_(options_.token), user_(options_.user) {
    if (!options_.listens) return;
    TlsServer::Options tls;
    tls.chain = options_.chain;
    server_ = std::make_unique<TlsServer>(tls, [this](TlsServer::Stream& stream) {
        Connection connection(*this);
        try {
            for (auto bytes = stream.read(); !bytes.empty(); bytes = stream.read()) {
                const auto out = connection.receive(bytes);
                if (!out.empty()) stream.write(out);
                if (connection.hasClosed()) return stream.goodbye();
            }
        } catch (const std::runtime_error&) {  // the client has gone, or this server goes
        }
    });
    port_ = server_->port();
}
GraphServer::~GraphServer() { server_.reset(); }

std::string GraphServer::url() const {
    if (!options_.listens) return "https://graph.example.com";
    return (options_.chain.empty() ? "http://127.0.0.1:" : "https://localhost:") + std::to_string(port_);
}
std::shared_ptr<Peer> GraphServer::connect() { return std::make_shared<Connection>(*this); }

// Moods.
void GraphServer::fail(Fault fault) {
    const std::lock_guard lock(mutex_);
    faults_.push_back(std::move(fault));
}
void GraphServer::moods(std::function<std::optional<Fault>(const std::string&)> refuses) {
    const std::lock_guard lock(mutex_);
    moods_ = std::move(refuses);
}
void GraphServer::token(std::string token) {
    const std::lock_guard lock(mutex_);
    token_ = std::move(token);
}
void GraphServer::limit(Limit limit) {
    const std::lock_guard lock(mutex_);
    limit_ = std::move(limit);
}
void GraphServer::rename(std::string user) {
    const std::lock_guard lock(mutex_);
    user_ = std::move(user);
}
void GraphServer::opensAll(bool all) {
    const std::lock_guard lock(mutex_);
    opensAll_ = all;
}
void GraphServer::pages(std::size_t size) {
    const std::lock_guard lock(mutex_);
    pages_ = size;
}
void GraphServer::expire(std::string code, int status) {
    const std::lock_guard lock(mutex_);
    store_.forgetTokens();
    expiredCode_ = std::move(code);
    expiredStatus_ = status;
}
void GraphServer::linksLeadTo(std::string root) {
    const std::lock_guard lock(mutex_);
    leadTo_ = std::move(root);
}
void GraphServer::beside(GraphServer& other) {
    other.linksLeadTo(url());
    const std::lock_guard lock(mutex_);
    beside_[encoded(other.options_.user)] = &other;
}
GraphServer& GraphServer::at(const Asked& asked) {
    const std::lock_guard lock(mutex_);
    for (const auto& [user, other] : beside_)
        if (asked.target.find(user) != std::string::npos || asked.body.find(user) != std::string::npos) return *other;
    return *this;
}
void GraphServer::rendersAnew(bool anew) {
    const std::lock_guard lock(mutex_);
    rendersAnew_ = anew;
}
void GraphServer::mayTranslate(bool may) {
    const std::lock_guard lock(mutex_);
    mayTranslate_ = may;
}
void GraphServer::callByEws(const std::string& ewsId, const std::string& id) {
    const std::lock_guard lock(mutex_);
    ewsIds_[ewsId] = id;
}
void GraphServer::onTranslation(std::function<void(Translations&)> change) {
    const std::lock_guard lock(mutex_);
    onTranslation_ = std::move(change);
}
void GraphServer::poison(const std::string& id, int status, std::string code, Headers headers) {
    const std::lock_guard lock(mutex_);
    poison_[id] = {.what = "$value", .status = status, .code = std::move(code), .headers = std::move(headers)};
}
void GraphServer::contentLength(bool announced) {
    const std::lock_guard lock(mutex_);
    announced_ = announced;
}
void GraphServer::untilTheEnd() {
    const std::lock_guard lock(mutex_);
    untilEnd_ = true;
}
void GraphServer::cut(std::string what, std::size_t octets, std::size_t times) {
    const std::lock_guard lock(mutex_);
    cuts_[std::move(what)] = {octets, times};
}
void GraphServer::gather(std::size_t requests) {
    const std::lock_guard lock(mutex_);
    gather_ = requests;
}
void GraphServer::slow(std::chrono::milliseconds delay) {
    const std::lock_guard lock(mutex_);
    delay_ = delay;
}
void GraphServer::onRequest(std::function<void(const std::string&, GraphStore&)> hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
}
void GraphServer::onFault(std::function<void(const std::string&)> hook) {
    const std::lock_guard lock(mutex_);
    faultHook_ = std::move(hook);
}
void GraphServer::onContent(std::function<void(const std::string&, const std::string&)> hook) {
    const std::lock_guard lock(mutex_);
    handsOut_ = std::move(hook);
}
void GraphServer::onAction(std::function<void(const std::string&, const GraphStore::Mail&)> hook) {
    const std::lock_guard lock(mutex_);
    acts_ = std::move(hook);
}
std::vector<std::string> GraphServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}
std::size_t GraphServer::count(std::string_view part) const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(
        std::count_if(requests_.begin(), requests_.end(), [part](const auto& line) { return line.find(part) != std::string::npos; }));
}
std::vector<std::string> GraphServer::problems() const {
    const std::lock_guard lock(mutex_);
    return problems_;
}
std::size_t GraphServer::mostAtOnce() const {
    const std::lock_guard lock(mutex_);
    return mostInFlight_;
}
std::size_t GraphServer::connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
}

// One request.
std::string GraphServer::serve(Asked asked, bool& closes) {
    std::unique_lock lock(mutex_);
    const auto line = asked.method + " " + asked.target;
    requests_.push_back(line);
    const auto worth = asked.worth();
    mostInFlight_ = std::max(mostInFlight_, inFlight_ += worth);
    if (inFlight_ >= gather_) gather_ = 0, gathered_.notify_all();
    if (server_) gathered_.wait_for(lock, std::chrono::seconds(20), [this] { return gather_ == 0; });
    if (server_ && delay_.count() > 0) {
        const auto delay = delay_;
        lock.unlock();
        std::this_thread::sleep_for(delay);
        lock.lock();
    }
    auto reply = answer(asked);
    inFlight_ -= worth;
    std::string wire = "HTTP/1.1 " + std::to_string(reply.status) + " \r\nContent-Type: " + reply.type + "\r\n";
    const bool namesItself = std::any_of(reply.headers.begin(), reply.headers.end(), [](const auto& each) { return each.first == "request-id"; });
    if (!namesItself) wire += "request-id: 00000000-1111-2222-3333-444444444444\r\n";
    wire += "client-request-id: " + asked.header("client-request-id") + "\r\n";
    for (const auto& [name, value] : reply.headers) wire += name + ": " + value + "\r\n";
    if (reply.message && untilEnd_) {
        closes = true;
        wire += "Connection: close\r\n\r\n" + reply.body;
    } else if (reply.message && !announced_) {
        wire += "Transfer-Encoding: chunked\r\n\r\n";
        for (std::size_t at = 0; at < reply.body.size(); at += 7000) {
            std::stringstream size;
            size << std::hex << std::min<std::size_t>(7000, reply.body.size() - at);
            wire += size.str() + "\r\n" + reply.body.substr(at, 7000) + "\r\n";
        }
        wire += "0\r\n\r\n";
    } else {
        wire += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n" + reply.body;
    }
    for (auto cut = cuts_.begin(); cut != cuts_.end(); ++cut)
        if (line.find(cut->first) != std::string::npos && cut->second.octets < wire.size()) {
            wire.resize(cut->second.octets);
            if (wire.empty()) seenIds_.erase(asked.header("client-request-id"));  // nobody can tell that it arrived: the same may come again
            closes = true;
            if (--cut->second.times == 0) cuts_.erase(cut);
            break;
        }
    return wire;
}

GraphServer::Reply GraphServer::problem(const std::string& what) {
    problems_.push_back(what);
    return Reply::error(400, "BadRequest", what);
}

std::optional<GraphServer::Reply> GraphServer::scripted(const std::string& line) {
    for (auto& fault : faults_) {
        if (fault.times == 0 || line.find(fault.what) == std::string::npos) continue;
        if (fault.passes > 0) {
            --fault.passes;
            continue;
        }
        --fault.times;
        if (faultHook_) faultHook_(line);
        return refused(fault);
    }
    if (const auto fault = moods_ ? moods_(line) : std::nullopt) return refused(*fault);
    return std::nullopt;
}

GraphServer::Reply GraphServer::refused(const Fault& fault) {
    auto reply = Reply::error(fault.status, fault.code, fault.message);
    if (fault.body) reply.body = *fault.body, reply.type = "text/html";
    reply.headers = fault.headers;
    return reply;
}

std::optional<GraphServer::Reply> GraphServer::throttled() {
    if (!limit_) return std::nullopt;
    const auto now = limit_->now();
    while (!spent_.empty() && spent_.front() + limit_->window <= now) spent_.pop_front();
    if (spent_.size() < limit_->requests) {
        spent_.push_back(now);
        return std::nullopt;
    }
    auto busy = Reply::error(429, "ApplicationThrottled", "Application is over its RequestsPer10Minutes limit.");
    const auto wait = std::chrono::ceil<std::chrono::seconds>(spent_.front() + limit_->window - now);
    busy.headers = {{"Retry-After", std::to_string(wait.count())}};
    return busy;
}

GraphServer::Reply GraphServer::answer(Asked& asked) {
    if (asked.method.empty()) return problem("no HTTP/1.1 request");
    if (hook_) hook_(asked.method + " " + asked.target, store_);
    if (inFlight_ > mostAtATime) {
        auto busy = Reply::error(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.");
        busy.headers = {{"Retry-After", "1"}};
        return busy;
    }
    const auto authorization = asked.header("authorization");
    const bool bearer = authorization.starts_with("Bearer ") && authorization.size() > 7;
    if (!bearer || (options_.accepts ? !options_.accepts(authorization.substr(7)) : authorization.substr(7) != token_)) {
        auto refused = Reply::error(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.");
        refused.headers = {{"WWW-Authenticate", "Bearer realm=\"\", authorization_uri=\"https://login.example.com/authorize\""}};
        return refused;
    }
    if (!wellFormed(asked)) return Reply::error(400, "BadRequest", problems_.back());
    if (auto reply = scripted(asked.method + " " + asked.target)) return *reply;
    if (asked.path() == "/v1.0/$batch") return batch(asked);
    if (auto reply = throttled()) return *reply;
    return inside(asked);
}

/// What goes for every request, whatever it is about.
bool GraphServer::wellFormed(Asked& asked) {
    const auto before = problems_.size();
    const auto expect = [this, &asked](bool holds, const std::string& otherwise) {
        if (!holds) problems_.push_back(otherwise + ": " + asked.method + " " + asked.target);
    };
    bool immutable = false;
    for (auto preference : split(asked.header("prefer"), ',')) {
        preference.erase(0, preference.find_first_not_of(' '));
        const bool size = preference.starts_with("odata.maxpagesize=");
        const bool minimal = preference == "return=minimal" && asked.method == "PATCH";
        expect(size || minimal || preference == "IdType=\"ImmutableId\"", "a preference that is not known, " + preference);
        if (size) expect(std::stoul(preference.substr(18)) <= 1000, "too large a page");
        immutable = immutable || !(size || minimal);
    }
    expect(immutable, "no Prefer: IdType=\"ImmutableId\"");
    if (!asked.batched) {
        const auto id = asked.header("client-request-id");
        const bool isFresh = seenIds_.insert(id).second || (options_.linesAreCut && asked.method == "GET");
        expect(isGuid(id) && isFresh, "client-request-id \"" + id + "\" is no GUID, or one that has been used");
        expect(options_.anyClient || asked.header("user-agent").starts_with("postern/"), "User-Agent is \"" + asked.header("user-agent") + "\"");
    }
    expect(asked.body.empty() == asked.header("content-type").empty(), "a body without its type, or a type without a body");
    expect(asked.body.empty() || asked.header("content-type") == "application/json", "Content-Type is " + asked.header("content-type"));
    const auto question = asked.target.find('?');
    if (question != std::string::npos && !links_.contains(asked.target)) {
        for (const auto& option : split(asked.target.substr(question + 1), '&')) {
            const auto equals = std::min(option.find('='), option.size());
            const bool fresh = asked.options.emplace(option.substr(0, equals), option.substr(std::min(equals + 1, option.size()))).second;
            expect(fresh, "an option twice, " + option);
        }
    }
    return problems_.size() == before;
}

}  // namespace servers
