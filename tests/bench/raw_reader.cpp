// raw_reader HOST PORT CA USER PASSWORD DIRECTORY: the least a program can do to fetch a mailbox over TLS: one connection, one UID FETCH of
// everything, one file per message (written and renamed, not made durable). What others are measured against.
#include "tests/bench/raw_wire.h"

#include <fcntl.h>

#include <cstdio>

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
