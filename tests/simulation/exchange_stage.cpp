#include "tests/simulation/exchange_stage.h"

#include "tests/simulation/sim_text.h"

#include <stdexcept>

namespace simulation {

using namespace std::chrono_literals;
using plugin::Mode;

namespace {

const std::string spool = "/spool/box";

std::string octetsOf(std::uint64_t serial) { return "octets of " + std::to_string(serial); }

std::string numbers(const std::set<std::string>& ids) { return std::to_string(ids.size()) + " times"; }

}  // namespace

ExchangeStage::ExchangeStage(std::uint64_t seed, bool trace) : dice_(seed), log_(trace, clock_), disk_(seed) {
    files_.useClock(clock_);
    exchange_.make("INBOX");
    exchange_.acted = [this](const Exchange::Item& item, const std::string& folder) {
        if (!spooled().contains(item.serial) || !hooked().contains(item.serial))
            violations_.push_back("message " + std::to_string(item.serial) + " of " + folder + " was touched before every sink had it");
    };
}

void ExchangeStage::configure() {
    std::string text =
        "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = secret\n"
        "credential.c.provider = microsoft365\ncredential.c.tenant = t\nmailbox.box.user = box@example.test\nmailbox.box.credential = c\n"
        "sink.s.type = spool\nsink.s.path = /spool\nsink.s.metadata = none\nsink.hook.type = http\nsink.hook.url = http://127.0.0.1:9500/hook\n";
    text += "mailbox.box.protocol = " + protocol + "\nmailbox.box.deliver = " + deliver + "\nmailbox.box.folders = " + folders +
            "\nmailbox.box.start = " + start + "\nmailbox.box.after = " + after + "\n";
    for (const auto& line : more) text += line + "\n";
    configuration_ = configured(text);
}

void ExchangeStage::judgeEffects(Process& process, std::uint64_t deathAt) {
    const auto count = [this, &process, deathAt] {
        if (++effects_ == deathAt) process.dead = true;
        return process.dead;
    };
    files_.judge([count](SimVfs::Effect, std::uint64_t, const std::string&) { return count() ? SimVfs::Fate::dead : SimVfs::Fate::pass; });
    disk_.setHook([this, count](const SimDisk::Step&) -> std::optional<plugin::Error> {
        if (!count()) return std::nullopt;
        disk_.kill();
        return SimDisk::ioError();
    });
    process.network().setHook(count);
    exchange_.effect = count;
}

void ExchangeStage::bury(bool powerCut) {
    files_.kill();
    files_.judge([](auto...) { return SimVfs::Fate::pass; });
    disk_.heal();
    if (powerCut) {
        files_.crash(&dice_);
        disk_.crash();
    } else if (disk_.isAlive()) {
        disk_.kill();
    }
    disk_.restart();
}

std::uint64_t ExchangeStage::live(Life life) {
    configure();
    World world{clock_,
                dice_,
                files_,
                disk_,
                log_,
                configuration_,
                [this](SimNetwork& network) { network.listen(9500, [this] { return hookServer_.accept(); }); },
                &simPrograms_,
                [this](const listener::MailboxSettings& settings, plugin::Host& host) { return exchange_.session(settings, host); }};
    bool dead = false, ended = false;
    effects_ = 0;
    {
        Process process(world, dead);
        judgeEffects(process, life.deathAt);
        if (const auto error = process.start(life.mode); error && !process.dead) throw std::runtime_error(error->what);
        if (!process.dead && life.begun) life.begun(process);
        if (!process.dead) process.run(clock_.steady() + life.time);
        if (!process.dead && life.mode == Mode::service && !process.bug()) {
            process.stop();
            process.run(clock_.steady() + 10s);
        }
        if (process.bug()) std::rethrow_exception(process.bug());
        ended = process.ended();
        status_ = process.status().value_or(-1);
    }
    if (dead || !ended) bury(life.powerCut);
    disk_.heal();
    files_.judge([](auto...) { return SimVfs::Fate::pass; });
    exchange_.effect = {};
    return effects_;
}

int ExchangeStage::once() {
    live({});
    return status_;
}

std::map<std::uint64_t, std::set<std::string>> ExchangeStage::spooled() const {
    std::map<std::uint64_t, std::set<std::string>> all;
    for (const auto& [name, bytes] : disk_.files(spool))
        if (name.ends_with(".eml")) all[Exchange::serialIn(bytes)].insert(name.substr(0, name.size() - 4));
    return all;
}

std::map<std::uint64_t, std::set<std::string>> ExchangeStage::hooked() const {
    std::map<std::uint64_t, std::set<std::string>> all;
    for (const auto& [id, bytes] : hook_.taken) all[Exchange::serialIn(bytes)].insert(id);
    return all;
}

std::vector<std::string> ExchangeStage::wrong(const std::set<std::uint64_t>& messages) const {
    auto all = violations_;
    for (const auto& what : hook_.violations) {
        const auto known = hook_.taken.find(what.substr(what.rfind(' ') + 1));
        all.push_back(known == hook_.taken.end() ? "webhook: " + what : octetsOf(Exchange::serialIn(known->second)) + ": webhook: " + what);
    }
    const auto files = spooled(), posts = hooked();
    const auto look = [&](const char* sink, const std::map<std::uint64_t, std::set<std::string>>& has) {
        for (const auto serial : messages) {
            const auto found = has.find(serial);
            if (found == has.end())
                all.push_back("lost: message " + std::to_string(serial) + " is not behind " + sink);
            else if (found->second.size() != 1)
                all.push_back("message " + std::to_string(serial) + " is behind " + sink + " " + numbers(found->second));
        }
        for (const auto& [serial, ids] : has)
            if (!messages.contains(serial))
                all.push_back("message " + std::to_string(serial) + " is behind " + std::string(sink) + " and should not be");
    };
    if (deliver != "hook") look("the spool", files);
    if (deliver != "s") look("the webhook", posts);
    if (deliver == "s,hook")
        for (const auto& [name, bytes] : disk_.files(spool)) {
            const auto posted = hook_.taken.find(name.substr(0, name.size() - 4));
            if (posted == hook_.taken.end() || posted->second != bytes)
                all.push_back(octetsOf(Exchange::serialIn(bytes)) + ": spool and webhook differ in " + name);
        }
    for (const auto& [name, bytes] : disk_.files("/data/outbox")) all.push_back("nobody needs outbox/" + name);
    return all;
}

}  // namespace simulation
