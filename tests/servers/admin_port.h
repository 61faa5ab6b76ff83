#pragma once

#include <filesystem>
#include <string>

namespace servers {

/// The admin port of a service, found as its data directory says.
class AdminPort {
public:
    struct Answer {
        int status = 0;  ///< 0: there was none
        std::string body{};
        std::string caching{};  ///< Cache-Control
    };
    explicit AdminPort(std::filesystem::path data) : data_(std::move(data)) {}

    std::string address() const;  ///< "127.0.0.1:8025"; "" while it is not open
    std::string number() const;   ///< "8025"
    std::string token() const;
    /// In clear. `token` is shown unless it is "".
    Answer get(const std::string& path, const std::string& token = {}, const std::string& method = "GET") const;

private:
    std::filesystem::path data_;
};

}  // namespace servers
