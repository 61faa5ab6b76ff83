#include "auth/login/authorization_request.h"
#include "auth/login/loopback_listener.h"
#include "auth/login/redirect.h"
#include "auth/login/sign_in.h"
#include "auth/token/either_secret.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

#include <utility>

namespace auth::login {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

namespace {

constexpr std::chrono::milliseconds betweenLooks{250};

/// The answer to one authorization request, however it comes: by the browser, or pasted. The first that has the right state counts.
class Return {
public:
    Return(std::string state, Dialogue& dialogue) : state_(std::move(state)), dialogue_(dialogue) {}

    Page byBrowser(std::string_view query) {
        if (take(query)) return {200, pageText()};
        if (settled()) return {400, "This sign-in has had its answer already. You can close this window."};
        if (!std::exchange(told_, true))
            dialogue_.remark("the browser brought an answer that does not belong to this sign-in; it was refused, the wait goes on");
        return {400, "This is not the answer to the sign-in that is under way: it was refused. You can close this window."};
    }

    /// Until something pasted is the answer, or nobody is there to paste. `alone`: nothing else is waited for.
    Task<void> byLines(bool alone, std::stop_token stop) {
        while (!settled()) {
            auto line = co_await dialogue_.line(stop);
            if (!line) {
                if (alone && !stop.stop_requested()) fail(line.error());
                co_return;
            }
            if (!take(queryOf(*line)) && !settled() && !line->empty())
                dialogue_.remark(
                    "that is not the answer to this sign-in; paste the whole address of the page it ended on, it has code= and state= in it");
        }
    }

    /// Until the answer has come to the admin port. Looks again and again, since another process takes it.
    Task<void> byDesk(CallbackDesk* desk, std::stop_token stop) {
        bool told = false;
        while (!settled()) {
            auto& loop = co_await plugin::thisLoop();
            auto pause = plugin::sleepUntil(loop.clock().steady() + betweenLooks, stop);
            if (co_await pause == Wake::stopped) co_return;
            auto looking = desk->look(state_);
            const auto brought = co_await looking;
            if (brought && *brought) take((*brought)->reveal());
            if (!brought && !std::exchange(told, true))
                dialogue_.remark("whether the browser has come back cannot be seen: " + plugin::describe(brought.error()));
        }
    }

    bool settled() const { return redirect_ || error_; }
    auto wait(Deadline deadline, std::stop_token stop) { return changed_.wait(deadline, std::move(stop)); }
    Result<Redirect> outcome() {
        if (error_) return *error_;
        return std::move(*redirect_);
    }

private:
    bool take(std::string_view query) {
        if (settled()) return false;
        auto redirect = parseRedirect(query);
        if (!redirect || !answers(*redirect, state_)) return false;
        redirect_ = std::move(*redirect);
        changed_.set();
        return true;
    }
    void fail(Error error) {
        error_ = std::move(error);
        changed_.set();
    }
    std::string pageText() const {
        if (redirect_->error.empty()) return "Postern has its answer. You can close this window; the terminal says how it went on.";
        return "The sign-in was refused: " + redirect_->error + (redirect_->description.empty() ? "" : ": " + redirect_->description) +
               ". You can close this window.";
    }

    bool told_ = false;  // once: any page of this browser can ask again and again
    std::string state_;
    Dialogue& dialogue_;
    std::optional<Redirect> redirect_{};
    std::optional<Error> error_{};
    plugin::Event changed_{};
};

/// Where the browser comes back to; one of them at most. Neither: its address is pasted.
struct Way {
    LoopbackListener* listener = nullptr;
    CallbackDesk* desk = nullptr;
};

/// Waits for the browser, and for pasted lines. Both have ended when it answers.
Task<Result<Redirect>> comeBack(Return* back, Way way, const Credential& credential, Deadline deadline, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    std::stop_source over;
    auto* listener = way.listener;
    const bool nothingElse = listener == nullptr && way.desk == nullptr;
    const auto lines = plugin::start(loop, back->byLines(nothingElse, over.get_token()));
    std::shared_ptr<plugin::Shared<plugin::Nothing>> browser;
    if (way.desk != nullptr) browser = plugin::start(loop, back->byDesk(way.desk, over.get_token()));
    if (listener != nullptr)
        browser = plugin::start(loop, listener->serve([back](std::string_view query) { return back->byBrowser(query); }, over.get_token()));
    auto came = back->wait(deadline, stop);
    const auto woke = co_await came;
    over.request_stop();
    auto linesEnded = lines->wait(Deadline::max(), {});
    co_await linesEnded;
    if (browser) {
        auto browserEnded = browser->wait(Deadline::max(), {});
        co_await browserEnded;
        browser->get();
    }
    lines->get();
    if (back->settled()) co_return back->outcome();
    if (woke == Wake::stopped) co_return givenUp(credential);
    co_return nobodyCame(credential);
}

/// RFC 9207 as far as it can be told afterwards: the provider that answered is the one that gave the ID token.
std::optional<Error> otherIssuer(const std::string& redirected, const Granted& result) {
    if (redirected.empty() || !result.account || result.account->issuer.empty() || result.account->issuer == redirected) return std::nullopt;
    return Error{
        Reaction::askOperator, Code::tokenSignInAnswer,
        "the answer is from " + plugin::printable(redirected) + ", the token from " + plugin::printable(result.account->issuer) + " (RFC 9207)"};
}

/// What the token request repeats of the authorization request; outlives it.
struct Redeemed {
    const std::string& redirectUri;
    const std::string& scopes;
    const ProofKey& proofKey;
};

Task<Result<Granted>> redeem(SignInTools tools, std::shared_ptr<const Credential> credential, Redeemed asked, Redirect redirect,
                             std::stop_token stop) {
    const auto issuer = redirect.issuer;
    const auto code = codeOf(std::move(redirect), credential->issuer);
    if (!code) {
        auto error = code.error();
        error.what = "credential " + credential->name + ": " + error.what;
        co_return error;
    }
    EitherSecret client(tools.endpoint, credential, tools.second);
    const auto make = [&code, asked] { return Result<GrantParameters>(authorizationCodeGrant(*code, asked.redirectUri, asked.proofKey.verifier)); };
    auto asking = client.ask(make, stop);
    auto exchange = co_await asking;
    auto result = granted(std::move(exchange), *credential, asked.scopes, client.usesSecond());
    if (!result) co_return result;
    if (auto error = otherIssuer(issuer, *result)) co_return *error;
    co_return result;
}

}  // namespace

Task<Result<Granted>> signInByCode(SignInTools tools, std::shared_ptr<const Credential> credential, SignInWishes wishes, Deadline deadline,
                                   std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    auto redirectUri = credential->redirectUri;
    const bool atService = tools.callbacks != nullptr && redirectUri == tools.callbackUri;
    std::unique_ptr<LoopbackListener> listener;
    if (auto loopback = parseLoopbackUri(redirectUri); loopback && !atService) {
        auto opened = LoopbackListener::open(loop, std::move(*loopback));
        if (!opened) co_return opened.error();
        listener = std::move(*opened);
        redirectUri = listener->uri();
    }
    tools.dialogue.redirectUri(credential->redirectUri, redirectUri);

    const auto scopes = wishes.scopes.value_or(credential->scopes);
    const auto proofKey = makeProofKey(tools.random);
    const auto state = makeState(tools.random);
    if (atService) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - loop.clock().steady());
        auto expecting = tools.callbacks->expect(state, loop.clock().wall() + left);
        if (auto expected = co_await expecting; !expected) co_return expected.error();
    }
    tools.dialogue.visit(
        authorizationUrl(*credential, {redirectUri, scopes, state, proofKey.challenge, wishes.usePrompt.value_or(credential->usePrompt)}),
        listener != nullptr || atService);
    Return back(state, tools.dialogue);
    const Way way{listener.get(), atService ? tools.callbacks : nullptr};
    auto waiting = comeBack(&back, way, *credential, deadline, stop);
    auto redirect = co_await waiting;
    listener.reset();
    if (atService) {
        auto forgetting = tools.callbacks->forget(state);
        static_cast<void>(co_await forgetting);  // what stays ends with its time
    }
    if (!redirect) co_return redirect.error();
    auto redeeming = redeem(tools, credential, Redeemed{redirectUri, scopes, proofKey}, std::move(*redirect), stop);
    co_return co_await redeeming;
}

}  // namespace auth::login
