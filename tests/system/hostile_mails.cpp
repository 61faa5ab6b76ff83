#include "tests/system/hostile_mails.h"

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <string_view>

namespace systemtest {

namespace {

using namespace std::string_literals;

/// SplitMix64: the same on every machine and with every library.
class Dice {
public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
    bool oneIn(std::size_t n) { return below(n) == 0; }
    template <class Choices>
    auto& of(const Choices& choices) {
        return choices[below(std::size(choices))];
    }
    std::string octets(std::size_t count) {
        std::string text(count, '\0');
        for (auto& c : text) c = static_cast<char>(next());
        return text;
    }
    std::string words(std::size_t count) {
        std::string text;
        while (text.size() < count) text += std::string(1 + below(9), static_cast<char>('a' + below(26))) + ' ';
        text.resize(count);
        return text;
    }

private:
    std::uint64_t state_;
};

struct Shape {
    const char* what;
    std::string (*make)(Dice& dice, std::size_t number);
};

std::string head(Dice& dice, std::size_t number) {
    return "From: Someone <someone@example.test>\r\nTo: receiver@example.test\r\nSubject: hostile " + std::to_string(number) + " " + dice.words(12) +
           "\r\nMessage-ID: <hostile-" + std::to_string(number) + "@example.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n";
}

std::string lines(Dice& dice, std::size_t count, std::string_view end) {
    std::string text;
    for (; count > 0; --count) text.append(dice.words(dice.below(90))).append(end);
    return text;
}

std::string withBareLineFeeds(Dice& dice, std::size_t number) {
    auto text = head(dice, number) + "\r\n" + lines(dice, 1 + dice.below(40), "\n");
    if (dice.oneIn(2)) text.erase(std::remove(text.begin(), text.end(), '\r'), text.end());
    return text;
}
std::string withBareReturns(Dice& dice, std::size_t number) {
    return head(dice, number) + (dice.oneIn(2) ? "X-Bare: a\rb\r\n" : "") + "\r\n" + lines(dice, 1 + dice.below(40), "\r") +
           (dice.oneIn(2) ? "\r\r\n" : "\r");
}
std::string withNul(Dice& dice, std::size_t number) {
    auto text = head(dice, number) + "X-Nul: a\0b\r\n\r\n"s + lines(dice, 5, "\r\n");
    for (auto count = 1 + dice.below(20); count > 0; --count) text.insert(dice.below(text.size()), 1, '\0');
    return text + (dice.oneIn(2) ? "\0"s : "");
}
std::string with8BitHead(Dice& dice, std::size_t number) {
    static const std::array<std::string, 4> names{
        "Gr\xfc\xdf"
        "e",
        "\xe4\xf6\xfc\xc4\xd6\xdc", "\xf0\x9f\x93\xac \xe2\x82\xac", "\xa4\xb3\xa4\xf3"};
    return "From: " + dice.of(names) + " <a@example.test>\r\nSubject: " + dice.of(names) + dice.of(names) + "\r\nX-" + dice.of(names) + ": " +
           dice.of(names) + "\r\nMessage-ID: <" + dice.of(names) + std::to_string(number) + "@example.test>\r\n\r\n" + lines(dice, 3, "\r\n");
}
std::string withInvalidUtf8(Dice& dice, std::size_t number) {
    static const std::array<std::string, 6> bad{"\xc0\xaf", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "\xff\xfe", "\xe2\x82", "\x80\xbf"};
    std::string text = "Content-Type: text/plain; charset=utf-8\r\nSubject: " + dice.of(bad) + " " + dice.of(bad) + "\r\nMessage-ID: <" +
                       dice.of(bad) + std::to_string(number) + ">\r\n\r\n";
    for (auto count = 1 + dice.below(30); count > 0; --count) text += dice.of(bad) + dice.words(dice.below(20)) + (dice.oneIn(4) ? "\r\n" : "");
    return text;
}
std::string withALongLine(Dice& dice, std::size_t number) {
    const auto size = number % 200 < 21 ? 1'000'000 + dice.below(100'000) : 998 + dice.below(40'000);
    return head(dice, number) + "\r\n" + dice.words(size) + (dice.oneIn(2) ? "\r\n" : "");
}
std::string nested(Dice& dice, std::size_t number) {
    std::string open = head(dice, number) + "MIME-Version: 1.0\r\n", close;
    for (int level = 0; level < 200; ++level) {
        const auto mark = "level" + std::to_string(level);
        open += "Content-Type: multipart/mixed; boundary=" + mark + "\r\n\r\n--" + mark + "\r\n";
        if (!dice.oneIn(20)) close = "--" + mark + "--\r\n" + close;
    }
    return open + "Content-Type: text/plain\r\n\r\nthe bottom\r\n" + close;
}
std::string empty(Dice&, std::size_t) { return {}; }
std::string headOnly(Dice& dice, std::size_t number) {
    auto text = head(dice, number);
    switch (dice.below(4)) {
        case 0:
            return text;
        case 1:
            return text + "\r\n";
        case 2:
            return text.substr(0, text.size() - 2);
        default:
            return text.substr(0, 1 + dice.below(text.size() - 1));
    }
}
std::string bodyOnly(Dice& dice, std::size_t) {
    static const std::array<std::string, 6> begins{"\r\n", "\n", "\r", " ", "no colon here\r\n", "\r\n\r\n"};
    return dice.of(begins) + lines(dice, dice.below(10), "\r\n");
}
std::string equalIds(Dice& dice, std::size_t number) {
    return "Subject: one of many\r\nMessage-ID: <the.same@example.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: "
           "a@example.test\r\n\r\nbody " +
           std::to_string(number) + "\r\n" + lines(dice, dice.below(3), "\r\n");
}
std::string withoutId(Dice& dice, std::size_t number) {
    static const std::array<std::string, 5> instead{"", "Message-ID:\r\n", "Message-ID: \r\n\t\r\n", "Message-Id : <x@y>\r\n", "Message-ID: <>\r\n"};
    return "Subject: without " + std::to_string(number) + "\r\n" + dice.of(instead) + "\r\n" + lines(dice, 3, "\r\n");
}
std::string likeResponses(Dice& dice, std::size_t number) {
    static const std::array<std::string, 14> said{"* BYE going down\r\n",
                                                  ")\r\nA1 OK done\r\n",
                                                  "A5 OK Fetch completed.\r\n",
                                                  "A6 NO [UNAVAILABLE] x\r\n",
                                                  "* 1 EXPUNGE\r\n",
                                                  "* 0 EXISTS\r\n",
                                                  "+ idling\r\n",
                                                  "DONE\r\n",
                                                  "* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n",
                                                  "* BAD what\r\n",
                                                  "{100000000}\r\n",
                                                  "~{5}\r\n",
                                                  "* OK [UIDVALIDITY 1]\r\n",
                                                  "* SEARCH 1 2 3\r\n"};
    auto text = dice.oneIn(3) ? "" : head(dice, number) + (dice.oneIn(2) ? "X: {12}\r\n" : "") + "\r\n";
    for (auto count = 1 + dice.below(20); count > 0; --count) text += dice.of(said);
    return dice.oneIn(2) ? text.substr(0, text.size() - 2) : text;
}
std::string longHead(Dice& dice, std::size_t number) {
    const auto size = number % 200 < 21 ? 300'000 : 1'000 + dice.below(40'000);
    auto text = head(dice, number);
    switch (dice.below(4)) {
        case 0:
            return text + "X-Long: " + dice.words(size) + "\r\n\r\nbody\r\n";
        case 1:
            for (std::size_t at = 0; at < size; at += 60) text += "X-" + std::to_string(at) + ": " + dice.words(50) + "\r\n";
            return text + "\r\nbody\r\n";
        case 2:
            text += "X-Folded: begin\r\n";
            for (std::size_t at = 0; at < size; at += 40) text += "\t" + dice.words(36) + "\r\n";
            return text + "\r\nbody\r\n";
        default:
            return "Message-ID: <" + std::string(size, 'i') + "@example.test>\r\nSubject: " + dice.words(size) + "\r\n\r\nbody\r\n";
    }
}
std::string attachment(Dice& dice, std::size_t number) {
    std::string text =
        head(dice, number) + "Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    for (auto count = 1 + dice.below(400); count > 0; --count) text += std::string(76, static_cast<char>('A' + dice.below(26))) + "\r\n";
    return text + "--=_b--\r\n";
}
std::string dots(Dice& dice, std::size_t number) {
    static const std::array<std::string, 8> odd{
        ".\r\n", "..\r\n", "From someone Sun Nov 22 12:00:00 2026\r\n", ">From here\r\n", "\r\n.\r\n", ". \r\n", "From \r\n", "...\r\n"};
    auto text = (dice.oneIn(3) ? "From someone@example.test Sun Nov 22 12:00:00 2026\r\n" : "") + head(dice, number) + "\r\n";
    for (auto count = 1 + dice.below(20); count > 0; --count) text += dice.of(odd);
    return text + (dice.oneIn(2) ? "." : "");
}
std::string mixedEnds(Dice& dice, std::size_t number) {
    static const std::array<std::string, 6> ends{"\r\n", "\n", "\r", "\n\r", "\r\r\n", "\n\n"};
    std::string text;
    for (const auto* field : {"From: a@example.test", "Subject: mixed", "Message-ID: <mixed", ""})
        text += field + (*field ? std::to_string(number) : "") + dice.of(ends);
    for (auto count = dice.below(30); count > 0; --count) text += dice.words(dice.below(30)) + dice.of(ends);
    return text;
}
std::string anything(Dice& dice, std::size_t) { return dice.octets(1 + dice.below(dice.oneIn(10) ? 100'000 : 2'000)); }
std::string oddHead(Dice& dice, std::size_t number) {
    static const std::array<std::string, 12> fields{"no colon at all\r\n",
                                                    ": no name\r\n",
                                                    " folded at the very start\r\n",
                                                    "Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n",
                                                    "Subject: =?utf-8?B?=?=\r\n",
                                                    "Subject: =?no-such-charset?Q?=ZZ?=\r\n",
                                                    "Date: Mon, 01 Jan 1601 00:00:00 +9999\r\n",
                                                    "Date: Fri, 99 Xyz 9999 99:99:99\r\n",
                                                    "From: \"unterminated <a@b\r\n",
                                                    "Message-ID: <\"quoted \\\" id\"@x>\r\n",
                                                    "Subject:\tTab\tand\x7f"
                                                    "DEL\x01\x1b[31m\r\n",
                                                    "Content-Length: 99999999\r\n"};
    std::string text;
    for (auto count = 1 + dice.below(6); count > 0; --count) text += dice.of(fields);
    return text + "X-Number: " + std::to_string(number) + "\r\n\r\nbody\r\n";
}
std::string brokenMime(Dice& dice, std::size_t number) {
    const auto mark = std::string(dice.oneIn(3) ? 5'000 : 1 + dice.below(70), 'b');
    static const std::array<std::string, 3> types{"multipart/mixed", "multipart/mixed; boundary=", "multipart/alternative; boundary=\"\""};
    const auto type = dice.oneIn(2) ? dice.of(types) : "multipart/mixed; boundary=" + mark;
    return head(dice, number) + "Content-Type: " + type + "\r\n\r\n--" + mark + "\r\n--" + mark + "\r\n\r\n--" + mark + "--\r\n--" + mark +
           dice.words(20);
}

constexpr std::array<Shape, 20> shapes{{{"bare line feeds", withBareLineFeeds},
                                        {"bare carriage returns", withBareReturns},
                                        {"NUL", withNul},
                                        {"8-bit head", with8BitHead},
                                        {"invalid UTF-8", withInvalidUtf8},
                                        {"a long line", withALongLine},
                                        {"200 levels of multipart", nested},
                                        {"no octet", empty},
                                        {"head only", headOnly},
                                        {"body only", bodyOnly},
                                        {"equal Message-ID", equalIds},
                                        {"no Message-ID", withoutId},
                                        {"like IMAP responses", likeResponses},
                                        {"a long head", longHead},
                                        {"an attachment", attachment},
                                        {"dots and From lines", dots},
                                        {"mixed line ends", mixedEnds},
                                        {"any octets", anything},
                                        {"odd head fields", oddHead},
                                        {"broken MIME", brokenMime}}};

/// A proper mail of exactly so many octets.
HostileMail sized(std::size_t octets) {
    std::string text = "Subject: " + std::to_string(octets) + " octets\r\n\r\n";
    while (text.size() < octets)
        text += std::string(std::min<std::size_t>(76, octets - text.size()), static_cast<char>('a' + text.size() / 78 % 26)) + "\r\n";
    text.resize(octets);
    return {"exactly " + std::to_string(octets) + " octets", std::move(text)};
}

}  // namespace

std::vector<HostileMail> hostileMails(std::uint64_t seed, std::size_t count) {
    constexpr std::size_t tlsRecord = 16'384, buffer = 65'536, inMemory = 1 << 20, batch = 8 << 20;
    std::vector<HostileMail> mails;
    for (const auto border :
         {std::size_t{1'024}, std::size_t{4'096}, std::size_t{8'192}, tlsRecord, 2 * tlsRecord, buffer, 2 * buffer, inMemory, batch})
        for (const auto size : {border - 1, border, border + 1}) mails.push_back(sized(size));
    for (std::size_t size = 1; size <= 4; ++size) mails.push_back(sized(size));
    // A batch that is full to the octet with mails that are each as large as stays in memory, and one octet more.
    for (int i = 0; i < 8; ++i) mails.push_back(sized(inMemory));
    mails.push_back(sized(1));
    mails.push_back(sized(40'000'000));
    if (count < mails.size() + shapes.size()) throw std::invalid_argument("too few hostile mails");
    Dice dice{seed};
    for (std::size_t number = mails.size(); number < count; ++number) {
        const auto& shape = shapes[number % shapes.size()];
        mails.push_back({shape.what, shape.make(dice, number)});
    }
    return mails;
}

}  // namespace systemtest
