#pragma once

#include <openssl/evp.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

/// A token endpoint on loopback, as strict as RFC 6749 lets a server be: one client authentication per request and only the client's own,
/// the header form-decoded and refused where that cannot be done, each parameter once, the right content type, grant and a scope.
/// Or of the JWT bearer grant (RFC 7523 3): the signature is verified, issuer, audience, times and subject looked at, and no "jti" taken twice.
class TokenServer {
public:
    enum class Placement { basic, basicRaw, body };
    struct Client {
        std::string secret;
        Placement placement;
    };
    enum class Mood { proper, html, silent, hangsUp, throttles, broken, mac, emptyToken, badToken, repeatsSecret, redirects };

    explicit TokenServer(std::map<std::string, Client> clients, Mood mood = Mood::proper);
    TokenServer(const TokenServer&) = delete;
    TokenServer& operator=(const TokenServer&) = delete;
    ~TokenServer();

    /// Whose assertions are taken from now on, and signed with what: issuer → public key and the one algorithm it may use.
    void trust(const std::string& issuer, std::shared_ptr<EVP_PKEY> key, const std::string& algorithm);

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/token"; }
    int requests() const { return requests_; }
    void hold();  ///< answers wait until release()
    void release();
    std::string lastRefusal() const;

private:
    struct Request;
    void serve();
    void talk(int fd);
    std::string answer(const Request& request);
    std::string properAnswer(const Request& request);
    std::string bearerAnswer(const std::map<std::string, std::string>& parameters);
    std::string refuse(int status, const std::string& error, const std::string& why);

    const std::map<std::string, Client> clients_;
    const Mood mood_;
    // Plain descriptors: a Poco socket counts its owners where a thread sanitizer does not see it.
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> requests_{0};
    std::atomic<bool> ending_{false};
    mutable std::mutex mutex_{};
    std::condition_variable changed_{};
    bool held_ = false;
    struct Issuer {
        std::shared_ptr<EVP_PKEY> key;
        std::string algorithm;
    };
    std::map<std::string, Issuer> issuers_{};
    std::set<std::string> seen_{};  // "jti"
    std::string lastRefusal_{};
    std::vector<std::thread> talks_{};
    std::thread server_{};
};
