#pragma once

#include "listener/ledger/ledger.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// How values of the ledger look in its tables. Texts are states people may meet in the database: never renamed.
/// What a damaged row holds instead throws plugin::StoreError (storeDamaged).
namespace listener::stored {

/// A delivery id without its base32: 20 bytes that sort by time.
using Id = std::array<std::uint8_t, 20>;
Id id(std::string_view deliveryId);  ///< std::logic_error if it is none
std::string deliveryId(std::span<const std::uint8_t> id);

std::string_view text(MessageState state);
MessageState messageState(std::string_view text);
std::string_view text(Start::Kind kind);
Start::Kind startKind(std::string_view text);
std::string_view text(AfterAction::Kind kind);
AfterAction::Kind afterKind(std::string_view text);

/// listener_folder.forgotten of a record that is not in force any more: an operator began the folder anew, and nothing is done in it any more; or a
/// rebuild put another record in its place.
inline constexpr std::int64_t begunAnew = 1, superseded = 2;

/// Milliseconds since 1970.
std::int64_t time(plugin::Wall time);
plugin::Wall time(std::int64_t milliseconds);

/// SQLite has no unsigned numbers; std::logic_error past 2^63.
std::int64_t number(std::uint64_t number);

/// By line feeds.
std::string flags(const std::vector<std::string>& flags);
std::vector<std::string> flags(std::string_view text);

/// The same for 64 bits that are no number.
std::int64_t bits(std::uint64_t bits);
std::uint64_t bits(std::int64_t bits);

/// Of a batch: 100 octets each; 92 where a version before schema 5 wrote them. Empty bytes: none.
std::vector<std::uint8_t> identities(const std::vector<Identity>& identities);
std::vector<Identity> identities(std::span<const std::uint8_t> bytes, std::size_t count);
/// The second an id begins with.
plugin::Wall second(std::string_view deliveryId);
plugin::Wall second(std::span<const std::uint8_t> id);

Digest digest(std::span<const std::uint8_t> bytes);

}  // namespace listener::stored
