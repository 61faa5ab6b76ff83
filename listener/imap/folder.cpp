#include "listener/imap/folder.h"

#include "listener/imap/lexer.h"
#include "listener/imap/listing.h"
#include "listener/imap/refusal.h"
#include "plugin/contract/log.h"

#include <algorithm>

namespace listener::imap {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

Error missingFolder(const Session& session, const std::string& folder, const std::string& why) {
    const auto& peer = session.settings().target;
    return {Reaction::askOperator, Code::mailboxFolderMissing,
            peer.host + ":" + std::to_string(peer.port) + ": folder \"" + plugin::printable(folder) + "\": " + why};
}

/// Not every server says all in SELECT; some say it in STATUS, and the highest UID can always be searched for.
Task<Result<void>> askMissing(Session& session, std::string wire, Told& told, std::stop_token stop) {
    if (told.validity && told.next) co_return Result<void>{};
    const Taker taker = [&told, &wire](Response& response) -> Result<void> {
        told.take(wire, response);
        return {};
    };
    auto command = session.begin("STATUS");
    command.string(wire).word("(MESSAGES UIDNEXT UIDVALIDITY)").end();
    const auto status = co_await session.run(std::move(command), &taker, stop);
    if (!status) co_return status.error();
    if (status->condition != Condition::ok) {
        const auto error = refusal(*status, session.peer(), "STATUS");
        if (error.code != Code::mailboxCommandRefused) co_return error;
    }
    if (!told.next) {
        std::string last = "UID *";
        const auto highest = co_await search(session, std::move(last), stop);
        if (!highest) co_return highest.error();
        told.next = highest->empty() ? 1 : std::uint64_t{highest->ranges().back().last} + 1;
    }
    co_return Result<void>{};
}

}  // namespace

void Told::take(const std::string& wire, const Response& response) {
    if (const auto* counted = std::get_if<Exists>(&response)) exists = counted->count;
    if (const auto* status = std::get_if<Status>(&response); status != nullptr && status->condition == Condition::ok) {
        if (status->code.is("UIDVALIDITY")) validity = status->code.number;
        if (status->code.is("UIDNEXT")) next = status->code.number;
    }
    if (const auto* status = std::get_if<MailboxStatus>(&response); status != nullptr && sameFolder(status->name, wire)) {
        if (!validity) validity = status->uidValidity;
        if (!next) next = status->uidNext;
        if (!exists) exists = status->messages;
    }
}

Result<std::string> wireNameOf(const Session& session, const std::string& folder) {
    if (const auto odd = session.oddNames.find(folder); odd != session.oddNames.end()) return odd->second;
    auto wire = wireName(folder, session.naming);
    if (!wire)
        return missingFolder(session, folder, "no such name can exist on this server (not UTF-8, empty, or \"/\" where there are no sub-folders)");
    return std::move(*wire);
}

Task<Result<bool>> folderExists(Session& session, std::string wire, std::stop_token stop) {
    bool found = false;
    const Taker taker = [&found](Response& response) -> Result<void> {
        const auto* list = std::get_if<List>(&response);
        if (list == nullptr) return {};
        const auto& attributes = list->attributes;
        found = std::none_of(attributes.begin(), attributes.end(),
                             [](const auto& name) { return equalsIgnoreCase(name, "\\NonExistent") || equalsIgnoreCase(name, "\\Noselect"); });
        return {};
    };
    auto command = session.begin("LIST");
    command.string("").string(wire).end();
    const auto status = co_await session.require(std::move(command), &taker, "LIST", stop);
    if (!status) co_return status.error();
    co_return found;
}

Task<Result<void>> createFolder(Session& session, std::string folder, std::string wire, std::stop_token stop) {
    auto command = session.begin("CREATE");
    command.string(wire).end();
    const auto status = co_await session.run(std::move(command), nullptr, stop);
    if (!status) co_return status.error();
    if (status->condition == Condition::ok || status->code.is("ALREADYEXISTS")) co_return Result<void>{};
    const auto error = refusal(*status, session.peer(), "CREATE \"" + plugin::printable(folder) + "\"");
    if (error.code != Code::mailboxCommandRefused) co_return error;
    co_return missingFolder(session, folder, "it does not exist and cannot be created: " + error.what);
}

Task<Result<void>> selectFolder(Session& session, std::string folder, std::stop_token stop) {
    const auto wire = wireNameOf(session, folder);
    if (!wire) co_return wire.error();
    session.phase = Phase::signedIn;  // a SELECT that fails leaves no folder open (RFC 9051 section 6.3.2)
    session.folder = {};
    Told told;
    const Taker taker = [&told, &wire](Response& response) -> Result<void> {
        told.take(*wire, response);
        return {};
    };
    auto command = session.begin("SELECT");
    command.string(*wire).end();
    const auto status = co_await session.run(std::move(command), &taker, stop);
    if (!status) co_return status.error();
    if (status->condition != Condition::ok) {
        if (saysMissing(*status)) co_return missingFolder(session, folder, "the server does not know it: " + plugin::printable(status->text));
        const auto error = refusal(*status, session.peer(), "SELECT \"" + plugin::printable(folder) + "\"");
        if (error.code != Code::mailboxCommandRefused || status->condition != Condition::no) co_return error;
        const auto exists = co_await folderExists(session, *wire, stop);
        if (!exists) co_return exists.error();
        if (*exists) co_return error;
        co_return missingFolder(session, folder, "the server does not list it: " + plugin::printable(status->text));
    }
    session.folder.exists = told.exists.value_or(0);
    session.phase = Phase::selected;
    session.folder.validity = told.validity.value_or(0);
    const auto asked = co_await askMissing(session, *wire, told, stop);
    if (!asked) co_return asked.error();
    session.folder.name = std::move(folder);
    session.folder.validity = told.validity.value_or(0);
    session.folder.next = *told.next;
    co_return Result<void>{};
}

}  // namespace listener::imap
