#include "listener/ews/envelope_cutter.h"

namespace listener::ews {

namespace {

constexpr std::string_view blanks = " \t\r\n";

/// "</" name: is it the end of an Envelope, whatever its prefix?
bool endsEnvelope(std::string_view tag) {
    tag = tag.substr(0, tag.find_last_not_of(blanks) + 1);
    return tag == "Envelope" || tag.ends_with(":Envelope");
}

}  // namespace

std::optional<std::string> EnvelopeCutter::next() {
    const std::string_view held = held_;
    for (auto at = held.find("</", searched_); at != std::string_view::npos; at = held.find("</", at + 2)) {
        const auto close = held.find('>', at);
        if (close == std::string_view::npos) {
            searched_ = at;
            return std::nullopt;
        }
        if (!endsEnvelope(held.substr(at + 2, close - at - 2))) continue;
        const auto begin = held.find_first_not_of(blanks);
        std::string document{held.substr(begin, close + 1 - begin)};
        held_.erase(0, close + 1);
        if (held_.empty()) held_.shrink_to_fit();
        searched_ = 0;
        return document;
    }
    searched_ = held_.empty() ? 0 : held_.size() - 1;  // a "<" may have come
    return std::nullopt;
}

}  // namespace listener::ews
