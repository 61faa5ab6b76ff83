#include "tests/crash/kill_storm.h"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace crash {

namespace fs = std::filesystem;
using namespace systemtest;
using servers::Milliseconds;

const std::vector<Way>& ways() {
    static const std::vector<Way> all{
        {"drain, after = move", "after = move:Done", false, true, Way::Fate::moved},
        {"service, after = move", "after = move:Done", true, false, Way::Fate::moved},
        {"service, after = seen", "after = seen", true, true, Way::Fate::seen},
        {"service, after = delete", "after = delete", true, false, Way::Fate::removed},
        {"drain, move without MOVE", "after = move:Done\nmailbox.m.disable_capabilities = MOVE", false, false, Way::Fate::moved, "spool", true},
        {"service, after = leave", "after = leave", true, false, Way::Fate::left},
        {"drain into a webhook, after = move", "after = move:Done", false, false, Way::Fate::moved, "http"},
        {"service into a webhook, after = move", "after = move:Done", true, false, Way::Fate::moved, "http"},
        {"drain into a program, after = delete", "after = delete", false, false, Way::Fate::removed, "exec"},
        {"service into a program, after = seen", "after = seen", true, false, Way::Fate::seen, "exec"},
    };
    return all;
}

Figures& Figures::operator+=(const Figures& other) {
    kills += other.kills;
    mails += other.mails;
    lost += other.lost;
    twice += other.twice;
    foreign += other.foreign;
    repeats += other.repeats;
    copies += other.copies;
    misplaced += other.misplaced;
    leftovers += other.leftovers;
    return *this;
}

KillStorm::KillStorm(const Way& way, std::minstd_rand& random)
    : way_(way),
      random_(random),
      user_(Surroundings::get().newUser()),
      reader_(Surroundings::get().reader(user_)),
      consumer_(makeConsumer(way.sink, place_, static_cast<unsigned>(random()))) {
    const auto credential = way.oauth ? basicCredential(place_, "c")
                                      : "credential.c.grant = user_password\ncredential.c.username = " + user_ + "\ncredential.c.password = ${file:" +
                                            place_.file("password", Surroundings::get().mailServer().readerPassword()).string() + "}\n";
    place_.configure(consumer_->words() + credential + replaced(mailbox("m", user_, "c"), "mailbox.m.deliver", consumer_->sink()) + "mailbox.m." +
                     way.words + "\n");
    consumer_->be(Consumer::Mood::mixed);
}

void KillStorm::send(std::size_t count) {
    const auto mails = someMails("storm" + std::to_string(++series_), count);
    for (const auto& mail : mails)
        if (!sent_.insert(sha256(mail.bytes)).second) throw std::logic_error("two mails of a storm are equal");
    reader_.append("INBOX", mails);
}

void KillStorm::pause(unsigned atMostMilliseconds) { std::this_thread::sleep_for(Milliseconds{random_() % atMostMilliseconds}); }

bool KillStorm::liveAndDie() {
    const auto kind = random_() % 3;
    if (!way_.service || kind == 0) send(10 + random_() % 40);
    const auto before = consumer_->count();
    auto process = place_.start(way_.service ? std::vector<std::string>{"run"} : std::vector<std::string>{"run", "--once"});
    if (kind == 1) {
        // Anywhere from the start on.
        pause(250);
    } else if (way_.service && kind == 2) {
        // It has done all there was and waits; then mail comes.
        servers::eventually([&] { return caughtUp() || !process.running(); }, std::chrono::seconds{60});
        pause(60);
        for (auto bursts = 1 + random_() % 3; bursts > 0; --bursts) {
            send(5 + random_() % 20);
            pause(40);
        }
    } else {
        // Shortly after the first delivery of this life.
        servers::eventually([&] { return consumer_->count() > before || !process.running(); }, std::chrono::seconds{60});
        pause(60);
    }
    process.signal(SIGKILL);
    const auto ended = process.wait(std::chrono::seconds{20});
    if (!ended) throw std::runtime_error("a killed process is still there");
    if (ended->signal != SIGKILL) error_ = place_.log();
    if (random_() % 2 == 0) consumer_->takeAway();
    return ended->signal == SIGKILL;
}

int KillStorm::settle() {
    consumer_->be(Consumer::Mood::well);
    const auto outcome = place_.postern({"run", "--once"});
    error_ = outcome.error;
    return outcome.status;
}

Figures KillStorm::count() {
    Figures figures;
    figures.mails = sent_.size();
    std::set<std::string> arrived;
    for (const auto& [id, digest] : consumer_->taken()) {
        if (sent_.count(digest) == 0) ++figures.foreign;
        if (!arrived.insert(digest).second) ++figures.twice;
    }
    figures.foreign += consumer_->changed();
    for (const auto& digest : sent_)
        if (arrived.count(digest) == 0) ++figures.lost;
    figures.repeats = consumer_->repeats();
    figures.leftovers = consumer_->leftovers();
    for (const auto* folder : {"staging", "outbox"})
        if (fs::exists(place_.data() / folder))
            for ([[maybe_unused]] const auto& entry : fs::directory_iterator{place_.data() / folder}) ++figures.leftovers;
    countMailbox(figures);
    return figures;
}

void KillStorm::countMailbox(Figures& figures) {
    const auto inbox = reader_.fetch("INBOX");
    if (way_.fate == Way::Fate::removed || way_.fate == Way::Fate::moved) figures.misplaced += inbox.size();
    if (way_.fate == Way::Fate::removed) return;
    std::map<std::string, std::size_t> held;
    for (const auto& mail : way_.fate == Way::Fate::moved ? reader_.fetch("Done") : inbox) {
        ++held[sha256(mail.bytes)];
        const bool seen = mail.flags.find("\\Seen") != std::string::npos;
        if (seen != (way_.fate == Way::Fate::seen)) ++figures.misplaced;
    }
    for (const auto& digest : sent_) {
        const auto copies = held[digest];
        if (copies == 0) ++figures.misplaced;
        if (copies > 1) figures.copies += copies - 1;
    }
    if (held.size() != sent_.size()) ++figures.misplaced;
}

}  // namespace crash
