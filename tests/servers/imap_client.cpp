#include "tests/servers/imap_client.h"

#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>

#include <algorithm>
#include <stdexcept>

namespace servers {

namespace {

std::string valueAfter(const std::string& line, const std::string& key, char open, char close) {
    const auto at = line.find(key);
    if (at == std::string::npos) return {};
    const auto begin = line.find(open, at) + 1;
    return line.substr(begin, line.find(close, begin) - begin);
}

}  // namespace

class ImapClient::Connection {
public:
    explicit Connection(std::uint16_t port) : socket_(Poco::Net::SocketAddress{"127.0.0.1", port}) {
        socket_.setReceiveTimeout({30, 0});
        socket_.setSendTimeout({30, 0});
        socket_.setNoDelay(true);
    }

    void send(std::string_view bytes) {
        while (!bytes.empty())
            bytes.remove_prefix(
                static_cast<std::size_t>(socket_.sendBytes(bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)))));
    }

    std::string line() {
        for (auto end = buffer_.find("\r\n", at_);; end = buffer_.find("\r\n", at_)) {
            if (end != std::string::npos) {
                auto text = buffer_.substr(at_, end - at_);
                at_ = end + 2;
                return text;
            }
            more();
        }
    }

    std::string octets(std::size_t count) {
        while (buffer_.size() - at_ < count) more();
        auto bytes = buffer_.substr(at_, count);
        at_ += count;
        return bytes;
    }

    std::string tag() { return "t" + std::to_string(++tags_); }

    /// Reads up to the tagged answer and throws unless it is OK. `literal` receives lines that end in a literal, and the literal.
    template <class Literal>
    std::string finish(const std::string& tag, Literal literal) {
        std::string untagged;
        while (true) {
            auto text = line();
            if (text.rfind(tag + " OK", 0) == 0) return untagged;
            if (text.rfind(tag + " ", 0) == 0) throw std::runtime_error("IMAP: " + text);
            if (!text.empty() && text.back() == '}') {
                const auto open = text.rfind('{');
                auto bytes = octets(std::stoul(text.substr(open + 1)));
                line();  // what closes the parenthesis
                literal(text, std::move(bytes));
            } else {
                untagged += text + "\n";
            }
        }
    }

private:
    void more() {
        buffer_.erase(0, at_);
        at_ = 0;
        char chunk[65536];
        const int got = socket_.receiveBytes(chunk, sizeof chunk);
        if (got <= 0) throw std::runtime_error("IMAP: the server closed the connection");
        buffer_.append(chunk, static_cast<std::size_t>(got));
    }

    Poco::Net::StreamSocket socket_;
    std::string buffer_;
    std::size_t at_ = 0;
    unsigned tags_ = 0;
};

ImapClient::ImapClient(std::uint16_t port, const std::string& user, const std::string& password) : connection_(std::make_unique<Connection>(port)) {
    connection_->line();  // the greeting
    command("LOGIN " + user + " " + password);
}

ImapClient::~ImapClient() = default;
ImapClient::ImapClient(ImapClient&&) noexcept = default;

std::string ImapClient::command(const std::string& words) {
    const auto tag = connection_->tag();
    connection_->send(tag + " " + words + "\r\n");
    return connection_->finish(tag, [](const auto&, const auto&) { throw std::runtime_error("IMAP: a literal nobody asked for"); });
}

void ImapClient::append(const std::string& folder, const std::vector<Mail>& mails) {
    constexpr std::size_t together = 500;  // MULTIAPPEND (RFC 3502) with non-synchronizing literals (RFC 7888)
    for (std::size_t begin = 0; begin < mails.size(); begin += together) {
        const auto tag = connection_->tag();
        std::string out = tag + " APPEND \"" + folder + "\"";
        for (std::size_t index = begin; index < std::min(mails.size(), begin + together); ++index) {
            const auto& mail = mails[index];
            if (!mail.flags.empty()) out += " (" + mail.flags + ")";
            if (!mail.received.empty()) out += " \"" + mail.received + "\"";
            out += " {" + std::to_string(mail.bytes.size()) + "+}\r\n" + mail.bytes;
        }
        connection_->send(out + "\r\n");
        connection_->finish(tag, [](const auto&, const auto&) {});
    }
}

std::vector<Held> ImapClient::fetch(const std::string& folder) {
    command("EXAMINE \"" + folder + "\"");
    std::vector<Held> all;
    const auto tag = connection_->tag();
    connection_->send(tag + " UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])\r\n");
    connection_->finish(tag, [&all](const std::string& line, std::string bytes) {
        all.push_back({std::stoull(valueAfter(line, "UID", ' ', ' ')), valueAfter(line, "FLAGS", '(', ')'),
                       valueAfter(line, "INTERNALDATE", '"', '"'), std::move(bytes)});
    });
    std::sort(all.begin(), all.end(), [](const Held& left, const Held& right) { return left.uid < right.uid; });
    return all;
}

std::uint64_t ImapClient::validity(const std::string& folder) {
    const auto text = command("EXAMINE \"" + folder + "\"");
    const auto found = text.find("UIDVALIDITY ");
    if (found == std::string::npos) throw std::runtime_error("IMAP: no UIDVALIDITY in " + text);
    return std::stoull(text.substr(found + 12));
}

}  // namespace servers
