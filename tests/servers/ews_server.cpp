#include "tests/servers/ews_server.h"

#include "tests/servers/base64.h"
#include "tests/servers/ews_answering.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace servers {

namespace {

std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string chunk(const std::string& bytes) {
    std::ostringstream size;
    size << std::hex << bytes.size();
    return size.str() + "\r\n" + bytes + "\r\n";
}

const char* schemaDirectory() {
    const char* directory = std::getenv("EWS_SCHEMA_DIR");
    return directory == nullptr || *directory == '\0' ? nullptr : directory;
}

}  // namespace

/// One connection: HTTP in, HTTP out. While an answer stays open, time is counted in calls of speak(), a second each.
class EwsConnection final : public Peer {
public:
    explicit EwsConnection(EwsServer& server) : entry_(server), server_(&server) {}
    ~EwsConnection() override { server_->done(std::exchange(underWay_, 0)); }

    std::string greeting() override { return {}; }
    std::string receive(std::string_view bytes) override {
        if (!streams_.empty()) server_->noteAlone("something is asked while an answer stays open");
        heard_ += bytes;
        std::string out;
        while (auto request = nextRequest()) {
            server_ = &entry_.at(*request);
            if (server_->requestsPerConnection && answered_++ == *server_->requestsPerConnection) {
                closed_ = true;
                return out;
            }
            ++underWay_;
            server_->begun(1);
            out += answerTo(std::move(*request));
        }
        if (server_->delay.count() == 0) return server_->done(std::exchange(underWay_, 0)), out;
        held_ += out;
        return {};
    }
    bool hasClosed() const override { return closed_; }
    std::optional<std::chrono::milliseconds> silence() const override {
        if (!held_.empty()) return server_->delay;
        if (!streams_.empty()) return std::chrono::seconds{1};
        return std::nullopt;
    }
    std::string speak() override {
        if (!held_.empty()) return server_->done(std::exchange(underWay_, 0)), std::exchange(held_, {});
        return streams_.empty() ? std::string() : tick();
    }

    bool isStreaming() const { return !streams_.empty(); }
    bool hasNews() const { return server_->hasEvents(streams_); }
    /// What there is to tell, a second having passed.
    std::string tick() {
        ++seconds_;
        bool alive = true;
        std::string out;
        for (const auto& event : server_->eventsOf(streams_, alive)) out += document(event);
        if (!alive) return out + end(server_->deadCode_);
        if (closed_) return out;
        if (seconds_ >= minutes_ * 60) return out + document("<m:ConnectionStatus>Closed</m:ConnectionStatus>") + lastChunk();
        const auto beat = server_->heartbeat.count();
        if (out.empty() && beat > 0 && seconds_ % beat == 0) out = document("<m:ConnectionStatus>OK</m:ConnectionStatus>");
        return out;
    }

private:
    std::optional<EwsRequest> nextRequest() {
        const auto headEnd = heard_.find("\r\n\r\n");
        if (headEnd == std::string::npos) return std::nullopt;
        EwsRequest request;
        std::istringstream head(heard_.substr(0, headEnd + 2));
        std::string line;
        std::getline(head, line);
        std::istringstream(line) >> request.method >> request.target;
        if (request.method != "POST" && !server_->anyClient) server_->noteAlone("not a POST: " + line);
        while (std::getline(head, line)) {
            const auto colon = line.find(": ");
            if (colon != std::string::npos) request.headers[lowered(line.substr(0, colon))] = line.substr(colon + 2, line.size() - colon - 3);
        }
        const auto length = static_cast<std::size_t>(std::strtoull(request.header("content-length").c_str(), nullptr, 10));
        if (heard_.size() < headEnd + 4 + length) return std::nullopt;
        request.body = heard_.substr(headEnd + 4, length);
        heard_.erase(0, headEnd + 4 + length);
        return request;
    }

    std::string answerTo(EwsRequest request) {
        const auto minutes = request.body.find("<m:ConnectionTimeout>");
        if (minutes != std::string::npos) minutes_ = std::strtol(request.body.c_str() + minutes + 21, nullptr, 10);
        const auto answer = server_->answer(std::move(request));
        std::string out = "HTTP/1.1 " + std::to_string(answer.status) + " said\r\n";
        for (const auto& [name, value] : answer.headers) out += name + ": " + value + "\r\n";
        if (answer.streams.empty()) return out + "Content-Length: " + std::to_string(answer.body.size()) + "\r\n\r\n" + answer.body;
        streams_ = answer.streams;
        seconds_ = 0;
        documents_ = 0;
        out += "Transfer-Encoding: chunked\r\n\r\n" + counted(answer.body);
        if (server_->closesAtOnce && !closed_) out += document("<m:ConnectionStatus>Closed</m:ConnectionStatus>") + lastChunk();
        return out;
    }

    std::string document(const std::string& content) { return closed_ ? std::string() : counted(server_->keptStreamed(streams_, content)); }
    std::string counted(const std::string& bytes) {
        if (server_->streamEndsAfter && ++documents_ >= *server_->streamEndsAfter) closed_ = true;
        return chunk(bytes);
    }
    std::string end(const std::string& code) {
        const auto text = server_->keptStreamed(streams_, code);
        return chunk(text) + lastChunk();
    }
    std::string lastChunk() {
        streams_.clear();
        return "0\r\n\r\n";
    }

    EwsServer& entry_;
    EwsServer* server_;  ///< of the mailbox that was asked last
    std::string heard_{}, held_{};
    std::string streams_{};
    int answered_ = 0;
    std::size_t underWay_ = 0;
    long minutes_ = 30;
    long seconds_ = 0;
    std::size_t documents_ = 0;
    bool closed_ = false;
};

EwsServer::EwsServer() = default;
EwsServer::~EwsServer() {
    stopping_ = true;
    tcp_.reset();
}

std::shared_ptr<Peer> EwsServer::connect() { return std::make_shared<EwsConnection>(*this); }

std::uint16_t EwsServer::listen(const TlsServer::Options& options) {
    tcp_ = std::make_unique<TlsServer>(options, [this](TlsServer::Stream& stream) { serve(stream); });
    return tcp_->port();
}

/// Over loopback: what there is to tell goes out within a fiftieth of a second, heartbeats by the clock.
void EwsServer::serve(TlsServer::Stream& stream) {
    EwsConnection connection(*this);
    while (!stopping_) {
        const auto bytes = stream.read();
        if (bytes.empty()) return;
        auto out = connection.receive(bytes);
        if (delay.count() > 0) {
            std::this_thread::sleep_for(delay);
            out += connection.speak();
        }
        if (!out.empty()) stream.write(out);
        for (int pieces = 0; connection.isStreaming() && !connection.hasClosed() && !stopping_; ++pieces) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            std::string told;
            if (connection.hasNews() || pieces % 50 == 49) told = connection.tick();
            if (!told.empty()) stream.write(told);
        }
        if (connection.hasClosed()) return stream.cut();
    }
}

EwsServer& EwsServer::at(const EwsRequest& request) {
    const auto found = beside.find(request.header("x-anchormailbox"));
    return found == beside.end() ? *this : *found->second;
}

EwsAnswer EwsServer::answer(EwsRequest request) {
    const std::lock_guard lock(mutex_);
    request.operation = Answering::operationOf(request.body);
    requests_.push_back(request);
    const int sameId = ++requestIds_[request.header("client-request-id")];
    if (instead)
        if (auto other = instead(request)) {
            keepDocument(request.body);
            return *other;
        }
    if (auto refused = refuseEntry(request, sameId)) return *refused;
    if (request.method == "GET") return plain(200, {{"Content-Type", "text/html; charset=utf-8"}}, "<html><body>Service</body></html>");
    keepDocument(request.body);
    Answering answering(*this, request);
    auto answer = answering.run();
    if (answer.byTheSchema) keepDocument(answer.body);
    return answer;
}

/// What every request has to bring along.
std::optional<EwsAnswer> EwsServer::refuseEntry(const EwsRequest& request, int sameId) {
    if (!anyClient) checkHeaders(request, sameId);
    const auto given = request.header("authorization");
    const auto accepted = [this](const std::string& token) { return accepts ? accepts(token) : tokens.contains(token); };
    const bool good =
        basicUser.empty() ? given.rfind("Bearer ", 0) == 0 && accepted(given.substr(7)) : given == "Basic " + base64(basicUser + ":" + basicPassword);
    if (good) return std::nullopt;
    if (!basicUser.empty()) return plain(401, {{"WWW-Authenticate", "Basic realm=\"mail.contoso.example\""}});
    auto refused = plain(401, {{"WWW-Authenticate", "Bearer client_id=\"00000002-0000-0ff1-ce00-000000000000\", error=\"invalid_token\""}});
    refused.headers["x-ms-diagnostics"] = "2000001;reason=\"The token is not good.\";error_category=\"invalid_token\"";
    return refused;
}

void EwsServer::checkHeaders(const EwsRequest& request, int sameId) {
    const std::map<std::string, std::string> fixed{{"content-type", "text/xml; charset=utf-8"}, {"return-client-request-id", "true"}};
    for (const auto& [name, value] : fixed)
        if (request.header(name) != value) problems_.push_back(name + " is \"" + request.header(name) + "\"");
    if (left_.contains(request.header("cookie"))) problems_.push_back(request.operation + " goes to a server the mailbox has left");
    const auto anchor = request.header("x-anchormailbox");
    if (anchor != user && request.body.find(">" + anchor + "<") == std::string::npos) problems_.push_back("X-AnchorMailbox is \"" + anchor + "\"");
    if (request.header("user-agent").rfind("Postern/", 0) != 0) problems_.push_back("User-Agent is \"" + request.header("user-agent") + "\"");
    const auto id = request.header("client-request-id");
    if (id.size() != 36 || sameId != 1) problems_.push_back("client-request-id is \"" + id + "\", given " + std::to_string(sameId) + " times");
}

std::string EwsServer::deliver(const std::string& folder, const std::string& mime, const std::string& received) {
    const std::lock_guard lock(mutex_);
    const auto id = store_.add({.folder = folder, .mime = mime, .received = received});
    const int wanted = tellings ? tellings() : tellsNothing ? 0 : tellsTwice ? 2 : 1;
    for (int times = 0; times < wanted; ++times) {
        notify(folder, id, "CreatedEvent");
        notify(folder, id, "NewMailEvent");
    }
    return id;
}

void EwsServer::notify(const std::string& folder, const std::string& item, const char* type) {
    for (auto& [id, subscription] : subscriptions_) {
        if (!subscription.folders.contains(folder) || !subscription.types.contains(type)) continue;
        const std::string element = wrongNamespace ? "m:Notification" : "t:Notification";
        subscription.events.push_back("<m:Notifications><" + element + "><t:SubscriptionId>" + id + "</t:SubscriptionId><t:" + type +
                                      "><t:TimeStamp>2026-11-22T04:31:29Z</t:TimeStamp><t:ItemId Id=\"" + ewsEscaped(item) +
                                      "\" ChangeKey=\"CQAAAA==\"/><t:ParentFolderId Id=\"" + ewsEscaped(folder) +
                                      "\" ChangeKey=\"AQAAAA==\"/></t:" + type + "></" + element + "></m:Notifications>");
    }
}

std::deque<std::string> EwsServer::eventsOf(const std::string& subscription, bool& alive) {
    const std::lock_guard lock(mutex_);
    const auto found = subscriptions_.find(subscription);
    alive = found != subscriptions_.end();
    return alive ? std::exchange(found->second.events, {}) : std::deque<std::string>();
}

/// One document of an answer that stays open: content of its message, or the code it fails with.
std::string EwsServer::streamed(const std::string& subscription, const std::string& content) const {
    const bool fails = !content.starts_with("<");
    const auto message = fails ? "ResponseClass=\"Error\"><m:MessageText>It cannot be done.</m:MessageText><m:ResponseCode>" + content +
                                     "</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey><m:ErrorSubscriptionIds><t:SubscriptionId>" +
                                     subscription + "</t:SubscriptionId></m:ErrorSubscriptionIds><m:ConnectionStatus>Closed</m:ConnectionStatus>"
                               : "ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode>" + content;
    const auto body =
        "<m:GetStreamingEventsResponse xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" "
        "xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><m:ResponseMessages><m:GetStreamingEventsResponseMessage " +
        message + "</m:GetStreamingEventsResponseMessage></m:ResponseMessages></m:GetStreamingEventsResponse>";
    return ewsStreamedEnvelope(body, serverVersion);
}

std::string EwsServer::keptStreamed(const std::string& subscription, const std::string& content) {
    auto document = streamed(subscription, content);
    const std::lock_guard lock(mutex_);
    if (content.find("m:Notification>") == std::string::npos) keepDocument(document);
    return document;
}

void EwsServer::killSubscriptions() {
    const std::lock_guard lock(mutex_);
    subscriptions_.clear();
}
void EwsServer::move(const std::string& code) {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, subscription] : subscriptions_) left_.insert(subscription.affinity);
    subscriptions_.clear();
    deadCode_ = code;
}
void EwsServer::begun(std::size_t requests) {
    const std::lock_guard lock(mutex_);
    mostUnderWay_ = std::max(mostUnderWay_, underWay_ += requests);
}
void EwsServer::done(std::size_t requests) {
    const std::lock_guard lock(mutex_);
    underWay_ -= requests;
}
std::size_t EwsServer::mostAtOnce() const {
    const std::lock_guard lock(mutex_);
    return mostUnderWay_;
}
std::size_t EwsServer::subscriptions() const {
    const std::lock_guard lock(mutex_);
    return subscriptions_.size();
}

std::vector<EwsRequest> EwsServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}
std::vector<std::string> EwsServer::operations() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& request : requests_) names.push_back(request.operation);
    return names;
}
std::vector<std::string> EwsServer::problems() const {
    const std::lock_guard lock(mutex_);
    return problems_;
}
bool EwsServer::hasEvents(const std::string& subscription) const {
    const std::lock_guard lock(mutex_);
    const auto found = subscriptions_.find(subscription);
    return found != subscriptions_.end() && !found->second.events.empty();
}
void EwsServer::noteAlone(const std::string& problem) {
    const std::lock_guard lock(mutex_);
    note(problem);
}
void EwsServer::note(const std::string& problem) { problems_.push_back(problem); }

void EwsServer::keepDocument(const std::string& document) {
    constexpr std::size_t enough = 200;
    if (schemaDirectory() != nullptr && documents_.size() < enough && document.size() < 100'000) documents_.insert(document);
}

bool EwsServer::checksSchema() { return schemaDirectory() != nullptr; }

std::vector<std::string> EwsServer::schemaProblems() const {
    namespace fs = std::filesystem;
    const std::lock_guard lock(mutex_);
    static std::mutex validMutex;
    static std::set<std::string> valid;  // in this process: most are asked again and again
    std::vector<std::string> unknown;
    {
        const std::lock_guard known(validMutex);
        std::copy_if(documents_.begin(), documents_.end(), std::back_inserter(unknown), [](const auto& each) { return !valid.contains(each); });
    }
    if (schemaDirectory() == nullptr) throw std::logic_error("no schema to compare with");
    if (unknown.empty()) return {};
    auto pattern = (fs::temp_directory_path() / "ews-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    const fs::path directory = pattern;
    std::size_t number = 0;
    for (const auto& document : unknown) std::ofstream(directory / (std::to_string(number++) + ".xml")) << document;
    const auto command = "cd '" + directory.string() + "' && xmllint --nonet --noout --schema '" + std::string(schemaDirectory()) +
                         "/ews.xsd' *.xml >told 2>&1; echo $? >status";
    const int ran = std::system(command.c_str());
    std::vector<std::string> problems;
    std::ifstream told(directory / "told"), status(directory / "status");
    std::string line, result;
    status >> result;
    while (std::getline(told, line))
        if (!line.ends_with(" validates")) problems.push_back(line.substr(0, 300));
    if (ran != 0 || result != "0") problems.push_back("xmllint: " + result);
    fs::remove_all(directory);
    if (result != "0") return problems;
    const std::lock_guard known(validMutex);
    valid.insert(unknown.begin(), unknown.end());
    return {};
}

EwsAnswer EwsServer::plain(int status, std::map<std::string, std::string> headers, const std::string& body) {
    return {.status = status, .body = body, .headers = std::move(headers), .byTheSchema = false};
}

namespace {

std::string backOffXml(std::optional<int> backOff, const std::string& prefix) {
    if (!backOff) return {};
    const auto ns = prefix == "t:" ? " xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"" : "";
    return "<" + prefix + "MessageXml" + ns + "><t:Value Name=\"BackOffMilliseconds\">" + std::to_string(*backOff) + "</t:Value></" + prefix +
           "MessageXml>";
}

}  // namespace

EwsAnswer EwsServer::fault(const std::string& code, std::optional<int> backOff, const std::string& text) {
    const std::string e = " xmlns:e=\"http://schemas.microsoft.com/exchange/services/2006/errors\"";
    EwsAnswer answer;
    answer.status = 500;
    answer.body =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><faultcode "
        "xmlns:a=\"http://schemas.microsoft.com/exchange/services/2006/types\">a:" +
        code + "</faultcode><faultstring xml:lang=\"en-US\">" + text + "</faultstring><detail><e:ResponseCode" + e + "> " + code +
        "\n</e:ResponseCode><e:Message" + e + ">" + text + "</e:Message>" + backOffXml(backOff, "t:") + "</detail></s:Fault></s:Body></s:Envelope>";
    return answer;
}

EwsAnswer EwsServer::refusal(const std::string& operation, const std::string& code, std::optional<int> backOff) {
    EwsAnswer answer;
    answer.byTheSchema = false;
    answer.body =
        ewsEnvelope("<m:" + operation +
                        "Response xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\" "
                        "xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\"><m:ResponseMessages><m:" +
                        operation + "ResponseMessage ResponseClass=\"Error\"><m:MessageText>It cannot be done.</m:MessageText><m:ResponseCode>" +
                        code + "</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>" + backOffXml(backOff, "m:") + "</m:" + operation +
                        "ResponseMessage></m:ResponseMessages></m:" + operation + "Response>",
                    "V2018_01_08");
    return answer;
}

}  // namespace servers
