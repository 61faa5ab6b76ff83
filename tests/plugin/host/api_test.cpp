#include "plugin/host/api.h"

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

/// Says what it is told to say; "act" writes.
Command command(std::string out, std::string error, int status, bool served = true) {
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
                call.error << error;
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
    CHECK(ask(command("what", "", 0)).body == "json0");
    CHECK(ask(command("what", "", 0), "one").body == "json1");
    const auto failed = ask(command("[]\n", "one of them is broken\n", 78));
    CHECK(failed.status == 200);
    CHECK(failed.body == "[]\n");
}

SCENARIO("where a command has nothing to show, its status says what is wrong and its message why", "[api]") {
    struct Row {
        int exit;
        const char* name;
        const char* said;
        int status;
        const char *code, *text;
    };
    const auto row = GENERATE(Row{64, "", "postern: not like that\n", 400, "PO-9004", "not like that"},
                              Row{78, "x", "PO-1008 there is no x. Next: define it, or name one that is\n", 404, "PO-1008", "there is no x"},
                              Row{78, "x", "postern: there is no x\nand more", 404, "PO-9004", "there is no x"},
                              Row{78, "", "PO-1008 there is none\n", 500, "PO-1008", "there is none"},
                              Row{70, "x", "PO-9003 it broke\n", 500, "PO-9003", "it broke"},
                              Row{74, "", "PO-7002 no space left\n", 503, "PO-7002", "no space left"}, Row{75, "", "", 503, "PO-9005", ""},
                              Row{75, "", "PO-0000 x", 503, "PO-9005", "PO-0000 x"}, Row{75, "", "PO-99", 503, "PO-9005", "PO-99"},
                              Row{75, "", "PO-7001", 503, "PO-7001", ""});
    const auto answer = ask(command("", row.said, row.exit), row.name);
    CAPTURE(row.said, answer.body);
    CHECK(answer.status == row.status);
    CHECK(answer.of("code") == row.code);
    CHECK(answer.of("text") == row.text);
    CHECK_FALSE(answer.of("next").empty());
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
    CHECK(ask(command("what", "", 0), "act").status == 404);
    CHECK(ask(command("what", "", 0), "-x").status == 404);
    CHECK(ask(command("what", "", 0, false)).status == 404);
    CHECK(ask(command("what", "", 0), "", {{"x", "y"}}).status == 400);
}
