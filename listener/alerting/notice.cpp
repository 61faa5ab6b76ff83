#include "listener/alerting/notice.h"

#include "listener/message/sha256.h"
#include "plugin/contract/text.h"

#include <span>

namespace listener {
namespace {

std::string next(const Notice& notice) {
    const auto* entry = plugin::findCode(notice.code);
    return entry == nullptr || notice.state == Notice::State::cleared ? std::string{} : std::string(entry->next);
}

}  // namespace

std::string_view name(Notice::State state) {
    switch (state) {
        case Notice::State::raised:
            return "raised";
        case Notice::State::cleared:
            return "cleared";
    }
    return "";
}

std::string payload(const Notice& notice, std::string_view instance) {
    std::string json = "{\"version\":1";
    const auto add = [&json](std::string_view key, std::string_view text) {
        json.append(",\"").append(key).append("\":").append(plugin::jsonText(text));
    };
    add("alert", notice.key.kind);
    add("state", name(notice.state));
    add("subject", notice.key.subject);
    add("code", plugin::codeName(notice.code));
    add("text", notice.what);
    add("next", next(notice));
    add("since", plugin::utcText(notice.since));
    add("at", plugin::utcText(notice.at));
    add("instance", instance);
    return json + "}";
}

std::map<std::string, std::string> environment(const Notice& notice) {
    return {{"POSTERN_ALERT", notice.key.kind},
            {"POSTERN_ALERT_STATE", std::string(name(notice.state))},
            {"POSTERN_ALERT_SUBJECT", notice.key.subject},
            {"POSTERN_ALERT_CODE", plugin::codeName(notice.code)},
            {"POSTERN_ALERT_TEXT", notice.what},
            {"POSTERN_ALERT_NEXT", next(notice)},
            {"POSTERN_ALERT_SINCE", plugin::utcText(notice.since)}};
}

std::string idempotencyKey(const Notice& notice, std::string_view channel) {
    const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(notice.at.time_since_epoch()).count();
    std::string all = "postern-alert-1";
    for (const auto& part : {std::string(channel), notice.key.kind, notice.key.subject, std::string(name(notice.state)), std::to_string(at)})
        all.append(1, '\0').append(part);
    const auto digest = sha256(all);
    return plugin::hexText(std::span(digest).first(16));
}

}  // namespace listener
