#include "listener/ews/substitute.h"

#include "plugin/contract/text.h"

namespace listener::ews {

namespace {

constexpr std::size_t longestLine = 900;  // RFC 5322 section 2.1.1: 998

/// Of a field of a head: in one line, cut where it would be longer than lines are.
std::string inOneLine(std::string_view text) {
    std::string line{text.substr(0, longestLine)};
    if (line.size() < text.size())
        while (!line.empty() && plugin::isUtf8(text) && !plugin::isUtf8(line)) line.pop_back();
    for (auto& c : line)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return line;
}

}  // namespace

std::string substituteFor(const ItemView& item, std::string_view why) {
    std::string text;
    if (!item.messageId.empty()) text += "Message-ID: " + inOneLine(item.messageId) + "\r\n";
    if (!item.subject.empty()) text += "Subject: " + inOneLine(item.subject) + "\r\n";
    text += "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n";
    text += "The mail server could not hand out this message (" + inOneLine(why) + ").\r\n";
    if (item.sent) text += "Sent: " + plugin::utcText(*item.sent) + "\r\n";
    if (item.received) text += "Received: " + plugin::utcText(*item.received) + "\r\n";
    return text;
}

}  // namespace listener::ews
