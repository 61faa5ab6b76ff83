#include "tests/simulation/stage.h"

#include "auth/access.h"
#include "listener/engine/settings.h"
#include "plugin/host/validation.h"
#include "tests/simulation/sim_text.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace simulation {

using namespace std::chrono_literals;

namespace {

constexpr const char* basic = "YXBwOnNlY3JldA==";  // app:secret
constexpr std::uint16_t firstPort = 20'000, tokenPort = 9'400, hookPort = 9'500;

std::string alias(std::size_t mailbox) { return "box" + std::to_string(mailbox); }

}  // namespace

Stage::Stage(const Setting& setting)
    : setting_(setting),
      dice_(setting.seed),
      log_(std::getenv("POSTERN_TRACE") != nullptr, clock_),
      disk_(setting.seed),
      tokens_(clock_, dice_, basic) {
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

Stage::~Stage() {
    if (process_) end();
}

void Stage::begin(plugin::Mode mode) {
    dead_ = false;
    process_ = std::make_unique<Process>(world_, dead_);
    if (const auto error = process_->start(mode)) throw std::runtime_error(error->what);
}

void Stage::pass(std::chrono::milliseconds time, const std::function<bool()>& enough) {
    process_->run(clock_.steady() + time, enough);
    if (process_->bug()) std::rethrow_exception(process_->bug());
}

int Stage::end() {
    process_->stop();
    pass(10s);
    const auto status = process_->status();
    process_.reset();
    if (!status) throw std::runtime_error("the process did not end within 10 s of being asked");
    return *status;
}

int Stage::ended() {
    const auto status = process_->status();
    process_.reset();
    if (!status) throw std::runtime_error("the process goes on");
    return *status;
}

int Stage::once() {
    begin(plugin::Mode::once);
    pass(1h);
    return ended();
}

void Stage::kill() {
    dead_ = true;
    files_.kill();
    disk_.kill();
    process_.reset();
    disk_.restart();
}

void Stage::reload(std::vector<std::string> hook) {
    setting_.hook = std::move(hook);
    configure();
    process_->reload();
}

bool Stage::is(const std::string& health, std::size_t mailbox) {
    return process_->kept().gauge("postern_mailbox_health mailbox=" + alias(mailbox) + " health=" + health) == 1;
}

std::size_t Stage::failures() const {
    std::size_t count = 0;
    for (auto at = log_.text().find("again_in_ms="); at != std::string::npos; at = log_.text().find("again_in_ms=", at + 1)) ++count;
    return count;
}

void Stage::arrive(std::size_t mailbox, const std::string& folder) {
    const auto number = std::to_string(mailbox) + "-" + std::to_string(sent_[mailbox].size());
    auto bytes = "Message-ID: <" + number + "@example.test>\r\nSubject: mail " + number + "\r\n\r\nbody\r\nof " + number + "\r\n";
    sent_[mailbox].push_back(bytes);
    servers_[mailbox]->arrive(folder, std::move(bytes), std::chrono::floor<std::chrono::seconds>(clock_.wall()));
}

void Stage::checkAllDelivered() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < sent_.size(); ++i) {
        auto wanted = sent_[i];
        std::sort(wanted.begin(), wanted.end());
        all.insert(all.end(), wanted.begin(), wanted.end());
        CHECK(servers_[i]->violations == std::vector<std::string>{});
        if (!delivers("s")) continue;
        const bool same = spooled(i) == wanted;
        CHECK(same);
        CHECK(spooled(i).size() == wanted.size());
    }
    CHECK(tokens_.violations == std::vector<std::string>{});
    CHECK(hook_.violations == std::vector<std::string>{});
    if (!delivers("hook")) return;
    std::vector<std::string> taken;
    for (const auto& [id, bytes] : hook_.taken) taken.push_back(bytes);
    std::sort(taken.begin(), taken.end());
    std::sort(all.begin(), all.end());
    const bool same = taken == all;
    CHECK(same);
    CHECK(taken.size() == all.size());
}

std::size_t Stage::checkHeld(const std::string& folder) const {
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

bool Stage::delivers(const std::string& sink) const {
    const auto names = split(setting_.deliver, ',');
    return std::find(names.begin(), names.end(), sink) != names.end();
}

std::vector<std::string> Stage::spooled(std::size_t mailbox) const {
    std::vector<std::string> all;
    for (const auto& [name, bytes] : disk_.files("/spool/" + alias(mailbox)))
        if (name.front() != '.') all.push_back(bytes);
    std::sort(all.begin(), all.end());
    return all;
}

void Stage::configure() {
    std::string text =
        "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = secret\n"
        "credential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n"
        "sink.s.type = spool\nsink.s.path = /spool\nsink.s.metadata = none\n"
        "sink.hook.type = http\nsink.hook.url = http://127.0.0.1:9500/hook\n";
    for (const auto& words : setting_.hook) text += "sink.hook." + words + "\n";
    for (std::size_t i = 0; i < servers_.size(); ++i) {
        const auto key = "mailbox." + alias(i) + ".";
        for (const auto& words :
             {std::string{"protocol = imap"}, std::string{"host = 127.0.0.1"}, "port = " + std::to_string(firstPort + i), std::string{"tls = none"},
              std::string{"user = box@example.test"}, std::string{"credential = c"}, "deliver = " + setting_.deliver, std::string{"start = all"}})
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
        network.listen(hookPort, [this] { return hookServer_.accept(); });
        for (std::size_t i = 0; i < servers_.size(); ++i)
            network.listen(static_cast<std::uint16_t>(firstPort + i), [this, i] { return servers_[i]->accept(); });
    };
}

}  // namespace simulation
