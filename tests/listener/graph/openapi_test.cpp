// What is asked of Graph, and what the server of the tests answers, against a description of Graph by prism: it stands between the two and answers
// itself where a request or an answer is not as described. Runs where GRAPH_OPENAPI names the description and GRAPH_PRISM the program
// (npm @stoplight/prism-cli; "prism" if it is not named).
#include "listener/graph/graph_mailbox.h"
#include "tests/auth/channel/world.h"
#include "tests/listener/graph/fixture.h"
#include "tests/listener/graph/real_access.h"
#include "tests/servers/process.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace graphtest;

namespace {

/// prism leaves the path of `servers` out of what it compares: here it is part of each path.
void writeVersioned(const char* description, const std::filesystem::path& to) {
    std::ifstream in(description);
    std::ofstream out(to);
    for (std::string line; std::getline(in, line);) out << (line.starts_with("  /") ? "  /v1.0" + line.substr(2) : line) << "\n";
}

}  // namespace

SCENARIO("what is asked is what Graph's description says", "[graph][servers]") {
    const auto* const description = std::getenv("GRAPH_OPENAPI");
    if (description == nullptr) {
        WARN("skipped: GRAPH_OPENAPI names no description of Graph");
        SUCCEED("skipped");
        return;
    }
    const auto* const program = std::getenv("GRAPH_PRISM");
    servers::TemporaryDirectory place;
    GraphServer::Options options;
    options.behindProxy = true;
    GraphServer graph(options);
    const auto port = std::to_string(servers::closedPort());
    const auto root = "http://127.0.0.1:" + port;
    writeVersioned(description, place / "graph.yaml");
    servers::Process prism(
        {{program == nullptr ? "prism" : program, "proxy", "--errors", "-h", "127.0.0.1", "-p", port, place / "graph.yaml", graph.url()},
         place / "prism.log",
         place / "prism.log"});
    graph.linksLeadTo(root);
    graph.pages(2);
    for (int i = 0; i < 7; ++i) graph.deliver(mail("m" + std::to_string(i)));
    // The making of folders need not be described: the target is there.
    graph.change([](GraphStore& store) { return store.folder("inbox", "Invoices") + store.folder(store.folder("msgfolderroot", "Done"), "here"); });

    World world;
    RealAccess access(*world.dialer);
    CountingRandom random;
    simulation::SimDisk disk;
    const auto staging = *disk.directory("/staging", true);
    const auto kept = std::make_shared<KeptIndex>();
    const listener::graph::Settings settings{.alias = "intake", .url = root, .user = "intake@contoso.com", .credential = "tenant"};
    std::unique_ptr<listener::Mailbox> mailbox;
    const auto fine = [&prism](const auto& result) {
        INFO((result ? "" : describe(result.error())));
        CHECK(result);
        return static_cast<bool>(result) && prism.running();
    };
    const auto opens = [&] {
        mailbox = listener::graph::makeMailbox(settings, access, std::make_unique<MemoryIndex>(kept), random, world.log, "0.5.0",
                                               std::make_shared<listener::RequestLimit>(*world.clock));
        return static_cast<bool>(world.run(mailbox->open({})));
    };
    REQUIRE(servers::eventually(opens, std::chrono::seconds(120)));
    Received received;
    for (int turn = 0; turn < 2; ++turn) {
        REQUIRE(fine(world.run(mailbox->folders({"*", "\\Trash"}, {}))));
        REQUIRE(fine(world.run(mailbox->select("INBOX/Invoices", {}))));
        REQUIRE(fine(world.run(mailbox->select("INBOX", {}))));
        const auto listing = world.run(mailbox->list({}, {}));
        REQUIRE(fine(listing));
        REQUIRE(fine(world.run(mailbox->fetch(listing->ordinals, received, *staging, {}))));
        using Kind = listener::AfterAction::Kind;
        for (const auto kind : {Kind::seen, Kind::seenAndMove, Kind::remove})
            REQUIRE(fine(world.run(mailbox->after({.action = {kind, "Done/here"}, .ordinals = {1U + static_cast<unsigned>(kind)}}, {}, {}))));
        REQUIRE(opens());  // the next one has to ask for the state of messages
    }
    std::ifstream described(description);
    const std::string whole((std::istreambuf_iterator<char>(described)), {});
    if (whole.find("/translateExchangeIds:") == std::string::npos) {
        WARN("skipped: the description has no translateExchangeIds");
    } else {
        REQUIRE(fine(world.run(mailbox->select("INBOX", {}))));
        for (const bool may : {true, false}) {
            graph.mayTranslate(may);
            graph.callByEws("AAMk/1+=", graph.in("inbox").front());
            const auto told = world.run(mailbox->named("ews", {"AAMk/1+=", "AAMk/2"}, {}));
            REQUIRE(fine(told));
            CHECK((told->at(0).where == listener::Named::Where::here) == may);
        }
    }
    CHECK(received.messages.size() > 7);
    CHECK(graph.problems() == Names{});
}
