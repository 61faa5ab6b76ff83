#include "plugin/store/schema.h"

#include <string>

namespace plugin::sqlite {
namespace {

constexpr std::int64_t applicationId = 0x506f7374;  // "Post"
constexpr std::int64_t formatVersion = 1;           // of host_migration and of what else is not a package's

[[noreturn]] void newer(const Connection& connection, const std::string& what) {
    throw StoreError({Reaction::askOperator, Code::storeNewer, connection.path() + ": " + what});
}

/// True: ours. False: empty.
bool isOurs(Connection& connection) {
    const auto id = connection.value("PRAGMA application_id");
    if (id == applicationId) {
        const auto version = connection.value("PRAGMA user_version");
        if (version > formatVersion)
            newer(connection, "its format is " + std::to_string(version) + ", this program knows formats up to " + std::to_string(formatVersion));
        return true;
    }
    if (id != 0 || connection.value("SELECT count(*) FROM sqlite_schema") != 0)
        throw StoreError({Reaction::askOperator, Code::storeUnavailable, connection.path() + ": the database belongs to another program"});
    return false;
}

/// The same in one look: another process may be making it ours.
bool isOursNow(Connection& connection) {
    connection.execute("BEGIN");
    try {
        const bool ours = isOurs(connection);
        connection.execute("COMMIT");
        return ours;
    } catch (...) {  // goes on to whoever asks
        connection.rollback();
        throw;
    }
}

std::int64_t appliedUpTo(Connection& connection, std::string_view owner) {
    auto& statement = connection.prepare("SELECT coalesce(max(number), 0) FROM host_migration WHERE owner = ?");
    statement.bind(0, owner).step();
    const auto number = statement.integer(0);
    connection.resetUsed();
    return number;
}

void refuseNewer(const Connection& connection, std::string_view owner, std::int64_t applied, std::int64_t known) {
    if (applied > known)
        newer(connection, "the tables of " + std::string(owner) + " are of version " + std::to_string(applied) +
                              ", this program knows them up to version " + std::to_string(known));
}

/// False: somebody has applied it meanwhile.
bool apply(Connection& connection, std::string_view owner, const Migration& migration) {
    connection.execute("BEGIN IMMEDIATE");
    const bool missing = appliedUpTo(connection, owner) < migration.number;
    if (missing) {
        connection.execute(migration.sql);
        connection.prepare("INSERT INTO host_migration (owner, number, applied) VALUES (?, ?, strftime('%s', 'now'))")
            .bind(0, owner)
            .bind(1, std::int64_t{migration.number})
            .run();
        connection.resetUsed();
    }
    connection.execute("COMMIT");
    return missing;
}

}  // namespace

bool identify(Connection& connection, bool look) {
    if (isOursNow(connection)) return false;
    if (look) return true;
    connection.execute("BEGIN IMMEDIATE");
    const bool empty = !isOurs(connection);  // another process may have been faster
    if (empty) {
        connection.execute(
            "CREATE TABLE host_migration (owner TEXT NOT NULL, number INTEGER NOT NULL, applied INTEGER NOT NULL, PRIMARY KEY (owner, number)) "
            "STRICT, WITHOUT ROWID");
        connection.execute("PRAGMA application_id = " + std::to_string(applicationId));
        connection.execute("PRAGMA user_version = " + std::to_string(formatVersion));
    }
    connection.execute("COMMIT");
    return empty;
}

void migrate(Connection& connection, std::string_view owner, const std::vector<Migration>& migrations, bool look) {
    int last = 0;
    for (const auto& migration : migrations) {
        if (migration.number <= last) throw std::logic_error("migrations of " + std::string(owner) + " are not in rising order");
        last = migration.number;
    }
    if (look && !isOursNow(connection)) {
        throw StoreError({Reaction::askOperator, Code::storeUnavailable, connection.path() + ": holds no data yet"});
    }
    const auto applied = appliedUpTo(connection, owner);
    refuseNewer(connection, owner, applied, last);
    if (look && applied < last)
        throw StoreError({Reaction::askOperator, Code::storeUnavailable,
                          connection.path() + ": was written by an older version; the running program brings it up to date"});
    for (const auto& migration : migrations)
        if (migration.number > applied) apply(connection, owner, migration);
    refuseNewer(connection, owner, appliedUpTo(connection, owner), last);
}

bool hasTablesOf(Connection& connection, std::string_view owner) { return isOursNow(connection) && appliedUpTo(connection, owner) > 0; }

}  // namespace plugin::sqlite
