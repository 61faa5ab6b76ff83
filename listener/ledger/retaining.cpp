#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"

#include <algorithm>

namespace listener::writing {

Retained retain(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::uint64_t>& standing, plugin::Wall moment,
                std::int64_t after) {
    constexpr std::size_t atOnce = 500;
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

}  // namespace listener::writing
