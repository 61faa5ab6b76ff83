// raw_reader HOST PORT CA USER PASSWORD DIRECTORY: the least a program can do to fetch a mailbox over TLS: one connection, one UID FETCH of
// everything, one file per message (written and renamed, not made durable). What others are measured against.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

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

}  // namespace

int main(int count, char** arguments) try {
    if (count != 7) return 64;
    Wire wire(arguments[1], arguments[2], arguments[3]);
    const std::string directory = arguments[6];
    wire.line();
    wire.write("a LOGIN " + std::string(arguments[4]) + " " + arguments[5] + "\r\nb SELECT INBOX\r\nc UID FETCH 1:* (UID BODY.PEEK[])\r\n");
    std::size_t messages = 0;
    for (;;) {
        const auto line = wire.line();
        if (line.starts_with("c ")) break;
        const auto brace = line.rfind('{');
        if (!line.starts_with("* ") || brace == std::string::npos) continue;
        const auto name = directory + "/" + std::to_string(++messages);
        const int file = ::open((name + ".tmp").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
        wire.body(std::strtoul(line.c_str() + brace + 1, nullptr, 10), file);
        ::close(file);
        if (std::rename((name + ".tmp").c_str(), name.c_str()) != 0) throw std::runtime_error("cannot rename");
    }
    std::printf("%zu messages\n", messages);
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "raw_reader: %s\n", error.what());
    return 1;
}
