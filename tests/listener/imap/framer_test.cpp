#include "listener/imap/framer.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace listener::imap;

namespace {

/// All frames of `wire` when it arrives in pieces of `piece` octets; a body is written as "<octets>", an error as "!why".
std::vector<std::string> frames(std::string_view wire, std::size_t piece, Framer::Bodies bodies, std::size_t limit = Framer::responseLimit) {
    std::vector<std::string> out;
    Framer framer{limit};
    framer.bodies(bodies);
    std::uint64_t bodyLeft = 0;
    std::string body;
    for (std::size_t from = 0; from < wire.size(); from += piece) {
        auto input = wire.substr(from, piece);
        while (!input.empty()) {
            if (bodyLeft > 0) {
                const auto part = std::min<std::size_t>(bodyLeft, input.size());
                body += input.substr(0, part);
                input.remove_prefix(part);
                bodyLeft -= part;
                if (bodyLeft == 0) out.push_back("<" + body + ">"), body.clear();
                continue;
            }
            const auto step = framer.step(input);
            if (const auto* found = std::get_if<Framer::Body>(&step)) bodyLeft = found->size;
            if (std::holds_alternative<Framer::Complete>(step)) out.emplace_back(framer.text());
            if (const auto* bad = std::get_if<Framer::Malformed>(&step)) {
                out.push_back("!" + std::string{bad->why});
                return out;
            }
        }
    }
    return out;
}

}  // namespace

SCENARIO("a response is framed the same however the network cuts it", "[imap]") {
    GIVEN("a mail body that looks like our own tagged reply") {
        const std::string wire = "* 1 FETCH (BODY[] {12}\r\nA1 OK fake\r\n UID 7)\r\nA1 OK done\r\n";
        const auto piece = GENERATE(range(std::size_t{1}, std::size_t{53}));
        WHEN("it arrives in pieces of " + std::to_string(piece)) {
            THEN("two responses are found, the body inside or apart as asked") {
                REQUIRE(frames(wire, piece, Framer::Bodies::inside) ==
                        std::vector<std::string>{"* 1 FETCH (BODY[] {12}\r\nA1 OK fake\r\n UID 7)\r\n", "A1 OK done\r\n"});
                REQUIRE(frames(wire, piece, Framer::Bodies::apart) ==
                        std::vector<std::string>{"<A1 OK fake\r\n>", "* 1 FETCH (BODY[] {12}\r\n UID 7)\r\n", "A1 OK done\r\n"});
            }
        }
    }
}

SCENARIO("literals belong to data, not to what servers say to people", "[imap]") {
    struct Row {
        std::string_view wire;
        std::vector<std::string> expected;
    };
    const auto row = GENERATE(values<Row>({
        {"* OK it costs {5}\r\nA1 OK\r\n", {"* OK it costs {5}\r\n", "A1 OK\r\n"}},
        {"A1 NO [TRYCREATE] {3}\r\n* 1 EXISTS\r\n", {"A1 NO [TRYCREATE] {3}\r\n", "* 1 EXISTS\r\n"}},
        {"* bye {5}\r\n", {"* bye {5}\r\n"}},
        {"+ go {7}\r\n", {"+ go {7}\r\n"}},
        {"* LIST () \"/\" {5}\r\na\r\nbc\r\n", {"* LIST () \"/\" {5}\r\na\r\nbc\r\n"}},
        {"* LIST () \"/\" {0}\r\n\r\n", {"* LIST () \"/\" {0}\r\n\r\n"}},
        {"* LIST () \"/\" {2+}\r\nab\r\n", {"* LIST () \"/\" {2+}\r\nab\r\n"}},
        {"* LIST () \"/\" x{y}\r\n", {"* LIST () \"/\" x{y}\r\n"}},
        {"* OKAY {2}\r\nab\r\n", {"* OKAY {2}\r\nab\r\n"}},
        {"* OK one\nline\r\n", {"* OK one\nline\r\n"}},
        {"* 1 FETCH (UID 1 BODY[] ~{3}\r\nabc)\r\n", {"<abc>", "* 1 FETCH (UID 1 BODY[] ~{3}\r\n)\r\n"}},
        {"* 1 FETCH (BODY[HEADER] {3}\r\nabc BODY[] {2}\r\nde)\r\n", {"<de>", "* 1 FETCH (BODY[HEADER] {3}\r\nabc BODY[] {2}\r\n)\r\n"}},
        {"* XLOG 1 FETCH (BODY[] {3}\r\nabc)\r\n", {"* XLOG 1 FETCH (BODY[] {3}\r\nabc)\r\n"}},
    }));
    THEN(std::string{row.wire}) {
        const auto piece = GENERATE(1, 2, 3, 1000);
        REQUIRE(frames(row.wire, static_cast<std::size_t>(piece), Framer::Bodies::apart) == row.expected);
    }
}

SCENARIO("what stands apart is the message or fields of its head, and the framer tells which", "[imap]") {
    const auto [item, whole] =
        GENERATE(table<std::string, bool>({{"BODY[]", true}, {"BODY[HEADER.FIELDS (DATE FROM)]", false}, {"body[header.fields (x)]", false}}));
    Framer framer;
    framer.bodies(Framer::Bodies::apart);
    const auto wire = "* 1 FETCH (UID 7 " + item + " {12}\r\n";
    std::string_view input{wire};
    const auto step = framer.step(input);
    REQUIRE(std::get<Framer::Body>(step).whole == whole);
    REQUIRE(std::get<Framer::Body>(step).size == 12);
}

SCENARIO("nothing grows without limit", "[imap]") {
    THEN("an endless line is refused") {
        REQUIRE(frames(std::string(5000, 'x'), 64, Framer::Bodies::apart, 4096).back().starts_with("!a response is longer"));
    }
    THEN("an endless literal is refused when it is announced") {
        REQUIRE(frames("* LIST () \"/\" {5000}\r\n", 64, Framer::Bodies::apart, 4096) ==
                std::vector<std::string>{"!a literal is larger than any we asked for"});
    }
    THEN("a body larger than IMAP can say is refused") {
        REQUIRE(frames("* 1 FETCH (BODY[] {4294967296}\r\n", 64, Framer::Bodies::apart).back() == "!a literal of an impossible size is announced");
        REQUIRE(frames("* 1 FETCH (BODY[] {99999999999999999999999}\r\n", 64, Framer::Bodies::apart).back().starts_with("!"));
    }
    THEN("a long body apart is not") {
        const auto wire = "* 1 FETCH (BODY[] {5000}\r\n" + std::string(5000, 'x') + ")\r\n";
        REQUIRE(frames(wire, 64, Framer::Bodies::apart, 4096).size() == 2);
    }
}
