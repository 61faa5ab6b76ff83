#include "tests/servers/webhook_receiver.h"

#include "tests/servers/base64.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

namespace servers {

namespace {

std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

constexpr std::string_view lowerLetters = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view upperLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view digits = "0123456789";

/// From `least` to `most` characters, all of these.
bool consistsOf(std::string_view text, std::initializer_list<std::string_view> characters, std::size_t least, std::size_t most) {
    return text.size() >= least && text.size() <= most && std::all_of(text.begin(), text.end(), [&](char c) {
               return std::any_of(characters.begin(), characters.end(), [c](std::string_view set) { return set.find(c) != set.npos; });
           });
}

bool isDate(std::string_view text) {
    constexpr std::string_view form = "0000-00-00T00:00:00Z";
    return std::equal(text.begin(), text.end(), form.begin(), form.end(),
                      [](char c, char wanted) { return wanted == '0' ? digits.find(c) != digits.npos : c == wanted; });
}

bool isPercentEncoded(std::string_view text) {
    for (auto at = text.find('%'); at != text.npos; at = text.find('%', at + 1))
        if (!consistsOf(text.substr(at + 1, 2), {digits, "ABCDEF"}, 2, 2)) return false;
    return !text.empty();
}

/// A digest, with a key an HMAC.
class Hash {
public:
    explicit Hash(const std::string* key = nullptr) : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
        if (key == nullptr) {
            EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
        } else {
            const auto* octets = reinterpret_cast<const unsigned char*>(key->data());
            key_.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, octets, key->size()), &EVP_PKEY_free);
            EVP_DigestSignInit(context_.get(), nullptr, EVP_sha256(), nullptr, key_.get());
        }
    }
    void add(std::string_view bytes) {
        if (key_)
            EVP_DigestSignUpdate(context_.get(), bytes.data(), bytes.size());
        else
            EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
    }
    std::string octets() {
        unsigned char out[32];
        std::size_t size = sizeof out;
        unsigned int length = sizeof out;
        if (key_)
            EVP_DigestSignFinal(context_.get(), out, &size);
        else
            EVP_DigestFinal_ex(context_.get(), out, &length);
        return {reinterpret_cast<const char*>(out), sizeof out};
    }
    std::string hex() {
        std::string text;
        for (const char octet : octets()) {
            text += "0123456789abcdef"[static_cast<unsigned char>(octet) >> 4];
            text += "0123456789abcdef"[octet & 15];
        }
        return text;
    }

private:
    std::shared_ptr<EVP_PKEY> key_{};
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

/// One request while it is being read and judged.
struct WebhookReceiver::Incoming {
    Request request{};
    std::string line{};
    std::vector<std::string> wrong{};
    std::size_t noted = 0;  ///< of them, in problems()
    std::uint64_t announced = 0;
    std::string digest{};     ///< of the body
    std::string signature{};  ///< as it should be; "" = none

    std::string field(const char* name) const {
        const auto found = request.headers.find(name);
        return found == request.headers.end() ? std::string() : found->second;
    }
    void expect(bool holds, const std::string& otherwise) {
        if (!holds) wrong.push_back(otherwise);
    }
    void parse(const std::string& head);
};

void WebhookReceiver::Incoming::parse(const std::string& head) {
    std::size_t at = head.find("\r\n");
    line = head.substr(0, at);
    for (at += 2; at + 2 < head.size();) {
        const auto end = head.find("\r\n", at);
        const auto written = head.substr(at, end - at);
        at = end + 2;
        const auto colon = std::min(written.find(": "), written.size());
        const auto name = lowered(written.substr(0, colon));
        const auto value = written.substr(std::min(colon + 2, written.size()));
        expect(colon < written.size() && consistsOf(name, {lowerLetters, digits, "!#$%&'*+-.^_`|~"}, 1, 256), "no header field: " + written);
        expect(std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; }), "no value of a header: " + written);
        expect(request.headers.emplace(name, value).second, "given twice: " + name);
    }
    const auto length = field("content-length");
    expect(consistsOf(length, {digits}, 1, 18), "Content-Length is \"" + length + "\"");
    announced = std::strtoull(length.c_str(), nullptr, 10);
    request.id = field("webhook-id");
    request.mailbox = field("x-postern-mailbox");
    request.folder = field("x-postern-folder");
    request.received = field("x-postern-received");
    request.sha256 = field("x-postern-sha256");
    request.timestamp = std::strtoll(field("webhook-timestamp").c_str(), nullptr, 10);
}

WebhookReceiver::WebhookReceiver(Options options) : options_(std::move(options)) {
    TlsServer::Options tls;
    tls.chain = options_.chain;
    tls.demandsClientCertificate = options_.demandsClientCertificate;
    tls.clientAuthorities = options_.clientAuthorities;
    tls.receiveBuffer = options_.receiveBuffer;
    server_ = std::make_unique<TlsServer>(tls, [this](TlsServer::Stream& stream) { serve(stream); });
    port_ = server_->port();
}
WebhookReceiver::~WebhookReceiver() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    server_.reset();
}

std::string WebhookReceiver::url() const {
    return (options_.chain.empty() ? "http://127.0.0.1:" : "https://127.0.0.1:") + std::to_string(port()) + options_.path;
}

void WebhookReceiver::script(std::vector<Reply> replies) {
    const std::lock_guard lock(mutex_);
    for (auto& reply : replies) script_.push_back(std::move(reply));
}
void WebhookReceiver::decide(std::function<Reply(const Request&)> decision) {
    const std::lock_guard lock(mutex_);
    decision_ = std::move(decision);
}
std::vector<WebhookReceiver::Request> WebhookReceiver::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}
std::size_t WebhookReceiver::count() const {
    const std::lock_guard lock(mutex_);
    return requests_.size();
}
std::map<std::string, std::string> WebhookReceiver::taken() const {
    const std::lock_guard lock(mutex_);
    return taken_;
}
std::size_t WebhookReceiver::repeats() const {
    const std::lock_guard lock(mutex_);
    return repeats_;
}
std::vector<std::string> WebhookReceiver::problems() const {
    const std::lock_guard lock(mutex_);
    return problems_;
}
bool WebhookReceiver::waitForTaken(std::size_t ids, std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time, [&] { return taken_.size() >= ids; });
}

/// A client may leave at any moment; what it leaves unfinished is seen in requests().
void WebhookReceiver::serve(TlsServer::Stream& stream) {
    int connection = 0;
    {
        const std::lock_guard lock(mutex_);
        connection = ++connections_;
    }
    try {
        while (serveOne(stream, connection)) {
        }
    } catch (const std::runtime_error&) {  // of the stream: the client has gone, or this server goes
    }
}

bool WebhookReceiver::serveOne(TlsServer::Stream& stream, int connection) {
    const auto head = stream.readUntil("\r\n\r\n");
    if (!head.ends_with("\r\n\r\n")) return false;
    Incoming incoming;
    incoming.request.connection = connection;
    incoming.parse(head);
    checkHead(incoming);
    const auto [number, reply] = record(incoming);
    using Way = Reply::Way;
    if (reply.way == Way::resetMid) return note(number, incoming), stream.reset(), false;
    if (reply.way == Way::deaf) {
        note(number, incoming);
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_; });
        return false;
    }
    if (reply.way == Way::early) {
        note(number, incoming);
        settle(number, incoming, reply.status);
        if (!respond(stream, reply)) return false;
    }
    readBody(stream, incoming);
    checkBody(incoming);
    note(number, incoming);
    const auto given = incoming.wrong.empty() ? reply : answer(400, {{"Content-Type", "text/plain"}}, incoming.wrong.front());
    const bool answers = given.way == Way::whole || given.way == Way::early;
    settle(number, incoming, answers ? given.status : 0);
    if (given.way == Way::reset) stream.reset();
    if (given.way == Way::hang) stream.read();
    if (given.way == Way::half) stream.write(given.raw), stream.goodbye();
    return given.way == Way::early || (given.way == Way::whole && respond(stream, given));
}

void WebhookReceiver::checkHead(Incoming& incoming) const {
    const auto& request = incoming.request;
    incoming.expect(incoming.line == "POST " + options_.path + " HTTP/1.1", "the request begins: " + incoming.line);
    const auto host = incoming.field("host");
    const auto tail = ":" + std::to_string(port());
    incoming.expect(host == "127.0.0.1" + tail || host == "localhost" + tail, "Host is \"" + host + "\"");
    const bool refers = options_.takesReferences && incoming.field("content-type") == "application/json";
    incoming.expect(refers || incoming.field("content-type") == "message/rfc822", "Content-Type is \"" + incoming.field("content-type") + "\"");
    for (const auto* unwanted : {"transfer-encoding", "content-encoding", "expect", "upgrade"})
        incoming.expect(!request.headers.contains(unwanted), std::string("there is ") + unwanted);
    const auto timestamp = incoming.field("webhook-timestamp");
    incoming.expect(consistsOf(request.id, {lowerLetters, "234567"}, 32, 32), "webhook-id is \"" + request.id + "\"");
    incoming.expect(incoming.field("idempotency-key") == request.id, "Idempotency-Key is not webhook-id");
    incoming.expect(consistsOf(request.mailbox, {lowerLetters, upperLetters, digits, "_-"}, 1, 64),
                    "X-Postern-Mailbox is \"" + request.mailbox + "\"");
    incoming.expect(isPercentEncoded(request.folder), "X-Postern-Folder is \"" + request.folder + "\"");
    incoming.expect(isDate(request.received), "X-Postern-Received is \"" + request.received + "\"");
    incoming.expect(consistsOf(request.sha256, {digits, "abcdef"}, 64, 64), "X-Postern-Sha256 is \"" + request.sha256 + "\"");
    incoming.expect(consistsOf(timestamp, {digits}, 9, 11), "webhook-timestamp is \"" + timestamp + "\"");
    const auto now = options_.now ? options_.now() : static_cast<std::int64_t>(std::time(nullptr));
    incoming.expect(std::abs(now - request.timestamp) <= options_.tolerance.count(), "webhook-timestamp is not now");
    for (const auto& [name, value] : options_.demands) incoming.expect(incoming.field(name.c_str()) == value, name + " is not what it should be");
}

std::pair<std::size_t, WebhookReceiver::Reply> WebhookReceiver::record(Incoming& incoming) {
    std::unique_lock lock(mutex_);
    const auto before = taken_.find(incoming.request.id);
    incoming.request.isRepeat = before != taken_.end();
    incoming.expect(!incoming.request.isRepeat || before->second == incoming.request.sha256, "an id comes again with other octets");
    requests_.push_back(incoming.request);
    const auto number = requests_.size() - 1;
    if (!script_.empty()) {
        auto reply = std::move(script_.front());
        script_.pop_front();
        return {number, std::move(reply)};
    }
    const auto decision = decision_;
    lock.unlock();  // it may wait for other requests
    return {number, decision ? decision(incoming.request) : Reply()};
}

/// In pieces, whatever its size.
void WebhookReceiver::readBody(TlsServer::Stream& stream, Incoming& incoming) const {
    Hash hash;
    std::optional<Hash> mac;
    if (!options_.key.empty()) mac.emplace(&options_.key).add(incoming.request.id + "." + incoming.field("webhook-timestamp") + ".");
    auto& request = incoming.request;
    while (request.size < incoming.announced) {
        const auto piece = stream.read(static_cast<std::size_t>(std::min<std::uint64_t>(65536, incoming.announced - request.size)));
        if (piece.empty()) throw std::runtime_error("the client has gone within a body");
        request.size += piece.size();
        hash.add(piece);
        if (mac) mac->add(piece);
        if (incoming.announced <= options_.keepsBodiesUpTo) request.body += piece;
    }
    incoming.digest = hash.hex();
    if (mac) incoming.signature = "v1," + base64(mac->octets());
}

void WebhookReceiver::checkBody(Incoming& incoming) const {
    const bool refers = options_.takesReferences && incoming.field("content-type") == "application/json";
    incoming.expect(refers || incoming.digest == incoming.request.sha256, "the octets are not those of X-Postern-Sha256");
    auto given = incoming.field("webhook-signature");
    if (incoming.signature.empty()) {
        incoming.expect(given.empty(), "it is signed, though nobody agreed on a key");
    } else {  // one of several is enough
        given = " " + given + " ";
        incoming.expect(given.find(" " + incoming.signature + " ") != std::string::npos, "webhook-signature is wrong");
    }
    incoming.request.isWhole = incoming.wrong.empty();
}

void WebhookReceiver::note(std::size_t number, Incoming& incoming) {
    const std::lock_guard lock(mutex_);
    for (; incoming.noted < incoming.wrong.size(); ++incoming.noted)
        problems_.push_back("request " + std::to_string(number + 1) + ": " + incoming.wrong[incoming.noted]);
}

void WebhookReceiver::settle(std::size_t number, const Incoming& incoming, int status) {
    {
        const std::lock_guard lock(mutex_);
        auto& request = requests_[number];
        const bool wasRepeat = request.isRepeat;
        request = incoming.request;
        request.isRepeat = wasRepeat;
        request.answered = status;
        if (request.isWhole && request.isRepeat) ++repeats_;
        if (request.isWhole && status >= 200 && status < 300) taken_.emplace(request.id, request.sha256);
    }
    changed_.notify_all();
}

/// False: the connection is not to be used again.
bool WebhookReceiver::respond(TlsServer::Stream& stream, const Reply& reply) {
    std::string wire = reply.raw + "HTTP/1.1 " + std::to_string(reply.status) + " \r\n";
    for (const auto& [name, value] : reply.headers) wire += name + ": " + value + "\r\n";
    if (reply.close) wire += "Connection: close\r\n";
    if (reply.status != 204 && reply.status != 304) wire += "Content-Length: " + std::to_string(reply.body.size()) + "\r\n";
    stream.write(wire + "\r\n" + (reply.stub.empty() ? reply.body : reply.stub));
    const bool isOver = (reply.close && reply.way != Reply::Way::early) || reply.drops || !reply.stub.empty();
    if (isOver) stream.goodbye();
    return !isOver;
}

}  // namespace servers
