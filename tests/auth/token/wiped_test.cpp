// What is left of secrets in memory that is given back. In this program each block is zero when it is taken, and looked through when it is given
// back.
#include "auth/token/token_endpoint.h"
#include "fakes.h"
#include "tests/simulation/inline_loop.h"

#include <catch2/catch.hpp>

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

using namespace std::string_view_literals;

namespace {

constexpr std::array marks{"refresh-token-that-nobody-may-see"sv, "client-secret-that-nobody-may-see"sv, "access-token-that-nobody-may-see"sv};
bool watched = false;
std::array<int, marks.size()> left{};  ///< blocks that were given back with it

bool holds(const void* block, std::size_t size, std::string_view mark) { return ::memmem(block, size, mark.data(), mark.size()) != nullptr; }

void giveBack(void* block) noexcept {
    if (block != nullptr && watched)
        for (std::size_t i = 0; i < marks.size(); ++i) left[i] += holds(block, ::malloc_usable_size(block), marks[i]) ? 1 : 0;
    std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
    void* const block = std::malloc(std::max<std::size_t>(size, 1));
    if (block == nullptr) throw std::bad_alloc();
    return std::memset(block, 0, ::malloc_usable_size(block));
}
void operator delete(void* block) noexcept { giveBack(block); }
void operator delete(void* block, std::size_t) noexcept { giveBack(block); }

namespace {

/// A provider that keeps nothing of what it is told but whether the secrets were there.
class Provider final : public auth::Dialer {
public:
    std::string line{};  ///< of the request, with neither secret in it
    bool refreshed = false, authenticated = false;

    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target, plugin::Deadline, std::stop_token) override {
        co_return std::unique_ptr<auth::Channel>(std::make_unique<Line>(*this));
    }

private:
    class Line final : public auth::Channel {
    public:
        explicit Line(Provider& provider) : provider_(provider) {}
        plugin::Task<plugin::Result<std::size_t>> read(std::span<char> into, plugin::Deadline, std::stop_token) override {
            constexpr auto answer =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 91\r\n\r\n"
                "{\"token_type\":\"Bearer\",\"expires_in\":3600,\"access_token\":\"access-token-that-nobody-may-see\"}"sv;
            const auto count = std::min(into.size(), answer.size() - said_);
            std::copy_n(answer.begin() + static_cast<std::ptrdiff_t>(said_), count, into.begin());
            said_ += count;
            co_return count;
        }
        plugin::Task<plugin::Result<void>> write(std::string_view bytes, plugin::Deadline, std::stop_token) override {
            const auto head = bytes.substr(0, bytes.find("\r\n"));
            if (provider_.line.empty()) provider_.line = head.substr(0, head.find_first_of("?&"));
            provider_.refreshed |= holds(bytes.data(), bytes.size(), marks[0]);
            provider_.authenticated |= holds(bytes.data(), bytes.size(), marks[1]);
            co_return plugin::Result<void>{};
        }
        std::string security() const override { return "plain"; }

    private:
        Provider& provider_;
        std::size_t said_ = 0;
    };
};

}  // namespace

SCENARIO("a block with a secret in it that is given back as it is would be noticed", "[wiping]") {
    const auto* const text = new std::string(marks[0]);
    watched = true;
    delete text;
    watched = false;
    CHECK(std::exchange(left, {})[0] == 1);
}

SCENARIO("a token request leaves no secret in memory that is given back", "[wiping][token]") {
    const std::string style = GENERATE("body", "query");
    const std::string authentication = GENERATE("body", "basic_raw");
    simulation::InlineLoop loop;
    fakes::SecretReader secrets;
    fakes::Random random;
    secrets.put("/secret", std::string(marks[1]));
    const auto configuration = fakes::configuration({{"credential.m.grant", "refresh_token"},
                                                     {"credential.m.client_id", "app"},
                                                     {"credential.m.client_secret", "${file:/secret}"},
                                                     {"credential.m.refresh_token", "${file:/refresh}"},
                                                     {"credential.m.token_endpoint", "https://idp.example/token?tenant=a"},
                                                     {"credential.m.authentication", authentication},
                                                     {"credential.m.refresh_style", style},
                                                     {"credential.m.scopes", "mail"}});
    auto read = auth::credential(configuration, "m");
    REQUIRE(read);
    const auto credential = std::make_shared<const auth::Credential>(std::move(*read));
    Provider provider;
    auth::TokenEndpoint endpoint({provider, secrets, loop.clock(), random});
    watched = true;
    bool answered = false;
    {
        auth::GrantParameters grant;
        grant.push_back({"grant_type", auth::Secret("refresh_token")});
        grant.push_back({"refresh_token", auth::Secret(marks[0])});
        const auto exchange = loop.run(endpoint.ask(credential, std::move(grant), {}));
        answered = exchange.outcome && exchange.outcome->accessToken.reveal() == marks[2];
    }
    watched = false;
    CHECK(answered);
    CHECK(provider.line.starts_with("POST /token"));
    CHECK(provider.refreshed);
    CHECK(provider.authenticated == (authentication == "body"));
    for (std::size_t i = 0; i < marks.size(); ++i) {
        INFO(marks[i] << ", " << style << ", " << authentication);
        CHECK(left[i] == 0);
    }
    left = {};
}
