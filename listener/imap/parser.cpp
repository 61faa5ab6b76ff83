#include "listener/imap/parser.h"

#include "listener/imap/date.h"
#include "listener/imap/lexer.h"
#include "plugin/contract/letters.h"

#include <algorithm>

namespace listener::imap {

namespace {

using Parsed = std::variant<Response, Unreadable>;

constexpr std::size_t wordLimit = 256;  ///< capabilities, flags, code arguments: real servers send up to 60

std::optional<Condition> conditionOf(std::string_view word) {
    static constexpr std::pair<std::string_view, Condition> table[] = {
        {"OK", Condition::ok}, {"NO", Condition::no}, {"BAD", Condition::bad}, {"BYE", Condition::bye}, {"PREAUTH", Condition::preauth}};
    for (const auto& [name, condition] : table)
        if (equalsIgnoreCase(word, name)) return condition;
    return std::nullopt;
}

// ---- status responses

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> out;
    while (out.size() < wordLimit) {
        const auto from = text.find_first_not_of(' ');
        if (from == std::string_view::npos) break;
        const auto end = std::min(text.find(' ', from), text.size());
        out.emplace_back(text.substr(from, end - from));
        text.remove_prefix(end);
    }
    return out;
}

UidSet setOrNothing(const std::vector<std::string>& arguments, std::size_t index) {
    if (index >= arguments.size()) return {};
    auto set = UidSet::parse(arguments[index]);
    return set ? std::move(*set) : UidSet{};
}

/// `text` begins behind "["; answers where the code ends ("]" outside quotes), npos if it does not.
std::size_t endOfCode(std::string_view text) {
    bool inQuotes = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && inQuotes) {
            ++i;
        } else if (text[i] == '"') {
            inQuotes = !inQuotes;
        } else if (text[i] == ']' && !inQuotes) {
            return i;
        }
    }
    return text.find(']');  // an odd number of quotes
}

ResponseCode parseCode(std::string_view text) {
    ResponseCode code;
    const auto space = std::min(text.find(' '), text.size());
    code.name = upperCase(text.substr(0, space));
    code.arguments = words(text.substr(space));
    if (!code.arguments.empty()) code.number = parseNumber(code.arguments.front());
    if (code.is("COPYUID")) {
        code.source = setOrNothing(code.arguments, 1);
        code.target = setOrNothing(code.arguments, 2);
    } else if (code.is("APPENDUID")) {
        code.target = setOrNothing(code.arguments, 1);
    } else if (code.is("CAPABILITY")) {
        for (auto& name : code.arguments) name = upperCase(name);
    }
    return code;
}

Status parseStatus(std::string_view tag, Condition condition, std::string_view text) {
    Status status;
    status.tag = tag;
    status.condition = condition;
    if (text.starts_with(' ')) text.remove_prefix(1);
    if (text.starts_with('[')) {
        const auto inside = text.substr(1);
        if (const auto end = endOfCode(inside); end != std::string_view::npos) {
            status.code = parseCode(inside.substr(0, end));
            text = inside.substr(end + 1);
            if (text.starts_with(' ')) text.remove_prefix(1);
        }
    }
    status.text = text;
    return status;
}

// ---- FETCH

/// "(" words ")"
std::optional<std::vector<std::string>> parseWordList(Lexer& lexer) {
    if (!lexer.take('(')) return std::nullopt;
    std::vector<std::string> out;
    for (;;) {
        lexer.skipSpaces();
        if (lexer.take(')')) return out;
        const auto word = lexer.atom();
        if (word.empty() || out.size() >= wordLimit) return std::nullopt;
        out.emplace_back(word);
    }
}

bool parseBody(Lexer& lexer, std::optional<Body>& into) {
    auto value = lexer.string();
    if (!value) return false;
    Body body;
    switch (value->kind) {
        case Lexer::String::Kind::nil:
            body.kind = Body::Kind::nil;
            break;
        case Lexer::String::Kind::text:
            body.kind = Body::Kind::inside;
            body.text = std::move(value->text);
            break;
        case Lexer::String::Kind::leftOut:
            body.kind = Body::Kind::apart;
            body.size = value->size;
            break;
    }
    if (!into || into->kind != Body::Kind::apart) into = std::move(body);
    return true;
}

bool parseFetchItem(Lexer& lexer, Fetch& fetch) {
    const auto name = lexer.atom();
    if (name.empty()) return false;
    lexer.skipSpaces();
    if (equalsIgnoreCase(name, "UID")) {
        fetch.uid = lexer.number();
        return fetch.uid && *fetch.uid > 0 && *fetch.uid <= 0xffff'ffff;
    }
    if (equalsIgnoreCase(name, "FLAGS")) {
        fetch.flags = parseWordList(lexer);
        return fetch.flags.has_value();
    }
    if (equalsIgnoreCase(name, "INTERNALDATE")) {
        const auto value = lexer.string();
        if (value && value->kind == Lexer::String::Kind::text) fetch.internalDate = parseInternalDate(value->text);
        return value.has_value();
    }
    if (equalsIgnoreCase(name, "RFC822.SIZE")) {
        fetch.size = lexer.number();
        return fetch.size || equalsIgnoreCase(lexer.atom(), "NIL");  // where the server cannot tell: no size, and no reason to end the session
    }
    if (equalsIgnoreCase(name, "BODY[]")) return parseBody(lexer, fetch.body);
    static constexpr std::string_view fields = "BODY[HEADER.FIELDS";
    if (equalsIgnoreCase(name.substr(0, fields.size()), fields)) return parseBody(lexer, fetch.fields);
    return lexer.skipValue();
}

Parsed parseFetch(std::uint64_t sequence, Lexer& lexer) {
    Fetch fetch;
    fetch.sequence = sequence;
    lexer.skipSpaces();
    if (!lexer.take('(')) return Unreadable{"FETCH without a list"};
    for (;;) {
        lexer.skipSpaces();
        if (lexer.take(')')) break;
        if (!parseFetchItem(lexer, fetch)) return Unreadable{"a FETCH item that cannot be read"};
    }
    lexer.skipSpaces();
    if (lexer.rest() != "\r\n") return Unreadable{"something behind a FETCH list"};
    return Response{std::move(fetch)};
}

// ---- the rest of untagged responses

Parsed parseSearch(Lexer& lexer) {
    std::vector<std::uint64_t> numbers;
    for (;;) {
        lexer.skipSpaces();
        if (lexer.rest() == "\r\n") break;
        if (lexer.peek() == '(') {  // RFC 7162: "(MODSEQ n)" at the end
            if (!lexer.skipValue()) return Unreadable{"a SEARCH answer that cannot be read"};
            continue;
        }
        const auto number = lexer.number();
        if (!number || *number == 0 || *number > 0xffff'ffff) return Unreadable{"a SEARCH answer with something else than numbers"};
        numbers.push_back(*number);
    }
    return Response{Search{UidSet{numbers}}};
}

Parsed parseEsearch(Lexer& lexer) {
    Esearch answer;
    lexer.skipSpaces();
    if (lexer.take('(')) {  // (TAG "A1")
        if (!equalsIgnoreCase(lexer.atom(), "TAG")) return Unreadable{"an ESEARCH answer without a tag"};
        lexer.skipSpaces();
        auto tag = lexer.string();
        if (!tag || !lexer.take(')')) return Unreadable{"an ESEARCH answer without a tag"};
        answer.tag = std::move(tag->text);
    }
    for (;;) {
        lexer.skipSpaces();
        if (lexer.rest() == "\r\n") return Response{std::move(answer)};
        const auto name = lexer.atom();
        if (equalsIgnoreCase(name, "UID")) {
            answer.uid = true;
            continue;
        }
        lexer.skipSpaces();
        if (equalsIgnoreCase(name, "ALL")) {
            auto set = UidSet::parse(lexer.atom());
            if (!set) return Unreadable{"an ESEARCH answer whose set cannot be read"};
            answer.all = std::move(*set);
            continue;
        }
        std::optional<std::uint64_t>* number = equalsIgnoreCase(name, "MIN")     ? &answer.min
                                               : equalsIgnoreCase(name, "MAX")   ? &answer.max
                                               : equalsIgnoreCase(name, "COUNT") ? &answer.count
                                                                                 : nullptr;
        if (number != nullptr) *number = lexer.number();
        if (number != nullptr ? !number->has_value() : (name.empty() || !lexer.skipValue()))
            return Unreadable{"an ESEARCH answer that cannot be read"};
    }
}

/// "/" in quotes, or NIL.
std::optional<std::optional<char>> parseDelimiter(Lexer& lexer) {
    const auto value = lexer.string();
    if (!value) return std::nullopt;
    if (value->kind != Lexer::String::Kind::text || value->text.size() != 1) return std::make_optional(std::optional<char>{});
    return std::optional<char>{value->text.front()};
}

std::optional<List> parseList(Lexer& lexer) {
    List list;
    lexer.skipSpaces();
    auto attributes = parseWordList(lexer);
    if (!attributes) return std::nullopt;
    list.attributes = std::move(*attributes);
    lexer.skipSpaces();
    const auto delimiter = parseDelimiter(lexer);
    if (!delimiter) return std::nullopt;
    list.delimiter = *delimiter;
    lexer.skipSpaces();
    auto name = lexer.string();
    if (!name) return std::nullopt;
    list.name = name->kind == Lexer::String::Kind::nil ? "NIL" : std::move(name->text);
    return list;
}

std::optional<MailboxStatus> parseMailboxStatus(Lexer& lexer) {
    MailboxStatus status;
    lexer.skipSpaces();
    auto name = lexer.string();
    if (!name) return std::nullopt;
    status.name = std::move(name->text);
    lexer.skipSpaces();
    if (!lexer.take('(')) return std::nullopt;
    for (;;) {
        lexer.skipSpaces();
        if (lexer.take(')')) return status;
        const auto item = lexer.atom();
        if (item.empty()) return std::nullopt;
        lexer.skipSpaces();
        std::optional<std::uint64_t>* number = equalsIgnoreCase(item, "MESSAGES")      ? &status.messages
                                               : equalsIgnoreCase(item, "UIDNEXT")     ? &status.uidNext
                                               : equalsIgnoreCase(item, "UIDVALIDITY") ? &status.uidValidity
                                                                                       : nullptr;
        if (number != nullptr)
            *number = lexer.number();
        else if (!lexer.skipValue())
            return std::nullopt;
    }
}

std::optional<Id> parseId(Lexer& lexer) {
    Id id;
    lexer.skipSpaces();
    if (!lexer.take('(')) return id;  // NIL
    for (;;) {
        lexer.skipSpaces();
        if (lexer.take(')')) return id;
        auto name = lexer.string();
        lexer.skipSpaces();
        auto value = name ? lexer.string() : std::nullopt;
        if (!value || id.fields.size() >= wordLimit) return std::nullopt;
        if (value->kind != Lexer::String::Kind::text) continue;
        id.fields.emplace_back(plugin::lowerCase(name->text), std::move(value->text));
    }
}

std::optional<std::vector<Namespace::Entry>> parseNamespaceEntries(Lexer& lexer) {
    std::vector<Namespace::Entry> entries;
    lexer.skipSpaces();
    if (!lexer.take('(')) return lexer.skipValue() ? std::optional{entries} : std::nullopt;  // NIL
    for (;;) {
        lexer.skipSpaces();
        if (lexer.take(')')) return entries;
        if (!lexer.take('(') || entries.size() >= wordLimit) return std::nullopt;
        auto prefix = lexer.string();
        lexer.skipSpaces();
        const auto delimiter = prefix ? parseDelimiter(lexer) : std::nullopt;
        if (!delimiter) return std::nullopt;
        entries.push_back({std::move(prefix->text), *delimiter});
        for (lexer.skipSpaces(); !lexer.take(')'); lexer.skipSpaces())  // extensions
            if (!lexer.skipValue()) return std::nullopt;
    }
}

std::optional<Namespace> parseNamespace(Lexer& lexer) {
    Namespace names;
    for (auto* entries : {&names.personal, &names.others, &names.shared}) {
        auto some = parseNamespaceEntries(lexer);
        if (!some) return std::nullopt;
        *entries = std::move(*some);
    }
    return names;
}

template <class T>
Parsed informs(std::optional<T> value, std::string_view name) {
    if (value) return Response{std::move(*value)};
    return Response{Other{upperCase(name)}};
}

Parsed parseNumbered(std::uint64_t number, Lexer& lexer) {
    lexer.skipSpaces();
    const auto name = lexer.atom();
    if (equalsIgnoreCase(name, "FETCH")) return parseFetch(number, lexer);
    if (equalsIgnoreCase(name, "EXISTS")) return Response{Exists{number}};
    if (equalsIgnoreCase(name, "EXPUNGE")) return Response{Expunge{number}};
    return Response{Other{upperCase(name)}};
}

Parsed parseUntagged(Lexer& lexer) {
    if (lexer.peek() >= '0' && lexer.peek() <= '9') {
        const auto number = lexer.number();
        if (!number) return Unreadable{"a number that is too large"};
        return parseNumbered(*number, lexer);
    }
    const auto name = lexer.atom();
    if (equalsIgnoreCase(name, "SEARCH")) return parseSearch(lexer);
    if (equalsIgnoreCase(name, "ESEARCH")) return parseEsearch(lexer);
    if (equalsIgnoreCase(name, "LIST")) return informs(parseList(lexer), name);
    if (equalsIgnoreCase(name, "STATUS")) return informs(parseMailboxStatus(lexer), name);
    if (equalsIgnoreCase(name, "ID")) return informs(parseId(lexer), name);
    if (equalsIgnoreCase(name, "NAMESPACE")) return informs(parseNamespace(lexer), name);
    if (equalsIgnoreCase(name, "CAPABILITY")) {
        auto line = lexer.rest();
        line.remove_suffix(2);
        CapabilityData data{words(line)};
        for (auto& word : data.names) word = upperCase(word);
        return Response{std::move(data)};
    }
    if (name.empty()) return Unreadable{"a response without a name"};
    return Response{Other{upperCase(name)}};
}

}  // namespace

Parsed parseResponse(std::string_view text, std::optional<std::size_t> bodyAt) {
    if (!text.ends_with("\r\n")) return Unreadable{"a response without its line end"};
    if (text.starts_with('+')) {
        auto rest = text.substr(1, text.size() - 3);
        if (rest.starts_with(' ')) rest.remove_prefix(1);
        return Response{Continuation{std::string{rest}}};
    }
    const auto space = text.find(' ');
    if (space == 0 || space == std::string_view::npos) return Unreadable{"a response without a tag"};
    const auto tag = text.substr(0, space);
    Lexer lexer{text, bodyAt, space + 1};
    if (const auto condition = conditionOf(lexer.atom())) {
        auto rest = lexer.rest();
        rest.remove_suffix(2);
        return Response{parseStatus(tag == "*" ? std::string_view{} : tag, *condition, rest)};
    }
    if (tag != "*") return Unreadable{"neither an untagged response nor an answer to a command"};
    Lexer untagged{text, bodyAt, space + 1};
    return parseUntagged(untagged);
}

}  // namespace listener::imap
