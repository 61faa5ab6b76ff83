#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// What is asked of Graph (learn.microsoft.com/graph/api, v1.0), as text. Pure.
namespace listener::graph {

/// Sent with every request: without it an id names a message only until it is moved.
inline constexpr std::string_view immutableIds = "IdType=\"ImmutableId\"";
/// Messages told of at a time; each page is one transaction of the index.
inline constexpr std::size_t pageSize = 500;
inline constexpr std::size_t folderPageSize = 250;
inline constexpr std::size_t batchSize = 20;           ///< requests Graph takes in one $batch
inline constexpr std::size_t translatedAtOnce = 1000;  ///< ids Graph takes in one translateExchangeIds
inline constexpr std::size_t batchAtOnce = 4;          ///< and works on at a time, of one mailbox

struct Request {
    std::string method = "GET";
    std::string url;         ///< absolute
    std::string during;      ///< what it is for, for people; no address, no id
    std::string prefer{};    ///< beside immutableIds
    std::string body{};      ///< JSON; "" = none
    std::size_t places = 1;  ///< so many requests at a time Graph makes of it
};

/// One of a $batch. Its place in it is its id, from 1.
struct BatchItem {
    std::string method = "GET";
    std::string url;       ///< from "/users/" on
    std::string body{};    ///< JSON; "" = none
    std::string prefer{};  ///< beside immutableIds
};

/// The addresses of one mailbox. What is given is encoded here: users hold '#', ids '/' and '+', names anything.
class Addresses {
public:
    /// root  "https://graph.microsoft.com", no "/" at the end       user  object id or user principal name
    Addresses(std::string root, std::string_view user);
    const std::string& root() const { return root_; }

    /// folder: an id, or a well-known name as "inbox"
    Request folder(std::string_view folder) const;
    Request childFolders(std::string_view folder) const;  ///< without hidden ones; the first page
    Request createFolder(std::string_view parent, std::string_view name) const;
    Request changes(std::string_view folder) const;  ///< messages/delta, from the start
    Request content(std::string_view message) const;
    /// translateExchangeIds, from ids of EWS to immutable ones. At most translatedAtOnce.
    Request translate(const std::vector<std::string>& ids) const;
    /// What an answer gave as the way on: as it is. Changes of messages, or folders.
    static Request moreChanges(std::string link);
    static Request moreFolders(std::string link);

    BatchItem isRead(std::string_view message) const;
    BatchItem markRead(std::string_view message) const;
    BatchItem move(std::string_view message, std::string_view toFolder) const;
    /// At most batchSize.
    Request batch(const std::vector<BatchItem>& items, std::string during) const;

private:
    std::string messagePath(std::string_view message) const;
    std::string absolute(const std::string& path) const;
    std::string root_;
    std::string mailbox_;  ///< "/users/..."
};

}  // namespace listener::graph
