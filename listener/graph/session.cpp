#include "listener/graph/session.h"

#include "auth/diagnosis/claims.h"
#include "auth/token/jwt.h"
#include "auth/token/token_response.h"
#include "listener/graph/values.h"

#include <charconv>
#include <utility>

namespace listener::graph {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.graph";
constexpr std::uint64_t errorLimit = 256 * 1024;  // octets of an answer that is no success
constexpr std::size_t readSize = 16 * 1024;

std::optional<std::uint64_t> numberOf(std::optional<std::string_view> text) {
    std::uint64_t number = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc{}) return std::nullopt;
    return number;
}

}  // namespace

Session::Session(const Settings& settings, auth::Access& access, ItemIndex& index, plugin::Random& random, plugin::Log& log,
                 const std::string& version, plugin::Loop& loop, std::shared_ptr<RequestLimit> limit)
    : settings_(settings),
      access_(access),
      index_(index),
      random_(random),
      log_(log),
      loop_(loop),
      limit_(std::move(limit)),
      addresses_(settings.url, settings.user),
      agent_("postern/" + plugin::printable(version, 30)),
      identity_{settings.credential, settings.user, std::nullopt, "graph"} {
    for (auto& lane : lanes_) lane = std::make_unique<auth::HttpSession>(access_.dialer());
}

void Session::close() {
    for (auto& lane : lanes_) lane->close();
}

/// Is it for Graph at all? Where it says so itself, a request would only be refused, and in words that help nobody.
Result<void> Session::lookAt(const auth::Token& token) const {
    if (token_ && token_->number == token.number) return {};
    const auto claims = auth::diagnosis::claimsOf(token.secret->reveal());
    if (!claims || claims->audience.empty() || claims->isForGraph() || !(claims->isForExchange() || claims->isMicrosofts())) return {};
    return Error{Reaction::askOperator, Code::mailboxWrongAudience,
                 "the token of credential " + settings_.credential + " is for " + claims->audience.front() +
                     ", Microsoft Graph wants one for itself: set credential." + settings_.credential + ".scopes = " + settings_.url + "/.default"};
}

/// `request` outlives the call.
Task<Result<Session::Sent>> Session::prepare(const Request& request, std::stop_token stop) {
    if (refusedNumber_)
        co_return Error{Reaction::reauthenticate, Code::mailboxSignInRefused, peer() + ": " + request.during + ": the token was refused before"};
    auto identity = identity_;
    auto asking = access_.tokens().token(std::move(identity), loop_.clock().steady() + settings_.connectTimeout, std::move(stop));
    auto token = co_await asking;
    if (!token) co_return token.error();
    if (auto fits = lookAt(*token); !fits) co_return fits.error();
    token_ = *token;
    Sent sent{.token = std::move(*token), .id = auth::newJwtId(random_)};
    auto& http = sent.http;
    http.method = request.method;
    http.url = request.url;
    http.body = request.body;
    http.headers.add("Authorization", "Bearer " + std::string(token_->secret->reveal()));
    http.headers.add("Prefer", request.prefer.empty() ? std::string(immutableIds) : request.prefer + ", " + std::string(immutableIds));
    http.headers.add("User-Agent", agent_);
    http.headers.add("client-request-id", sent.id);
    http.headers.add("return-client-request-id", "true");
    if (!http.body.empty()) http.headers.add("Content-Type", "application/json");
    http.truststore = settings_.truststore;
    http.keystore = settings_.keystore;
    http.keyAlias = settings_.keyAlias;
    http.proxy = settings_.proxy;
    co_return std::move(sent);
}

Task<Result<Session::Begun>> Session::begin(Request request, std::size_t lane, std::stop_token stop) {
    auto entering = limit_->enter(request.places, stop);
    auto place = co_await entering;
    if (!place) co_return place.error();
    auto preparing = prepare(request, stop);  // now: what was a good token before that wait may be none any more
    auto sent = co_await preparing;
    if (!sent) co_return sent.error();
    sent->http.limits.body = UINT64_MAX / 2;  // the caller takes it in pieces
    const auto deadline = loop_.clock().steady() + settings_.connectTimeout + settings_.ioTimeout;
    auto answering = lanes_[lane]->begin(std::move(sent->http), deadline, stop);
    auto answer = co_await answering;
    if (!answer) co_return concealed(answer.error(), request.during);
    const bool success = answer->status >= 200 && answer->status < 300;
    std::array<char, readSize> piece;  // of a refusal alone
    while (!success && answer->body.size() < errorLimit) {
        const auto got = co_await lanes_[lane]->read(piece, deadline, stop);
        if (!got) co_return concealed(got.error(), request.during);
        if (*got == 0) break;
        answer->body.append(piece.data(), *got);
    }
    auto made = judged(request, *sent, *answer);
    if (!made) co_return made.error();
    Begun begun{.answer = std::move(*made), .place = std::move(*place)};
    begun.announced = numberOf(answer->headers.find("Content-Length"));
    begun.delimited = begun.announced || answer->headers.find("Transfer-Encoding");
    co_return std::move(begun);
}

Task<Result<Answer>> Session::ask(Request request, std::stop_token stop) {
    auto entering = limit_->enter(request.places, stop);
    auto place = co_await entering;
    if (!place) co_return place.error();
    auto preparing = prepare(request, stop);  // now: what was a good token before that wait may be none any more
    auto sent = co_await preparing;
    if (!sent) co_return sent.error();
    sent->http.limits.body = answerLimit;
    const auto deadline = loop_.clock().steady() + settings_.connectTimeout + settings_.ioTimeout;
    auto answering = lanes_[0]->request(std::move(sent->http), deadline, stop);
    auto answer = co_await answering;
    if (!answer) co_return concealed(answer.error(), request.during);
    auto made = judged(request, *sent, *answer);
    if (!made || !made->succeeded() || answer->body.empty()) co_return made;
    auto json = Json::parse(answer->body);
    if (!json) co_return broken(request.during, "the answer is not JSON: something else than Microsoft Graph answers there");
    made->body = std::move(*json);
    co_return made;
}

Task<Result<Json>> Session::require(Request request, std::stop_token stop) {
    const auto during = request.during;
    auto asking = ask(std::move(request), std::move(stop));
    auto answer = co_await asking;
    if (!answer) co_return answer.error();
    if (!answer->succeeded()) co_return refused(*answer, during);
    co_return std::move(answer->body);
}

/// Status and error of an answer; of a token that is refused, the TokenSource is told.
Result<Answer> Session::judged(const Request& request, const Sent& sent, const auth::HttpAnswer& http) {
    Answer answer{.status = http.status};
    const auto requestId = http.headers.find("request-id");
    log_.debug(logger, request.during,
               {{"mailbox", settings_.alias},
                {"method", request.method},
                {"status", http.status},
                {"request_id", repeatsToken(requestId.value_or("")) ? "" : plugin::printable(requestId.value_or(""), 64)},
                {"client_request_id", sent.id}});
    if (answer.succeeded()) return answer;
    answer.failure = readFailure(http.status, http.body);
    if (requestId) answer.failure.requestId = *requestId;
    answer.failure.clientRequestId = sent.id;
    answer.retryAfter = retryAfter(http.headers.find("Retry-After").value_or(""));
    const auto meaning = meaningOf(answer.failure);
    if (meaning != Meaning::tokenRefused && meaning != Meaning::wrongAudience) return answer;
    if (meaning == Meaning::tokenRefused) tellRefused(sent.token);
    return refused(answer, request.during);
}

void Session::tellRefused(const auth::Token& token) {
    if (!std::exchange(refusedNumber_, token.number)) access_.tokens().refused(identity_, token);
}

Error Session::refused(const Answer& answer, std::string_view during) const {
    return concealed(refusal(answer.failure, peer(), during, answer.retryAfter), during);
}
Error Session::refused(const BatchAnswer& answer, std::string_view during) {
    if (meaningOf(answer.failure) == Meaning::tokenRefused) tellRefused(*token_);
    return concealed(refusal(answer.failure, peer(), during, retryAfter(answer.retryAfter)), during);
}

Error Session::broken(std::string_view during, std::string_view why) const {
    return {Reaction::askOperator, Code::mailboxProtocol, peer() + ": " + std::string(during) + ": " + std::string(why)};
}

bool Session::repeatsToken(std::string_view text) const { return token_ && auth::repeatsPartOf(token_->secret->reveal(), text); }

/// What others wrote is shown to nobody where it repeats the token.
Error Session::concealed(Error error, std::string_view during) const {
    if (!repeatsToken(error.what + " " + error.provider)) return error;
    error.what = peer() + ": " + std::string(during) + ": refused in words that repeat the token";
    error.provider.clear();
    return error;
}

std::optional<std::chrono::seconds> Session::retryAfter(std::string_view header) const {
    if (header.empty()) return std::nullopt;
    return auth::parseRetryAfter(header, loop_.clock().wall());
}

Result<void> Session::allows(const std::string& link) const {
    const auto root = auth::parseHttpUrl(settings_.url), there = auth::parseHttpUrl(link);
    if (root && there && link.size() <= linkLimit && there->tls == root->tls && equalsIgnoreCase(there->host, root->host) &&
        there->port == root->port)
        return {};
    const auto where = !there ? std::string("what is no URL") : (there->tls ? "https://" : "http://") + there->authority;
    return Error{Reaction::askOperator, Code::mailboxForeignLink,
                 peer() + ": the answer goes on at " + plugin::printable(where) + ", which is not .url: the token is not sent there"};
}

}  // namespace listener::graph
