#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/disk.h"
#include "plugin/contract/result.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace listener {

/// Where a message stands in its folder. Compared as bytes.
struct Position {
    std::string text{};         ///< what identifies it: IMAP "uidvalidity:uid"; EWS, Graph: the id
    std::uint64_t ordinal = 0;  ///< rises with arrival: the UID, or the number an ItemIndex gave the id
    bool operator==(const Position&) const = default;
};

/// Where positions are numbers within a validity (IMAP): "validity:ordinal".
inline Position numberedPosition(std::uint64_t validity, std::uint64_t ordinal) {
    return {std::to_string(validity) + ":" + std::to_string(ordinal), ordinal};
}

using Digest = std::array<std::uint8_t, 32>;

/// The exact bytes of a message: in memory up to `memoryLimit`, larger ones in a file without a name.
/// Copies share the bytes. Immutable.
class Content {
public:
    static constexpr std::uint64_t memoryLimit = 1 << 20;
    Content() = default;
    Content(std::shared_ptr<const std::string> bytes, Digest sha256) : memory_(std::move(bytes)), size_(memory_->size()), sha256_(sha256) {}
    Content(std::shared_ptr<plugin::File> file, std::string directory, Digest sha256)
        : file_(std::move(file)), directory_(std::move(directory)), size_(file_->size()), sha256_(sha256) {}
    /// Known, and not at hand: neither in memory nor in a file.
    Content(std::uint64_t size, Digest sha256) : size_(size), sha256_(sha256) {}

    std::uint64_t size() const { return size_; }
    const Digest& sha256() const { return sha256_; }
    const std::string* inMemory() const { return memory_.get(); }  ///< null: it is in a file
    plugin::File* file() const { return file_.get(); }             ///< null: it is in memory. Its bytes need not be durable yet
    std::shared_ptr<plugin::File> sharedFile() const { return file_; }
    const std::string& directory() const { return directory_; }  ///< path of the directory `file` was created in

private:
    std::shared_ptr<const std::string> memory_{};
    std::shared_ptr<plugin::File> file_{};
    std::string directory_{};
    std::uint64_t size_ = 0;
    Digest sha256_{};
};

/// Where bytes are kept beyond the life of a process: a file below server.data, and where they begin in it.
struct Kept {
    std::string file{};  ///< "outbox/…" or "quarantine/…"
    std::uint64_t start = 0;
};

/// A message on its way: everything that stays the same between attempts. Metadata and sinks are made from this alone.
struct Message {
    std::string id;  ///< delivery id, 32 characters [a-z2-7]
    std::string mailbox;
    std::string folder;    ///< UTF-8, "/" separates
    std::string protocol;  ///< "imap", "ews", "graph"
    Position position;
    plugin::Wall received;                   ///< IMAP INTERNALDATE; EWS, Graph: the received time
    std::vector<std::string> flags{};        ///< as listed, in the server's spelling and order, without \Recent
    std::optional<std::string> messageId{};  ///< see Head
    Digest matchKey{};
    std::uint64_t crossKey = 0;  ///< see cross_key.h
    bool rendered = false;       ///< the server renders it anew at each fetch: nobody gets these octets a second time
    Content content;
    std::string reference{};  ///< not empty: too large for this sink, which is told this path instead of being given the bytes
};

/// 32 characters: base32 (RFC 4648, lower case, unpadded) of 20 bytes: `received` as 5 bytes of seconds since 1970 (big endian; before
/// 1970 counts as 0), then the first 15 bytes of SHA-256("postern-id-1" NUL mailbox NUL protocol NUL folder NUL position).
/// The first 8 characters are the second: ids of a time stand together in any order of text, though ASCII puts "2".."7" before "a".
std::string deliveryId(plugin::Wall received, std::string_view mailbox, std::string_view protocol, std::string_view folder,
                       std::string_view position);
bool isDeliveryId(std::string_view text);

/// No more of a message than this is looked at as its head.
inline constexpr std::size_t headLimit = 256 * 1024;

/// What delivery and ledger read from a message's head. Tolerant, never fails: a head is the lines up to the first empty one (or the end, or
/// headLimit); lines end with LF or CRLF; one that begins with a blank belongs to the field before; a field's name is what stands before
/// the first ":", blanks before the ":" left out, in any case; lines without ":" are passed over; NUL and 8-bit octets are octets.
struct Head {
    /// The body of the first Message-ID field, unfolded, without blanks around; none: missing, empty, longer than 998 octets, not UTF-8, or
    /// with a control character.
    std::optional<std::string> messageId{};
    /// SHA-256 of the raw field bodies Message-ID, Date, From, Subject (first of each), each followed by NUL; a missing one is empty. A raw
    /// body is every octet after the ":" up to the field's last line end: blanks, folding and inner line ends as they came.
    Digest matchKey{};
    std::uint64_t crossKey = 0;  ///< see cross_key.h
};
Head readHead(std::string_view beginning);

/// Collects the bytes of one message as they arrive, hashing on the way: in memory first, past Content::memoryLimit into a file.
/// append() and finish() block when they write a file: call them through offload when spills(bytes) or finishBlocks() says so.
/// After an error it is good for nothing but being destroyed.
class ContentBuilder {
public:
    /// `staging`: where large ones go; outlives the builder. `expected`: the announced size, only to reserve memory.
    ContentBuilder(plugin::Directory& staging, std::uint64_t expected);
    ~ContentBuilder();
    ContentBuilder(ContentBuilder&&) noexcept;
    ContentBuilder& operator=(ContentBuilder&&) noexcept;
    bool spills(std::size_t more) const;
    plugin::Result<void> append(std::string_view bytes);  ///< errors: messageStaging (retryLater)
    std::uint64_t size() const;
    bool finishBlocks() const;
    struct Built {
        Content content;
        Head head;
    };
    plugin::Result<Built> finish();  ///< once; errors as append()

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace listener
