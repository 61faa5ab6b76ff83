#pragma once

#include "listener/ews/base64_reader.h"
#include "listener/ews/reference_filter.h"
#include "listener/ews/xml_reader.h"
#include "plugin/contract/clock.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What a server says, as values. Elements are told apart by their local names: real servers write some of them in the wrong namespace.
namespace listener::ews {

/// Of a message, as far as it was asked for.
struct ItemView {
    std::string element{};  ///< "Message", "MeetingRequest", "Item" …
    std::string id{};
    std::optional<plugin::Wall> received{}, sent{};
    std::optional<bool> isRead{};
    std::optional<std::uint64_t> size{};  ///< as the server has stored it, not that of the MIME content
    std::string subject{}, messageId{};
    bool mime = false;  ///< its octets came before
};

struct FolderEntry {
    std::string element{};  ///< "Folder", "SearchFolder", "CalendarFolder" …
    std::string id{}, parent{};
    std::string name{};
    std::string folderClass{};
};

struct Change {
    enum class Kind { present, gone };
    Kind kind = Kind::present;
    std::string id{};
};

/// In a stream of notifications.
struct Event {
    std::string element{};  ///< "NewMailEvent", "StatusEvent" …
    std::string folder{};   ///< where it happened; "": it does not say
};

/// One …ResponseMessage: how one thing that was asked for went.
struct ResponseMessage {
    bool success = false;  ///< ResponseClass Success; a Warning of ErrorBatchProcessingStopped is none
    std::string code{};
    std::string text{};
    std::optional<std::chrono::milliseconds> backOff{};
    std::vector<ItemView> items{};
    std::vector<FolderEntry> folders{};
    std::vector<Change> changes{};
    std::vector<Event> events{};
    std::string syncState{};
    std::optional<bool> last{};           ///< IncludesLastItemInRange
    std::optional<std::uint64_t> next{};  ///< IndexedPagingOffset
    std::string subscription{};
    std::vector<std::string> deadSubscriptions{};
    std::string connection{};  ///< ConnectionStatus
};

/// A SOAP fault.
struct Fault {
    std::string code{}, text{};
    std::optional<std::chrono::milliseconds> backOff{};
};

/// Octets of the MIME content of the item whose ResponseMessage comes next; or that.
using AnswerPart = std::variant<std::string, ResponseMessage>;

/// One Envelope in pieces of any size. Holds one ResponseMessage at a time (at most `keptLimit` octets of it) and never a MIME content. Pure.
class AnswerReader final : private XmlHandler {
public:
    static constexpr std::size_t keptLimit = 16 << 20;
    /// Octets. Exchange's own have 512 at most.
    static constexpr std::size_t longestId = 2'048;
    /// Exchange's own have 255 characters. A folder whose name is longer has none here.
    static constexpr std::size_t longestName = 1'024;

    AnswerReader();
    /// False: it is no answer, why() tells. What came before that is still taken.
    bool feed(std::string_view bytes);
    bool finish();
    const std::string& why() const { return xml_.why(); }
    std::vector<AnswerPart> take() { return std::exchange(parts_, {}); }
    const std::optional<Fault>& fault() const { return fault_; }
    const std::string& server() const { return server_; }  ///< "15.20 V2018_01_08"; "": it has not said

private:
    void begins(std::string_view name, const XmlAttributes& attributes) override;
    void text(std::string_view piece) override;
    void ends(std::string_view name) override;

    void beginsInMessage(std::string_view name, const XmlAttributes& attributes);
    void noteId(std::string_view name, std::string_view id);
    void endsInMessage(std::string_view name, std::string_view value);
    void endsInItem(std::string_view name, std::string_view value);
    void endsInFault(std::string_view name, std::string_view value);
    std::size_t feedMime(std::string_view bytes);
    std::size_t feedXml(std::string_view bytes);
    void keep(std::size_t octets);
    bool within(std::string_view name, std::size_t above = 0) const;
    bool isItem(std::size_t above) const;

    XmlReader xml_;
    ReferenceFilter filter_{};
    std::string filtered_{};
    std::vector<std::string> path_{};  ///< names of the elements that are open
    std::string text_{};               ///< of the innermost
    std::size_t kept_ = 0;
    bool backOffNext_ = false;
    std::optional<Base64Reader> mime_{};
    bool mimeIsPlain_ = false;  ///< what follows is its text, and the parser has seen none of it that is not whole
    std::optional<ResponseMessage> message_{};
    std::optional<Fault> fault_{};
    std::string server_{};
    std::vector<AnswerPart> parts_{};
};

}  // namespace listener::ews
