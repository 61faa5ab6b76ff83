#include "auth/settings_behind.h"

#include "auth/digest.h"

#include <algorithm>
#include <array>
#include <set>

namespace auth {

namespace {

/// The last parts of keys whose value is an alias of the group of the same name.
constexpr std::array<std::string_view, 4> references{"credential", "truststore", "keystore", "proxy"};

class Gatherer {
public:
    explicit Gatherer(const plugin::Configuration& configuration) : configuration_(configuration) {}

    void gather(std::string_view prefix) {
        if (!seen_.insert(std::string(prefix)).second) return;
        bool namesProxy = prefix.starts_with("proxy.") || prefix.starts_with("truststore.") || prefix.starts_with("keystore.");  // they dial nobody
        for (const auto& [name, value] : configuration_.below(prefix)) {
            add(prefix, name, value);
            const auto group = name.substr(name.rfind('.') + 1);
            if (value.empty() || std::find(references.begin(), references.end(), group) == references.end()) continue;
            namesProxy = namesProxy || name == "proxy";
            gather(group + "." + value + ".");
        }
        if (!namesProxy) defaultProxies();
    }
    const std::string& text() const { return text_; }

private:
    void add(std::string_view prefix, std::string_view name, std::string_view value) {
        for (const auto part : {prefix, name, value}) text_.append(part).push_back('\0');
    }
    void defaultProxies() {
        if (!seen_.insert("proxy.").second) return;
        add("proxy.", "fallback_to_direct", configuration_.text("proxy.fallback_to_direct"));
        for (const auto& alias : configuration_.aliases("proxy"))
            if (configuration_.text("proxy." + alias + ".default") == "true") gather("proxy." + alias + ".");
    }

    const plugin::Configuration& configuration_;
    std::set<std::string> seen_{};
    std::string text_{};
};

}  // namespace

std::string settingsBehind(const plugin::Configuration& configuration, std::string_view prefix) {
    Gatherer gatherer(configuration);
    gatherer.gather(prefix);
    return sha256Text(gatherer.text());
}

}  // namespace auth
