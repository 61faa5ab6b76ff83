#include "tests/simulation/history_mailbox.h"

#include <stdexcept>
#include <utility>

namespace simulation {

std::unique_ptr<HistoryMailbox> makeHistoryMailbox(const std::string& protocol, WorldClock& clock, Dice& dice, HistoryMailbox::Accepts accepts) {
    if (protocol == "imap") return makeImapHistoryMailbox(clock, dice, std::move(accepts));
    if (protocol == "ews") return makeEwsHistoryMailbox(dice, std::move(accepts));
    if (protocol == "graph") return makeGraphHistoryMailbox(dice, std::move(accepts));
    throw std::invalid_argument("no protocol of a mailbox: " + protocol);
}

}  // namespace simulation
