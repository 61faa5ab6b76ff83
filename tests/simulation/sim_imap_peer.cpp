#include "tests/simulation/sim_imap_text.h"
#include "tests/simulation/sim_mail_server.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace simulation {

/// One session. Lines and literals in, responses out; the view of the selected folder changes only when it may (RFC 9051 section 7.5.1).
class ImapPeer final : public Peer {
public:
    explicit ImapPeer(MailServer& server) : server_(server) {
        server_.sessions_.push_back(this);
        server_.mostSessions = std::max(server_.mostSessions, server_.sessions_.size());
    }
    ~ImapPeer() override { std::erase(server_.sessions_, this); }
    ImapPeer(const ImapPeer&) = delete;
    ImapPeer& operator=(const ImapPeer&) = delete;

    /// Something arrived in or left a folder: told at once to a session in IDLE that looks at it, if the server thinks of it.
    void changed(const std::string& folder) {
        if (!idling_ && !notifying_) return;
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
        connection.send("* OK [CAPABILITY " + capabilityList() + "] simulated server ready\r\n");
    }

    void received(Connection& connection, std::string_view bytes) override {
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

void MailServer::tellSessions(const std::string& folder) {
    for (auto* session : sessions_) session->changed(folder);
}

void MailServer::endSessions() {
    const auto sessions = sessions_;
    for (auto* session : sessions)
        if (std::find(sessions_.begin(), sessions_.end(), session) != sessions_.end()) session->end();
}

std::unique_ptr<Peer> MailServer::accept() { return std::make_unique<ImapPeer>(*this); }

}  // namespace simulation
