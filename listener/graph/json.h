#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace listener::graph {

/// A JSON text (RFC 8259) as values: what Graph answers. auth::JsonObject is for the members of one object that may be secrets; a page is a list of
/// objects. Pure, and never throws.
class Json {
public:
    enum class Kind { null, boolean, number, string, array, object };
    static constexpr unsigned maxDepth = 32;
    static constexpr std::size_t maxValues = 200'000;  ///< a page of a thousand messages has some thousands

    /// Nothing: not one complete value in UTF-8, or past the limits. Half of a surrogate pair becomes U+FFFD.
    static std::optional<Json> parse(std::string_view text);

    Kind kind() const { return kind_; }
    /// The member of an object, of two with one name the later; null: there is none, or this is no object.
    const Json* find(std::string_view name) const;
    /// The characters of a string member.
    std::optional<std::string_view> string(std::string_view name) const;
    /// A boolean, or a string that says "true" or "false" as some of Graph's answers do.
    std::optional<bool> boolean(std::string_view name) const;
    /// A whole number that is not negative.
    std::optional<std::uint64_t> number(std::string_view name) const;
    const std::string& text() const { return text_; }                 ///< of a string: unescaped; of a number or boolean: as written
    const std::vector<Json>& items() const { return items_; }         ///< of an array
    const std::vector<std::string>& names() const { return names_; }  ///< of an object's members, beside items()

private:
    friend class JsonReader;
    Kind kind_ = Kind::null;
    std::string text_{};
    std::vector<Json> items_{};
    std::vector<std::string> names_{};
};

}  // namespace listener::graph
