#include "tests/simulation/history.h"

#include "tests/simulation/history_judge.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <exception>
#include <optional>

namespace simulation {

using namespace std::chrono_literals;
using plugin::Mode;
using plugin::Steady;

namespace {

constexpr std::uint16_t mailPort = 1143, tokenPort = 9400, hookPort = 9500, latePort = 9600;

class History final : JudgedHistory {
public:
    History(const std::string& protocol, std::uint64_t seed, bool trace) : JudgedHistory(protocol, seed, trace) {
        files_.useClock(clock_);
        choose();
        configure();
    }

    Verdict play() {
        for (int i = static_cast<int>(dice_.below(25)); i > 0; --i) arrive();
        for (auto& sent : sent_) sent.before = true;
        clock_.jump(2s);  // within one second nobody can tell before from after
        begunFrom_ = clock_.wall();
        storm();
        calm();
        check();
        verdict_.mails = sent_.size();
        verdict_.dialogues = mailbox_->dialogues();
        verdict_.refused = mailbox_->refused;
        verdict_.untold = mailbox_->untold;
        return std::move(verdict_);
    }

private:
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
        const auto server = mailbox_->make(split(folders_, ','), HistoryMailbox::Kind::any);
        tokens_.life = std::chrono::seconds(20 + dice_.below(dice_.oneIn(2) ? 100 : 3600));
        verdict_.plot = std::string(disorder_ ? "disorder " : "") + "folders=" + patterns_ + " start=" + start_ + " after=" + after_ +
                        " sinks=" + sinks_ + (givesUp_ ? " gives up" : "") + " metadata=" + metadata_ + " " + server +
                        " token_life=" + std::to_string(tokens_.life.count()) + "s";
    }

    void configure() {
        const auto text =
            "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = " + std::string(secret) +
            "\ncredential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n" + mailboxLines() +
            "sink.s.type = spool\nsink.s.path = /spool\nsink.hook.type = http\nsink.hook.url = "
            "http://127.0.0.1:9500/hook\nsink.late.type = http\nsink.late.url = http://127.0.0.1:9600/hook\nsink.run.type = exec\nsink.run.command = "
            "/usr/bin/consume\n" +
            (givesUp_ ? "sink.hook.retry.give_up = 10m\n" : "") + "mailbox.box.deliver = " + sinks_ + "\nsink.s.metadata = " + metadata_ +
            "\nmailbox.box.folders = " + patterns_ + "\nmailbox.box.start = " + start_ + "\nmailbox.box.after = " + after_ + "\n" +
            (dice_.oneIn(3) ? "mailbox.box.max_per_round = " + std::to_string(1 + dice_.below(7)) + "\n" : "");
        configuration_ = configured(text);
    }

    std::string mailboxLines() {
        std::string lines;
        for (const auto& line : split(mailbox_->listenAt(mailPort) + "credential = c", '\n')) lines += "mailbox.box." + line + "\n";
        return lines;
    }

    // ---- what happens in the mailbox

    std::string anyWatched() {
        const auto names = watched();
        return names[dice_.below(names.size())];
    }
    /// A mail that is in a watched folder now, by its serial; none: there is none.
    std::optional<std::pair<std::string, std::uint64_t>> anyMail() {
        const auto name = anyWatched();
        const auto mails = mailbox_->messages(name);
        if (mails.empty()) return std::nullopt;
        return std::pair(name, mails[dice_.below(mails.size())].serial);
    }

    /// The same head, second and size as another mail, and other octets: without ids nobody can tell them apart unless both are there (see
    /// matching_test).
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
            while (!mailbox_->tellsById() && looksLikeAnother(bytes, received)) bytes += "!";
        }
        const auto serial = mailbox_->arrive(folder, bytes, received);
        sent_.push_back({.serial = serial, .folder = folder, .bytes = std::move(bytes), .received = received});
    }

    void removeOne() {
        const auto mail = anyMail();
        if (!mail) return;
        bySerial(mail->second).removed = true;
        mailbox_->remove(mail->first, mail->second);
    }

    void moveOne() {
        const auto mail = anyMail();
        const auto target = anyWatched();
        if (!mail || after_ == "delete" || after_.find("move:") != std::string::npos) return;  // what we take away nobody else moves
        auto& sent = bySerial(mail->second);
        sent.moved = true;
        if (dice_.oneIn(2)) {
            if (target != mail->first) mailbox_->move(mail->first, mail->second, target);
            return;
        }
        Sent copy = sent;
        copy.copy = true;
        copy.folder = target;
        copy.serial = mailbox_->copy(mail->first, mail->second, target);
        sent_.push_back(std::move(copy));
    }

    void rebuildOne() {
        ++verdict_.rebuilds;
        mailbox_->rebuild(anyWatched(), ++validity_, dice_.oneIn(2));
    }

    /// To and fro between two values: each is looked at in between. (A validity that comes back unseen, with other UIDs, is beyond detection.)
    void alternate(Process& process) {
        const auto name = anyWatched();
        const auto other = ++validity_, first = mailbox_->validity(name);
        for (int i = 0; i < 4; ++i)
            process.loop().at(clock_.steady() + std::chrono::minutes(15 + 8 * i), [this, name, value = i % 2 == 0 ? other : first] {
                ++verdict_.rebuilds;
                mailbox_->rebuild(name, value, dice_.oneIn(2));
                if (dice_.oneIn(2)) arrive();
            });
    }

    void renameOne() {
        const auto name = anyWatched();
        if (!patterns_.ends_with("*") || name == "INBOX") return;
        const auto validity = mailbox_->validity(name);
        auto target = "Orders/" + std::string(1, static_cast<char>('a' + dice_.below(4)));
        if (dice_.oneIn(3)) target = "Orders";
        const auto names = mailbox_->folders();
        if (std::find(names.begin(), names.end(), target) != names.end()) return;
        if (!mailbox_->rename(name, target, dice_.oneIn(2) ? validity : ++validity_)) return;
        renamed_ = true;
        ++verdict_.rebuilds;
    }

    void fallBackOne() {
        const auto vanished = mailbox_->fallBack(anyWatched());
        verdict_.rebuilds += vanished.empty() ? 0 : 1;
        for (const auto serial : vanished) bySerial(serial).removed = true;
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
                    network.listen(mailPort, [this] { return mailbox_->accept(); });
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
            const auto refuseOneIn = stormy ? dice_.below(60) : 0, forgetOneIn = stormy ? dice_.below(4) : 0;
            mailbox_->setMoods(refuseOneIn, forgetOneIn);
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
        calmFrom_ = clock_.wall();
        live(false);
    }

    SimVfs files_{};
    WebhookServer hookServer_{hook_}, lateServer_{late_};
    SimPrograms simPrograms_{programs_};
    std::shared_ptr<const plugin::Configuration> configuration_{};
    std::uint32_t validity_ = 1'000'000;  ///< the last one given
    std::uint64_t effects_ = 0;
    Steady calmSince_{};

    friend Verdict simulation::playHistory(const std::string& protocol, std::uint64_t seed, bool trace);
};

}  // namespace

Verdict playHistory(const std::string& protocol, std::uint64_t seed, bool trace) {
    History history(protocol, seed, trace);
    try {
        auto verdict = history.play();
        verdict.effects = history.effects_;
        return verdict;
    } catch (const std::exception& error) {
        return {.failures = {error.what()}, .plot = history.verdict_.plot};
    }
}

}  // namespace simulation
