// Servers that ask for time, as the built program hears it: over IMAP, EWS and Microsoft Graph.
#include "tests/system/sinks.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace systemtest;
using servers::eventually;
using servers::WebhookReceiver;

namespace {

using How = Refusal::How;

std::vector<Refusal> refusalsOf(const std::string& protocol) {
    std::vector<Refusal> all;
    if (protocol == "imap") {
        for (const auto* at : {"AUTHENTICATE", "NAMESPACE", "SELECT", "UID FETCH", "UID STORE", "UID MOVE", "IDLE"}) {
            for (const auto how : {How::no, How::bad, How::bye}) all.push_back({.at = at, .how = how});
            for (const auto* code : {"LIMIT", "INUSE", "UNAVAILABLE"})
                all.push_back({.at = at, .how = How::no, .rest = std::chrono::seconds{0}, .code = code});
        }
        return all;
    }
    if (protocol == "ews") {
        for (const auto* at : {"GetFolder", "SyncFolderItems", "GetItem", "UpdateItem", "MoveItem", "Subscribe", "GetStreamingEvents"}) {
            for (const auto how : {How::fault, How::message}) all.push_back({.at = at, .how = how});
            for (const int status : {503, 429}) all.push_back({.at = at, .status = status});
        }
        return all;
    }
    for (const auto* at : {"mailFolders/inbox", "/delta", "$value", "POST /v1.0/$batch", "BATCH PATCH", "BATCH POST"})
        for (const int status : {503, 429}) all.push_back({.at = at, .status = status});
    return all;
}

std::string nameOf(const Refusal& refusal) {
    static const std::vector<std::string> hows{"", "fault", "message", "NO", "BAD", "BYE"};
    const auto how = refusal.how == How::status ? std::to_string(refusal.status) : hows.at(static_cast<std::size_t>(refusal.how));
    return refusal.at + ": " + how + " " + refusal.code;
}

/// What may be asked again only when the rest is over: of IMAP a sign-in, since what was refused had been sent together with other commands; of a
/// message Graph has no time for (503), that message; else anything.
bool counts(const std::string& protocol, const Refusal& refusal, const std::string& refused, const std::string& asked) {
    if (protocol == "imap") return asked == "AUTHENTICATE";
    return refusal.at != "$value" || refusal.status != 503 || asked == refused;
}

/// Mailboxes at one server, behind the same spool and webhook, their mail marked and moved.
class Several {
public:
    Several(const std::string& protocol, std::size_t count) {
        std::string words;
        for (auto& box : makePostboxes(protocol, count)) {
            auto& filled = boxes_.emplace_back("m" + std::to_string(boxes_.size()), std::move(box));
            words += filled.words("spool,hook", "seen+move:Done");
        }
        // Busy as this machine may be, nothing is posted twice because an answer took long.
        place.configure(replaced(webhook("hook", hook), "sink.hook.timeout", "60s") + boxes_.front().box().credential(place, "c") + words);
    }
    FilledMailbox& operator[](std::size_t i) { return boxes_[i]; }
    void arrives(std::size_t i, const std::string& series) { boxes_[i].add(someMails(series + "-" + std::to_string(i), 1)); }
    bool isDone(std::size_t i) { return place.countDelivered("m" + std::to_string(i)) == boxes_[i].size() && boxes_[i].left() == 0; }
    /// Each of its mails is in the spool and behind the webhook once, under one id with the same octets, and where it belongs.
    void check(std::size_t i) {
        auto& box = boxes_[i];
        const auto taken = hook.taken();
        std::multiset<std::string> arrived;
        for (const auto& [id, mail] : place.delivered("m" + std::to_string(i))) {
            const auto digest = sha256(mail.bytes);
            arrived.insert(box.box().original(digest));
            CHECK((taken.contains(id) && taken.at(id) == digest));
        }
        const auto all = box.digests();
        CHECK(arrived == std::multiset<std::string>(all.begin(), all.end()));
        CHECK(box.in("Done") == all);
        for (const auto& mail : box.box().in("Done")) CHECK(mail.seen);
        CHECK(box.box().problems() == std::vector<std::string>{});
    }

    Workplace place{};
    WebhookReceiver hook{};

private:
    std::vector<FilledMailbox> boxes_{};
};

}  // namespace

SCENARIO("a server that asks for time is given it, everything arrives once, and other mailboxes of the application are served meanwhile",
         "[system][throttle]") {
    const std::string protocol = GENERATE("imap", "ews", "graph");
    GIVEN("a server of " + protocol +
          " that refuses each of some mailboxes one request, for seconds, another one all for minutes, and a third none") {
        const auto refusals = refusalsOf(protocol);
        const auto shortly = refusals.size(), long_ = shortly, never = shortly + 1;
        Several boxes{protocol, shortly + 2};
        for (std::size_t i = 0; i < shortly; ++i) boxes[i].box().refuse(refusals[i]);
        const auto* entry = protocol == "imap" ? "SELECT" : protocol == "ews" ? "SyncFolderItems" : "/delta";
        const auto how = protocol == "imap" ? How::no : protocol == "ews" ? How::fault : How::status;
        boxes[long_].box().refuse({.at = entry, .how = how, .rest = std::chrono::seconds{600}});
        for (std::size_t i = 0; i < shortly + 2; ++i) boxes.arrives(i, "first");
        WHEN("more mail comes to all of them when all has been refused") {
            auto service = boxes.place.start({"run"});
            const auto refused = [&](std::size_t i) { return boxes[i].box().record().refusal().has_value(); };
            for (std::size_t i = 0; i <= long_; ++i) {
                INFO((i < shortly ? nameOf(refusals[i]) : "for minutes") << " is never asked for");
                INFO(boxes.place.log());
                REQUIRE(eventually([&] { return refused(i); }, patience));
            }
            for (std::size_t i = 0; i < shortly + 2; ++i) boxes.arrives(i, "second");
            THEN("nothing is asked before its time, and all have their mail but the one that rests for minutes") {
                const auto done = [&] {
                    for (std::size_t i = 0; i < shortly + 2; ++i)
                        if (i != long_ && !boxes.isDone(i)) return false;
                    return true;
                };
                INFO(boxes.place.log());
                CHECK(eventually(done, patience));
                CHECK(service.stop().status == 0);
                for (std::size_t i = 0; i < shortly; ++i) {
                    INFO(nameOf(refusals[i]));
                    boxes.check(i);
                    const auto& record = boxes[i].box().record();
                    const auto first = *record.refusal();
                    std::size_t counted = 0;
                    for (const auto& again : record.since())
                        if (counts(protocol, refusals[i], first.what, again.what)) {
                            INFO(again.what);
                            CHECK(again.when - first.when >= refusals[i].rest);
                            ++counted;
                        }
                    CHECK((counted > 0 || refusals[i].rest == std::chrono::seconds{0}));
                }
                boxes.check(never);
                for (const auto& again : boxes[long_].box().record().since()) {
                    INFO(again.what);
                    CHECK_FALSE(counts(protocol, {.at = entry}, "", again.what));
                }
                CHECK(boxes.place.countDelivered("m" + std::to_string(long_)) == 0);
                CHECK(boxes.hook.taken().size() == 2 * (shortly + 1));
                CHECK(boxes.hook.repeats() == 0);
                CHECK(boxes.hook.problems() == std::vector<std::string>{});
            }
        }
    }
}
