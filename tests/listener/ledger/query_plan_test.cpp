#include "listener/ledger/statements.h"
#include "tests/listener/ledger/ledger_world.h"

using namespace ledger_test;
namespace sql = listener::sql;

namespace {

std::string planOf(World& ledger, std::string_view statement) {
    auto plan = std::make_shared<std::string>();
    const std::string explain = "EXPLAIN QUERY PLAN " + std::string(statement);
    must(ledger.loop.run(ledger.database().read([plan, explain](plugin::Transaction& transaction) -> plugin::Result<void> {
        auto& row = transaction.prepare(explain);
        while (row.step()) *plan += std::string(row.text(3)) + "\n";
        return {};
    })));
    return *plan;
}

std::vector<std::string> dailyWork() {
    return {std::string(sql::selectFolder),
            std::string(sql::selectMessage),
            std::string(sql::updateMessage),
            std::string(sql::uncountMessage),
            std::string(sql::deleteVerdicts),
            std::string(sql::deleteDue),
            std::string(sql::deleteBatch),
            std::string(sql::markCopied),
            std::string(sql::selectFinal),
            std::string(sql::selectBatches),
            std::string(sql::selectDue),
            std::string(sql::endDueOfFolder),
            std::string(sql::endPendingOfFolder),
            std::string(sql::deleteDueOfFolder),
            std::string(sql::deleteBatchesOfFolder),
            std::string(sql::selectCandidates),
            std::string(sql::selectPending),
            std::string(sql::selectSecond),
            std::string(sql::selectName),
            std::string(sql::keepFormer),
            std::string(sql::keepKnownAs),
            std::string(sql::moveMessage),
            std::string(sql::moveDue),
            std::string(sql::selectPlace),
            std::string(sql::selectStoredFile),
            std::string(sql::deleteStored),
            std::string(sql::isFileNeeded),
            std::string(sql::deleteEntry),
            std::string(sql::updateEntry),
            std::string(sql::selectEntry),
            std::string(sql::selectDueEntries),
            std::string(sql::selectEntriesAfter),
            std::string(sql::selectNextEntry),
            std::string(sql::countWaiting),
            std::string(sql::selectStanding),
            std::string(sql::updateState),
            std::string(sql::selectUnfetched),
            std::string(sql::selectUnfetchable),
            std::string(sql::selectMissing),
            std::string(sql::updateKept),
            std::string(sql::setNext),
            std::string(sql::selectIndex),
            std::string(sql::selectItem),
            std::string(sql::updateItem),
            std::string(sql::deleteItem),
            std::string(sql::markUnseen),
            std::string(sql::selectItemsAbove),
            std::string(sql::selectItemAt),
            std::string(sql::selectIdAt),
            std::string(sql::selectValidity),
            std::string(sql::selectRecordOfIndex),
            std::string(sql::selectRowAt),
            std::string(sql::selectGoneItems),
            std::string(sql::selectForgottenItems),
            std::string(sql::selectBatch),
            std::string(sql::selectFolderOfBatch),
            std::string(sql::selectSameness),
            std::string(sql::endDue),
            std::string(sql::endStoredActions),
            std::string(sql::endRemovalDue),
            std::string(sql::deleteRemovalDue),
            std::string(sql::endStoredRemovals),
            std::string(sql::selectStoredIn),
            std::string(sql::loseKept),
            std::string(sql::updateOctets),
            std::string(sql::endPending),
            std::string(sql::selectReachable),
            std::string(sql::postpone),
            std::string(sql::selectOnItsWay),
            std::string(sql::insertStoredAnew),
            std::string(sql::giveStoredAction),
            std::string(sql::selectMailboxOfQuarantined),
            std::string(sql::beginEntryAnew),
            std::string(sql::selectDiscardable)};
}

bool mentions(const std::string& plan, std::string_view part) { return plan.find(part) != std::string::npos; }

}  // namespace

SCENARIO("no statement of daily work reads a table from end to end", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto statement = GENERATE(from_range(dailyWork()));
    GIVEN(statement) {
        const auto plan = planOf(ledger, statement);
        THEN("it searches, and sorts nothing") {
            INFO(plan);
            CHECK(mentions(plan, "SEARCH"));
            CHECK_FALSE(mentions(plan, "SCAN"));
            CHECK_FALSE(mentions(plan, "TEMP B-TREE"));
        }
    }
}

SCENARIO("an operator's commands do not read all messages either", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    GIVEN("what goes over small tables only") {
        for (const auto statement : {sql::endDueOfMailbox, sql::deleteDueOfMailbox, sql::deleteBatchesOfMailbox, sql::selectSummaries}) {
            const auto plan = planOf(ledger, statement);
            INFO(statement << "\n" << plan);
            CHECK_FALSE(mentions(plan, "SCAN listener_message"));
        }
    }
    GIVEN("the list of the newest rows") {
        const auto plan = planOf(ledger, sql::selectNewestRows);
        THEN("it goes by number, from the end, and stops when it likes") {
            INFO(plan);
            CHECK(mentions(plan, "SEARCH m USING INTEGER PRIMARY KEY (rowid<?)"));
            CHECK_FALSE(mentions(plan, "ORDER BY"));
        }
    }
    GIVEN("one whole id") {
        const auto plan = planOf(ledger, sql::selectRowOfId);
        THEN("its index finds it") {
            INFO(plan);
            CHECK(mentions(plan, "SEARCH m USING INDEX sqlite_autoindex_listener_message_1 (delivery_id=?"));
        }
    }
}
