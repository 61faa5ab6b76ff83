#pragma once

#include "listener/imap/lexer.h"
#include "listener/imap/uid_set.h"
#include "tests/servers/memory_channel.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace imaptest {

/// One folder of a strict little server for what no transcript can hold: large folders, large messages, many commands.
/// PREAUTH; SELECT, UID SEARCH (UID a:b, SINCE), UID FETCH. It refuses lines beyond 8000 octets, and any command it does not know.
class MiniServer final : public servers::Peer {
public:
    explicit MiniServer(std::string capabilities = "IMAP4rev1") : capabilities_(std::move(capabilities)) {}

    std::map<std::uint64_t, std::string> mails{};  ///< UID to bytes
    std::map<std::uint64_t, std::string> dates{};  ///< UID to INTERNALDATE; else 22-Nov-2026 12:00:00 +0000
    std::map<std::uint64_t, std::string> flags{};  ///< UID to FLAGS
    std::map<std::uint64_t, std::string> sizes{};  ///< UID to RFC822.SIZE where that is not the truth; "": the message is left out
    std::set<std::uint64_t> refused{};             ///< messages no FETCH gets, nor their heads: NO for the whole command
    std::string refusal = "some cannot be read";   ///< what that NO says
    std::uint64_t next = 0;                        ///< UIDNEXT; 0: behind the last mail
    std::vector<std::string> commands{};
    std::size_t longestAnswer = 0;
    std::function<std::string(const std::string&)> instead{};  ///< an answer to a command other than the usual one; "" = the usual one
    bool holdsBack = false;                                    ///< answers a UID FETCH only when the next command has come

    std::string greeting() override { return "* PREAUTH [CAPABILITY " + capabilities_ + "] mini\r\n"; }

    std::string receive(std::string_view bytes) override {
        heard_ += bytes;
        std::string out;
        for (auto end = heard_.find("\r\n"); end != std::string::npos; end = heard_.find("\r\n")) {
            const auto line = heard_.substr(0, end);
            heard_.erase(0, end + 2);
            commands.push_back(line);
            out += std::exchange(held_, {});
            auto answer = line.size() > 8000 ? "* BYE line too long\r\n" : answerTo(line);
            longestAnswer = std::max(longestAnswer, answer.size());
            if (holdsBack && commands.back().find("UID FETCH") != std::string::npos && ++fetches_ == 1)
                held_ = std::move(answer);
            else
                out += answer;
        }
        return out;
    }

private:
    std::string answerTo(const std::string& line) {
        const auto space = line.find(' ');
        const auto tag = line.substr(0, space);
        const auto command = line.substr(space + 1);
        if (instead)
            if (auto other = instead(line); !other.empty()) return other;
        if (command == "LIST \"\" \"\"") return "* LIST (\\Noselect) \"/\" \"\"\r\n" + tag + " OK done\r\n";
        if (command == "LOGOUT") return "* BYE\r\n" + tag + " OK done\r\n";
        if (command.starts_with("SELECT ")) {
            const auto following = next != 0 ? next : mails.empty() ? 1 : mails.rbegin()->first + 1;
            return "* " + std::to_string(mails.size()) + " EXISTS\r\n* OK [UIDVALIDITY 77]\r\n* OK [UIDNEXT " + std::to_string(following) + "]\r\n" +
                   tag + " OK [READ-WRITE] done\r\n";
        }
        if (command.starts_with("UID SEARCH ")) return search(tag, command.substr(11));
        if (command.starts_with("UID FETCH ")) return fetch(tag, command.substr(10));
        return tag + " BAD not known here: " + command + "\r\n";
    }

    std::pair<std::uint64_t, std::uint64_t> range(std::string_view text) const {
        const auto colon = text.find(':');
        const auto last = mails.empty() ? 0 : mails.rbegin()->first;
        auto from = *listener::imap::parseNumber(text.substr(0, colon));
        auto to = text.substr(colon + 1) == "*" ? last : *listener::imap::parseNumber(text.substr(colon + 1));
        if (text.ends_with("*") && from > to) std::swap(from, to);  // "n:*" matches the last one whatever n is
        return {from, to};
    }
    std::string dateOf(std::uint64_t uid) const { return valueOr(dates, uid, "22-Nov-2026 12:00:00 +0000"); }
    std::string search(const std::string& tag, std::string criteria) const {
        const bool extended = criteria.starts_with("RETURN (ALL) ");
        if (extended) criteria.erase(0, 13);
        std::optional<std::string> since;
        if (const auto at = criteria.find(" SINCE "); at != std::string::npos) since = criteria.substr(at + 7), criteria.erase(at);
        if (!criteria.starts_with("UID ")) return tag + " BAD criteria\r\n";
        const auto [from, to] = range(std::string_view{criteria}.substr(4));
        std::vector<std::uint64_t> found;
        for (auto mail = mails.lower_bound(from); mail != mails.end() && mail->first <= to; ++mail)
            if (!since || dayOf(dateOf(mail->first)) >= dayOf(*since)) found.push_back(mail->first);
        std::string out = extended ? "* ESEARCH (TAG \"" + tag + "\") UID" : "* SEARCH";
        if (extended && !found.empty()) out += " ALL " + listener::imap::UidSet{found}.print();
        if (!extended)
            for (const auto uid : found) out += " " + std::to_string(uid);
        return out + "\r\n" + tag + " OK done\r\n";
    }
    /// The day as servers compare it: without its zone. November 2026 only.
    static int dayOf(const std::string& date) {
        const auto dash = date.find("-Nov-2026");
        if (dash == std::string::npos) throw std::logic_error("this server knows November 2026 only: " + date);
        return std::stoi(date.substr(0, dash));
    }
    static std::string valueOr(const std::map<std::uint64_t, std::string>& values, std::uint64_t uid, std::string otherwise) {
        const auto found = values.find(uid);
        return found == values.end() ? otherwise : found->second;
    }
    static std::string literal(const std::string& bytes) { return "{" + std::to_string(bytes.size()) + "}\r\n" + bytes; }
    /// What BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] is of a message, as Dovecot and Exchange send it: all of these, as they are.
    static std::string fieldsOf(const std::string& bytes) {
        std::string out;
        bool wanted = false;
        for (std::size_t from = 0; from < bytes.size();) {
            const auto to = std::min(bytes.find('\n', from), bytes.size() - 1) + 1;
            const auto line = bytes.substr(from, to - from);
            from = to;
            if (line == "\r\n") break;
            const auto name = listener::imap::upperCase(line.substr(0, line.find_first_of(": ")));
            if (line[0] != ' ' && line[0] != '\t') wanted = name == "MESSAGE-ID" || name == "DATE" || name == "FROM" || name == "SUBJECT";
            if (wanted) out += line;
        }
        return out + "\r\n";
    }
    std::string fetch(const std::string& tag, const std::string& arguments) const {
        const auto space = arguments.find(' ');
        const auto set = listener::imap::UidSet::parse(arguments.substr(0, space));
        const auto items = arguments.substr(space + 1);
        static const std::string fields = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)]";
        const std::set<std::string> known{"(UID INTERNALDATE)", "(UID RFC822.SIZE)", "(UID INTERNALDATE FLAGS BODY.PEEK[])",
                                          "(UID INTERNALDATE FLAGS " + fields + ")", "(UID INTERNALDATE RFC822.SIZE " + fields + ")"};
        if (!set || !known.contains(items)) return tag + " BAD fetch\r\n";
        const auto asks = [&items](std::string_view item) { return items.find(item) != std::string::npos; };
        std::string out;
        bool refuses = false;
        for (const auto& [first, last] : set->ranges()) {
            for (auto mail = mails.lower_bound(first); mail != mails.end() && mail->first <= last; ++mail) {
                const auto& [uid, bytes] = *mail;
                const auto size = valueOr(sizes, uid, std::to_string(bytes.size()));
                refuses = refuses || (asks("BODY") && refused.contains(uid));
                if ((asks("BODY") && refused.contains(uid)) || (asks("SIZE") && size.empty())) continue;
                out += "* 1 FETCH (UID " + std::to_string(uid);
                if (asks("INTERNALDATE")) out += " INTERNALDATE \"" + dateOf(uid) + "\"";
                if (asks("SIZE")) out += " RFC822.SIZE " + size;
                if (asks("FLAGS")) out += " FLAGS (" + valueOr(flags, uid, "") + ")";
                if (asks("HEADER")) out += " BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)] " + literal(fieldsOf(bytes));
                if (asks("PEEK[]")) out += " BODY[] " + literal(bytes);
                out += ")\r\n";
            }
        }
        return out + tag + (refuses ? " NO " + refusal + "\r\n" : " OK done\r\n");
    }

    std::string capabilities_, heard_{}, held_{};
    std::size_t fetches_ = 0;
};

}  // namespace imaptest
