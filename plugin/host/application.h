#pragma once

#include <Poco/Util/ServerApplication.h>

#include <iosfwd>
#include <string>
#include <vector>

namespace plugin::host {

/// The program. Poco's ServerApplication is given the program's name alone: it would abbreviate options, take --daemon for itself (changing
/// the directory before paths are resolved) and let SIGHUP kill it. Everything else on the command line is ours.
class Application : public Poco::Util::ServerApplication {
public:
    /// `arguments` without the program's name.
    explicit Application(std::vector<std::string> arguments);

protected:
    int main(const std::vector<std::string>& unused) override;

private:
    std::vector<std::string> arguments_;
};

/// One command line, from its text to the exit status; 64 for one that cannot be understood, 70 for a bug.
int runCommandLine(const std::vector<std::string>& arguments, const std::string& program, std::ostream& out, std::ostream& error);

}  // namespace plugin::host
