// What a server sends: however it is cut, it means the same. Documents of a stream are cut at the same places. Names of folders and patterns never
// take longer than they should.
#include "listener/ews/answer.h"
#include "listener/ews/date_time.h"
#include "listener/ews/envelope_cutter.h"
#include "listener/ews/folder_tree.h"
#include "listener/ews/request.h"
#include "listener/folder_path.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace listener::ews;
using listener::asLevel;
using listener::fitsPattern;
using listener::levelsOf;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

std::string filtered(std::string_view text, std::size_t piece) {
    ReferenceFilter filter;
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += piece) filter.feed(text.substr(at, piece), out);
    filter.finish(out);
    return out;
}

/// All of one message, as far as it matters that it is always the same.
std::string describe(const ResponseMessage& message) {
    std::string out = (message.success ? "+" : "-") + message.code + "|" + message.text + "|" + message.syncState + "|" + message.subscription + "|" +
                      message.connection + "|" + std::to_string(message.backOff.value_or(std::chrono::milliseconds{-1}).count());
    for (const auto& item : message.items)
        out += "|" + item.element + item.id + item.subject + std::to_string(item.size.value_or(0)) + (item.mime ? "m" : "");
    for (const auto& folder : message.folders) out += "|" + folder.id + folder.parent + folder.name + folder.folderClass;
    for (const auto& change : message.changes) out += (change.kind == Change::Kind::gone ? "|-" : "|+") + change.id;
    for (const auto& event : message.events) out += "|" + event.element + event.folder;
    return out;
}

/// What an answer says. Where it is refused in the middle, what was said before depends on where the pieces end: nothing is compared then.
std::string meaning(std::string_view text, std::size_t piece) {
    AnswerReader reader;
    std::string out, octets;
    bool good = true;
    for (std::size_t at = 0; at < text.size() && good; at += piece) {
        good = reader.feed(text.substr(at, piece));
        for (const auto& part : reader.take()) {
            if (const auto* some = std::get_if<std::string>(&part)) {
                octets += *some;
                continue;
            }
            out += std::to_string(octets.size()) + describe(std::get<ResponseMessage>(part)) + "\n";
            octets.clear();
        }
    }
    good = good && reader.finish();
    if (!good) return {};
    if (reader.fault()) out += "fault " + reader.fault()->code + reader.fault()->text;
    return out + reader.server();
}

std::string documents(std::string_view text, std::size_t piece) {
    EnvelopeCutter cutter;
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        cutter.feed(text.substr(at, piece));
        while (const auto document = cutter.next()) out += *document + "\n--\n";
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view wire{reinterpret_cast<const char*>(data), size};
    const auto half = std::max<std::size_t>(1, size / 2);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, half}) {
        require(filtered(wire, piece) == filtered(wire, size + 1));
        require(meaning(wire, piece) == meaning(wire, size + 1));
        require(documents(wire, piece) == documents(wire, size + 1));
    }
    static_cast<void>(readDateTime(wire));
    const auto line = wire.substr(0, std::min<std::size_t>(size, 64));
    require(fitsPattern(line, "*"));
    require(line.empty() || levelsOf(asLevel(line)) == std::vector<std::string>{std::string{line}});
    // What is written is read by any parser: its own name comes back as it was, but for characters XML does not have.
    const auto written = envelope(createFolder({.distinguished = "inbox"}, wire), "Exchange2013_SP1", line);
    require(!written.empty() && filtered(written, 7) == written);
    return 0;
}
