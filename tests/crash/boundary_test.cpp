#include "tests/crash/consumers.h"
#include "tests/system/postbox.h"

#include <catch2/catch.hpp>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <set>

using namespace crash;
using namespace systemtest;
namespace fs = std::filesystem;

namespace {

const std::vector<std::string> points{"intended", "offered", "kept", "settled", "acted", "answered", "concluded"};

/// What the sinks do around the death.
enum class Course {
    taken,    ///< the mails are taken at the first try, in the run that dies
    refused,  ///< a sink refuses them in the run that dies, and is well afterwards
    waiting   ///< it had refused them in an earlier run; the run that dies delivers them out of the outbox
};

/// Whether the way of the mails leads over the point. Exchange renders messages anew: there the outbox keeps them before any sink is asked.
bool leadsOver(Course course, const std::string& point, bool exchange, bool leaves) {
    using Points = std::set<std::string>;
    static const Points taken{"intended", "offered", "settled", "acted"};   // no outbox: never kept, answered, concluded
    static const Points refused{"intended", "offered", "kept", "settled"};  // nothing is final: never acted
    static const Points waiting{"answered", "concluded", "acted"};          // the batch had been settled before
    static const Points takenAnew{"kept", "intended", "offered", "answered", "concluded", "settled", "acted"};
    static const Points refusedAnew{"kept", "intended", "offered", "answered", "concluded", "settled"};
    if (leaves && point == "acted") return false;
    return (course == Course::taken     ? exchange ? takenAnew : taken
            : course == Course::refused ? exchange ? refusedAnew : refused
                                        : waiting)
        .contains(point);
}

std::string nameOf(Course course) {
    return course == Course::taken ? "taken at once" : course == Course::refused ? "refused first" : "in the outbox";
}

struct Sinks {
    std::string name;
    std::vector<std::string> kinds;
    bool canRefuse;  ///< a spool does so only when its disk does
    std::string after = "move:Done";
    std::string protocol = "imap";
};
const std::vector<Sinks> sinks{{"spool", {"spool"}, false},
                               {"webhook", {"http"}, true},
                               {"program", {"exec"}, true},
                               {"spool and webhook", {"spool", "http"}, true},
                               {"spool, webhook and program, from EWS", {"spool", "http", "exec"}, true, "move:Done", "ews"},
                               {"spool, from Graph", {"spool"}, false, "leave", "graph"},
                               {"spool and webhook, from Graph", {"spool", "http"}, true, "delete", "graph"}};

/// One mailbox with mails, and consumers behind its sinks.
class Boundary {
public:
    explicit Boundary(const Sinks& behind) : behind_(behind), box_(makePostbox(behind.protocol)) {
        std::string names, words;
        for (const auto& kind : behind.kinds) {
            consumers_.push_back(makeConsumer(kind, place_));
            names.append(names.empty() ? "" : ",").append(consumers_.back()->sink());
            words += consumers_.back()->words();
        }
        place_.configure(words + box_->credential(place_, "c") + replaced(box_->mailbox("m", "c"), "mailbox.m.deliver", names) +
                         "mailbox.m.after = " + behind.after + "\n");
        const auto mails = someMails("boundary", 12);
        for (const auto& mail : mails) sent_.insert(sha256(mail.bytes));
        box_->put(mails);
    }

    void be(Consumer::Mood mood) {
        for (const auto& consumer : consumers_) consumer->be(mood);
    }
    /// A run that is killed when it comes to the point.
    servers::Ended runInto(const std::string& point) {
        const auto conf = place_.path() / "faults";
        fs::create_directories(conf);
        auto text = servers::readFile(place_.path() / "conf" / "postern.properties");
        servers::writeFile(conf / "postern.properties", text + "package.path = " POSTERN_FAULTY_PACKAGES "\n");
        servers::Process process{{.words = {POSTERN_PROGRAM, "run", "--once", "--config", conf.string()},
                                  .output = place_.path() / "log",
                                  .error = place_.path() / "log",
                                  .directory = place_.path(),
                                  .environment = {{"POSTERN_FAULT", point}}}};
        const auto ended = process.wait(std::chrono::seconds{120});
        if (!ended) throw std::runtime_error("it neither ended nor died: " + place_.log());
        return *ended;
    }
    servers::Outcome run() { return place_.postern({"run", "--once"}); }
    void takeAway() {
        for (const auto& consumer : consumers_) consumer->takeAway();
    }
    std::string log() const { return place_.log(); }

    /// Every mail has arrived behind every sink under one id with the same bytes, lies where it should once, and nothing is kept any more. Answers
    /// the repeats.
    std::size_t checkTheEnd() {
        std::size_t repeats = 0;
        std::map<std::string, std::string> bytesOf;
        for (const auto& consumer : consumers_) {
            INFO("behind sink " << consumer->sink());
            std::set<std::string> arrived;
            for (const auto& [id, digest] : consumer->taken()) {
                CHECK(arrived.insert(box_->original(digest)).second);  // not under a second id
                CHECK(bytesOf.emplace(id, digest).first->second == digest);
            }
            CHECK(arrived == sent_);
            CHECK(consumer->changed() == 0);
            CHECK(consumer->leftovers() == 0);
            repeats += consumer->repeats();
        }
        checkTheMailbox();
        for (const auto* folder : {"outbox", "quarantine", "staging"})
            if (fs::exists(place_.data() / folder)) CHECK(fs::is_empty(place_.data() / folder));
        CHECK(json(place_.postern({"outbox", "--json"}).output)->getValue<int>("bytes") == 0);
        return repeats;
    }

private:
    void checkTheMailbox() {
        const auto in = [this](const std::string& folder) {
            std::multiset<std::string> digests;
            for (const auto& mail : box_->in(folder)) digests.insert(mail.digest);
            return digests;
        };
        const std::multiset<std::string> all(sent_.begin(), sent_.end()), none;
        CHECK(in("INBOX") == (behind_.after == "leave" ? all : none));
        if (behind_.after == "delete") CHECK(in(box_->bin()) == all);
        if (behind_.after == "move:Done") CHECK(in("Done") == all);
        CHECK(box_->problems() == std::vector<std::string>{});
    }

    const Sinks& behind_;
    std::unique_ptr<Postbox> box_;
    Workplace place_{};
    std::vector<std::unique_ptr<Consumer>> consumers_{};
    std::set<std::string> sent_{};
};

}  // namespace

SCENARIO("the package that is shipped has no fault points", "[system][crash]") {
    const auto shipped = servers::readFile(POSTERN_PACKAGES "/mail-listener/mail-listener.so");
    const auto faulty = servers::readFile(POSTERN_FAULTY_PACKAGES "/mail-listener-faults/mail-listener-faults.so");
    REQUIRE_FALSE(shipped.empty());
    REQUIRE_FALSE(faulty.empty());
    const auto has = [](const std::string& library, const std::string& text) { return library.find(text) != std::string::npos; };
    CHECK_FALSE(has(shipped, "POSTERN_FAULT"));
    CHECK(has(faulty, "POSTERN_FAULT"));
}

/// POSTERN_KILLS: set, it says what came of each.
SCENARIO("kill -9 between any two effects loses nothing and delivers nothing under a second id, whatever the protocol and the sinks",
         "[system][crash]") {
    const bool told = std::getenv("POSTERN_KILLS") != nullptr;
    for (const auto& kind : sinks)
        for (const auto course : {Course::taken, Course::refused, Course::waiting})
            for (const auto& point : points) {
                if (course != Course::taken && !kind.canRefuse) continue;
                const bool exchange = kind.protocol != "imap";
                const bool comesBy = leadsOver(course, point, exchange, kind.after == "leave");
                if (exchange && !comesBy) continue;  // it takes time
                INFO(kind.name << ", " << nameOf(course) << ", killed at " << point);
                Boundary boundary(kind);
                if (course != Course::taken) boundary.be(Consumer::Mood::refusing);
                if (course == Course::waiting) {
                    const auto before = boundary.run();
                    INFO(before.error);
                    REQUIRE(before.status == 75);  // the outbox has them
                    boundary.be(Consumer::Mood::well);
                }
                const auto ended = boundary.runInto(point);
                INFO(boundary.log());
                REQUIRE(ended.signal == (comesBy ? SIGKILL : 0));
                boundary.takeAway();
                boundary.be(Consumer::Mood::well);
                const auto last = boundary.run();
                INFO(last.error);
                REQUIRE(last.status == 0);
                const auto repeats = boundary.checkTheEnd();
                if (told)
                    std::cout << kind.name << ", " << nameOf(course) << ", " << (ended.signal == SIGKILL ? "killed at " : "does not come to ")
                              << point << ": repeats=" << repeats << std::endl;
            }
}
