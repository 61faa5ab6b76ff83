#pragma once

#include "listener/imap/uid_set.h"
#include "plugin/contract/clock.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// What a server says, as values.
namespace listener::imap {

enum class Condition { ok, no, bad, bye, preauth };

/// "[NAME arguments]" in a status response (RFC 9051 section 7.1, RFC 5530). Loose: what cannot be read of the arguments is left out.
struct ResponseCode {
    std::string name{};                     ///< upper case: "UIDNEXT", "TRYCREATE" …; "" = none
    std::vector<std::string> arguments{};   ///< words as sent, up to 256
    std::optional<std::uint64_t> number{};  ///< the first argument where it is a number
    UidSet source{}, target{};              ///< COPYUID; APPENDUID: only `target`. Exchange leaves them out ("[COPYUID 14  ]")
    bool is(std::string_view other) const { return name == other; }
};

struct Status {
    std::string tag{};  ///< "" = untagged
    Condition condition = Condition::ok;
    ResponseCode code{};
    std::string text{};  ///< as sent, without the code
};

struct Continuation {
    std::string text{};
};
struct CapabilityData {
    std::vector<std::string> names{};  ///< upper case
};
struct Exists {
    std::uint64_t count = 0;
};
struct Expunge {
    std::uint64_t sequence = 0;
};

/// The body of a message within a FETCH.
struct Body {
    enum class Kind { nil, inside, apart };
    Kind kind = Kind::nil;
    std::string text{};      ///< Kind::inside
    std::uint64_t size = 0;  ///< Kind::apart: so many octets went to whoever streamed them
};
/// Items we do not know are skipped. RFC822.SIZE is no measure of the octets to come: Exchange estimates it.
struct Fetch {
    std::uint64_t sequence = 0;
    std::optional<std::uint64_t> uid{};
    std::optional<std::vector<std::string>> flags{};
    std::optional<plugin::Wall> internalDate{};  ///< none: not sent, or not a date
    std::optional<std::uint64_t> size{};         ///< none: not sent, or NIL
    std::optional<Body> body{};
    std::optional<Body> fields{};  ///< BODY[HEADER.FIELDS (...)]: of the head what was asked for
};
struct Search {
    UidSet found{};
};
/// RFC 4731, RFC 9051 section 7.3.4.
struct Esearch {
    std::string tag{};  ///< of the command it answers
    bool uid = false;
    std::optional<std::uint64_t> min{}, max{}, count{};
    UidSet all{};
};
struct List {
    std::vector<std::string> attributes{};  ///< as sent, with "\"
    std::optional<char> delimiter{};        ///< none: NIL, no hierarchy
    std::string name{};                     ///< as sent
};
struct MailboxStatus {
    std::string name{};  ///< as sent
    std::optional<std::uint64_t> messages{}, uidNext{}, uidValidity{};
};
struct Id {
    std::vector<std::pair<std::string, std::string>> fields{};  ///< names in lower case; fields without a value are left out
};
struct Namespace {
    struct Entry {
        std::string prefix{};
        std::optional<char> delimiter{};
    };
    std::vector<Entry> personal{}, others{}, shared{};
};
/// Valid, but nothing we act on: FLAGS, RECENT, VANISHED, extensions to come.
struct Other {
    std::string name{};  ///< upper case
};

using Response =
    std::variant<Status, Continuation, CapabilityData, Exists, Expunge, Fetch, Search, Esearch, List, MailboxStatus, Id, Namespace, Other>;

}  // namespace listener::imap
