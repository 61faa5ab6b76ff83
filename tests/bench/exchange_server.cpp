// exchange_server ews|graph CERTIFICATES MAILS [MAILBOXES=1]: Exchange or Microsoft Graph of the tests, over TLS on a free port of loopback, until it
// is ended. CERTIFICATES  directory with server.pem and server.key, as tests/servers/certificates makes them MAILS         what each mailbox has:
// COUNTxSIZE, several with commas MAILBOXES     bench1@example.test and so on, all at one address; the password of each, and the token of all, is
// reader-password Prints "port=N". POST /token answers with a token; POST /deliver with a size as its body puts one mail more into every mailbox;
// POST /waiting tells for how many mailboxes an answer stays open (EWS), or that have been asked for anything (Graph).
#include "tests/servers/base64.h"
#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/tls_server.h"

#include <openssl/pem.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <thread>

namespace {

constexpr const char* password = "reader-password";

servers::Certificate readCertificate(const std::string& directory) {
    const auto open = [&directory](const char* name) {
        const std::shared_ptr<BIO> file(BIO_new_file((directory + "/" + name).c_str(), "r"), &BIO_free);
        if (!file) throw std::runtime_error(directory + "/" + name + " cannot be read");
        return file;
    };
    const auto certificate = open("server.pem"), key = open("server.key");
    return {{PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr), &X509_free},
            {PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free}};
}

/// Octets of a mail, no two the same: a head, then lines of 76.
std::string mail(std::size_t number, std::size_t size) {
    auto text = "Message-ID: <" + std::to_string(number) +
                "@example.test>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@example.test\r\nSubject: mail " + std::to_string(number) +
                "\r\n\r\n";
    text.reserve(size + 78);
    for (auto letter = number; text.size() < size; ++letter) text.append(76, static_cast<char>('a' + letter % 26)).append("\r\n");
    return text;
}

/// All mailboxes, and who is meant by a request.
class Mailboxes {
public:
    virtual ~Mailboxes() = default;
    virtual void deliver(std::size_t size) = 0;
    virtual std::string keyOf(const std::string& head) const = 0;
    virtual std::shared_ptr<servers::Peer> connect(const std::string& key) = 0;  ///< none: nobody's
    virtual void listensAt(const std::string&) {}
    virtual std::size_t waiting() const = 0;  ///< mailboxes somebody waits for
    virtual void asked(const std::string&) {}
    std::atomic<int> streams{0};  ///< answers that stay open
    static std::string user(int number) { return "bench" + std::to_string(number) + "@example.test"; }

protected:
    static std::string between(const std::string& text, const std::string& from, const char* ends) {
        const auto at = text.find(from);
        return at == std::string::npos ? std::string() : text.substr(at + from.size(), text.find_first_of(ends, at + from.size()) - at - from.size());
    }
    std::size_t delivered_ = 0;
};

class EwsMailboxes final : public Mailboxes {
public:
    explicit EwsMailboxes(int count) {
        for (int number = 1; number <= count; ++number) {
            auto& server = servers_[servers::base64(user(number) + ":" + password)];
            server.user = server.basicUser = user(number);
            server.basicPassword = password;
            server.impersonation = servers::EwsServer::Impersonation::forbidden;
            server.anyClient = true;
            server.store().furnish();
        }
    }
    void deliver(std::size_t size) override {
        ++delivered_;
        for (auto& [key, server] : servers_) server.deliver(server.inbox(), mail(delivered_, size));
    }
    std::string keyOf(const std::string& head) const override { return between(head, "uthorization: Basic ", "\r"); }
    std::shared_ptr<servers::Peer> connect(const std::string& key) override {
        const auto found = servers_.find(key);
        return found == servers_.end() ? nullptr : found->second.connect();
    }

    std::size_t waiting() const override { return static_cast<std::size_t>(streams.load()); }

private:
    std::map<std::string, servers::EwsServer> servers_{};
};

class GraphMailboxes final : public Mailboxes {
public:
    explicit GraphMailboxes(int count) {
        for (int number = 1; number <= count; ++number) {
            servers::GraphServer::Options options;
            options.user = user(number);
            options.token = password;
            options.listens = false;
            options.anyClient = true;
            servers_.try_emplace("bench" + std::to_string(number), options);
        }
    }
    void deliver(std::size_t size) override {
        ++delivered_;
        for (auto& [key, server] : servers_) server.deliver(mail(delivered_, size));
    }
    std::string keyOf(const std::string& head) const override { return between(head, "/users/", "%@/ "); }
    std::shared_ptr<servers::Peer> connect(const std::string& key) override {
        const auto found = servers_.find(key);
        return found == servers_.end() ? nullptr : found->second.connect();
    }
    void listensAt(const std::string& root) override {
        for (auto& [key, server] : servers_) server.linksLeadTo(root);
    }

    std::size_t waiting() const override {
        const std::lock_guard lock(mutex_);
        return asked_.size();
    }
    void asked(const std::string& key) override {
        const std::lock_guard lock(mutex_);
        asked_.insert(key);
    }

private:
    mutable std::mutex mutex_{};
    std::set<std::string> asked_{};
    std::map<std::string, servers::GraphServer> servers_{};
};

std::string plainAnswer(const char* status, const std::string& body) {
    return std::string("HTTP/1.1 ") + status + "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}

/// Counts an answer that stays open.
class StaysOpen {
public:
    StaysOpen(Mailboxes& mailboxes, bool open) : mailboxes_(mailboxes), by_(open ? 1 : 0) { mailboxes_.streams += by_; }
    ~StaysOpen() { mailboxes_.streams -= by_; }
    StaysOpen(const StaysOpen&) = delete;
    StaysOpen& operator=(const StaysOpen&) = delete;

private:
    Mailboxes& mailboxes_;
    int by_;
};

/// One connection: whole requests go to the mailbox they name.
void serve(Mailboxes& mailboxes, servers::TlsServer::Stream& stream) try {
    std::map<std::string, std::shared_ptr<servers::Peer>> peers;
    std::string heard;
    for (;;) {
        const auto bytes = stream.read();
        if (bytes.empty()) return;
        heard += bytes;
        for (auto end = heard.find("\r\n\r\n"); end != std::string::npos; end = heard.find("\r\n\r\n")) {
            const auto head = heard.substr(0, end + 4);
            auto length = head.find("ontent-Length: ");
            if (length == std::string::npos) length = head.find("ontent-length: ");
            const auto whole = head.size() + (length == std::string::npos ? 0 : std::stoul(head.substr(length + 15)));
            if (heard.size() < whole) break;
            const auto request = heard.substr(0, whole);
            heard.erase(0, whole);
            if (request.starts_with("POST /token ")) {
                stream.write(plainAnswer("200 OK", std::string(R"({"access_token":")") + password + R"(","token_type":"Bearer","expires_in":3600})"));
                continue;
            }
            if (request.starts_with("POST /waiting ")) {
                stream.write(plainAnswer("200 OK", std::to_string(mailboxes.waiting())));
                continue;
            }
            if (request.starts_with("POST /deliver ")) {
                mailboxes.deliver(std::stoul(request.substr(head.size())));
                stream.write(plainAnswer("200 OK", "{}"));
                continue;
            }
            mailboxes.asked(mailboxes.keyOf(head));
            auto& peer = peers[mailboxes.keyOf(head)];
            if (!peer) peer = mailboxes.connect(mailboxes.keyOf(head));
            if (!peer) return stream.write(plainAnswer("401 nobody", "{}"));
            stream.write(peer->receive(request));
            const StaysOpen open(mailboxes, peer->silence().has_value());
            while (peer->silence()) {
                std::this_thread::sleep_for(*peer->silence());
                const auto told = peer->speak();
                if (!told.empty()) stream.write(told);
            }
            if (peer->hasClosed()) return stream.goodbye();
        }
    }
} catch (const std::runtime_error&) {  // the client has gone
}

}  // namespace

int main(int count, char** arguments) try {
    if (count < 4) return 64;
    std::signal(SIGPIPE, SIG_IGN);
    const int number = count > 4 ? std::atoi(arguments[4]) : 1;
    std::unique_ptr<Mailboxes> mailboxes;
    if (std::string(arguments[1]) == "ews")
        mailboxes = std::make_unique<EwsMailboxes>(number);
    else
        mailboxes = std::make_unique<GraphMailboxes>(number);
    for (const char* at = arguments[3]; *at != '\0'; at += *at == ',' ? 1 : 0) {
        char* next = nullptr;
        const auto mails = std::strtoul(at, &next, 10);
        if (*next != 'x') return 64;
        const auto size = std::strtoul(next + 1, &next, 10);
        for (std::size_t i = 0; i < mails; ++i) mailboxes->deliver(size);
        at = next;
    }
    servers::TlsServer::Options options;
    options.chain = {readCertificate(arguments[2])};
    options.patience = 600;
    const servers::TlsServer server(options, [&mailboxes](servers::TlsServer::Stream& stream) { serve(*mailboxes, stream); });
    mailboxes->listensAt("https://localhost:" + std::to_string(server.port()));
    std::printf("port=%d\n", server.port());
    std::fflush(stdout);
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
} catch (const std::exception& error) {
    std::fprintf(stderr, "exchange_server: %s\n", error.what());
    return 1;
}
