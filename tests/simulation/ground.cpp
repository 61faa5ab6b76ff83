#include "tests/simulation/ground.h"

#include <cstdlib>
#include <stdexcept>

namespace simulation {

using namespace std::chrono_literals;

namespace {

constexpr const char* basic = "YXBwOnNlY3JldA==";  // app:secret
constexpr std::uint16_t tokenPort = 9'400, hookPort = 9'500;

}  // namespace

Ground::Ground(std::uint64_t seed) : dice_(seed), log_(std::getenv("POSTERN_TRACE") != nullptr, clock_), disk_(seed), tokens_(clock_, dice_, basic) {
    files_.useClock(clock_);
}

void Ground::begin(plugin::Mode mode) {
    dead_ = false;
    process_ = std::make_unique<Process>(world_, dead_);
    if (const auto error = process_->start(mode)) throw std::runtime_error(error->what);
}

void Ground::pass(std::chrono::milliseconds time, const std::function<bool()>& enough) {
    process_->run(clock_.steady() + time, enough);
    if (process_->bug()) std::rethrow_exception(process_->bug());
}

int Ground::end() {
    process_->stop();
    pass(10s);
    const auto status = process_->status();
    process_.reset();
    if (!status) throw std::runtime_error("the process did not end within 10 s of being asked");
    return *status;
}

int Ground::ended() {
    const auto status = process_->status();
    process_.reset();
    if (!status) throw std::runtime_error("the process goes on");
    return *status;
}

int Ground::once() {
    begin(plugin::Mode::once);
    pass(1h);
    return ended();
}

void Ground::kill() {
    dead_ = true;
    files_.kill();
    disk_.kill();
    process_.reset();
    disk_.restart();
}

bool Ground::is(const std::string& health, std::size_t mailbox) {
    return process_->kept().gauge("postern_mailbox_health mailbox=" + alias(mailbox) + " health=" + health) == 1;
}

std::size_t Ground::failures() const {
    std::size_t count = 0;
    for (auto at = log_.text().find("again_in_ms="); at != std::string::npos; at = log_.text().find("again_in_ms=", at + 1)) ++count;
    return count;
}

std::map<std::string, std::string> Ground::spool(std::size_t mailbox) const {
    auto all = disk_.files("/spool/" + alias(mailbox));
    std::erase_if(all, [](const auto& file) { return file.first.front() == '.'; });
    return all;
}

void Ground::configure(const std::string& mailboxes, const std::vector<std::string>& hook, std::function<void(SimNetwork&)> servers) {
    std::string text =
        "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = secret\n"
        "credential.c.token_endpoint = http://127.0.0.1:9400/token\ncredential.c.scopes = mail\n"
        "sink.s.type = spool\nsink.s.path = /spool\nsink.s.metadata = none\n"
        "sink.hook.type = http\nsink.hook.url = http://127.0.0.1:9500/hook\n";
    for (const auto& words : hook) text += "sink.hook." + words + "\n";
    world_.configuration = configured(text + mailboxes);
    world_.servers = [this, listen = std::move(servers)](SimNetwork& network) {
        network.listen(tokenPort, [this] { return tokens_.accept(); });
        network.listen(hookPort, [this] { return hookServer_.accept(); });
        listen(network);
    };
}

}  // namespace simulation
