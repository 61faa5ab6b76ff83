#include "tests/simulation/sim_sinks.h"

#include "listener/message/sha256.h"
#include "plugin/contract/text.h"
#include "tests/simulation/sim_text.h"

namespace simulation {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;

bool Consumer::neverTakes(const std::string& id) const {
    std::uint64_t sum = 0;
    for (const char c : id) sum = sum * 31 + static_cast<unsigned char>(c);
    return neverTakesOneIn != 0 && sum % neverTakesOneIn == 0;
}

std::optional<Badly> Consumer::badly() {
    if (always) return always;
    if (!isMoody()) return std::nullopt;
    static constexpr Badly ways[] = {Badly::serverError,     Badly::unauthorized,        Badly::redirect,
                                     Badly::tooManyRequests, Badly::takesAndHalfAnswers, Badly::takesAndHangs,
                                     Badly::hangs,           Badly::unavailable,         Badly::closes};
    return ways[dice_.below(std::size(ways))];
}

bool Consumer::take(const std::string& id, std::string bytes) {
    const auto known = taken.find(id);
    if (known == taken.end()) return taken.emplace(id, std::move(bytes)).second;
    ++repeats;
    if (known->second != bytes) violations.push_back("other bytes under the id " + id);
    return false;
}

class WebhookPeer final : public Peer {
public:
    explicit WebhookPeer(WebhookServer& server) : server_(server) {}
    void connected(Connection&) override {}
    void received(Connection& connection, std::string_view bytes) override {
        input_.append(bytes);
        for (;;) {
            const auto end = input_.find("\r\n\r\n");
            if (end == std::string::npos) return;
            const auto head = input_.substr(0, end + 4);
            const auto field = upper(head).find("\r\nCONTENT-LENGTH:");
            const auto size = field == std::string::npos ? 0 : std::stoul(head.substr(field + 17));
            if (input_.size() < head.size() + size) return;
            auto body = input_.substr(head.size(), size);
            input_.erase(0, head.size() + size);
            bool hangs = false;
            const auto answer = server_.answer(head, std::move(body), hangs);
            if (!answer.empty()) connection.send(answer);
            if (!hangs && (answer.empty() || answer.find("\r\n\r\n") == std::string::npos)) return connection.close();
        }
    }

private:
    WebhookServer& server_;
    std::string input_{};
};

std::unique_ptr<Peer> WebhookServer::accept() { return std::make_unique<WebhookPeer>(*this); }

namespace {

std::string header(const std::string& head, const std::string& name) {
    const auto at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const auto from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
}

std::string reply(const std::string& status, const std::string& more = {}) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n" + more + "\r\n";
}

}  // namespace

std::string WebhookServer::answer(const std::string& head, std::string body, bool& hangs) {
    const auto id = header(head, "webhook-id");
    const auto wrong = [&](const std::string& what) {
        consumer_.violations.push_back(what + " in " + head);
        return reply("400 Bad Request");
    };
    if (!head.starts_with("POST /hook HTTP/1.1\r\n")) return wrong("not POST /hook");
    if (header(head, "Idempotency-Key") != id || id.size() != 32) return wrong("no id");
    if (header(head, "Content-Type") != "message/rfc822") return wrong("another type");
    if (header(head, "X-Postern-Sha256") != plugin::hexText(listener::sha256(body))) return wrong("other bytes than announced");
    auto& dice = consumer_.dice();
    ++consumer_.asked;
    const auto badly = consumer_.badly();
    if (!badly) {
        const bool fresh = consumer_.take(id, std::move(body));
        return reply(fresh || dice.oneIn(2) ? "200 OK" : "409 Conflict");
    }
    switch (*badly) {
        case Badly::serverError:
            return reply("500 Internal Server Error");
        case Badly::unauthorized:
            return reply("401 Unauthorized");
        case Badly::redirect:
            return reply("302 Found", "Location: https://elsewhere.example/hook\r\n");
        case Badly::tooManyRequests:
            return reply("429 Too Many Requests", "Retry-After: 20\r\n");
        case Badly::takesAndHalfAnswers:  // it has it, and nobody hears of it
            consumer_.take(id, std::move(body));
            return "HTTP/1.1 20";
        case Badly::takesAndHangs:
            consumer_.take(id, std::move(body));
            hangs = true;
            return {};
        case Badly::hangs:
            hangs = true;
            return {};
        case Badly::unavailable:
            return reply("503 Service Unavailable");
        case Badly::halfAnswers:
            return "HTTP/1.1 200 OK\r\nContent-Le";
        case Badly::gone:
            return reply("410 Gone");
        case Badly::closes:
            return {};
    }
    return {};
}

plugin::Task<plugin::Result<listener::ProgramEnd>> SimPrograms::run(listener::Program program, plugin::Deadline deadline, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    auto& dice = consumer_.dice();
    std::string bytes;
    if (const auto* memory = program.input.inMemory()) bytes = *memory;
    if (auto* file = program.input.file()) {
        bytes.resize(program.input.size());
        auto got = file->readAt(0, bytes);
        if (!got || *got != bytes.size()) co_return Error{Reaction::retryLater, Code::messageStaging, "the input cannot be read"};
    }
    const auto id = program.environment["POSTERN_ID"];
    if (id.size() != 32) consumer_.violations.push_back("no POSTERN_ID");
    if (program.environment["POSTERN_SHA256"] != plugin::hexText(listener::sha256(bytes)))
        consumer_.violations.push_back("other bytes than announced");
    const bool moody = consumer_.isMoody();
    const auto lasts = std::chrono::milliseconds(1 + dice.below(moody && dice.oneIn(3) ? 200'000 : 300));
    auto works = plugin::sleepUntil(std::min(deadline, loop.clock().steady() + lasts), stop);
    const auto wake = co_await works;
    if (wake == plugin::Wake::stopped || loop.clock().steady() >= deadline) {
        if (dice.oneIn(2) && !consumer_.neverTakes(id)) consumer_.take(id, std::move(bytes));
        co_return Error{Reaction::retryLater, Code::sinkUnavailable, "the program was ended"};
    }
    if (consumer_.neverTakes(id)) co_return listener::ProgramEnd{.status = 65};
    if (moody && dice.oneIn(2)) co_return listener::ProgramEnd{.status = 75};
    consumer_.take(id, std::move(bytes));
    if (moody) co_return listener::ProgramEnd{.signal = 9};
    co_return listener::ProgramEnd{};
}

}  // namespace simulation
