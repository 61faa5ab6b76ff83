#include "listener/engine/command_support.h"

namespace listener {

namespace {

constexpr std::pair<std::string_view, MessageState> states[] = {{"pending", MessageState::pending},   {"delivered", MessageState::delivered},
                                                                {"filtered", MessageState::filtered}, {"quarantined", MessageState::quarantined},
                                                                {"dead", MessageState::dead},         {"missing", MessageState::missing}};

}  // namespace

std::string_view nameOf(MessageState state) {
    for (const auto& [text, value] : states)
        if (value == state) return text;
    return "";
}

std::optional<MessageState> messageStateOf(std::string_view name) {
    for (const auto& [text, value] : states)
        if (text == name) return value;
    return std::nullopt;
}

}  // namespace listener
