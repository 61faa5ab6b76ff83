#include "listener/ledger/stored_form.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace listener::stored {
namespace {

constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";

[[noreturn]] void damaged(std::string_view what) {
    throw plugin::StoreError(
        {plugin::Reaction::askOperator, plugin::Code::storeDamaged, "the ledger has a row with an unknown " + std::string(what)});
}

constexpr std::pair<MessageState, std::string_view> messageStates[] = {
    {MessageState::pending, "pending"},         {MessageState::delivered, "delivered"}, {MessageState::filtered, "filtered"},
    {MessageState::quarantined, "quarantined"}, {MessageState::dead, "dead"},           {MessageState::missing, "missing"}};
constexpr std::pair<Start::Kind, std::string_view> startKinds[] = {
    {Start::Kind::now, "now"}, {Start::Kind::all, "all"}, {Start::Kind::since, "since"}};
constexpr std::pair<AfterAction::Kind, std::string_view> afterKinds[] = {{AfterAction::Kind::leave, "leave"},
                                                                         {AfterAction::Kind::seen, "seen"},
                                                                         {AfterAction::Kind::remove, "delete"},
                                                                         {AfterAction::Kind::move, "move"},
                                                                         {AfterAction::Kind::seenAndMove, "seen+move"}};

template <class Table, class Value>
std::string_view textIn(const Table& table, Value value) {
    for (const auto& [one, text] : table)
        if (one == value) return text;
    throw std::logic_error("a state without a text");
}

template <class Table>
auto valueIn(const Table& table, std::string_view text, std::string_view what) {
    for (const auto& [one, name] : table)
        if (name == text) return one;
    damaged(what);
}

}  // namespace

Id id(std::string_view deliveryId) {
    Id bytes{};
    if (deliveryId.size() != bytes.size() * 8 / 5) throw std::logic_error("a delivery id has 32 characters");
    std::uint64_t bits = 0;
    unsigned count = 0;
    std::size_t at = 0;
    for (const char character : deliveryId) {
        const auto value = alphabet.find(character);
        if (value == std::string_view::npos) throw std::logic_error("a delivery id has a character that is not a-z or 2-7");
        bits = bits << 5 | value;
        count += 5;
        if (count < 8) continue;
        count -= 8;
        bytes[at++] = static_cast<std::uint8_t>(bits >> count);
    }
    return bytes;
}

std::string deliveryId(std::span<const std::uint8_t> id) {
    if (id.size() != Id{}.size()) damaged("delivery id");
    std::string text;
    text.reserve(32);
    std::uint64_t bits = 0;
    unsigned count = 0;
    for (const auto byte : id) {
        bits = bits << 8 | byte;
        for (count += 8; count >= 5;) {
            count -= 5;
            text += alphabet[bits >> count & 31];
        }
    }
    return text;
}

std::string_view text(MessageState state) { return textIn(messageStates, state); }
MessageState messageState(std::string_view text) { return valueIn(messageStates, text, "state"); }
std::string_view text(Start::Kind kind) { return textIn(startKinds, kind); }
Start::Kind startKind(std::string_view text) { return valueIn(startKinds, text, "start"); }
std::string_view text(AfterAction::Kind kind) { return textIn(afterKinds, kind); }
AfterAction::Kind afterKind(std::string_view text) { return valueIn(afterKinds, text, "after-action"); }

std::int64_t time(plugin::Wall time) { return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count(); }

plugin::Wall time(std::int64_t milliseconds) {
    using Duration = plugin::Wall::duration;
    constexpr auto most = std::chrono::duration_cast<std::chrono::milliseconds>(Duration::max()).count();
    return plugin::Wall{std::chrono::milliseconds{std::clamp<std::int64_t>(milliseconds, -most, most)}};
}

std::int64_t number(std::uint64_t number) {
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) throw std::logic_error("a number past 2^63 for the ledger");
    return static_cast<std::int64_t>(number);
}

std::int64_t bits(std::uint64_t bits) { return static_cast<std::int64_t>(bits); }
std::uint64_t bits(std::int64_t bits) { return static_cast<std::uint64_t>(bits); }

Digest digest(std::span<const std::uint8_t> bytes) {
    Digest digest{};
    if (bytes.size() != digest.size()) damaged("digest");
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    return digest;
}

namespace {

constexpr std::size_t idOctets = 20, sizeOctets = 8, digestOctets = 32, keyOctets = 8;
constexpr std::size_t formerOctets = idOctets + sizeOctets + 2 * digestOctets, identityOctets = formerOctets + keyOctets;

void put(std::vector<std::uint8_t>& bytes, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(number >> shift));
}

std::uint64_t take(std::span<const std::uint8_t> bytes) {
    std::uint64_t number = 0;
    for (const auto octet : bytes) number = number << 8 | octet;
    return number;
}

}  // namespace

std::string flags(const std::vector<std::string>& flags) {
    std::string text;
    for (const auto& flag : flags) text.append(text.empty() ? "" : "\n").append(flag);
    return text;
}

std::vector<std::string> flags(std::string_view text) {
    std::vector<std::string> all;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        all.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return all;
}

std::vector<std::uint8_t> identities(const std::vector<Identity>& identities) {
    std::vector<std::uint8_t> bytes;
    bytes.reserve(identities.size() * identityOctets);
    for (const auto& one : identities) {
        const auto key = id(one.id);
        bytes.insert(bytes.end(), key.begin(), key.end());
        put(bytes, one.size);
        bytes.insert(bytes.end(), one.sha256.begin(), one.sha256.end());
        bytes.insert(bytes.end(), one.matchKey.begin(), one.matchKey.end());
        put(bytes, one.crossKey);
    }
    return bytes;
}

std::vector<Identity> identities(std::span<const std::uint8_t> bytes, std::size_t count) {
    std::vector<Identity> all;
    if (bytes.empty()) return all;
    const auto each = bytes.size() == count * formerOctets ? formerOctets : identityOctets;
    if (bytes.size() != count * each) damaged("batch");
    for (; !bytes.empty(); bytes = bytes.subspan(each)) {
        Identity one;
        one.id = deliveryId(bytes.first(idOctets));
        one.size = take(bytes.subspan(idOctets, sizeOctets));
        one.sha256 = digest(bytes.subspan(idOctets + sizeOctets, digestOctets));
        one.matchKey = digest(bytes.subspan(idOctets + sizeOctets + digestOctets, digestOctets));
        if (each == identityOctets) one.crossKey = take(bytes.subspan(formerOctets, keyOctets));
        all.push_back(std::move(one));
    }
    return all;
}

plugin::Wall second(std::string_view deliveryId) { return second(std::span<const std::uint8_t>(id(deliveryId))); }

plugin::Wall second(std::span<const std::uint8_t> id) {
    std::int64_t seconds = 0;
    for (const auto octet : id.first(5)) seconds = seconds << 8 | octet;
    return plugin::Wall{std::chrono::seconds{seconds}};
}

}  // namespace listener::stored
