#include "listener/ews/endpoint.h"

#include "auth/sasl/base64.h"
#include "auth/token/token_response.h"
#include "listener/ews/refusal.h"
#include "listener/message/sha256.h"
#include "plugin/contract/letters.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <array>

namespace listener::ews {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::size_t bufferSize = 32 * 1024;
/// Of an answer that is a refusal.
constexpr std::size_t refusalLimit = 64 * 1024;
/// A batch of messages is bounded by their sizes; one message has as many octets as it has. What is kept of an answer the reader bounds.
constexpr std::uint64_t answerLimit = 16ULL << 30;
/// Of an answer that is gathered: no content of messages is in it.
constexpr std::uint64_t gatheredLimit = 64 << 20;
/// So many octets within a time-out keep an answer alive: a trickle is silence.
constexpr std::size_t progress = 16 * 1024;
constexpr std::string_view olderSchema = "Exchange2010_SP2";

/// A GUID no other request has: of what tells this one from all others. For looking it up in the server's logs.
std::string requestId(const Session& session, plugin::Wall now) {
    const auto digest = sha256(session.settings.alias + '\n' + session.settings.user + '\n' + std::to_string(now.time_since_epoch().count()) + '\n' +
                               std::to_string(session.requests));
    auto hex = plugin::hexText(std::span{digest}.first(16));
    for (const std::size_t at : {20, 16, 12, 8}) hex.insert(at, "-");
    return hex;
}

/// Never at the end of a co_await: what it makes is to be wiped.
std::string basic(const auth::Access::Password& password, const std::string& user) {
    auth::SecretBuilder pair;
    pair.add(password.username.empty() ? user : password.username).add(':').add(password.password.reveal());
    const auto secret = pair.finish();
    const auto encoded = auth::sasl::base64(secret.reveal());
    return "Basic " + std::string{encoded.reveal()};
}

/// "X-BackEndOverrideCookie=…" of a Set-Cookie field; "": another cookie.
std::string affinityOf(const auth::HttpHeaders& headers) {
    constexpr std::string_view name = "X-BackEndOverrideCookie=";
    for (const auto value : headers.all("Set-Cookie"))
        if (value.starts_with(name)) return std::string(value.substr(0, value.find(';')));
    return {};
}

bool isHtml(const auth::HttpHeaders& headers) { return headers.find("Content-Type").value_or("").find("html") != std::string_view::npos; }

}  // namespace

Error refusal(const Session& session, const ResponseMessage& message, std::string_view during) {
    return refusal(session.shown(message.code), session.shown(message.text), message.backOff, session.peer, during);
}

void tooMany(const Session& session, std::optional<std::chrono::milliseconds> backOff, Hanging hanging) {
    if (hanging == Hanging::no) session.limit->crowded();
    session.limit->rest(std::max<std::chrono::milliseconds>(backOff.value_or(crowdedBackOff), crowdedBackOff));
}

Endpoint::Endpoint(Session& session) : session_(session), http_(session.access.dialer()) {}

Task<Result<auth::HttpRequest>> Endpoint::prepare(const Operation& operation, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const auto& settings = session_.settings;
    auth::HttpRequest request{.method = "POST", .url = settings.url};
    if (session_.password) {
        request.headers.add("Authorization", basic(*session_.password, settings.user));
    } else {
        auto identity = session_.identity;
        auto token = co_await session_.access.tokens().token(std::move(identity), loop.clock().steady() + settings.connectTimeout, stop);
        if (!token) co_return token.error();
        session_.token = std::move(*token);
        request.headers.add("Authorization", "Bearer " + std::string{session_.token->secret->reveal()});
    }
    ++session_.requests;
    request.headers.add("Content-Type", "text/xml; charset=utf-8");
    request.headers.add("Accept", "text/xml");
    request.headers.add("User-Agent", session_.agent);
    request.headers.add("X-AnchorMailbox", settings.user);
    request.headers.add("client-request-id", requestId(session_, loop.clock().wall()));
    request.headers.add("return-client-request-id", "true");
    if (affine) request.headers.add("X-PreferServerAffinity", "true");
    if (affine && !affinity.empty()) request.headers.add("Cookie", affinity);
    request.body = envelope(operation, session_.schema, session_.impersonates ? std::string_view{settings.user} : std::string_view{});
    request.truststore = settings.truststore;
    request.keystore = settings.keystore;
    request.keyAlias = settings.keyAlias;
    request.proxy = settings.proxy;
    request.limits.body = answerLimit;
    co_return std::move(request);
}

Task<Result<void>> Endpoint::begin(Operation operation, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    if (session_.over) co_return *session_.over;
    reader_.reset();
    parts_.clear();
    refusedAs.reset();
    during_ = operation.name;
    for (bool repeated = false;;) {
        place_.leave();  // nobody waits for another place, and keeps others waiting
        auto place = co_await session_.limit->enter(1, stop);
        if (!place) co_return place.error();
        auto request = co_await prepare(operation, stop);  // now: what was a good token before that wait may be none any more
        if (!request) co_return request.error();
        place_ = std::move(*place);
        const auto deadline = loop.clock().steady() + session_.settings.connectTimeout + session_.settings.ioTimeout;
        auto answer = co_await http_.begin(std::move(*request), deadline, stop);
        if (!answer && answer.error().code == Code::channelClosed && kept_ && !std::exchange(repeated, true)) {
            kept_ = false;
            continue;
        }
        if (!answer) co_return ended(answer.error());
        kept_ = true;
        if (auto cookie = affinityOf(answer->headers); affine && !cookie.empty()) affinity = std::move(cookie);
        if (answer->status == 200 && !isHtml(answer->headers)) break;
        again_ = false;
        auto judged = co_await judge(*answer, stop);
        if (!again_) co_return ended(judged.error());
    }
    reader_ = std::make_unique<AnswerReader>();
    octets_ = 0;
    progressed_ = 0;
    waited_ = {};
    if (buffer_.empty()) buffer_.resize(bufferSize);
    co_return Result<void>{};
}

/// Why an answer is none, from its status, its headers, and the fault in it, where there is one.
Task<Result<void>> Endpoint::judge(const auth::HttpAnswer& answer, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const auto text = co_await beginning(stop);
    const auto diagnostics = session_.shown(answer.headers.find("x-ms-diagnostics").value_or(""));
    session_.log.debug("listener.ews", "a request is refused",
                       {{"mailbox", session_.settings.alias},
                        {"operation", during_},
                        {"status", answer.status},
                        {"request_id", session_.shown(answer.headers.find("request-id").value_or(""))},
                        {"server", session_.shown(answer.headers.find("X-FEServer").value_or(""))},
                        {"diagnostics", diagnostics}});
    if (answer.status == 401) co_return signInRefused(answer);
    Refused refused{.status = answer.status,
                    .reason = session_.shown(answer.headers.find("X-EWS-Policy-Reason").value_or("")),
                    .said = session_.shown(std::string_view{text}.substr(0, 120)),
                    .retryAfter = auth::parseRetryAfter(answer.headers.find("Retry-After").value_or(""), loop.clock().wall()),
                    .user = session_.settings.user,
                    .application = session_.application,
                    .html = isHtml(answer.headers)};
    if (refused.status == 403) co_return refusal(refused, session_.peer, during_);
    AnswerReader reader;
    if (!refused.html && reader.feed(text) && reader.finish() && reader.fault()) {
        auto error = faultOf(reader).error();
        if (!error.retryAfter) error.retryAfter = refused.retryAfter;
        co_return error;
    }
    auto error = refusal(refused, session_.peer, during_);
    error.provider = diagnostics;
    co_return error;
}

/// Of a refusal; whatever goes wrong here changes nothing.
Task<std::string> Endpoint::beginning(std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const auto deadline = loop.clock().steady() + session_.settings.ioTimeout;
    std::string text;
    std::array<char, 2048> piece{};
    while (text.size() < refusalLimit) {
        auto got = co_await http_.read(piece, deadline, stop);
        if (!got || *got == 0) break;
        text.append(piece.data(), *got);
    }
    co_return text;
}

Error Endpoint::signInRefused(const auth::HttpAnswer& answer) {
    const auto diagnostics = allOf(answer.headers, "x-ms-diagnostics");
    const auto offers = allOf(answer.headers, "WWW-Authenticate");
    auto what = session_.peer + ": " + std::string{during_} + ": 401" + (session_.password ? " for this name and password" : "");
    if (!diagnostics.empty()) what += ", x-ms-diagnostics: " + diagnostics;
    if (!offers.empty()) what += ", WWW-Authenticate: " + offers;
    if (session_.password) {
        const auto schemes = answer.headers.all("WWW-Authenticate");
        const bool takesBasic =
            schemes.empty() || std::any_of(schemes.begin(), schemes.end(), [](auto scheme) { return plugin::containsIgnoreCase(scheme, "Basic"); });
        return {Reaction::askOperator, takesBasic ? Code::mailboxBasicRefused : Code::mailboxBasicNotOffered, std::move(what)};
    }
    session_.access.tokens().refused(session_.identity, *session_.token);
    return {Reaction::reauthenticate, Code::mailboxSignInRefused, std::move(what)};
}

/// The values of the fields of this name, of the first few at least, fit to be shown; "": there is none.
std::string Endpoint::allOf(const auth::HttpHeaders& headers, std::string_view name) const {
    constexpr std::size_t enough = 1'000;
    std::string all;
    for (const auto value : headers.all(name))
        if (all.size() < enough) all += (all.empty() ? "" : ", ") + session_.shown(value);
    return all;
}

Result<void> Endpoint::faultOf(const AnswerReader& reader) {
    const auto& fault = reader.fault();
    if (!fault) return {};
    note(meaningOf(fault->code), fault->backOff);
    if (refusedAs == Meaning::version && !std::exchange(session_.loweredSchema, true)) {
        session_.schema = olderSchema;
        again_ = true;
    }
    return refusal(session_.shown(fault->code), session_.shown(fault->text), fault->backOff, session_.peer, during_);
}

/// Why the server refuses. Too many requests at a time: fewer from now on, and none for a while. Too many answers that stay open are no reason for
/// fewer.
void Endpoint::note(Meaning meaning, std::optional<std::chrono::milliseconds> backOff) {
    refusedAs = meaning;
    if (meaning == Meaning::crowded) tooMany(session_, backOff, affine ? Hanging::yes : Hanging::no);
}

/// After an Error the connection may be in the middle of something.
Error Endpoint::ended(Error error) {
    if ((error.reaction == Reaction::reconnect && !affine) || error.reaction == Reaction::reauthenticate) session_.over = error;
    abandon();
    return error;
}

Error Endpoint::unreadable(std::string_view why) const {
    return {Reaction::reconnect, Code::mailboxProtocol,
            session_.peer + ": " + std::string{during_} + ": the answer cannot be read: " + session_.shown(why)};
}

/// Into the buffer. Only the time spent here counts: what is done with the octets takes as long as it takes.
Task<Result<std::size_t>> Endpoint::readSome(std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const auto begun = loop.clock().steady();
    auto got = co_await http_.read(buffer_, begun + session_.settings.ioTimeout - waited_, stop);
    if (!got) co_return got.error();
    octets_ += *got;
    progressed_ += *got;
    waited_ += loop.clock().steady() - begun;
    if (progressed_ >= progress) progressed_ = 0, waited_ = {};
    if (*got > 0 && waited_ >= session_.settings.ioTimeout)
        co_return Error{Reaction::reconnect, Code::channelTimeout, session_.peer + ": the answer only trickles"};
    co_return *got;
}

Task<Result<std::optional<AnswerPart>>> Endpoint::next(std::stop_token stop) {
    while (parts_.empty() && reader_) {
        auto got = co_await readSome(stop);
        if (!got) {
            auto error = got.error();
            error.what = std::string{during_} + ": " + error.what;
            co_return ended(std::move(error));
        }
        const bool good = *got == 0 ? reader_->finish() : reader_->feed({buffer_.data(), *got});
        for (auto& part : reader_->take()) parts_.push_back(std::move(part));
        if (!good) co_return ended(unreadable(reader_->why()));
        if (!reader_->server().empty()) session_.software = "Exchange " + session_.shown(reader_->server());
        if (*got > 0) continue;
        const auto faulty = faultOf(*reader_);
        reader_.reset();
        buffer_ = std::vector<char>();
        place_.leave();
        if (!faulty) co_return ended(faulty.error());
    }
    if (parts_.empty()) co_return std::optional<AnswerPart>{};
    auto part = std::move(parts_.front());
    parts_.pop_front();
    co_return std::optional<AnswerPart>{std::move(part)};
}

void Endpoint::abandon() {
    reader_.reset();
    buffer_ = std::vector<char>();
    parts_.clear();
    kept_ = false;
    http_.close();
    place_.leave();
}

Task<Result<std::vector<ResponseMessage>>> Endpoint::call(Operation operation, std::size_t most, std::stop_token stop) {
    auto begun = co_await begin(std::move(operation), stop);
    if (!begun) co_return begun.error();
    std::vector<ResponseMessage> messages;
    for (;;) {
        auto part = co_await next(stop);
        if (!part) co_return part.error();
        if (!*part) break;
        if (messages.size() == most || octets_ > gatheredLimit) co_return ended(unreadable("it tells more than was asked for"));
        auto* message = std::get_if<ResponseMessage>(&**part);
        if (message == nullptr) continue;
        const auto meaning = message->success ? Meaning::again : meaningOf(message->code);
        if (meaning == Meaning::busy || meaning == Meaning::crowded) {
            note(meaning, message->backOff);
            co_return ended(refusal(session_, *message, during_));
        }
        messages.push_back(std::move(*message));
    }
    if (messages.empty()) co_return ended(unreadable("there is nothing in it"));
    co_return std::move(messages);
}

Task<Result<ResponseMessage>> Endpoint::ask(Operation operation, std::stop_token stop) {
    auto messages = co_await call(std::move(operation), 1, stop);
    if (!messages) co_return messages.error();
    co_return std::move(messages->front());
}

Task<Result<std::optional<std::string>>> Endpoint::listen(plugin::Deadline until, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    reader_.reset();
    buffer_ = std::vector<char>();
    std::array<char, 2048> piece;
    auto got = co_await http_.read(piece, until, stop);
    if (got) co_return std::optional<std::string>{std::string{piece.data(), *got}};
    const bool ours = (got.error().code == Code::channelTimeout && loop.clock().steady() >= until) ||
                      (got.error().code == Code::channelStopped && stop.stop_requested());
    if (ours) co_return std::optional<std::string>{};
    co_return got.error();
}

}  // namespace listener::ews
