#include "listener/message/metadata.h"

#include "plugin/contract/text.h"

#include <string>
#include <string_view>
#include <vector>

namespace listener {
namespace {

void put(std::string& out, const std::vector<std::string>& texts) {
    out += '[';
    for (const auto& text : texts) {
        if (&text != &texts.front()) out += ',';
        out += plugin::jsonText(text);
    }
    out += ']';
}

}  // namespace

std::string metadataJson(const Message& message) {
    std::string out = R"({"version":1)";
    const auto key = [&](std::string_view name) -> std::string& { return out.append(",\"").append(name).append("\":"); };
    key("id") += plugin::jsonText(message.id);
    key("mailbox") += plugin::jsonText(message.mailbox);
    key("folder") += plugin::jsonText(message.folder);
    key("protocol") += plugin::jsonText(message.protocol);
    key("position") += plugin::jsonText(message.position.text);
    key("received") += plugin::jsonText(plugin::utcText(message.received));
    key("size") += std::to_string(message.content.size());
    key("sha256") += plugin::jsonText(plugin::hexText(message.content.sha256()));
    if (message.messageId)
        key("message_id") += plugin::jsonText(*message.messageId);
    else
        key("message_id") += "null";
    put(key("flags"), message.flags);
    if (!message.reference.empty()) key("reference") += plugin::jsonText(message.reference);
    return out += "}\n";
}

}  // namespace listener
