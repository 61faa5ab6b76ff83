#include "listener/imap/after.h"

#include "listener/imap/folder.h"
#include "listener/imap/listing.h"
#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <algorithm>

namespace listener::imap {

using plugin::Code;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t messagesAtOnce = 1'000;
constexpr std::size_t setOctets = 4'000;  ///< half of what RFC 2683 section 3.2.1.5 lets servers take in one line

std::vector<std::string> printedSets(std::span<const std::uint64_t> ordinals) {
    std::vector<std::string> sets;
    for (const auto piece : commandSizes(ordinals, messagesAtOnce, setOctets)) sets.push_back(UidSet{piece}.print());
    return sets;
}

Task<Result<void>> addFlag(Session& session, std::vector<std::uint64_t> ordinals, std::string_view flag, std::stop_token stop) {
    for (const auto& set : printedSets(ordinals)) {
        auto command = session.begin("UID STORE", setOctets);
        command.word(set).word("+FLAGS.SILENT").word(flag).end();
        const auto status = co_await session.require(std::move(command), nullptr, "UID STORE", stop);
        if (!status) co_return status.error();
    }
    co_return Result<void>{};
}

Task<Result<void>> removeThem(Session& session, std::vector<std::uint64_t> ordinals, std::stop_token stop) {
    if (ordinals.empty()) co_return Result<void>{};
    const auto marked = co_await addFlag(session, ordinals, "(\\Deleted)", stop);
    if (!marked) co_return marked.error();
    if (!session.has("UIDPLUS")) {
        if (!std::exchange(session.warnedOfUidplus, true))
            session.log().warning("listener.imap", "the server has no UIDPLUS: messages are marked as deleted, somebody else has to expunge them",
                                  {{"mailbox", session.settings().alias}, {"host", session.settings().target.host}});
        co_return Result<void>{};
    }
    for (const auto& set : printedSets(ordinals)) {
        auto command = session.begin("UID EXPUNGE", setOctets);
        command.word(set).end();
        const auto status = co_await session.require(std::move(command), nullptr, "UID EXPUNGE", stop);
        if (!status) co_return status.error();
    }
    co_return Result<void>{};
}

/// "UID MOVE" or "UID COPY" of one set into a folder. Answers the UIDs the server says it took (COPYUID); empty where it says nothing.
class Transfer {
public:
    Transfer(Session& session, std::string verb, std::string target, std::string wire)
        : session_(session), verb_(std::move(verb)), target_(std::move(target)), wire_(std::move(wire)) {}

    Task<Result<UidSet>> run(std::string set, std::stop_token stop) {
        for (;;) {
            UidSet took;
            const Taker taker = [&took](Response& response) -> Result<void> {
                if (auto* status = std::get_if<Status>(&response); status != nullptr && status->code.is("COPYUID"))
                    took = std::move(status->code.source);
                return {};
            };
            auto command = session_.begin(verb_, setOctets + wire_.size() * 2);
            command.word(set).string(wire_).end();
            auto status = co_await session_.run(std::move(command), &taker, stop);
            if (!status) co_return status.error();
            if (status->condition == Condition::ok) {
                if (status->code.is("COPYUID")) took = std::move(status->code.source);
                co_return std::move(took);
            }
            auto again = co_await mend(*status, set, stop);
            if (!again) co_return again.error();
            if (*again == Next::nothingLeft) co_return UidSet{};
        }
    }

private:
    enum class Next { again, nothingLeft };

    /// Why it was refused, and whether another attempt makes sense.
    Task<Result<Next>> mend(const Status& status, std::string set, std::stop_token stop) {
        const auto during = verb_ + " to \"" + plugin::printable(target_) + "\"";
        const auto error = refusal(status, session_.peer(), during);
        if (error.code != Code::mailboxCommandRefused || status.condition != Condition::no) co_return error;
        auto criteria = "UID " + set;
        const auto there = co_await search(session_, std::move(criteria), stop);  // some servers refuse a set of which nothing is left
        if (!there) co_return there.error();
        if (there->empty()) co_return Next::nothingLeft;
        if (status.code.is("EXPUNGEISSUED") && !std::exchange(repeated_, true)) co_return Next::again;
        if (created_) co_return error;
        if (!saysMissing(status)) {
            const auto exists = co_await folderExists(session_, wire_, stop);
            if (!exists) co_return exists.error();
            if (*exists) co_return error;
        }
        created_ = true;
        const auto made = co_await createFolder(session_, target_, wire_, stop);
        if (!made) co_return made.error();
        co_return Next::again;
    }

    Session& session_;
    std::string verb_, target_, wire_;
    bool created_ = false;
    bool repeated_ = false;
};

/// Of `asked`, those the server says it copied; all where it said nothing. What it left out is gone, or must not be removed.
std::vector<std::uint64_t> reallyCopied(std::span<const std::uint64_t> asked, const UidSet& took) {
    std::vector<std::uint64_t> out(asked.begin(), asked.end());
    if (!took.empty()) std::erase_if(out, [&took](std::uint64_t uid) { return !took.contains(uid); });
    return out;
}

Task<Result<void>> moveThem(Session& session, const AfterRequest& request, const Copied& copied, std::stop_token stop) {
    const auto wire = wireNameOf(session, request.action.target);
    if (!wire) co_return wire.error();
    std::vector<std::uint64_t> here;
    std::set_difference(request.ordinals.begin(), request.ordinals.end(), request.copied.begin(), request.copied.end(), std::back_inserter(here));
    const bool atOnce = session.has("MOVE");
    Transfer transfer{session, atOnce ? "UID MOVE" : "UID COPY", request.action.target, *wire};
    const auto pieces = commandSizes(here, messagesAtOnce, setOctets);
    for (const auto piece : pieces) {
        auto set = UidSet{piece}.print();
        const auto took = co_await transfer.run(std::move(set), stop);
        if (!took) co_return took.error();
        if (atOnce) continue;
        auto done = reallyCopied(piece, *took);
        auto removable = done;
        const auto recorded = co_await copied(std::move(done));
        if (!recorded) co_return recorded.error();
        const auto removed = co_await removeThem(session, std::move(removable), stop);
        if (!removed) co_return removed.error();
    }
    auto rest = request.copied;
    co_return co_await removeThem(session, std::move(rest), stop);
}

}  // namespace

Task<Result<void>> carryOut(Session& session, AfterRequest request, Copied copied, std::stop_token stop) {
    if (request.ordinals.empty()) co_return Result<void>{};
    std::sort(request.copied.begin(), request.copied.end());
    const auto kind = request.action.kind;
    if (kind == AfterAction::Kind::seen || kind == AfterAction::Kind::seenAndMove) {
        const auto seen = co_await addFlag(session, request.ordinals, "(\\Seen)", stop);
        if (!seen) co_return seen.error();
    }
    switch (kind) {
        case AfterAction::Kind::leave:
        case AfterAction::Kind::seen:
            break;
        case AfterAction::Kind::remove: {
            auto all = request.ordinals;
            co_return co_await removeThem(session, std::move(all), stop);
        }
        case AfterAction::Kind::move:
        case AfterAction::Kind::seenAndMove:
            co_return co_await moveThem(session, request, copied, stop);
    }
    co_return Result<void>{};
}

}  // namespace listener::imap
