#include "plugin/store/sqlite_error.h"

#include "plugin/contract/database.h"

#include <sqlite3.h>

#include <cerrno>
#include <system_error>

namespace plugin::sqlite {
namespace {

std::string sentence(const std::string& path, std::string_view text, int systemError) {
    std::string what = path + ": ";
    what += text;
    if (systemError != 0) what += " (" + std::generic_category().message(systemError) + ")";
    return what;
}

bool noSpace(int systemError) { return systemError == ENOSPC || systemError == EDQUOT; }
bool noDescriptors(int systemError) { return systemError == EMFILE || systemError == ENFILE; }

}  // namespace

Error errorOf(int code, int systemError, const std::string& path, std::string_view text) {
    const int primary = code & 0xff;
    if (primary == SQLITE_FULL || noSpace(systemError)) return {Reaction::retryLater, Code::storeDiskFull, sentence(path, text, systemError)};
    if (noDescriptors(systemError)) return {Reaction::retryLater, Code::storeUnavailable, sentence(path, text, systemError)};
    switch (primary) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {Reaction::askOperator, Code::storeDamaged, sentence(path, text, 0)};
        case SQLITE_IOERR:
            if (code == SQLITE_IOERR_CORRUPTFS) return {Reaction::askOperator, Code::storeDamaged, sentence(path, text, systemError)};
            return {Reaction::retryLater, Code::storeUnavailable, sentence(path, text, systemError)};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
            return {Reaction::retryLater, Code::storeUnavailable, sentence(path, "another process has kept the database locked for too long", 0)};
        case SQLITE_NOMEM:
            return {Reaction::retryLater, Code::storeUnavailable, sentence(path, text, systemError)};
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_READONLY:
        case SQLITE_AUTH:
            return {Reaction::askOperator, Code::storeUnavailable, sentence(path, text, systemError)};
        default:  // misuse, a constraint, SQL that does not fit the schema
            throw std::logic_error("SQLite, " + sentence(path, text, systemError));
    }
}

void raise(sqlite3* connection, int code, const std::string& path) {
    if (connection == nullptr) throw StoreError(errorOf(code, 0, path, sqlite3_errstr(code)));
    // Errors of other kinds leave an errno of long ago behind.
    const int primary = code & 0xff;
    const bool fromSystem = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN;
    throw StoreError(errorOf(code, fromSystem ? sqlite3_system_errno(connection) : 0, path, sqlite3_errmsg(connection)));
}

}  // namespace plugin::sqlite
