// Messages per second through the sink "spool": spool_bench DIRECTORY [messages] [batch] [json]
// Writes below DIRECTORY/spool_bench, which must not exist, and removes it at the end. Only a journalled file system shows what durability costs.

#include "listener/delivery/spool.h"
#include "listener/message/sha256.h"
#include "plugin/runtime/posix_disk.h"
#include "plugin/runtime/runtime.h"

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace {

using namespace listener;

constexpr std::size_t messageSize = 4072;

struct Plan {
    std::string root;
    int messages;
    int batch;
    bool metadata;
};

Message messageOf(int number) {
    auto bytes = std::make_shared<std::string>("Message-ID: <" + std::to_string(number) + "@bench>\r\nSubject: bench\r\n\r\n");
    bytes->resize(messageSize, 'x');
    Message message;
    message.mailbox = "bench";
    message.folder = "INBOX";
    message.protocol = "imap";
    message.position = {"1:" + std::to_string(number), static_cast<std::uint64_t>(number)};
    message.received = plugin::Wall{std::chrono::seconds{1'793'467'923 + number}};
    message.id = deliveryId(message.received, message.mailbox, message.protocol, message.folder, message.position.text);
    const auto digest = sha256(*bytes);
    message.content = Content(std::move(bytes), digest);
    return message;
}

plugin::Task<void> deliverAll(Plan plan, Sink& sink, plugin::EpollLoop& loop) {
    for (int done = 0; done < plan.messages; done += plan.batch) {
        std::vector<Message> messages;
        for (int i = done; i < std::min(done + plan.batch, plan.messages); ++i) messages.push_back(messageOf(i));
        std::vector<Delivery> deliveries;
        for (const auto& message : messages) deliveries.emplace_back(message);
        auto delivering = sink.deliver(deliveries, plugin::Deadline::max(), {});
        co_await delivering;
        for (const auto& delivery : deliveries)
            if (delivery.verdict() != Delivery::Verdict::delivered)
                throw std::runtime_error(delivery.error() ? delivery.error()->what : "not delivered, and nobody says why");
    }
    loop.quit();
}

double secondsOf(const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; }

void run(const Plan& plan) {
    const auto clock = plugin::makeSystemClock();
    const auto failed = [](std::exception_ptr bug) {
        try {
            std::rethrow_exception(bug);
        } catch (const std::exception& error) {  // a bench that fails ends
            std::fprintf(stderr, "%s\n", error.what());
            std::_Exit(1);
        }
    };
    const auto workers = plugin::makeWorkerPool(2, failed);
    const auto loop = plugin::makeEpollLoop(*clock, *workers, failed);
    const auto disk = plugin::makePosixDisk();
    const auto sink = makeSpool({.name = "bench", .path = plan.root, .metadata = plan.metadata}, *disk);
    const auto begin = clock->steady();
    loop->spawn(deliverAll(plan, *sink, *loop));
    loop->run();
    const std::chrono::duration<double> wall = clock->steady() - begin;
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf("%d messages of %zu bytes, batches of %d, metadata %s: %.0f msg/s, %.1f us cpu each, %ld MB peak\n", plan.messages, messageSize,
                plan.batch, plan.metadata ? "json" : "none", plan.messages / wall.count(),
                (secondsOf(usage.ru_utime) + secondsOf(usage.ru_stime)) * 1e6 / plan.messages, usage.ru_maxrss / 1024);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: spool_bench DIRECTORY [messages] [batch] [json]\n");
        return 64;
    }
    const Plan plan{std::string(argv[1]) + "/spool_bench", argc > 2 ? std::atoi(argv[2]) : 20'000, argc > 3 ? std::max(1, std::atoi(argv[3])) : 200,
                    argc > 4};
    if (std::filesystem::exists(plan.root)) {
        std::fprintf(stderr, "%s exists\n", plan.root.c_str());
        return 73;
    }
    run(plan);
    std::filesystem::remove_all(plan.root);
    return 0;
}
