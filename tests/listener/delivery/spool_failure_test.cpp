#include "tests/listener/delivery/spool_fixture.h"
#include "tests/simulation/sim_disk.h"

#include <algorithm>

using namespace listener;
using namespace spooling;
using simulation::SimDisk;
using Operation = SimDisk::Operation;

namespace {

constexpr auto box = "/spool/box";

/// One history: messages, a sink, a disk that does as it is told.
struct History {
    int count;
    bool together;
    SimDisk disk;
    std::vector<std::string> bytes{};
    std::unique_ptr<Sink> sink{};
    std::vector<Message> messages{};

    History(int size, bool syncsTogether, std::uint64_t seed) : count(size), together(syncsTogether), disk(seed) {
        for (int i = 0; i < count; ++i) bytes.push_back(bytesOf(i, 40 + static_cast<std::size_t>(i) * 60));
        disk.setSyncsTogether(together);
        start();
    }

    /// A process begins: its sink is new, and it fetches the messages again. Some are staged in the spool, some elsewhere.
    void start() {
        messages.clear();
        sink = makeSpool({.name = "s", .path = "/spool"}, disk);
        auto own = sink->staging("box");
        REQUIRE(own);
        auto other = disk.directory("/staging", true);
        REQUIRE(other);
        for (int i = 0; i < count; ++i)
            messages.push_back(messageOf(i, bytes[static_cast<std::size_t>(i)], i % 3 == 0 ? own->get() : i % 3 == 1 ? other->get() : nullptr));
    }

    std::vector<Delivery> deliverAll() { return deliver(*sink, messages); }

    /// A consumer may come at any moment: what has the name of a message is that message.
    void noShortFile() const {
        auto files = disk.files(box);
        for (std::size_t i = 0; i < messages.size(); ++i) {
            if (const auto eml = files.extract(messages[i].id + ".eml"); eml && eml.mapped() != bytes[i]) FAIL("message " << i << " is not whole");
            if (const auto json = files.extract(messages[i].id + ".json"); json && json.mapped() != metadataJson(messages[i]))
                FAIL("metadata of " << i);
        }
        if (!files.empty()) FAIL("what is " << files.begin()->first << "?");
    }
    void areDurable(const std::vector<Delivery>& deliveries) const {
        noShortFile();
        const auto durable = disk.durableFiles(box);
        for (std::size_t i = 0; i < messages.size(); ++i)
            if (isSettled(deliveries[i]) && !(durable.contains(messages[i].id + ".eml") && durable.contains(messages[i].id + ".json")))
                FAIL("message " << i << " was settled and may get lost");
    }
    void allDelivered() {
        const auto deliveries = deliverAll();
        areDurable(deliveries);
        for (const auto& delivery : deliveries) REQUIRE(isSettled(delivery));
        REQUIRE(disk.files(box).size() == 2 * messages.size());
    }
};

/// Few files are synced one by one, many together.
struct Shape {
    int count;
    bool together;
};
Shape anyShape() { return GENERATE(Shape{2, true}, Shape{7, true}, Shape{7, false}); }

}  // namespace

SCENARIO("whichever operation fails, a message is delivered or not, never in between", "[spool]") {
    const auto shape = anyShape();
    const std::uint64_t seed = GENERATE(range(1, 7));
    const bool powerGoes = GENERATE(false, true);
    std::uint64_t failures = 0;
    for (std::uint64_t n = 1;; ++n) {
        History history(shape.count, shape.together, seed * 1000 + n);
        history.disk.failOperation(n, n % 2 == 0 ? SimDisk::ioError() : SimDisk::fullError());
        const auto before = history.disk.operations();
        const auto deliveries = history.deliverAll();
        const bool isOver = history.disk.operations() - before < n;
        history.disk.heal();
        history.areDurable(deliveries);
        const auto refused = std::ranges::count_if(deliveries, [](const auto& delivery) { return !isSettled(delivery) && delivery.error(); });
        const auto settled = std::ranges::count_if(deliveries, isSettled);
        REQUIRE(refused + settled == shape.count);
        failures += refused > 0 ? 1 : 0;
        if (powerGoes) {
            history.disk.crash();
            history.disk.restart();
            history.areDurable(deliveries);
            history.start();
        }
        history.allDelivered();
        if (isOver) break;
    }
    CHECK(failures > static_cast<std::uint64_t>(2 * shape.count));
}

SCENARIO("whenever the process or the power goes, nothing delivered is lost and nothing is short", "[spool]") {
    const auto shape = anyShape();
    const std::uint64_t seed = GENERATE(range(1, 9));
    const bool powerGoes = GENERATE(false, true);
    for (std::uint64_t n = 1;; ++n) {
        History history(shape.count, shape.together, seed * 1000 + n);
        const auto last = history.disk.operations() + n;
        history.disk.setHook([&](const SimDisk::Step& step) -> std::optional<plugin::Error> {
            if (step.number == last) powerGoes ? history.disk.crash() : history.disk.kill();
            return std::nullopt;
        });
        const auto deliveries = history.deliverAll();
        const bool isOver = history.disk.isAlive();
        history.disk.heal();
        if (isOver) {
            for (const auto& delivery : deliveries) REQUIRE(isSettled(delivery));
            break;
        }
        for (const auto& delivery : deliveries) REQUIRE_FALSE(isSettled(delivery));  // the last operation decides about all
        history.disk.restart();
        history.noShortFile();
        history.start();
        history.allDelivered();
        history.disk.crash();
        history.disk.restart();
        history.noShortFile();
        REQUIRE(history.disk.files(box).size() == 2 * history.messages.size());
    }
}

SCENARIO("a name that could not be made durable is made so before its message is known", "[spool]") {
    History history(7, true, GENERATE(range(1, 9)));
    history.disk.failEvery(Operation::syncNames);
    for (const auto& delivery : history.deliverAll()) CHECK_FALSE(isSettled(delivery));
    for (const auto& delivery : history.deliverAll()) CHECK_FALSE(isSettled(delivery));
    history.disk.heal();
    history.allDelivered();
}

SCENARIO("files of a failed sync are written anew", "[spool]") {
    History history(7, true, GENERATE(range(1, 9)));
    history.disk.failEvery(Operation::syncFiles);
    for (const auto& delivery : history.deliverAll()) CHECK_FALSE(isSettled(delivery));
    CHECK(history.disk.files(box).empty());
    history.disk.heal();
    history.allDelivered();
}

SCENARIO("a full disk takes what fits, and the rest when there is room", "[spool]") {
    History history(7, true, 1);
    const auto room = GENERATE(as<std::uint64_t>{}, 0, 1, 500, 1000, 1500, 2000, 3000);
    history.disk.setCapacity(history.disk.used() + room);
    const auto deliveries = history.deliverAll();
    history.areDurable(deliveries);
    for (const auto& delivery : deliveries) {
        if (isSettled(delivery)) continue;
        CHECK(delivery.error()->code == plugin::Code::sinkDiskFull);
        CHECK(delivery.error()->reaction == plugin::Reaction::retryLater);
    }
    history.disk.heal();
    history.allDelivered();
}
