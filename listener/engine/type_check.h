#pragma once

#include "listener/delivery/webhook_signature.h"
#include "plugin/contract/configuration.h"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace listener {

/// A key of the agreement that this version does not have.
inline plugin::Key planned(std::string pattern, std::string doc) {
    plugin::Key key{.pattern = std::move(pattern), .doc = std::move(doc)};
    key.planned = true;
    return key;
}

inline std::optional<std::string> commandForm(std::string_view text) {
    if (plugin::parseCommand(text)) return std::nullopt;
    return "must begin with the absolute path of a program; quotes must be closed";
}

/// What a group of keys that has types (sink.<name>, alert.<name>) says beyond its single keys.
class TypeCheck {
public:
    /// `what`: as in "a sink of type http".
    TypeCheck(const plugin::Configuration& configuration, const std::string& group, const std::string& name, std::string what,
              std::vector<plugin::Problem>& problems)
        : configuration_(configuration),
          prefix_(group + "." + name + "."),
          type_(configuration.text(prefix_ + "type")),
          what_(std::move(what)),
          problems_(problems) {}

    const std::string& type() const { return type_; }
    std::string text(std::string_view key) const { return configuration_.text(prefix_ + std::string(key)); }
    auto below(std::string_view key) const { return configuration_.below(prefix_ + std::string(key)); }
    bool given(std::string_view key) const {
        const auto found = configuration_.settings().find(prefix_ + std::string(key));
        return found != configuration_.settings().end() && found->second.given;
    }

    void needs(std::string_view key) {
        if (!text(key).empty()) return;
        problems_.push_back({plugin::Problem::Severity::error, plugin::Code::configMissingKey, prefix_ + std::string(key),
                             "is mandatory for " + what_ + " of type " + type_, configuration_.place(prefix_ + "type")});
    }
    void foreign(std::string_view key, std::string_view owner) {
        report(key, plugin::Code::configConflict, "means nothing to " + what_ + " of type " + type_ + ": it belongs to type " + std::string(owner));
    }
    /// Keys, and the one type each means something to.
    void owned(std::span<const std::pair<std::string_view, std::string_view>> owners) {
        for (const auto& [key, owner] : owners)
            if (type_ != owner && given(key)) foreign(key, owner);
    }
    /// A signing secret that stands in the configuration itself; others are read when they are needed.
    void checkSigningSecret() {
        const auto written = text("signing_secret");
        if (written.empty() || (written.starts_with("${") && written.ends_with('}'))) return;
        if (const auto keys = webhookKeys(auth::Secret(written)); !keys) report("signing_secret", plugin::Code::configBadValue, keys.error().what);
    }
    void report(std::string_view key, plugin::Code code, std::string problem) {
        const auto whole = prefix_ + std::string(key);
        problems_.push_back({plugin::Problem::Severity::error, code, whole, std::move(problem), configuration_.place(whole)});
    }

private:
    const plugin::Configuration& configuration_;
    std::string prefix_, type_, what_;
    std::vector<plugin::Problem>& problems_;
};

}  // namespace listener
