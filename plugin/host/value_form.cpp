#include "plugin/host/value_form.h"

#include "plugin/contract/letters.h"
#include "plugin/contract/text.h"
#include "plugin/host/nearest.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <utility>

namespace plugin::host {

namespace {

using Severity = Problem::Severity;

constexpr std::size_t longestShown = 60;
constexpr std::size_t longestHost = 253, longestLabel = 63;  // RFC 1035 section 2.3.4, without the root's dot

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool isHexadecimal(char c) { return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool all(std::string_view text, bool (*good)(char)) { return std::all_of(text.begin(), text.end(), good); }

void refuse(Judged& judged, std::string what, Code code = Code::configBadValue) {
    judged.usable = false;
    judged.complaints.push_back({Severity::error, code, std::move(what)});
}
void warn(Judged& judged, Code code, std::string what) { judged.complaints.push_back({Severity::warning, code, std::move(what)}); }

std::string oneOf(const std::vector<std::string>& choices) {
    std::string text;
    for (std::size_t i = 0; i < choices.size(); ++i) text += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
    return text;
}

/// Dotted decimal, four numbers of 0 to 255.
std::optional<std::array<int, 4>> ipv4(std::string_view text) {
    std::array<int, 4> numbers{};
    for (std::size_t i = 0; i < 4; ++i) {
        const auto end = text.find('.');
        if ((end == std::string_view::npos) != (i == 3)) return std::nullopt;
        const auto part = text.substr(0, end);
        if (part.empty() || part.size() > 3 || !all(part, isDigit)) return std::nullopt;
        for (const char c : part) numbers[i] = numbers[i] * 10 + (c - '0');
        if (numbers[i] > 255) return std::nullopt;
        text.remove_prefix(i == 3 ? text.size() : end + 1);
    }
    return numbers;
}

/// Groups of an IPv6 address (RFC 4291 section 2.2), at most one "::", perhaps an IPv4 address at the end.
bool isIpv6(std::string_view text) {
    const auto gap = text.find("::");
    if (gap != std::string_view::npos && text.find("::", gap + 1) != std::string_view::npos) return false;
    const auto groups = [](std::string_view part, bool last) -> int {
        int count = 0;
        while (!part.empty()) {
            const auto end = part.find(':');
            const auto group = part.substr(0, end);
            if (last && end == std::string_view::npos && group.find('.') != std::string_view::npos) return ipv4(group) ? count + 2 : -1;
            if (group.empty() || group.size() > 4 || !all(group, isHexadecimal)) return -1;
            ++count;
            if (end == std::string_view::npos) break;
            part.remove_prefix(end + 1);
            if (part.empty()) return -1;
        }
        return count;
    };
    if (gap == std::string_view::npos) return groups(text, true) == 8;
    const int before = groups(text.substr(0, gap), false), after = groups(text.substr(gap + 2), true);
    return before >= 0 && after >= 0 && before + after < 8;
}

}  // namespace

std::optional<std::string> badHost(std::string_view host) {
    if (host.find("://") != std::string_view::npos) return "is a URL; only the name or address of the host belongs here";
    if (std::count(host.begin(), host.end(), ':') > 1) {
        if (host.front() == '[' || !isIpv6(host)) return "is neither a host name nor an IPv6 address (written without brackets)";
        return std::nullopt;
    }
    if (host.find(':') != std::string_view::npos) return "holds a ':'; a port has its own key";
    if (host.find('@') != std::string_view::npos) return "is an e-mail address; only the name or address of the host belongs here";
    if (host.ends_with('.')) host.remove_suffix(1);
    if (host.empty() || host.size() > longestHost) return "is not a host name: 1 to 253 characters";
    bool numbersOnly = true;
    for (std::string_view rest = host;;) {
        const auto end = rest.find('.');
        const auto label = rest.substr(0, end);
        if (label.empty() || label.size() > longestLabel) return "is not a host name: between dots stand 1 to 63 characters";
        for (std::size_t i = 0; i < label.size(); ++i) {
            const char c = label[i];
            if (static_cast<unsigned char>(c) >= 0x80) return "is not in ASCII; write the name in its xn-- form";
            if (!isLetter(c) && !isDigit(c) && c != '-' && c != '_') return "is not a host name: it holds " + characterName(label.substr(i));
        }
        if (label.front() == '-' || label.back() == '-') return "is not a host name: a part of it begins or ends with '-'";
        numbersOnly = numbersOnly && all(label, isDigit);
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    if (numbersOnly && !ipv4(host)) return "is not an IPv4 address: four numbers of 0 to 255";
    return std::nullopt;
}

namespace {

/// RFC 3986, narrowed to what an endpoint needs. The text is never repeated: a URL may carry a key in its path or query.
void judgeUrl(Judged& judged, std::string_view url) {
    const auto scheme = lowerCase(url.substr(0, url.find("://")));
    if (url.find("://") == std::string_view::npos || (scheme != "https" && scheme != "http"))
        return refuse(judged, "not a URL that begins with https://");
    for (std::size_t i = 0; i < url.size(); ++i)
        if (const auto c = static_cast<unsigned char>(url[i]); c <= 0x20 || c >= 0x7F)
            return refuse(judged, "not a URL: it holds " + characterName(url.substr(i)) + "; write it percent-encoded");
    auto authority = url.substr(scheme.size() + 3);
    authority = authority.substr(0, authority.find_first_of("/?#"));
    if (authority.find('@') != std::string_view::npos) return refuse(judged, "the URL holds a user name or password; these have keys of their own");
    if (url.find('#') != std::string_view::npos) return refuse(judged, "the URL ends in a fragment (#...); an endpoint has none");
    std::string_view host = authority, port;
    bool hasPort = false;
    if (authority.starts_with('[')) {
        const auto end = authority.find(']');
        if (end == std::string_view::npos || !isIpv6(authority.substr(1, end - 1)))
            return refuse(judged, "the URL has no valid IPv6 address between [ and ]");
        host = authority.substr(1, end - 1);
        hasPort = end + 1 < authority.size();
        if (hasPort && authority[end + 1] != ':') return refuse(judged, "the URL has something other than a port after the ]");
        port = hasPort ? authority.substr(end + 2) : port;
    } else {
        const auto colon = authority.find(':');
        hasPort = colon != std::string_view::npos;
        host = authority.substr(0, colon);
        port = hasPort ? authority.substr(colon + 1) : port;
        if (const auto bad = badHost(host)) return refuse(judged, host.empty() ? "the URL has no host" : "the URL's host " + *bad);
    }
    const auto number = parseInteger(port);
    if (hasPort && (!all(port, isDigit) || !number || *number < 1 || *number > 65535)) return refuse(judged, "the URL's port is not 1 to 65535");
    if (scheme == "https") return;
    if (!isLoopback(host))
        return refuse(judged, "plain http to another machine, where anybody on the way can read it: write https://", Code::configPlainHttp);
    warn(judged, Code::configPlainHttp, "plain http, which is allowed to this machine only");
}

std::string absolutePath(std::string_view path, const std::string& workingDirectory) {
    return (std::filesystem::path(workingDirectory) / path).lexically_normal().string();
}

void judgePath(Judged& judged, const std::string& path, const std::string& workingDirectory) {
    if (path == "~" || path.starts_with("~/")) return refuse(judged, "the path begins with ~, which only a shell knows: write the whole path");
    judged.value = absolutePath(path, workingDirectory);
}

bool isVariableName(std::string_view name) {
    return !name.empty() && !isDigit(name.front()) && all(name, [](char c) { return isLetter(c) || isDigit(c) || c == '_'; });
}

/// As systemd lets credentials be called.
bool isFileName(std::string_view name) {
    return !name.empty() && name != "." && name != ".." &&
           all(name, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '/'; });
}

/// RFC 4648 section 4, padded. Whether it can be opened shows when it is.
bool isBase64(std::string_view text) {
    const auto padding = std::min(text.size(), text.find('='));
    const bool fine = all(text.substr(0, padding), [](char c) { return isLetter(c) || isDigit(c) || c == '+' || c == '/'; });
    return fine && !text.empty() && text.size() % 4 == 0 && text.size() - padding <= 2 && all(text.substr(padding), [](char c) { return c == '='; });
}

void judgeSecret(Judged& judged, const std::string& value, const std::string& workingDirectory) {
    const auto source = secretSource(value);
    if (!source) return warn(judged, Code::configLiteralSecret, "a secret in clear: move it to a file and write ${file:/path}, or ${env:NAME}");
    const auto& [kind, argument] = *source;
    if (kind == "sealed") {
        if (!isBase64(argument)) refuse(judged, "${sealed:...} is not what `postern seal` writes", Code::configSecretSource);
    } else if (kind == "file") {
        if (argument.empty()) return refuse(judged, "${file:...} names no path", Code::configSecretSource);
        if (argument == "~" || argument.starts_with("~/"))
            return refuse(judged, "${file:...} begins with ~, which only a shell knows: write the whole path", Code::configSecretSource);
        judged.value = "${file:" + absolutePath(argument, workingDirectory) + "}";
    } else if (kind == "env") {
        if (!isVariableName(argument))
            refuse(judged, "${env:...} names no environment variable: letters, digits and _, no digit first", Code::configSecretSource);
    } else if (kind == "credential") {
        if (!isFileName(argument)) refuse(judged, "${credential:...} names no plain file name", Code::configSecretSource);
    } else if (kind == "command") {
        if (!parseCommand(argument))
            refuse(judged, "${command:...} begins with the absolute path of a program, and each quote in it is closed", Code::configSecretSource);
    } else {
        refuse(judged,
               "no source of secrets this program knows: ${file:/path}, ${env:NAME}, ${credential:name}, ${command:/program} or ${sealed:...}; a "
               "literal that begins with ${ is written $${",
               Code::configSecretSource);
    }
}

/// A planned value ends with ":" where it stands for all that begin with it ("postgresql:").
const std::string* plannedValue(const Key& key, std::string_view value) {
    const auto found = std::find_if(key.later.begin(), key.later.end(),
                                    [&](const std::string& later) { return value == later || (later.ends_with(':') && value.starts_with(later)); });
    return found == key.later.end() ? nullptr : &*found;
}

void judgeChoice(Judged& judged, const Key& key, const std::string& value) {
    if (std::find(key.choices.begin(), key.choices.end(), value) != key.choices.end()) return;
    const auto meant = nearest(value, key.choices);
    refuse(judged, shown(value) + " is not " + oneOf(key.choices) + (meant.empty() || key.choices.size() < 3 ? "" : "; did you mean " + meant + "?"));
}

bool outside(const Key& key, std::int64_t value, std::int64_t factor) {
    return (key.minimum != 0 || key.maximum != 0) && (value < key.minimum * factor || value > key.maximum * factor);
}

void judgeInteger(Judged& judged, const Key& key, const std::string& value) {
    const auto number = parseInteger(value);
    const auto range = std::to_string(key.minimum) + " to " + std::to_string(key.maximum);
    const bool limited = key.minimum != 0 || key.maximum != 0;
    if (!number)
        refuse(judged, shown(value) + " is not a whole number" + (limited ? " of " + range : ""));
    else if (outside(key, *number, 1))
        refuse(judged, shown(value) + " is outside " + range);
}

void judgeDuration(Judged& judged, const Key& key, const std::string& value) {
    const auto duration = parseDuration(value);
    if (!duration)
        refuse(judged, shown(value) + (all(value, isDigit) ? " has no unit: write " + value + "s for seconds" : " is not a duration") +
                           " (a whole number and ms, s, m, h or d: 30s, 5m, 2h, 7d)");
    else if (outside(key, duration->count(), 1000))
        refuse(judged, shown(value) + " is outside " + std::to_string(key.minimum) + "s to " + std::to_string(key.maximum) + "s");
}

void judgeSize(Judged& judged, const std::string& value) {
    const auto size = parseSize(value);
    if (size && *size == 0) refuse(judged, shown(value) + " lets nothing through; leave the line out for no limit of your own");
    if (!size)
        refuse(judged, shown(value) + (all(value, isDigit) ? " has no unit" : " is not a size") +
                           " (a whole number and B, kB, MB, GB for powers of 1000, or KiB, MiB, GiB for those of 1024: 10MB)");
}

bool isSourceKind(std::string_view kind) { return kind == "file" || kind == "env" || kind == "credential" || kind == "command" || kind == "sealed"; }

void judgeType(Judged& judged, const Key& key, const std::string& value, const std::string& workingDirectory) {
    switch (key.type) {
        case KeyType::text:
        case KeyType::list:
        case KeyType::words:
            if (const auto source = secretSource(value); source && isSourceKind(source->kind))
                warn(judged, Code::configSecretSource,
                     "${" + std::string(source->kind) + ":...} is read for secrets only; here it is text as it stands");
            return;
        case KeyType::boolean:
            if (!parseBoolean(value)) refuse(judged, shown(value) + " is neither true nor false");
            return;
        case KeyType::integer:
            return judgeInteger(judged, key, value);
        case KeyType::duration:
            return judgeDuration(judged, key, value);
        case KeyType::size:
            return judgeSize(judged, value);
        case KeyType::url:
            return judgeUrl(judged, value);
        case KeyType::host:
            if (const auto bad = badHost(value)) refuse(judged, shown(value) + " " + *bad);
            return;
        case KeyType::path:
            return judgePath(judged, value, workingDirectory);
        case KeyType::choice:
            return judgeChoice(judged, key, value);
        case KeyType::secret:
            return judgeSecret(judged, value, workingDirectory);
        case KeyType::maybeSecret:
            if (secretSource(value)) judgeSecret(judged, value, workingDirectory);
            return;
    }
}

bool mayBeEmpty(KeyType type) { return type == KeyType::text || type == KeyType::list || type == KeyType::words || type == KeyType::maybeSecret; }

}  // namespace

Judged judge(const Key& key, const std::string& value, const std::string& workingDirectory) {
    Judged judged;
    judged.value = value;
    if (const auto* later = plannedValue(key, value)) {
        const auto now = key.choices.empty() ? "" : "; this version knows " + oneOf(key.choices);
        refuse(judged, "\"" + *later + "\" is not in this version" + now, Code::configNotInThisVersion);
        return judged;
    }
    if (value.empty()) {
        if (!mayBeEmpty(key.type)) refuse(judged, "no value: give one or remove the line");
        if (!mayBeEmpty(key.type)) return judged;
    }
    judgeType(judged, key, value, workingDirectory);
    if (judged.usable && key.form)
        if (auto bad = key.form(value)) refuse(judged, std::move(*bad));
    return judged;
}

std::optional<SecretSource> secretSource(std::string_view value) {
    if (!value.starts_with("${")) return std::nullopt;
    int open = 0;
    for (std::size_t i = 1; i < value.size(); ++i) {
        if (value[i] == '{') ++open;
        if (value[i] == '}' && --open == 0) {
            if (i + 1 != value.size()) return std::nullopt;
            break;
        }
    }
    if (open != 0) return std::nullopt;
    const auto inner = value.substr(2, value.size() - 3);
    const auto colon = inner.find(':');
    if (colon == std::string_view::npos) return SecretSource{{}, inner};
    return SecretSource{inner.substr(0, colon), inner.substr(colon + 1)};
}

std::string shown(std::string_view text) {
    if (text.find("://") != std::string_view::npos || text.starts_with("${")) return "the value";
    if (text.size() <= longestShown) return "\"" + std::string(text) + "\"";
    auto end = longestShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not inside a character
    return "\"" + std::string(text.substr(0, end)) + "...\"";
}

std::string characterName(std::string_view text) {
    const auto byte = static_cast<unsigned char>(text.front());
    if (byte == ' ') return "a blank";
    if (byte < 0x20 || byte == 0x7F) {
        std::array<char, 8> code{};
        std::snprintf(code.data(), code.size(), "0x%02X", byte);
        return "the control character " + std::string(code.data());
    }
    return "'" + std::string(text.substr(0, std::max<std::size_t>(1, utf8Length(text)))) + "'";
}

}  // namespace plugin::host
