#include "auth/token/token_history.h"

#include "auth/stored_form.h"
#include "plugin/contract/asking.h"

#include <memory>

namespace auth {

using plugin::Result;
using plugin::Task;
using plugin::Transaction;

namespace {

constexpr std::size_t longestCause = 400;

void insert(Transaction& transaction, const TokenResult& result) {
    auto& insert = transaction.prepare(
        "INSERT INTO auth_result (credential, at, obtained_by, code, cause, asked_scopes, granted_scopes, expires_at, refresh_token, second_secret) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    insert.bind(0, result.credential).bind(1, stored::time(result.at)).bind(2, result.by).bind(3, std::int64_t{result.code});
    insert.bind(4, std::string_view(result.cause).substr(0, longestCause)).bind(5, result.askedScopes).bind(6, result.grantedScopes);
    if (result.expiresAt)
        insert.bind(7, stored::time(*result.expiresAt));
    else
        insert.bindNull(7);
    insert.bind(8, std::int64_t{result.refreshToken}).bind(9, std::int64_t{result.secondSecret}).run();
}

TokenResult resultIn(const plugin::Statement& row) {
    TokenResult result;
    result.credential = row.text(0);
    result.at = stored::time(row.integer(1));
    result.by = row.text(2);
    result.code = static_cast<unsigned>(row.integer(3));
    result.cause = row.text(4);
    result.askedScopes = row.text(5);
    result.grantedScopes = row.text(6);
    if (!row.isNull(7)) result.expiresAt = stored::time(row.integer(7));
    result.refreshToken = row.integer(8) != 0;
    result.secondSecret = row.integer(9) != 0;
    return result;
}

}  // namespace

Task<Result<void>> noteResult(plugin::Database& database, TokenResult result) {
    auto shared = std::make_shared<TokenResult>(std::move(result));
    auto writing = database.write([shared](Transaction& transaction) -> Result<void> {
        insert(transaction, *shared);
        transaction
            .prepare(
                "DELETE FROM auth_result WHERE credential = ?1 AND id <= "
                "(SELECT id FROM auth_result WHERE credential = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)")
            .bind(0, shared->credential)
            .bind(1, std::int64_t{keptResults})
            .run();
        return {};
    });
    co_return co_await writing;
}

Task<Result<std::vector<TokenResult>>> resultsOf(plugin::Database& database, std::string credential) {
    auto reading = plugin::ask<std::vector<TokenResult>>(database, &plugin::Database::read, [credential](Transaction& transaction) {
        std::vector<TokenResult> found;
        auto& select = transaction.prepare(
            "SELECT credential, at, obtained_by, code, cause, asked_scopes, granted_scopes, expires_at, refresh_token, second_secret "
            "FROM auth_result WHERE ?1 = '' OR credential = ?1 ORDER BY credential, id DESC");
        select.bind(0, credential);
        while (select.step()) found.push_back(resultIn(select));
        return found;
    });
    co_return co_await reading;
}

}  // namespace auth
