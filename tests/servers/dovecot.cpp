#include "tests/servers/dovecot.h"

#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace servers {

namespace fs = std::filesystem;

namespace {

std::uint16_t portNamed(const std::string& ports, const std::string& name) {
    std::istringstream lines{ports};
    for (std::string line; std::getline(lines, line);)
        if (line.rfind(name + "=", 0) == 0) return static_cast<std::uint16_t>(std::stoi(line.substr(name.size() + 1)));
    return 0;
}

}  // namespace

Dovecot::Dovecot(const fs::path& directory, std::uint16_t introspectionPort) : directory_(directory) {
    fs::create_directories(directory);
    for (int attempt = 0; attempt < 5; ++attempt) {  // a chosen port may be taken by somebody else before Dovecot has it
        fs::remove(directory / "ports");
        fs::remove(directory / "dovecot.log");
        const std::vector<std::string> words{std::string{POSTERN_TEST_SERVERS} + "/dovecot", directory.string(), std::to_string(introspectionPort)};
        process_ = std::make_unique<Process>(Process::Command{words, directory / "output", directory / "output"});
        eventually([&] { return fs::exists(directory / "ports") || !process_->running(); }, std::chrono::seconds{20});
        const auto ports = readFile(directory / "ports");
        imapPort_ = portNamed(ports, "imap");
        imapsPort_ = portNamed(ports, "imaps");
        // "starting up" comes after it has all its sockets: somebody else's port would answer us too.
        const auto started = [&] { return log().find("starting up") != std::string::npos && answers(imapPort_) && answers(imapsPort_); };
        eventually([&] { return started() || !process_->running(); }, std::chrono::seconds{20});
        if (process_->running() && started()) return;
        process_->stop();
    }
    throw std::runtime_error("Dovecot did not start: " + readFile(directory / "output") + log());
}

Dovecot::~Dovecot() { process_->stop(std::chrono::seconds{20}); }

std::string Dovecot::doveadm(std::vector<std::string> words) const {
    words.insert(words.begin(), {"doveadm", "-c", (directory_ / "dovecot.conf").string()});
    const auto outcome = run(words);
    if (outcome.status != 0) throw std::runtime_error("doveadm: " + outcome.output + outcome.error);
    return outcome.output;
}

std::size_t Dovecot::count(const std::string& user, const std::string& folder) const {
    const auto text = doveadm({"-f", "flow", "mailbox", "status", "-u", user, "messages", folder});  // "FOLDER messages=N"
    const auto found = text.rfind("messages=");
    if (found == std::string::npos) throw std::runtime_error("doveadm mailbox status: " + text);
    return std::stoul(text.substr(found + 9));
}

}  // namespace servers
