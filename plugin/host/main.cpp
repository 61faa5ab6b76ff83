#include "plugin/contract/exit_status.h"
#include "plugin/host/application.h"
#include "plugin/host/wiping.h"

#include <Poco/Exception.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <iostream>
#include <string>
#include <vector>

namespace {

/// A connection a mailbox and two files a message under way: the default of 1,024 descriptors is soon used up, and we do not use select().
void allowManyFiles() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int count, char** values) {
    if (!plugin::host::wipeWhatOpensslFrees()) std::cerr << "postern: what OpenSSL gives back is not wiped: it has begun too early\n";
    ::umask(077);  // before anything is written: what we make is ours alone unless a mode says otherwise
    allowManyFiles();
    std::signal(SIGCHLD, SIG_DFL);  // who starts us may ignore it, and then the status of a program we run would be lost
    try {
        plugin::host::Application application(std::vector<std::string>(values + (count > 0 ? 1 : 0), values + count));
        return application.run(count > 0 ? 1 : 0, values);
    } catch (const Poco::Exception& exception) {
        std::cerr << exception.displayText() << std::endl;
    } catch (const std::exception& exception) {
        std::cerr << exception.what() << std::endl;
    }
    return plugin::exits::software;
}
