#include "auth/login/callback_desk.h"

#include "auth/login/redirect.h"
#include "auth/sealing.h"
#include "auth/token/grant_store.h"
#include "plugin/contract/database.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/text.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <span>
#include <stdexcept>
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

std::int64_t stored(Wall time) { return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count(); }

/// What is stored of a state: who reads the table cannot answer in anybody's name.
std::string hashOf(std::string_view state) {
    const auto named = SecretBuilder(32 + state.size()).add("postern-callback-1").add(state).finish();
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(named.reveal().data(), named.reveal().size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL cannot make a digest");
    return plugin::hexText(std::span(digest).first(size));
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
    auto writing = parts_.database.write([hash = hashOf(state), until = stored(until), now = stored(parts_.clock.wall())](Transaction& transaction) {
        return insert(transaction, hash, until, now);
    });
    co_return co_await writing;
}

Task<Result<std::optional<Secret>>> CallbackDesk::look(std::string state) {
    const auto hash = hashOf(state);
    auto sealed = std::make_shared<std::string>();
    auto reading = parts_.database.read([hash, sealed](Transaction& transaction) -> Result<void> {
        auto& select = transaction.prepare("SELECT answer FROM auth_callback WHERE state_hash = ? AND answer IS NOT NULL");
        if (!select.bind(0, hash).step()) return {};
        const auto bytes = select.blob(0);
        sealed->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return {};
    });
    if (auto read = co_await reading; !read) co_return read.error();
    if (sealed->empty()) co_return std::optional<Secret>{};
    auto& loop = co_await plugin::thisLoop();
    auto opening = plugin::offload(
        loop, [this, hash, sealed] { return parts_.sealer.open(*sealed, boundTo(hash), "the answer the browser has brought to the admin port"); });
    auto opened = co_await opening;
    if (!opened) co_return opened.error();
    co_return std::optional<Secret>(std::move(*opened));
}

Task<Result<void>> CallbackDesk::clearAway() {
    auto writing = parts_.database.write([now = stored(parts_.clock.wall())](Transaction& transaction) -> Result<void> {
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
    const auto now = stored(parts_.clock.wall());
    auto awaited = std::make_shared<bool>(false);
    auto reading = parts_.database.read([hash, now, awaited](Transaction& transaction) -> Result<void> {
        *awaited = isAwaited(transaction, hash, now);
        return {};
    });
    if (auto read = co_await reading; !read) co_return read.error();
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
    const auto bytes = std::make_shared<const std::string>(std::move(*sealed));
    auto writing = parts_.database.write([hash, now, awaited, bytes](Transaction& transaction) -> Result<void> {
        clear(transaction, now);
        *awaited = isAwaited(transaction, hash, now);  // of two that come at once, one
        if (!*awaited) return {};
        transaction.prepare("UPDATE auth_callback SET answer = ? WHERE state_hash = ?")
            .bindBlob(0, {reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size()})
            .bind(1, hash)
            .run();
        return {};
    });
    if (auto written = co_await writing; !written) co_return written.error();
    co_return *awaited;
}

}  // namespace auth::login
