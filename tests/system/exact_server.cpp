#include "tests/system/exact_server.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>

namespace systemtest {

namespace {

constexpr const char* capabilities = "IMAP4rev1 SASL-IR ID NAMESPACE UIDPLUS MOVE ESEARCH LITERAL+ AUTH=PLAIN";
/// AUTHENTICATE PLAIN of user and password above, RFC 4616, in Base64.
constexpr const char* plainResponse = "AGV4YWN0QGV4YW1wbGUudGVzdABleGFjdCBwYXNzd29yZA==";

/// "3,5:9,12:*": pairs of bounds; empty: not a set.
std::vector<std::pair<std::size_t, std::size_t>> ranges(const std::string& text, std::size_t highest) {
    std::vector<std::pair<std::size_t, std::size_t>> all;
    std::istringstream pieces{text};
    for (std::string piece; std::getline(pieces, piece, ',');) {
        const auto colon = piece.find(':');
        const auto bound = [highest](const std::string& word) -> std::size_t {
            if (word == "*") return highest;
            if (word.empty() || word.find_first_not_of("0123456789") != std::string::npos) return 0;
            return std::stoul(word);
        };
        const auto first = bound(piece.substr(0, colon)), last = colon == std::string::npos ? first : bound(piece.substr(colon + 1));
        if (first == 0 || last == 0) return {};
        all.emplace_back(std::min(first, last), std::max(first, last));
    }
    return all;
}

bool mayBeQuoted(const std::string& mail) {
    return mail.size() < 200 &&
           std::all_of(mail.begin(), mail.end(), [](char c) { return c != '\0' && c != '\r' && c != '\n' && static_cast<signed char>(c) > 0; });
}

std::string quoted(const std::string& mail) {
    std::string text = "\"";
    for (const char c : mail) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + "\"";
}

}  // namespace

class ExactServer::Session {
public:
    Session(ExactServer& server, Stream& stream) : server_(server), stream_(stream) {}

    void run() {
        stream_.write("* OK [CAPABILITY " + std::string{capabilities} + "] exact\r\n");
        for (auto line = stream_.readLine(); !line.empty(); line = stream_.readLine()) {
            std::istringstream words{line};
            std::string tag, name;
            words >> tag >> name;
            std::string rest;
            std::getline(words >> std::ws, rest);
            if (name == "LOGOUT") return stream_.write("* BYE bye\r\n" + tag + " OK done\r\n");
            answer(tag, name, rest);
        }
    }

private:
    void answer(const std::string& tag, const std::string& name, const std::string& rest) {
        const auto ok = [&](const std::string& untagged) { stream_.write(untagged + tag + " OK done\r\n"); };
        if (name == "CAPABILITY") return ok("* CAPABILITY " + std::string{capabilities} + "\r\n");
        if (name == "NOOP") return ok("");
        if (name == "ID") return ok("* ID (\"name\" \"exact\")\r\n");
        if (name == "NAMESPACE") return ok("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
        if (name == "AUTHENTICATE" && !signedIn_ && rest == std::string{"PLAIN "} + plainResponse) {
            signedIn_ = true;
            return stream_.write(tag + " OK [CAPABILITY " + capabilities + "] signed in\r\n");
        }
        if (!signedIn_) return refuse(tag, name + " " + rest);
        if (name == "LIST") return ok("* LIST (\\HasNoChildren) \"/\" INBOX\r\n");
        const auto highest = server_.mails_.size();
        if ((name == "SELECT" || name == "EXAMINE") && (rest == "INBOX" || rest == "\"INBOX\"")) {
            selected_ = true;
            return stream_.write("* FLAGS (\\Seen \\Deleted)\r\n* " + std::to_string(highest) + " EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY " +
                                 std::to_string(validity()) + "] x\r\n* OK [UIDNEXT " + std::to_string(highest + 1) + "] x\r\n" + tag +
                                 " OK [READ-WRITE] done\r\n");
        }
        if (name != "UID" || !selected_) return refuse(tag, name + " " + rest);
        std::istringstream words{rest};
        std::string verb, set, items;
        words >> verb;
        if (verb == "SEARCH" && rest.rfind("SEARCH RETURN (ALL) UID ", 0) == 0) return search(tag, rest.substr(24));
        words >> set;
        std::getline(words >> std::ws, items);
        if (verb == "FETCH") return fetch(tag, set, items);
        refuse(tag, name + " " + rest);
    }

    void refuse(const std::string& tag, const std::string& line) {
        server_.violation(line);
        stream_.write(tag + " BAD " + line.substr(0, 60) + "\r\n");
    }

    void search(const std::string& tag, const std::string& set) {
        const auto highest = server_.mails_.size();
        std::string found;
        const auto wanted = ranges(set, highest);
        if (wanted.empty()) return refuse(tag, "SEARCH UID " + set);
        for (const auto& [first, last] : wanted)
            if (first <= highest) found += (found.empty() ? "" : ",") + std::to_string(first) + ":" + std::to_string(std::min(last, highest));
        stream_.write("* ESEARCH (TAG \"" + tag + "\") UID" + (found.empty() ? "" : " ALL " + found) + "\r\n" + tag + " OK done\r\n");
    }

    void fetch(const std::string& tag, const std::string& set, const std::string& items) {
        const bool sizes = items == "(UID RFC822.SIZE)", whole = items == "(UID INTERNALDATE FLAGS BODY.PEEK[])";
        const auto wanted = ranges(set, server_.mails_.size());
        if ((!sizes && !whole) || wanted.empty()) return refuse(tag, "FETCH " + set + " " + items);
        for (const auto& [first, last] : wanted)
            for (auto uid = first; uid <= last && uid <= server_.mails_.size(); ++uid) one(uid, whole);
        stream_.write(tag + " OK done\r\n");
    }

    /// The items come in another order each time, among news of other clients; what may be a quoted string is one now and then.
    void one(std::size_t uid, bool whole) {
        const auto& mail = server_.mails_[uid - 1];
        const auto begin = "* " + std::to_string(uid) + " FETCH (";
        const auto number = "UID " + std::to_string(uid);
        if (!whole) return stream_.write(begin + number + " RFC822.SIZE " + std::to_string(mail.size()) + ")\r\n");
        const std::string more{"FLAGS () INTERNALDATE \"22-Nov-2026 12:00:00 +0000\""};
        if (uid % 7 == 0)
            stream_.write("* " + std::to_string(server_.mails_.size()) + " EXISTS\r\n* " + std::to_string(uid) + " FETCH (FLAGS (\\Seen) " + number +
                          ")\r\n");
        stream_.write(begin + (uid % 2 == 0 ? number + " " + more + " " : uid % 3 == 0 ? number + " " : ""));
        if (uid % 5 == 0 && mayBeQuoted(mail)) {
            stream_.write("BODY[] " + quoted(mail));
        } else {
            stream_.write("BODY[] {" + std::to_string(mail.size()) + "}\r\n");
            for (std::string_view left = mail; !left.empty();) {  // in pieces of all sizes
                pieceSize_ = pieceSize_ * 31 % 65'521;
                const auto piece = left.substr(0, uid % 4 == 0 ? 1 + pieceSize_ : 1 << 20);
                stream_.write(piece);
                left.remove_prefix(piece.size());
            }
        }
        stream_.write((uid % 2 == 0 ? "" : uid % 3 == 0 ? " " + more : " " + more + " " + number) + ")\r\n");
    }

    ExactServer& server_;
    Stream& stream_;
    bool signedIn_ = false, selected_ = false;
    std::size_t pieceSize_ = 17;
};

ExactServer::ExactServer(const std::vector<std::string>& mails) : mails_(mails), server_({}, [this](Stream& stream) { serve(stream); }) {}

void ExactServer::serve(Stream& stream) { Session{*this, stream}.run(); }

void ExactServer::violation(const std::string& what) {
    const std::lock_guard lock(mutex_);
    violations_.push_back(what.substr(0, 200));
}

std::vector<std::string> ExactServer::violations() const {
    const std::lock_guard lock(mutex_);
    return violations_;
}

}  // namespace systemtest
