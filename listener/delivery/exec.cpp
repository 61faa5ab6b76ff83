#include "listener/delivery/exec.h"

#include "plugin/contract/exit_status.h"
#include "plugin/contract/text.h"

#include <string.h>

#include <array>
#include <map>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace listener {
namespace {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
namespace exits = plugin::exits;

/// sysexits.h, from 64 on.
constexpr std::array<std::string_view, 15> names{"EX_USAGE",       "EX_DATAERR",  "EX_NOINPUT",  "EX_NOUSER", "EX_NOHOST",
                                                 "EX_UNAVAILABLE", "EX_SOFTWARE", "EX_OSERR",    "EX_OSFILE", "EX_CANTCREAT",
                                                 "EX_IOERR",       "EX_TEMPFAIL", "EX_PROTOCOL", "EX_NOPERM", "EX_CONFIG"};

/// The kernel starts nothing with a longer string in its environment than 128 KiB. A server that lets people set flags without end must not make
/// their mail undeliverable.
constexpr std::size_t flagsLimit = 16 * 1024;

std::string flagsText(const std::vector<std::string>& flags) {
    std::string text;
    for (const auto& flag : flags) {
        if (text.size() + 1 + flag.size() > flagsLimit) break;
        if (!text.empty()) text += ' ';
        text += flag;
    }
    return text;
}

std::map<std::string, std::string> environmentFor(const Message& message) {
    std::map<std::string, std::string> all{
        {"POSTERN_ID", message.id},
        {"POSTERN_MAILBOX", message.mailbox},
        {"POSTERN_FOLDER", message.folder},
        {"POSTERN_PROTOCOL", message.protocol},
        {"POSTERN_POSITION", message.position.text},
        {"POSTERN_RECEIVED", plugin::utcText(message.received)},
        {"POSTERN_SIZE", std::to_string(message.content.size())},
        {"POSTERN_SHA256", plugin::hexText(message.content.sha256())},
        {"POSTERN_FLAGS", flagsText(message.flags)},
    };
    if (!message.reference.empty()) all["POSTERN_REFERENCE"] = message.reference;
    if (message.messageId) all["POSTERN_MESSAGE_ID"] = *message.messageId;
    return all;
}

std::string endText(const ProgramEnd& end) {
    if (end.signal != 0) {
        const auto* name = ::sigabbrev_np(end.signal);
        return "was ended by signal " + std::to_string(end.signal) + (name != nullptr ? std::string(" (SIG") + name + ")" : "");
    }
    const auto index = static_cast<std::size_t>(end.status - exits::usage);
    return "ended with status " + std::to_string(end.status) + (index < names.size() ? " (" + std::string(names[index]) + ")" : "");
}

class Exec final : public Sink {
public:
    Exec(ExecSettings settings, Programs& programs) : settings_(std::move(settings)), programs_(programs) {
        if (settings_.command.empty()) throw std::logic_error("sink " + settings_.name + " has no command");
    }

    const std::string& name() const override { return settings_.name; }
    std::size_t batchLimit() const override { return 1; }

    plugin::Task<void> deliver(std::span<Delivery> batch, plugin::Deadline deadline, std::stop_token stop) override {
        for (auto& delivery : batch) {
            const auto& message = delivery.message();
            auto running =
                programs_.run({settings_.command, environmentFor(message), message.reference.empty() ? message.content : Content{}}, deadline, stop);
            const auto end = co_await running;
            if (!end)
                delivery.refused(end.error());
            else if (end->signal == 0 && end->status == 0)
                delivery.delivered();
            else
                delivery.refused(refusal(*end));
        }
    }

private:
    /// Names the program alone: its arguments may be secrets.
    Error refusal(const ProgramEnd& end) const {
        const auto what = "the program " + settings_.command.front() + " " + endText(end);
        if (end.signal != 0) return {Reaction::retryLater, Code::sinkRefused, what};
        switch (end.status) {
            case exits::dataErr:
                return {Reaction::setAside, Code::messageUnfit, what};
            case exits::noPerm:
            case exits::config:
                return {Reaction::askOperator, Code::sinkRefused, what};
            default:
                return {Reaction::retryLater, Code::sinkRefused, what};
        }
    }

    ExecSettings settings_;
    Programs& programs_;
};

}  // namespace

std::unique_ptr<Sink> makeExec(ExecSettings settings, Programs& programs) { return std::make_unique<Exec>(std::move(settings), programs); }

}  // namespace listener
