#pragma once

#include "listener/imap/command.h"
#include "listener/imap/connection.h"
#include "listener/imap/imap_mailbox.h"
#include "listener/imap/mailbox_name.h"
#include "listener/imap/uid_set.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace listener::imap {

/// greeting ──► signingIn ──► signedIn ──► selected        ("over" is the connection's: Connection::broken)
enum class Phase { greeting, signingIn, signedIn, selected };

/// What the caller is going to ask for first (Mailbox::expect).
struct Expected {
    std::string folder{};  ///< the inbox: its name on the wire is known before anything is known of names
    std::uint64_t above = 0;
};

/// UIDs of the open folder that were asked for before list() did.
struct FoundAhead {
    std::uint64_t above = 0;
    std::optional<UidSet> found{};  ///< all there were above; none: that is not known
};

/// The folder entered last. Other clients may change it at any time: `exists` follows what the server tells.
struct OpenFolder {
    std::string name{};  ///< as in the configuration
    std::uint64_t validity = 0;
    std::uint64_t next = 0;  ///< UIDNEXT when it was entered
    std::uint64_t exists = 0;
    bool grown = false;                 ///< messages have come since list() began, or since it was entered
    std::optional<FoundAhead> ahead{};  ///< it was entered with the sign-in, and list() has not been called yet
};

/// What a session knows of folders beside the open one, and of how well the server tells of arrivals.
struct Push {
    /// How far a folder was looked into, or was said to have to be looked into.
    struct Seen {
        std::uint64_t validity = 0;
        std::uint64_t next = 0;    ///< UIDNEXT
        std::uint64_t exists = 0;  ///< where the server tells no UIDNEXT
    };
    std::map<std::string, Seen> seen{};  ///< by the name in the configuration
    bool refused = false;                ///< the server offers to tell and does not
    bool notifies = true;                ///< NOTIFY (RFC 5465) may be tried
    bool notifiesRaw = false;            ///< it takes names in UTF-8 (Dovecot 2.3), not as they are on the wire
    unsigned brief = 0;                  ///< so many times in a row the server ended IDLE by itself, soon
    unsigned fruitless = 0;              ///< so many times in a row it told of arrivals there were none of
    std::uint64_t fruitlessNext = 0;     ///< UIDNEXT when it told last
    std::optional<plugin::Deadline> nextSweep{};
};

/// Looks at the untagged responses that answer a command, as they come; others are passed over. An Error ends the session.
using Taker = std::function<plugin::Result<void>(Response&)>;

/// What is true on one connection, and how a command is sent and answered on it. Belongs to one loop.
class Session {
public:
    /// `settings` and `log` outlive it.
    Session(std::unique_ptr<auth::Channel> channel, plugin::Loop& loop, const Settings& settings, plugin::Log& log);

    Phase phase = Phase::greeting;
    Naming naming{};
    OpenFolder folder{};
    std::optional<Expected> expects{};
    Push push{};
    /// Folders whose name on the wire does not follow from theirs: raw UTF-8, "&" that begins nothing. As LIST showed them.
    std::map<std::string, std::string> oddNames{};
    bool warnedOfNames = false;
    bool byToken = false;                        ///< signed in with one
    std::optional<plugin::Deadline> tokenEnd{};  ///< of its life
    std::optional<plugin::Deadline> renewAt{};   ///< the server ends the session with the token's life; before that, here, it is renewed in order
    bool refusedToken = false;                   ///< the server took back that it knows us
    std::string software{};                      ///< as the server names itself
    bool warnedOfUidplus = false;

    Connection& connection() { return connection_; }
    const Settings& settings() const { return settings_; }
    plugin::Log& log() { return log_; }
    const std::string& peer() const { return connection_.peer(); }

    /// As CAPABILITY listed last, without those the configuration disables. `name` in upper case.
    bool has(std::string_view name) const { return capabilities_.find(" " + std::string{name} + " ") != std::string::npos; }
    std::string capabilityList() const;
    /// Sign-in makes earlier lists void (RFC 9051 section 6.2.1).
    void forgetCapabilities() { capabilities_.clear(); }
    bool knowsCapabilities() const { return !capabilities_.empty(); }

    /// The next command, with its tag. `expected`: see Command.
    Command begin(std::string_view verb, std::size_t expected = 256);
    /// Sends it and reads on until it is answered. OK, NO and BAD are all values: the caller knows what they mean here.
    /// `taker` may be null, else outlives the call. Errors: those of the channel; BYE; a response nobody can read.
    plugin::Task<plugin::Result<Status>> run(Command command, const Taker* taker, std::stop_token stop);
    /// Several that do not depend on one another, in one round trip; the answers are in their order. No literals.
    plugin::Task<plugin::Result<std::vector<Status>>> runTogether(std::vector<Command> commands, const Taker* taker, std::stop_token stop);
    /// The same as run() where NO and BAD are errors: refusal(). `during` is for people and outlives the call.
    plugin::Task<plugin::Result<Status>> require(Command command, const Taker* taker, std::string_view during, std::stop_token stop);

    /// What we sign in with, which outlives the session. A text of the server's that repeats it, on whatever occasion, is left out of errors and log.
    void conceal(std::string_view secret);
    /// Further forms of it, while we sign in. Views outlive the sign-in.
    std::vector<std::string_view> secrets{};
    bool repeatsSecret(std::string_view text) const;
    bool repeatsSecretInCapitals(std::string_view text) const;
    void leaveOutSecrets(Response& response) const;
    /// What every response may tell beside its purpose. Whoever reads from connection() himself calls it for each.
    plugin::Result<void> note(const Response& response);
    /// The error of an answer with a tag that is none of ours; the session is over.
    plugin::Error strayAnswer(const std::string& tag);

private:
    plugin::Result<void> noteStatus(const Status& status);
    plugin::Result<bool> heed(Response& response, const Taker* taker);
    void noteCapabilities(const std::vector<std::string>& names);

    Connection connection_;
    const Settings& settings_;
    plugin::Log& log_;
    std::string_view secret_{};
    std::string capabilities_{};               ///< " IDLE UIDPLUS ": thousands of sessions wait, each with fifty names; a set of them took 2.5 kB
    static constexpr unsigned alertLimit = 3;  ///< alerts shown of one session: nobody else fills our log
    unsigned alerts_ = 0;
    unsigned commands_ = 0;
};

}  // namespace listener::imap
