#include "plugin/admin/answering.h"

#include "plugin/admin/callback.h"
#include "plugin/contract/bug.h"
#include "plugin/contract/text.h"

#include <openssl/crypto.h>

#include <stdexcept>
#include <utility>

namespace plugin::admin {

namespace {

constexpr int ok = 200, badRequest = 400, unauthorized = 401, forbidden = 403, notFound = 404, wrongMethod = 405, tooMany = 429, broken = 500,
              unavailable = 503;
constexpr std::size_t mostUnknown = 20;  // callbacks in ten seconds
constexpr auto json = "application/json";

Answer ofApi(ApiAnswer answer) { return {answer.status, std::move(answer.body), json}; }

/// For programs where they ask, else one line.
Answer refused(const std::string& path, int status, Code code, const std::string& text) {
    if (isApi(path)) return ofApi(apiError(status, code, text));
    return {status, codeName(code) + " " + text + "\n"};
}

Answer readiness(const std::vector<std::string>& missing) {
    std::string reasons;
    for (const auto& each : missing) reasons += (reasons.empty() ? "" : ",") + jsonText(each);
    return {missing.empty() ? ok : unavailable,
            std::string("{\"ready\":") + (missing.empty() ? "true" : "false") + ",\"reasons\":[" + reasons + "]}\n", json};
}

/// A page for a person's browser: no script, nothing from elsewhere, and nothing of the request in it.
Answer page(int status, const std::string& text) {
    return {
        status,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Postern</title></head>\n<body><p>" + text + "</p></body></html>\n",
        "text/html; charset=utf-8"};
}

Answer callbackPage(Brought brought) {
    switch (brought) {
        case Brought::taken:
            return page(ok, "Postern has its answer. You can close this window; the terminal says how it went on.");
        case Brought::unknown:
            return page(
                badRequest,
                "No sign-in waits for this answer: it has had one already, its time is over, or it was given up. Run <code>postern login</code> "
                "again, and open the address it prints.");
        case Brought::unavailable:
            return page(
                unavailable,
                "Postern cannot take this answer now; its log says why. Reload this page in a moment, or paste its address into the terminal.");
    }
    throw std::logic_error("a callback nobody knows");
}

/// What the port keeps of its token. The text is wiped.
std::string takeDigest(std::string& token) {
    auto digest = token.empty() ? std::string() : digestOf(token);
    OPENSSL_cleanse(token.data(), token.size());
    token.clear();
    return digest;
}

}  // namespace

Answering::Answering(AdminParts parts, std::uint16_t port)
    : parts_(std::move(parts)),
      door_{{}, port, takeDigest(parts_.token), parts_.names, parts_.tls != nullptr, parts_.callback.path},
      unknown_(mostUnknown) {}

Answer Answering::answer(const Request& request) noexcept {
    try {
        return judged(request);
    } catch (...) {  // the port goes on
        tell("a request could not be answered");
    }
    try {
        return refused(request.asked.path, broken, Code::internalBug, "this request could not be answered");
    } catch (...) {  // no memory is left: of this answer nothing is on the heap
        return {broken, {}, "text/plain"};
    }
}

void Answering::tell(std::string_view message) noexcept {
    try {
        tellBug(parts_.log, parts_.counters, "admin", message, std::current_exception());
    } catch (...) {  // where even that fails nothing is left to tell it with
    }
}

Answer Answering::judged(const Request& request) {
    const auto& path = request.asked.path;
    if (request.hosts > 1) return refused(path, badRequest, Code::adminForbidden, "a request has one Host header");  // RFC 9112 section 3.2
    auto door = door_;
    door.address = request.address;
    switch (admit(request.asked, door)) {
        case Entry::callback:
            return bring(request.query);
        case Entry::brief:
            return readyOrNot();
        case Entry::open:
        case Entry::proved:
            return show(path, request.query);
        case Entry::foreign:
            return refused(path, forbidden, Code::adminForbidden,
                           "the Host header must name this port, and Origin is not allowed; other names it has belong into admin.host_names");
        case Entry::unproved: {
            auto answer = refused(path, unauthorized, Code::adminForbidden, "send Authorization: Bearer with the content of admin.token");
            answer.fields = {{"WWW-Authenticate", "Bearer"}};
            return answer;
        }
        case Entry::wrongMethod:
            return otherMethod(path);
    }
    throw std::logic_error("an entry nobody knows");
}

Answer Answering::otherMethod(const std::string& path) const {
    const bool getAlone = path == door_.callback;
    auto answer = isApi(path) ? ofApi(apiError(wrongMethod, Code::adminRequest, "the API only reads: GET and HEAD"))
                              : Answer{wrongMethod, getAlone ? "only GET\n" : "only GET and HEAD\n"};
    answer.fields = {{"Allow", getAlone ? "GET" : "GET, HEAD"}};
    return answer;
}

Answer Answering::bring(const std::string& query) {
    const auto now = std::chrono::steady_clock::now();
    if (!couldBeOurs(query) && unknown_.isSpent(now))  // else two requests a second would lock every sign-in out
        return page(tooMany, "Too many answers came that belong to no sign-in. Reload this page in ten seconds.");
    const auto brought = parts_.callback.bring(query);
    if (brought == Brought::unknown) unknown_.spend(now);
    if (brought == Brought::taken) parts_.log.information("admin", "a browser has brought the answer to a sign-in");
    return callbackPage(brought);
}

Answer Answering::show(const std::string& path, const std::string& query) {
    if (parts_.api && isApi(path)) return askApi(path, query);
    if (path == "/healthz") return parts_.alive() ? Answer{ok, "ok\n"} : Answer{unavailable, "a loop does not answer\n"};
    if (path == "/readyz") return readiness(parts_.missing());
    if (path == "/metrics") return {ok, parts_.metrics(), "text/plain; version=0.0.4; charset=utf-8"};
    return {notFound, "not found\n"};
}

Answer Answering::askApi(const std::string& path, const std::string& query) {
    auto parsed = parseQuestion(path, query);
    if (auto* const refusal = std::get_if<ApiAnswer>(&parsed)) return ofApi(std::move(*refusal));
    if (!turns_.try_acquire()) {
        auto answer = ofApi(apiError(unavailable, Code::adminBusy, "it answers others already", "ask again in a second, and fewer things at a time"));
        answer.fields = {{"Retry-After", "1"}};
        return answer;
    }
    struct Turn {
        std::counting_semaphore<mostOfApi>& turns;
        ~Turn() { turns.release(); }
    } const turn{turns_};
    return ofApi(parts_.api(std::get<ApiQuestion>(parsed)));
}

Answer Answering::readyOrNot() const {
    const bool ready = parts_.missing().empty();
    return {ready ? ok : unavailable, ready ? "{\"ready\":true}\n" : "{\"ready\":false}\n", json};
}

}  // namespace plugin::admin
