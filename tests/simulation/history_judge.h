#pragma once

#include "listener/ledger/ledger.h"
#include "tests/simulation/history.h"
#include "tests/simulation/history_mailbox.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_sinks.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace simulation {

/// One mail of the history, wherever it is now.
struct Sent {
    std::uint64_t serial;
    std::string folder;  ///< where it arrived
    std::string bytes;
    plugin::Wall received;
    bool before = false;   ///< it was there before the first process ran
    bool removed = false;  ///< by another client: it may be delivered, or not
    bool moved = false;    ///< or copied, by another client
    bool copy = false;
};

/// What a history is made of, and whether the promises held in it. Who plays it fills it in.
class JudgedHistory {
protected:
    static constexpr const char* secret = "s3cret~value";
    static constexpr const char* basic = "YXBwOnMzY3JldCU3RXZhbHVl";  // base64 of app:s3cret%7Evalue, form-urlencoded as RFC 6749 2.3.1 wants it

    JudgedHistory(const std::string& protocol, std::uint64_t seed, bool trace);
    ~JudgedHistory() = default;

    void fail(const std::string& what);
    bool isWatched(const std::string& name) const;
    std::vector<std::string> watched() const;
    bool has(const std::string& sink) const;
    /// What the first sink has, by id.
    std::map<std::string, std::string> arrived() const;

    Sent& bySerial(std::uint64_t serial);

    void checkTouch(const std::string& what, const std::string& folder, const HistoryMailbox::Message& mail);
    void last(Process& process);
    void check();

    Dice dice_;
    WorldClock clock_{};
    KeptLog log_;
    SimDisk disk_;
    TokenServer tokens_{clock_, dice_, basic};
    const std::string protocol_;
    std::unique_ptr<HistoryMailbox> mailbox_;
    Consumer hook_{dice_}, late_{dice_}, programs_{dice_};
    std::string sinks_{}, patterns_{}, folders_{}, start_{}, after_{}, metadata_{};
    bool givesUp_ = false;
    bool renamed_ = false;   ///< a folder was: what was in it is for a while nowhere
    bool disorder_ = false;  ///< folders are rebuilt and renamed, mails moved and copied
    std::vector<Sent> sent_{};
    Verdict verdict_{};
    plugin::Wall begunFrom_{}, calmFrom_{};  ///< when the first process began, and when the weather cleared

private:
    void takeStart(const std::vector<listener::FolderRecord>& records);
    void replay(Process& process);
    void checkOutbox(Process& process);
    bool isDue(const Sent& sent) const;
    bool mayBeDelivered(const Sent& sent) const;
    bool excusedClass(const std::string& bytes) const;
    bool wentAway(const std::string& bytes) const;
    bool isBlurred(const Sent& sent) const;
    void checkSinks(const std::map<std::string, std::string>& files);
    bool staysMarked() const;
    void checkRows(const std::map<std::string, std::string>& files);
    std::optional<HistoryMailbox::Message> findWatched(std::uint64_t serial) const;
    void checkAfter(const Sent& sent);

    listener::Start startOf_{};
    std::set<std::pair<std::string, plugin::Wall>> blurred_{};                        ///< heads and seconds
    std::multimap<std::pair<std::string, std::string>, listener::LedgerRow> rows_{};  ///< by folder and position
};

}  // namespace simulation
