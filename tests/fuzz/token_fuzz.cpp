// What a token endpoint or a mailbox may answer: JSON, the verdict on it, Retry-After, Base64, SASL challenges, claims; and what is made of it for
// people.
#include "auth/diagnosis/diagnosis.h"
#include "auth/json_object.h"
#include "auth/sasl/base64.h"
#include "auth/sasl/mechanisms.h"
#include "auth/token/token_response.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace {

using auth::JsonObject;

constexpr std::string_view secret = "hunter2";
const plugin::Wall now = std::chrono::system_clock::from_time_t(1'795'368'000);

void require(bool holds) {
    if (!holds) std::abort();
}

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// An object is complete in one place only: what is cut off may be nothing but blanks.
void json(std::string_view text) {
    if (text.size() > 2048) return;
    for (std::size_t cut = 0; cut < text.size(); ++cut) {
        if (!JsonObject::parse(text.substr(0, cut))) continue;
        const bool blanks = text.find_first_not_of(" \t\r\n", cut) == std::string_view::npos;
        require(blanks == JsonObject::parse(text).has_value());
    }
}

/// Whatever others say, what is made of it is printable, complete, and of bounded length.
void explained(plugin::Error error, std::optional<auth::diagnosis::Claims> claims) {
    const auto found = auth::diagnosis::diagnose({.error = std::move(error), .claims = std::move(claims), .user = "box@example.test"});
    if (!found) return;
    require(printable(found->cause) && found->cause.size() < 4096 && !found->fix.empty());
    for (const auto& line : found->fix) require(!line.empty() && printable(line) && line.size() < 4096);
}

void verdict(int status, std::string_view field, std::string_view body) {
    const auto hide = [](std::string_view text) { return text.find(secret) != std::string_view::npos; };
    const auto grant = auth::judge({status, field, field, body}, now, hide);
    if (grant) {
        require(!grant->accessToken.empty() && printable(grant->accessToken.reveal()));
        require(!grant->expiresIn || (grant->expiresIn->count() >= 0 && *grant->expiresIn <= auth::maxTokenLife));
        require(printable(grant->scopes));
        return;
    }
    const auto text = plugin::describe(grant.error());
    require(printable(text) && text.size() < 4096 && text.find(secret) == std::string::npos);
    explained(grant.error(), std::nullopt);
    if (const auto wait = grant.error().retryAfter) require(wait->count() >= 0 && *wait <= auth::maxRetryAfter);
}

/// The text as the payload of a token: claims are printable and of bounded length, and an explanation can be made of them.
void claims(std::string_view text) {
    std::string payload(auth::sasl::base64(text).reveal());
    std::replace(payload.begin(), payload.end(), '+', '-');
    std::replace(payload.begin(), payload.end(), '/', '_');
    while (payload.ends_with('=')) payload.pop_back();
    const auto said = auth::diagnosis::claimsOf("e30." + payload + ".c2ln");
    for (const auto code : {plugin::Code::mailboxSignInRefused, plugin::Code::mailboxAccess, plugin::Code::mailboxEwsForbidden})
        explained({plugin::Reaction::askOperator, code, "NO (" + auth::sasl::describe(auth::sasl::challenge(text)) + ")"}, said);
    if (!said) return;
    for (const auto* each : {&said->issuer, &said->application, &said->object, &said->tenant}) require(printable(*each) && each->size() < 1024);
    for (const auto* list : {&said->audience, &said->roles, &said->scopes})
        for (const auto& each : *list) require(printable(each));
}

void base64(std::string_view text) {
    if (const auto decoded = auth::sasl::decodeBase64(text)) require(auth::sasl::base64(decoded->reveal()).reveal() == text);
    const auto encoded = auth::sasl::base64(text);
    const auto back = auth::sasl::decodeBase64(encoded.reveal());
    require(back && back->reveal() == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    json(text);
    for (const int status : {200, 400, 401, 429}) verdict(status, text.substr(0, 64), text);
    base64(text);
    require(printable(auth::sasl::describe(auth::sasl::challenge(text))));
    claims(text);
    return 0;
}
