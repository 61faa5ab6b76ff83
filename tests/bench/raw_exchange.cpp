// raw_exchange ews|graph PORT CA DIRECTORY: the least a program can do to fetch a mailbox of exchange_server over TLS, for user bench1@example.test:
// EWS by SyncFolderItems and GetItem of ten messages each over two connections, Graph by delta and $value over four; what comes is looked for by its
// letters, not parsed, and goes into one file per message (written and renamed, not made durable). What others are measured against.
#include "tests/bench/raw_wire.h"
#include "tests/servers/base64.h"

#include <fcntl.h>
#include <openssl/evp.h>

#include <atomic>
#include <cstdio>
#include <thread>

namespace {

const std::string user = "bench1@example.test", password = "reader-password";
constexpr std::size_t atOnce = 10;

/// Of one request; no two the same, those of earlier runs neither.
std::string requestId() {
    static std::atomic<unsigned> number{0};
    char id[37];
    std::snprintf(id, sizeof id, "%08x-0000-4000-8000-%012x", static_cast<unsigned>(::getpid()), ++number);
    return id;
}

/// The body of one answer, whole.
std::string ask(Wire& wire, const std::string& head, const std::string& body) {
    wire.write(head + "client-request-id: " + requestId() + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    std::size_t length = 0;
    bool chunked = false;
    auto line = wire.line();
    if (line.find(" 200 ") == std::string::npos) throw std::runtime_error("refused: " + line);
    for (line = wire.line(); line != "\r\n"; line = wire.line()) {
        if (line.starts_with("Content-Length: ")) length = std::strtoul(line.c_str() + 16, nullptr, 10);
        chunked = chunked || line.starts_with("Transfer-Encoding: chunked");
    }
    if (!chunked) return wire.octets(length);
    std::string all;
    for (;;) {
        const auto size = std::strtoul(wire.line().c_str(), nullptr, 16);
        all += wire.octets(size);
        wire.line();
        if (size == 0) return all;
    }
}

/// All that stands between `before` and `after`.
std::vector<std::string> between(const std::string& text, const std::string& before, const std::string& after) {
    std::vector<std::string> found;
    for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at)) {
        at += before.size();
        const auto end = text.find(after, at);
        found.push_back(text.substr(at, end - at));
        at = end;
    }
    return found;
}

void keep(const std::string& directory, std::size_t number, const std::string& bytes) {
    const auto name = directory + "/" + std::to_string(number);
    const int file = ::open((name + ".tmp").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("cannot write a file");
    ::close(file);
    if (std::rename((name + ".tmp").c_str(), name.c_str()) != 0) throw std::runtime_error("cannot rename");
}

class Ews {
public:
    static constexpr std::size_t connections = 2;
    static std::vector<std::string> list(Wire& wire) {
        std::vector<std::string> ids;
        std::string state;
        for (bool last = false; !last;) {
            const auto answer = ask(wire, head(),
                                    envelope("<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId>"
                                             "<t:DistinguishedFolderId Id=\"inbox\"><t:Mailbox><t:EmailAddress>" +
                                             user + "</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId></m:SyncFolderId>" +
                                             (state.empty() ? state : "<m:SyncState>" + state + "</m:SyncState>") +
                                             "<m:MaxChangesReturned>512</m:MaxChangesReturned></m:SyncFolderItems>"));
            for (auto& id : between(answer, "<t:ItemId Id=\"", "\"")) ids.push_back(std::move(id));
            state = between(answer, "<m:SyncState>", "</m:SyncState>").at(0);
            last = answer.find("<m:IncludesLastItemInRange>true") != std::string::npos;
        }
        return ids;
    }
    static void fetch(Wire& wire, const std::vector<std::string>& ids, std::size_t from, const std::string& directory) {
        const auto to = std::min(ids.size(), from + atOnce);
        std::string asked;
        for (auto at = from; at < to; ++at) asked += "<t:ItemId Id=\"" + ids[at] + "\"/>";
        const auto answer = ask(wire, head(),
                                envelope("<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
                                         "</m:ItemShape><m:ItemIds>" +
                                         asked + "</m:ItemIds></m:GetItem>"));
        auto number = from;
        for (auto& text : between(answer, "<t:MimeContent CharacterSet=\"UTF-8\">", "</t:MimeContent>")) {
            const auto padding = text.size() - text.find_last_not_of('=') - 1;
            const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(text.data()), reinterpret_cast<const unsigned char*>(text.data()),
                                             static_cast<int>(text.size()));
            text.resize(static_cast<std::size_t>(size) - padding);
            keep(directory, number++, text);
        }
        if (number != to) throw std::runtime_error("a message is missing");
    }
    static constexpr std::size_t batch = atOnce;

private:
    static std::string head() {
        return "POST /EWS/Exchange.asmx HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic " + servers::base64(user + ":" + password) +
               "\r\nContent-Type: text/xml; charset=utf-8\r\n";
    }
    static std::string envelope(const std::string& body) {
        return "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
               "xmlns:t=\"http://schemas.microsoft.com/exchange/services/2006/types\" "
               "xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\"><s:Header><t:RequestServerVersion "
               "Version=\"Exchange2013_SP1\"/>"
               "</s:Header><s:Body>" +
               body + "</s:Body></s:Envelope>";
    }
};

class Graph {
public:
    static constexpr std::size_t connections = 4;
    static std::vector<std::string> list(Wire& wire) {
        std::vector<std::string> ids;
        for (auto target = mailbox() + "/mailFolders/inbox/messages/delta?$select=id,receivedDateTime,isRead";;) {
            const auto answer = ask(wire, head(target, ", odata.maxpagesize=500"), "");
            for (auto& id : between(answer, "\"id\":\"", "\"")) ids.push_back(std::move(id));
            const auto next = between(answer, "\"@odata.nextLink\":\"", "\"");
            if (next.empty()) return ids;
            target = next[0].substr(next[0].find("/v1.0"));
        }
    }
    static void fetch(Wire& wire, const std::vector<std::string>& ids, std::size_t from, const std::string& directory) {
        keep(directory, from, ask(wire, head(mailbox() + "/messages/" + encoded(ids[from]) + "/$value", ""), ""));
    }
    static constexpr std::size_t batch = 1;

private:
    static std::string mailbox() { return "/v1.0/users/bench1%40example.test"; }
    static std::string encoded(const std::string& id) {
        std::string out;
        for (const char c : id) {
            char text[4];
            std::snprintf(text, sizeof text, "%%%02X", static_cast<unsigned char>(c));
            out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' ? std::string(1, c) : text;
        }
        return out;
    }
    static std::string head(const std::string& target, const std::string& more) {
        return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + password + "\r\nPrefer: IdType=\"ImmutableId\"" + more +
               "\r\n";
    }
};

template <class Protocol>
std::size_t drain(const char* port, const char* authority, const std::string& directory) {
    std::vector<std::string> ids;
    {
        Wire wire("localhost", port, authority);
        ids = Protocol::list(wire);
    }
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> lanes;
    for (std::size_t i = 0; i < Protocol::connections; ++i)
        lanes.emplace_back([&] {
            Wire wire("localhost", port, authority);
            for (auto from = next.fetch_add(Protocol::batch); from < ids.size(); from = next.fetch_add(Protocol::batch))
                Protocol::fetch(wire, ids, from, directory);
        });
    for (auto& lane : lanes) lane.join();
    return ids.size();
}

}  // namespace

int main(int count, char** arguments) try {
    if (count != 5) return 64;
    const bool ews = std::string(arguments[1]) == "ews";
    std::printf("%zu messages\n", (ews ? drain<Ews> : drain<Graph>)(arguments[2], arguments[3], arguments[4]));
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "raw_exchange: %s\n", error.what());
    return 1;
}
