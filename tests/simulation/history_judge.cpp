#include "tests/simulation/history_judge.h"

#include "listener/ledger/outbox.h"
#include "listener/ledger/stored_form.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <optional>
#include <set>

namespace simulation {

using namespace std::chrono_literals;

namespace {

const std::string spool = "/spool/box";

/// Mails with the same octets that were received in the same second: nobody can tell them apart.
struct Equals {
    std::size_t sent = 0, due = 0, mayBe = 0;
    bool disturbed = false;  ///< one of them was moved or removed
};

std::string headOf(const std::string& bytes) { return bytes.substr(0, bytes.find("\r\n\r\n")); }

}  // namespace

JudgedHistory::JudgedHistory(const std::string& protocol, std::uint64_t seed, bool trace)
    : dice_(seed),
      log_(trace, clock_),
      disk_(seed),
      protocol_(protocol),
      mailbox_(makeHistoryMailbox(protocol, clock_, dice_, [this](const auto& token) { return tokens_.valid(token); })) {
    mailbox_->touched = [this](const auto& what, const auto& folder, const auto& mail) { checkTouch(what, folder, mail); };
}

void JudgedHistory::fail(const std::string& what) {
    if (verdict_.failures.size() < 10) verdict_.failures.push_back(what);
}

bool JudgedHistory::isWatched(const std::string& name) const {
    const auto names = split(folders_, ',');
    return std::find(names.begin(), names.end(), name) != names.end() || (patterns_.ends_with("*") && name.starts_with("Orders"));
}

std::vector<std::string> JudgedHistory::watched() const {
    std::vector<std::string> names;
    for (const auto& name : mailbox_->folders())
        if (isWatched(name)) names.push_back(name);
    return names;
}

Sent& JudgedHistory::bySerial(std::uint64_t serial) {
    const auto found = std::find_if(sent_.begin(), sent_.end(), [serial](const Sent& each) { return each.serial == serial; });
    if (found == sent_.end()) throw std::logic_error("nobody sent mail " + std::to_string(serial));
    return *found;
}

bool JudgedHistory::has(const std::string& sink) const {
    const auto names = split(sinks_, ',');
    return std::find(names.begin(), names.end(), sink) != names.end();
}

std::map<std::string, std::string> JudgedHistory::arrived() const {
    if (!has("s")) return has("hook") ? hook_.taken : programs_.taken;
    std::map<std::string, std::string> all;
    for (auto& [name, bytes] : disk_.files(spool))
        if (name.ends_with(".eml")) all.emplace(name.substr(0, name.size() - 4), bytes);
    return all;
}

/// Promise 1: the mailbox is touched only once the message is durable behind the sink.
void JudgedHistory::checkTouch(const std::string& what, const std::string& folder, const HistoryMailbox::Message& mail) {
    if (folder == "Done" || folder == "New/Done") return;
    const auto holds = [&](const auto& each) { return mailbox_->original(each.second) == mail.bytes; };
    const auto durable = disk_.durableFiles(spool);
    bool safe =
        !has("s") || std::any_of(durable.begin(), durable.end(), [&](const auto& file) { return file.first.ends_with(".eml") && holds(file); });
    if (has("hook")) safe = safe && std::any_of(hook_.taken.begin(), hook_.taken.end(), holds);
    if (has("run")) safe = safe && std::any_of(programs_.taken.begin(), programs_.taken.end(), holds);
    if (!safe) fail(mail.position + " of " + folder + " was " + what + " before every sink had it");
}

/// The last look at the process that had all the time it needed.
void JudgedHistory::last(Process& process) {
    // Promise 4: it says so when it is well, and it is.
    if (process.kept().gauge("postern_mailbox_health mailbox=box health=ok") != 1) fail("after hours of fair weather the mailbox is not healthy");
    const auto ledger = listener::makeLedger(process.database(), clock_);
    replay(process);
    checkOutbox(process);
    for (const auto& name : watched()) {
        auto record = process.wait(ledger->folder("box", protocol_, name));
        if (!record || !*record) fail("folder " + name + " has no record");
    }
    const auto records = process.wait(ledger->records("box"));
    if (!records) return fail("the records cannot be read: " + records.error().what);
    takeStart(*records);
    auto rows = process.wait(ledger->rows({.limit = 1'000'000}));
    if (!rows) return fail("the rows cannot be read: " + rows.error().what);
    for (auto& row : *rows) rows_.emplace(std::pair(row.folder, row.position), std::move(row));
    const auto summaries = process.wait(ledger->summaries());
    if (!summaries) return fail("the ledger cannot be read: " + summaries.error().what);
    for (const auto& row : *summaries) {
        verdict_.delivered += row.delivered;
        const auto names = mailbox_->folders();
        if (std::find(names.begin(), names.end(), row.folder) == names.end()) continue;  // renamed: nothing can be done there any more
        if (row.openBatches != 0) fail("a batch is still open in " + row.folder);
        if (row.dueActions != 0) fail(std::to_string(row.dueActions) + " after-actions are still due in " + row.folder);
    }
}

/// Where folders begin, by the configuration and our own clock: a ledger that noted something else would excuse what it lost. Within these bounds it
/// is the ledger that says when "now" was.
void JudgedHistory::takeStart(const std::vector<listener::FolderRecord>& records) {
    using Kind = listener::Start::Kind;
    for (const auto& record : records) {
        const auto& [kind, since] = record.start;
        // "now" may be written down as the moment it was.
        const bool isNow = kind != Kind::all && since >= std::chrono::floor<std::chrono::seconds>(begunFrom_) && since <= calmFrom_ + 10min;
        const bool isDay = kind == Kind::since && "since:" + utc(since) == start_ + "T00:00:00Z";
        if (!(start_ == "all" ? kind == Kind::all : start_ == "now" ? isNow : isDay))
            fail("folder " + record.name + " begins otherwise than configured, with " + utc(since));
    }
    if (records.empty()) return fail("there is no record of any folder");
    startOf_ = records.front().start;
}

/// An operator has everything delivered once more, to a sink that has nothing yet.
void JudgedHistory::replay(Process& process) {
    if (!dice_.oneIn(3)) return;
    const auto outbox = listener::makeOutboxLedger(process.database(), clock_);
    auto replayed = process.wait(outbox->replay({.mailbox = "box", .state = listener::MessageState::delivered}, "late"));
    if (!replayed) return fail("replay: " + replayed.error().what);
    process.run(clock_.steady() + 50min);
    const auto files = arrived();
    std::size_t same = 0;
    for (const auto& [id, bytes] : late_.taken) {
        if (!files.contains(id) || mailbox_->original(files.at(id)) != mailbox_->original(bytes))
            fail("replayed under another id, or with other bytes: " + id);
        else if (files.at(id) == bytes)
            ++same;
    }
    if (!disorder_ && same < replayed->kept) fail("of what the outbox has kept other octets were replayed");
    if (late_.taken.size() > replayed->kept + replayed->toFetch) fail("more was replayed than asked for");
    if (!disorder_ && late_.taken.size() < replayed->kept) fail("less was replayed than the outbox has");
    verdict_.replayed += late_.taken.size();
}

/// Nothing waits, and no file is there that nobody needs.
void JudgedHistory::checkOutbox(Process& process) {
    const auto outbox = listener::makeOutboxLedger(process.database(), clock_);
    const auto totals = process.wait(outbox->totals());
    if (!totals) return fail("the outbox cannot be read: " + totals.error().what);
    for (const auto& total : *totals)
        if (total.waiting > 0 && total.sink != "late")
            fail(std::to_string(total.waiting) + " messages wait for sink " + total.sink + ": " + total.lastRefusal);
    const auto needed = process.wait(outbox->keptFiles());
    if (!needed) return fail("what is kept cannot be read: " + needed.error().what);
    for (const auto& [name, bytes] : disk_.files("/data/outbox"))
        if (!needed->contains("outbox/" + name)) fail("nobody needs outbox/" + name);
}

/// Received since the mailbox was begun (or since the day it was to begin with): it has to be delivered, whatever happened to its folder.
/// What was received before but came later may be.
bool JudgedHistory::isDue(const Sent& sent) const {
    static constexpr auto slowestSelect = 7s;  // to the server and back, see Connection::later
    const auto moment = startOf_.since;
    switch (startOf_.kind) {
        case listener::Start::Kind::all:
            return true;
        case listener::Start::Kind::now:
            return !sent.before && sent.received > moment + slowestSelect;  // what comes while the line is drawn may be on either side of it
        case listener::Start::Kind::since:
            return sent.received >= moment;
    }
    return false;
}

bool JudgedHistory::mayBeDelivered(const Sent& sent) const { return isDue(sent) || !sent.before || sent.moved; }

void JudgedHistory::check() {
    for (const auto& what : mailbox_->violations()) fail("the mail server refused: " + what);
    for (const auto& what : tokens_.violations) fail("the token server refused: " + what);
    if (log_.text().find(secret) != std::string::npos || log_.text().find("token-") != std::string::npos) fail("a secret is in the log");
    std::map<std::pair<std::string, plugin::Wall>, Equals> classes;
    for (const auto& sent : sent_) {
        auto& equal = classes[{sent.bytes, sent.received}];
        ++equal.sent;
        equal.due += isDue(sent) && !sent.removed ? 1 : 0;
        equal.mayBe += mayBeDelivered(sent) ? 1 : 0;
        equal.disturbed = equal.disturbed || sent.removed || sent.moved;
        if (sent.removed || sent.moved || renamed_) blurred_.emplace(headOf(sent.bytes), sent.received);
    }
    // Of these one is taken for another that somebody else took away; the same octets are so by their class.
    std::erase_if(blurred_, [this](const auto& each) {
        std::set<std::string> octets;
        for (const auto& sent : sent_)
            if (sent.received == each.second && headOf(sent.bytes) == each.first) octets.insert(sent.bytes);
        return octets.size() < 2;
    });
    const bool byId = mailbox_->tellsById() && !renamed_;
    const auto files = arrived();
    const auto spooled = disk_.files(spool);
    std::size_t delivered = 0;
    std::map<std::pair<std::string, plugin::Wall>, std::size_t> found;
    for (const auto& [id, bytes] : files) {
        ++delivered;
        const std::pair of(mailbox_->original(bytes), listener::stored::second(id));
        if (!classes.contains(of)) fail("delivered, and nobody knows why, or not as the server holds it: " + id);
        ++found[of];
        if (has("s") && metadata_ == "json" && !spooled.contains(id + ".json")) fail("no metadata beside " + id);
    }
    checkSinks(files);
    std::size_t removed = 0;
    for (const auto& [of, equal] : classes) {
        const auto times = found.contains(of) ? found[of] : 0;
        const auto what =
            of.first.substr(0, of.first.find('\r')) + " received " + std::to_string(of.second.time_since_epoch().count() / 1'000'000'000);
        const bool blurred = mailbox_->tellsById() && blurred_.contains({headOf(of.first), of.second});
        const bool oneIsEnough = equal.disturbed || (disorder_ && !byId);
        const auto least = blurred ? 0 : oneIsEnough ? std::min<std::size_t>(equal.due, 1) : equal.due;
        if (times < least && !excusedClass(of.first))
            fail("lost: " + what + ", there " + std::to_string(times) + " times of " + std::to_string(least));
        // Of equal ones nobody can tell which was there before the start.
        const auto most = equal.mayBe > 0 ? equal.sent : 0;
        if (times > most && !staysMarked())
            fail((equal.mayBe == 0 ? "delivered though it was there before the start: " : "delivered under several ids: ") + what + ", " +
                 std::to_string(times) + " ids, sent " + std::to_string(equal.sent) + " times, of which " + std::to_string(equal.mayBe) +
                 " may be delivered");
        removed += blurred || equal.disturbed || (disorder_ && !byId && equal.sent > 1) || excusedClass(of.first)
                       ? times
                       : 0;  // it may have gone between its sink and its verdict: then no row tells of it
    }
    for (const auto& sent : sent_) {
        const std::pair of(sent.bytes, sent.received);
        const auto& equal = classes[of];
        // One that equals another that somebody removed is taken for that one, moved: what was done with it is not done again.
        const bool distinct = equal.sent == 1 || !(equal.disturbed || (disorder_ && !byId));
        if (found.contains(of) && !sent.removed && distinct && !isBlurred(sent)) checkAfter(sent);
    }
    checkRows(files);
    if (verdict_.delivered > delivered || verdict_.delivered + removed < delivered)
        fail("the ledger counts " + std::to_string(verdict_.delivered) + " deliveries, the spool has " + std::to_string(delivered));
}

/// By protocols that know messages by their ids: somebody took away one that has its head and second in common with this one, or its folder.
bool JudgedHistory::isBlurred(const Sent& sent) const { return mailbox_->tellsById() && blurred_.contains({headOf(sent.bytes), sent.received}); }

/// Somebody else moved or removed a mail with these octets, perhaps between a sink and the verdict.
bool JudgedHistory::wentAway(const std::string& bytes) const {
    return std::any_of(sent_.begin(), sent_.end(), [&bytes](const Sent& sent) { return (sent.removed || sent.moved) && sent.bytes == bytes; });
}

/// Of a mail with these octets some message was set aside by the only sink, or given up.
bool JudgedHistory::excusedClass(const std::string& bytes) const {
    return std::any_of(rows_.begin(), rows_.end(), [&](const auto& each) {
        const auto& row = each.second;
        if (!mailbox_->isOf(row.sha256, bytes)) return false;
        return (row.state == listener::MessageState::dead && givesUp_) ||
               (row.state == listener::MessageState::quarantined && programs_.neverTakes(row.id));
    });
}

/// Every sink has the same, but for what it can never take and what was given up.
void JudgedHistory::checkSinks(const std::map<std::string, std::string>& files) {
    for (const auto* consumer : {&hook_, &programs_, &late_})
        for (const auto& what : consumer->violations) fail("a sink refused: " + what);
    verdict_.repeats += hook_.repeats + programs_.repeats;
    const auto excused = [this](const std::string& id, const std::string& bytes) {
        const auto row = std::find_if(rows_.begin(), rows_.end(), [&id](const auto& each) { return each.second.id == id; });
        if (row == rows_.end()) return wentAway(mailbox_->original(bytes));
        using State = listener::MessageState;
        const auto state = row->second.state;
        if (state == State::quarantined) ++verdict_.setAside;
        if (state == State::dead) ++verdict_.givenUp;
        // One sink had it, the verdict was never written, and then somebody else took it out of the mailbox.
        const bool gone = state == State::pending && std::any_of(sent_.begin(), sent_.end(), [&](const Sent& sent) {
                              return sent.removed && sent.bytes == mailbox_->original(bytes);
                          });
        return gone || state == State::missing || (state == State::quarantined && programs_.neverTakes(id)) || (state == State::dead && givesUp_);
    };
    const auto compare = [&](const char* name, const std::map<std::string, std::string>& has, const std::map<std::string, std::string>& wants) {
        for (const auto& [id, bytes] : wants) {
            const auto found = has.find(id);
            if (found == has.end() ? !excused(id, bytes) : found->second != bytes)
                fail("sink " + std::string(name) + " does not have " + id + " as the others");
        }
    };
    if (has("hook")) compare("hook", hook_.taken, files);
    if (has("run")) compare("run", programs_.taken, files);
    if (has("hook")) compare("the first", files, hook_.taken);
    if (has("run")) compare("the first", files, programs_.taken);
}

/// Folders change names while what was removed stays in them, marked: a server that cannot remove. Then a mail may come twice where names
/// were exchanged unseen (what our own after-action took away is never taken for moved).
bool JudgedHistory::staysMarked() const {
    const bool moves = after_.find("move:") != std::string::npos;
    return disorder_ && patterns_.ends_with("*") && (moves || after_ == "delete") && !mailbox_->takesAway(moves);
}

/// A mail that stands in a watched folder and was delivered: its row is at its place, with the id its file has.
void JudgedHistory::checkRows(const std::map<std::string, std::string>& files) {
    for (const auto& name : watched()) {
        for (const auto& mail : mailbox_->messages(name)) {
            const auto& sent = bySerial(mail.serial);
            if (!isDue(sent) || isBlurred(sent)) continue;
            const auto [from, to] = rows_.equal_range({name, mail.position});
            const bool known = std::any_of(from, to, [&](const auto& each) {
                const auto& row = each.second;
                if (row.state == listener::MessageState::dead && givesUp_) return true;
                if (row.state == listener::MessageState::quarantined && programs_.neverTakes(row.id)) return true;
                const auto file = files.find(row.id);
                return row.state == listener::MessageState::delivered && file != files.end() && mailbox_->original(file->second) == mail.bytes;
            });
            if (!known) fail("no row tells of what stands at " + mail.position + " of " + name);
        }
    }
}

std::optional<HistoryMailbox::Message> JudgedHistory::findWatched(std::uint64_t serial) const {
    for (const auto& name : watched())
        for (const auto& mail : mailbox_->messages(name))
            if (mail.serial == serial) return mail;
    return std::nullopt;
}

void JudgedHistory::checkAfter(const Sent& sent) {
    if (sent.moved || sent.copy || !isDue(sent) || excusedClass(sent.bytes)) return;
    const auto what = "mail " + std::to_string(sent.serial);
    const auto mail = findWatched(sent.serial);
    const bool moves = after_.find("move:") != std::string::npos;
    const bool leaves = (moves || after_ == "delete") && mailbox_->takesAway(moves);
    if (mail.has_value() == leaves) return fail("after=" + after_ + ", but " + what + (mail ? " is still there" : " is gone"));
    if (mail && mail->seen != after_.starts_with("seen")) fail("after=" + after_ + ", but it is wrong whether " + what + " has been seen");
    if (!moves) return;
    const auto target = mailbox_->messages(after_.substr(after_.find("move:") + 5));
    const auto copies = std::count_if(target.begin(), target.end(), [&](const auto& each) { return each.serial == sent.serial; });
    if (copies == 0) fail("after=" + after_ + ", but " + what + " is not in the target");
    if (std::any_of(target.begin(), target.end(),
                    [&](const auto& each) { return each.serial == sent.serial && each.seen != after_.starts_with("seen"); }))
        fail("after=" + after_ + ", but it is wrong whether " + what + " has been seen in the target");
    if (copies > 1 && mailbox_->movesAtOnce()) fail(what + " is in the target " + std::to_string(copies) + " times");
}

}  // namespace simulation
