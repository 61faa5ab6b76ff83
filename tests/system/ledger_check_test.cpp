// What an operator does when a database has lost what it knew: restored from an old copy, or edited by hand.
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/inline_loop.h"
#include "tests/system/sinks.h"

#include <catch2/catch.hpp>

using namespace systemtest;

namespace {

/// Something else than Postern writes into its database.
void meddle(const Workplace& place, const std::vector<std::string>& statements) {
    simulation::InlineLoop loop;
    auto database = plugin::makeSqliteDatabase({.path = (place.data() / "postern.db").string()});
    REQUIRE(database);
    const auto done = loop.run((*database)->write([&statements](plugin::Transaction& transaction) {
        for (const auto& statement : statements) transaction.prepare(statement).run();
        return plugin::Result<void>{};
    }));
    REQUIRE(done);
}

std::vector<Poco::JSON::Object::Ptr> objects(const std::string& text) {
    const auto array = Poco::JSON::Parser{}.parse(text).extract<Poco::JSON::Array::Ptr>();
    std::vector<Poco::JSON::Object::Ptr> all;
    for (unsigned i = 0; i < array->size(); ++i) all.push_back(array->getObject(i));
    return all;
}

}  // namespace

SCENARIO("ledger --check finds what nobody has accounted for, and --mend has it delivered", "[system][ledger]") {
    FilledMailbox box("m"), other("n");
    box.add(someMails("kept", 20));
    other.add(someMails("other", 5));
    Workplace place;
    place.configure(basicCredential(place, "c") + box.words("spool", "leave") + other.words("spool", "leave"));
    REQUIRE(place.postern({"run", "--once"}).status == 0);
    REQUIRE(place.countDelivered("m") == 20);
    GIVEN("a ledger in which all is as it should be") {
        const auto check = place.postern({"ledger", "--check", "--json"});
        INFO(check.error);
        CHECK(check.status == 0);
        const auto rows = objects(check.output);
        REQUIRE(rows.size() == 2);
        CHECK(rows[0]->getValue<std::size_t>("standing") + rows[1]->getValue<std::size_t>("standing") == 25);
        for (const auto& row : rows) CHECK(row->getArray("unaccounted")->size() == 0);
    }
    GIVEN("a ledger that has lost three messages") {
        const std::string lost =
            "(SELECT number FROM listener_message WHERE ordinal IN (3, 4, 17) AND folder_id IN (SELECT folder_id FROM listener_folder JOIN "
            "listener_mailbox USING (mailbox_id) WHERE alias = 'm'))";
        meddle(place, {"DELETE FROM listener_verdict WHERE message IN " + lost, "DELETE FROM listener_message WHERE number IN " + lost});
        for (const auto& file : {place.spool("m")}) std::filesystem::remove_all(file);  // consumed
        WHEN("it is only checked") {
            const auto check = place.postern({"ledger", "--check", "--mailbox", "m", "--json"});
            THEN("their positions are listed, and nothing else happens") {
                INFO(check.error);
                CHECK(check.status == 70);
                const auto rows = objects(check.output);
                REQUIRE(rows.size() == 1);
                const auto positions = rows.front()->getArray("unaccounted");
                REQUIRE(positions->size() == 3);
                CHECK(positions->getElement<int>(0) == 3);
                CHECK(positions->getElement<int>(2) == 17);
                CHECK(place.postern({"run", "--once"}).status == 0);
                CHECK(place.countDelivered("m") == 0);
            }
        }
        WHEN("it is mended") {
            const auto mended = place.postern({"ledger", "--check", "--mend"});
            INFO(mended.output << mended.error);
            CHECK(mended.status == 70);
            CHECK(mended.error.find("fetched and delivered") != std::string::npos);
            THEN("the next look into the mailbox delivers these three and no other, and then all is well") {
                const auto run = place.postern({"run", "--once"});
                INFO(run.error);
                CHECK(run.status == 0);
                CHECK(place.countDelivered("m") == 3);
                CHECK(place.countDelivered("n") == 5);
                CHECK(place.postern({"ledger", "--check"}).status == 0);
            }
        }
    }
    GIVEN("nobody who could be asked, or something that is not an option") {
        CHECK(place.postern({"ledger", "--check", "--mailbox", "nobody"}).status == 78);
        CHECK(place.postern({"ledger", "--check", "--mendd"}).status == 64);
    }
}
