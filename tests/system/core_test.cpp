#include "tests/system/sinks.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>

using namespace systemtest;
using servers::eventually;

namespace {

/// Which of these texts stand in the memory a core file of the process would hold (core(5): what is private and not marked MADV_DONTDUMP).
std::set<std::string> foundInCore(pid_t process, const std::vector<std::string>& texts) {
    std::set<std::string> found;
    const auto root = "/proc/" + std::to_string(process);
    std::ifstream maps(root + "/smaps");
    const int memory = ::open((root + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(memory >= 0);
    std::uint64_t begin = 0, end = 0, searched = 0;
    bool readable = false;
    for (std::string line; std::getline(maps, line);) {
        unsigned long from = 0, to = 0;
        char rights[5] = "";
        if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) == 3) {
            begin = from;
            end = to;
            readable = rights[0] == 'r' && rights[1] == 'w';
        }
        if (!line.starts_with("VmFlags:") || !readable || line.find(" dd") != std::string::npos) continue;
        std::string bytes(end - begin, '\0');
        const auto got = ::pread(memory, bytes.data(), bytes.size(), static_cast<off_t>(begin));
        if (got <= 0) continue;
        bytes.resize(static_cast<std::size_t>(got));
        searched += bytes.size();
        for (const auto& text : texts)
            if (bytes.find(text) != std::string::npos) found.insert(text);
    }
    ::close(memory);
    REQUIRE(searched > 1'000'000);
    return found;
}

/// As RFC 6749 section 2.3.1 has it sent: both form-encoded, then Base64.
std::string basicHeader(const std::string& client, const std::string& secret) {
    std::string pair = client + ":";
    for (const char c : secret) {
        char coded[4];
        std::snprintf(coded, sizeof coded, "%%%02X", static_cast<unsigned char>(c));
        pair += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_' || c == '*' ? std::string(1, c) : coded;
    }
    std::string text(4 * (pair.size() + 2) / 3 + 4, '\0');
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), reinterpret_cast<const unsigned char*>(pair.data()),
                                       static_cast<int>(pair.size()));
    text.resize(static_cast<std::size_t>(length));
    return text.substr(0, 20);  // the end depends on how a blank is written
}

}  // namespace

SCENARIO("a core file of a service that waits for mail holds no client secret and no password", "[system][core]") {
    FilledMailbox box("m");
    box.add(someMails("core", 5));
    Workplace place;
    place.configure(basicCredential(place, "c") + box.words("spool", "leave"));
    auto service = place.start({"run"});
    REQUIRE(eventually([&] { return place.countDelivered("m") == box.size(); }, patience));
    const auto secret = servers::IdentityProvider::basicSecret();
    const auto header = basicHeader("app-basic", secret);
    const auto found = foundInCore(service.id(), {secret, header, "postern"});
    CHECK_FALSE(found.contains(secret));
    CHECK_FALSE(found.contains(header));
    CHECK(found.contains("postern"));  // else it was not looked for
    CHECK(service.stop().status == 0);
}
