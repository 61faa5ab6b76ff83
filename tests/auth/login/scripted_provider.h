#pragma once

#include "auth/channel/channel.h"
#include "auth/login/dialogue.h"
#include "auth/login/sign_in.h"
#include "tests/auth/token/fakes.h"
#include "tests/simulation/inline_loop.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace fakes {

inline std::string http(int status, const std::string& body, const std::string& fields = "") {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           fields + "\r\n" + body;
}
inline std::string refusal(const std::string& error) { return http(400, R"({"error":")" + error + "\"}"); }

/// A provider in memory: each connection takes one request, written down whole with its moment, and gives the next answer of the script.
class ScriptedProvider final : public auth::Dialer {
public:
    explicit ScriptedProvider(plugin::Clock& clock) : clock_(clock) {}
    std::deque<std::string> answers{};  ///< "": the connection cannot be made
    struct Request {
        std::string text;
        plugin::Steady at;
        std::string path() const { return text.substr(5, text.find(' ', 5) - 5); }
        bool has(const std::string& part) const { return text.find(part) != std::string::npos; }
    };
    std::vector<Request> requests{};
    std::function<void()> whenAsked{};

    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target target, plugin::Deadline, std::stop_token) override {
        REQUIRE(target.host == "idp.example");
        REQUIRE(!answers.empty());
        auto answer = answers.front();
        answers.pop_front();
        if (answer.empty()) {
            requests.push_back({"", clock_.steady()});
            co_return plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelRefused, "nothing listens at idp.example:443"};
        }
        co_return std::unique_ptr<auth::Channel>(std::make_unique<Line>(*this, std::move(answer)));
    }

private:
    class Line final : public auth::Channel {
    public:
        Line(ScriptedProvider& provider, std::string answer) : provider_(provider), answer_(std::move(answer)) {}
        plugin::Task<plugin::Result<std::size_t>> read(std::span<char> into, plugin::Deadline, std::stop_token) override {
            if (!asked_) {
                provider_.requests.push_back({request_, provider_.clock_.steady()});
                if (provider_.whenAsked) provider_.whenAsked();
            }
            asked_ = true;
            const auto count = std::min(into.size(), answer_.size());
            std::copy_n(answer_.begin(), count, into.begin());
            answer_.erase(0, count);
            co_return count;
        }
        plugin::Task<plugin::Result<void>> write(std::string_view bytes, plugin::Deadline, std::stop_token) override {
            request_ += bytes;
            co_return plugin::Result<void>{};
        }
        std::string security() const override { return "plain"; }

    private:
        ScriptedProvider& provider_;
        std::string answer_;
        std::string request_{};
        bool asked_ = false;
    };
    plugin::Clock& clock_;
};

/// Whoever sits in front of it, as a test plays them.
class Dialogue final : public auth::login::Dialogue {
public:
    std::string registered{}, used{}, url{};
    bool listening = false;
    auth::login::DevicePrompt prompt{};
    std::vector<std::string> remarks{};
    std::deque<std::string> lines{};  ///< what is pasted; then nobody pastes anything any more
    bool atTerminal = true;           ///< false: there is nothing to paste from
    std::function<void(const std::string&)> whenVisited{};

    void redirectUri(const std::string& ofCredential, const std::string& ofRequest) override {
        CHECK(url.empty());
        registered = ofCredential;
        used = ofRequest;
    }
    void visit(const std::string& address, bool comesBack) override {
        url = address;
        listening = comesBack;
        if (whenVisited) whenVisited(address);
    }
    void enterCode(const auth::login::DevicePrompt& shown) override { prompt = shown; }
    void remark(const std::string& text) override { remarks.push_back(text); }
    plugin::Task<plugin::Result<std::string>> line(std::stop_token stop) override {
        using namespace plugin;
        if (!lines.empty()) {
            auto next = lines.front();
            lines.pop_front();
            co_return next;
        }
        if (!atTerminal) co_return Error{Reaction::askOperator, Code::tokenSignInAbandoned, "there is nobody to paste anything"};
        auto forever = sleepUntil(Deadline::max(), stop);
        co_await forever;
        co_return Error{Reaction::retryLater, Code::tokenSignInAbandoned, "stopped"};
    }

    /// A parameter of the address that was visited, decoded.
    std::string parameter(const std::string& name) const {
        const auto query = "&" + url.substr(url.find('?') + 1);
        const auto at = query.find("&" + name + "=");
        if (at == std::string::npos) return {};
        const auto begin = at + name.size() + 2;
        const auto raw = query.substr(begin, query.find('&', begin) - begin);
        std::string plain;
        for (std::size_t i = 0; i < raw.size(); ++i) {
            const bool coded = raw[i] == '%';
            plain += coded ? static_cast<char>(std::stoi(raw.substr(i + 1, 2), nullptr, 16)) : raw[i] == '+' ? ' ' : raw[i];
            if (coded) i += 2;
        }
        return plain;
    }
};

}  // namespace fakes
