#pragma once

#include "listener/ews/endpoint.h"
#include "listener/ews/envelope_cutter.h"
#include "listener/mailbox.h"

#include <chrono>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace listener::ews {

/// Exchange says something at least that often while nothing happens.
inline constexpr std::chrono::seconds heartbeat{45};
/// Without a word for so long the line is dead.
inline constexpr std::chrono::seconds silenceLimit = 2 * heartbeat + std::chrono::seconds{10};
/// After which the server ends the answer, and is asked again: the most it takes is 30.
inline constexpr unsigned connectionMinutes = 29;

/// One subscription to what arrives, and the answer that tells of it, which stays open between calls. Its requests go over a connection of their own.
///
///   no subscription ──Subscribe──► subscribed ──GetStreamingEvents──► listening ──its first word──► told
///   an end in order leads from told back to subscribed; anything else (silence, a cut, "dead subscription") to no subscription
class Notifications {
public:
    explicit Notifications(Session& session);  ///< outlives it

    /// Mailbox::watch(). Whenever the answer begins anew, and when the server does not find a folder, all folders are news: what happened in between
    /// nobody tells of.
    /// Three failures in a row, or a server that wants no more subscriptions or connections: Session::pushAgainAt, and all folders are news once
    /// more.
    plugin::Task<plugin::Result<std::vector<std::string>>> watch(Endpoint& main, Watching watching, std::stop_token stop);
    /// Tells the server that nobody listens any more, by way of `main`; never fails.
    plugin::Task<void> close(Endpoint& main, std::stop_token stop);

private:
    enum class State { none, subscribed, listening, told };
    using Names = std::vector<std::string>;

    plugin::Task<plugin::Result<void>> subscribeTo(Endpoint& main, const Names& names, std::stop_token stop);
    plugin::Task<plugin::Result<void>> startListening(std::stop_token stop);
    plugin::Task<plugin::Result<void>> step(Endpoint& main, const Watching& watching, plugin::Deadline until, std::stop_token stop,
                                            std::stop_token either);
    plugin::Task<plugin::Result<void>> listen(plugin::Deadline until, std::stop_token either);
    plugin::Result<void> read(const std::string& document);
    plugin::Result<void> note(const ResponseMessage& message);
    void rest(int before, plugin::Steady now);
    enum class Lives { perhaps, no };
    static Lives livesAfter(Meaning meaning);
    plugin::Result<void> refused(Meaning meaning, std::optional<std::chrono::milliseconds> backOff, const plugin::Error& error);
    bool leavesToCaller(std::optional<Meaning> meaning, std::string_view why);
    void giveUp(std::string_view why);
    void failed(std::string_view why, Lives lives = Lives::perhaps);
    void lose(Lives lives = Lives::perhaps);
    plugin::Task<void> leave(Endpoint& over, std::string subscription, std::stop_token stop);
    plugin::Task<plugin::Result<void>> advance(Endpoint& main, const Watching& watching, plugin::Deadline until, std::stop_token stop,
                                               std::stop_token either);

    Session& session_;
    Endpoint endpoint_;
    State state_ = State::none;
    std::string subscription_{};
    std::string left_{};                         ///< a subscription nobody listens to any more, which may still live at the server
    Names names_{};                              ///< subscribed to
    std::map<std::string, std::string> byId_{};  ///< folder ids to names
    Names unknown_{};                            ///< of them those that are not there
    EnvelopeCutter cutter_{};
    plugin::Steady heard_{};
    std::uint64_t words_ = 0;   ///< documents since the answer began
    int failures_ = 0;          ///< in a row
    plugin::Steady resumes_{};  ///< not before, after a failure
    std::set<std::string> news_{};
};

}  // namespace listener::ews
