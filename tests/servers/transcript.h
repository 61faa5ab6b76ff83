#pragma once

#include "tests/servers/memory_channel.h"

#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace servers {

/// A server that knows one conversation and accepts no other. A file of lines:
///   S: text     it sends the text and CRLF          C: text     it accepts exactly this line
///   M: text     the same as S, a line of a message: the last "{count}" of an S line before is how long all of them are together
///   wait 30     it says nothing for so many seconds starttls    TLS has to begin here
///   close       it ends the stream                  #           a comment
class Transcript final : public Peer {
public:
    explicit Transcript(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        if (!file) throw std::runtime_error("no transcript " + path);
        for (std::string line; std::getline(file, line);) add(line);
        endMessage();
    }
    explicit Transcript(std::initializer_list<std::string_view> lines) {
        for (const auto line : lines) add(line);
        endMessage();
    }

    /// One line more.
    void add(std::string_view line) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.starts_with('#')) return;
        const auto text = line.size() > 3 ? line.substr(3) : std::string_view{};
        if (line.starts_with("M:")) {
            message_.append(text).append("\r\n");
            return;
        }
        endMessage();
        if (line.starts_with("S:"))
            steps_.push_back({Kind::server, std::string{text} + "\r\n"});
        else if (line.starts_with("C:"))
            steps_.push_back({Kind::client, std::string{text}});
        else if (line == "close")
            steps_.push_back({Kind::close, {}});
        else if (line == "starttls")
            steps_.push_back({Kind::tls, {}});
        else if (line.starts_with("wait "))
            steps_.push_back({Kind::silence, std::string{line.substr(5)}});
        else
            throw std::runtime_error("not a line of a transcript: " + std::string{line});
    }

    std::string greeting() override { return play(); }
    std::string receive(std::string_view bytes) override {
        heard_ += bytes;
        std::string answer;
        while (next_ < steps_.size() && steps_[next_].kind == Kind::client && failure_.empty()) {
            const auto end = heard_.find("\r\n");
            if (end == std::string::npos) break;
            const auto line = heard_.substr(0, end);
            heard_.erase(0, end + 2);
            if (line != steps_[next_].text) {
                failure_ = "expected: " + steps_[next_].text + "\ngot:      " + line;
                break;
            }
            ++next_;
            answer += play();
        }
        if (next_ == steps_.size() && !heard_.empty() && failure_.empty()) failure_ = "expected nothing more\ngot:      " + heard_;
        return answer;
    }
    bool hasClosed() const override { return closed_ || !failure_.empty(); }
    std::optional<std::chrono::milliseconds> silence() const override {
        if (next_ == steps_.size() || steps_[next_].kind != Kind::silence) return std::nullopt;
        return std::chrono::seconds{std::stoi(steps_[next_].text)};
    }
    std::string speak() override {
        ++next_;
        auto said = play();
        return said + receive({});
    }
    bool startTls() override {
        if (next_ == steps_.size() || steps_[next_].kind != Kind::tls) return false;
        ++next_;
        return true;
    }

    /// "" while the client said what it should.
    const std::string& failure() const { return failure_; }
    bool isOver() const { return next_ == steps_.size(); }
    /// Octets it has sent so far.
    std::size_t sent() const { return sent_; }

private:
    enum class Kind { server, client, silence, tls, close };
    struct Step {
        Kind kind;
        std::string text;
    };

    void endMessage() {
        if (message_.empty()) return;
        auto& before = steps_.back().text;
        const auto count = before.rfind("{count}");
        if (count == std::string::npos) throw std::runtime_error("M: without {count} before it");
        before.replace(count, 7, "{" + std::to_string(message_.size()) + "}");
        steps_.push_back({Kind::server, std::exchange(message_, {})});
    }
    std::string play() {
        std::string out;
        for (; next_ < steps_.size(); ++next_) {
            const auto kind = steps_[next_].kind;
            if (kind == Kind::client || kind == Kind::silence || kind == Kind::tls) break;
            if (steps_[next_].kind == Kind::close) closed_ = true;
            out += steps_[next_].text;
        }
        sent_ += out.size();
        return out;
    }

    std::vector<Step> steps_{};
    std::size_t next_ = 0;
    std::string message_{}, heard_{}, failure_{};
    bool closed_ = false;
    std::size_t sent_ = 0;
};

}  // namespace servers
