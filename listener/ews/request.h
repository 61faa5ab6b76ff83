#pragma once

#include "plugin/contract/clock.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What is asked, as XML: elements in the order of Microsoft's schema (types.xsd, messages.xsd: xs:sequence), texts escaped. Pure.
namespace listener::ews {

/// A folder by its id, or by what it is for in a mailbox.
struct FolderRef {
    std::string id{};
    std::string distinguished{};  ///< "inbox", "sentitems" …; instead of the id
    std::string mailbox{};        ///< address; only with `distinguished`: whose; "": of whoever asks
};

/// What stands in the Body, and its name for people.
struct Operation {
    std::string_view name;
    std::string body;
};

/// The whole document. `version`: the schema the server is to answer by. `impersonated`: address of the mailbox acted for; "": none.
std::string envelope(const Operation& operation, std::string_view version, std::string_view impersonated);

Operation getFolder(const FolderRef& folder);
/// All folders below, a page of `folderPage` from `offset` on.
Operation findFolders(const FolderRef& below, std::uint64_t offset);
inline constexpr std::uint64_t folderPage = 500;
Operation createFolder(const FolderRef& parent, std::string_view name);

/// What has changed since `state` ("": all there is), at most `changesPage`.
Operation syncFolderItems(const std::string& folder, std::string_view state);
inline constexpr std::uint64_t changesPage = 512;  ///< the most the schema allows
/// Messages received at or after that second, a page of `itemPage` from `offset` on, the oldest first.
Operation findItems(const std::string& folder, plugin::Wall since, std::uint64_t offset);
inline constexpr std::uint64_t itemPage = 250;  ///< what Exchange answers at most to a restricted search

enum class ItemShape {
    sizes,       ///< size, time received, read or not
    mime,        ///< MIME content, time received, read or not
    properties,  ///< what tells a person which message it is: subject, Message-ID, times
};
Operation getItems(std::span<const std::string> ids, ItemShape shape);

/// Whether others are told that their message was read or removed (read receipts): servers before Exchange 2013 SP1 cannot be asked not to.
enum class Receipts { suppressed, asTheServerDoes };
/// `element`: what these messages are ("Message", "MeetingRequest" …): the server wants each called by its name.
Operation markRead(std::span<const std::string> ids, std::string_view element, Receipts receipts);
bool canBeRead(std::string_view element);  ///< is there an IsRead of it?
Operation moveItems(std::span<const std::string> ids, const std::string& target);
Operation deleteItems(std::span<const std::string> ids, Receipts receipts);  ///< to the deleted items

/// A subscription to what arrives in these folders.
Operation subscribe(std::span<const std::string> folders);
Operation getStreamingEvents(std::string_view subscription, unsigned minutes);
Operation unsubscribe(std::string_view subscription);

}  // namespace listener::ews
