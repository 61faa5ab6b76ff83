#include "auth/token/token_cache.h"

#include <algorithm>
#include <utility>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Steady;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds betweenLooks{1};    // at the store, for a sign-in by another process
constexpr std::chrono::seconds betweenForced{60};  // more often, and Entra sees a loop (AADSTS50196)

}  // namespace

/// After a reload the tokens of credentials that are not what they were go. A request for one that is under way answers those who wait for it.
void TokenCache::forgetChanged() {
    const auto now = configuration_.get();
    if (known_ == now) return;
    known_ = now;
    std::erase_if(entries_, [&](const auto& each) { return !each.first.starts_with(behind(*now, each.second.credential) + ' '); });
}

TokenCache::Entry& TokenCache::entryFor(const Want& want) {
    auto& entry = entries_[want.key];
    entry.credential = want.credential->name;
    return entry;
}

TokenCache::Entry* TokenCache::find(const Want& want) {
    const auto found = entries_.find(want.key);
    return found == entries_.end() ? nullptr : &found->second;
}

TokenCache::Next TokenCache::next(const Want& want, const std::function<std::shared_ptr<Flight>()>& begin, const std::optional<Stamps>& seen) {
    const auto now = clock_.steady();
    const std::lock_guard lock(mutex_);
    forgetChanged();
    auto& entry = entryFor(want);
    if (!entry.news() && entry.usable(entry.life.usableUntil, now)) {
        if (now >= entry.life.renewAt && now >= entry.notBefore && !entry.flight) entry.flight = begin();
        return {*entry.token, nullptr};
    }
    if (entry.flight) return {{}, entry.flight};
    if (!entry.news() && now < entry.notBefore) {
        if (entry.usable(entry.life.end, now)) return {*entry.token, nullptr};
        const bool refusal = entry.error->reaction == Reaction::askOperator;
        const bool file = anyStamp(want);
        if (refusal && file && !seen) return {};
        if (!refusal || !file || *seen == entry.stamps) {
            auto error = *entry.error;
            error.retryAfter = std::chrono::ceil<milliseconds>(entry.notBefore - now);
            return {error, nullptr};
        }
        entry.failures = 0;  // another secret: it has not failed yet
    }
    if (!entry.news() && entry.refused && entry.lastForced && now - *entry.lastForced < betweenForced) {
        Error error{Reaction::retryLater, Code::tokenRenewalTooSoon,
                    "credential " + want.credential->name + ": the token was renewed and refused again"};
        error.retryAfter = std::chrono::ceil<milliseconds>(*entry.lastForced + betweenForced - now);
        return {error, nullptr};
    }
    entry.flight = begin();
    return {{}, entry.flight};
}

bool TokenCache::refuse(const Want& want, const Token& token) {
    const std::lock_guard lock(mutex_);
    auto& entry = entryFor(want);
    if (!entry.token || entry.token->number != token.number) return false;
    return !std::exchange(entry.refused, true);
}

void TokenCache::giveUp(const Want& want) {
    const std::lock_guard lock(mutex_);
    if (auto* const entry = find(want)) entry->flight.reset();
}

bool TokenCache::prefersSecond(const Want& want, const Stamps& now) {
    const std::lock_guard lock(mutex_);
    const auto* const entry = find(want);
    return want.second && entry != nullptr && entry->second && entry->chosen == now;
}

void TokenCache::chose(const Want& want, const Stamps& now, bool second) {
    const std::lock_guard lock(mutex_);
    auto* const entry = find(want);
    if (entry == nullptr) return;
    entry->second = second;
    entry->chosen = now;
    entry->stamps = now;
}

bool TokenCache::looksAtStore(const Want& want) {
    const auto now = clock_.steady();
    const std::lock_guard lock(mutex_);
    forgetChanged();
    auto& entry = entryFor(want);
    if (entry.looked && now - *entry.looked < betweenLooks) return false;
    entry.looked = now;
    return true;
}

void TokenCache::noteStored(const Want& want, std::int64_t version) {
    const std::lock_guard lock(mutex_);
    if (auto* const entry = find(want)) entry->storeVersion = version;
}

StoredWish TokenCache::wishFor(const Want& want) {
    StoredWish wish{want.credential, want.scopes, want.ownScopes};
    const auto now = clock_.steady();
    const std::lock_guard lock(mutex_);
    const auto* const entry = find(want);
    if (entry == nullptr || !entry->token) return wish;
    wish.known = entry->version;
    if (entry->refused) wish.refused = entry->token->secret;
    if (entry->usable(entry->life.renewAt, now)) wish.holdsTokenOf = entry->account;
    return wish;
}

TokenCache::Landed TokenCache::land(const Want& want, Landing& landing) {
    auto& exchange = landing.exchange;
    auto& stored = landing.stored;
    const std::lock_guard lock(mutex_);
    Entry forgotten;  // the configuration has changed meanwhile
    auto* const found = find(want);
    auto& entry = found == nullptr ? forgotten : *found;
    entry.flight.reset();
    const auto before = entry.failures;
    if (stored) takeOver(entry, *stored);
    if (stored && stored->keepYours) {
        if (entry.token) return {.answer = *entry.token, .asBefore = true};
        exchange.outcome = Error{Reaction::retryLater, Code::storeChanged, "the configuration has changed meanwhile"};
    }
    if (stored && exchange.outcome) entry.account = stored->account;
    const bool came = static_cast<bool>(exchange.outcome);
    auto answer = came ? succeed(entry, exchange, !stored || stored->renewable) : fail(entry, want, exchange);
    return {.answer = std::move(answer), .error = came ? std::nullopt : entry.error, .failuresBefore = before};
}

/// What a look into the store brought beside a token.
void TokenCache::takeOver(Entry& entry, StoredAnswer& stored) {
    if (stored.nothing) entry.token.reset();  // it was forgotten
    entry.version = std::max({entry.version, stored.version, stored.nothing ? entry.storeVersion : 0});
    if (!stored.spare) return;
    auto spare = std::move(*stored.spare);
    static_cast<void>(succeed(entry, spare, true));  // it ends soon, but it serves until then
}

Result<Token> TokenCache::succeed(Entry& entry, TokenExchange& landing, bool renewable) {
    auto& grant = *landing.outcome;
    if (!renewable && !grant.expiresIn) grant.expiresIn = maxTokenLife;  // it serves until it is refused: there is no other way
    const auto life = grant.expiresIn.value_or(assumedLife);
    Token token;
    token.secret = std::make_shared<const Secret>(std::move(grant.accessToken));
    token.type = grant.type;
    token.expiresIn = grant.expiresIn;
    token.expiresAt = landing.requestedWall + life;
    token.grantedScopes = grant.scopes;
    if (!grant.refreshToken.empty()) token.refreshToken = std::make_shared<const Secret>(std::move(grant.refreshToken));
    token.number = ++lastNumber_;
    token.clockOffset = landing.clockOffset;
    token.secondSecret = landing.sent && entry.second;
    if (entry.refused && landing.sent) entry.lastForced = landing.requested;

    entry.token = token;
    entry.refused = false;
    entry.life = lifetimeOf(landing.requested, grant.expiresIn, grant.refreshIn, random_.fraction(), random_.fraction());
    if (!renewable) entry.life.renewAt = entry.life.usableUntil = entry.life.end;
    entry.failures = 0;
    entry.error.reset();
    entry.notBefore = Steady::min();
    return token;
}

Result<Token> TokenCache::fail(Entry& entry, const Want& want, TokenExchange& landing) {
    auto error = landing.outcome.error();
    error.what = "credential " + want.credential->name + (landing.sent ? ", " + want.endpoint : "") + ": " + error.what;
    const auto now = clock_.steady();
    if (landing.sent && error.code != Code::channelStopped) {
        const bool sameKind = entry.error && entry.error->reaction == error.reaction;
        entry.failures = sameKind ? entry.failures + 1 : 1;
        const auto wait = waitAfter(entry, error);
        entry.notBefore = now + wait;
        error.retryAfter = wait;
    }
    entry.error = error;
    if (entry.usable(entry.life.end, now)) return *entry.token;
    return error;
}

milliseconds TokenCache::waitAfter(const Entry& entry, const Error& error) {
    if (error.retryAfter) return std::max<milliseconds>(*error.retryAfter, std::chrono::seconds(1));
    const bool answered = error.code != Code::tokenEndpointUnreachable;
    if (error.reaction == Reaction::askOperator && answered) return refusalWait(entry.failures);
    return passingWait(entry.failures, random_.fraction());
}

}  // namespace auth
