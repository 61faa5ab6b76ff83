#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace listener::ews {

/// Cuts a stream of documents, one Envelope behind the other, into these, however it comes in pieces: each ends with "</Envelope>", with or without
/// a prefix. Exchange sends notifications so, and keeps the answer open. Pure.
class EnvelopeCutter {
public:
    static constexpr std::size_t limit = 4 << 20;  ///< octets of one document

    void feed(std::string_view bytes) { held_.append(bytes); }
    /// The next document that is complete, without blanks before it. Nothing: more has to come.
    std::optional<std::string> next();
    /// More octets are held than any document may have: the stream is none of this kind.
    bool overflows() const { return held_.size() > limit; }
    bool empty() const { return held_.empty(); }

private:
    std::string held_{};
    std::size_t searched_ = 0;  ///< no end begins before this
};

}  // namespace listener::ews
