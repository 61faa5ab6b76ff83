#pragma once

#include "auth/token/renewal.h"
#include "auth/token/stored_tokens.h"
#include "auth/token/token_endpoint.h"
#include "auth/token/token_source.h"
#include "auth/token/token_want.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/loop.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace auth {

/// A request under way: how all who wait for it learn what came.
using Flight = plugin::Shared<plugin::Result<Token>>;

/// How a request ended.
struct Landing {
    TokenExchange exchange;
    bool second = false;                 ///< the second secret was taken
    std::optional<StoredAnswer> stored;  ///< of a stored grant; its exchange has been moved from
};

/// The tokens this process has, one for each identity, and what keeps the next request for one back: a request under way, a failure not long ago, a
/// token that was renewed just now and refused all the same. It asks nobody. Thread-safe. What it was made of outlives it.
class TokenCache {
public:
    TokenCache(plugin::CurrentConfiguration configuration, plugin::Clock& clock, plugin::Random& random)
        : configuration_(std::move(configuration)), clock_(clock), random_(random) {}

    /// What a caller does now: take a value, or wait for a request under way. Neither: look whether the secret is another one, and ask again.
    struct Next {
        std::optional<plugin::Result<Token>> answer{};
        std::shared_ptr<Flight> flight{};
    };
    /// begin: called at most once, where a request is due. seen: the stamps of the secrets' files just now; nothing: not looked at.
    Next next(const Want& want, const std::function<std::shared_ptr<Flight>()>& begin, const std::optional<Stamps>& seen);

    struct Landed {
        plugin::Result<Token> answer;
        std::optional<plugin::Error> error{};  ///< why no token came, also where an older one serves on
        unsigned failuresBefore = 0;           ///< in a row
        bool asBefore = false;                 ///< nothing was asked, nothing has changed: there is nothing to tell
    };
    Landed land(const Want& want, Landing& landing);
    /// The request under way came to no end.
    void giveUp(const Want& want);

    /// The other side refused this token. False: it is not the current one, or that is known.
    bool refuse(const Want& want, const Token& token);

    /// Of the client's two secrets: is the second the one that is taken, as far as is known of files with these stamps?
    bool prefersSecond(const Want& want, const Stamps& now);
    void chose(const Want& want, const Stamps& now, bool second);

    /// Of stored grants: is it time to look whether another process has changed what is stored? Once a second at most.
    bool looksAtStore(const Want& want);
    void noteStored(const Want& want, std::int64_t version);
    StoredWish wishFor(const Want& want);

private:
    struct Entry {
        std::string credential{};
        std::optional<Token> token{};
        Lifetime life{};
        bool refused = false;                        ///< the other side refused the token
        std::optional<plugin::Steady> lastForced{};  ///< when a refused token was last replaced
        std::shared_ptr<Flight> flight{};

        unsigned failures = 0;  ///< in a row
        std::optional<plugin::Error> error{};
        plugin::Steady notBefore = plugin::Steady::min();
        Stamps stamps{};  ///< of the files the last request's secrets came from

        bool second = false;            ///< client_secret_next is the one that is taken,
        Stamps chosen{};                ///< as long as these files are what they were
        std::int64_t version = 0;       ///< of a stored grant: what of the store is known here
        std::int64_t storeVersion = 0;  ///< what the store was last seen to hold
        std::optional<plugin::Steady> looked{};
        std::string account{};

        bool usable(plugin::Steady until, plugin::Steady now) const { return token && !refused && now < until; }
        bool news() const { return storeVersion > version; }
    };

    // All of these with the lock held.
    Entry& entryFor(const Want& want);
    Entry* find(const Want& want);
    void forgetChanged();
    plugin::Result<Token> succeed(Entry& entry, TokenExchange& landing, bool renewable);
    plugin::Result<Token> fail(Entry& entry, const Want& want, TokenExchange& landing);
    void takeOver(Entry& entry, StoredAnswer& stored);
    std::chrono::milliseconds waitAfter(const Entry& entry, const plugin::Error& error);

    plugin::CurrentConfiguration configuration_;
    plugin::Clock& clock_;
    plugin::Random& random_;
    std::mutex mutex_{};
    std::shared_ptr<const plugin::Configuration> known_{};  // entries are by this snapshot
    std::uint64_t lastNumber_ = 0;
    std::map<std::string, Entry> entries_{};  // as many as the configuration has credentials and callers have scopes
};

}  // namespace auth
