#pragma once

#include "tests/crash/consumers.h"
#include "tests/system/postbox.h"

#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace crash {

/// How the program works while it is killed, and what has to become of the mailbox.
struct Way {
    enum class Fate { left, seen, removed, moved };
    std::string name;
    std::string words;  ///< configuration, beside what every mailbox has
    bool service;       ///< `run`, with mail coming while it waits; else `run --once` over and over
    bool oauth;
    Fate fate;
    std::vector<std::string> sinks{"spool"};  ///< kinds: spool, http (whose receiver answers well and badly by turns until settle()), exec
    bool mayCopyTwice = false;                ///< without MOVE a kill between the copy and the note of it leaves a second copy in the target
    std::string protocol = "imap";
};
std::vector<Way> ways(const std::string& protocol);  ///< imap, ews or graph

struct Figures {
    std::size_t kills = 0;
    std::size_t mails = 0;
    std::size_t lost = 0;       ///< never reached the system behind
    std::size_t twice = 0;      ///< came again under another id
    std::size_t foreign = 0;    ///< arrived with bytes nobody sent, or with others than before or elsewhere under the same id
    std::size_t repeats = 0;    ///< came again under the same id after a consumer had taken it: what a consumer has to expect
    std::size_t copies = 0;     ///< surplus copies in the target of a move
    std::size_t misplaced = 0;  ///< not in the place or not with the flags that after = wants
    std::size_t leftovers = 0;  ///< temporary files that outlived the last run
    Figures& operator+=(const Figures& other);
};

/// One mailbox and one workplace over many violent deaths. The systems behind take what lies about complete after some of them.
class KillStorm {
public:
    KillStorm(const Way& way, std::minstd_rand& random);
    /// One life of the program; true if it was killed, false if it had ended by itself.
    bool liveAndDie();
    /// An undisturbed run; answers its exit status.
    int settle();
    /// The fate of everything that was ever put into the mailbox. After settle().
    Figures count();
    const std::string& error() const { return error_; }  ///< what the last run said

private:
    void send(std::size_t count);
    std::size_t arrived() const;  ///< about how many, of all consumers together
    bool caughtUp() const { return arrived() >= sent_.size() * consumers_.size(); }
    void pause(unsigned atMostMilliseconds);
    void countConsumer(Consumer& consumer, Figures& figures);
    void countMailbox(Figures& figures);

    const Way& way_;
    std::minstd_rand& random_;
    std::unique_ptr<systemtest::Postbox> box_;
    systemtest::Workplace place_{};
    std::set<std::string> sent_{};  ///< digests; every mail is different
    std::vector<std::unique_ptr<Consumer>> consumers_{};
    std::map<std::string, std::string> bytesOf_{};  ///< digests, by delivery id
    std::size_t series_ = 0;
    std::string error_{};
};

}  // namespace crash
