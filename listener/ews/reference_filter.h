#pragma once

#include <string>
#include <string_view>

namespace listener::ews {

/// Exchange puts characters that XML 1.0 does not have into texts as references ("&#x0;"), at which every conforming parser stops. Replaces these
/// by U+FFFD and leaves all else as it is, however the input is cut. Pure.
class ReferenceFilter {
public:
    /// Adds to `out` what is known of the output. Holds back at most `longest` octets.
    void feed(std::string_view input, std::string& out);
    /// The input has ended: what was held back.
    void finish(std::string& out);

    static constexpr std::size_t longest = 32;

private:
    std::string held_{};  ///< the beginning of what may be a reference
};

}  // namespace listener::ews
