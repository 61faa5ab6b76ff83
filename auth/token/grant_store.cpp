#include "auth/token/grant_store.h"

#include "auth/digest.h"
#include "auth/sealing.h"
#include "auth/stored_form.h"
#include "auth/token/credential.h"
#include "plugin/contract/asking.h"
#include "plugin/contract/database.h"
#include "plugin/contract/loop.h"

#include <memory>
#include <span>
#include <stdexcept>
#include <utility>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Transaction;

namespace {

/// A row as it stands: the tokens sealed, empty where there are none.
struct Row {
    std::int64_t version = 0;
    bool forgotten = true;
    StoredGrant grant{};
    std::string refreshToken{}, accessToken{};
};

Row rowOf(Transaction& transaction, const std::string& credential) {
    auto& select = transaction.prepare(
        "SELECT version, fingerprint, obtained_by, refresh_token, access_token, token_type, asked_scopes, granted_scopes, obtained_at, expires_at, "
        "account FROM auth_grant WHERE credential = ?");
    Row row;
    if (!select.bind(0, credential).step()) return row;
    row.version = select.integer(0);
    row.grant.credential = credential;
    row.grant.version = row.version;
    row.grant.fingerprint = select.text(1);
    row.grant.by = select.text(2);
    row.forgotten = row.grant.by.empty();
    row.refreshToken = stored::octets(select.blob(3));
    row.accessToken = stored::octets(select.blob(4));
    row.grant.tokenType = select.text(5);
    row.grant.askedScopes = select.text(6);
    row.grant.grantedScopes = select.text(7);
    row.grant.obtainedAt = stored::time(select.integer(8));
    if (!select.isNull(9)) row.grant.expiresAt = stored::time(select.integer(9));
    row.grant.account = select.text(10);
    return row;
}

std::string boundTo(const std::string& credential, std::string_view column) { return "auth_grant/" + credential + "/" + std::string(column); }
std::string called(const std::string& credential, std::string_view column) { return "the " + std::string(column) + " of credential " + credential; }

/// What goes into a row, sealed.
struct Sealed {
    StoredGrant grant;
    std::string refreshToken{}, accessToken{};
};

void write(Transaction& transaction, const Sealed& sealed, std::int64_t version) {
    const auto& grant = sealed.grant;
    auto& insert = transaction.prepare(
        "INSERT INTO auth_grant (credential, version, fingerprint, obtained_by, refresh_token, access_token, token_type, asked_scopes, "
        "granted_scopes, obtained_at, expires_at, account) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (credential) DO UPDATE SET "
        "version = excluded.version, fingerprint = excluded.fingerprint, obtained_by = excluded.obtained_by, refresh_token = "
        "excluded.refresh_token, access_token = excluded.access_token, token_type = excluded.token_type, asked_scopes = excluded.asked_scopes, "
        "granted_scopes = excluded.granted_scopes, obtained_at = excluded.obtained_at, expires_at = excluded.expires_at, account = "
        "excluded.account");
    const auto token = [&](int parameter, const std::string& bytes) {
        if (bytes.empty())
            insert.bindNull(parameter);
        else
            insert.bindBlob(parameter, stored::blob(bytes));
    };
    insert.bind(0, grant.credential).bind(1, version).bind(2, grant.fingerprint).bind(3, grant.by);
    token(4, sealed.refreshToken);
    token(5, sealed.accessToken);
    insert.bind(6, grant.tokenType).bind(7, grant.askedScopes).bind(8, grant.grantedScopes).bind(9, stored::time(grant.obtainedAt));
    if (grant.expiresAt)
        insert.bind(10, stored::time(*grant.expiresAt));
    else
        insert.bindNull(10);
    insert.bind(11, grant.account).run();
}

class SealedGrantStore final : public GrantStore {
public:
    SealedGrantStore(plugin::Database& database, Sealer& sealer) : database_(database), sealer_(sealer) {}

    Task<Result<std::optional<StoredGrant>>> find(std::string credential) override {
        auto reading =
            plugin::ask<Row>(database_, &plugin::Database::read, [credential](Transaction& transaction) { return rowOf(transaction, credential); });
        auto read = co_await reading;
        if (!read) co_return read.error();
        if (read->forgotten) co_return std::optional<StoredGrant>{};
        const auto row = std::make_shared<Row>(std::move(*read));
        auto& loop = co_await plugin::thisLoop();
        auto opening = plugin::offload(loop, [this, row] { return opened(*row); });
        auto done = co_await opening;
        if (!done) co_return done.error();
        co_return std::optional<StoredGrant>(std::move(row->grant));
    }

    Task<Result<std::int64_t>> keep(StoredGrant grant, std::int64_t expected) override {
        if (grant.by.empty()) throw std::logic_error("a grant is kept that nothing has brought");
        auto& loop = co_await plugin::thisLoop();
        auto sealed = std::make_shared<Sealed>(Sealed{std::move(grant), {}, {}});
        auto looking = holdsSealed();
        auto before = co_await looking;
        if (!before) co_return before.error();
        auto sealing = plugin::offload(loop, [this, sealed, mayMake = !*before] { return seal(*sealed, mayMake); });
        auto done = co_await sealing;
        if (!done) co_return done.error();

        auto keeping = [sealed, expected](Transaction& transaction) -> Result<std::int64_t> {
            const auto& name = sealed->grant.credential;
            const auto row = rowOf(transaction, name);
            if ((row.forgotten ? 0 : row.version) != expected)
                return Error{Reaction::retryLater, Code::storeChanged, "the grant of credential " + name + " was changed by another process"};
            const auto mine = sealedWith(sealed->refreshToken), theirs = sealedWith(row.refreshToken);
            if (mine && theirs && *mine != *theirs)
                return Error{Reaction::askOperator, Code::storeSealed,
                             called(name, "refresh_token") + " was sealed with the key " + *theirs + "; the key in use is " + *mine};
            write(transaction, *sealed, row.version + 1);
            return row.version + 1;
        };
        auto writing = plugin::ask<std::int64_t>(database_, &plugin::Database::write, std::move(keeping));
        co_return co_await writing;
    }

    Task<Result<void>> canKeep(std::string credential) override {
        auto& loop = co_await plugin::thisLoop();
        auto looking = holdsSealed();
        auto before = co_await looking;
        if (!before) co_return before.error();
        auto trying = plugin::offload(loop, [this, credential, mayMake = !*before]() -> Result<void> {
            const auto sealed = sealer_.seal("trial", boundTo(credential, "trial"), mayMake);
            if (!sealed) return sealed.error();
            return {};
        });
        co_return co_await trying;
    }

    Task<Result<void>> forget(std::string credential) override {
        auto writing = database_.write([credential](Transaction& transaction) -> Result<void> {
            transaction
                .prepare(
                    "UPDATE auth_grant SET version = version + 1, fingerprint = '', obtained_by = '', refresh_token = NULL, access_token = "
                    "NULL, token_type = '', asked_scopes = '', granted_scopes = '', obtained_at = 0, expires_at = NULL, account = '' "
                    "WHERE credential = ? AND obtained_by <> ''")
                .bind(0, credential)
                .run();
            return {};
        });
        co_return co_await writing;
    }

    Task<Result<std::int64_t>> version(std::string credential) override {
        auto reading = plugin::ask<std::int64_t>(database_, &plugin::Database::read, [credential](Transaction& transaction) {
            auto& select = transaction.prepare("SELECT version FROM auth_grant WHERE credential = ?");
            return select.bind(0, credential).step() ? select.integer(0) : 0;
        });
        co_return co_await reading;
    }

    Task<Result<bool>> holdsSealed() override {
        auto reading = plugin::ask<bool>(database_, &plugin::Database::read, [](Transaction& transaction) {
            return transaction.prepare("SELECT 1 FROM auth_grant WHERE coalesce(refresh_token, access_token) IS NOT NULL LIMIT 1").step();
        });
        co_return co_await reading;
    }

private:
    Result<void> opened(Row& row) {
        const auto open = [&](const std::string& sealed, std::string_view column, Secret& into) -> Result<void> {
            if (sealed.empty()) return {};
            auto plain = sealer_.open(sealed, boundTo(row.grant.credential, column), called(row.grant.credential, column));
            if (!plain) return plain.error();
            into = std::move(*plain);
            return {};
        };
        if (auto refresh = open(row.refreshToken, "refresh_token", row.grant.refreshToken); !refresh) return refresh;
        return open(row.accessToken, "access_token", row.grant.accessToken);
    }
    Result<void> seal(Sealed& into, bool mayMake) {
        const auto sealOne = [&](const Secret& plain, std::string_view column, std::string& sealed) -> Result<void> {
            if (plain.empty()) return {};
            auto done = sealer_.seal(plain.reveal(), boundTo(into.grant.credential, column), mayMake);
            if (!done) return done.error();
            sealed = std::move(*done);
            return {};
        };
        if (auto refresh = sealOne(into.grant.refreshToken, "refresh_token", into.refreshToken); !refresh) return refresh;
        return sealOne(into.grant.accessToken, "access_token", into.accessToken);
    }

    plugin::Database& database_;
    Sealer& sealer_;
};

}  // namespace

Task<Result<void>> GrantStore::canKeep([[maybe_unused]] std::string credential) { co_return Result<void>{}; }
Task<Result<std::int64_t>> GrantStore::version(std::string credential) {
    auto finding = find(std::move(credential));
    auto found = co_await finding;
    if (!found) co_return found.error();
    co_return *found ? (**found).version : std::int64_t{0};
}

Task<Result<bool>> GrantStore::holdsSealed() { co_return false; }

std::unique_ptr<GrantStore> makeGrantStore(plugin::Database& database, Sealer& sealer) {
    return std::make_unique<SealedGrantStore>(database, sealer);
}

std::string grantFingerprint(const Credential& credential) {
    std::string text = "postern-grant-1";
    for (const auto* part : {&credential.tokenEndpoint, &credential.clientId}) text.append(1, '\0').append(*part);
    return sha256Text(text);
}

}  // namespace auth
