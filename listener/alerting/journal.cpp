#include "listener/alerting/journal.h"

#include "listener/alerting/tracker.h"

#include <memory>

namespace listener {

using plugin::Result;
using plugin::Task;
using plugin::Transaction;

namespace {

using std::chrono::milliseconds;

std::int64_t stored(plugin::Wall time) { return std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count(); }
plugin::Wall timeOf(std::int64_t stored) { return plugin::Wall{milliseconds{stored}}; }
std::int64_t stored(plugin::Code code) { return static_cast<std::int64_t>(code); }
plugin::Code codeOf(std::int64_t stored) { return static_cast<plugin::Code>(stored); }

/// Also where an exception ends it.
class Held {
public:
    explicit Held(bool& flag) : flag_(flag) { flag_ = true; }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    ~Held() { flag_ = false; }

private:
    bool& flag_;
};

void readConditions(Transaction& transaction, Journal::Kept& kept) {
    auto& row = transaction.prepare("SELECT kind, subject, code, what, since, raised, cleared FROM listener_alert");
    while (row.step()) {
        ConditionKey key{std::string(row.text(0)), std::string(row.text(1))};
        if (!row.isNull(6))
            kept.cleared.emplace_back(std::move(key), timeOf(row.integer(6)));
        else
            kept.raised.push_back({std::move(key), codeOf(row.integer(2)), std::string(row.text(3)), timeOf(row.integer(4)), timeOf(row.integer(5))});
    }
}

void readNotices(Transaction& transaction, Journal::Kept& kept) {
    auto& row = transaction.prepare(
        "SELECT notice_id, channel, kind, subject, state, code, what, since, at, told FROM listener_alert_notice ORDER BY notice_id");
    while (row.step()) {
        Notice notice;
        notice.id = row.integer(0);
        notice.key = {std::string(row.text(2)), std::string(row.text(3))};
        notice.state = row.text(4) == name(Notice::State::raised) ? Notice::State::raised : Notice::State::cleared;
        notice.code = codeOf(row.integer(5));
        notice.what = row.text(6);
        notice.since = timeOf(row.integer(7));
        notice.at = timeOf(row.integer(8));
        kept.notices.push_back({std::string(row.text(1)), std::move(notice), !row.isNull(9)});
    }
}

}  // namespace

Task<Result<Journal::Kept>> Journal::load() {
    const auto kept = std::make_shared<Kept>();
    plugin::Database::Function reading = [kept](Transaction& transaction) {
        readConditions(transaction, *kept);
        readNotices(transaction, *kept);
        return Result<void>{};
    };
    auto read = co_await database_.read(std::move(reading));
    if (!read) co_return read.error();
    if (!kept->notices.empty()) last_ = durable_ = kept->notices.back().notice.id;
    co_return std::move(*kept);
}

void Journal::raised(const Raised& condition) {
    effects_.push_back([condition](Transaction& transaction) {
        transaction
            .prepare("INSERT OR REPLACE INTO listener_alert (kind, subject, code, what, since, raised, cleared) VALUES (?, ?, ?, ?, ?, ?, NULL)")
            .bind(0, condition.key.kind)
            .bind(1, condition.key.subject)
            .bind(2, stored(condition.code))
            .bind(3, condition.what)
            .bind(4, stored(condition.since))
            .bind(5, stored(condition.raised))
            .run();
    });
}

/// What was over before counts no more when it comes again: it goes.
void Journal::cleared(const ConditionKey& key, plugin::Wall at) {
    effects_.push_back([key, at](Transaction& transaction) {
        transaction.prepare("DELETE FROM listener_alert WHERE cleared < ?").bind(0, stored(at - Tracker::flapping)).run();
        transaction.prepare("UPDATE listener_alert SET cleared = ? WHERE kind = ? AND subject = ?")
            .bind(0, stored(at))
            .bind(1, key.kind)
            .bind(2, key.subject)
            .run();
    });
}

std::int64_t Journal::owed(const std::string& channel, const Notice& notice) {
    const auto id = ++last_;
    effects_.push_back([id, channel, notice](Transaction& transaction) {
        transaction
            .prepare(
                "INSERT INTO listener_alert_notice (notice_id, channel, kind, subject, state, code, what, since, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, "
                "?)")
            .bind(0, id)
            .bind(1, channel)
            .bind(2, notice.key.kind)
            .bind(3, notice.key.subject)
            .bind(4, name(notice.state))
            .bind(5, stored(notice.code))
            .bind(6, notice.what)
            .bind(7, stored(notice.since))
            .bind(8, stored(notice.at))
            .run();
    });
    return id;
}

void Journal::told(std::int64_t notice, plugin::Wall at) {
    effects_.push_back([notice, at](Transaction& transaction) {
        transaction.prepare("UPDATE listener_alert_notice SET told = ? WHERE notice_id = ?").bind(0, stored(at)).bind(1, notice).run();
    });
}

void Journal::forget(std::int64_t notice) {
    effects_.push_back(
        [notice](Transaction& transaction) { transaction.prepare("DELETE FROM listener_alert_notice WHERE notice_id = ?").bind(0, notice).run(); });
}

void Journal::forgetChannel(const std::string& channel) {
    effects_.push_back(
        [channel](Transaction& transaction) { transaction.prepare("DELETE FROM listener_alert_notice WHERE channel = ?").bind(0, channel).run(); });
}

Task<Result<void>> Journal::save() {
    if (saving_) co_return Result<void>{};
    const Held held(saving_);
    auto outcome = Result<void>{};
    while (outcome && !effects_.empty()) {
        const auto batch = std::make_shared<const std::vector<Effect>>(std::exchange(effects_, {}));
        const auto upTo = last_;
        plugin::Database::Function writing = [batch](Transaction& transaction) {
            for (const auto& effect : *batch) effect(transaction);
            return Result<void>{};
        };
        outcome = co_await database_.write(std::move(writing));
        if (outcome) {
            durable_ = upTo;
            saved_();
        } else {
            effects_.insert(effects_.begin(), batch->begin(), batch->end());
        }
    }
    co_return outcome;
}

}  // namespace listener
