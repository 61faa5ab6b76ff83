#include "listener/ledger/ledger.h"

#include "listener/ledger/reading.h"
#include "listener/ledger/writing.h"
#include "plugin/contract/asking.h"

namespace listener {
namespace {

using plugin::Database;
using plugin::Result;
using plugin::Transaction;

class SqlLedger final : public Ledger {
public:
    SqlLedger(Database& database, plugin::Clock& clock) : database_(database), clock_(clock) {}

    Answer<std::optional<FolderRecord>> folder(std::string mailbox, std::string protocol, std::string name) override {
        return read<std::optional<FolderRecord>>([mailbox = std::move(mailbox), protocol = std::move(protocol), name = std::move(name)](
                                                     Transaction& transaction) { return reading::folder(transaction, mailbox, protocol, name); });
    }
    Answer<FolderRecord> beginFolder(FolderRecord record) override {
        return write<FolderRecord>([record = std::move(record)](Transaction& transaction) { return writing::beginFolder(transaction, record); });
    }
    Answer<std::int64_t> intend(std::int64_t folder, std::vector<std::uint64_t> ordinals, std::vector<Identity> identities) override {
        return write<std::int64_t>([folder, ordinals = std::move(ordinals), identities = std::move(identities), now = clock_.wall()](
                                       Transaction& transaction) { return writing::intend(transaction, folder, ordinals, identities, now); });
    }
    Answer<std::vector<std::string>> settle(std::int64_t folder, std::optional<std::int64_t> batch, std::vector<Settled> settled,
                                            std::uint64_t cursor) override {
        return write<std::vector<std::string>>([folder, batch, settled = std::move(settled), cursor, now = clock_.wall()](Transaction& transaction) {
            return writing::settle(transaction, folder, batch, settled, cursor, now);
        });
    }
    Answer<void> advance(std::int64_t folder, std::optional<std::int64_t> batch, std::uint64_t cursor, std::uint64_t beforeStart) override {
        return write<void>([=](Transaction& transaction) { writing::advance(transaction, folder, batch, cursor, beforeStart); });
    }
    Answer<void> endOpenBatch(std::int64_t folder, std::int64_t batch, std::vector<std::uint64_t> stillThere) override {
        return write<void>([folder, batch, stillThere = std::move(stillThere), now = clock_.wall()](Transaction& transaction) {
            writing::endOpenBatch(transaction, folder, batch, stillThere, now);
        });
    }
    Answer<std::vector<std::uint64_t>> finalAbove(std::int64_t folder, std::uint64_t above) override {
        return read<std::vector<std::uint64_t>>([=](Transaction& transaction) { return reading::finalAbove(transaction, folder, above); });
    }
    Answer<std::vector<OpenBatch>> openBatches(std::int64_t folder) override {
        return read<std::vector<OpenBatch>>([=](Transaction& transaction) { return reading::openBatches(transaction, folder); });
    }
    Answer<std::vector<Due>> dueActions(std::int64_t folder, std::size_t limit) override {
        return read<std::vector<Due>>([=](Transaction& transaction) { return reading::dueActions(transaction, folder, limit); });
    }
    Answer<void> copied(std::int64_t folder, std::vector<std::uint64_t> ordinals) override {
        return write<void>([folder, ordinals = std::move(ordinals)](Transaction& transaction) { writing::copied(transaction, folder, ordinals); });
    }
    Answer<void> cleared(std::vector<std::int64_t> messages) override {
        return write<void>([messages = std::move(messages)](Transaction& transaction) { writing::cleared(transaction, messages); });
    }

    Answer<std::vector<FolderRecord>> records(std::string mailbox) override {
        return read<std::vector<FolderRecord>>(
            [mailbox = std::move(mailbox)](Transaction& transaction) { return reading::records(transaction, mailbox); });
    }
    Answer<std::vector<Position>> positions(std::int64_t folder, std::vector<std::uint64_t> ordinals) override {
        return read<std::vector<Position>>([folder, ordinals = std::move(ordinals)](Transaction& transaction) {
            const reading::Places places(transaction, folder);
            std::vector<Position> all;
            for (const auto ordinal : ordinals) all.push_back(places.at(ordinal));
            return all;
        });
    }
    Answer<std::vector<Candidate>> candidates(std::vector<std::int64_t> folders, std::shared_ptr<const CandidateKeys> keys) override {
        return read<std::vector<Candidate>>([folders = std::move(folders), keys = std::move(keys)](Transaction& transaction) {
            return reading::candidates(transaction, folders, *keys);
        });
    }
    Answer<std::vector<RowName>> names(std::vector<std::int64_t> rows) override {
        return read<std::vector<RowName>>([rows = std::move(rows)](Transaction& transaction) { return reading::names(transaction, rows); });
    }
    Answer<std::optional<Rebuilt>> rebuild(Rebuild rebuild) override {
        return write<std::optional<Rebuilt>>(
            [rebuild = std::move(rebuild), now = clock_.wall()](Transaction& transaction) { return writing::rebuild(transaction, rebuild, now); });
    }
    Answer<std::vector<Recognised>> recognise(std::int64_t folder, std::vector<Newcomer> newcomers) override {
        return read<std::vector<Recognised>>(
            [folder, newcomers = std::move(newcomers)](Transaction& transaction) { return reading::recognise(transaction, folder, newcomers); });
    }
    Answer<void> repoint(std::int64_t folder, std::vector<std::pair<std::int64_t, std::uint64_t>> rows) override {
        return write<void>([folder, rows = std::move(rows)](Transaction& transaction) { writing::repoint(transaction, folder, rows); });
    }

    Answer<std::uint64_t> retain(std::int64_t folder, std::shared_ptr<const std::vector<std::uint64_t>> standing, plugin::Wall moment) override {
        std::uint64_t gone = 0;
        for (std::int64_t after = 0;;) {  // in small steps: others write in between
            auto steps = write<writing::Retained>([folder, standing, moment, after](Transaction& transaction) {
                return writing::retain(transaction, folder, *standing, moment, after);
            });
            auto step = co_await steps;
            if (!step) co_return step.error();
            gone += step->gone;
            if (!step->more) break;
            after = step->last;
        }
        for (bool more = true; more;) {
            auto steps =
                write<std::uint64_t>([folder, moment](Transaction& transaction) { return writing::forgetItems(transaction, folder, moment); });
            auto step = co_await steps;
            if (!step) co_return step.error();
            more = *step > 0;
        }
        co_return gone;
    }
    Answer<std::optional<std::string>> blocked(std::string mailbox) override {
        return read<std::optional<std::string>>(
            [mailbox = std::move(mailbox)](Transaction& transaction) { return reading::blocked(transaction, mailbox); });
    }
    Answer<void> block(std::vector<std::string> mailboxes, std::string why) override {
        return write<void>(
            [mailboxes = std::move(mailboxes), why = std::move(why)](Transaction& transaction) { writing::block(transaction, mailboxes, why); });
    }
    Answer<void> blockAfterLoss(plugin::Wall lost, std::vector<std::string> mailboxes, std::string why) override {
        return write<void>([lost, mailboxes = std::move(mailboxes), why = std::move(why)](Transaction& transaction) {
            writing::blockAfterLoss(transaction, lost, mailboxes, why);
        });
    }
    Answer<void> restart(std::string mailbox, Start start) override {
        if (start.kind == Start::Kind::now) start.since = clock_.wall();
        return write<void>([mailbox = std::move(mailbox), start](Transaction& transaction) { writing::restart(transaction, mailbox, start); });
    }
    Answer<std::optional<Start>> restartedWith(std::string mailbox) override {
        return read<std::optional<Start>>(
            [mailbox = std::move(mailbox)](Transaction& transaction) { return reading::restartedWith(transaction, mailbox); });
    }
    Answer<std::optional<Detour>> detour(std::string mailbox) override {
        return read<std::optional<Detour>>(
            [mailbox = std::move(mailbox)](Transaction& transaction) { return reading::detour(transaction, mailbox); });
    }
    Answer<void> take(std::string mailbox, std::optional<Detour> detour) override {
        return write<void>(
            [mailbox = std::move(mailbox), detour = std::move(detour)](Transaction& transaction) { writing::take(transaction, mailbox, detour); });
    }
    Answer<std::int64_t> operatorChanges() override { return read<std::int64_t>(reading::operatorChanges); }
    Answer<void> verified(std::vector<std::pair<std::string, plugin::Wall>> mailboxes) override {
        return write<void>([mailboxes = std::move(mailboxes)](Transaction& transaction) { writing::verified(transaction, mailboxes); });
    }

    Answer<std::vector<MailboxSummary>> summaries() override { return read<std::vector<MailboxSummary>>(reading::summaries); }
    Answer<std::vector<LedgerRow>> rows(LedgerQuery query) override {
        return read<std::vector<LedgerRow>>([query = std::move(query)](Transaction& transaction) { return reading::rows(transaction, query); });
    }

private:
    template <class T, class Body>
    Answer<T> read(Body body) {
        return plugin::ask<T>(database_, &Database::read, std::move(body));
    }
    template <class T, class Body>
    Answer<T> write(Body body) {
        return plugin::ask<T>(database_, &Database::write, std::move(body));
    }

    Database& database_;
    plugin::Clock& clock_;
};

}  // namespace

std::unique_ptr<Ledger> makeLedger(plugin::Database& database, plugin::Clock& clock) { return std::make_unique<SqlLedger>(database, clock); }

}  // namespace listener
