#include "listener/engine/conditions.h"

#include "plugin/contract/text.h"

#include <optional>

namespace listener {
namespace {

using Told = std::optional<plugin::Error>;  // what is wrong; none: not in this way

Told blocked(const MailboxStatus::View& view) { return view.health == Health::blocked ? view.lastError : std::nullopt; }

Told stalled(const MailboxStatus::View& view) {
    if (view.health != Health::stalled) return std::nullopt;
    auto error = view.lastError.value_or(plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelTimeout, "the server is silent"});
    const auto silent = view.verifiedAge ? "for " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*view.verifiedAge).count()) + " s"
                                         : std::string("since the start");
    error.what = "mailbox " + view.alias + " has not been verified " + silent + ": " + error.what;
    return error;
}

Told failing(const MailboxStatus::View& view) {
    if (view.health == Health::blocked || view.health == Health::stalled) return std::nullopt;
    return view.repeated && view.repeated->over > 2 * view.interval ? Told(view.repeated->error) : std::nullopt;
}

/// A look that is under way (health ok without an answer yet) is no proof.
bool isProven(const MailboxStatus::View& view) { return view.health == Health::ok && view.verifiedAge && *view.verifiedAge <= 2 * view.interval; }

}  // namespace

std::vector<Condition> conditionsOf(const std::vector<MailboxStatus::View>& mailboxes) {
    std::vector<Condition> all;
    for (const auto& view : mailboxes) {
        if (view.state == State::disabled) continue;
        const auto add = [&](const char* kind, const Told& told) {
            if (told)
                all.push_back({kind, view.alias, told->code, told->what});
            else if (!isProven(view))
                all.push_back({.kind = kind, .subject = view.alias, .known = false});
        };
        add("mailbox-blocked", blocked(view));
        add("mailbox-stalled", stalled(view));
        add("mailbox-failing", failing(view));
    }
    return all;
}

std::vector<Condition> conditionsOf(const std::vector<auth::Ending>& endings, plugin::Wall now) {
    std::vector<Condition> all;
    for (const auto& ending : endings) {
        const auto reached = auth::daysReached(ending.end, now);
        if (!reached) continue;
        for (const int days : {0, 1, 7, 14, 30}) {
            if (days < *reached) continue;
            const auto stage = days == 0 ? std::string(", over") : ", " + std::to_string(days) + (days == 1 ? " day" : " days");
            Condition condition{.kind = "credential-ending", .subject = ending.what() + stage, .known = days == *reached};
            condition.code = plugin::Code::tokenEndsSoon;
            condition.what = ending.what() + (days == 0 ? " has ended on " : " ends on ") + plugin::utcText(ending.end) + ": " + ending.next();
            all.push_back(std::move(condition));
        }
    }
    return all;
}

}  // namespace listener
