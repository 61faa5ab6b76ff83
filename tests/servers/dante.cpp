#include "tests/servers/dante.h"

#include <unistd.h>

#include <csignal>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace servers {

namespace fs = std::filesystem;

namespace {

/// unshare's words for a mount namespace in which we may mount.
std::vector<std::string> apart() {
    if (::geteuid() == 0) return {"unshare", "--mount"};
    return {"unshare", "--user", "--map-root-user", "--mount"};
}

std::string hashed(const std::string& password) {
    const auto outcome = run({"openssl", "passwd", "-5", password});
    if (outcome.status != 0) throw std::runtime_error("openssl passwd: " + outcome.error);
    return outcome.output.substr(0, outcome.output.find('\n'));
}

}  // namespace

bool Dante::canHaveItsOwn() {
    auto attempt = apart();
    attempt.insert(attempt.end(), {"mount", "--bind", "/etc/hosts", "/etc/passwd"});
    return run(attempt).status == 0;
}

Dante::Dante(const fs::path& directory, const Options& options) : directory_(directory) {
    fs::create_directories(directory_);
    fs::permissions(directory_, fs::perms::all);  // started by root it works as somebody else
    for (int attempt = 0; attempt < 5; ++attempt) {
        fs::remove(directory_ / "log");
        port_ = freePort(options.address);
        configure(options);
        process_ = std::make_unique<Process>(Process::Command{words(options), directory_ / "output", directory_ / "output"});
        const auto started = [&] { return log().find(" running") != std::string::npos; };
        eventually([&] { return started() || !process_->running(); }, std::chrono::seconds{20});
        if (process_->running() && started()) return;
        process_->stop();
    }
    throw std::runtime_error("Dante did not start: " + readFile(directory_ / "output") + log());
}

void Dante::configure(const Options& options) const {
    const auto in = [&](const char* name) { return (directory_ / name).string(); };
    std::ofstream file(in("danted.conf"));
    file << "logoutput: " << in("log") << "\ninternal: " << options.address << " port = " << port_ << "\nexternal: 127.0.0.1\n"
         << "socksmethod: " << (options.users.empty() ? "none" : "username") << "\nclientmethod: none\n";
    if (::geteuid() == 0) file << "user.privileged: root\nuser.unprivileged: nobody\n";
    file << "client pass {\n  from: 0.0.0.0/0 to: 0.0.0.0/0\n}\n";
    for (const auto port : options.denied) file << "socks block {\n  from: 0.0.0.0/0 to: 0.0.0.0/0 port = " << port << "\n  log: connect\n}\n";
    file << "socks pass {\n  from: 0.0.0.0/0 to: 0.0.0.0/0\n  protocol: tcp\n  log: connect disconnect\n}\n";

    std::string passwd = "root:x:0:0::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n", shadow = "root:*:1::::::\nnobody:*:1::::::\n";
    unsigned id = 20000;
    for (const auto& [user, password] : options.users) {
        passwd += user + ":x:" + std::to_string(++id) + ":65534::/:/bin/false\n";
        shadow += user + ":" + hashed(password) + ":1::::::\n";
    }
    std::string hosts = "127.0.0.1 localhost\n";
    for (const auto& [name, address] : options.hosts) hosts.append(address).append(" ").append(name).append("\n");
    writeFile(in("passwd"), passwd);
    writeFile(in("shadow"), shadow);
    writeFile(in("hosts"), hosts);
    writeFile(in("nsswitch.conf"), "passwd: files\nshadow: files\ngroup: files\nhosts: files\n");
}

std::vector<std::string> Dante::words(const Options& options) const {
    std::vector<std::string> words{"danted", "-N", "1", "-f", (directory_ / "danted.conf").string(), "-p", (directory_ / "pid").string()};
    if (options.users.empty() && options.hosts.empty()) return words;
    std::string script = "set -e; PATH=$PATH:/usr/sbin; mount --make-rprivate /";
    for (const auto* name : {"passwd", "shadow", "hosts", "nsswitch.conf"})
        script.append("; mount --bind ").append((directory_ / name).string()).append(" /etc/").append(name);
    script += "; exec";
    for (const auto& word : words) script.append(" ").append(word);
    auto all = apart();
    all.insert(all.end(), {"sh", "-c", script});
    return all;
}

void Dante::stop() {
    if (!process_) return;
    std::vector<pid_t> children;  // which outlive it for as long as they have sessions
    const auto id = std::to_string(process_->id());
    std::ifstream list("/proc/" + id + "/task/" + id + "/children");
    for (pid_t child = 0; list >> child;) children.push_back(child);
    process_->stop();
    for (const auto child : children) ::kill(child, SIGTERM);
}

}  // namespace servers
