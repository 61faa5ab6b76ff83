#include "auth/login/callback_desk.h"

#include "auth/digest.h"
#include "auth/login/redirect.h"
#include "auth/sealing.h"
#include "auth/stored_form.h"
#include "auth/token/grant_store.h"
#include "plugin/contract/asking.h"
#include "plugin/contract/database.h"
#include "plugin/contract/loop.h"

#include <memory>
#include <utility>

namespace auth::login {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Transaction;
using plugin::Wall;

namespace {

/// What is stored of a state: who reads the table cannot answer in anybody's name.
std::string hashOf(std::string_view state) {
    const auto named = SecretBuilder(32 + state.size()).add("postern-callback-1").add(state).finish();
    return sha256Text(named.reveal());
}

std::string boundTo(const std::string& hash) { return "auth_callback/" + hash; }

bool isAwaited(Transaction& transaction, const std::string& hash, std::int64_t now) {
    auto& select = transaction.prepare("SELECT 1 FROM auth_callback WHERE state_hash = ? AND answer IS NULL AND expires_at > ?");
    return select.bind(0, hash).bind(1, now).step();
}

void clear(Transaction& transaction, std::int64_t now) { transaction.prepare("DELETE FROM auth_callback WHERE expires_at <= ?").bind(0, now).run(); }

Result<void> insert(Transaction& transaction, const std::string& hash, std::int64_t until, std::int64_t now) {
    clear(transaction, now);
    auto& count = transaction.prepare("SELECT count(*) FROM auth_callback");
    count.step();
    if (count.integer(0) >= CallbackDesk::mostAtATime)
        return Error{Reaction::retryLater, Code::tokenSignInAbandoned,
                     "too many sign-ins wait for an answer at the admin port; each is forgotten when its time is over"};
    transaction.prepare("INSERT INTO auth_callback (state_hash, expires_at) VALUES (?, ?)").bind(0, hash).bind(1, until).run();
    return {};
}

}  // namespace

std::string callbackUri(const plugin::Configuration& configuration) {
    auto url = configuration.text("admin.public_url");
    if (url.empty()) return {};
    while (url.ends_with('/')) url.pop_back();
    return url + "/oauth-callback";
}

Task<Result<void>> CallbackDesk::expect(std::string state, Wall until) {
    auto writing = parts_.database.write([hash = hashOf(state), until = stored::time(until), now = stored::time(parts_.clock.wall())](
                                             Transaction& transaction) { return insert(transaction, hash, until, now); });
    co_return co_await writing;
}

Task<Result<std::optional<Secret>>> CallbackDesk::look(std::string state) {
    const auto hash = hashOf(state);
    auto reading = plugin::ask<std::string>(parts_.database, &plugin::Database::read, [hash](Transaction& transaction) {
        auto& select = transaction.prepare("SELECT answer FROM auth_callback WHERE state_hash = ? AND answer IS NOT NULL");
        return select.bind(0, hash).step() ? std::string(stored::octets(select.blob(0))) : std::string{};
    });
    auto sealed = co_await reading;
    if (!sealed) co_return sealed.error();
    if (sealed->empty()) co_return std::optional<Secret>{};
    auto& loop = co_await plugin::thisLoop();
    auto opening = plugin::offload(loop, [this, hash, sealed = std::move(*sealed)] {
        return parts_.sealer.open(sealed, boundTo(hash), "the answer the browser has brought to the admin port");
    });
    auto opened = co_await opening;
    if (!opened) co_return opened.error();
    co_return std::optional<Secret>(std::move(*opened));
}

Task<Result<void>> CallbackDesk::clearAway() {
    auto writing = parts_.database.write([now = stored::time(parts_.clock.wall())](Transaction& transaction) -> Result<void> {
        clear(transaction, now);
        return {};
    });
    co_return co_await writing;
}

Task<Result<void>> CallbackDesk::forget(std::string state) {
    auto writing = parts_.database.write([hash = hashOf(state)](Transaction& transaction) -> Result<void> {
        transaction.prepare("DELETE FROM auth_callback WHERE state_hash = ?").bind(0, hash).run();
        return {};
    });
    co_return co_await writing;
}

Task<Result<bool>> CallbackDesk::bring(Secret query) {
    const auto redirect = parseRedirect(query.reveal());
    if (!redirect || redirect->state.empty()) co_return false;
    const auto hash = hashOf(redirect->state);
    const auto now = stored::time(parts_.clock.wall());
    auto reading = plugin::ask<bool>(parts_.database, &plugin::Database::read,
                                     [hash, now](Transaction& transaction) { return isAwaited(transaction, hash, now); });
    const auto awaited = co_await reading;
    if (!awaited) co_return awaited.error();
    if (!*awaited) co_return false;

    auto& loop = co_await plugin::thisLoop();
    auto holding = parts_.grants.holdsSealed();
    auto before = co_await holding;
    if (!before) co_return before.error();
    const auto plain = std::make_shared<const Secret>(std::move(query));
    auto sealing =
        plugin::offload(loop, [this, plain, hash, mayMake = !*before] { return parts_.sealer.seal(plain->reveal(), boundTo(hash), mayMake); });
    auto sealed = co_await sealing;
    if (!sealed) co_return sealed.error();
    auto writing = plugin::ask<bool>(parts_.database, &plugin::Database::write, [hash, now, bytes = std::move(*sealed)](Transaction& transaction) {
        clear(transaction, now);
        if (!isAwaited(transaction, hash, now)) return false;  // of two that come at once, one
        transaction.prepare("UPDATE auth_callback SET answer = ? WHERE state_hash = ?").bindBlob(0, stored::blob(bytes)).bind(1, hash).run();
        return true;
    });
    co_return co_await writing;
}

}  // namespace auth::login
