#include "tests/crash/kill_storm.h"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <thread>

namespace crash {

namespace fs = std::filesystem;
using namespace systemtest;
using servers::Milliseconds;

std::vector<Way> ways(const std::string& protocol) {
    using Fate = Way::Fate;
    if (protocol == "imap")
        return {
            {"drain, after = move", "after = move:Done", false, true, Fate::moved},
            {"service, after = move", "after = move:Done", true, false, Fate::moved},
            {"service, after = seen", "after = seen", true, true, Fate::seen},
            {"service, after = delete", "after = delete", true, false, Fate::removed},
            {"drain, move without MOVE", "after = move:Done\nmailbox.m.disable_capabilities = MOVE", false, false, Fate::moved, {"spool"}, true},
            {"service, after = leave", "after = leave", true, false, Fate::left},
            {"drain into a webhook, after = move", "after = move:Done", false, false, Fate::moved, {"http"}},
            {"service into a webhook, after = move", "after = move:Done", true, false, Fate::moved, {"http"}},
            {"drain into a program, after = delete", "after = delete", false, false, Fate::removed, {"exec"}},
            {"service into a program, after = seen", "after = seen", true, false, Fate::seen, {"exec"}},
        };
    // There is always a token, and a move is one step.
    std::vector<Way> all{
        {"drain, after = move", "after = move:Done", false, true, Fate::moved},
        {"service into spool and webhook, after = delete", "after = delete", true, true, Fate::removed, {"spool", "http"}},
        {"drain into a webhook, after = leave", "after = leave", false, true, Fate::left, {"http"}},
        {"service into a webhook, after = move", "after = move:Done", true, true, Fate::moved, {"http"}},
        {"service into a program, after = seen", "after = seen", true, true, Fate::seen, {"exec"}},
        {"drain into spool, webhook and program, after = delete", "after = delete", false, true, Fate::removed, {"spool", "http", "exec"}},
    };
    for (auto& way : all) way.protocol = protocol, way.name.insert(0, protocol + ", ");
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

KillStorm::KillStorm(const Way& way, std::minstd_rand& random) : way_(way), random_(random), box_(makePostbox(way.protocol)) {
    std::string words, names;
    for (const auto& kind : way.sinks) {
        auto& consumer = *consumers_.emplace_back(makeConsumer(kind, place_, static_cast<unsigned>(random())));
        words += consumer.words();
        names.append(names.empty() ? "" : ",").append(consumer.sink());
        consumer.be(Consumer::Mood::mixed);
    }
    const auto credential = way.oauth ? box_->credential(place_, "c") : box_->plainCredential(place_, "c");
    place_.configure(words + credential + replaced(box_->mailbox("m", "c"), "mailbox.m.deliver", names) + "mailbox.m." + way.words + "\n");
}

void KillStorm::send(std::size_t count) {
    const auto mails = someMails("storm" + std::to_string(++series_), count);
    for (const auto& mail : mails)
        if (!sent_.insert(sha256(mail.bytes)).second) throw std::logic_error("two mails of a storm are equal");
    box_->put(mails);
}

std::size_t KillStorm::arrived() const {
    std::size_t all = 0;
    for (const auto& consumer : consumers_) all += consumer->count();
    return all;
}

void KillStorm::pause(unsigned atMostMilliseconds) { std::this_thread::sleep_for(Milliseconds{random_() % atMostMilliseconds}); }

bool KillStorm::liveAndDie() {
    const auto kind = random_() % 3;
    if (!way_.service || kind == 0) send(10 + random_() % 40);
    const auto before = arrived();
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
        servers::eventually([&] { return arrived() > before || !process.running(); }, std::chrono::seconds{60});
        pause(60);
    }
    process.signal(SIGKILL);
    const auto ended = process.wait(std::chrono::seconds{20});
    if (!ended) throw std::runtime_error("a killed process is still there");
    if (ended->signal != SIGKILL) error_ = place_.log();
    box_->programDied();
    if (random_() % 2 == 0)
        for (const auto& consumer : consumers_) consumer->takeAway();
    return ended->signal == SIGKILL;
}

int KillStorm::settle() {
    for (const auto& consumer : consumers_) consumer->be(Consumer::Mood::well);
    const auto outcome = place_.postern({"run", "--once"});
    error_ = outcome.error;
    return outcome.status;
}

Figures KillStorm::count() {
    Figures figures;
    figures.mails = sent_.size();
    for (const auto& consumer : consumers_) countConsumer(*consumer, figures);
    for (const auto* folder : {"staging", "outbox"})
        if (fs::exists(place_.data() / folder))
            for ([[maybe_unused]] const auto& entry : fs::directory_iterator{place_.data() / folder}) ++figures.leftovers;
    figures.foreign += box_->problems().size();
    countMailbox(figures);
    return figures;
}

void KillStorm::countConsumer(Consumer& consumer, Figures& figures) {
    std::set<std::string> arrived;
    for (const auto& [id, digest] : consumer.taken()) {
        const auto mail = box_->original(digest);
        if (sent_.count(mail) == 0) ++figures.foreign;
        if (!arrived.insert(mail).second) ++figures.twice;
        if (bytesOf_.emplace(id, digest).first->second != digest) ++figures.foreign;  // than another consumer has
    }
    figures.foreign += consumer.changed();
    for (const auto& digest : sent_)
        if (arrived.count(digest) == 0) ++figures.lost;
    figures.repeats += consumer.repeats();
    figures.leftovers += consumer.leftovers();
}

void KillStorm::countMailbox(Figures& figures) {
    const auto inbox = box_->in("INBOX");
    using Fate = Way::Fate;
    if (way_.fate == Fate::removed || way_.fate == Fate::moved) figures.misplaced += inbox.size();
    if (way_.fate == Fate::removed && box_->bin().empty()) return;
    std::map<std::string, std::size_t> held;
    for (const auto& mail : way_.fate == Fate::moved ? box_->in("Done") : way_.fate == Fate::removed ? box_->in(box_->bin()) : inbox) {
        ++held[mail.digest];
        if (mail.seen != (way_.fate == Fate::seen)) ++figures.misplaced;
    }
    for (const auto& digest : sent_) {
        const auto copies = held[digest];
        if (copies == 0) ++figures.misplaced;
        if (copies > 1) figures.copies += copies - 1;
    }
    if (held.size() != sent_.size()) ++figures.misplaced;
}

}  // namespace crash
