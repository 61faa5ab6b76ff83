#pragma once

#include "tests/auth/channel/world.h"
#include "tests/servers/tls_server.h"

#include <map>
#include <string>

using Settings = std::map<std::string, std::string>;

/// Certificates of one test authority, and a world that trusts it as truststore "own".
inline const servers::Certificate& root() {
    static const auto made = servers::makeCertificate({.commonName = "Test Root", .authority = true});
    return made;
}
inline const servers::Certificate& leaf() {
    static const auto made = servers::makeCertificate(
        {.commonName = "leaf", .names = {"localhost", "mail.behind.test", "idp.behind.test"}, .addresses = {"127.0.0.1", "::1"}}, &root());
    return made;
}

/// A session that says which server it was asked for, and waits.
inline void greet(servers::TlsServer::Stream& stream) {
    stream.write("hello " + stream.serverName());
    stream.read();
}

/// What comes until there are so many bytes, or the end.
inline plugin::Task<plugin::Result<std::string>> readExactly(auth::Channel* channel, std::size_t bytes, plugin::Deadline deadline) {
    std::string all(bytes, '\0');
    std::size_t have = 0;
    while (have < bytes) {
        auto got = co_await channel->read(std::span(all).subspan(have), deadline, {});
        if (!got) co_return got.error();
        if (*got == 0) break;
        have += *got;
    }
    all.resize(have);
    co_return all;
}

struct Trusting {
    explicit Trusting(const Settings& settings = {}) : world({{"own", file.path}}, settings) {}

    auth::Target to(const servers::TlsServer& server) const { return {.host = "127.0.0.1", .port = server.port(), .truststore = "own"}; }
    std::unique_ptr<auth::Channel> dial(auth::Target target) {
        auto channel = world.dial(std::move(target));
        if (!channel) FAIL(describe(channel.error()));
        return std::move(*channel);
    }
    std::unique_ptr<auth::Channel> dial(const servers::TlsServer& server) { return dial(to(server)); }
    std::string read(auth::Channel& channel, std::size_t bytes) {
        auto all = world.run(readExactly(&channel, bytes, world.soon()));
        if (!all) FAIL(describe(all.error()));
        return *all;
    }
    void write(auth::Channel& channel, std::string_view bytes) {
        const auto written = world.run(channel.write(bytes, world.soon(), {}));
        if (!written) FAIL(describe(written.error()));
    }

    TemporaryFile file{root().pem()};
    World world;
};
