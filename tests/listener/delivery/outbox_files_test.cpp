#include "listener/delivery/outbox_files.h"
#include "listener/message/sha256.h"
#include "tests/listener/delivery/spool_fixture.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_loop.h"

using namespace listener;
using simulation::SimDisk;
using spooling::bytesOf;
using spooling::messageOf;

namespace {

struct Place {
    simulation::WorldClock clock{};
    simulation::Dice dice{5};
    SimDisk disk{};
    OutboxFiles files{disk, clock, dice, "/data", 0};

    plugin::Result<std::vector<Kept>> keep(const std::vector<Message>& messages, bool shared = false) {
        std::vector<OutboxFiles::Request> requests;
        for (const auto& one : messages) requests.push_back({&one, shared});
        return files.keep(requests);
    }
    void pass(std::chrono::minutes time) { clock.passUntil(clock.steady() + time); }
    std::string read(const Kept& kept, const Message& message) {
        const auto content = files.load(kept, message.content.size(), message.content.sha256());
        REQUIRE(content);
        if (content->inMemory() != nullptr) return *content->inMemory();
        std::string bytes(content->size(), '\0');
        const auto got = content->file()->readAt(0, bytes);
        REQUIRE(got);
        return bytes;
    }
};

}  // namespace

SCENARIO("what the outbox keeps is there after a power cut, byte for byte", "[outbox]") {
    Place place;
    auto staging = *place.disk.directory("/data/staging", true);
    const auto large = bytesOf(3, 3'000'000);
    const std::vector<Message> messages{messageOf(1, bytesOf(1, 500)), messageOf(2, ""), messageOf(3, large, staging.get()),
                                        messageOf(4, bytesOf(4, 900'000))};
    const bool shared = GENERATE(false, true);
    const auto kept = place.keep(messages, shared);
    REQUIRE(kept);
    REQUIRE((*kept)[0].file == (*kept)[3].file);  // the small ones lie together
    REQUIRE((*kept)[2].file != (*kept)[0].file);
    place.disk.crash();
    place.disk.restart();
    REQUIRE(place.read((*kept)[0], messages[0]) == bytesOf(1, 500));
    REQUIRE(place.read((*kept)[1], messages[1]).empty());
    REQUIRE(place.read((*kept)[2], messages[2]) == large);
    REQUIRE(place.read((*kept)[3], messages[3]) == bytesOf(4, 900'000));
}

SCENARIO("whatever operation fails, either all is kept or nothing is said to be", "[outbox]") {
    for (std::uint64_t n = 1;; ++n) {
        Place place;
        auto staging = *place.disk.directory("/data/staging", true);
        const std::vector<Message> messages{messageOf(1, bytesOf(1, 500)), messageOf(3, bytesOf(3, 2'000'000), staging.get()),
                                            messageOf(4, bytesOf(4, 800))};
        place.disk.failOperation(n);
        const auto before = place.disk.operations();
        const auto kept = place.keep(messages);
        const bool failed = place.disk.operations() - before >= n;
        INFO("operation " << n);
        place.disk.heal();
        place.disk.crash();
        place.disk.restart();
        if (kept)
            for (std::size_t i = 0; i < messages.size(); ++i) REQUIRE(place.read((*kept)[i], messages[i]).size() == messages[i].content.size());
        else
            REQUIRE(kept.error().reaction == plugin::Reaction::retryLater);
        if (!failed) {
            REQUIRE(kept);
            REQUIRE(n > 8);  // so many operations were made to fail
            return;
        }
    }
}

SCENARIO("a full outbox takes nothing more, and says how full it is", "[outbox]") {
    Place place;
    OutboxFiles small(place.disk, place.clock, place.dice, "/data", 1000);
    const auto one = messageOf(1, bytesOf(1, 600));
    const OutboxFiles::Request request{&one};
    REQUIRE(small.keep(std::span(&request, 1)));
    REQUIRE_FALSE(small.isFull());
    const auto refused = small.keep(std::span(&request, 1));
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().code == plugin::Code::outboxFull);
    small.release(600);
    REQUIRE(small.used() == 0);
    REQUIRE(small.keep(std::span(&request, 1)));
}

SCENARIO("what sinks are about to take may pass through a full outbox, within bounds", "[outbox]") {
    Place place;
    OutboxFiles small(place.disk, place.clock, place.dice, "/data", 1000);
    const auto one = messageOf(1, bytesOf(1, 600));
    const OutboxFiles::Request request{&one};
    small.use(1000);
    REQUIRE_FALSE(small.keep(std::span(&request, 1)));
    REQUIRE(small.mayPass());
    REQUIRE(small.keep(std::span(&request, 1), true));
    small.use(std::uint64_t{1} << 30);  // they are slower than the mailbox
    REQUIRE_FALSE(small.mayPass());
    REQUIRE(place.files.mayPass());  // without a limit
}

SCENARIO("damage is told from a disk that has a bad moment", "[outbox]") {
    Place place;
    const auto message = messageOf(1, bytesOf(1, 600));
    const auto kept = place.keep({message});
    REQUIRE(kept);
    const auto name = kept->front().file.substr(7);
    const auto load = [&] { return place.files.load(kept->front(), message.content.size(), message.content.sha256()); };
    SECTION("the file is shorter") {
        place.disk.put("/data/outbox", name, "short");
        REQUIRE(load().error().code == plugin::Code::outboxDamaged);
    }
    SECTION("the file holds something else") {
        place.disk.put("/data/outbox", name, std::string(600, '?'));
        REQUIRE(load().error().code == plugin::Code::outboxDamaged);
    }
    SECTION("the file is gone") {
        place.disk.take("/data/outbox", name);
        REQUIRE(load().error().code == plugin::Code::outboxDamaged);
    }
    SECTION("it cannot be read now") {
        for (std::uint64_t n = 1; n <= 3; ++n) {
            place.disk.failOperation(n);
            const auto loaded = load();
            place.disk.heal();
            REQUIRE_FALSE(loaded);
            REQUIRE(loaded.error().code != plugin::Code::outboxDamaged);
        }
        REQUIRE(load());
    }
}

SCENARIO("at the start, what nobody needs goes, what is needed and gone is named, and what a lost database left stays", "[outbox]") {
    Place place;
    const auto needed = place.keep({messageOf(1, bytesOf(1, 100))});
    const auto orphan = place.keep({messageOf(2, bytesOf(2, 100))});
    REQUIRE(needed);
    REQUIRE(orphan);
    place.disk.put("/data/outbox", "notes.txt", "an operator's");
    SECTION("after a crash") {
        const auto found = place.files.inspect({needed->front().file, "outbox/6a0f-00.seg", "quarantine/box/x.eml"}, std::nullopt);
        REQUIRE(found);
        REQUIRE(found->removed == 1);
        REQUIRE(found->missing == std::vector<std::string>{"outbox/6a0f-00.seg", "quarantine/box/x.eml"});
        REQUIRE(place.disk.files("/data/outbox").size() == 2);
        REQUIRE(place.disk.read("/data/outbox", "notes.txt"));
    }
    SECTION("after the loss of the database") {
        const auto found = place.files.inspect({}, place.clock.wall() + std::chrono::hours(1));
        REQUIRE(found);
        REQUIRE(found->strangers == 2);
        REQUIRE(found->removed == 0);
    }
}

SCENARIO("what is set aside lies where people find it, once", "[outbox]") {
    Place place;
    const auto message = messageOf(1, bytesOf(1, 600));
    const auto kept = place.files.quarantine(message);
    REQUIRE(kept);
    REQUIRE(kept->file == "quarantine/box/" + message.id + ".eml");
    REQUIRE(place.files.quarantine(message));
    REQUIRE(place.disk.read("/data/quarantine/box", message.id + ".eml") == bytesOf(1, 600));
    REQUIRE(place.read(*kept, message) == bytesOf(1, 600));
    const auto path = place.files.refer(message);
    REQUIRE(path);
    REQUIRE(*path == "/data/reference/box/" + message.id + ".eml");
}

SCENARIO("what a process set aside before it was killed gives way to what the server renders the next time", "[outbox]") {
    Place place;
    auto message = messageOf(1, bytesOf(1, 600));
    const auto earlier = bytesOf(2, GENERATE(as<std::size_t>{}, 600, 700));  // of the same size, or of another
    const auto before = [&] {
        auto one = message;
        one.content = messageOf(2, earlier).content;
        return one;
    }();
    REQUIRE(place.files.quarantine(before));
    REQUIRE(place.files.refer(before));
    const auto kept = place.files.quarantine(message);
    REQUIRE(kept);
    REQUIRE(place.files.refer(message));
    place.disk.crash();
    place.disk.restart();
    REQUIRE(place.read(*kept, message) == bytesOf(1, 600));
    REQUIRE(place.disk.read("/data/reference/box", message.id + ".eml") == bytesOf(1, 600));
}

SCENARIO("what lies there already, byte for byte, is not written again", "[outbox]") {
    Place place;
    const auto message = messageOf(1, bytesOf(1, 600));
    REQUIRE(place.files.quarantine(message));
    place.disk.failEvery(SimDisk::Operation::append);
    REQUIRE(place.files.quarantine(message));
}

SCENARIO("what was kept and never written down is removed after ten minutes", "[outbox]") {
    Place place;
    const auto needed = place.keep({messageOf(1, bytesOf(1, 100))});
    const auto forgotten = place.keep({messageOf(2, bytesOf(2, 100)), messageOf(3, bytesOf(3, 1'100'000))});
    REQUIRE(needed);
    REQUIRE(forgotten);
    place.disk.put("/data/outbox", "6a0f-00.seg", "of a database that was lost");
    place.pass(std::chrono::minutes(9));
    const auto fresh = place.keep({messageOf(4, bytesOf(4, 100))});
    REQUIRE(fresh);
    REQUIRE_FALSE(place.files.hasDoubtful());
    place.pass(std::chrono::minutes(2));
    REQUIRE(place.files.hasDoubtful());
    REQUIRE(place.files.removeUnneeded({needed->front().file}) == 1);
    REQUIRE_FALSE(place.files.hasDoubtful());
    const auto left = place.disk.files("/data/outbox");
    REQUIRE(left.size() == 3);
    REQUIRE(left.contains(fresh->front().file.substr(7)));
    REQUIRE(left.contains(needed->front().file.substr(7)));
    REQUIRE(left.contains("6a0f-00.seg"));
}
