// What the ledger costs per message: INTENT and VERDICT of 20,000 messages in batches, first into an empty ledger, then into one that
// holds many. Usage: ledger_bench DIRECTORY [batch size = 200] [rows there already = 1000000] [rounds = 5]
#include "listener/ledger/ledger.h"
#include "listener/ledger/stored_form.h"
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/inline_loop.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

using namespace listener;
constexpr std::uint64_t messages = 20'000;

template <class T>
T must(plugin::Result<T> result) {
    if (!result) throw std::runtime_error(plugin::describe(result.error()));
    return std::move(*result);
}
void must(plugin::Result<void> result) {
    if (!result) throw std::runtime_error(plugin::describe(result.error()));
}

/// A few bits that look like chance and are the same in every run.
std::uint64_t mixed(std::uint64_t number) {
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
    number = (number ^ number >> 27) * 0x94d049bb133111eb;
    return number ^ number >> 31;
}

Settled message(std::uint64_t ordinal, const AfterAction& after) {
    stored::Id id{};
    const auto seconds = 1'700'000'000 + ordinal;
    for (std::size_t i = 0; i < 5; ++i) id[i] = static_cast<std::uint8_t>(seconds >> (8 * (4 - i)));
    for (std::size_t i = 5; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(mixed(ordinal * 20 + i));
    Settled one;
    one.message.id = stored::deliveryId(id);
    one.message.position = {"1700000000:" + std::to_string(ordinal), ordinal};
    one.message.received = plugin::Wall{std::chrono::seconds{seconds}};
    one.message.messageId = "<" + std::to_string(mixed(ordinal)) + "." + std::to_string(ordinal) + "@mail.example.com>";
    Digest digest{};
    for (std::size_t i = 0; i < digest.size(); ++i) digest[i] = one.message.matchKey[i] = static_cast<std::uint8_t>(mixed(ordinal * 32 + i));
    static const auto body = std::make_shared<const std::string>(4072, 'x');
    one.message.content = Content(body, digest);
    one.verdicts.push_back({"archive", false});
    one.after = after;
    return one;
}

struct Spent {
    double wall = 0, cpu = 0;
};

Spent now() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6; };
    const auto wall = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    return {wall, seconds(usage.ru_utime) + seconds(usage.ru_stime)};
}

class Bench {
public:
    Bench(const std::string& path, std::size_t batch) : batch_(batch) {
        plugin::SqliteOptions options;
        options.path = path;
        database_ = must(plugin::makeSqliteDatabase(options));
        must(database_->migrate(ledgerOwner, ledgerMigrations()));
        ledger_ = makeLedger(*database_, loop_.clock());
        FolderRecord folder;
        folder.mailbox = "sales";
        folder.protocol = "imap";
        folder.name = "INBOX";
        folder.validity = 1'700'000'000;
        folder_ = must(loop_.run(ledger_->beginFolder(folder))).id;
    }

    /// The messages are made before the clock starts: only the ledger is measured. `also`: with after-actions, and their end.
    Spent run(std::uint64_t count, std::size_t batchSize, bool also) {
        const AfterAction after = also ? AfterAction{AfterAction::Kind::move, "Done"} : AfterAction{};
        Spent spent;
        for (std::uint64_t made = 0; made < count; made += batchSize) {
            std::vector<Settled> settled;
            std::vector<std::uint64_t> ordinals;
            for (std::size_t i = 0; i < batchSize; ++i) {
                settled.push_back(message(++last_, after));
                ordinals.push_back(last_);
            }
            const auto from = now();
            const auto batch = must(loop_.run(ledger_->intend(folder_, std::move(ordinals))));
            must(loop_.run(ledger_->settle(folder_, batch, std::move(settled), last_)));
            if (also) {
                std::vector<std::int64_t> done;
                for (const auto& due : must(loop_.run(ledger_->dueActions(folder_, batchSize)))) done.push_back(due.message);
                must(loop_.run(ledger_->cleared(std::move(done))));
            }
            const auto to = now();
            spent.wall += to.wall - from.wall;
            spent.cpu += to.cpu - from.cpu;
        }
        return spent;
    }

    void report(const char* what, unsigned rounds, bool also) {
        std::vector<double> wall, cpu;
        for (unsigned round = 0; round < rounds; ++round) {
            const auto spent = run(messages, batch_, also);
            wall.push_back(spent.wall);
            cpu.push_back(spent.cpu);
        }
        std::sort(wall.begin(), wall.end());
        std::sort(cpu.begin(), cpu.end());
        std::printf("%-58s %9.0f msg/s %6.2f us cpu\n", what, static_cast<double>(messages) / wall[wall.size() / 2],
                    cpu[cpu.size() / 2] * 1e6 / static_cast<double>(messages));
        std::fflush(stdout);
    }

    /// By a whole id, as `postern ledger --find ID` does. Milliseconds.
    void reportLookups(unsigned lookups) {
        std::vector<double> times;
        for (unsigned i = 0; i < lookups; ++i) {
            const auto id = message(1 + mixed(i) % last_, {}).message.id;
            const auto from = now();
            if (must(loop_.run(ledger_->rows({.find = id}))).size() != 1) throw std::runtime_error("a row was not found");
            times.push_back((now().wall - from.wall) * 1e3);
        }
        std::sort(times.begin(), times.end());
        std::printf("lookup by id: %.2f ms in the middle, %.2f ms at most\n", times[times.size() / 2], times.back());
    }

private:
    const std::size_t batch_;
    simulation::InlineLoop loop_{};
    std::unique_ptr<plugin::Database> database_{};
    std::unique_ptr<Ledger> ledger_{};
    std::int64_t folder_ = 0;
    std::uint64_t last_ = 0;
};

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) {
        std::fprintf(stderr, "usage: ledger_bench DIRECTORY [batch size] [rows there already] [rounds]\n");
        return 64;
    }
    const std::string path = std::string(arguments[1]) + "/ledger_bench.db";
    const auto number = [&](int index, unsigned long otherwise) { return count > index ? std::strtoul(arguments[index], nullptr, 10) : otherwise; };
    const auto batch = number(2, 200), rows = number(3, 1'000'000);
    const auto rounds = static_cast<unsigned>(std::max(1ul, number(4, 5)));
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    {
        Bench bench(path, batch);
        bench.report("empty: intent and verdict", rounds, false);
        bench.report("empty: intent, verdict, after-action due and cleared", rounds, true);
        bench.run(rows, 2000, false);
        std::printf("(%lu rows added)\n", rows);
        bench.report("full: intent and verdict", rounds, false);
        bench.report("full: intent, verdict, after-action due and cleared", rounds, true);
        bench.reportLookups(1000);
    }
    {
        const auto from = now();
        Bench again(path, batch);
        std::printf("opening and beginning with these rows: %.2f s\n", now().wall - from.wall);
    }
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
    return 0;
}
