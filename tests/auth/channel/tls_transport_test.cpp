#include "auth/channel/tls_transport.h"

#include "plugin/runtime/runtime.h"
#include "tests/servers/certificates.h"

#include <openssl/err.h>
#include <catch2/catch.hpp>

#include <deque>

using auth::TlsContext;
using auth::TlsTransport;
using auth::Transport;
using plugin::Code;
using servers::makeCertificate;

namespace {

/// Two ends in memory; takes and gives at most `most` bytes at a time, so that every want happens.
struct Wire {
    std::deque<char> toServer{};
    std::deque<char> toClient{};
    std::size_t most = 100;
};

class WireEnd final : public Transport {
public:
    explicit WireEnd(Wire& wire) : wire_(wire) {}
    Moved tryRead(std::span<char> into) override {
        const auto size = std::min({into.size(), wire_.most, wire_.toClient.size()});
        if (size == 0) return {State::wantRead};
        std::copy_n(wire_.toClient.begin(), size, into.begin());
        wire_.toClient.erase(wire_.toClient.begin(), wire_.toClient.begin() + static_cast<std::ptrdiff_t>(size));
        return {State::moved, size};
    }
    Moved tryWrite(std::string_view bytes) override {
        if (wire_.toServer.size() >= 4 * wire_.most) return {State::wantWrite};
        const auto size = std::min(bytes.size(), wire_.most);
        wire_.toServer.insert(wire_.toServer.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        return {State::moved, size};
    }
    Moved tryFlush() override { return {State::moved}; }
    plugin::Error failure() const override { return {plugin::Reaction::reconnect, Code::channelClosed, "the wire"}; }

private:
    Wire& wire_;
};

/// A TLS server without a socket: bytes in, bytes out.
class Server {
public:
    explicit Server(const servers::Certificate& own) : context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free) {
        SSL_CTX_use_certificate(context_.get(), own.certificate.get());
        SSL_CTX_use_PrivateKey(context_.get(), own.key.get());
        ssl_.reset(SSL_new(context_.get()), &SSL_free);
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        SSL_set_accept_state(ssl_.get());
    }
    /// Takes wire bytes, answers what they said.
    std::string take(const std::string& wire) {
        BIO_write(SSL_get_rbio(ssl_.get()), wire.data(), static_cast<int>(wire.size()));
        std::string said;
        char into[20000];
        ERR_clear_error();
        for (int got = SSL_read(ssl_.get(), into, sizeof into); got > 0; got = SSL_read(ssl_.get(), into, sizeof into))
            said.append(into, static_cast<std::size_t>(got));
        ERR_clear_error();
        return said;
    }
    void say(std::string_view bytes) { SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())); }
    void askForNewKeys() {
        SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
        SSL_do_handshake(ssl_.get());
    }
    bool established() const { return SSL_is_init_finished(ssl_.get()) == 1; }
    std::string serverName() const {
        const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
        return name == nullptr ? "" : name;
    }
    /// Wire bytes to send.
    std::string give() {
        std::string wire;
        char into[20000];
        for (int got = BIO_read(SSL_get_wbio(ssl_.get()), into, sizeof into); got > 0; got = BIO_read(SSL_get_wbio(ssl_.get()), into, sizeof into))
            wire.append(into, static_cast<std::size_t>(got));
        return wire;
    }

private:
    std::shared_ptr<SSL_CTX> context_;
    std::shared_ptr<SSL> ssl_{};
};

std::string drain(std::deque<char>& queue) {
    std::string bytes(queue.begin(), queue.end());
    queue.clear();
    return bytes;
}

}  // namespace

SCENARIO("TLS runs inside TLS, as through a proxy that is spoken to with TLS", "[channel][tls]") {
    const auto root = makeCertificate({.commonName = "Test Root", .authority = true});
    const auto proxy = makeCertificate({.commonName = "proxy", .names = {"proxy.example"}}, &root);
    const auto mail = makeCertificate({.commonName = "mail", .names = {"mail.example"}}, &root);
    auto context = TlsContext::make(root.pem(), "test");
    REQUIRE(context);
    const auto clock = plugin::makeSystemClock();

    Wire wire;
    wire.most = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{100}, std::size_t{100'000});
    WireEnd end(wire);
    Server outerServer(proxy);
    Server innerServer(mail);
    TlsTransport outer(end, *context, {"proxy.example", "proxy.example:3129"}, *clock);
    TlsTransport inner(outer, *context, {"mail.example.", "mail.example:993"}, *clock);
    std::string heard;
    // The other side's turn: what the client has written goes through both servers, and their answers come back.
    const auto turn = [&] {
        const auto cipherInner = outerServer.take(drain(wire.toServer));
        if (!cipherInner.empty()) heard += innerServer.take(cipherInner);
        if (const auto back = innerServer.give(); !back.empty()) outerServer.say(back);
        for (const char byte : outerServer.give()) wire.toClient.push_back(byte);
    };
    const auto shake = [&](TlsTransport& tls) {
        for (int i = 0; i < 100'000; ++i) {
            const auto moved = tls.tryHandshake();
            if (moved.state == Transport::State::moved) return true;
            if (moved.state == Transport::State::failed) FAIL(describe(tls.failure()));
            turn();
        }
        return false;
    };
    REQUIRE(shake(outer));
    REQUIRE(shake(inner));
    turn();
    CHECK(outerServer.established());
    CHECK(innerServer.established());
    CHECK(innerServer.serverName() == "mail.example");
    CHECK(inner.security().starts_with("TLSv1.3 TLS_"));

    GIVEN("bytes both ways") {
        const std::string question(50'000, 'q');
        for (std::string_view rest = question; !rest.empty();) {
            const auto moved = inner.tryWrite(rest);
            REQUIRE(moved.state != Transport::State::failed);
            rest.remove_prefix(moved.bytes);
            turn();
        }
        while (inner.tryFlush().state == Transport::State::wantWrite) turn();
        turn();
        CHECK((heard == question));
        innerServer.say(std::string(50'000, 'a'));
        turn();
        std::string answer;
        std::vector<char> into(3000);
        for (int i = 0; i < 1'000'000 && answer.size() < 50'000; ++i) {
            const auto moved = inner.tryRead(into);
            REQUIRE(moved.state != Transport::State::failed);
            answer.append(into.data(), moved.bytes);
        }
        CHECK((answer == std::string(50'000, 'a')));
    }
}

SCENARIO("keys may change while half a record waits to be sent", "[channel][tls]") {
    const auto root = makeCertificate({.commonName = "Test Root", .authority = true});
    const auto mail = makeCertificate({.commonName = "mail", .names = {"mail.example"}}, &root);
    auto context = TlsContext::make(root.pem(), "test");
    REQUIRE(context);
    const auto clock = plugin::makeSystemClock();
    Wire wire;
    wire.most = 1000;
    WireEnd end(wire);
    Server server(mail);
    TlsTransport tls(end, *context, {"mail.example", "mail.example:993"}, *clock);
    std::string heard;
    const auto turn = [&] {
        heard += server.take(drain(wire.toServer));
        for (const char byte : server.give()) wire.toClient.push_back(byte);
    };
    while (tls.tryHandshake().state != Transport::State::moved) turn();
    turn();

    const std::string bytes(16'000, 'x');
    REQUIRE(tls.tryWrite(bytes).bytes == 16'000);
    REQUIRE(tls.tryFlush().state == Transport::State::wantWrite);  // the wire takes 4,000 at a time
    for (int i = 0; i < 3; ++i) {
        server.askForNewKeys();
        server.say("news");
        for (const char byte : server.give()) wire.toClient.push_back(byte);
        std::vector<char> into(100);
        const auto moved = tls.tryRead(into);
        if (moved.state == Transport::State::failed) FAIL(describe(tls.failure()));
        REQUIRE(std::string(into.data(), moved.bytes) == "news");
    }
    while (tls.tryFlush().state == Transport::State::wantWrite) turn();
    REQUIRE(tls.tryWrite("and more").bytes == 8);
    while (tls.tryFlush().state == Transport::State::wantWrite) turn();
    turn();
    CHECK((heard == bytes + "and more"));
}

SCENARIO("an old error in OpenSSL's queue is not taken for one of ours", "[channel][tls]") {
    const auto root = makeCertificate({.commonName = "Test Root", .authority = true});
    const auto mail = makeCertificate({.commonName = "mail", .names = {"mail.example"}}, &root);
    auto context = TlsContext::make(root.pem(), "test");
    REQUIRE(context);
    const auto clock = plugin::makeSystemClock();
    Wire wire;
    WireEnd end(wire);
    Server server(mail);
    TlsTransport tls(end, *context, {"mail.example", "mail.example:993"}, *clock);
    for (int i = 0; i < 10'000; ++i) {
        ERR_put_error(ERR_LIB_PEM, 0, 108, "elsewhere.cpp", 1);
        const auto moved = tls.tryHandshake();
        REQUIRE(moved.state != Transport::State::failed);
        if (moved.state == Transport::State::moved) break;
        server.take(drain(wire.toServer));
        for (const char byte : server.give()) wire.toClient.push_back(byte);
    }
    char into[100];
    ERR_put_error(ERR_LIB_PEM, 0, 108, "elsewhere.cpp", 1);
    CHECK(tls.tryRead(into).state == Transport::State::wantRead);
    ERR_clear_error();
}

SCENARIO("a session is kept while it is good for something", "[channel][tls]") {
    auto context = TlsContext::make(std::nullopt, "system");
    REQUIRE(context);
    auto& kept = **context;
    const auto now = plugin::Steady{} + std::chrono::hours(1);
    const auto session = [](char id) {
        TlsContext::Session made(SSL_SESSION_new());
        const auto byte = static_cast<unsigned char>(id);
        SSL_SESSION_set1_id(made.get(), &byte, 1);
        SSL_SESSION_set_timeout(made.get(), 1000);
        return made;
    };
    const auto which = [&](plugin::Steady when) -> char {
        const auto found = kept.resume("h:1", when);
        unsigned length = 0;
        return found ? static_cast<char>(*SSL_SESSION_get_id(found.get(), &length)) : '-';
    };
    kept.keep("h:1", session('a'), now);
    THEN("the first one stays though the server gives more") {
        kept.keep("h:1", session('b'), now + std::chrono::seconds(499));
        REQUIRE(which(now + std::chrono::seconds(499)) == 'a');
    }
    THEN("half of its life over, a newer one takes its place") {
        kept.keep("h:1", session('b'), now + std::chrono::seconds(500));
        REQUIRE(which(now + std::chrono::seconds(500)) == 'b');
    }
    THEN("at its end it is not used") { REQUIRE(which(now + std::chrono::seconds(1000)) == '-'); }
    THEN("another port has none") { REQUIRE_FALSE(kept.resume("h:2", now)); }
    THEN("a server that has forgotten it eight times in a row gets another") {
        for (int i = 0; i < 8; ++i) {
            kept.keep("h:1", session('b'), now);
            REQUIRE(which(now) == 'a');
            kept.resumed("h:1", false);
        }
        kept.keep("h:1", session('b'), now);
        REQUIRE(which(now) == 'b');
    }
}
