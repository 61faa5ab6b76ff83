#include "listener/ews/xml_reader.h"

#include <expat.h>

#include <new>

namespace listener::ews {

namespace {

constexpr char separator = '\n';  // between namespace and name: no URI has it

std::string_view localName(std::string_view name) {
    const auto at = name.rfind(separator);
    return at == std::string_view::npos ? name : name.substr(at + 1);
}

}  // namespace

std::optional<std::string_view> XmlAttributes::find(std::string_view name) const {
    for (const auto* pair = pairs_; *pair != nullptr; pair += 2)
        if (localName(pair[0]) == name) return std::string_view{pair[1]};
    return std::nullopt;
}

struct XmlReader::State {
    explicit State(XmlHandler& theHandler) : handler(theHandler), parser(XML_ParserCreateNS(nullptr, separator), &XML_ParserFree) {
        if (!parser) throw std::bad_alloc();
        XML_SetUserData(parser.get(), this);
        XML_SetElementHandler(parser.get(), &State::begins, &State::ends);
        XML_SetCharacterDataHandler(parser.get(), &State::text);
        XML_SetStartDoctypeDeclHandler(parser.get(), &State::doctype);
    }

    void stop(std::string reason) {
        if (why.empty()) why = std::move(reason);
        XML_StopParser(parser.get(), XML_FALSE);
    }

    static State& of(void* data) { return *static_cast<State*>(data); }
    static void begins(void* data, const XML_Char* name, const XML_Char** attributes) {
        auto& state = of(data);
        if (!state.why.empty()) return;
        if (++state.depth > depthLimit) return state.stop("elements stand too deep");
        state.tagEnd = static_cast<std::size_t>(XML_GetCurrentByteIndex(state.parser.get()) + XML_GetCurrentByteCount(state.parser.get()));
        state.handler.begins(localName(name), XmlAttributes{attributes});
    }
    static void ends(void* data, const XML_Char* name) {
        auto& state = of(data);
        if (!state.why.empty()) return;
        --state.depth;
        state.handler.ends(localName(name));
    }
    static void text(void* data, const XML_Char* piece, int length) {
        auto& state = of(data);
        if (state.why.empty()) state.handler.text({piece, static_cast<std::size_t>(length)});
    }
    static void doctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) { of(data).stop("it has a document type"); }

    bool parse(std::string_view bytes, bool last) {
        if (!why.empty()) return false;
        fed += bytes.size();
        if (XML_Parse(parser.get(), bytes.data(), static_cast<int>(bytes.size()), last ? XML_TRUE : XML_FALSE) != XML_STATUS_OK) {
            if (why.empty()) why = XML_ErrorString(XML_GetErrorCode(parser.get()));
            return false;
        }
        const auto at = XML_GetCurrentByteIndex(parser.get());
        if (!last && at >= 0 && fed - static_cast<std::size_t>(at) > tagLimit + bytes.size()) why = "a tag is too long";
        return why.empty();
    }

    XmlHandler& handler;
    std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser;
    std::size_t depth = 0;
    std::size_t fed = 0;
    std::size_t tagEnd = 0;  ///< of all that was fed, where the last tag that begins an element ends
    std::string why{};
};

XmlReader::XmlReader(XmlHandler& handler) : state_(std::make_unique<State>(handler)) {}
XmlReader::~XmlReader() = default;

bool XmlReader::feed(std::string_view bytes) {
    constexpr std::size_t atOnce = 1 << 20;  // expat counts in int
    for (; bytes.size() > atOnce; bytes.remove_prefix(atOnce))
        if (!state_->parse(bytes.substr(0, atOnce), false)) return false;
    return state_->parse(bytes, false);
}
bool XmlReader::finish() { return state_->parse({}, true); }
void XmlReader::refuse(std::string why) { state_->stop(std::move(why)); }
bool XmlReader::endsWithTag() const { return state_->tagEnd == state_->fed; }
const std::string& XmlReader::why() const { return state_->why; }

}  // namespace listener::ews
