#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"

#include <algorithm>

namespace listener::writing {

namespace {
constexpr std::size_t atOnce = 500;
}

Retained retain(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::uint64_t>& standing, plugin::Wall moment,
                std::int64_t after) {
    std::vector<std::int64_t> gone, stay;
    std::size_t seen = 0;
    Retained done;
    auto& row = transaction.prepare(sql::selectOld).bind(0, folder).bind(1, after).bind(2, stored::time(moment)).bind(3, stored::number(atOnce));
    for (; row.step(); ++seen) {
        done.last = row.integer(1);
        const bool stands = std::binary_search(standing.begin(), standing.end(), static_cast<std::uint64_t>(done.last));
        if (!stands)
            gone.push_back(row.integer(0));
        else if (row.integer(2) != 0)
            stay.push_back(row.integer(0));
    }
    if (seen < atOnce) {
        done.last = 0;
        auto& old = transaction.prepare(sql::selectOldForgotten).bind(0, folder).bind(1, stored::time(moment)).bind(2, stored::number(atOnce));
        while (old.step()) gone.push_back(old.integer(0));
    }
    for (const auto number : gone)
        for (const auto statement : {sql::deleteVerdicts, sql::deleteDue, sql::deleteMessage}) transaction.prepare(statement).bind(0, number).run();
    for (const auto number : stay)
        for (const auto statement : {sql::deleteVerdicts, sql::forgetDetails}) transaction.prepare(statement).bind(0, number).run();
    done.gone = gone.size();
    return done;
}

std::uint64_t forgetItems(plugin::Transaction& transaction, std::int64_t folder, plugin::Wall moment) {
    std::vector<std::pair<std::int64_t, std::int64_t>> items;
    const auto collect = [&items](plugin::Statement& row) {
        while (row.step()) items.emplace_back(row.integer(0), row.integer(1));
    };
    collect(transaction.prepare(sql::selectGoneItems).bind(0, folder).bind(1, stored::time(moment)).bind(2, stored::number(atOnce)));
    collect(transaction.prepare(sql::selectForgottenItems).bind(0, folder).bind(1, stored::number(atOnce)));
    for (const auto& [index, ordinal] : items) transaction.prepare(sql::deleteItem).bind(0, index).bind(1, ordinal).run();
    return items.size();
}

}  // namespace listener::writing
