#include "plugin/host/terminal_dialogue.h"

#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>
#include <string>

namespace plugin::host {

namespace {

constexpr std::size_t longestLine = 16 * 1024;
constexpr int lookMilliseconds = 250;

class TerminalDialogue final : public auth::login::Dialogue {
public:
    TerminalDialogue(int input, std::ostream& error) : input_(std::make_shared<Input>(Input{input, {}})), error_(error) {}

    void redirectUri(const std::string& registered, const std::string& used) override {
        error_ << "Redirect URI, to be registered at the provider: " << registered << '\n';
        if (used != registered)
            error_ << "  This time it is sent as " << used << ": the port is another one each time. A provider that wants it exactly needs\n"
                   << "  a redirect_uri with a port of its own.\n";
    }
    void visit(const std::string& url, bool listening) override {
        error_ << "\nOpen this address in a browser, and sign in there:\n\n"
               << printable(url, longestLine) << "\n\n"
               << (listening ? "The browser comes back by itself. If it runs on another machine and ends on a page that cannot be reached, "
                               "paste\nthe address of that page "
                               "here:"
                             : "Paste the address of the page it ends on here:")
               << std::endl;
    }
    void enterCode(const auth::login::DevicePrompt& prompt) override {
        error_ << "Open " << prompt.uri << " on any device, and enter the code\n\n    " << prompt.code << "\n";
        if (!prompt.uriWithCode.empty()) error_ << "\nor open " << prompt.uriWithCode << '\n';
        error_ << "\nWaiting for it to be confirmed ..." << std::endl;
    }
    void remark(const std::string& text) override { error_ << printable(text, 1000) << std::endl; }

    Task<Result<std::string>> line(std::stop_token stop) override {
        auto& loop = co_await thisLoop();
        auto reading = [input = input_, stop] { return readLine(*input, stop); };
        auto read = co_await offload(loop, std::move(reading));
        co_return read;
    }

private:
    struct Input {
        int descriptor;
        std::string rest;  // read, and behind the last line
    };

    static Result<std::string> readLine(Input& input, const std::stop_token& stop) {
        for (;;) {
            if (const auto end = input.rest.find('\n'); end != std::string::npos || input.rest.size() > longestLine) {
                auto line = input.rest.substr(0, std::min(end, longestLine));
                input.rest.erase(0, end == std::string::npos ? end : end + 1);
                return line;
            }
            if (stop.stop_requested()) return Error{Reaction::retryLater, Code::tokenSignInAbandoned, "the sign-in was given up"};
            pollfd waiting{input.descriptor, POLLIN, 0};
            if (const int ready = ::poll(&waiting, 1, lookMilliseconds); ready <= 0) continue;
            char piece[4096];
            const auto got = ::read(input.descriptor, piece, sizeof piece);
            if (got > 0) {
                input.rest.append(piece, static_cast<std::size_t>(got));
            } else if (got == 0 && !input.rest.empty()) {
                input.rest += '\n';  // the last line has no end
            } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
                return Error{Reaction::askOperator, Code::tokenSignInAbandoned, "there is nobody to paste the address: standard input is at its end"};
            }
        }
    }

    std::shared_ptr<Input> input_;
    std::ostream& error_;
};

}  // namespace

std::unique_ptr<auth::login::Dialogue> makeTerminalDialogue(int input, std::ostream& error) {
    return std::make_unique<TerminalDialogue>(input, error);
}

}  // namespace plugin::host
