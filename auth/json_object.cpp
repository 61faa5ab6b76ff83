#include "auth/json_object.h"

#include <charconv>

namespace auth {

namespace {

/// Walks over one JSON text. Every member answers false when the text is not JSON; the walk is then over.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    bool members(std::vector<JsonObject::Member>& into) {
        blanks();
        if (!take('{')) return false;
        blanks();
        if (take('}')) return atEnd();
        do {
            if (into.size() == JsonObject::maxMembers) return false;
            JsonObject::Member member;
            SecretBuilder name;
            blanks();
            if (!string(&name)) return false;
            const auto nameRead = name.finish();
            member.name = nameRead.reveal();
            blanks();
            if (!take(':')) return false;
            if (!memberValue(member)) return false;
            into.push_back(std::move(member));
            blanks();
        } while (take(','));
        return take('}') && atEnd();
    }

private:
    bool memberValue(JsonObject::Member& member) {
        blanks();
        member.kind = kind();
        if (member.kind == JsonObject::Kind::string) {
            SecretBuilder text;
            if (!string(&text)) return false;
            member.text = text.finish();
            return true;
        }
        const auto before = rest_;
        if (!value(1)) return false;
        member.text = Secret(before.substr(0, before.size() - rest_.size()));
        return true;
    }

    JsonObject::Kind kind() const {
        switch (rest_.empty() ? '\0' : rest_.front()) {
            case '"':
                return JsonObject::Kind::string;
            case '{':
                return JsonObject::Kind::object;
            case '[':
                return JsonObject::Kind::array;
            case 't':
            case 'f':
                return JsonObject::Kind::boolean;
            case 'n':
                return JsonObject::Kind::null;
            default:
                return JsonObject::Kind::number;
        }
    }

    bool value(unsigned depth) {
        blanks();
        switch (kind()) {
            case JsonObject::Kind::string:
                return string(nullptr);
            case JsonObject::Kind::object:
            case JsonObject::Kind::array:
                return container(depth);
            case JsonObject::Kind::boolean:
                return word("true") || word("false");
            case JsonObject::Kind::null:
                return word("null");
            case JsonObject::Kind::number:
                break;
        }
        return number();
    }

    bool container(unsigned depth) {
        if (depth >= JsonObject::maxDepth) return false;
        const bool object = rest_.front() == '{';
        const char close = object ? '}' : ']';
        rest_.remove_prefix(1);
        blanks();
        if (take(close)) return true;
        do {
            blanks();
            if (object) {
                if (!string(nullptr)) return false;
                blanks();
                if (!take(':')) return false;
            }
            if (!value(depth + 1)) return false;
            blanks();
        } while (take(','));
        return take(close);
    }

    bool number() {
        take('-');
        if (!take('0') && !digits()) return false;
        if (take('.') && !digits()) return false;
        if (take('e') || take('E')) {
            if (!take('+')) take('-');
            if (!digits()) return false;
        }
        return true;
    }

    bool digits() {
        const auto count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        rest_.remove_prefix(count);
        return count > 0;
    }

    bool string(SecretBuilder* into) {
        if (!take('"')) return false;
        while (!rest_.empty()) {
            const char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') return true;
            if (static_cast<unsigned char>(c) < 0x20) return false;
            if (c == '\\') {
                if (!escape(into)) return false;
            } else if (into != nullptr) {
                into->add(c);
            }
        }
        return false;
    }

    bool escape(SecretBuilder* into) {
        if (rest_.empty()) return false;
        const char c = rest_.front();
        rest_.remove_prefix(1);
        if (c == 'u') return unicode(into);
        constexpr std::string_view names = "\"\\/bfnrt", octets = "\"\\/\b\f\n\r\t";
        const auto which = names.find(c);
        if (which == std::string_view::npos) return false;
        if (into != nullptr) into->add(octets[which]);
        return true;
    }

    bool unicode(SecretBuilder* into) {
        auto code = hex();
        if (!code || (*code >= 0xdc00 && *code < 0xe000)) return false;
        if (*code >= 0xd800 && *code < 0xdc00) {  // the first half of a pair
            if (!take('\\') || !take('u')) return false;
            const auto second = hex();
            if (!second || *second < 0xdc00 || *second >= 0xe000) return false;
            code = 0x10000 + ((*code - 0xd800) << 10) + (*second - 0xdc00);
        }
        if (into != nullptr) utf8(*code, *into);
        return true;
    }

    static void utf8(std::uint32_t code, SecretBuilder& into) {
        const auto following = [&](unsigned shift) { into.add(static_cast<char>(0x80 | (code >> shift & 63))); };
        if (code < 0x80) {
            into.add(static_cast<char>(code));
        } else if (code < 0x800) {
            into.add(static_cast<char>(0xc0 | code >> 6));
            following(0);
        } else if (code < 0x10000) {
            into.add(static_cast<char>(0xe0 | code >> 12));
            following(6);
            following(0);
        } else {
            into.add(static_cast<char>(0xf0 | code >> 18));
            following(12);
            following(6);
            following(0);
        }
    }

    std::optional<std::uint32_t> hex() {
        if (rest_.size() < 4) return std::nullopt;
        std::uint32_t code = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
        if (error != std::errc{} || end != rest_.data() + 4) return std::nullopt;
        rest_.remove_prefix(4);
        return code;
    }

    bool word(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    bool take(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())); }
    bool atEnd() {
        blanks();
        return rest_.empty();
    }

    std::string_view rest_;
};

}  // namespace

std::optional<JsonObject> JsonObject::parse(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    JsonObject object;
    if (!Reader(text).members(object.members_)) return std::nullopt;
    return object;
}

const JsonObject::Member* JsonObject::find(std::string_view name) const {
    for (auto member = members_.rbegin(); member != members_.rend(); ++member)
        if (member->name == name) return &*member;
    return nullptr;
}

std::optional<std::string_view> JsonObject::string(std::string_view name) const {
    const auto* member = find(name);
    if (member == nullptr || member->kind != Kind::string) return std::nullopt;
    return member->text.reveal();
}

std::optional<std::int64_t> JsonObject::integer(std::string_view name) const {
    const auto* member = find(name);
    if (member == nullptr || (member->kind != Kind::string && member->kind != Kind::number)) return std::nullopt;
    auto text = member->text.reveal();
    if (const auto point = text.find('.'); point != std::string_view::npos && text.find_first_not_of('0', point + 1) == std::string_view::npos)
        text = text.substr(0, point);
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return number;
}

}  // namespace auth
