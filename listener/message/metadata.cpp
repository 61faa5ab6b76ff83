#include "listener/message/metadata.h"

#include "listener/message/text.h"

#include <algorithm>
#include <chrono>

namespace listener {
namespace {

constexpr std::string_view hexDigits = "0123456789abcdef";

void putCharacter(std::string& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
        out += "\\u00";
        out += hexDigits[byte >> 4];
        out += hexDigits[byte & 15];
    } else {
        out += c;
    }
}

void put(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const auto length = utf8Character(text);
        if (length == 0)
            out += "\xEF\xBF\xBD";
        else if (length == 1)
            putCharacter(out, text.front());
        else
            out += text.substr(0, length);
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    out += '"';
}

void put(std::string& out, const std::vector<std::string>& texts) {
    out += '[';
    for (const auto& text : texts) {
        if (&text != &texts.front()) out += ',';
        put(out, text);
    }
    out += ']';
}

std::string utc(plugin::Wall time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{seconds - day};
    const auto padded = [](auto number, std::size_t width) {
        auto text = std::to_string(number);
        return text.size() < width ? std::string(width - text.size(), '0') + text : text;
    };
    return padded(static_cast<int>(date.year()), 4) + "-" + padded(static_cast<unsigned>(date.month()), 2) + "-" +
           padded(static_cast<unsigned>(date.day()), 2) + "T" + padded(clock.hours().count(), 2) + ":" + padded(clock.minutes().count(), 2) + ":" +
           padded(clock.seconds().count(), 2) + "Z";
}

std::string hex(const Digest& digest) {
    std::string text;
    for (const auto byte : digest) {
        text += hexDigits[byte >> 4];
        text += hexDigits[byte & 15];
    }
    return text;
}

}  // namespace

std::string metadataJson(const Message& message) {
    std::string out = R"({"version":1)";
    const auto key = [&](std::string_view name) -> std::string& { return out.append(",\"").append(name).append("\":"); };
    put(key("id"), message.id);
    put(key("mailbox"), message.mailbox);
    put(key("folder"), message.folder);
    put(key("protocol"), message.protocol);
    put(key("position"), message.position.text);
    put(key("received"), utc(message.received));
    key("size") += std::to_string(message.content.size());
    put(key("sha256"), hex(message.content.sha256()));
    if (message.messageId)
        put(key("message_id"), *message.messageId);
    else
        key("message_id") += "null";
    put(key("flags"), message.flags);
    return out += "}\n";
}

}  // namespace listener
