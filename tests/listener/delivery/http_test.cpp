#include "plugin/contract/text.h"
#include "tests/listener/delivery/http_fixture.h"

#include <future>

using namespace webhooks;
using Way = Reply::Way;

namespace {

const std::string key = "thirty-two octets, or thereabout";
const std::string writtenKey = "whsec_dGhpcnR5LXR3byBvY3RldHMsIG9yIHRoZXJlYWJvdXQ=";

Reply plainly(int status, const std::string& text) { return WebhookReceiver::answer(status, {{"Content-Type", "text/plain"}}, text); }

}  // namespace

SCENARIO("a message arrives as its exact octets, with all that is said of it", "[webhook]") {
    const std::size_t size = GENERATE(std::size_t{0}, std::size_t{1000}, std::size_t{1} << 20);
    Path path({.key = key, .keepsBodiesUpTo = 2 << 20}, {.signingSecret = writtenKey});
    auto bytes = bytesOf(1, size);
    bytes.resize(size);
    auto message = messageOf(1, bytes);
    message.folder = "Entwürfe/100% sicher";
    const auto delivery = path.deliver(message);
    CHECK(delivery.verdict() == Verdict::delivered);
    CHECK_FALSE(delivery.error());
    REQUIRE(path.receiver.count() == 1);
    auto request = path.receiver.requests().front();
    CHECK(request.isWhole);
    CHECK(request.body == bytes);
    CHECK(request.id == message.id);
    CHECK(request.timestamp == TestClock::seconds);
    CHECK(request.mailbox == "box");
    CHECK(request.folder == "Entw%C3%BCrfe/100%25 sicher");
    CHECK(request.received == plugin::utcText(message.received));
    CHECK(request.headers.at("user-agent") == "Postern");
    CHECK(request.headers.at("content-length") == std::to_string(size));
    CHECK_FALSE(request.headers.contains("authorization"));
}

SCENARIO("a message in a file is streamed", "[webhook]") {
    const auto [isSigned, size] = GENERATE(table<bool, std::uint64_t>({{false, 3'000'000}, {true, 3'000'000}, {true, 200'000'000}}));
    Path path({.key = isSigned ? key : ""}, {.signingSecret = isSigned ? writtenKey : ""});
    const auto file = std::make_shared<MadeUpFile>(size);
    const auto deliveries = path.deliver({stagedMessage(file)}, path.world.in(std::chrono::seconds(90)));
    CHECK(deliveries.front().verdict() == Verdict::delivered);
    REQUIRE(path.receiver.taken().size() == 1);  // and with it the hash and the signature of what arrived
    CHECK(path.receiver.requests().front().size == size);
    CHECK(file->largest <= 1U << 20);
}

SCENARIO("a file that does not hold what was put into it is never delivered", "[webhook]") {
    Path path;
    path.expectsProblems = true;
    const auto file = std::make_shared<MadeUpFile>(3'000'000);
    const auto message = stagedMessage(file);
    const bool isThere = GENERATE(true, false);  // but changed
    file->spoilt = isThere;
    file->fails = !isThere;
    const auto error = refusalOf(path.deliver(message));
    CHECK(error.code == Code::messageStaging);
    CHECK(error.reaction == Reaction::retryLater);
    CHECK(path.receiver.taken().empty());
    file->spoilt = file->fails = false;
    CHECK(path.deliver(message).verdict() == Verdict::delivered);
}

SCENARIO("the status of the answer is the verdict", "[webhook]") {
    Path path;
    const auto message = messageOf(1, "mail");
    SECTION("any success is delivered") {
        for (const int status : {200, 201, 202, 204, 299})
            CHECK(path.deliver(message, WebhookReceiver::answer(status)).verdict() == Verdict::delivered);
    }
    SECTION("409 is known") { CHECK(path.deliver(message, WebhookReceiver::answer(409)).verdict() == Verdict::known); }
    SECTION("410 is gone") {
        const auto error = refusalOf(path.deliver(message, plainly(410, "moved out")));
        CHECK(error.code == Code::sinkGone);
        CHECK(error.reaction == Reaction::askOperator);
    }
    SECTION("401 and 403 concern who we are") {
        for (const int status : {401, 403}) {
            const auto error = refusalOf(path.deliver(message, WebhookReceiver::answer(status)));
            CHECK(error.code == Code::sinkSignIn);
            CHECK(error.reaction == Reaction::askOperator);
        }
    }
    SECTION("all else is refused and tried again") {
        for (const int status : {400, 404, 408, 413, 422, 429, 500, 502, 503, 504, 599}) {
            const auto error = refusalOf(path.deliver(message, plainly(status, "the queue\r\nis full")));
            CHECK(error.code == Code::sinkRefused);
            CHECK(error.reaction == Reaction::retryLater);
            CHECK_FALSE(error.retryAfter);
            CHECK(error.what ==
                  "http://127.0.0.1:" + std::to_string(path.receiver.port()) + " answers " + std::to_string(status) + ": the queue  is full");
        }
    }
    SECTION("interim answers are none") {
        CHECK(path.deliver(message, {.status = 200, .raw = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"}).verdict() == Verdict::delivered);
        CHECK(path.deliver(message, {.status = 500, .raw = "HTTP/1.1 102 Processing\r\n\r\n"}).verdict() == Verdict::notDelivered);
    }
    CHECK(path.receiver.connections() == 1);
}

SCENARIO("a redirect is not followed, and where it leads is told without its path", "[webhook]") {
    Path path;
    const int status = GENERATE(301, 302, 303, 307, 308, 304);
    const auto [location, told] = GENERATE(table<std::string, std::string>({
        {"https://new.example:8443/secret?key=1", ": a redirect to https://new.example:8443"},
        {"/elsewhere", ": a redirect to another path of the same host"},
        {"//evil.example/", ": a redirect"},
        {"javascript:alert(1)", ": a redirect"},
        {"", ": a redirect"},
    }));
    const auto error = refusalOf(path.deliver(messageOf(1, "mail"), WebhookReceiver::answer(status, {{"Location", location}})));
    CHECK(error.code == Code::sinkRedirect);
    CHECK(error.reaction == Reaction::askOperator);
    CHECK(error.what.ends_with(std::to_string(status) + told));
    CHECK(path.receiver.count() == 1);
}

SCENARIO("Retry-After is obeyed in both forms", "[webhook]") {
    using std::chrono::seconds;
    Path path;
    const int status = GENERATE(429, 503, 500, 404);
    const auto [written, wait] = GENERATE(table<std::string, int>({
        {"120", 120},
        {"0", 0},
        {"99999999", 86400},
        {"Sun, 01 Nov 2026 02:28:40 GMT", 120},
        {"Sun, 01 Nov 2020 02:28:40 GMT", 0},
        {"Sun, 01 Nov 2036 02:28:40 GMT", 86400},
        {"soon", -1},
    }));
    const auto error = refusalOf(path.deliver(messageOf(1, "mail"), WebhookReceiver::answer(status, {{"Retry-After", written}})));
    CHECK(error.code == Code::sinkRefused);
    if (wait < 0)
        CHECK_FALSE(error.retryAfter);
    else
        CHECK(error.retryAfter == seconds(wait));
}

SCENARIO("without an answer in whole nothing is delivered", "[webhook]") {
    const bool isLarge = GENERATE(false, true);
    Path path;
    const auto file = std::make_shared<MadeUpFile>(3'000'000);
    const auto message = isLarge ? stagedMessage(file) : messageOf(1, "mail");
    auto fails = [&](Reply reply, std::chrono::milliseconds time) {
        path.receiver.script({std::move(reply)});
        const auto deliveries = path.deliver({message}, path.world.in(time));
        const auto error = refusalOf(deliveries.front());
        CHECK(error.reaction == Reaction::retryLater);
        return error.code;
    };
    using std::chrono::seconds, std::chrono::milliseconds;
    SECTION("a status line that is cut") { CHECK(fails({.way = Way::half, .raw = "HTTP/1.1 20"}, seconds(20)) == Code::channelHttpProtocol); }
    SECTION("fields that are cut") {
        CHECK(fails({.way = Way::half, .raw = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"}, seconds(20)) == Code::channelHttpProtocol);
    }
    SECTION("an interim answer and no other") {
        CHECK(fails({.way = Way::half, .raw = "HTTP/1.1 100 Continue\r\n\r\n"}, seconds(20)) == Code::channelHttpProtocol);
    }
    SECTION("what is no HTTP") { CHECK(fails({.way = Way::half, .raw = "220 smtp.example ready\r\n"}, seconds(20)) == Code::channelHttpProtocol); }
    SECTION("an end of the stream") { CHECK(fails({.way = Way::half}, seconds(20)) == Code::channelClosed); }
    SECTION("a reset") { CHECK(fails({.way = Way::reset}, seconds(20)) == Code::channelClosed); }
    SECTION("a reset before the octets are there") { CHECK(fails({.way = Way::resetMid}, seconds(20)) == Code::channelClosed); }
    SECTION("silence until the deadline") { CHECK(fails({.way = Way::hang}, milliseconds(1000)) == Code::channelTimeout); }
    SECTION("deafness until the deadline") { CHECK(fails({.way = Way::deaf}, milliseconds(1000)) == Code::channelTimeout); }
    CHECK(path.receiver.taken().empty());
    CHECK(path.deliver(message).verdict() == Verdict::delivered);
    CHECK(path.receiver.taken().size() == 1);
}

SCENARIO("the head of an answer decides, its body takes nothing back", "[webhook]") {
    Path path;
    const auto message = messageOf(1, "mail");
    const std::string much(3'000'000, 'x');
    CHECK(path.deliver(message, {.status = 200, .body = much, .stub = "xx"}).verdict() == Verdict::delivered);
    CHECK(path.deliver(message, WebhookReceiver::answer(200, {}, much)).verdict() == Verdict::delivered);
    CHECK(path.deliver(message, WebhookReceiver::answer(200, {}, "thank you")).verdict() == Verdict::delivered);
    CHECK(path.receiver.connections() == 3);  // one was cut, one had too much to say
    CHECK(path.receiver.repeats() == 2);
}

SCENARIO("an answer may come before the octets have been taken", "[webhook]") {
    Path path({.receiveBuffer = 8192});
    const auto message = stagedMessage(std::make_shared<MadeUpFile>(20'000'000));
    const int status = GENERATE(413, 429, 401);
    const auto error = refusalOf(path.deliver(message, {.status = status, .way = Way::early, .close = true}));
    CHECK(error.code == (status == 401 ? Code::sinkSignIn : Code::sinkRefused));
    CHECK(path.deliver(message).verdict() == Verdict::delivered);
}

SCENARIO("a success that comes early counts once all octets are there", "[webhook]") {
    Path path;
    const auto message = stagedMessage(std::make_shared<MadeUpFile>(3'000'000));
    CHECK(path.deliver(message, {.way = Way::early}).verdict() == Verdict::delivered);
    CHECK(path.deliver(message).verdict() == Verdict::delivered);
    CHECK(path.receiver.connections() == 1);
    CHECK(path.receiver.taken().size() == 1);
}

SCENARIO("connections are kept and used again", "[webhook]") {
    Path path;
    std::vector<Message> messages;
    for (int i = 0; i < 5; ++i) messages.push_back(messageOf(i, bytesOf(i, 500)));
    GIVEN("one message after the other") {
        for (const auto& message : messages) CHECK(path.deliver(message).verdict() == Verdict::delivered);
        CHECK(path.receiver.connections() == 1);
    }
    GIVEN("more than one at once") {
        for (const auto& delivery : path.deliver(messages)) CHECK(delivery.verdict() == Verdict::delivered);
        CHECK(path.receiver.connections() == 1);
        CHECK(path.receiver.taken().size() == 5);
    }
    GIVEN("a receiver that says it closes, and one that does without a word") {
        CHECK(path.deliver(messages[0], {.close = true}).verdict() == Verdict::delivered);
        CHECK(path.deliver(messages[1], {.drops = true}).verdict() == Verdict::delivered);
        CHECK(path.deliver(messages[2]).verdict() == Verdict::delivered);
        CHECK(path.receiver.connections() == 3);
        CHECK(path.receiver.repeats() == 0);
    }
    GIVEN("one that has been idle for long") {
        CHECK(path.deliver(messages[0]).verdict() == Verdict::delivered);
        path.clock.pass(std::chrono::seconds(31));
        CHECK(path.deliver(messages[1]).verdict() == Verdict::delivered);
        CHECK(path.receiver.connections() == 2);
    }
    GIVEN("calls that run beside each other") {
        std::promise<void> allThere;
        std::atomic<int> there{0};
        path.receiver.decide([&, together = allThere.get_future().share()](const WebhookReceiver::Request&) {
            if (++there == 5) allThere.set_value();
            together.wait_for(std::chrono::seconds(20));
            return Reply();
        });
        auto deliveries = spooling::deliveriesOf(messages);
        auto all = [](listener::Sink* sink, std::vector<Delivery>* of, plugin::Deadline deadline) -> plugin::Task<void> {
            auto& loop = co_await plugin::thisLoop();
            std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> calls;
            for (auto& one : *of) calls.push_back(plugin::start(loop, sink->deliver(std::span(&one, 1), deadline, {})));
            for (auto& call : calls) {
                co_await call->wait(plugin::Deadline::max(), {});
                call->get();
            }
        };
        for (int turn = 1; turn <= 2; ++turn) {
            path.world.run(all(path.sink.get(), &deliveries, path.world.soon()));
            for (const auto& delivery : deliveries) CHECK(delivery.verdict() == Verdict::delivered);
            CHECK(path.receiver.connections() == 5);
        }
    }
}

SCENARIO("nothing begins after the deadline, or when it is time to stop", "[webhook]") {
    Path path;
    const std::vector messages{messageOf(1, "a"), messageOf(2, "b")};
    std::stop_source stop;
    GIVEN("no time left") {
        for (const auto& delivery : path.deliver(messages, path.world.in(std::chrono::seconds(-1))))
            CHECK(refusalOf(delivery).code == Code::sinkUnavailable);
    }
    GIVEN("a stop") {
        stop.request_stop();
        for (const auto& delivery : path.deliver(messages, path.world.soon(), stop.get_token()))
            CHECK(refusalOf(delivery).code == Code::sinkUnavailable);
    }
    GIVEN("time for the first only") {
        path.receiver.script({{.way = Way::hang}});
        const auto deliveries = path.deliver(messages, path.world.in(std::chrono::milliseconds(1000)));
        CHECK(refusalOf(deliveries[0]).code == Code::channelTimeout);
        CHECK(refusalOf(deliveries[1]).code == Code::sinkUnavailable);
    }
    CHECK(path.receiver.taken().empty());
}

SCENARIO("nobody there is said as the network says it", "[webhook]") {
    const auto port = servers::closedPort();
    Path path({}, {.url = "http://127.0.0.1:" + std::to_string(port) + "/path-that-is-nobodys-business"});
    const auto error = refusalOf(path.deliver(messageOf(1, "mail")));
    CHECK(error.code == Code::channelRefused);
    CHECK(error.reaction == Reaction::retryLater);
    CHECK(error.what.find(std::to_string(port)) != std::string::npos);
    CHECK(error.what.find("business") == std::string::npos);
}

SCENARIO("a URL that is none asks for the operator", "[webhook]") {
    Path path({}, {.url = "ftp://files.example/"});
    CHECK(refusalOf(path.deliver(messageOf(1, "mail"))).reaction == Reaction::askOperator);
}

SCENARIO("proxy, truststore and client certificate are those of the settings", "[webhook]") {
    const auto root = servers::makeCertificate({.commonName = "Root", .authority = true});
    const auto own = servers::makeCertificate({.commonName = "hook", .addresses = {"127.0.0.1"}}, &root);
    const TemporaryFile trusted(root.pem());
    HttpSettings settings{.proxy = "out", .truststore = "own", .keystore = "keys", .keyAlias = "client"};
    Path path({.chain = {own}}, settings, {{"own", trusted.path}});
    CHECK(path.deliver(messageOf(1, "mail")).verdict() == Verdict::delivered);
    REQUIRE(path.access.watched.targets.size() == 1);
    const auto& target = path.access.watched.targets.front();
    CHECK(target.tls == auth::Target::Tls::implicit);
    CHECK(target.proxy == "out");
    CHECK(target.truststore == "own");
    CHECK(target.keystore == "keys");
    CHECK(target.keyAlias == "client");
}
