#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace listener::ews {

/// Of an element: names without their namespaces.
class XmlAttributes {
public:
    explicit XmlAttributes(const char* const* pairs) : pairs_(pairs) {}
    std::optional<std::string_view> find(std::string_view name) const;

private:
    const char* const* pairs_;
};

/// What an XmlReader meets. Names come without their namespaces: servers are not exact about these. Text comes in pieces.
class XmlHandler {
public:
    virtual ~XmlHandler() = default;
    virtual void begins(std::string_view name, const XmlAttributes& attributes) = 0;
    virtual void text(std::string_view piece) = 0;
    virtual void ends(std::string_view name) = 0;
};

/// One XML document in pieces of any size, over expat. Pure. No document types, so no entities of the document's own; elements stand at most
/// `depthLimit` deep; a tag has at most `tagLimit` octets.
class XmlReader {
public:
    static constexpr std::size_t depthLimit = 64;
    static constexpr std::size_t tagLimit = 256 * 1024;

    explicit XmlReader(XmlHandler& handler);  ///< outlives the reader
    ~XmlReader();
    XmlReader(const XmlReader&) = delete;
    XmlReader& operator=(const XmlReader&) = delete;

    /// False: it is not such a document, why() tells.
    bool feed(std::string_view bytes);
    bool finish();                 ///< the document has to be whole
    void refuse(std::string why);  ///< for the handler: what it was told cannot be
    const std::string& why() const;
    bool endsWithTag() const;  ///< nothing was fed behind the last tag that begins an element

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace listener::ews
