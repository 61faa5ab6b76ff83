#include "listener/ews/answer.h"

#include "listener/ews/date_time.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace listener::ews {

namespace {

/// Nobody is asked to wait longer than a day by an answer.
constexpr std::uint64_t longestBackOff = 24ULL * 60 * 60 * 1000;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::optional<bool> truth(std::string_view text) {
    if (text == "true" || text == "1") return true;
    if (text == "false" || text == "0") return false;
    return std::nullopt;
}

std::optional<std::chrono::milliseconds> milliseconds(std::string_view text) {
    const auto value = number(text);
    if (!value) return std::nullopt;
    return std::chrono::milliseconds{static_cast<std::int64_t>(std::min(*value, longestBackOff))};
}

}  // namespace

AnswerReader::AnswerReader() : xml_(*this) {}

bool AnswerReader::feed(std::string_view bytes) {
    filtered_.clear();
    filter_.feed(bytes, filtered_);
    std::string_view left = filtered_;
    while (!left.empty()) {
        const auto taken = mimeIsPlain_ ? feedMime(left) : feedXml(left);
        if (!xml_.why().empty()) return false;
        left.remove_prefix(taken);
    }
    return xml_.why().empty();
}

/// The content of a message up to what ends it, past the parser: nearly all there is, and nothing in it but letters.
std::size_t AnswerReader::feedMime(std::string_view bytes) {
    auto end = std::min(bytes.find('<'), bytes.size());  // find_first_of takes four times as long as the decoding
    end = std::min(bytes.substr(0, end).find('&'), end);
    if (end > 0) text(bytes.substr(0, end));
    mimeIsPlain_ = end == bytes.size();
    return end;
}

/// Up to the end of a tag that may begin the content of a message. What is more than letters in a content (a comment, a reference) is the parser's,
/// and so is what follows it.
std::size_t AnswerReader::feedXml(std::string_view bytes) {
    const auto name = bytes.find("MimeContent");
    const auto close = name == std::string_view::npos ? name : bytes.find('>', name);
    const auto end = close == std::string_view::npos ? bytes.size() : close + 1;
    if (xml_.feed(bytes.substr(0, end))) mimeIsPlain_ = mime_.has_value() && xml_.endsWithTag();
    return end;
}

bool AnswerReader::finish() {
    filtered_.clear();
    filter_.finish(filtered_);
    return xml_.feed(filtered_) && xml_.finish();
}

/// Is that the name of the innermost open element, or of the one so many above it?
bool AnswerReader::within(std::string_view name, std::size_t above) const { return path_.size() > above && path_[path_.size() - 1 - above] == name; }

/// Is the open element so many above the innermost a message?
bool AnswerReader::isItem(std::size_t above) const { return message_ && !message_->items.empty() && within("Items", above + 1); }

void AnswerReader::keep(std::size_t octets) {
    kept_ += octets;
    if (kept_ > keptLimit) xml_.refuse("it tells more at once than is kept");
}

void AnswerReader::begins(std::string_view name, const XmlAttributes& attributes) {
    text_.clear();
    if (path_.size() == 2 && within("Body") && name == "Fault") fault_.emplace();
    if (!message_ && within("ResponseMessages") && name.ends_with("ResponseMessage")) {
        message_.emplace();
        kept_ = 0;
        message_->success = attributes.find("ResponseClass") == "Success";
    } else if (message_) {
        beginsInMessage(name, attributes);
    }
    if (name == "ServerVersionInfo" && within("Header")) {
        const auto part = [&attributes](std::string_view which) { return std::string{attributes.find(which).value_or("")}.substr(0, 20); };
        server_ = part("MajorVersion") + "." + part("MinorVersion") + " " + part("Version");
    }
    backOffNext_ = name == "Value" && within("MessageXml") && attributes.find("Name") == "BackOffMilliseconds";
    path_.emplace_back(name);
}

void AnswerReader::beginsInMessage(std::string_view name, const XmlAttributes& attributes) {
    constexpr std::size_t overhead = 64;  // of whatever is kept beside its text
    if (within("Items")) {
        keep(overhead);
        message_->items.push_back({.element = std::string{name}});
    } else if (within("Folders")) {
        keep(overhead);
        message_->folders.push_back({.element = std::string{name}});
    } else if (within("Changes")) {
        keep(overhead);
        message_->changes.push_back({.kind = name == "Delete" ? Change::Kind::gone : Change::Kind::present});
    } else if (within("Notification") && name.ends_with("Event")) {
        keep(overhead);
        message_->events.push_back({.element = std::string{name}});
    } else if (name == "RootFolder") {
        message_->last = truth(attributes.find("IncludesLastItemInRange").value_or(""));
        message_->next = number(attributes.find("IndexedPagingOffset").value_or(""));
    } else if (name == "MimeContent" && isItem(0)) {
        mime_.emplace();
    } else if (const auto id = attributes.find("Id")) {
        if (id->size() > longestId) return xml_.refuse("an id is too long");
        keep(id->size());
        noteId(name, *id);
    }
}

void AnswerReader::noteId(std::string_view name, std::string_view id) {
    if (name == "ItemId") {
        if (isItem(0)) message_->items.back().id = id;
        const bool changed = within("Changes", 1) || within("Changes", 2);  // beside the item or in it
        if (changed && message_->changes.back().id.empty()) message_->changes.back().id = id;
    } else if (name == "FolderId" && within("Folders", 1)) {
        message_->folders.back().id = id;
    } else if (name == "ParentFolderId" && within("Folders", 1)) {
        message_->folders.back().parent = id;
    } else if (name == "ParentFolderId" && within("Notification", 1) && !message_->events.empty()) {
        message_->events.back().folder = id;
    }
}

void AnswerReader::text(std::string_view piece) {
    if (mime_) {
        if (parts_.empty() || !std::holds_alternative<std::string>(parts_.back())) parts_.emplace_back(std::string{});
        if (!mime_->feed(piece, std::get<std::string>(parts_.back()))) xml_.refuse("the content of a message is not Base64");
        return;
    }
    if (!message_ && !fault_) return;
    keep(piece.size());
    text_.append(piece);
}

void AnswerReader::ends(std::string_view name) {
    path_.pop_back();
    if (mime_) {
        if (!mime_->whole()) return xml_.refuse("the content of a message ends too early");
        mime_.reset();
        message_->items.back().mime = true;
        return;
    }
    const auto value = trimmed(text_);
    if (message_ && within("ResponseMessages")) {
        parts_.emplace_back(std::move(*message_));
        message_.reset();
    } else if (message_) {
        endsInMessage(name, value);
    } else if (fault_) {
        endsInFault(name, value);
    }
    text_.clear();
}

void AnswerReader::endsInMessage(std::string_view name, std::string_view value) {
    auto& message = *message_;
    if (isItem(0)) return endsInItem(name, value);
    if (within("Folders", 1)) {
        if (name == "DisplayName" && value.size() <= longestName) message.folders.back().name = value;
        if (name == "FolderClass") message.folders.back().folderClass = value.substr(0, longestName);
    } else if (name == "SubscriptionId" && within("ErrorSubscriptionIds")) {
        message.deadSubscriptions.emplace_back(value);
    } else if (backOffNext_) {
        message.backOff = milliseconds(value);
    } else if (name == "ResponseCode") {
        message.code = value;
    } else if (name == "MessageText") {
        message.text = value;
    } else if (name == "SyncState") {
        message.syncState = value;
    } else if (name == "IncludesLastItemInRange") {
        message.last = truth(value);
    } else if (name == "SubscriptionId" && !within("Notification")) {
        message.subscription = value;
    } else if (name == "ConnectionStatus") {
        message.connection = value;
    }
    backOffNext_ = false;
}

void AnswerReader::endsInItem(std::string_view name, std::string_view value) {
    auto& item = message_->items.back();
    if (name == "DateTimeReceived") item.received = readDateTime(value);
    if (name == "DateTimeSent") item.sent = readDateTime(value);
    if (name == "IsRead") item.isRead = truth(value);
    if (name == "Size") item.size = number(value);
    if (name == "Subject") item.subject = value;
    if (name == "InternetMessageId") item.messageId = value;
}

void AnswerReader::endsInFault(std::string_view name, std::string_view value) {
    auto& fault = *fault_;
    if (backOffNext_) {
        fault.backOff = milliseconds(value);
    } else if (name == "ResponseCode") {
        fault.code = value;
    } else if (name == "faultcode" && fault.code.empty()) {
        fault.code = value.substr(value.rfind(':') + 1);  // npos + 1 = 0: there is no prefix
    } else if (name == "faultstring" || (name == "Message" && fault.text.empty())) {
        fault.text = value;
    }
    backOffNext_ = false;
}

}  // namespace listener::ews
