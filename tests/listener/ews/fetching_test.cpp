#include "tests/listener/ews/fixture.h"
#include "tests/servers/base64.h"

using namespace ewstest;
using plugin::Code;
using plugin::Reaction;
using Names = Fixture::Names;
using Numbers = std::vector<std::uint64_t>;

namespace {

Numbers ordinalsOf(const Fixture& fixture) {
    Numbers ordinals;
    for (const auto& message : fixture.received.messages) ordinals.push_back(message.position.ordinal);
    return ordinals;
}

std::size_t count(const Fixture& fixture, const std::string& operation) {
    const auto all = fixture.server.operations();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), operation));
}

/// Past what stays in memory, and with every octet.
std::string large(const std::string& number) {
    std::string body(3'000'000, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 % 251);
    return mail(number, body);
}

}  // namespace

SCENARIO("messages come with their octets, position, time and flags", "[ews]") {
    Fixture fixture;
    fixture.begin();
    fixture.ids.push_back(fixture.server.deliver(fixture.server.inbox(), mail("1"), "2026-11-22T12:00:00Z"));
    fixture.ids.push_back(fixture.server.deliver(fixture.server.inbox(), mail("2", ""), "2026-11-22T13:00:00Z"));
    fixture.server.store().markRead(fixture.ids[1]);
    fixture.server.store().item(fixture.ids[0])->element = "MeetingRequest";
    REQUIRE(fixture.select("INBOX"));
    REQUIRE(fixture.fetch({1, 2}));
    REQUIRE(fixture.received.messages.size() == 2);
    const auto& first = fixture.received.messages[0];
    const auto& second = fixture.received.messages[1];
    CHECK((bytesOf(first.content) == mail("1") && bytesOf(second.content) == mail("2", "")));
    CHECK((first.position == listener::Position{fixture.ids[0], 1} && second.position == listener::Position{fixture.ids[1], 2}));
    CHECK(plugin::Wall{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + std::chrono::hours{12}} == first.received);
    CHECK((first.flags == Names{} && second.flags == Names{"\\Seen"}));
    CHECK(first.head.messageId == "<1@example.com>");
    CHECK((!first.sourceDefect && !first.tooLarge));
}

SCENARIO("messages are asked for in batches of ten, and of fewer where they are large", "[ews]") {
    Fixture fixture;
    fixture.begin(25);
    Numbers all;
    for (std::uint64_t i = 1; i <= 25; ++i) all.push_back(i);
    GIVEN("small ones") {
        REQUIRE(fixture.fetch(all));
        CHECK(ordinalsOf(fixture) == all);
        CHECK(count(fixture, "GetItem") == 1 + 3);
    }
    GIVEN("large ones, as the server says") {
        for (const auto& id : fixture.ids) fixture.server.store().item(id)->size = 3'000'000;
        REQUIRE(fixture.fetch(all));
        CHECK(ordinalsOf(fixture) == all);
        CHECK(count(fixture, "GetItem") == 1 + 13);
    }
    GIVEN("two connections, of which one is asked while the other is read") {
        REQUIRE(fixture.fetch(all));
        CHECK(fixture.access.dialer().dialled == 2);
        fixture.received.messages.clear();
        REQUIRE(fixture.fetch(all));
        CHECK(ordinalsOf(fixture) == all);
        CHECK(fixture.access.dialer().dialled == 2);
    }
    GIVEN("a batch that is refused as it is asked for ahead") {
        int asked = 0;
        const auto* const code = GENERATE("ErrorTimeoutExpired", "ErrorServerBusy");
        fixture.server.instead = [&asked, code](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.body.find("IncludeMimeContent") == std::string::npos || ++asked != 2) return std::nullopt;
            return servers::EwsServer::fault(code);
        };
        const auto fetched = fixture.fetch(all);
        const bool busy = std::string(code) == "ErrorServerBusy";
        CHECK(static_cast<bool>(fetched) != busy);
        CHECK(ordinalsOf(fixture).size() == (busy ? 10 : 25));
    }
    GIVEN("a server that wants one request at a time") {
        int asked = 0;
        const int refused = GENERATE(1, 2);
        fixture.server.instead = [&asked, refused](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.body.find("IncludeMimeContent") == std::string::npos || ++asked < 2 || asked >= 2 + refused) return std::nullopt;
            return servers::EwsServer::fault("ErrorExceededConnectionCount");
        };
        const auto fetched = fixture.fetch(all);
        CHECK(static_cast<bool>(fetched) == (refused == 1));
        if (fetched) CHECK(ordinalsOf(fixture) == all);
        if (!fetched) CHECK((fetched.error().code == Code::mailboxThrottled && fetched.error().retryAfter == std::chrono::seconds{30}));
    }
    GIVEN("a server that wants none at all for a day") {
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.body.find("IncludeMimeContent") == std::string::npos) return std::nullopt;
            return servers::EwsServer::fault("ErrorExceededConnectionCount", 86'400'000);
        };
        const auto begun = fixture.loop.clock().steady();
        const auto fetched = fixture.fetch(all);
        REQUIRE_FALSE(fetched);
        CHECK(fetched.error().code == Code::mailboxThrottled);
        CHECK(fetched.error().what.find("ErrorExceededConnectionCount") != std::string::npos);
        CHECK(fetched.error().retryAfter == listener::RequestLimit::longestRest);
        CHECK(fixture.loop.clock().steady() - begun < std::chrono::minutes{1});
    }
    GIVEN("a server for which single messages of a batch are too much at a time") {
        fixture.server.itemCodes[fixture.ids[3]] = {"ErrorExceededConnectionCount"};
        fixture.server.itemCodes[fixture.ids[5]] = {"ErrorTooManyObjectsOpened"};
        fixture.server.delay = std::chrono::seconds{1};
        const auto begun = fixture.loop.clock().steady();
        REQUIRE(fixture.fetch(all));
        auto come = ordinalsOf(fixture);
        std::sort(come.begin(), come.end());
        CHECK(come == all);
        CHECK(fixture.loop.clock().steady() - begun >= std::chrono::seconds{30});
        CHECK(fixture.limit->isCrowded());
    }
    GIVEN("one for which they are too much though they come alone") {
        fixture.server.itemCodes[fixture.ids[3]] = {"ErrorExceededConnectionCount!"};
        const auto fetched = fixture.fetch(all);
        REQUIRE_FALSE(fetched);
        CHECK((fetched.error().code == Code::mailboxThrottled && fetched.error().retryAfter == std::chrono::seconds{30}));
    }
    GIVEN("one that has said so to a session before") {
        const bool afterWhile = GENERATE(false, true);
        fixture.limit->crowded();
        if (afterWhile) fixture.loop.clock().pass(listener::RequestLimit::oneAtATime);
        fixture.renew();
        const auto dialled = fixture.access.dialer().dialled;
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
        REQUIRE(fixture.fetch(all));
        CHECK(ordinalsOf(fixture) == all);
        CHECK(fixture.access.dialer().dialled - dialled == (afterWhile ? 2 : 1));  // the other one is for what is asked for ahead
    }
    GIVEN("a service that ends while another batch is under way") {
        fixture.server.delay = std::chrono::seconds{5};
        fixture.loop.at(fixture.loop.clock().steady() + std::chrono::seconds{12}, [&fixture] { fixture.stop.request_stop(); });
        CHECK(fixture.fetch(all).error().code == Code::channelStopped);
    }
    GIVEN("a caller who has enough") {
        fixture.received.enoughAfter = 5;
        REQUIRE(fixture.fetch(all));
        CHECK(ordinalsOf(fixture).size() == 20);  // what was under way comes
    }
    GIVEN("a caller who refuses") {
        fixture.received.refuses = plugin::Error{Reaction::retryLater, Code::storeDiskFull, "full"};
        CHECK(fixture.fetch(all).error().code == Code::storeDiskFull);
    }
    GIVEN("a server that renders them anew each time") {
        fixture.server.rendersAnew = true;
        REQUIRE(fixture.fetch({1}));
        REQUIRE(fixture.fetch({1}));
        const auto& messages = fixture.received.messages;
        CHECK(bytesOf(messages[0].content) != bytesOf(messages[1].content));
        CHECK(messages[0].head.matchKey == messages[1].head.matchKey);
    }
}

SCENARIO("a large message goes to a file as it comes", "[ews]") {
    Fixture fixture;
    fixture.access.dialer().link.chunk = GENERATE(std::size_t{0}, std::size_t{1000});
    fixture.begin();
    fixture.server.deliver(fixture.server.inbox(), mail("1"));
    fixture.server.deliver(fixture.server.inbox(), large("2"));
    fixture.server.deliver(fixture.server.inbox(), mail("3"));
    REQUIRE(fixture.select("INBOX"));
    REQUIRE(fixture.fetch({1, 2, 3}));
    REQUIRE(ordinalsOf(fixture) == Numbers{1, 2, 3});
    CHECK(fixture.received.messages[1].content.file() != nullptr);
    CHECK(bytesOf(fixture.received.messages[1].content) == large("2"));
    CHECK(bytesOf(fixture.received.messages[2].content) == mail("3"));
}

SCENARIO("what is too large comes as its head", "[ews]") {
    Fixture fixture;
    fixture.begin();
    for (const auto& bytes : {mail("1"), large("2"), mail("3", std::string(2000, 'x')), mail("4")})
        fixture.ids.push_back(fixture.server.deliver(fixture.server.inbox(), bytes));
    fixture.received.limit = 1000;
    REQUIRE(fixture.select("INBOX"));
    GIVEN("sizes as they are") {
        REQUIRE(fixture.fetch({1, 2, 3, 4}));
        REQUIRE(ordinalsOf(fixture) == Numbers{1, 2, 3, 4});
        const auto& messages = fixture.received.messages;
        CHECK(
            (!messages[0].tooLarge && messages[1].tooLarge == large("2").size() && messages[2].tooLarge == mail("3", std::string(2000, 'x')).size()));
        CHECK((messages[1].content.size() == 0 && messages[1].head.messageId == "<2@example.com>"));
        CHECK(messages[1].head.matchKey == listener::readHead(large("2")).matchKey);
        CHECK(bytesOf(messages[3].content) == mail("4"));
    }
    GIVEN("a size that is told too small") {
        for (const auto& id : fixture.ids) fixture.server.store().item(id)->size = 10;
        REQUIRE(fixture.fetch({1, 2, 3, 4}));
        const auto& messages = fixture.received.messages;
        REQUIRE(messages.size() == 4);
        CHECK((messages[1].tooLarge == large("2").size() && messages[1].content.size() == 0));
        CHECK(messages[1].head.matchKey == listener::readHead(large("2")).matchKey);
        CHECK(bytesOf(messages[0].content) == mail("1"));
    }
}

SCENARIO("a message that is gone is left out", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    fixture.server.store().remove(fixture.ids[1]);
    REQUIRE(fixture.fetch({1, 2, 3}));
    CHECK(ordinalsOf(fixture) == Numbers{1, 3});
    CHECK(fixture.log.text.find("does not hand out") == std::string::npos);
    GIVEN("one that goes between the asking for sizes and the asking for octets") {
        fixture.received.messages.clear();
        fixture.server.itemCodes[fixture.ids[0]] = {"ErrorItemNotFound!"};
        REQUIRE(fixture.fetch({1, 3}));
        CHECK(ordinalsOf(fixture) == Numbers{3});
    }
}

SCENARIO("a message the server cannot render stops no other, and is handed over as a defect in the end", "[ews]") {
    const auto* code = GENERATE("ErrorMimeContentConversionFailed!", "ErrorContentConversionFailed!", "ErrorItemCorrupt!", "ErrorCorruptData!",
                                "ErrorUnsupportedMimeConversion!", "ErrorUnsupportedTypeForConversion!");
    Fixture fixture;
    fixture.server.oneStopsAll = GENERATE(false, true);
    fixture.begin(5);
    fixture.server.itemCodes[fixture.ids[1]] = {code};
    REQUIRE(fixture.fetch({1, 2, 3, 4, 5}));
    auto ordinals = ordinalsOf(fixture);
    std::sort(ordinals.begin(), ordinals.end());
    CHECK(ordinals == Numbers{1, 2, 3, 4, 5});
    for (const auto& message : fixture.received.messages) {
        CHECK(message.sourceDefect == (message.position.ordinal == 2));
        if (message.sourceDefect) CHECK(bytesOf(message.content).find("Subject: 2\r\n") != std::string::npos);
        if (message.sourceDefect) CHECK(message.head.messageId == "<told@contoso.example>");
        if (!message.sourceDefect) CHECK(bytesOf(message.content) == mail(std::to_string(message.position.ordinal)));
    }
    CHECK(count(fixture, "GetItem") >= 1 + 1 + 2 + 1);  // sizes; all; the bad one twice more; what it is
}

SCENARIO("a message that fails for a while comes in the end", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    fixture.server.itemCodes[fixture.ids[0]] = {"ErrorInternalServerTransientError", "ErrorMimeContentConversionFailed"};
    fixture.server.itemCodes[fixture.ids[2]] = {"ErrorBatchProcessingStopped"};
    REQUIRE(fixture.fetch({1, 2, 3}));
    auto ordinals = ordinalsOf(fixture);
    std::sort(ordinals.begin(), ordinals.end());
    CHECK(ordinals == Numbers{1, 2, 3});
    for (const auto& message : fixture.received.messages) CHECK_FALSE(message.sourceDefect);
}

SCENARIO("a message that fails for other reasons is left out, and a server that hands out none is told as that", "[ews]") {
    Fixture fixture;
    fixture.begin(8);
    GIVEN("one") {
        fixture.server.itemCodes[fixture.ids[3]] = {"ErrorOfNextYear!"};
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8}));
        CHECK(ordinalsOf(fixture).size() == 7);
        CHECK(fixture.log.text.find("does not hand out a message mailbox=sales ordinal=4 cause=ErrorOfNextYear") != std::string::npos);
    }
    GIVEN("more than a few, among others that come") {
        for (const std::size_t i : {0, 1, 2, 4, 5, 6}) fixture.server.itemCodes[fixture.ids[i]] = {"ErrorInternalServerError!"};
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8}));
        CHECK(ordinalsOf(fixture) == Numbers{4, 8});
        fixture.received.messages.clear();
        REQUIRE(fixture.fetch({1, 2, 3, 5, 6, 7}));  // and when nothing else is left
        CHECK(fixture.received.messages.empty());
    }
    GIVEN("all, with a code that says the mailbox is not to be had now") {
        for (const auto& id : fixture.ids) fixture.server.itemCodes[id] = {"ErrorMailboxStoreUnavailable!"};
        const auto fetched = fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8});
        REQUIRE_FALSE(fetched);
        CHECK((fetched.error().reaction == Reaction::retryLater && fetched.error().what.find("ErrorMailboxStoreUnavailable") != std::string::npos));
    }
}

SCENARIO("a busy server ends a fetch, with the time it names", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.body.find("IncludeMimeContent") == std::string::npos) return std::nullopt;
        return servers::EwsServer::refusal("GetItem", "ErrorServerBusy", 7000);
    };
    const auto fetched = fixture.fetch({1, 2, 3});
    REQUIRE_FALSE(fetched);
    CHECK((fetched.error().code == Code::mailboxThrottled && fetched.error().retryAfter == std::chrono::seconds{7}));
    fixture.server.instead = {};
    REQUIRE(fixture.fetch({1, 2, 3}));  // the session goes on
    CHECK(ordinalsOf(fixture) == Numbers{1, 2, 3});
}

SCENARIO("too much at once is asked for one by one, and what is too much alone is left out", "[ews]") {
    const auto* code = GENERATE("ErrorTimeoutExpired", "ErrorNotEnoughMemory", "ErrorDataSizeLimitExceeded", "ErrorMessageSizeExceeded");
    Fixture fixture;
    fixture.begin(4);
    fixture.server.instead = [&fixture, code](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.body.find("IncludeMimeContent") == std::string::npos) return std::nullopt;
        if (request.body.find(fixture.ids[2]) == std::string::npos) return std::nullopt;
        return servers::EwsServer::fault(code);
    };
    REQUIRE(fixture.fetch({1, 2, 3, 4}));
    CHECK(ordinalsOf(fixture) == Numbers{1, 2, 4});
    CHECK(fixture.log.text.find("does not hand out a message mailbox=sales ordinal=3") != std::string::npos);
}

SCENARIO("a message that makes a request for several fail stops no other", "[ews]") {
    Fixture fixture;
    fixture.begin(12);
    const auto of = [&fixture](const servers::EwsRequest& request, std::size_t at) {
        return request.body.find("IncludeMimeContent") != std::string::npos && request.body.find(fixture.ids[at]) != std::string::npos;
    };
    GIVEN("a fault that may be its own") {
        const auto* code = GENERATE("ErrorInternalServerError", "ErrorOfNextYear", "ErrorInternalServerTransientError");
        fixture.server.instead = [of, code](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (!of(request, 2)) return std::nullopt;
            return servers::EwsServer::fault(code);
        };
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
        CHECK(fixture.received.messages.size() == 11);
        CHECK(fixture.log.text.find("does not hand out a message mailbox=sales ordinal=3 cause=") != std::string::npos);
        CHECK(fixture.mailbox().pushes());
    }
    GIVEN("a fault that says it cannot be rendered") {
        const auto* code = GENERATE("ErrorItemCorrupt", "ErrorMimeContentConversionFailed");
        fixture.server.instead = [of, code](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (!of(request, 2)) return std::nullopt;
            return servers::EwsServer::fault(code);
        };
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
        REQUIRE(fixture.received.messages.size() == 12);
        for (const auto& message : fixture.received.messages) CHECK(message.sourceDefect == (message.position.ordinal == 3));
    }
    GIVEN("content that is no Base64") {
        fixture.server.instead = [&fixture, of](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (!of(request, 2)) return std::nullopt;
            const auto& all = fixture.ids;
            servers::EwsServer twin;  // the same folder
            for (std::size_t i = 1; i <= all.size(); ++i) twin.deliver(twin.inbox(), mail(std::to_string(i)));
            auto answer = twin.answer(request);
            const auto right = servers::base64(mail("3"));
            answer.body.replace(answer.body.find(right), right.size(), "*" + right.substr(1));
            return answer;
        };
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
        CHECK(fixture.received.messages.size() == 11);
        for (const auto& message : fixture.received.messages) CHECK(bytesOf(message.content) == mail(std::to_string(message.position.ordinal)));
        CHECK(fixture.log.text.find("does not hand out a message mailbox=sales ordinal=3 cause=") != std::string::npos);
        REQUIRE(fixture.select("INBOX"));  // the session goes on
    }
    GIVEN("answers that are cut") {
        fixture.access.dialer().link.cutAfter = 70'000;  // all but one fit
        fixture.server.deliver(fixture.server.inbox(), mail("13", std::string(70'000, 'x')));
        fixture.renew();
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
        CHECK(fixture.received.messages.size() == 12);
        CHECK(fixture.log.text.find("does not hand out a message mailbox=sales ordinal=13 cause=") != std::string::npos);
    }
    GIVEN("a server that is ill altogether") {
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.body.find("IncludeMimeContent") == std::string::npos) return std::nullopt;
            return servers::EwsServer::fault("ErrorInternalServerError");
        };
        const auto fetched = fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
        REQUIRE_FALSE(fetched);
        CHECK((fetched.error().reaction == Reaction::retryLater && fetched.error().code == Code::mailboxCommandRefused));
        CHECK(count(fixture, "GetItem") < 30);
    }
}

SCENARIO("sizes that are too much to ask for at once are asked for in smaller batches, and then not at all", "[ews]") {
    Fixture fixture;
    fixture.begin(100);
    const std::size_t most = GENERATE(std::size_t{30}, std::size_t{0});
    fixture.server.instead = [most](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.body.find("item:Size") == std::string::npos) return std::nullopt;
        std::size_t ids = 0;
        for (auto at = request.body.find("<t:ItemId "); at != std::string::npos; at = request.body.find("<t:ItemId ", at + 1)) ++ids;
        if (ids <= most) return std::nullopt;
        return servers::EwsServer::fault("ErrorTimeoutExpired");
    };
    Numbers all;
    for (std::uint64_t i = 1; i <= 100; ++i) all.push_back(i);
    REQUIRE(fixture.fetch(all));
    CHECK(ordinalsOf(fixture) == all);
}

SCENARIO("a caller who fails leaves nothing running behind", "[ews]") {
    struct Throwing : Received {
        plugin::Task<plugin::Result<void>> take(listener::Fetched) override { throw std::logic_error("a bug"); }
    };
    Fixture fixture;
    fixture.begin(25);
    Throwing receiver;
    Numbers all;
    for (std::uint64_t i = 1; i <= 25; ++i) all.push_back(i);
    fixture.server.delay = std::chrono::seconds{5};
    CHECK_THROWS_AS(fixture.loop.run(fixture.mailbox().fetch(all, receiver, *fixture.staging, fixture.stop.get_token())), std::logic_error);
    fixture.server.delay = std::chrono::seconds{0};
    REQUIRE(fixture.fetch(all));  // over the same connections
    CHECK(ordinalsOf(fixture) == all);
}

SCENARIO("a stream that is cut anywhere hands over whole messages or none", "[ews]") {
    std::size_t most = 0;
    for (std::size_t cut = 0; cut < 9000; cut += 37) {
        Fixture fixture;
        for (int i = 1; i <= 3; ++i) fixture.server.deliver(fixture.server.inbox(), mail(std::to_string(i)));
        fixture.access.dialer().link.cutAfter = cut;
        plugin::Result<void> done = fixture.open();
        if (done) {
            const auto selected = fixture.select("INBOX");
            done = selected ? fixture.fetch({1, 2, 3}) : plugin::Result<void>{selected.error()};
        }
        for (const auto& message : fixture.received.messages) CHECK(bytesOf(message.content) == mail(std::to_string(message.position.ordinal)));
        if (!done) CHECK(done.error().reaction == Reaction::reconnect);
        const bool leftOut = fixture.log.text.find("does not hand out a message") != std::string::npos;
        if (done) CHECK((fixture.received.messages.size() == 3 || leftOut));
        most = std::max(most, fixture.received.messages.size());
    }
    CHECK(most == 3);
}

SCENARIO("octets in the smallest pieces are the same message", "[ews]") {
    Fixture fixture;
    fixture.access.dialer().link = {.chunk = 1, .pauses = true};
    fixture.begin(2);
    REQUIRE(fixture.fetch({1, 2}));
    CHECK((bytesOf(fixture.received.messages[0].content) == mail("1") && bytesOf(fixture.received.messages[1].content) == mail("2")));
}

SCENARIO("an answer with another message than the one asked for is believed by nobody", "[ews]") {
    Fixture fixture;
    fixture.begin(2);
    fixture.server.instead = [&fixture](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.body.find("IncludeMimeContent") == std::string::npos) return std::nullopt;
        auto other = request;
        const auto first = other.body.find(fixture.ids[0]), second = other.body.find(fixture.ids[1]);
        other.body.replace(first, fixture.ids[0].size(), "x");
        other.body.replace(second - fixture.ids[0].size() + 1, fixture.ids[1].size(), fixture.ids[0]);
        other.body.replace(first, 1, fixture.ids[1]);
        servers::EwsServer twin;  // the same folder, asked the other way round
        for (int i = 1; i <= 2; ++i) twin.deliver(twin.inbox(), mail(std::to_string(i)));
        return twin.answer(other);
    };
    const auto fetched = fixture.fetch({1, 2});
    REQUIRE_FALSE(fetched);
    CHECK((fetched.error().code == Code::mailboxProtocol && fetched.error().reaction == Reaction::reconnect));
    CHECK(fixture.received.messages.empty());
}

SCENARIO("all messages are identified by the same heads", "[ews]") {
    Fixture fixture;
    fixture.begin(12);
    fixture.server.deliver(fixture.server.inbox(), large("13"));
    fixture.server.itemCodes[fixture.ids[4]] = {"ErrorCorruptData!"};
    REQUIRE(fixture.select("INBOX"));
    const auto found = fixture.identify();
    REQUIRE(found);
    REQUIRE(found->size() == 12);  // one has no head
    for (std::size_t i = 0; i < found->size(); ++i) {
        const auto& each = (*found)[i];
        const auto bytes = each.ordinal == 13 ? large("13") : mail(std::to_string(each.ordinal));
        CHECK(each.ordinal == (i < 4 ? i + 1 : i + 2));
        CHECK((each.matchKey == listener::readHead(bytes).matchKey && each.size == bytes.size() && each.received));
    }
}
