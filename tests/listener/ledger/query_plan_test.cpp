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

bool mentions(const std::string& plan, std::string_view part) { return plan.find(part) != std::string::npos; }

}  // namespace

SCENARIO("no statement of daily work reads a table from end to end", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto statement = std::string(GENERATE(
        sql::selectFolder, sql::selectMessage, sql::updateMessage, sql::uncountMessage, sql::deleteVerdicts, sql::deleteDue, sql::deleteBatch,
        sql::markCopied, sql::selectFinal, sql::selectBatches, sql::selectDue, sql::endDueOfFolder, sql::deleteDueOfFolder,
        sql::deleteBatchesOfFolder, sql::selectCandidates, sql::selectPending, sql::selectSecond, sql::moveMessage, sql::moveDue, sql::selectPlace));
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
