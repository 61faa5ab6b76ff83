// Directed scenarios on simulated ground: what servers are known to do, with what has to come of it.
#include "auth/access.h"
#include "listener/engine/settings.h"
#include "plugin/host/validation.h"
#include "tests/simulation/process.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_text.h"

#include <catch2/catch.hpp>

#include <utility>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>

using namespace simulation;
using namespace std::chrono_literals;
using plugin::Mode;
using plugin::Steady;

namespace {

constexpr const char* basic = "YXBwOnNlY3JldA==";  // app:secret
constexpr std::uint16_t firstPort = 20'000, tokenPort = 9'400;

struct Setting {
    std::size_t mailboxes = 1;
    std::set<std::string> capabilities{"SASL-IR", "UIDPLUS", "MOVE", "ESEARCH", "LITERAL+", "ID", "IDLE"};
    std::vector<std::string> words{};  ///< of each mailbox, beside what all have
    std::chrono::seconds tokenLife{3600};
    std::uint64_t seed = 1;
};

/// Some mailboxes, each with a server of its own at one host, and whatever processes work on them one after another.
class Stage {
public:
    explicit Stage(const Setting& setting) : setting_(setting), dice_(setting.seed), disk_(setting.seed) {
        files_.useClock(clock_);
        tokens_.life = setting.tokenLife;
        for (std::size_t i = 0; i < setting.mailboxes; ++i) {
            auto server = std::make_unique<MailServer>(clock_, dice_, [this](const auto&, const auto& token) { return tokens_.valid(token); });
            server->capabilities = setting.capabilities;
            server->folders["INBOX"];
            server->folders["Done"];
            server->tokenEnd = [this](const auto& token) { return tokens_.endOf(token); };
            servers_.push_back(std::move(server));
        }
        sent_.resize(setting.mailboxes);
        configure();
    }
    ~Stage() {
        if (process_) end();
    }

    void begin(Mode mode) {
        dead_ = false;
        process_ = std::make_unique<Process>(world_, dead_);
        if (const auto error = process_->start(mode)) throw std::runtime_error(error->what);
    }
    /// Lets time pass, or less if the process ends or `enough` is true.
    void pass(
        std::chrono::milliseconds time, const std::function<bool()>& enough = [] { return false; }) {
        process_->run(clock_.steady() + time, enough);
        if (process_->bug()) std::rethrow_exception(process_->bug());
    }
    /// As by SIGTERM; answers the exit status.
    int end() {
        process_->stop();
        pass(10s);
        const auto status = process_->status();
        process_.reset();
        if (!status) throw std::runtime_error("the process did not end within 10 s of being asked");
        return *status;
    }
    /// Of a process that has ended by itself.
    int ended() {
        const auto status = process_->status();
        process_.reset();
        if (!status) throw std::runtime_error("the process goes on");
        return *status;
    }
    int once() {
        begin(Mode::once);
        pass(1h);
        return ended();
    }

    Process& process() { return *process_; }
    MailServer& server(std::size_t mailbox = 0) { return *servers_[mailbox]; }
    Steady now() const { return clock_.steady(); }
    bool is(const std::string& health, std::size_t mailbox = 0) {
        return process_->kept().gauge("postern_mailbox_health mailbox=" + alias(mailbox) + " health=" + health) == 1;
    }
    /// Failures the program has noted, each of which counts in the metrics and may be shown to a person.
    std::size_t failures() const {
        std::size_t count = 0;
        for (auto at = log_.text().find("again_in_ms="); at != std::string::npos; at = log_.text().find("again_in_ms=", at + 1)) ++count;
        return count;
    }
    const std::string& log() const { return log_.text(); }

    void arrive(std::size_t mailbox = 0) {
        const auto number = std::to_string(mailbox) + "-" + std::to_string(sent_[mailbox].size());
        auto bytes = "Message-ID: <" + number + "@example.test>\r\nSubject: mail " + number + "\r\n\r\nbody\r\nof " + number + "\r\n";
        sent_[mailbox].push_back(bytes);
        servers_[mailbox]->arrive("INBOX", std::move(bytes), std::chrono::floor<std::chrono::seconds>(clock_.wall()));
    }
    std::size_t delivered(std::size_t mailbox = 0) const { return spooled(mailbox).size(); }
    /// Every mail is in the spool once, with its bytes, and no server had to refuse anything.
    void checkAllDelivered() const {
        for (std::size_t i = 0; i < sent_.size(); ++i) {
            auto wanted = sent_[i];
            std::sort(wanted.begin(), wanted.end());
            const bool all = spooled(i) == wanted;
            CHECK(all);
            CHECK(spooled(i).size() == wanted.size());
            CHECK(servers_[i]->violations == std::vector<std::string>{});
        }
        CHECK(tokens_.violations == std::vector<std::string>{});
    }
    /// Every mail is in this folder; answers how many are there too often.
    std::size_t checkHeld(const std::string& folder) const {
        std::vector<std::string> held;
        for (const auto& mail : servers_[0]->folders[folder].mails) held.push_back(mail.bytes);
        const auto all = held.size();
        std::sort(held.begin(), held.end());
        held.erase(std::unique(held.begin(), held.end()), held.end());
        auto wanted = sent_[0];
        std::sort(wanted.begin(), wanted.end());
        const bool conserved = held == wanted;
        CHECK(conserved);
        return all - held.size();
    }

    TokenServer& tokens() { return tokens_; }

private:
    static std::string alias(std::size_t mailbox) { return "box" + std::to_string(mailbox); }

    std::vector<std::string> spooled(std::size_t mailbox) const {
        std::vector<std::string> all;
        for (const auto& [name, bytes] : disk_.files("/spool/" + alias(mailbox)))
            if (name.front() != '.') all.push_back(bytes);
        std::sort(all.begin(), all.end());
        return all;
    }

    void configure() {
        std::string text =
            "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = secret\n"
            "credential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n"
            "sink.s.type = spool\nsink.s.path = /spool\nsink.s.metadata = none\n";
        for (std::size_t i = 0; i < servers_.size(); ++i) {
            const auto key = "mailbox." + alias(i) + ".";
            for (const auto& words : {std::string{"protocol = imap"}, std::string{"host = 127.0.0.1"}, "port = " + std::to_string(firstPort + i),
                                      std::string{"tls = none"}, std::string{"user = box@example.test"}, std::string{"credential = c"},
                                      std::string{"deliver = s"}, std::string{"start = all"}})
                text += key + words + "\n";
            for (const auto& words : setting_.words) text += key + words + "\n";
        }
        plugin::host::Rules rules;
        rules.keys = listener::keys();
        for (auto& key : auth::keys()) rules.keys.push_back(std::move(key));
        rules.checks = {listener::check, auth::check};
        rules.workingDirectory = "/";
        auto validated = plugin::host::validate(plugin::host::parseProperties(text, "scenario"), rules);
        for (const auto& problem : validated.problems)
            if (problem.severity == plugin::Problem::Severity::error) throw std::runtime_error(problem.key + ": " + problem.what);
        world_.configuration = validated.configuration;
        world_.servers = [this](SimNetwork& network) {
            network.listen(tokenPort, [this] { return tokens_.accept(); });
            for (std::size_t i = 0; i < servers_.size(); ++i)
                network.listen(static_cast<std::uint16_t>(firstPort + i), [this, i] { return servers_[i]->accept(); });
        };
    }

    Setting setting_;
    Dice dice_;
    WorldClock clock_{};
    KeptLog log_{std::getenv("POSTERN_TRACE") != nullptr, clock_};
    SimDisk disk_;
    SimVfs files_{};
    TokenServer tokens_{clock_, dice_, basic};
    std::vector<std::unique_ptr<MailServer>> servers_{};
    std::vector<std::vector<std::string>> sent_{};
    bool dead_ = false;
    World world_{clock_, dice_, files_, disk_, log_, nullptr, {}};
    std::unique_ptr<Process> process_{};
};

struct AfterWay {
    std::string after, folder;
    bool move = true;
};

}  // namespace

SCENARIO("a drain that is cut behind any line of any dialogue is made good by the next one, whatever is done with the mail", "[scenario]") {
    const auto way = GENERATE(AfterWay{"leave", "INBOX"}, AfterWay{"seen", "INBOX"}, AfterWay{"delete", ""}, AfterWay{"move:Done", "Done"},
                              AfterWay{"seen+move:Done", "Done"}, AfterWay{"move:Done", "Done", false});
    const bool reset = GENERATE(false, true);
    Setting setting{.words = {"after = " + way.after}};
    if (!way.move) setting.capabilities.erase("MOVE");
    INFO("after = " << way.after << (way.move ? "" : " without MOVE") << (reset ? ", reset" : ", cut in order"));
    Stage stage{setting};
    std::uint64_t line = 0;
    std::size_t copies = 0;
    unsigned twice = 0;
    for (bool cut = true; cut;) {
        INFO("behind line " << ++line);
        REQUIRE(line < 500);
        for (int i = 0; i < 3; ++i) stage.arrive();
        stage.begin(Mode::once);
        stage.process().network().cutAfterLine(line, reset);
        stage.pass(1h);
        cut = stage.process().network().lines() >= line;
        const auto status = stage.ended();
        CHECK((status == 0 || (cut && status == 75)));
        REQUIRE(stage.once() == 0);
        stage.checkAllDelivered();
        if (way.folder != "INBOX") CHECK(stage.server().folders["INBOX"].mails.empty());
        const auto before = std::exchange(copies, way.folder.empty() ? 0 : stage.checkHeld(way.folder));
        CHECK(copies - before <= (way.move ? 0U : 3U));  // a COPY nobody heard the end of is done again
        twice += copies > before ? 1 : 0;
    }
    CHECK(line > 25);
    CHECK(twice <= 3);  // the line of the COPY is not the same in all dialogues: a server may list its capabilities unasked
    if (way.after == "seen")
        for (const auto& mail : stage.server().folders["INBOX"].mails) CHECK(mail.flags.contains("\\Seen"));
}

SCENARIO("a service that is cut off behind any line comes back and loses nothing", "[scenario]") {
    const auto way = GENERATE(AfterWay{"seen", "INBOX"}, AfterWay{"move:Done", "Done"});
    const bool reset = GENERATE(false, true);
    INFO("after = " << way.after << (reset ? ", reset" : ", cut in order"));
    std::uint64_t line = 0;
    for (bool cut = true; cut;) {
        INFO("behind line " << ++line);
        REQUIRE(line < 500);
        Stage stage{{.words = {"after = " + way.after}, .seed = line}};
        stage.arrive();
        stage.begin(Mode::service);
        stage.process().network().cutAfterLine(line, reset);
        for (int i = 0; i < 3; ++i) {
            stage.pass(20s);  // by now it waits in IDLE
            stage.arrive();
        }
        stage.pass(20s);
        cut = stage.process().network().lines() >= line;
        stage.pass(1min, [&] { return stage.delivered() == 4; });
        CHECK(stage.delivered() == 4);
        stage.pass(5s);
        CHECK(stage.is("ok"));
        CHECK(stage.failures() <= 1);
        CHECK(stage.server().mostSessions == 1);
        CHECK(stage.end() == 0);
        stage.checkAllDelivered();
        CHECK(stage.checkHeld(way.folder) == 0);
    }
    CHECK(line > 60);
}

SCENARIO("tokens of a minute serve an hour, whether the server ends sessions with them or not", "[scenario]") {
    const bool ends = GENERATE(false, true);
    const bool idle = GENERATE(true, false);
    INFO((ends ? "sessions end with their token" : "sessions go on") << (idle ? ", IDLE" : ", polled"));
    Setting setting{.words = {"after = seen", "interval = 30s"}, .tokenLife = 60s};
    if (!idle) setting.capabilities.erase("IDLE");
    Stage stage{setting};
    stage.server().endsWithToken = ends;
    stage.begin(Mode::service);
    for (int minute = 0; minute < 60; ++minute) {
        stage.arrive();
        stage.pass(1min);
        if (minute > 0) CHECK(stage.is("ok"));
    }
    stage.pass(1min);
    CHECK(stage.failures() == 0);
    CHECK(stage.tokens().issued <= 3600 / 60 + 2);
    CHECK(stage.server().mostSessions == 1);
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a day of looking every thirty seconds costs few tokens and few sign-ins", "[scenario]") {
    const bool ends = GENERATE(false, true);
    INFO((ends ? "sessions end with their token" : "sessions go on"));
    Setting setting{.words = {"after = seen", "interval = 30s"}};
    setting.capabilities.erase("IDLE");
    Stage stage{setting};
    stage.server().endsWithToken = ends;
    stage.begin(Mode::service);
    for (int hour = 0; hour < 24; ++hour) {
        for (int i = 0; i < 5; ++i) stage.arrive();
        stage.pass(1h);
        CHECK(stage.is("ok"));
    }
    CHECK(stage.failures() == 0);
    CHECK(stage.tokens().issued <= 24 + 2);
    CHECK(stage.server().signIns <= 50);
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("an account that is authenticated but not connected costs no further tokens", "[scenario]") {
    Stage stage{{.mailboxes = 2, .words = {"after = seen"}}};
    stage.server().instead = [](const std::string& command) -> std::optional<std::string> {
        if (command == "AUTHENTICATE" || command == "CAPABILITY" || command == "LOGOUT") return std::nullopt;
        return "BAD User is authenticated but not connected.";
    };
    stage.arrive(0);
    stage.begin(Mode::service);
    stage.pass(3h);
    CHECK(stage.is("blocked"));
    CHECK(stage.is("ok", 1));
    CHECK(stage.tokens().issued <= 3 + 2);  // what the other mailbox needs in these hours
    CHECK(stage.server().signIns <= 20);
    stage.server().instead = nullptr;
    stage.pass(20min);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a server that asks for time is given it, and no other mailbox notices", "[scenario]") {
    const std::string at = GENERATE("UID FETCH", "UID SEARCH", "SELECT", "UID STORE", "IDLE", "AUTHENTICATE");
    const auto asked = 92'415ms;
    INFO("at " << at);
    Stage stage{{.mailboxes = 3, .words = {"after = seen"}}};
    std::optional<Steady> said, next;
    stage.server().instead = [&](const std::string& command) -> std::optional<std::string> {
        if (command == "LOGOUT") return std::nullopt;                  // leaving is what it wants
        if (said && !next && stage.now() > *said) next = stage.now();  // what came together with it was on the way
        if (said || command != at) return std::nullopt;
        said = stage.now();
        return "NO Request is throttled. Suggested Backoff Time: " + std::to_string(asked.count()) + " milliseconds";
    };
    stage.begin(Mode::service);
    stage.arrive(0);
    stage.pass(10s);
    REQUIRE(said);
    for (int i = 0; i < 10; ++i) {
        stage.arrive(1);
        stage.arrive(2);
        stage.pass(8s);
        CHECK(stage.delivered(1) == static_cast<std::size_t>(i + 1));
        CHECK(stage.delivered(2) == static_cast<std::size_t>(i + 1));
    }
    stage.pass(10min);
    REQUIRE(next);
    CHECK(*next - *said >= asked);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a server that accepts and drops is not asked more than twenty times in the first hour", "[scenario]") {
    const std::string at = GENERATE("CAPABILITY", "ID", "SELECT", "UID SEARCH", "UID FETCH", "IDLE");
    INFO("at " << at);
    Stage stage{{.words = {"after = seen"}}};
    stage.arrive();
    stage.server().instead = [&](const std::string& command) -> std::optional<std::string> {
        if (command == at) return "";
        return std::nullopt;
    };
    stage.begin(Mode::service);
    stage.pass(1h);
    CHECK(stage.server().signIns <= 20);
    CHECK(stage.tokens().issued <= 2);
    stage.server().instead = nullptr;
    stage.pass(7min);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a thousand forced reconnections never make more than one session a mailbox", "[scenario]") {
    Stage stage{{.mailboxes = 4, .words = {"after = seen"}, .tokenLife = 600s}};
    stage.begin(Mode::service);
    Dice dice{3};
    const auto signIns = [&] {
        std::uint64_t all = 0;
        for (std::size_t i = 0; i < 4; ++i) all += stage.server(i).signIns;
        return all;
    };
    int cuts = 0;
    for (; signIns() < 1'004 && cuts < 5'000; ++cuts) {
        stage.arrive(dice.below(4));
        stage.pass(std::chrono::milliseconds(dice.below(dice.oneIn(10) ? 900'000 : 60'000)));
        auto& network = stage.process().network();
        if (dice.oneIn(2)) {
            network.setDown(true);
            stage.pass(std::chrono::milliseconds(dice.below(20'000)));
            network.setDown(false);
        } else {
            network.cutAfterLine(1 + dice.below(60), dice.oneIn(2));
        }
    }
    CHECK(signIns() >= 1'004);
    stage.pass(30min);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(stage.server(i).mostSessions == 1);
        CHECK(stage.is("ok", i));
    }
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}
