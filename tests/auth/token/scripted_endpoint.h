#pragma once

#include "auth/channel/channel.h"
#include "plugin/contract/loop.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

inline std::string http(int status, const std::string& body, const std::string& fields = "") {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           fields + "\r\n" + body;
}
inline std::string tokenFor(int seconds, const std::string& name) {
    return http(200, R"({"access_token":")" + name + R"(","token_type":"Bearer","expires_in":)" + std::to_string(seconds) + "}");
}
inline const std::string wrongSecret = http(401, R"({"error":"invalid_client"})");

/// A token endpoint in memory: each connection takes one request and gives the next scripted answer, when `open` is set.
class Endpoint final : public auth::Dialer {
public:
    std::deque<std::string> answers{};  ///< "": the connection cannot be made
    std::vector<std::string> requests{};
    plugin::Event open{};
    std::function<void()> whenAsked{};
    std::function<std::string(const std::string& request)> server{};  ///< answers in place of the script

    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target target, plugin::Deadline, std::stop_token) override {
        REQUIRE(target.host == "idp.example");
        REQUIRE((server || !answers.empty()));
        std::string answer;
        if (!server) {
            answer = answers.front();
            answers.pop_front();
        }
        if (answer.empty() && !server) {
            requests.emplace_back();
            co_return plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelRefused, "nothing listens at idp.example:443"};
        }
        co_return std::unique_ptr<auth::Channel>(std::make_unique<Line>(*this, std::move(answer)));
    }

private:
    class Line final : public auth::Channel {
    public:
        Line(Endpoint& endpoint, std::string answer) : endpoint_(endpoint), answer_(std::move(answer)) {}
        plugin::Task<plugin::Result<std::size_t>> read(std::span<char> into, plugin::Deadline deadline, std::stop_token stop) override {
            if (!counted_) endpoint_.requests.push_back(request_);
            if (!counted_ && endpoint_.whenAsked) endpoint_.whenAsked();
            if (!counted_ && endpoint_.server) answer_ = endpoint_.server(request_);
            counted_ = true;
            auto opened = endpoint_.open.wait(deadline, stop);
            if (co_await opened != plugin::Wake::done)
                co_return plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelTimeout, "idp.example:443 did not answer in time"};
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
        Endpoint& endpoint_;
        std::string answer_;
        std::string request_{};
        bool counted_ = false;
    };
};
