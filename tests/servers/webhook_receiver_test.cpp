#include "tests/servers/webhook_receiver.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using servers::WebhookReceiver;

namespace {

/// A request as it should be, field by field; a test spoils one of them.
struct Wire {
    std::string line = "POST /hook HTTP/1.1";
    std::vector<std::pair<std::string, std::string>> fields{
        {"Host", "127.0.0.1:"},
        {"Content-Type", "message/rfc822"},
        {"Idempotency-Key", "nkyr2m2aw3gzyiuiktq3aeqexuwv2w5c"},
        {"webhook-id", "nkyr2m2aw3gzyiuiktq3aeqexuwv2w5c"},
        {"webhook-timestamp", "1793500000"},
        {"webhook-signature", "v1,AAAA v1,RwkkZvbpEtvSlGRDDOlQyB0WHXhJgXl9I8G+l4mD2OA="},
        {"X-Postern-Mailbox", "box"},
        {"X-Postern-Folder", "INBOX"},
        {"X-Postern-Received", "2026-11-01T02:26:40Z"},
        {"X-Postern-Sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {"Content-Length", "4"},
    };
    std::string body = "test";

    Wire with(const std::string& name, const std::string& value) const {
        Wire changed = *this;
        for (auto& field : changed.fields)
            if (field.first == name) field.second = value;
        return changed;
    }
    Wire without(const std::string& name) const {
        Wire changed = *this;
        std::erase_if(changed.fields, [&](const auto& field) { return field.first == name; });
        return changed;
    }
    Wire andAlso(const std::string& name, const std::string& value) const {
        Wire changed = *this;
        changed.fields.insert(changed.fields.begin(), {name, value});
        return changed;
    }
};

/// The first line of the answer, without its end.
std::string send(const WebhookReceiver& receiver, const Wire& wire) {
    std::string bytes = wire.line + "\r\n";
    for (const auto& [name, value] : wire.fields)
        bytes += name + ": " + value + (value == "127.0.0.1:" ? std::to_string(receiver.port()) : "") + "\r\n";
    bytes += "\r\n" + wire.body;
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(receiver.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    REQUIRE(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
    std::string answer;
    for (char c = 0; c != '\n' && ::recv(fd, &c, 1, 0) == 1;) answer += c;
    ::close(fd);
    return answer.substr(0, answer.find(" \r\n"));
}

WebhookReceiver::Options options() {
    return {.key = "secret", .now = [] { return std::int64_t{1793500100}; }};
}

}  // namespace

SCENARIO("the webhook receiver takes what is right", "[webhook]") {
    WebhookReceiver receiver(options());
    const Wire good;
    CHECK(send(receiver, good) == "HTTP/1.1 200");
    CHECK(receiver.problems().empty());
    CHECK(receiver.taken().size() == 1);
    CHECK(send(receiver, good) == "HTTP/1.1 200");
    CHECK(receiver.taken().size() == 1);
    CHECK(receiver.repeats() == 1);
    receiver.script({WebhookReceiver::answer(503)});
    CHECK(send(receiver, good) == "HTTP/1.1 503");
    CHECK(receiver.waitForTaken(1));
    CHECK_FALSE(receiver.waitForTaken(2, std::chrono::milliseconds(1)));
}

SCENARIO("the webhook receiver takes nothing that is wrong in any way", "[webhook]") {
    WebhookReceiver receiver(options());
    const Wire good;
    Wire get = good, path = good;
    get.line = "PUT /hook HTTP/1.1";
    path.line = "POST /hook/ HTTP/1.1";
    const std::vector<Wire> wrong{get,
                                  path,
                                  good.with("Host", "other.example"),
                                  good.without("Content-Type"),
                                  good.with("Content-Type", "text/plain"),
                                  good.with("Idempotency-Key", "other"),
                                  good.without("Idempotency-Key"),
                                  good.with("webhook-id", "NKYR2M2AW3GZYIUIKTQ3AEQEXUWV2W5C"),
                                  good.with("webhook-timestamp", "1793499799"),
                                  good.with("webhook-timestamp", "now"),
                                  good.without("webhook-signature"),
                                  good.with("webhook-signature", "v1,AAAA"),
                                  good.with("webhook-signature", "RwkkZvbpEtvSlGRDDOlQyB0WHXhJgXl9I8G+l4mD2OA="),
                                  good.without("X-Postern-Mailbox"),
                                  good.with("X-Postern-Folder", "100% sure"),
                                  good.with("X-Postern-Received", "yesterday"),
                                  good.with("X-Postern-Sha256", std::string(64, '0')),
                                  good.andAlso("Content-Length", "4"),
                                  good.andAlso("Transfer-Encoding", "chunked"),
                                  good.andAlso("bad name", "x"),
                                  good.andAlso("x-bad", "\xc3\xa4")};
    for (const auto& wire : wrong) CHECK(send(receiver, wire) == "HTTP/1.1 400");
    CHECK(receiver.problems().size() >= wrong.size());
    CHECK(receiver.taken().empty());
    CHECK(receiver.count() == wrong.size());
}
