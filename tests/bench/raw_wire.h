#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

/// A TLS connection to a port of loopback with as little around it as possible. Blocking; fails with std::runtime_error.
class Wire {
public:
    Wire(const char* host, const char* port, const char* authority) {
        context_ = SSL_CTX_new(TLS_client_method());
        if (SSL_CTX_load_verify_locations(context_, authority, nullptr) != 1) throw std::runtime_error("the authority's certificate cannot be read");
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
        SSL_CTX_set_read_ahead(context_, 1);
        SSL_CTX_set_default_read_buffer_len(context_, 65536);
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
        ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("no connection");
        ssl_ = SSL_new(context_);
        SSL_set1_host(ssl_, host);
        SSL_set_fd(ssl_, fd_);
        if (SSL_connect(ssl_) != 1) throw std::runtime_error("no TLS");
    }
    void write(const std::string& text) {
        if (SSL_write(ssl_, text.data(), static_cast<int>(text.size())) <= 0) throw std::runtime_error("cannot write");
    }
    std::string line() {
        for (;;) {
            if (const void* end = std::memchr(buffer_.data() + from_, '\n', to_ - from_)) {
                const auto size = static_cast<std::size_t>(static_cast<const char*>(end) - (buffer_.data() + from_)) + 1;
                std::string text(buffer_.data() + from_, size);
                from_ += size;
                return text;
            }
            fill();
        }
    }
    std::string octets(std::size_t size) {
        std::string text;
        text.reserve(size);
        while (text.size() < size) {
            if (from_ == to_) fill();
            const auto part = std::min(size - text.size(), to_ - from_);
            text.append(buffer_.data() + from_, part);
            from_ += part;
        }
        return text;
    }
    void body(std::size_t size, int file) {
        while (size > 0) {
            if (from_ == to_) fill();
            const auto part = std::min(size, to_ - from_);
            if (::write(file, buffer_.data() + from_, part) != static_cast<ssize_t>(part)) throw std::runtime_error("cannot write a file");
            from_ += part;
            size -= part;
        }
    }

private:
    void fill() {
        std::memmove(buffer_.data(), buffer_.data() + from_, to_ - from_);
        to_ -= from_;
        from_ = 0;
        const int count = SSL_read(ssl_, buffer_.data() + to_, static_cast<int>(buffer_.size() - to_));
        if (count <= 0) throw std::runtime_error("the connection ended");
        to_ += static_cast<std::size_t>(count);
    }
    SSL_CTX* context_;
    SSL* ssl_;
    int fd_;
    std::vector<char> buffer_ = std::vector<char>(128 << 10);
    std::size_t from_ = 0, to_ = 0;
};
