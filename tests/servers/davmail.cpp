#include "tests/servers/davmail.h"

#include <fstream>
#include <stdexcept>

namespace servers {

Davmail::Davmail(const std::filesystem::path& directory, const std::string& endpoint) : directory_(directory) {
    std::filesystem::create_directories(directory_);
    for (int attempt = 0; attempt < 5; ++attempt) {
        port_ = freePort("127.0.0.1");
        const auto properties = (directory_ / "davmail.properties").string();
        std::ofstream(properties) << "davmail.server=true\ndavmail.mode=EWS\ndavmail.url=" << endpoint << "\ndavmail.imapPort=" << port_
                                  << "\ndavmail.popPort=\ndavmail.smtpPort=\ndavmail.caldavPort=\ndavmail.ldapPort=\ndavmail.allowRemote=false\n"
                                  << "davmail.bindAddress=127.0.0.1\ndavmail.enableProxy=false\ndavmail.useSystemProxies=false\n"
                                  << "davmail.disableUpdateCheck=true\ndavmail.enableKeepAlive=false\ndavmail.logFilePath="
                                  << (directory_ / "davmail.log").string() << "\ndavmail.oauth.tokenFilePath=" << (directory_ / "tokens").string()
                                  << "\nlog4j.rootLogger=WARN\nlog4j.logger.davmail=INFO\n";
        process_ = std::make_unique<Process>(Process::Command{
            {"davmail-server", properties}, directory_ / "output", directory_ / "output", directory_, {{"HOME", directory_.string()}}});
        eventually([&] { return answers(port_) || !process_->running(); }, std::chrono::seconds{60});
        if (process_->running() && answers(port_)) return;
        process_->stop();
    }
    throw std::runtime_error("DavMail did not start: " + readFile(directory_ / "output") + log());
}

}  // namespace servers
