#include "listener/engine/doctor.h"

#include "auth/access.h"
#include "auth/diagnosis/diagnosis.h"
#include "auth/token/credential.h"
#include "listener/engine/command_support.h"
#include "listener/engine/trouble.h"
#include "listener/engine/validate_checks.h"
#include "plugin/contract/exit_status.h"

#include <algorithm>

namespace listener {

using auth::diagnosis::Case;
using auth::diagnosis::Claims;
using auth::diagnosis::Diagnosis;
using plugin::Code;
using plugin::Command;
using plugin::Error;
using plugin::jsonText;
namespace exits = plugin::exits;

namespace {

std::string joined(const std::vector<std::string>& items) {
    std::string text;
    for (const auto& item : items) text += (text.empty() ? "" : " ") + item;
    return text.empty() ? "-" : text;
}

std::string timeOf(const std::optional<std::int64_t>& seconds) {
    constexpr auto farFuture = std::chrono::floor<std::chrono::seconds>(plugin::Wall::max()).time_since_epoch().count();  // the year 2262
    if (!seconds || *seconds < 0 || *seconds > farFuture) return "-";
    return plugin::utcText(plugin::Wall(std::chrono::seconds(*seconds)));
}

void print(std::ostream& out, const Claims& claims) {
    out << "the token says (nobody but its receiver checks it)\n";
    const std::pair<const char*, std::string> rows[] = {
        {"aud", joined(claims.audience)}, {"appid", claims.application},  {"oid", claims.object},         {"tid", claims.tenant},
        {"roles", joined(claims.roles)},  {"scp", joined(claims.scopes)}, {"exp", timeOf(claims.expires)}};
    for (const auto& [name, value] : rows)
        out << "  " << name << std::string(16 - std::string_view(name).size(), ' ') << (value.empty() ? "-" : value) << "\n";
}

void print(std::ostream& out, const Diagnosis& diagnosis) {
    out << "diagnosis: " << diagnosis.id << "\n  " << diagnosis.cause << "\n";
    for (const auto& line : diagnosis.fix) out << "    " << line << "\n";
}

std::string list(const std::vector<std::string>& items) {
    std::string text;
    for (const auto& item : items) text += (text.empty() ? "" : ", ") + jsonText(item);
    return "[" + text + "]";
}

std::string jsonOf(const Claims& claims) {
    Object object;
    object.raw("aud", list(claims.audience)).text("appid", claims.application).text("oid", claims.object).text("tid", claims.tenant);
    object.raw("roles", list(claims.roles)).raw("scp", list(claims.scopes)).raw("exp", claims.expires ? std::to_string(*claims.expires) : "null");
    return object.str();
}

/// All that is known but for the time.
Case factsOf(const plugin::Configuration& snapshot, const MailboxSettings& settings, const Seen& seen, const Steps& steps) {
    auto facts = caseOf(snapshot, settings, steps.failure().value_or(Error{plugin::Reaction::retryLater, Code::internalBug, {}}));
    if (seen.token) facts.claims = auth::diagnosis::claimsOf(seen.token->secret->reveal());
    if (seen.token) facts.clockOffset = seen.token->clockOffset;
    return facts;
}

void printClock(std::ostream& out, std::chrono::seconds offset) {
    if (auth::diagnosis::isWorthAWord(offset))
        out << "WARNING: the token endpoint's clock is " << auth::diagnosis::describeOffset(offset) << ": set this machine's (timedatectl)\n";
    else
        out << "the clocks of the token endpoint and of this machine agree"
            << (offset.count() == 0 ? "" : " to " + std::to_string(std::abs(offset.count())) + " s") << "\n";
}

struct Arguments {
    std::string mailbox;
    std::optional<std::string> denied{};
};

std::optional<Arguments> parse(const std::vector<std::string>& words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--denied" && i + 1 < words.size() && !arguments.denied)
            arguments.denied = words[++i];
        else if (!words[i].starts_with("-") && arguments.mailbox.empty())
            arguments.mailbox = words[i];
        else
            return std::nullopt;
    }
    return arguments.mailbox.empty() ? std::nullopt : std::optional(arguments);
}

/// What came of trying a mailbox that should stay closed.
struct Denied {
    std::string address;
    std::string result;  ///< "refused" (as it should be), "opened", "unknown"
    std::string text;
    int status = 0;
    std::optional<Diagnosis> diagnosis{};  ///< where it was opened
};

bool saysClosed(Code code) {
    static constexpr Code closed[] = {Code::mailboxSignInRefused, Code::mailboxAccess, Code::mailboxFolderMissing, Code::mailboxBasicRefused,
                                      Code::mailboxEwsForbidden};
    return std::find(std::begin(closed), std::end(closed), code) != std::end(closed);
}

Denied tryDenied(Command::Call& call, MailboxSettings settings, Case facts, bool opensItsOwn) {
    const auto address = facts.user;
    if (!opensItsOwn)
        return {address, "unknown", "whether " + address + " stays closed cannot be told while the credential does not open its own mailbox", 0};
    settings.session.user = address;
    const auto answer = wait(call, tryToOpen(call.host, std::move(settings)));
    const auto error = answer ? *answer : std::optional<Error>(answer.error());
    if (!error) return {address, "opened", "this credential opens " + address + " too", exits::noPerm, auth::diagnosis::opensTooMuch(facts)};
    if (saysClosed(error->code))
        return {address, "refused", address + " stays closed to this credential, as it should: " + plugin::codeName(error->code) + " " + error->what,
                0};
    return {address, "unknown", "whether " + address + " stays closed cannot be told: " + plugin::describe(*error), plugin::exitStatus(*error)};
}

std::string jsonOf(const Denied& denied) {
    Object object;
    object.text("address", denied.address).text("result", denied.result).text("text", denied.text);
    return object.raw("diagnosis", denied.diagnosis ? jsonOf(*denied.diagnosis) : "null").str();
}

std::string moreJson(const Case& facts, const std::optional<Diagnosis>& diagnosis, const std::optional<Denied>& denied) {
    const auto orNull = [](const auto& value) { return value ? jsonOf(*value) : std::string("null"); };
    return ", \"claims\": " + orNull(facts.claims) + ", \"diagnosis\": " + orNull(diagnosis) + ", \"denied\": " + orNull(denied) +
           ", \"clock_offset_seconds\": " + (facts.clockOffset ? std::to_string(facts.clockOffset->count()) : "null");
}

struct Course {
    bool token;   ///< one was had
    bool failed;  ///< a step
};

void print(std::ostream& out, const Case& facts, Course course, const std::optional<Diagnosis>& diagnosis, const std::optional<Denied>& denied) {
    if (facts.claims) print(out, *facts.claims);
    if (!facts.claims && course.token) out << "the token is opaque: what it is for cannot be seen\n";
    if (facts.clockOffset) printClock(out, *facts.clockOffset);
    if (diagnosis) print(out, *diagnosis);
    if (course.failed && !diagnosis) out << "no better cause is known than the failed step says\n";
    if (!course.failed) out << "the mailbox is in order\n";
    if (denied) out << (denied->result == "opened" ? "WARNING: " : "") << denied->text << "\n";
    if (denied && denied->diagnosis) print(out, *denied->diagnosis);
}

}  // namespace

int runDoctor(Command::Call& call) {
    const auto arguments = parse(call.arguments);
    if (!arguments) {
        call.error << "postern: doctor wants a mailbox of the configuration, and with --denied the address of one that must stay closed\n";
        return exits::usage;
    }
    auto& host = call.host;
    const auto snapshot = host.configuration();
    const auto known = snapshot->aliases("mailbox");
    if (std::find(known.begin(), known.end(), arguments->mailbox) == known.end()) {
        call.error << "postern: there is no mailbox " << arguments->mailbox << " in the configuration\n";
        return exits::config;
    }
    const auto settings = mailboxSettings(*snapshot, arguments->mailbox);
    const auto credential = auth::credential(*snapshot, settings.session.credential);
    if (arguments->denied && credential && !credential->username.empty()) {
        call.error << "postern: credential " << settings.session.credential
                   << " signs in as its own user: it opens that user's mailbox, whatever is asked\n";
        return exits::usage;
    }

    Steps steps("mailbox", arguments->mailbox, host.clock(), call.json ? nullptr : &call.out);
    Seen seen;
    if (const auto done = wait(call, checkMailbox(host, settings, steps, seen)); !done) steps.failed("program", done.error());
    auto facts = factsOf(*snapshot, settings, seen, steps);
    facts.now = std::chrono::duration_cast<std::chrono::seconds>(host.clock().wall().time_since_epoch()).count();
    const auto diagnosis = steps.failure() ? auth::diagnosis::diagnose(facts) : std::nullopt;
    std::optional<Denied> denied;
    if (arguments->denied) {
        auto other = facts;
        other.user = *arguments->denied;
        denied = tryDenied(call, settings, std::move(other), !steps.failure().has_value());
    }
    const int status = worseStatus(steps.status(), denied ? denied->status : 0);
    if (call.json)
        call.out << steps.json(moreJson(facts, diagnosis, denied)) << "\n";
    else
        print(call.out, facts, {static_cast<bool>(seen.token), steps.failure().has_value()}, diagnosis, denied);
    return status;
}

}  // namespace listener
