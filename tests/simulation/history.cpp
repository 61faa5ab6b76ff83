#include "tests/simulation/history.h"

#include "auth/access.h"
#include "listener/engine/settings.h"
#include "listener/ledger/outbox.h"
#include "listener/ledger/stored_form.h"
#include "listener/message/message.h"
#include "listener/message/sha256.h"
#include "plugin/host/validation.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_sinks.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <exception>
#include <optional>
#include <set>

namespace simulation {

using namespace std::chrono_literals;
using plugin::Mode;
using plugin::Steady;

namespace {

constexpr const char* secret = "s3cret~value";
constexpr const char* basic = "YXBwOnMzY3JldCU3RXZhbHVl";  // base64 of app:s3cret%7Evalue, form-urlencoded as RFC 6749 2.3.1 wants it
constexpr std::uint16_t imapPort = 1143, tokenPort = 9400, hookPort = 9500, latePort = 9600;
const std::string spool = "/spool/box";

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

/// Mails with the same octets that were received in the same second: nobody can tell them apart.
struct Equals {
    std::size_t sent = 0, due = 0, mayBe = 0;
    bool disturbed = false;  ///< one of them was moved or removed
};

class History {
public:
    History(std::uint64_t seed, bool trace)
        : dice_(seed),
          log_(trace, clock_),
          disk_(seed),
          mail_(clock_, dice_, [this](const auto&, const auto& token) { return tokens_.valid(token); }) {
        files_.useClock(clock_);
        choose();
        configure();
        mail_.touched = [this](const std::string& what, const std::string& folder, const Mail& mail) { checkTouch(what, folder, mail); };
    }

    Verdict play() {
        for (int i = static_cast<int>(dice_.below(25)); i > 0; --i) arrive();
        for (auto& sent : sent_) sent.before = true;
        clock_.jump(2s);  // within one second nobody can tell before from after
        storm();
        calm();
        check();
        verdict_.mails = sent_.size();
        verdict_.signIns = mail_.signIns;
        return std::move(verdict_);
    }

private:
    void fail(const std::string& what) {
        if (verdict_.failures.size() < 10) verdict_.failures.push_back(what);
    }

    void choose() {
        const auto pick = [this](std::vector<std::string> options) { return options[dice_.below(options.size())]; };
        folders_ = pick({"INBOX", "INBOX", "INBOX,Orders", "INBOX,Orders,Orders/2026"});
        patterns_ = folders_ == "INBOX,Orders,Orders/2026" && dice_.oneIn(2) ? "INBOX,Orders*" : folders_;
        start_ = pick({"all", "all", "now", "since:2026-10-26"});
        after_ = pick({"leave", "seen", "delete", "move:Done", "move:New/Done", "seen+move:Done"});
        metadata_ = pick({"json", "none"});
        sinks_ = pick({"s", "s", "s,hook", "s,hook", "hook", "run", "s,run", "hook,run", "s,hook,run"});
        if (has("run") && dice_.oneIn(3)) programs_.neverTakesOneIn = 2 + dice_.below(8);
        givesUp_ = has("hook") && dice_.oneIn(8);
        disorder_ = dice_.oneIn(2);
        for (const auto* capability : {"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE", "NOTIFY", "LIST-STATUS"})
            if (!dice_.oneIn(3)) mail_.capabilities.insert(capability);
        for (const auto& folder : split(folders_, ',')) mail_.folders[folder].validity = 1 + static_cast<std::uint32_t>(dice_.below(1'000'000));
        mail_.folders["Done"];
        tokens_.life = std::chrono::seconds(20 + dice_.below(dice_.oneIn(2) ? 100 : 3600));
        verdict_.plot = std::string(disorder_ ? "disorder " : "") + "folders=" + patterns_ + " start=" + start_ + " after=" + after_ +
                        " sinks=" + sinks_ + (givesUp_ ? " gives up" : "") + " metadata=" + metadata_ +
                        " capabilities=" + joined(mail_.capabilities, ",") + " token_life=" + std::to_string(tokens_.life.count()) + "s";
    }

    void configure() {
        const auto text =
            "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = " + std::string(secret) +
            "\ncredential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n"
            "mailbox.box.protocol = imap\nmailbox.box.host = 127.0.0.1\nmailbox.box.port = 1143\nmailbox.box.tls = none\nmailbox.box.user = "
            "box@example.test\n"
            "mailbox.box.credential = c\nsink.s.type = spool\nsink.s.path = /spool\nsink.hook.type = http\nsink.hook.url = "
            "http://127.0.0.1:9500/hook\nsink.late.type = http\nsink.late.url = http://127.0.0.1:9600/hook\nsink.run.type = exec\nsink.run.command = "
            "/usr/bin/consume\n" +
            (givesUp_ ? "sink.hook.retry.give_up = 10m\n" : "") + "mailbox.box.deliver = " + sinks_ + "\nsink.s.metadata = " + metadata_ +
            "\nmailbox.box.folders = " + patterns_ + "\nmailbox.box.start = " + start_ + "\nmailbox.box.after = " + after_ + "\n" +
            (dice_.oneIn(3) ? "mailbox.box.max_per_round = " + std::to_string(1 + dice_.below(7)) + "\n" : "");
        plugin::host::Rules rules;
        rules.keys = listener::keys();
        for (auto& key : auth::keys()) rules.keys.push_back(std::move(key));
        rules.checks = {listener::check, auth::check};
        rules.workingDirectory = "/";
        auto validated = plugin::host::validate(plugin::host::parseProperties(text, "history"), rules);
        for (const auto& problem : validated.problems)
            if (problem.severity == plugin::Problem::Severity::error) fail("configuration: " + problem.key + " " + problem.what);
        configuration_ = validated.configuration;
    }

    // ---- what happens in the mailbox

    bool isWatched(const std::string& name) const {
        const auto names = split(folders_, ',');
        return std::find(names.begin(), names.end(), name) != names.end() || (patterns_.ends_with("*") && name.starts_with("Orders"));
    }
    std::vector<std::string> watched() const {
        std::vector<std::string> names;
        for (const auto& [name, folder] : mail_.folders)
            if (isWatched(name)) names.push_back(name);
        return names;
    }
    std::string anyWatched() {
        const auto names = watched();
        return names[dice_.below(names.size())];
    }
    Sent& bySerial(std::uint64_t serial) {
        return *std::find_if(sent_.begin(), sent_.end(), [serial](const Sent& each) { return each.serial == serial; });
    }
    /// A mail that is in a watched folder now; none: there is none.
    std::optional<std::pair<std::string, std::uint32_t>> anyMail() {
        const auto name = anyWatched();
        const auto& mails = mail_.folders.at(name).mails;
        if (mails.empty()) return std::nullopt;
        return std::pair(name, mails[dice_.below(mails.size())].uid);
    }

    /// The same head, second and size as another mail, and other octets: nobody can tell them apart without both (see matching_test).
    bool looksLikeAnother(const std::string& bytes, plugin::Wall received) const {
        const auto head = bytes.substr(0, bytes.find("\r\n\r\n"));
        return std::any_of(sent_.begin(), sent_.end(), [&](const Sent& other) {
            return other.received == received && other.bytes.size() == bytes.size() && other.bytes.starts_with(head) && other.bytes != bytes;
        });
    }

    void arrive() {
        const auto folder = anyWatched();
        const auto number = std::to_string(sent_.size());
        std::string bytes = "Message-ID: <" + number + "@example.test>\r\nSubject: mail " + number + "\r\n\r\n" +
                            std::string(dice_.below(2000), static_cast<char>('a' + dice_.below(26)));
        if (dice_.oneIn(400)) bytes.append(1'100'000, 'L');  // past what is kept in memory
        plugin::Wall received =
            std::chrono::floor<std::chrono::seconds>(clock_.wall() - std::chrono::hours(dice_.oneIn(3) ? dice_.below(24 * 20) : 0));
        if (!sent_.empty() && dice_.oneIn(disorder_ ? 6 : 30)) {
            const auto& other = sent_[dice_.below(sent_.size())];  // the same head, or the same mail, again
            bytes = other.bytes;
            const bool same = dice_.oneIn(2);
            if (!same) bytes.back() = static_cast<char>('A' + dice_.below(26));
            if (same || dice_.oneIn(2)) received = other.received;  // the same octets of another second are the same mail in a rebuilt folder
            while (looksLikeAnother(bytes, received)) bytes += "!";
        }
        const auto serial = mail_.arrive(folder, bytes, received);
        sent_.push_back({.serial = serial, .folder = folder, .bytes = std::move(bytes), .received = received});
    }

    void removeOne() {
        const auto mail = anyMail();
        if (!mail) return;
        bySerial(mail_.folders.at(mail->first).find(mail->second)->serial).removed = true;
        mail_.removeByOthers(mail->first, mail->second);
    }

    void moveOne() {
        const auto mail = anyMail();
        const auto target = anyWatched();
        if (!mail || after_ == "delete" || after_.find("move:") != std::string::npos) return;  // what we take away nobody else moves
        auto& sent = bySerial(mail_.folders.at(mail->first).find(mail->second)->serial);
        sent.moved = true;
        if (dice_.oneIn(2)) {
            if (target != mail->first) mail_.moveByOthers(mail->first, mail->second, target);
            return;
        }
        Sent copy = sent;
        copy.copy = true;
        copy.folder = target;
        copy.serial = mail_.copyByOthers(mail->first, mail->second, target);
        sent_.push_back(std::move(copy));
    }

    void rebuildOne() {
        ++verdict_.rebuilds;
        mail_.rebuild(anyWatched(), ++validity_, dice_.oneIn(2));
    }

    /// To and fro between two values: each is looked at in between. (A validity that comes back unseen, with other UIDs, is beyond detection.)
    void alternate(Process& process) {
        const auto name = anyWatched();
        const auto other = ++validity_, first = mail_.folders.at(name).validity;
        for (int i = 0; i < 4; ++i)
            process.loop().at(clock_.steady() + std::chrono::minutes(15 + 8 * i), [this, name, value = i % 2 == 0 ? other : first] {
                ++verdict_.rebuilds;
                mail_.rebuild(name, value, dice_.oneIn(2));
                if (dice_.oneIn(2)) arrive();
            });
    }

    void renameOne() {
        const auto name = anyWatched();
        if (!patterns_.ends_with("*") || name == "INBOX") return;
        ++verdict_.rebuilds;
        const auto validity = mail_.folders.at(name).validity;
        auto target = "Orders/" + std::string(1, static_cast<char>('a' + dice_.below(4)));
        if (dice_.oneIn(3)) target = "Orders";
        if (mail_.folders.contains(target)) return;
        mail_.renameByOthers(name, target, dice_.oneIn(2) ? validity : ++validity_);
    }

    /// Nothing arrives in between: a UIDNEXT that has grown past what is known again cannot be told from one that never fell.
    void fallBackOne() {
        const auto name = anyWatched();
        const auto& folder = mail_.folders.at(name);
        if (folder.next < 3) return;
        ++verdict_.rebuilds;
        for (const auto serial : mail_.fallBack(name, folder.next - 1 - static_cast<std::uint32_t>(dice_.below(std::min(folder.next - 2, 20u)))))
            bySerial(serial).removed = true;
    }

    void disturb() {
        if (!disorder_) return;
        switch (dice_.below(6)) {
            case 0:
            case 1:
                return rebuildOne();
            case 2:
                return renameOne();
            default:
                return moveOne();
        }
    }

    /// Promise 1: the mailbox is touched only once the message is durable behind the sink.
    void checkTouch(const std::string& what, const std::string& folder, const Mail& mail) {
        if (folder == "Done" || folder == "New/Done") return;
        const auto holds = [&mail](const auto& each) { return each.second == mail.bytes; };
        const auto durable = disk_.durableFiles(spool);
        bool safe =
            !has("s") || std::any_of(durable.begin(), durable.end(), [&](const auto& file) { return file.first.ends_with(".eml") && holds(file); });
        if (has("hook")) safe = safe && std::any_of(hook_.taken.begin(), hook_.taken.end(), holds);
        if (has("run")) safe = safe && std::any_of(programs_.taken.begin(), programs_.taken.end(), holds);
        if (!safe) fail("uid " + std::to_string(mail.uid) + " of " + folder + " was " + what + " before every sink had it");
    }

    bool has(const std::string& sink) const {
        const auto names = split(sinks_, ',');
        return std::find(names.begin(), names.end(), sink) != names.end();
    }
    /// What the first sink has, by id.
    std::map<std::string, std::string> arrived() const {
        if (!has("s")) return has("hook") ? hook_.taken : programs_.taken;
        std::map<std::string, std::string> all;
        for (auto& [name, bytes] : disk_.files(spool))
            if (name.ends_with(".eml")) all.emplace(name.substr(0, name.size() - 4), bytes);
        return all;
    }

    // ---- the process and its deaths

    void judgeEffects(Process& process, std::uint64_t deathAt, bool failures) {
        const auto count = [this, &process, deathAt] {
            if (++effects_ == deathAt) process.dead = true;
            return process.dead;
        };
        files_.judge([this, count, failures](SimVfs::Effect, std::uint64_t, const std::string&) {
            if (count()) return SimVfs::Fate::dead;
            if (failures && dice_.oneIn(150)) return dice_.oneIn(2) ? SimVfs::Fate::full : SimVfs::Fate::ioError;
            return SimVfs::Fate::pass;
        });
        disk_.setHook([this, count, failures](const SimDisk::Step&) -> std::optional<plugin::Error> {
            if (count()) {
                disk_.kill();
                return SimDisk::ioError();
            }
            if (failures && dice_.oneIn(80)) return dice_.oneIn(2) ? SimDisk::fullError() : SimDisk::ioError();
            return std::nullopt;
        });
        process.network().setHook(count);
    }

    World world() {
        return {clock_,
                dice_,
                files_,
                disk_,
                log_,
                configuration_,
                [this](SimNetwork& network) {
                    network.listen(imapPort, [this] { return mail_.accept(); });
                    network.listen(tokenPort, [this] { return tokens_.accept(); });
                    network.listen(hookPort, [this] { return hookServer_.accept(); });
                    network.listen(latePort, [this] { return lateServer_.accept(); });
                },
                &simPrograms_};
    }

    /// The process is gone; what it wrote stays, or with the power only what it made durable.
    void bury() {
        const bool power = dice_.oneIn(3);
        ++(power ? verdict_.powerCuts : verdict_.kills);
        files_.kill();
        files_.judge([](auto...) { return SimVfs::Fate::pass; });
        disk_.heal();
        if (power) {
            files_.crash(&dice_);
            disk_.crash();
        } else if (disk_.isAlive()) {
            disk_.kill();
        }
        disk_.restart();
    }

    void scheduleEvents(Process& process, Steady until) {
        auto& loop = process.loop();
        const auto some = [&] {
            return clock_.steady() + std::chrono::milliseconds(dice_.below(static_cast<std::uint64_t>(
                                         std::chrono::duration_cast<std::chrono::milliseconds>(until - clock_.steady()).count())));
        };
        for (auto i = dice_.below(8); i > 0; --i) loop.at(some(), [this] { arrive(); });
        if (dice_.oneIn(4)) loop.at(some(), [this] { removeOne(); });
        if (disorder_)
            for (auto i = dice_.below(4); i > 0; --i) loop.at(some(), [this] { disturb(); });
        if (start_ != "now" && dice_.oneIn(5))
            loop.at(some(), [this] { clock_.jump(std::chrono::seconds(static_cast<std::int64_t>(dice_.below(200'000)) - 100'000)); });
        if (dice_.oneIn(5)) loop.at(some(), [this] { tokens_.revokeAll(); });
    }

    void live(bool stormy) {
        auto world = this->world();
        bool ended = false, dead = false;
        {
            Process process(world, dead);
            const bool failures = stormy && dice_.oneIn(2);
            judgeEffects(process, stormy && !dice_.oneIn(3) ? effects_ + 1 + dice_.below(dice_.oneIn(2) ? 60 : 1500) : 0, failures);
            if (stormy) process.network().setWeather({dice_.below(8), dice_.below(6), dice_.below(20), 200 + dice_.below(40'000)});
            mail_.moodOneIn = stormy ? dice_.below(60) : 0;
            mail_.forgetOneIn = stormy ? dice_.below(4) : 0;
            tokens_.moodOneIn = stormy ? dice_.below(6) : 0;
            hook_.moodOneIn = stormy ? dice_.below(4) : 0;
            programs_.moodOneIn = stormy ? dice_.below(4) : 0;
            const auto mode = stormy && dice_.oneIn(4) ? Mode::once : Mode::service;
            if (const auto error = process.start(mode)) {
                if (!process.dead && !failures) fail("the process did not start: " + error->what);
            } else {
                const auto until = clock_.steady() + (stormy ? std::chrono::minutes(1 + dice_.below(20)) : std::chrono::minutes(240));
                if (stormy)
                    scheduleEvents(process, until);
                else if (disorder_ && dice_.oneIn(4))
                    alternate(process);
                if (!stormy)
                    for (int i = 0; i < 3; ++i) process.loop().at(clock_.steady() + 50min, [this] { arrive(); });
                process.run(until, [&] { return !stormy && settled(process); });
                if (!stormy) last(process);
                endInOrder(process);
            }
            if (const auto bug = process.bug()) failWith(bug);
            ended = process.ended();
        }  // closing the database has effects too, and may be interrupted
        if (dead || !ended) bury();
        disk_.heal();
        files_.judge([](auto...) { return SimVfs::Fate::pass; });
    }

    /// A stop as by SIGTERM: it is over within 10 s.
    void endInOrder(Process& process) {
        if (process.dead || process.ended() || process.bug()) return;
        process.stop();
        process.run(clock_.steady() + 10s);
        if (!process.dead && !process.ended() && !process.bug()) fail("the process did not end within 10 s of being asked");
    }

    void failWith(const std::exception_ptr& bug) {
        try {
            std::rethrow_exception(bug);
        } catch (const std::exception& error) {
            fail(std::string("an exception left a task: ") + error.what());
        }
    }

    void storm() {
        for (auto lives = 1 + dice_.below(5); lives > 0; --lives) {
            live(true);
            for (auto i = dice_.below(4); disorder_ && i > 0; --i) {
                disturb();
                if (dice_.oneIn(2)) arrive();
            }
        }
        if (disorder_ && dice_.oneIn(3)) fallBackOne();
    }

    bool settled(Process& process) {
        if (clock_.steady() < calmSince_ + 80min) return false;
        for (const auto* sink : {"s", "hook", "run"})
            if (has(sink) && process.kept().gauge(std::string("postern_outbox_messages sink=") + sink) > 0) return false;
        return process.kept().gauge("postern_mailbox_health mailbox=box health=ok") == 1 &&
               process.kept().gauge("postern_mailbox_verified_age_seconds mailbox=box") < 50;
    }

    void calm() {
        calmSince_ = clock_.steady();
        live(false);
    }

    /// The last look at the process that had all the time it needed.
    void last(Process& process) {
        // Promise 4: it says so when it is well, and it is.
        if (process.kept().gauge("postern_mailbox_health mailbox=box health=ok") != 1) fail("after hours of fair weather the mailbox is not healthy");
        const auto ledger = listener::makeLedger(process.database(), clock_);
        replay(process);
        checkOutbox(process);
        for (const auto& name : watched()) {
            auto record = process.wait(ledger->folder("box", "imap", name));
            if (!record || !*record) fail("folder " + name + " has no record");
        }
        auto records = process.wait(ledger->records("box", "imap"));
        if (records && !records->empty()) startOf_ = records->front().start;
        auto rows = process.wait(ledger->rows({.limit = 1'000'000}));
        if (rows)
            for (auto& row : *rows) rows_.emplace(std::pair(row.folder, row.position), std::move(row));
        const auto summaries = process.wait(ledger->summaries());
        if (!summaries) return fail("the ledger cannot be read: " + summaries.error().what);
        for (const auto& row : *summaries) {
            verdict_.delivered += row.delivered;
            if (!mail_.folders.contains(row.folder)) continue;  // renamed: nothing can be done there any more
            if (row.openBatches != 0) fail("a batch is still open in " + row.folder);
            if (row.dueActions != 0) fail(std::to_string(row.dueActions) + " after-actions are still due in " + row.folder);
        }
    }

    /// An operator has everything delivered once more, to a sink that has nothing yet.
    void replay(Process& process) {
        if (!dice_.oneIn(3)) return;
        const auto outbox = listener::makeOutboxLedger(process.database(), clock_);
        auto replayed = process.wait(outbox->replay({.mailbox = "box", .state = listener::MessageState::delivered}, "late"));
        if (!replayed) return fail("replay: " + replayed.error().what);
        process.run(clock_.steady() + 50min);
        const auto files = arrived();
        for (const auto& [id, bytes] : late_.taken)
            if (!files.contains(id) || files.at(id) != bytes) fail("replayed under another id, or with other bytes: " + id);
        if (late_.taken.size() > replayed->kept + replayed->toFetch) fail("more was replayed than asked for");
        if (!disorder_ && late_.taken.size() < replayed->kept) fail("less was replayed than the outbox has");
        verdict_.replayed += late_.taken.size();
    }

    /// Nothing waits, and no file is there that nobody needs.
    void checkOutbox(Process& process) {
        const auto outbox = listener::makeOutboxLedger(process.database(), clock_);
        const auto totals = process.wait(outbox->totals());
        if (!totals) return fail("the outbox cannot be read: " + totals.error().what);
        for (const auto& total : *totals)
            if (total.waiting > 0 && total.sink != "late")
                fail(std::to_string(total.waiting) + " messages wait for sink " + total.sink + ": " + total.lastRefusal);
        const auto needed = process.wait(outbox->keptFiles());
        if (!needed) return;
        for (const auto& [name, bytes] : disk_.files("/data/outbox"))
            if (!needed->contains("outbox/" + name)) fail("nobody needs outbox/" + name);
    }

    // ---- what must be true in the end

    /// Received since the mailbox was begun (or since the day it was to begin with): it has to be delivered, whatever happened to its folder.
    /// What was received before but came later may be.
    bool isDue(const Sent& sent) const {
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
    bool mayBeDelivered(const Sent& sent) const { return isDue(sent) || !sent.before || sent.moved; }

    void check() {
        for (const auto& what : mail_.violations) fail("the mail server refused: " + what);
        for (const auto& what : tokens_.violations) fail("the token server refused: " + what);
        if (log_.text().find(secret) != std::string::npos || log_.text().find("token-") != std::string::npos) fail("a secret is in the log");
        std::map<std::pair<std::string, plugin::Wall>, Equals> classes;
        for (const auto& sent : sent_) {
            auto& equal = classes[{sent.bytes, sent.received}];
            ++equal.sent;
            equal.due += isDue(sent) && !sent.removed ? 1 : 0;
            equal.mayBe += mayBeDelivered(sent) ? 1 : 0;
            equal.disturbed = equal.disturbed || sent.removed || sent.moved;
        }
        const auto files = arrived();
        const auto spooled = disk_.files(spool);
        std::size_t delivered = 0;
        std::map<std::pair<std::string, plugin::Wall>, std::size_t> found;
        for (const auto& [id, bytes] : files) {
            ++delivered;
            const std::pair of(bytes, listener::stored::second(id));
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
            const auto least = equal.disturbed || disorder_ ? std::min<std::size_t>(equal.due, 1) : equal.due;
            if (times < least && !excusedClass(of.first))
                fail("lost: " + what + ", there " + std::to_string(times) + " times of " + std::to_string(least));
            // Of equal ones nobody can tell which was there before the start.
            const auto most = equal.mayBe > 0 ? equal.sent : 0;
            if (times > most && !staysMarked())
                fail((equal.mayBe == 0 ? "delivered though it was there before the start: " : "delivered under several ids: ") + what + ", " +
                     std::to_string(times) + " ids, sent " + std::to_string(equal.sent) + " times, of which " + std::to_string(equal.mayBe) +
                     " may be delivered");
            removed += equal.disturbed || (disorder_ && equal.sent > 1) || excusedClass(of.first)
                           ? times
                           : 0;  // it may have gone between its sink and its verdict: then no row tells of it
        }
        for (const auto& sent : sent_) {
            const std::pair of(sent.bytes, sent.received);
            const auto& equal = classes[of];
            // One that equals another that somebody removed is taken for that one, moved: what was done with it is not done again.
            if (found.contains(of) && !sent.removed && (equal.sent == 1 || !(disorder_ || equal.disturbed))) checkAfter(sent);
        }
        checkRows(files);
        if (verdict_.delivered > delivered || verdict_.delivered + removed < delivered)
            fail("the ledger counts " + std::to_string(verdict_.delivered) + " deliveries, the spool has " + std::to_string(delivered));
    }

    /// Of these bytes some message was set aside by the only sink, or given up.
    bool excusedClass(const std::string& bytes) const {
        const auto hash = listener::sha256(bytes);
        return std::any_of(rows_.begin(), rows_.end(), [&](const auto& each) {
            const auto& row = each.second;
            if (row.sha256 != hash) return false;
            return (row.state == listener::MessageState::dead && givesUp_) ||
                   (row.state == listener::MessageState::quarantined && programs_.neverTakes(row.id));
        });
    }

    /// Every sink has the same, but for what it can never take and what was given up.
    void checkSinks(const std::map<std::string, std::string>& files) {
        for (const auto* consumer : {&hook_, &programs_, &late_})
            for (const auto& what : consumer->violations) fail("a sink refused: " + what);
        verdict_.repeats += hook_.repeats + programs_.repeats;
        const auto excused = [this](const std::string& id, const std::string& bytes) {
            const auto row = std::find_if(rows_.begin(), rows_.end(), [&id](const auto& each) { return each.second.id == id; });
            if (row == rows_.end()) return true;  // the mail went away between a sink and the verdict
            using State = listener::MessageState;
            const auto state = row->second.state;
            if (state == State::quarantined) ++verdict_.setAside;
            if (state == State::dead) ++verdict_.givenUp;
            // One sink had it, the verdict was never written, and then somebody else took it out of the mailbox.
            const bool gone = state == State::pending &&
                              std::any_of(sent_.begin(), sent_.end(), [&](const Sent& sent) { return sent.removed && sent.bytes == bytes; });
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
    bool staysMarked() const {
        const bool moves = after_.find("move:") != std::string::npos;
        const bool removes = mail_.capabilities.contains("UIDPLUS") || (moves && mail_.capabilities.contains("MOVE"));
        return disorder_ && patterns_.ends_with("*") && (moves || after_ == "delete") && !removes;
    }

    /// A mail that stands in a watched folder and was delivered: its row is at its place, with the id its file has.
    void checkRows(const std::map<std::string, std::string>& files) {
        for (const auto& name : watched()) {
            const auto& folder = mail_.folders.at(name);
            for (const auto& mail : folder.mails) {
                if (!isDue(bySerial(mail.serial))) continue;
                const auto position = std::to_string(folder.validity) + ":" + std::to_string(mail.uid);
                const auto [from, to] = rows_.equal_range({name, position});
                const bool known = std::any_of(from, to, [&](const auto& each) {
                    const auto& row = each.second;
                    if (row.state == listener::MessageState::dead && givesUp_) return true;
                    if (row.state == listener::MessageState::quarantined && programs_.neverTakes(row.id)) return true;
                    const auto file = files.find(row.id);
                    return row.state == listener::MessageState::delivered && file != files.end() && file->second == mail.bytes;
                });
                if (!known) fail("no row tells of what stands at " + position + " of " + name);
            }
        }
    }

    const Mail* findBySerial(std::uint64_t serial, bool watchedOnly) const {
        for (const auto& [name, folder] : mail_.folders) {
            if (watchedOnly != isWatched(name)) continue;
            for (const auto& mail : folder.mails)
                if (mail.serial == serial) return &mail;
        }
        return nullptr;
    }

    void checkAfter(const Sent& sent) {
        if (sent.moved || sent.copy || !isDue(sent) || excusedClass(sent.bytes)) return;
        const auto what = "mail " + std::to_string(sent.serial);
        const auto* mail = findBySerial(sent.serial, true);
        const bool expunges = mail_.capabilities.contains("UIDPLUS");
        const bool moves = after_.find("move:") != std::string::npos;
        const bool leaves = moves ? expunges || mail_.capabilities.contains("MOVE") : after_ == "delete" && expunges;
        if ((mail == nullptr) != leaves) return fail("after=" + after_ + ", but " + what + (mail ? " is still there" : " is gone"));
        if (mail != nullptr && mail->flags.contains("\\Seen") != (after_.starts_with("seen")))
            fail("after=" + after_ + ", but \\Seen is wrong on " + what);
        if (!moves) return;
        const auto& target = mail_.folders[after_.substr(after_.find("move:") + 5)].mails;
        const auto copies = std::count_if(target.begin(), target.end(), [&](const Mail& each) { return each.serial == sent.serial; });
        if (copies == 0) fail("after=" + after_ + ", but " + what + " is not in the target");
        if (copies > 1 && mail_.capabilities.contains("MOVE")) fail(what + " is in the target " + std::to_string(copies) + " times");
    }

    Dice dice_;
    WorldClock clock_{};
    KeptLog log_;
    SimVfs files_{};
    SimDisk disk_;
    MailServer mail_;
    TokenServer tokens_{clock_, dice_, basic};
    Consumer hook_{dice_}, late_{dice_}, programs_{dice_};
    WebhookServer hookServer_{hook_}, lateServer_{late_};
    SimPrograms simPrograms_{programs_};
    std::string sinks_{};
    bool givesUp_ = false;
    std::string patterns_{}, folders_{}, start_{}, after_{}, metadata_{};
    std::shared_ptr<const plugin::Configuration> configuration_{};
    std::vector<Sent> sent_{};
    bool disorder_ = false;  ///< folders are rebuilt and renamed, mails moved and copied
    listener::Start startOf_{};
    std::multimap<std::pair<std::string, std::string>, listener::LedgerRow> rows_{};
    std::uint32_t validity_ = 1'000'000;  ///< the last one given
    std::uint64_t effects_ = 0;
    Steady calmSince_{};
    Verdict verdict_{};

    friend Verdict simulation::playHistory(std::uint64_t seed, bool trace);
};

}  // namespace

Verdict playHistory(std::uint64_t seed, bool trace) {
    History history(seed, trace);
    auto verdict = history.play();
    verdict.effects = history.effects_;
    return verdict;
}

}  // namespace simulation
