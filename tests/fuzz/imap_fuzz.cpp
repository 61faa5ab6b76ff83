// What a server sends: however it is cut, the same frames come out, and what is read of them is the same each time.
// Sets and folder names survive being written and read again.
#include "listener/folder_path.h"
#include "listener/imap/framer.h"
#include "listener/imap/mailbox_name.h"
#include "listener/imap/parser.h"
#include "listener/imap/substitute.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace listener::imap;
using listener::fitsPattern;

namespace {

constexpr std::size_t limit = 4096;

void require(bool holds) {
    if (!holds) std::abort();
}

/// What one frame meant, as far as it matters that it is always the same.
std::string describe(std::string_view text, std::optional<std::size_t> bodyAt) {
    const auto parsed = parseResponse(text, bodyAt);
    if (const auto* bad = std::get_if<Unreadable>(&parsed)) return "unreadable " + std::string{bad->why};
    const auto& response = std::get<Response>(parsed);
    std::string out = std::to_string(response.index());
    if (const auto* status = std::get_if<Status>(&response)) out += " " + status->tag + " " + status->code.name + " " + status->code.source.print();
    if (const auto* search = std::get_if<Search>(&response)) out += " " + search->found.print();
    if (const auto* search = std::get_if<Esearch>(&response)) out += " " + search->all.print();
    if (const auto* fetch = std::get_if<Fetch>(&response)) {
        out += " " + std::to_string(fetch->uid.value_or(0));
        if (fetch->body) out += " " + std::to_string(fetch->body->size) + fetch->body->text;
    }
    if (const auto* list = std::get_if<List>(&response)) {
        out += " " + list->name + " " + std::string(1, list->delimiter.value_or(' '));
        for (const auto& attribute : list->attributes) out += " " + attribute;
    }
    if (const auto* mailbox = std::get_if<MailboxStatus>(&response)) {
        out += " " + mailbox->name;
        for (const auto& number : {mailbox->messages, mailbox->uidNext, mailbox->uidValidity}) out += " " + std::to_string(number.value_or(0));
    }
    return out;
}

/// All frames of the stream, given to the framer in pieces of `piece` octets.
std::vector<std::string> frames(std::string_view wire, std::size_t piece, Framer::Bodies bodies) {
    std::vector<std::string> out;
    Framer framer{limit};
    framer.bodies(bodies);
    std::uint64_t bodyLeft = 0;
    for (std::size_t from = 0; from < wire.size(); from += piece) {
        auto input = wire.substr(from, piece);
        while (!input.empty()) {
            if (bodyLeft > 0) {
                const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(bodyLeft, input.size()));
                input.remove_prefix(part);
                bodyLeft -= part;
                continue;
            }
            const auto before = input.size();
            const auto step = framer.step(input);
            require(framer.text().size() <= limit);
            if (const auto* body = std::get_if<Framer::Body>(&step)) bodyLeft = body->size;
            if (std::holds_alternative<Framer::NeedMore>(step)) require(input.empty());
            if (std::holds_alternative<Framer::Complete>(step)) {
                require(input.size() < before);
                out.push_back(std::string{framer.text()} + "|" + describe(framer.text(), framer.bodyAt()));
            }
            if (const auto* bad = std::get_if<Framer::Malformed>(&step)) {
                out.emplace_back(bad->why);
                return out;
            }
        }
    }
    return out;
}

void valuesSurvive(std::string_view text) {
    if (const auto set = UidSet::parse(text)) {
        const auto again = UidSet::parse(set->print());
        require(again && *again == *set);
    }
    if (const auto wire = encodeMailboxName(text)) require(decodeMailboxName(*wire) == std::string{text});
    if (const auto name = decodeMailboxName(text)) {
        const auto wire = encodeMailboxName(*name);
        require(wire && decodeMailboxName(*wire) == *name);
    }
}

/// A folder's name as people write it leads back to the one on the wire it was made of, and to no other.
void namesSurvive(std::string_view text) {
    static const Naming namings[] = {{'/', "", {}}, {'.', "INBOX.", {"shared."}}, {'.', "", {}}, {'\0', "", {}}, {'/', "INBOX/", {"Other Users/"}}};
    for (const auto& naming : namings) {
        if (const auto name = folderName(text, naming)) require(sameFolder(wireName(*name, naming).value_or(""), text));
        if (const auto wire = wireName(text, naming)) {
            const auto name = folderName(*wire, naming);
            require(!name || wireName(*name, naming) == *wire);
        }
    }
    require(fitsPattern(text, "*"));
    require(fitsPattern(text, "%") == (text.find('/') == std::string_view::npos));
    if (text.find_first_of("*%") == std::string_view::npos) require(fitsPattern(text, text));
    for (std::size_t at = 0; at <= text.size() && at < 16; ++at)
        if (text.substr(0, at).find_first_of("*%") == std::string_view::npos) require(fitsPattern(text, std::string{text.substr(0, at)} + "*"));
    if (isSubstitute(text)) require(text.find("Microsoft Exchange Server") != std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view wire{reinterpret_cast<const char*>(data), size};
    for (const auto bodies : {Framer::Bodies::inside, Framer::Bodies::apart}) {
        const auto whole = frames(wire, size + 1, bodies);
        require(frames(wire, 1, bodies) == whole);
        require(frames(wire, 7, bodies) == whole);
        for (std::size_t cut = 0; cut < size && cut < 64; ++cut) {  // a stream that ends early has the same frames, only fewer
            const auto part = frames(wire.substr(0, cut), size + 1, bodies);
            require(part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin()));
        }
    }
    valuesSurvive(wire);
    namesSurvive(wire.substr(0, 512));
    const auto space = wire.rfind(' ');
    if (space != std::string_view::npos) valuesSurvive(wire.substr(space + 1));
    return 0;
}
