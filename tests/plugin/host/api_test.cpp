#include "plugin/host/api.h"
#include "plugin/contract/exit_status.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <catch2/catch.hpp>
#include <ostream>
#include <stdexcept>

using namespace plugin;
using plugin::host::Api;

namespace {

/// Lends nothing, since the commands here want nothing.
class NoHost final : public Host {
public:
    std::shared_ptr<const Configuration> configuration() const override { throw wanted; }
    std::vector<Loop*> loops() override { throw wanted; }
    Clock& clock() override { throw wanted; }
    Random& random() override { throw wanted; }
    Disk& disk() override { throw wanted; }
    Database& database() override { throw wanted; }
    Log& log() override { throw wanted; }
    Metrics& metrics() override { throw wanted; }
    auth::Access& access() override { throw wanted; }
    std::string dataDirectory() const override { throw wanted; }
    std::string version() const override { throw wanted; }
    std::string instance() const override { throw wanted; }
    std::optional<Wall> stateLost() const override { throw wanted; }

private:
    std::logic_error wanted{"nothing is lent here"};
};

/// Shows what it is told to show; "act" writes.
Command command(std::string out, int status, std::optional<Error> failure = {}, bool served = true) {
    const auto store = [](const std::vector<std::string>& arguments) {
        return !arguments.empty() && arguments.front() == "act" ? Command::Store::write : Command::Store::read;
    };
    return {"things",
            "things",
            "shows things",
            store,
            [=](Command::Call& call) {
                if (out == "what") call.out << (call.json ? "json" : "text") << call.arguments.size();
                if (out != "what") call.out << out;
                call.error << "postern: PO-1008 what is told to people\n";
                call.failure = failure;
                return status;
            },
            served};
}

struct Answer {
    int status;
    std::string body;
    std::string of(const char* part) const {
        return Poco::JSON::Parser().parse(body).extract<Poco::JSON::Object::Ptr>()->getObject("error")->getValue<std::string>(part);
    }
};

Answer ask(Command asked, const std::string& name = "", std::map<std::string, std::string> parameters = {}) {
    NoHost host;
    Api api(host, {std::move(asked)});
    const auto answer = api.answer({"things", name, std::move(parameters)});
    return {answer.status, answer.body};
}

}  // namespace

SCENARIO("the API answers what a command writes with --json, whatever its status", "[api]") {
    CHECK(ask(command("what", 0)).body == "json0");
    CHECK(ask(command("what", 0), "one").body == "json1");
    const auto failed = ask(command("[]\n", exits::config, Error{Reaction::askOperator, Code::configBadValue, "one of them is broken"}));
    CHECK(failed.status == 200);
    CHECK(failed.body == "[]\n");
}

SCENARIO("where a command has nothing to show, the answer is by what has happened", "[api]") {
    struct Row {
        Error failure;
        const char* name;
        int status;
        const char* code;
    };
    const auto row = GENERATE(Row{{Reaction::askOperator, Code::configUnknownReference, "there is no x"}, "x", 404, "PO-1008"},
                              Row{{Reaction::askOperator, Code::configUnknownReference, "it names no x"}, "", 500, "PO-1008"},
                              Row{{Reaction::askOperator, Code::storeSealed, "the key does not open it"}, "x", 500, "PO-7008"},
                              Row{{Reaction::askOperator, Code::storeSealed, "the key does not open it"}, "", 500, "PO-7008"},
                              Row{{Reaction::askOperator, Code::configBadValue, "not a word"}, "x", 500, "PO-1006"},
                              Row{{Reaction::askOperator, Code::internalBug, "it broke"}, "x", 500, "PO-9003"},
                              Row{{Reaction::retryLater, Code::storeDiskFull, "no space left"}, "x", 503, "PO-7002"},
                              Row{{Reaction::askOperator, Code::storeDamaged, "not a database"}, "", 503, "PO-7003"},
                              Row{{Reaction::retryLater, Code::channelStopped, "the service is stopping"}, "x", 503, "PO-2010"});
    const auto answer = ask(command("", exitStatus(row.failure), row.failure), row.name);
    CAPTURE(row.failure.what, answer.body);
    CHECK(answer.status == row.status);
    CHECK(answer.of("code") == row.code);
    CHECK(answer.of("text") == row.failure.what);
    CHECK(answer.of("next") == findCode(row.failure.code)->next);
}

SCENARIO("a command that does not say why it has nothing to show was asked wrongly, or has a bug", "[api]") {
    const auto misused = ask(command("", exits::usage), "x");
    CHECK(misused.status == 400);
    CHECK(misused.of("code") == "PO-9004");
    CHECK_THROWS_AS(ask(command("", exits::config), "x"), std::logic_error);
}

SCENARIO("keystores that are not read in time are asked for again", "[api]") {
    NoHost host;
    Api api(host, {}, {std::chrono::milliseconds(0), 0});
    const auto answer = api.answer({"keystores"});
    const Answer told{answer.status, answer.body};
    CHECK(told.status == 503);
    CHECK(told.of("code") == "PO-9005");
    CHECK(told.of("text").find("still being read") != std::string::npos);
    CHECK(told.of("next").find("ask again in a few seconds") == 0);
}

SCENARIO("the API runs nothing that writes, takes options, or is not for it", "[api]") {
    CHECK(ask(command("what", 0), "act").status == 404);
    CHECK(ask(command("what", 0), "-x").status == 404);
    CHECK(ask(command("what", 0, {}, false)).status == 404);
    CHECK(ask(command("what", 0), "", {{"x", "y"}}).status == 400);
}
