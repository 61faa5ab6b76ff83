// What Graph may answer: JSON, pages, errors, the answers of a $batch, dates; and folder paths. However it is written, what is relied on is there.
#include "listener/folder_path.h"
#include "listener/graph/answer.h"
#include "listener/graph/json.h"
#include "listener/graph/refusal.h"
#include "listener/graph/request.h"
#include "listener/graph/values.h"
#include "plugin/contract/clock.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace listener::graph;
using listener::asLevel;
using listener::fitsPattern;
using listener::levelsOf;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// A text is complete in one place only: what is cut off may be nothing but blanks, or digits of a number.
void json(std::string_view text) {
    if (text.size() > 2048) return;
    const auto whole = Json::parse(text);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        const auto part = Json::parse(text.substr(0, cut));
        if (!part || part->kind() == Json::Kind::number) continue;
        const bool blanks = text.find_first_not_of(" \t\r\n", cut) == std::string_view::npos;
        require(blanks == whole.has_value());
    }
}

void answers(const Json& json) {
    if (const auto page = messagePage(json)) {
        require(page->next.empty() != page->delta.empty());
        for (const auto& message : page->messages) require(!message.id.empty() && message.id.find('\n') == std::string::npos);
    }
    if (const auto page = folderPage(json))
        for (const auto& folder : page->folders) require(!folder.id.empty());
    if (const auto all = translations(json))
        for (const auto& each : *all) require(!each.source.empty() && !each.target.empty() && each.target.find('\n') == std::string::npos);
    if (const auto batch = batchAnswers(json, batchSize)) {
        require(batch->size() <= batchSize);
        for (const auto& each : *batch) require(each.number < batchSize && each.status >= 100 && each.status < 600);
    }
}

/// Whatever others say, what is made of it is printable and of bounded length; a status alone never means success.
void refused(std::string_view text) {
    for (const int status : {301, 400, 401, 403, 404, 410, 429, 500, 503}) {
        const auto error = refusal(readFailure(status, text), "https://graph.example.com", "doing something", std::nullopt);
        require(printable(error.what) && error.what.size() < 2048 && printable(error.provider) && error.provider.size() < 256);
    }
}

/// Paths and names survive being taken apart and put together; what is encoded is made of what URLs are made of.
void texts(std::string_view text) {
    if (const auto levels = levelsOf(text); levels.size() == 1) require(levelsOf(asLevel(levels[0])) == levels);
    const auto encoded = percentEncoded(text);
    require(encoded.find_first_of("/?#&+ =\"") == std::string::npos && printable(encoded));
    if (text.size() < 512) require(fitsPattern(text, "*") && fitsPattern(text, text));
    if (const auto time = parseDateTime(text))
        require(plugin::Wall(*time) > plugin::Wall::min() + std::chrono::hours(24) &&
                std::chrono::floor<std::chrono::seconds>(plugin::Wall(*time)) == *time);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    json(text);
    if (const auto whole = Json::parse(text)) answers(*whole);
    refused(text);
    texts(text);
    return 0;
}
