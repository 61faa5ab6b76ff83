#include "tests/simulation/sim_mail_server.h"

#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace simulation {

namespace {

using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// "3,5:9,12:*"; "*" is the highest UID there is (RFC 9051 section 9, seq-range), whichever side it stands on.
std::optional<Ranges> parseSet(std::string_view text, std::uint64_t highest) {
    Ranges ranges;
    for (const auto& piece : split(text, ',')) {
        const auto bounds = split(piece, ':');
        if (bounds.empty() || bounds.size() > 2) return std::nullopt;
        std::array<std::uint64_t, 2> values{};
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            if (bounds[i] != "*" && (bounds[i].empty() || bounds[i].find_first_not_of("0123456789") != std::string::npos || number(bounds[i]) == 0))
                return std::nullopt;
            values[i] = bounds[i] == "*" ? highest : number(bounds[i]);
        }
        if (bounds.size() == 1) values[1] = values[0];
        ranges.emplace_back(std::min(values[0], values[1]), std::max(values[0], values[1]));
    }
    return ranges;
}

bool contains(const Ranges& ranges, std::uint64_t value) {
    return std::any_of(ranges.begin(), ranges.end(), [value](const auto& range) { return range.first <= value && value <= range.second; });
}

constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::string internalDate(plugin::Wall time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(seconds - day);
    const auto two = [](auto value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    const auto dayOfMonth = static_cast<unsigned>(date.day());
    return (dayOfMonth < 10 ? " " : "") + std::to_string(dayOfMonth) + "-" + months[static_cast<unsigned>(date.month()) - 1] + "-" +
           std::to_string(static_cast<int>(date.year())) + " " + two(clock.hours().count()) + ":" + two(clock.minutes().count()) + ":" +
           two(clock.seconds().count()) + " +0000";
}

std::optional<plugin::Wall> searchDay(const std::string& text) {
    const auto parts = split(text, '-');
    if (parts.size() != 3) return std::nullopt;
    for (unsigned m = 0; m < months.size(); ++m)
        if (parts[1] == months[m])
            return std::chrono::sys_days(std::chrono::year_month_day(std::chrono::year(static_cast<int>(number(parts[2]))), std::chrono::month(m + 1),
                                                                     std::chrono::day(static_cast<unsigned>(number(parts[0])))));
    return std::nullopt;
}

/// BODY[HEADER.FIELDS (...)]: the lines of these fields as they are, and the empty one.
std::string fieldsOf(const std::string& bytes, const std::vector<std::string>& names) {
    std::string head;
    bool wanted = false;
    for (std::size_t from = 0; from < bytes.size();) {
        const auto to = std::min(bytes.find("\r\n", from), bytes.size() - 2) + 2;
        const auto line = bytes.substr(from, to - from);
        if (line == "\r\n") break;
        if (line[0] != ' ') wanted = std::find(names.begin(), names.end(), upper(line.substr(0, line.find(':')))) != names.end();
        if (wanted) head += line;
        from = to;
    }
    return head + "\r\n";
}

}  // namespace

/// One session. Lines and literals in, responses out; the view of the selected folder changes only when it may (RFC 9051 section 7.5.1).
class ImapPeer final : public Peer {
public:
    explicit ImapPeer(MailServer& server) : server_(server) {
        server_.sessions_.insert(this);
        server_.mostSessions = std::max(server_.mostSessions, server_.sessions_.size());
    }
    ~ImapPeer() override { server_.sessions_.erase(this); }
    ImapPeer(const ImapPeer&) = delete;
    ImapPeer& operator=(const ImapPeer&) = delete;

    /// Something arrived in or left a folder: told at once to a session in IDLE that looks at it, if the server thinks of it.
    void changed(const std::string& folder) {
        if (server_.mute || (!idling_ && !notifying_)) return;
        if (server_.forgetOneIn != 0 && server_.dice_.oneIn(server_.forgetOneIn)) return;
        if (selected_ == folder)
            tellChanges(*connection_, true);
        else if (notified_.contains(folder))
            connection_->send(statusOf(folder, server_.folders.at(folder)));
    }

    /// The server gives this session up: what it saw is no longer true.
    void end() {
        if (connection_ == nullptr) return;
        connection_->send("* BYE the folder has changed\r\n");
        connection_->close();
    }

    void connected(Connection& connection) override {
        connection_ = &connection;
        if (server_.mute) return;
        connection.send("* OK [CAPABILITY " + capabilityList() + "] simulated server ready\r\n");
    }

    void received(Connection& connection, std::string_view bytes) override {
        if (server_.mute) return;
        if (server_.slowness.count() == 0) return work(connection, bytes);
        connection.loop().at(connection.loop().clock().steady() + server_.slowness,
                             [this, weak = connection.weak_from_this(), later = std::string(bytes)] {
                                 if (const auto alive = weak.lock()) work(*alive, later);  // the connection owns us
                             });
    }

    void work(Connection& connection, std::string_view bytes) {
        input_.append(bytes);
        for (;;) {
            if (authenticating_) {
                const auto end = input_.find("\r\n");
                if (end == std::string::npos) return;
                const auto line = input_.substr(0, end);
                input_.erase(0, end + 2);
                continueSignIn(connection, line);
                continue;
            }
            if (idling_) {
                const auto end = input_.find("\r\n");
                if (end == std::string::npos) return;
                const auto tag = *std::exchange(idling_, std::nullopt);
                if (input_.substr(0, end) != "DONE")
                    return violation(connection, tag, "IDLE is ended by DONE alone, not by " + input_.substr(0, end));
                input_.erase(0, end + 2);
                finish(connection, tag, "OK done", true);
                continue;
            }
            auto command = nextCommand(connection);
            if (!command) return;
            handle(connection, *command);
        }
    }

private:
    using Words = std::vector<std::string>;

    std::string capabilityList() const {
        std::string list = "IMAP4rev1 AUTH=XOAUTH2 LOGINDISABLED";
        for (const auto& capability : server_.capabilities) list += " " + capability;
        if (server_.capabilities.contains("LIST-STATUS")) list += " LIST-EXTENDED";
        return list;
    }

    /// A whole command with its literals taken in, or nothing yet.
    std::optional<std::string> nextCommand(Connection& connection) {
        std::size_t at = 0;
        for (;;) {
            const auto end = input_.find("\r\n", at);
            if (end == std::string::npos) return std::nullopt;
            const auto open = input_.rfind('{', end);
            if (end == 0 || input_[end - 1] != '}' || open == std::string::npos || open < at) {
                auto command = input_.substr(0, end);
                input_.erase(0, end + 2);
                invited_ = 0;
                return command;
            }
            const bool waits = input_[end - 2] != '+';
            if (!waits && !server_.capabilities.contains("LITERAL+")) server_.violations.push_back("a non-synchronizing literal without LITERAL+");
            const auto size = number(std::string_view(input_).substr(open + 1));
            if (waits && invited_ <= open) {
                invited_ = open + 1;
                connection.send("+ go on\r\n");
            }
            if (input_.size() < end + 2 + size) return std::nullopt;
            at = end + 2 + size;
        }
    }

    void handle(Connection& connection, const std::string& line) {
        auto words = imapWords(line);
        if (words.size() < 2) return violation(connection, "*", "not a command: " + line);
        const auto tag = words[0];
        auto name = upper(words[1]);
        words.erase(words.begin(), words.begin() + 2);
        const bool afterSelect = std::exchange(mayBeRefused_, name == "SELECT");
        if (server_.moodOneIn != 0 && server_.dice_.oneIn(server_.moodOneIn)) {
            if (server_.dice_.oneIn(2)) return connection.send(tag + " NO [UNAVAILABLE] not now\r\n");
            connection.send("* BYE going down\r\n");
            return connection.close();
        }
        if (server_.instead) {
            const auto answer = server_.instead(name == "UID" && !words.empty() ? "UID " + upper(words[0]) : name);
            if (answer && answer->empty()) return connection.close();
            if (answer) return connection.send(tag + " " + *answer + "\r\n");
        }
        if (name == "CAPABILITY") return connection.send("* CAPABILITY " + capabilityList() + "\r\n" + tag + " OK done\r\n");
        if (name == "NOOP") return finish(connection, tag, "OK done", true);
        if (name == "LOGOUT") {
            connection.send("* BYE bye\r\n" + tag + " OK done\r\n");
            return connection.close();
        }
        if (name == "ID") return connection.send("* ID (\"name\" \"simulated\")\r\n" + tag + " OK done\r\n");
        if (name == "AUTHENTICATE") return beginSignIn(connection, tag, words);
        if (!signedIn_) return violation(connection, tag, name + " before signing in");
        if (name == "LIST") return list(connection, tag, words);
        if (name == "STATUS") return status(connection, tag, words);
        if (name == "CREATE") {
            const bool made = server_.folders.try_emplace(words.at(0)).second;
            return connection.send(tag + (made ? " OK made\r\n" : " NO [ALREADYEXISTS] it is there\r\n"));
        }
        if (name == "SELECT") return select(connection, tag, words);
        if (name == "IDLE") return idle(connection, tag);
        if (name == "NOTIFY") return notify(connection, tag, words);
        if (name != "UID" || words.empty()) return violation(connection, tag, name + " is not a command we expect");
        if (!selected_ && afterSelect) return connection.send(tag + " BAD no folder is open\r\n");  // it was sent before the SELECT was refused
        if (!selected_) return violation(connection, tag, "UID before SELECT");
        name = upper(words[0]);
        words.erase(words.begin());
        if (name == "SEARCH") return search(connection, tag, words);
        if (name == "FETCH") return fetch(connection, tag, words);
        if (name == "STORE") return store(connection, tag, words);
        if (name == "COPY" || name == "MOVE") return transfer(connection, tag, words, name == "MOVE");
        if (name == "EXPUNGE") return expunge(connection, tag, words);
        violation(connection, tag, "UID " + name + " is not a command we expect");
    }

    void violation(Connection& connection, const std::string& tag, const std::string& what) {
        server_.violations.push_back(what);
        connection.send(tag + " BAD " + what + "\r\n");
    }

    void beginSignIn(Connection& connection, const std::string& tag, const Words& words) {
        if (words.empty() || words[0] != "XOAUTH2") return violation(connection, tag, "AUTHENTICATE with a mechanism not offered");
        authenticating_ = tag;
        if (words.size() == 1) return connection.send("+ \r\n");
        if (!server_.capabilities.contains("SASL-IR")) return violation(connection, tag, "an initial response without SASL-IR");
        continueSignIn(connection, words[1]);
    }

    void continueSignIn(Connection& connection, const std::string& line) {
        const auto tag = *authenticating_;
        if (refused_) {
            authenticating_.reset();
            refused_ = false;
            if (!line.empty()) server_.violations.push_back("the challenge of a refusal wants an empty line");
            return connection.send(tag + " NO [AUTHENTICATIONFAILED] no\r\n");
        }
        const auto response = fromBase64(line);
        const std::string begin =
            "user=box@example.test\x01"
            "auth=Bearer ";
        if (!response.starts_with(begin) || !response.ends_with("\x01\x01")) return violation(connection, tag, "not an XOAUTH2 response");
        const auto token = response.substr(begin.size(), response.size() - begin.size() - 2);
        if (!server_.authorized_("box@example.test", token)) {
            refused_ = true;
            return connection.send("+ eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=\r\n");
        }
        authenticating_.reset();
        signedIn_ = true;
        ++server_.signIns;
        if (server_.endsWithToken)
            connection.loop().at(server_.tokenEnd(token), [weak = connection.weak_from_this()] {
                const auto alive = weak.lock();
                if (!alive) return;
                alive->send("* BYE Session invalidated - AccessTokenExpired\r\n");
                alive->close();
            });
        connection.send(tag + " OK " + (server_.dice_.oneIn(2) ? "[CAPABILITY " + capabilityList() + "] " : "") + "signed in\r\n");
    }

    static Words inList(const std::string& text) {
        return text.starts_with("(") && text.ends_with(")") ? imapWords(std::string_view(text).substr(1, text.size() - 2)) : Words{};
    }
    static bool fits(const std::string& name, const std::string& pattern) {
        const auto star = pattern.find('*');
        if (star == std::string::npos) return name == pattern;
        return name.starts_with(pattern.substr(0, star)) && name.ends_with(pattern.substr(star + 1));
    }

    void list(Connection& connection, const std::string& tag, const Words& words) {
        if (words.size() < 2) return violation(connection, tag, "LIST without a pattern");
        const bool extended = words[1].starts_with("(");
        if (extended && !server_.capabilities.contains("LIST-STATUS")) return violation(connection, tag, "several patterns without LIST-EXTENDED");
        const bool statuses = words.size() == 4 && upper(words[2]) == "RETURN" && words[3] == "(STATUS (MESSAGES UIDNEXT UIDVALIDITY))";
        if (words.size() > 2 && (!statuses || !extended)) return violation(connection, tag, "LIST returns what was not offered");
        const auto patterns = extended ? inList(words[1]) : Words{words[1]};
        if (words[1].empty()) connection.send("* LIST (\\Noselect) \"/\" \"\"\r\n");
        for (const auto& [name, folder] : server_.folders) {
            if (std::none_of(patterns.begin(), patterns.end(), [&name = name](const auto& pattern) { return fits(name, pattern); })) continue;
            connection.send("* LIST () \"/\" \"" + name + "\"\r\n");
            if (statuses) connection.send(statusOf(name, folder));
        }
        connection.send(tag + " OK done\r\n");
    }

    static std::string statusOf(const std::string& name, const MailServer::Folder& folder) {
        return "* STATUS \"" + name + "\" (MESSAGES " + std::to_string(folder.mails.size()) + " UIDNEXT " + std::to_string(folder.next) +
               " UIDVALIDITY " + std::to_string(folder.validity) + ")\r\n";
    }

    void status(Connection& connection, const std::string& tag, const Words& words) {
        const auto found = server_.folders.find(words.at(0));
        if (found == server_.folders.end()) return connection.send(tag + " NO [NONEXISTENT] no such folder\r\n");
        connection.send(statusOf(found->first, found->second) + tag + " OK done\r\n");
    }

    /// RFC 5465: NONE, or SET STATUS with the selected folder and a list of names.
    void notify(Connection& connection, const std::string& tag, const Words& words) {
        if (!server_.capabilities.contains("NOTIFY")) return violation(connection, tag, "NOTIFY was not offered");
        notified_.clear();
        notifying_ = false;
        if (words.size() == 1 && upper(words[0]) == "NONE") return connection.send(tag + " OK quiet\r\n");
        const std::string events = "(MessageNew MessageExpunge)";
        const auto mailboxes = words.size() == 4 ? inList(words[3]) : Words{};
        if (mailboxes.size() != 3 || upper(words[0]) != "SET" || upper(words[1]) != "STATUS" || words[2] != "(selected " + events + ")" ||
            mailboxes[0] != "mailboxes" || mailboxes[2] != events)
            return violation(connection, tag, "a NOTIFY we do not expect");
        notifying_ = true;
        for (const auto& name : inList(mailboxes[1])) {
            const auto found = server_.folders.find(name);
            if (found == server_.folders.end()) continue;
            notified_.insert(name);
            if (selected_ != name) connection.send(statusOf(name, found->second));
        }
        connection.send(tag + " OK will tell\r\n");
    }

    void select(Connection& connection, const std::string& tag, const Words& words) {
        selected_.reset();
        const auto found = server_.folders.find(words.at(0));
        if (found == server_.folders.end()) return connection.send(tag + " NO [NONEXISTENT] no such folder\r\n");
        selected_ = found->first;
        const auto& folder = found->second;
        view_.clear();
        for (const auto& mail : folder.mails) view_.push_back(mail.uid);
        std::string answer = "* FLAGS (\\Seen \\Deleted)\r\n* " + std::to_string(view_.size()) + " EXISTS\r\n* 0 RECENT\r\n";
        answer += "* OK [UIDVALIDITY " + std::to_string(folder.validity) + "] x\r\n* OK [UIDNEXT " + std::to_string(folder.next) + "] x\r\n";
        connection.send(answer + tag + " OK [READ-WRITE] done\r\n");
    }

    /// RFC 2177. Whoever sends more than DONE before our answer to it has not waited for "+".
    void idle(Connection& connection, const std::string& tag) {
        if (!server_.capabilities.contains("IDLE")) return violation(connection, tag, "IDLE was not offered");
        if (!input_.empty()) return violation(connection, tag, "IDLE was not waited for");
        if (!selected_) return violation(connection, tag, "IDLE without a folder");
        idling_ = tag;
        connection.send("+ idling\r\n");
        tellChanges(connection, true);
    }

    MailServer::Folder& folder() { return server_.folders.at(*selected_); }
    std::uint64_t highest() { return view_.empty() ? folder().next - 1 : view_.back(); }

    void search(Connection& connection, const std::string& tag, Words words) {
        bool extended = false;
        if (words.size() > 2 && upper(words[0]) == "RETURN") {
            extended = true;
            if (!server_.capabilities.contains("ESEARCH") || words[1] != "(ALL)") return violation(connection, tag, "RETURN without ESEARCH");
            words.erase(words.begin(), words.begin() + 2);
        }
        Ranges ranges{{1, 0xffffffff}};
        std::optional<plugin::Wall> since;
        for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
            if (upper(words[i]) == "UID") {
                const auto parsed = parseSet(words[i + 1], highest());
                if (!parsed) return violation(connection, tag, "SEARCH UID with a bad set");
                ranges = *parsed;
            } else if (upper(words[i]) == "SINCE") {
                since = searchDay(words[i + 1]);
                if (!since) return violation(connection, tag, "SEARCH SINCE with a bad date");
            } else {
                return violation(connection, tag, "SEARCH " + words[i] + " is not a key we expect");
            }
        }
        std::string found;
        for (const auto uid : view_) {
            const auto* mail = folder().find(uid);
            if (mail == nullptr || !contains(ranges, uid)) continue;
            if (since && std::chrono::floor<std::chrono::days>(mail->received) < *since) continue;
            found += (extended ? found.empty() ? "" : "," : " ") + std::to_string(uid);
        }
        connection.send(extended ? "* ESEARCH (TAG \"" + tag + "\") UID" + (found.empty() ? "" : " ALL " + found) + "\r\n"
                                 : "* SEARCH" + found + "\r\n");
        finish(connection, tag, "OK done", false);
    }

    void fetch(Connection& connection, const std::string& tag, const Words& words) {
        const auto ranges = parseSet(words.at(0), highest());
        if (!ranges) return violation(connection, tag, "FETCH with a bad set");
        const auto items = upper(words.size() > 1 ? words[1] : "");
        if (items.find("BODY[") != std::string::npos) return violation(connection, tag, "BODY[] without PEEK sets \\Seen");
        for (std::size_t i = 0; i < view_.size(); ++i) {
            const auto* mail = contains(*ranges, view_[i]) ? folder().find(view_[i]) : nullptr;
            if (mail == nullptr) continue;
            std::string answer = "* " + std::to_string(i + 1) + " FETCH (UID " + std::to_string(mail->uid);
            if (items.find("INTERNALDATE") != std::string::npos) answer += " INTERNALDATE \"" + internalDate(mail->received) + "\"";
            if (items.find("FLAGS") != std::string::npos) answer += " FLAGS (" + joined(mail->flags, " ") + ")";
            if (items.find("RFC822.SIZE") != std::string::npos) answer += " RFC822.SIZE " + std::to_string(server_.announces(*mail));
            if (const auto at = items.find("BODY.PEEK[HEADER.FIELDS ("); at != std::string::npos) {
                const auto from = items.find('(', at) + 1, to = items.find(')', at);
                const auto fields = split(items.substr(from, to - from), ' ');
                const auto head = fieldsOf(mail->bytes, fields);
                answer += " BODY[HEADER.FIELDS (" + joined(fields, " ") + ")] {" + std::to_string(head.size()) + "}\r\n" + head;
            }
            if (items.find("BODY.PEEK[]") != std::string::npos) answer += " BODY[] {" + std::to_string(mail->bytes.size()) + "}\r\n" + mail->bytes;
            connection.send(answer + ")\r\n");
        }
        finish(connection, tag, "OK done", false);
    }

    void store(Connection& connection, const std::string& tag, const Words& words) {
        const auto ranges = parseSet(words.at(0), highest());
        if (!ranges || words.size() < 3 || upper(words[1]) != "+FLAGS.SILENT") return violation(connection, tag, "STORE we do not expect");
        const bool seen = words[2].find("\\Seen") != std::string::npos;
        const bool deleted = words[2].find("\\Deleted") != std::string::npos;
        for (const auto uid : view_) {
            auto* mail = contains(*ranges, uid) ? folder().find(uid) : nullptr;
            if (mail == nullptr) continue;
            server_.touched(deleted ? "deleted" : "seen", *selected_, *mail);
            if (seen) mail->flags.insert("\\Seen");
            if (deleted) mail->flags.insert("\\Deleted");
        }
        finish(connection, tag, "OK done", false);
    }

    void transfer(Connection& connection, const std::string& tag, const Words& words, bool move) {
        if (move && !server_.capabilities.contains("MOVE")) return violation(connection, tag, "MOVE was not offered");
        const auto ranges = parseSet(words.at(0), highest());
        const auto target = server_.folders.find(words.at(1));
        if (!ranges) return violation(connection, tag, "COPY or MOVE with a bad set");
        if (target == server_.folders.end()) return connection.send(tag + " NO [TRYCREATE] no such folder\r\n");
        std::string from, to;
        for (const auto uid : view_) {
            auto* mail = contains(*ranges, uid) ? folder().find(uid) : nullptr;
            if (mail == nullptr) continue;
            auto copy = *mail;
            copy.uid = target->second.next++;
            copy.flags.erase("\\Deleted");
            from += (from.empty() ? "" : ",") + std::to_string(uid);
            to += (to.empty() ? "" : ",") + std::to_string(copy.uid);
            if (move) {
                server_.touched("moved", *selected_, *mail);
                std::erase_if(folder().mails, [uid](const Mail& each) { return each.uid == uid; });
            }
            target->second.mails.push_back(std::move(copy));
        }
        const bool tells = server_.capabilities.contains("UIDPLUS") && !from.empty();
        const auto code = tells ? "[COPYUID " + std::to_string(target->second.validity) + " " + from + " " + to + "] " : std::string();
        if (move && tells) connection.send("* OK " + code + "moved\r\n");
        finish(connection, tag, "OK " + (move ? "" : code) + "done", true);
    }

    void expunge(Connection& connection, const std::string& tag, const Words& words) {
        if (!server_.capabilities.contains("UIDPLUS")) return violation(connection, tag, "UID EXPUNGE without UIDPLUS");
        const auto ranges = parseSet(words.at(0), highest());
        if (!ranges) return violation(connection, tag, "EXPUNGE with a bad set");
        std::erase_if(folder().mails, [&](const Mail& mail) {
            const bool goes = contains(*ranges, mail.uid) && mail.flags.contains("\\Deleted");
            if (goes) server_.touched("expunged", *selected_, mail);
            return goes;
        });
        finish(connection, tag, "OK done", true);
    }

    /// The tagged answer, after what changed in the view; expunges only where they may be told.
    void finish(Connection& connection, const std::string& tag, const std::string& text, bool expunges) {
        tellChanges(connection, expunges);
        connection.send(tag + " " + text + "\r\n");
    }

    void tellChanges(Connection& connection, bool expunges) {
        if (selected_ && expunges)
            for (std::size_t i = 0; i < view_.size();) {
                if (folder().find(view_[i]) != nullptr) {
                    ++i;
                    continue;
                }
                view_.erase(view_.begin() + static_cast<std::ptrdiff_t>(i));
                connection.send("* " + std::to_string(i + 1) + " EXPUNGE\r\n");
            }
        if (selected_) {
            const auto before = view_.size();
            for (const auto& mail : folder().mails)
                if (view_.empty() || mail.uid > view_.back()) view_.push_back(mail.uid);
            if (view_.size() != before) connection.send("* " + std::to_string(view_.size()) + " EXISTS\r\n");
        }
    }

    MailServer& server_;
    std::string input_{};
    std::size_t invited_ = 0;
    std::optional<std::string> authenticating_{};
    bool refused_ = false, signedIn_ = false;
    std::optional<std::string> selected_{};
    bool mayBeRefused_ = false;            ///< the command before was SELECT
    std::optional<std::string> idling_{};  ///< its tag
    bool notifying_ = false;
    std::set<std::string> notified_{};  ///< folders whose STATUS is told
    Connection* connection_ = nullptr;  ///< owns us
    std::vector<std::uint32_t> view_{};
};

MailServer::MailServer(WorldClock& clock, Dice& dice, std::function<bool(const std::string&, const std::string&)> authorized)
    : clock_(clock), dice_(dice), authorized_(std::move(authorized)) {}

Mail* MailServer::Folder::find(std::uint64_t uid) {
    const auto found = std::lower_bound(mails.begin(), mails.end(), uid, [](const Mail& mail, std::uint64_t wanted) { return mail.uid < wanted; });
    return found == mails.end() || found->uid != uid ? nullptr : &*found;
}

std::uint64_t MailServer::arrive(const std::string& name, std::string bytes, plugin::Wall received) {
    auto& folder = folders[name];
    folder.mails.push_back({folder.next, std::move(bytes), received, {}, ++lastSerial_});
    folder.next += 1 + static_cast<std::uint32_t>(dice_.oneIn(5) ? dice_.below(40) : 0);
    tellSessions(name);
    return lastSerial_;
}

void MailServer::tellSessions(const std::string& folder) {
    for (auto* session : sessions_) session->changed(folder);
}

void MailServer::removeByOthers(const std::string& name, std::uint32_t uid) {
    std::erase_if(folders[name].mails, [uid](const Mail& mail) { return mail.uid == uid; });
    tellSessions(name);
}

void MailServer::endSessions() {
    const auto sessions = sessions_;
    for (auto* session : sessions)
        if (sessions_.contains(session)) session->end();
}

void MailServer::moveByOthers(const std::string& from, std::uint32_t uid, const std::string& to) {
    auto& source = folders.at(from);
    auto& target = folders.at(to);
    auto mail = *source.find(uid);
    std::erase_if(source.mails, [uid](const Mail& each) { return each.uid == uid; });
    mail.uid = target.next++;
    target.mails.push_back(std::move(mail));
    tellSessions(from);
    tellSessions(to);
}

std::uint64_t MailServer::copyByOthers(const std::string& from, std::uint32_t uid, const std::string& to) {
    auto mail = *folders.at(from).find(uid);
    auto& target = folders.at(to);
    mail.uid = target.next++;
    mail.serial = ++lastSerial_;
    target.mails.push_back(std::move(mail));
    tellSessions(to);
    return lastSerial_;
}

void MailServer::renameByOthers(const std::string& from, const std::string& to, std::uint32_t validity) {
    auto node = folders.extract(from);
    node.key() = to;
    node.mapped().validity = validity;
    folders.insert(std::move(node));
    endSessions();
}

void MailServer::rebuild(const std::string& name, std::uint32_t validity, bool shuffle) {
    auto& folder = folders.at(name);
    folder.validity = validity;
    if (shuffle)
        for (std::size_t i = folder.mails.size(); i > 1; --i) std::swap(folder.mails[i - 1], folder.mails[dice_.below(i)]);
    folder.next = 1 + static_cast<std::uint32_t>(dice_.below(3));
    for (auto& mail : folder.mails) {
        mail.uid = folder.next;
        folder.next += 1 + static_cast<std::uint32_t>(dice_.oneIn(5) ? dice_.below(40) : 0);
    }
    endSessions();
}

std::vector<std::uint64_t> MailServer::fallBack(const std::string& name, std::uint32_t next) {
    auto& folder = folders.at(name);
    std::vector<std::uint64_t> vanished;
    for (const auto& mail : folder.mails)
        if (mail.uid >= next) vanished.push_back(mail.serial);
    std::erase_if(folder.mails, [next](const Mail& mail) { return mail.uid >= next; });
    folder.next = next;
    endSessions();
    return vanished;
}

std::unique_ptr<Peer> MailServer::accept() { return std::make_unique<ImapPeer>(*this); }

}  // namespace simulation
