#include "tests/servers/squid.h"

#include <fstream>
#include <stdexcept>

namespace servers {

namespace fs = std::filesystem;

namespace {

/// A line for basic_ncsa_auth.
std::string passwordLine(const std::string& user, const std::string& password) {
    auto hashed = run({"openssl", "passwd", "-5", password});
    if (hashed.status != 0) throw std::runtime_error("openssl passwd: " + hashed.error);
    return user + ":" + hashed.output.substr(0, hashed.output.find('\n')) + "\n";
}

}  // namespace

Squid::Squid(const fs::path& directory, const Options& options) : directory_(directory) {
    fs::create_directories(directory_);
    fs::remove(directory_ / "access.log");
    fs::permissions(directory_, fs::perms::all);  // started by root it works as somebody else
    for (int attempt = 0; attempt < 5; ++attempt) {
        fs::remove(directory_ / "cache.log");
        port_ = freePort(options.address);
        configure(options);
        const std::vector<std::string> words{"squid", "-N", "-n", "postern" + std::to_string(port_), "-f", (directory_ / "squid.conf").string()};
        process_ = std::make_unique<Process>(Process::Command{words, directory_ / "output", directory_ / "output"});
        const std::string accepting = options.certificate.empty() ? "Accepting HTTP Socket" : "Accepting HTTPS Socket";
        const auto started = [&] {  // it says so before it listens
            return readFile(directory_ / "cache.log").find(accepting) != std::string::npos && answers(port_, options.address);
        };
        eventually([&] { return started() || !process_->running(); }, std::chrono::seconds{20});
        if (process_->running() && started()) return;
        process_->stop();
    }
    throw std::runtime_error("Squid did not start: " + readFile(directory_ / "output") + readFile(directory_ / "cache.log"));
}

void Squid::configure(const Options& options) const {
    const auto in = [&](const char* name) { return (directory_ / name).string(); };
    std::string hosts = "127.0.0.1 localhost\n";
    for (const auto& [name, address] : options.hosts) hosts.append(address).append(" ").append(name).append("\n");
    writeFile(in("hosts"), hosts);

    if (!options.certificate.empty()) {
        writeFile(in("certificate.pem"), options.certificate);
        writeFile(in("key.pem"), options.key);
    }
    std::ofstream file(in("squid.conf"));
    const bool tls = !options.certificate.empty();
    file << (tls ? "https_port " : "http_port ") << options.address << ':' << port_;
    if (tls) file << " tls-cert=" << in("certificate.pem") << " tls-key=" << in("key.pem");
    file << "\npid_filename none\ncache deny all\ncache_mem 1 MB\nmemory_cache_shared off\n"
         << "pinger_enable off\nnetdb_filename none\nmax_filedescriptors 1024\nshutdown_lifetime 0 seconds\nconnect_timeout 5 seconds\n"
         << "logformat short %Ss/%03>Hs %rm %ru %[un\nlogfile_rotate 0\n"
         << "access_log stdio:" << in("access.log") << " short\ncache_log " << in("cache.log") << "\ncoredump_dir " << in("") << '\n'
         << "hosts_file " << in("hosts") << "\ndns_timeout 3 seconds\nvisible_hostname proxy.test\n";
    for (const auto port : options.denied) file << "acl denied port " << port << '\n';
    if (!options.denied.empty()) file << "http_access deny denied\n";
    if (options.users.empty()) {
        file << "http_access allow all\n";
        return;
    }
    std::string passwords;
    for (const auto& [user, password] : options.users) passwords += passwordLine(user, password);
    writeFile(in("passwords"), passwords);
    file << "auth_param basic program /usr/lib/squid/basic_ncsa_auth " << in("passwords")
         << "\nauth_param basic children 1 startup=1\nauth_param basic realm test\nauth_param basic casesensitive on\nacl known proxy_auth "
            "REQUIRED\nhttp_access allow known\n"
         << "http_access deny all\n";
}

void Squid::stop() {
    if (process_) process_->stop();
}

}  // namespace servers
