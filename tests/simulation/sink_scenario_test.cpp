// What receivers of webhooks are known to do, for two days on end, with what has to come of it.
#include "tests/simulation/stage.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <utility>

using namespace simulation;
using namespace std::chrono_literals;
using plugin::Mode;

namespace {

struct Way {
    const char* name;
    Badly badly;
};

std::size_t untouched(MailServer& server) {
    const auto& mails = server.folders["INBOX"].mails;
    return static_cast<std::size_t>(std::count_if(mails.begin(), mails.end(), [](const Mail& mail) { return mail.flags.empty(); }));
}

}  // namespace

SCENARIO("a webhook that answers badly for two days gets every mail once it is well again, and no mail is touched before", "[sinks]") {
    const auto way =
        GENERATE(Way{"500", Badly::serverError}, Way{"401", Badly::unauthorized}, Way{"302", Badly::redirect}, Way{"429", Badly::tooManyRequests},
                 Way{"503", Badly::unavailable}, Way{"never", Badly::hangs}, Way{"by closing", Badly::closes}, Way{"by half", Badly::halfAnswers},
                 Way{"by half, and has it", Badly::takesAndHalfAnswers}, Way{"never, and has it", Badly::takesAndHangs});
    const std::string deliver = GENERATE("s,hook", "hook");
    INFO("it answers " << way.name << ", deliver = " << deliver);
    Stage stage{{.mailboxes = 2, .words = {"after = seen"}, .deliver = deliver}};
    stage.hook().always = way.badly;
    stage.begin(Mode::service);
    for (int hour = 0; hour < 48; ++hour) {
        stage.arrive(0);
        if (hour % 6 == 0) stage.arrive(1);
        stage.pass(1h);
        CHECK(stage.is("ok"));
        CHECK(stage.is("ok", 1));
        if (deliver == "s,hook") CHECK(stage.delivered() == stage.sent());
        if (hour == 20) {  // the outbox is on disk
            CHECK(stage.end() == 0);
            stage.begin(Mode::service);
        }
    }
    CHECK(untouched(stage.server(0)) == stage.sent(0));
    CHECK(untouched(stage.server(1)) == stage.sent(1));
    CHECK(stage.hook().asked >= 48 * 60 / 18);       // a probe every 15 min, a fifth more or less
    CHECK(stage.hook().asked <= 48 * 60 / 12 + 60);  // and the first ones, after each start
    stage.hook().always.reset();
    stage.pass(19min);
    stage.checkAllDelivered();
    stage.pass(1min);
    CHECK(untouched(stage.server(0)) == 0);
    CHECK(untouched(stage.server(1)) == 0);
    CHECK(stage.end() == 0);
}

SCENARIO("a webhook that says 410 is left alone until an operator acts, and loses nothing", "[sinks]") {
    Stage stage{{.words = {"after = seen"}, .deliver = "s,hook"}};
    stage.hook().always = Badly::gone;
    stage.begin(Mode::service);
    for (int hour = 0; hour < 48; ++hour) {
        stage.arrive();
        stage.pass(1h);
    }
    CHECK(stage.delivered() == stage.sent());
    CHECK(untouched(stage.server()) == stage.sent());
    CHECK(stage.hook().asked <= 5);  // those that were on their way together
    CHECK(stage.end() == 0);
}

SCENARIO("a drain to a webhook that is cut behind any line of any dialogue is made good by the next one", "[sinks]") {
    const std::string deliver = GENERATE("hook", "s,hook");
    const bool reset = GENERATE(false, true);
    INFO("deliver = " << deliver << (reset ? ", reset" : ", cut in order"));
    Stage stage{{.words = {"after = move:Done"}, .deliver = deliver}};
    std::uint64_t line = 0;
    for (bool cut = true; cut;) {
        INFO("behind line " << ++line);
        REQUIRE(line < 500);
        for (int i = 0; i < 3; ++i) stage.arrive();
        stage.begin(Mode::once);
        stage.process().network().cutAfterLine(line, reset);
        stage.pass(1h);
        cut = stage.process().network().lines() >= line;
        const auto status = stage.ended();
        CHECK((status == 0 || (cut && status == 75)));
        REQUIRE(stage.once() == 0);
        stage.checkAllDelivered();
        CHECK(stage.server().folders["INBOX"].mails.empty());
        CHECK(stage.checkHeld("Done") == 0);
    }
    CHECK(line > 60);
}

SCENARIO("a service whose webhook is cut off behind any line delivers everything within its first retries", "[sinks]") {
    const bool reset = GENERATE(false, true);
    INFO((reset ? "reset" : "cut in order"));
    std::uint64_t line = 0;
    for (bool cut = true; cut;) {
        INFO("behind line " << ++line);
        REQUIRE(line < 500);
        Stage stage{{.words = {"after = seen"}, .deliver = "hook", .seed = line}};
        stage.arrive();
        stage.begin(Mode::service);
        stage.process().network().cutAfterLine(line, reset);
        for (int i = 0; i < 3; ++i) {
            stage.pass(20s);
            stage.arrive();
        }
        stage.pass(20s);
        cut = stage.process().network().lines() >= line;
        stage.pass(3min, [&] { return stage.hook().taken.size() == 4 && untouched(stage.server()) == 0; });
        CHECK(untouched(stage.server()) == 0);
        stage.checkAllDelivered();
        CHECK(stage.end() == 0);
    }
    CHECK(line > 80);
}

SCENARIO("a webhook whose settings change while it has mail in hand and in the outbox gets every mail once", "[sinks]") {
    const auto mood =
        GENERATE(Way{"as it should", Badly::gone}, Way{"never", Badly::hangs}, Way{"503", Badly::unavailable}, Way{"by closing", Badly::closes});
    INFO("it answers " << mood.name);
    Stage stage{{.mailboxes = 3, .words = {"after = seen"}, .deliver = "s,hook"}};
    if (mood.badly != Badly::gone) stage.hook().always = mood.badly;
    stage.begin(Mode::service);
    for (int change = 0; change < 40; ++change) {
        for (std::size_t i = 0; i < 3; ++i) stage.arrive(i);
        stage.pass(std::chrono::milliseconds(50 + 333 * change));
        stage.reload({"retry.max_interval = " + std::to_string(5 + change % 3) + "m", "concurrency = " + std::to_string(1 + change % 4)});
        for (std::size_t i = 0; i < 3; ++i) stage.arrive(i);
        if (change % 5 == 0) stage.pass(4min);
    }
    stage.pass(10min);
    CHECK(stage.hook().repeats == 0);
    stage.hook().always.reset();
    stage.pass(10min);
    stage.checkAllDelivered();
    CHECK(stage.hook().repeats == 0);
    stage.pass(1min);
    for (std::size_t i = 0; i < 3; ++i) CHECK(untouched(stage.server(i)) == 0);
    CHECK(stage.end() == 0);
}

SCENARIO("a process that is gone while a webhook has not answered leaves no request half ended", "[sinks]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Stage stage{{.words = {"after = seen"}, .deliver = "hook", .hook = {"concurrency = 8"}, .seed = seed}};
        for (int i = 0; i < 8; ++i)  // so large that the answer is listened for while they are sent
            stage.server().arrive("INBOX", "Subject: " + std::to_string(i) + "\r\n\r\n" + std::string(200'000, 'x'), plugin::Wall{1'793'000'000s});
        stage.hook().always = Badly::hangs;
        stage.begin(Mode::service);
        stage.pass(1min, [&] { return stage.hook().asked == 8; });
        REQUIRE(stage.hook().asked == 8);
        stage.kill();  // frames go in any order: none may reach for another
        stage.hook().always.reset();
        stage.begin(Mode::service);
        stage.pass(5min);
        CHECK(stage.hook().taken.size() == 8);
        CHECK(stage.end() == 0);
    }
}
