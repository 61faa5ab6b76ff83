#include "tests/simulation/history.h"

#include "auth/access.h"
#include "listener/engine/settings.h"
#include "listener/message/message.h"
#include "plugin/host/validation.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <exception>
#include <set>

namespace simulation {

using namespace std::chrono_literals;
using plugin::Mode;
using plugin::Steady;

namespace {

constexpr const char* secret = "s3cret~value";
constexpr const char* basic = "YXBwOnMzY3JldCU3RXZhbHVl";  // base64 of app:s3cret%7Evalue, form-urlencoded as RFC 6749 2.3.1 wants it
constexpr std::uint16_t imapPort = 1143, tokenPort = 9400;
const std::string spool = "/spool/box";

/// One mail of the history, wherever it is now.
struct Sent {
    std::string folder;
    std::uint32_t uid;
    std::string bytes;
    plugin::Wall received;
    Steady arrived;
    bool removed = false;  ///< by another client: it may be delivered, or not
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
        for (const auto* capability : {"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE", "NOTIFY", "LIST-STATUS"})
            if (!dice_.oneIn(3)) mail_.capabilities.insert(capability);
        for (const auto& folder : split(folders_, ',')) mail_.folders[folder].validity = 1 + static_cast<std::uint32_t>(dice_.below(1'000'000));
        mail_.folders["Done"];
        tokens_.life = std::chrono::seconds(20 + dice_.below(dice_.oneIn(2) ? 100 : 3600));
        verdict_.plot = "folders=" + patterns_ + " start=" + start_ + " after=" + after_ + " metadata=" + metadata_ +
                        " capabilities=" + joined(mail_.capabilities, ",") + " token_life=" + std::to_string(tokens_.life.count()) + "s";
    }

    void configure() {
        const auto text =
            "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = " + std::string(secret) +
            "\ncredential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n"
            "mailbox.box.protocol = imap\nmailbox.box.host = 127.0.0.1\nmailbox.box.port = 1143\nmailbox.box.tls = none\nmailbox.box.user = "
            "box@example.test\n"
            "mailbox.box.credential = c\nmailbox.box.deliver = s\nsink.s.type = spool\nsink.s.path = /spool\nsink.s.metadata = " +
            metadata_ + "\nmailbox.box.folders = " + patterns_ + "\nmailbox.box.start = " + start_ + "\nmailbox.box.after = " + after_ + "\n" +
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

    void arrive() {
        const auto names = split(folders_, ',');
        const auto& folder = names[dice_.below(names.size())];
        const auto number = std::to_string(sent_.size());
        std::string bytes = "Message-ID: <" + number + "@example.test>\r\nSubject: mail " + number + "\r\n\r\n" +
                            std::string(dice_.below(2000), static_cast<char>('a' + dice_.below(26)));
        if (dice_.oneIn(400)) bytes.append(1'100'000, 'L');  // past what is kept in memory
        const auto received = clock_.wall() - std::chrono::hours(dice_.oneIn(3) ? dice_.below(24 * 20) : 0);
        sent_.push_back({folder, mail_.folders[folder].next, bytes, std::chrono::floor<std::chrono::seconds>(received), clock_.steady()});
        mail_.arrive(folder, std::move(bytes), std::chrono::floor<std::chrono::seconds>(received));
    }

    void removeOne() {
        if (sent_.empty()) return;
        auto& sent = sent_[dice_.below(sent_.size())];
        if (mail_.folders[sent.folder].find(sent.uid) == nullptr) return;
        sent.removed = true;
        mail_.removeByOthers(sent.folder, sent.uid);
    }

    std::string idOf(const Sent& sent) const {
        const auto& folder = mail_.folders.at(sent.folder);
        return listener::deliveryId(sent.received, "box", "imap", sent.folder, std::to_string(folder.validity) + ":" + std::to_string(sent.uid));
    }

    /// Promise 1: the mailbox is touched only once the message is durable behind the sink.
    void checkTouch(const std::string& what, const std::string& folder, const Mail& mail) {
        const auto sent = std::find_if(sent_.begin(), sent_.end(), [&](const Sent& each) { return each.folder == folder && each.uid == mail.uid; });
        if (sent == sent_.end()) return fail("a mail nobody sent was " + what);
        const auto durable = disk_.durableFiles(spool);
        const auto file = durable.find(idOf(*sent) + ".eml");
        if (file == durable.end() || file->second != sent->bytes)
            fail("uid " + std::to_string(mail.uid) + " of " + folder + " was " + what + " before it was durable in the spool");
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
        return {clock_, dice_, files_, disk_, log_, configuration_, [this](SimNetwork& network) {
                    network.listen(imapPort, [this] { return mail_.accept(); });
                    network.listen(tokenPort, [this] { return tokens_.accept(); });
                }};
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
        if (dice_.oneIn(5)) loop.at(some(), [this] { clock_.jump(std::chrono::seconds(static_cast<std::int64_t>(dice_.below(200'000)) - 100'000)); });
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
            const auto mode = stormy && dice_.oneIn(4) ? Mode::once : Mode::service;
            if (const auto error = process.start(mode)) {
                if (!process.dead && !failures) fail("the process did not start: " + error->what);
            } else {
                const auto until = clock_.steady() + (stormy ? std::chrono::minutes(1 + dice_.below(20)) : std::chrono::minutes(240));
                if (stormy) scheduleEvents(process, until);
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
        for (auto lives = 1 + dice_.below(5); lives > 0; --lives) live(true);
    }

    bool settled(Process& process) {
        if (clock_.steady() < calmSince_ + 20min) return false;
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
        for (const auto& name : split(folders_, ',')) {
            auto record = process.wait(ledger->folder("box", "imap", name));
            if (!record || !*record)
                fail("folder " + name + " has no record");
            else
                records_[name] = **record;
        }
        const auto summaries = process.wait(ledger->summaries());
        if (!summaries) return fail("the ledger cannot be read: " + summaries.error().what);
        for (const auto& row : *summaries) {
            if (row.openBatches != 0) fail("a batch is still open in " + row.folder);
            if (row.dueActions != 0) fail(std::to_string(row.dueActions) + " after-actions are still due in " + row.folder);
            verdict_.delivered += row.delivered;
        }
    }

    // ---- what must be true in the end

    bool expected(const Sent& sent) const {
        const auto found = records_.find(sent.folder);
        if (found == records_.end()) return false;
        const auto& record = found->second;
        switch (record.start.kind) {
            case listener::Start::Kind::all:
                return true;
            case listener::Start::Kind::now:
                return sent.uid >= record.filterBelow;
            case listener::Start::Kind::since:
                return sent.uid >= record.filterBelow || sent.received >= record.start.since;
        }
        return false;
    }

    void check() {
        for (const auto& what : mail_.violations) fail("the mail server refused: " + what);
        for (const auto& what : tokens_.violations) fail("the token server refused: " + what);
        if (log_.text().find(secret) != std::string::npos || log_.text().find("token-") != std::string::npos) fail("a secret is in the log");
        auto files = disk_.files(spool);
        std::size_t delivered = 0, removed = 0;
        for (const auto& sent : sent_) {
            const auto name = idOf(sent);
            const auto eml = files.find(name + ".eml");
            const auto what = "uid " + std::to_string(sent.uid) + " of " + sent.folder;
            if (eml == files.end()) {
                if (expected(sent) && !sent.removed) fail("lost: " + what);
                continue;
            }
            ++delivered;
            removed += sent.removed ? 1 : 0;  // it may have gone between its sink and its verdict: then no row tells of it
            if (!expected(sent)) fail("delivered though it was there before the start: " + what);
            if (eml->second != sent.bytes) fail("not the bytes the server holds: " + what);
            files.erase(eml);
            if (metadata_ == "json" && files.erase(name + ".json") == 0) fail("no metadata beside " + what);
            checkAfter(sent, what);
        }
        for (const auto& [name, bytes] : files)
            if (!name.ends_with(".json"))
                fail("in the spool, and nobody knows why: " + name);  // a .json alone: its .eml was about to follow when the power went
        if (verdict_.delivered > delivered || verdict_.delivered + removed < delivered)
            fail("the ledger counts " + std::to_string(verdict_.delivered) + " deliveries, the spool has " + std::to_string(delivered));
    }

    void checkAfter(const Sent& sent, const std::string& what) {
        if (sent.removed) return;
        const auto* mail = mail_.folders[sent.folder].find(sent.uid);
        const bool expunges = mail_.capabilities.contains("UIDPLUS");
        const bool moves = after_.find("move:") != std::string::npos;
        const bool leaves = moves ? expunges || mail_.capabilities.contains("MOVE") : after_ == "delete" && expunges;
        if ((mail == nullptr) != leaves) return fail("after=" + after_ + ", but " + what + (mail ? " is still there" : " is gone"));
        if (mail != nullptr && mail->flags.contains("\\Seen") != (after_.starts_with("seen")))
            fail("after=" + after_ + ", but \\Seen is wrong on " + what);
        if (!moves) return;
        const auto& target = mail_.folders[after_.substr(after_.find("move:") + 5)].mails;
        const auto copies = std::count_if(target.begin(), target.end(), [&](const Mail& each) { return each.bytes == sent.bytes; });
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
    std::string patterns_{}, folders_{}, start_{}, after_{}, metadata_{};
    std::shared_ptr<const plugin::Configuration> configuration_{};
    std::vector<Sent> sent_{};
    std::map<std::string, listener::FolderRecord> records_{};
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
