#include "auth/channel/http_parser.h"

#include "plugin/contract/letters.h"

#include <algorithm>
#include <charconv>

namespace auth {

namespace {

// Of a chunk's size line with its extensions: nobody uses those, and the line counts against no other limit.
constexpr std::size_t maxChunkLine = 1024;

bool digit(char c) { return c >= '0' && c <= '9'; }

/// RFC 9110 section 5.6.2
bool tokenCharacter(char c) {
    return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

/// Text of a line: visible, blank, or beyond ASCII (RFC 9110 section 5.5).
bool textCharacter(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

std::string_view withoutBlanks(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// All of the text is a number of this base that fits.
std::optional<std::uint64_t> number(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// One of the words of a list field.
bool lists(std::string_view value, std::string_view word) {
    while (!value.empty()) {
        const auto comma = std::min(value.find(','), value.size());
        if (plugin::equalsIgnoreCase(withoutBlanks(value.substr(0, comma)), word)) return true;
        value.remove_prefix(std::min(comma + 1, value.size()));
    }
    return false;
}

}  // namespace

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const {
    for (const auto& [each, value] : fields_)
        if (plugin::equalsIgnoreCase(each, name)) return value;
    return std::nullopt;
}

std::vector<std::string_view> HttpHeaders::all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [each, value] : fields_)
        if (plugin::equalsIgnoreCase(each, name)) values.push_back(value);
    return values;
}

void HttpParser::refuse(std::string_view why) {
    phase_ = Phase::malformed;
    why_ = why;
}

void HttpParser::finish(bool keepAlive) {
    phase_ = Phase::done;
    keepAlive_ = keepAlive;
}

HttpParser::Fed HttpParser::feed(std::string_view input) {
    if (input.empty() || phase_ == Phase::done || phase_ == Phase::malformed) return {};
    if (expect_ == Expect::untilEnd) {
        bodyBytes_ += input.size();
        if (bodyBytes_ > limits_.body) return refuse("the body is longer than any we accept"), Fed{input.size()};
        return {input.size(), input};
    }
    if (expect_ == Expect::exactly || expect_ == Expect::chunkData) {
        const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
        left_ -= taken;
        if (left_ == 0 && expect_ == Expect::exactly) finish(keepAlive_);
        if (left_ == 0 && expect_ == Expect::chunkData) expect_ = Expect::chunkEnd;
        return {taken, input.substr(0, taken)};
    }
    return {takeLine(input)};
}

void HttpParser::end() {
    if (phase_ == Phase::done || phase_ == Phase::malformed) return;
    if (expect_ == Expect::untilEnd) return finish(false);
    refuse(phase_ == Phase::head ? "the stream ended within the head" : "the stream ended within the body");
}

/// Gathers bytes up to a line's end, and takes the line in when it is whole.
std::size_t HttpParser::takeLine(std::string_view input) {
    const auto found = input.find('\n');
    const auto taken = std::min(found, input.size() - 1) + 1;
    const bool ofChunk = expect_ == Expect::chunkSize || expect_ == Expect::chunkEnd;
    if (!ofChunk) headBytes_ += taken;
    if (ofChunk ? line_.size() + taken > maxChunkLine : headBytes_ > limits_.header) {
        refuse(ofChunk ? "the line of a chunk is longer than any we accept" : "the head is longer than any we accept");
        return taken;
    }
    line_.append(input.substr(0, taken));
    if (found == std::string_view::npos) return taken;
    line_.pop_back();
    if (!line_.ends_with('\r')) return refuse("a line does not end with CR LF"), taken;
    line_.pop_back();
    if (!std::all_of(line_.begin(), line_.end(), textCharacter)) return refuse("a line has a control character"), taken;
    line();
    line_.clear();
    return taken;
}

void HttpParser::line() {
    switch (expect_) {
        case Expect::statusLine:
            return statusLine();
        case Expect::field:
            return line_.empty() ? headDone() : field();
        case Expect::trailer:
            return line_.empty() ? finish(keepAlive_) : field();
        case Expect::chunkSize:
            return chunkSize();
        case Expect::chunkEnd:
            if (!line_.empty()) return refuse("a chunk is longer than it said");
            expect_ = Expect::chunkSize;
            return;
        case Expect::exactly:
        case Expect::untilEnd:
        case Expect::chunkData:
            return;  // not lines
    }
}

/// RFC 9112 section 4; the blank before an empty reason may be missing, as many servers leave it out.
void HttpParser::statusLine() {
    const std::string_view text = line_;
    const bool shaped = text.size() >= 12 && text.starts_with("HTTP/1.") && (text[7] == '0' || text[7] == '1') && text[8] == ' ' &&
                        std::all_of(text.begin() + 9, text.begin() + 12, digit) && text[9] != '0' && (text.size() == 12 || text[12] == ' ');
    if (!shaped) return refuse("it does not begin with an HTTP/1 status line");
    http11_ = text[7] == '1';
    status_ = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
    if (status_ == 101) return refuse("it switches to a protocol nobody asked for");
    if (status_ >= 600) return refuse("its status is none of HTTP's");
    reason_ = withoutBlanks(text.substr(12));
    headers_ = {};
    expect_ = Expect::field;
}

void HttpParser::field() {
    const std::string_view text = line_;
    if (text.front() == ' ' || text.front() == '\t') return refuse("a header field is folded");
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) return refuse("a header field has no name");
    const auto name = text.substr(0, colon);
    if (!std::all_of(name.begin(), name.end(), tokenCharacter)) return refuse("a header field's name has a character no name has");
    if (expect_ == Expect::field) headers_.add(std::string(name), std::string(withoutBlanks(text.substr(colon + 1))));
}

void HttpParser::headDone() {
    if (status_ < 200) {
        expect_ = Expect::statusLine;
        return;
    }
    if (to_ == To::connect) return finish(false);
    framing();
    if (phase_ == Phase::malformed) return;
    const bool bodiless = to_ == To::head || status_ == 204 || status_ == 304;  // RFC 9112 section 6.3, whatever the fields say
    if (bodiless) return finish(keepAlive_);
    if (announced_ && *announced_ > limits_.body) return refuse("the body is longer than any we accept");
    phase_ = Phase::body;
    if (expect_ == Expect::exactly && left_ == 0) finish(keepAlive_);
}

/// RFC 9112 section 6.3
void HttpParser::framing() {
    const auto codings = headers_.all("Transfer-Encoding");
    const auto lengths = headers_.all("Content-Length");
    const auto connection = headers_.all("Connection");
    keepAlive_ = http11_ && std::none_of(connection.begin(), connection.end(), [](std::string_view value) { return lists(value, "close"); });
    if (!codings.empty() && !lengths.empty()) return refuse("it has both Transfer-Encoding and Content-Length");
    if (lengths.size() > 1) return refuse("it has more than one Content-Length");
    if (!codings.empty()) {
        if (!http11_) return refuse("it has Transfer-Encoding in HTTP/1.0");
        if (codings.size() > 1 || !plugin::equalsIgnoreCase(codings.front(), "chunked")) return refuse("its transfer coding is not just chunked");
        expect_ = Expect::chunkSize;
    } else if (!lengths.empty()) {
        const auto length = lengths.front();
        if (!std::all_of(length.begin(), length.end(), digit)) return refuse("its Content-Length is no number");
        announced_ = number(length, 10);
        if (!announced_) return refuse("its Content-Length is no number");
        left_ = *announced_;
        expect_ = Expect::exactly;
    } else {
        expect_ = Expect::untilEnd;
    }
}

/// RFC 9112 section 7.1: hexadecimal digits, then perhaps extensions behind a semicolon.
void HttpParser::chunkSize() {
    const std::string_view text = line_;
    const auto digits = text.substr(0, text.find_first_not_of("0123456789abcdefABCDEF"));
    const auto rest = withoutBlanks(text.substr(digits.size()));
    const bool bare = digits.size() == text.size();
    if (!bare && !rest.starts_with(';')) return refuse("a chunk's size is no number");
    const auto size = number(digits, 16);
    if (!size) return refuse("a chunk's size is no number");
    if (*size > limits_.body - bodyBytes_) return refuse("the body is longer than any we accept");
    bodyBytes_ += *size;
    left_ = *size;
    expect_ = *size == 0 ? Expect::trailer : Expect::chunkData;
}

std::optional<HttpUrl> parseHttpUrl(std::string_view text) {
    const auto inUrl = [](char c) { return c > 0x20 && c < 0x7f && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos; };
    if (!std::all_of(text.begin(), text.end(), inUrl)) return std::nullopt;
    HttpUrl url;
    const auto scheme = text.substr(0, std::min(text.find("://"), text.size()));
    if (!plugin::equalsIgnoreCase(scheme, "http") && !plugin::equalsIgnoreCase(scheme, "https")) return std::nullopt;
    if (scheme.size() == text.size()) return std::nullopt;
    url.tls = plugin::equalsIgnoreCase(scheme, "https");
    text.remove_prefix(scheme.size() + 3);
    text = text.substr(0, text.find('#'));

    auto authority = text.substr(0, text.find_first_of("/?"));
    const auto target = text.substr(authority.size());
    url.target = (target.starts_with('/') ? "" : "/") + std::string(target);
    if (authority.find('@') != std::string_view::npos) return std::nullopt;
    const bool bracketed = authority.starts_with('[');
    const auto hostEnd = bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
    if (hostEnd == std::string_view::npos) return std::nullopt;
    const auto host = authority.substr(bracketed ? 1 : 0, hostEnd - (bracketed ? 1 : 0));
    authority.remove_prefix(hostEnd + (bracketed ? 1 : 0));
    const auto ofName = [](char c) { return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_'; };
    const auto ofAddress = [](char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.'; };
    if (host.empty() || !(bracketed ? std::all_of(host.begin(), host.end(), ofAddress) : std::all_of(host.begin(), host.end(), ofName)))
        return std::nullopt;
    url.host = host;

    const std::uint16_t usual = url.tls ? 443 : 80;
    url.port = usual;
    if (!authority.empty()) {
        const auto digits = authority.substr(1);
        const auto port = number(digits, 10);
        if (authority.front() != ':' || !std::all_of(digits.begin(), digits.end(), digit) || !port || *port == 0 || *port > 65535)
            return std::nullopt;
        url.port = static_cast<std::uint16_t>(*port);
    }
    url.authority = bracketed ? "[" + url.host + "]" : url.host;
    if (url.port != usual) url.authority += ":" + std::to_string(url.port);
    return url;
}

}  // namespace auth
