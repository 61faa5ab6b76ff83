#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>

namespace listener {

/// How many requests at a time one mailbox is asked by one application, over all sessions of this process, on whatever loops. First come, first
/// served. Thread-safe.
class RequestLimit : public std::enable_shared_from_this<RequestLimit> {
public:
    /// What Microsoft Graph takes; Exchange takes more (27, older servers 10), but not from everybody.
    static constexpr std::size_t most = 4;
    /// After "too many at a time": one, for so long.
    static constexpr std::chrono::minutes oneAtATime{30};
    /// Nobody waits for the end of a longer rest, and none is longer than this, whatever the server asks for.
    static constexpr std::chrono::minutes patience{1}, longestRest{10};

    explicit RequestLimit(plugin::Clock& clock) : clock_(clock) {}  ///< outlives it

    /// Some of the places, until it goes. Empty: none.
    class Place {
    public:
        Place() = default;
        Place(Place&& other) noexcept = default;
        Place& operator=(Place&& other) noexcept;
        ~Place() { leave(); }
        void leave() noexcept;

    private:
        friend class RequestLimit;
        Place(std::shared_ptr<RequestLimit> limit, std::size_t places) : limit_(std::move(limit)), places_(places) {}
        std::shared_ptr<RequestLimit> limit_{};
        std::size_t places_ = 0;
    };
    /// Waits for its turn. `places`: so many requests it is worth, at most all. Who holds a place asks for no other one. Errors: retryLater
    /// channelStopped; mailboxThrottled, with the time left, where the rest takes longer than `patience`.
    plugin::Task<plugin::Result<Place>> enter(std::size_t places, std::stop_token stop);

    /// The server has said that these are too many.
    void crowded();
    bool isCrowded() const;
    /// Nobody enters for so long, whoever asks.
    void rest(std::chrono::milliseconds time);
    bool rests() const;
    bool restsLong() const;  ///< for longer than anybody waits

    /// The server has no time for one message, by its id, while it has for others: it is left in peace for so long, for an hour at most; where it was
    /// told so before, for longer than a mailbox that failed waits, so that those behind it have their turn.
    void spare(const std::string& id, std::chrono::milliseconds time);
    bool spares(const std::string& id) const;
    void spareNoMore(const std::string& id);  ///< it was handed out

private:
    struct Waiter {
        std::size_t places = 0;
        bool admitted = false;
        std::shared_ptr<plugin::Shared<plugin::Nothing>> turn = std::make_shared<plugin::Shared<plugin::Nothing>>();  ///< or another time to wait for
    };
    struct Queued;
    void admit();  ///< under the lock
    void free(std::size_t places) noexcept;
    void drop(const std::shared_ptr<Waiter>& waiter) noexcept;

    plugin::Clock& clock_;
    mutable std::mutex mutex_{};
    std::deque<std::shared_ptr<Waiter>> waiting_{};
    std::size_t used_ = 0;
    plugin::Steady crowdedUntil_{}, restsUntil_{};
    std::unordered_map<std::string, plugin::Steady> spared_{};  ///< by id: until when; also those for which that is over, while there is room
};

/// The limits of all mailboxes: made once, where sessions are made. Thread-safe.
class RequestLimits {
public:
    explicit RequestLimits(plugin::Clock& clock) : clock_(clock) {}  ///< outlives it
    /// server: the address that is asked, so each protocol and each Exchange has its own. application: its client id, or what else tells whose budget
    /// it is. Addresses of mailboxes are the same in any case of letters.
    std::shared_ptr<RequestLimit> of(std::string_view server, std::string_view application, std::string_view mailbox);

private:
    plugin::Clock& clock_;
    std::mutex mutex_{};
    std::map<std::string, std::shared_ptr<RequestLimit>> limits_{};  ///< kept: what a server has said is remembered over sessions
};

}  // namespace listener
