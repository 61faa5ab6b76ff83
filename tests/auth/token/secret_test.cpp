#include "auth/secret.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

using namespace auth;

namespace {

/// Whether a core file of this process would have the page.
bool isDumped(const void* address) {
    std::ifstream maps("/proc/self/smaps");
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        unsigned long from = 0, to = 0;
        char rights[5] = "";
        if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) == 3) {
            const auto at = reinterpret_cast<std::uintptr_t>(address);
            inside = at >= from && at < to;
        }
        if (inside && line.starts_with("VmFlags:")) return line.find(" dd") == std::string::npos;
    }
    throw std::runtime_error("no page there");
}

}  // namespace

SCENARIO("what a secret is made of stands in no core file", "[secret]") {
    for (const std::size_t octets : {1UL, 31UL, 32UL, 1000UL, 64UL * 1024, 64UL * 1024 + 1, 1UL << 20}) {
        INFO(octets << " octets");
        const std::string text(octets, 'x');
        CHECK(isDumped(text.data()));  // else it is not seen at all
        const Secret secret(text);
        CHECK(secret.reveal() == text);
        CHECK_FALSE(isDumped(secret.reveal().data()));
        CHECK_FALSE(isDumped(secret.reveal().data() + octets - 1));
    }
}

SCENARIO("what a secret leaves behind is wiped", "[secret]") {
    GIVEN("one that has gone, and another of its size") {
        const char* before = nullptr;
        {
            const Secret secret(std::string(100, 'x'));
            before = secret.reveal().data();
        }
        auto* const memory = static_cast<char*>(takeSecretMemory(100));
        THEN("the other stands in its place, where nothing of the first is left") {
            CHECK(memory == before);
            CHECK(std::all_of(memory, memory + 100, [](char c) { return c == '\0'; }));
        }
        giveSecretMemory(memory, 100);
    }
    GIVEN("one that grew while it was put together") {
        auto* const before = static_cast<char*>(takeSecretMemory(32));
        giveSecretMemory(before, 32);  // what was given back last is taken first
        SecretBuilder growing(32);
        growing.add(std::string(32, 'x'));
        REQUIRE(std::string(before, 32) == std::string(32, 'x'));
        growing.add('y');  // a larger place
        auto* const memory = static_cast<char*>(takeSecretMemory(32));
        THEN("the smaller place it had is empty") {
            CHECK(memory == before);
            CHECK(std::all_of(memory, memory + 32, [](char c) { return c == '\0'; }));
        }
        giveSecretMemory(memory, 32);
        const auto whole = growing.finish();
        CHECK(whole.reveal() == std::string(32, 'x') + "y");
    }
}

SCENARIO("secrets are made and dropped by many threads at a time", "[secret]") {
    constexpr std::size_t threads = 4, rounds = 2000;
    std::vector<std::thread> all;
    std::vector<std::size_t> wrong(threads);
    for (std::size_t number = 0; number < threads; ++number)
        all.emplace_back([number, &wrong] {
            const char own = static_cast<char>('a' + number);
            std::vector<Secret> kept;
            for (std::size_t round = 0; round < rounds; ++round) {
                kept.emplace_back(std::string(1 + round * 37 % 5000, own));
                if (kept.size() > 20) kept.erase(kept.begin());
                for (const auto& each : kept)
                    if (!std::all_of(each.reveal().begin(), each.reveal().end(), [own](char c) { return c == own; })) ++wrong[number];
            }
        });
    for (auto& each : all) each.join();
    CHECK(wrong == std::vector<std::size_t>(threads));
}
