#include "listener/imap/ahead.h"

#include "listener/imap/listing.h"
#include "listener/imap/refusal.h"

#include <utility>

namespace listener::imap {

using plugin::Code;
using plugin::Result;

void Ahead::ask(std::vector<Command>& commands) {
    if (!session_.expects) return;
    commands.push_back(session_.begin("SELECT"));
    commands.back().string("INBOX").end();
    commands.push_back(session_.begin("UID SEARCH"));
    auto& search = commands.back();
    if (session_.has("ESEARCH")) search.word("RETURN (ALL)");
    search.word(windowAbove(session_.expects->above).criteria()).end();
    searchTag_ = search.tag();
}

void Ahead::take(const Response& response) {
    if (searchTag_.empty()) return;
    told_.take("INBOX", response);
    if (std::holds_alternative<Exists>(response)) ++counts_;
    if (const auto* answer = std::get_if<Search>(&response)) found_.push_back(answer->found);
    if (const auto* answer = std::get_if<Esearch>(&response); answer != nullptr && (answer->tag.empty() || answer->tag == searchTag_))
        found_.push_back(answer->all);
}

Result<void> Ahead::finish(std::span<const Status> answers) {
    const auto expected = std::exchange(session_.expects, std::nullopt);
    if (!expected || answers.size() != 2) return {};
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i].condition == Condition::ok) continue;
        auto error = refusal(answers[i], session_.peer(), i == 0 ? "SELECT" : "UID SEARCH");
        if (error.code != Code::mailboxCommandRefused) return error;
    }
    session_.folder = {};
    if (answers[0].condition != Condition::ok || !told_.validity || !told_.next || counts_ != 1) return {};
    session_.phase = Phase::selected;
    session_.folder.name = expected->folder;
    session_.folder.validity = *told_.validity;
    session_.folder.next = *told_.next;
    session_.folder.exists = *told_.exists;
    session_.folder.ahead = FoundAhead{expected->above, std::nullopt};
    const bool whole = answers[1].condition == Condition::ok && found_.size() == 1 && found_.front().count() <= windowSize;
    if (whole) session_.folder.ahead->found = std::move(found_.front());
    return {};
}

}  // namespace listener::imap
