#pragma once

#include "tests/simulation/sim_network.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace simulation {

class ImapPeer;

struct Mail {
    std::uint32_t uid = 0;
    std::string bytes{};
    plugin::Wall received{};
    std::set<std::string> flags{};
    std::uint64_t serial = 0;  ///< of this mail wherever it stands; a client's copy has one of its own
};

/// A mailbox and its IMAP server, small but strict: a command it would not expect from an excellent client is a violation, and the history
/// that provoked it fails. It lives longer than the processes that talk to it.
class MailServer {
public:
    struct Folder {
        std::uint32_t validity = 1;
        std::uint32_t next = 1;
        std::vector<Mail> mails{};  ///< by rising UID
        Mail* find(std::uint64_t uid);
    };
    /// `authorized`: whether a bearer token signs this user in now.
    MailServer(WorldClock& clock, Dice& dice, std::function<bool(const std::string& user, const std::string& token)> authorized);
    std::function<plugin::Steady(const std::string& token)> tokenEnd{};  ///< for endsWithToken

    std::map<std::string, Folder> folders{};
    std::set<std::string> capabilities{};
    std::vector<std::string> violations{};
    std::uint64_t moodOneIn = 0;    ///< a command is answered with NO [UNAVAILABLE] or BYE; 0 = never
    std::uint64_t forgetOneIn = 0;  ///< a session in IDLE is not told of an arrival; 0 = never
    std::uint64_t signIns = 0;
    std::size_t mostSessions = 0;  ///< at one time
    bool endsWithToken = false;    ///< a session is ended when the token it began with ends, as Exchange Online does
    /// What RFC822.SIZE tells of a mail: the truth, unless the server only estimates it.
    std::function<std::uint64_t(const Mail& mail)> announces = [](const Mail& mail) { return mail.bytes.size(); };
    /// Asked before each command, whose name is in upper case ("UID FETCH"): what is answered behind the tag instead of carrying it out; "": the
    /// connection is closed; nothing: as usual.
    std::function<std::optional<std::string>(const std::string& command)> instead{};
    /// A client changes or removes a mail: what ("seen", "deleted", "expunged", "moved"), from where.
    std::function<void(const std::string& what, const std::string& folder, const Mail& mail)> touched = [](const auto&, const auto&, const auto&) {};

    /// Answers the mail's serial.
    std::uint64_t arrive(const std::string& folder, std::string bytes, plugin::Wall received);
    void removeByOthers(const std::string& folder, std::uint32_t uid);
    // What other clients and administrators do. Each ends all sessions that might still show the state before.
    void moveByOthers(const std::string& from, std::uint32_t uid, const std::string& to);
    std::uint64_t copyByOthers(const std::string& from, std::uint32_t uid, const std::string& to);  ///< the copy's serial
    void renameByOthers(const std::string& from, const std::string& to, std::uint32_t validity);
    /// All UIDs new, in another order if `shuffle`.
    void rebuild(const std::string& folder, std::uint32_t validity, bool shuffle);
    /// An older state comes back: nothing from this UID on was ever there. Answers the serials of the mails that vanish.
    std::vector<std::uint64_t> fallBack(const std::string& folder, std::uint32_t next);
    std::unique_ptr<Peer> accept();

private:
    friend class ImapPeer;
    void tellSessions(const std::string& folder);
    void endSessions();
    std::uint64_t lastSerial_ = 0;
    WorldClock& clock_;
    Dice& dice_;
    std::function<bool(const std::string&, const std::string&)> authorized_;
    std::vector<ImapPeer*> sessions_{};  ///< in the order they began, which is the same whenever a history is played again
};

/// A token endpoint: client credentials with the secret in the Basic header; strict about the request.
class TokenServer {
public:
    TokenServer(WorldClock& clock, Dice& dice, std::string basic) : clock_(clock), dice_(dice), basic_(std::move(basic)) {}

    std::chrono::seconds life{3600};
    std::uint64_t moodOneIn = 0;  ///< busy, broken or a login page; 0 = never
    std::uint64_t issued = 0;
    std::vector<std::string> violations{};

    bool valid(const std::string& token) const;
    plugin::Steady endOf(const std::string& token) const;
    void revokeAll() { tokens_.clear(); }
    std::unique_ptr<Peer> accept();

private:
    friend class TokenPeer;
    std::string answer(const std::string& request);
    WorldClock& clock_;
    Dice& dice_;
    std::string basic_;
    std::map<std::string, plugin::Steady> tokens_{};
};

}  // namespace simulation
