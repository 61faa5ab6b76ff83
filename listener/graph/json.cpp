#include "listener/graph/json.h"

#include "plugin/contract/text.h"

#include <algorithm>
#include <charconv>

namespace listener::graph {

/// Walks over one JSON text. Every member answers false when the text is not JSON; the walk is then over.
class JsonReader {
public:
    explicit JsonReader(std::string_view text) : rest_(text) {}

    bool whole(Json& into) {
        if (!value(into, 1)) return false;
        blanks();
        return rest_.empty();
    }

private:
    bool value(Json& into, unsigned depth) {
        if (++values_ > Json::maxValues) return false;
        blanks();
        switch (rest_.empty() ? '\0' : rest_.front()) {
            case '"':
                into.kind_ = Json::Kind::string;
                return string(into.text_);
            case '{':
            case '[':
                return depth < Json::maxDepth && container(into, depth);
            case 't':
                return word("true", Json::Kind::boolean, into);
            case 'f':
                return word("false", Json::Kind::boolean, into);
            case 'n':
                return word("null", Json::Kind::null, into);
            default:
                return number(into);
        }
    }

    bool container(Json& into, unsigned depth) {
        const bool object = rest_.front() == '{';
        const char close = object ? '}' : ']';
        into.kind_ = object ? Json::Kind::object : Json::Kind::array;
        rest_.remove_prefix(1);
        blanks();
        if (take(close)) return true;
        do {
            blanks();
            if (object) {
                if (!string(into.names_.emplace_back())) return false;
                blanks();
                if (!take(':')) return false;
            }
            if (!value(into.items_.emplace_back(), depth + 1)) return false;
            blanks();
        } while (take(','));
        return take(close);
    }

    bool number(Json& into) {
        const auto before = rest_;
        take('-');
        if (!take('0') && !digits()) return false;
        if (take('.') && !digits()) return false;
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            if (!digits()) return false;
        }
        into.kind_ = Json::Kind::number;
        into.text_ = before.substr(0, before.size() - rest_.size());
        return true;
    }

    bool digits() {
        const auto count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        rest_.remove_prefix(count);
        return count > 0;
    }

    bool string(std::string& into) {
        if (!take('"')) return false;
        for (;;) {
            const auto plain = std::min(rest_.find_first_of("\"\\"), rest_.size());
            const auto piece = rest_.substr(0, plain);
            if (std::any_of(piece.begin(), piece.end(), [](unsigned char c) { return c < 0x20; })) return false;
            into += piece;
            rest_.remove_prefix(plain);
            if (take('"')) return true;
            if (!take('\\') || !escape(into)) return false;
        }
    }

    bool escape(std::string& into) {
        if (rest_.empty()) return false;
        const char c = rest_.front();
        rest_.remove_prefix(1);
        static constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
        if (const auto at = letters.find(c); at != std::string_view::npos) {
            into += meant[at];
            return true;
        }
        if (c != 'u') return false;
        auto code = hex();
        if (!code) return false;
        if (*code >= 0xd800 && *code < 0xdc00 && rest_.starts_with("\\u")) {
            const auto before = rest_;
            rest_.remove_prefix(2);
            const auto low = hex();
            if (!low) return false;
            if (*low >= 0xdc00 && *low < 0xe000)
                code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
            else
                rest_ = before;
        }
        append(into, *code >= 0xd800 && *code < 0xe000 ? 0xfffd : *code);
        return true;
    }

    std::optional<std::uint32_t> hex() {
        std::uint32_t code = 0;
        if (rest_.size() < 4) return std::nullopt;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
        if (error != std::errc{} || end != rest_.data() + 4) return std::nullopt;
        rest_.remove_prefix(4);
        return code;
    }

    static void append(std::string& into, std::uint32_t code) {
        const auto add = [&into](std::uint32_t octet) { into += static_cast<char>(static_cast<unsigned char>(octet)); };
        const auto follow = [&add, code](unsigned shift) { add(0x80 | (code >> shift & 0x3f)); };
        if (code < 0x80) return add(code);
        if (code < 0x800) return add(0xc0 | code >> 6), follow(0);
        if (code < 0x10000) return add(0xe0 | code >> 12), follow(6), follow(0);
        add(0xf0 | code >> 18), follow(12), follow(6), follow(0);
    }

    bool word(std::string_view text, Json::Kind kind, Json& into) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        into.kind_ = kind;
        if (kind == Json::Kind::boolean) into.text_ = text;
        return true;
    }
    bool take(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }

    std::string_view rest_;
    std::size_t values_ = 0;
};

std::optional<Json> Json::parse(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    Json json;
    if (!plugin::isUtf8(text) || !JsonReader(text).whole(json)) return std::nullopt;
    return json;
}

const Json* Json::find(std::string_view name) const {
    for (auto i = names_.size(); i-- > 0;)
        if (names_[i] == name) return &items_[i];
    return nullptr;
}

std::optional<std::string_view> Json::string(std::string_view name) const {
    const auto* member = find(name);
    if (member == nullptr || member->kind_ != Kind::string) return std::nullopt;
    return member->text_;
}

std::optional<bool> Json::boolean(std::string_view name) const {
    const auto* member = find(name);
    if (member == nullptr || (member->kind_ != Kind::boolean && member->kind_ != Kind::string)) return std::nullopt;
    if (member->text_ == "true" || member->text_ == "True") return true;
    if (member->text_ == "false" || member->text_ == "False") return false;
    return std::nullopt;
}

std::optional<std::uint64_t> Json::number(std::string_view name) const {
    const auto* member = find(name);
    if (member == nullptr || member->kind_ != Kind::number) return std::nullopt;
    std::uint64_t number = 0;
    const auto* const end = member->text_.data() + member->text_.size();
    const auto read = std::from_chars(member->text_.data(), end, number);
    if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
    return number;
}

}  // namespace listener::graph
