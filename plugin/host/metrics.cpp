#include "plugin/host/metrics.h"

#include "plugin/contract/bug.h"

#include <charconv>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>

namespace plugin::host {

namespace {

std::string escaped(std::string_view text, bool quotes) {
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\\\";
        else if (c == '\n')
            out += "\\n";
        else if (c == '"' && quotes)
            out += "\\\"";
        else
            out += c;
    }
    return out;
}

std::string shown(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    char text[40];
    const bool whole = value == std::trunc(value) && std::fabs(value) < 1e15;
    const auto end =
        whole ? std::to_chars(text, text + sizeof text, static_cast<long long>(value)).ptr : std::to_chars(text, text + sizeof text, value).ptr;
    return {text, end};
}

std::string shownLabel(std::string_view name, std::string_view value) { return std::string(name) + "=\"" + escaped(value, true) + "\""; }

std::string shown(const Labels& labels) {
    if (labels.empty()) return {};
    std::string out;
    for (const auto& [name, value] : labels) out += (out.empty() ? "{" : ",") + shownLabel(name, value);
    return out + "}";
}

class Registry final : public MetricsRegistry {
public:
    explicit Registry(Log& log) : log_(log) {}

    void describe(std::string_view name, Kind kind, std::string_view help) override {
        const std::lock_guard lock(values_);
        auto& family = families_[std::string(name)];
        family.kind = kind;
        family.help = help;
    }
    void add(std::string_view name, const Labels& labels, double amount) override {
        auto sample = shown(labels);
        const std::lock_guard lock(values_);
        families_[std::string(name)].samples[std::move(sample)] += amount;
    }
    void set(std::string_view name, const Labels& labels, double value) override {
        auto sample = shown(labels);
        const std::lock_guard lock(values_);
        families_[std::string(name)].samples[std::move(sample)] = value;
    }
    void forget(std::string_view label, std::string_view value) override {
        // A quotation mark inside a value is escaped: this text stands nowhere but in that label.
        const auto first = "{" + shownLabel(label, value), later = "," + shownLabel(label, value);
        const std::lock_guard lock(values_);
        for (auto& [name, family] : families_)
            std::erase_if(family.samples,
                          [&](const auto& sample) { return sample.first.starts_with(first) || sample.first.find(later) != std::string::npos; });
    }
    int addCollector(std::function<void()> collect) override {
        const std::lock_guard lock(collecting_);
        collectors_.emplace(++lastCollector_, std::move(collect));
        return lastCollector_;
    }
    void removeCollector(int id) override {
        const std::lock_guard lock(collecting_);
        collectors_.erase(id);
    }

    std::string page() override {
        collect();
        const std::lock_guard lock(values_);
        std::string out;
        for (const auto& [name, family] : families_) {
            if (family.samples.empty()) continue;
            if (!family.help.empty()) out += "# HELP " + name + " " + escaped(family.help, false) + "\n";
            out += "# TYPE " + name + (!family.kind ? " untyped\n" : *family.kind == Kind::counter ? " counter\n" : " gauge\n");
            for (const auto& [labels, value] : family.samples) out += name + labels + " " + shown(value) + "\n";
        }
        return out;
    }

private:
    void collect() {
        const std::lock_guard lock(collecting_);
        for (const auto& [id, collector] : collectors_) {
            try {
                collector();
            } catch (...) {  // a page with the other values is better than none
                tellBug(log_, *this, "host.metrics", "a collector failed", std::current_exception());
            }
        }
    }

    struct Family {
        std::optional<Kind> kind{};
        std::string help{};
        std::map<std::string, double> samples{};  // by labels as shown
    };
    Log& log_;
    std::mutex collecting_{};  // before values_
    std::map<int, std::function<void()>> collectors_{};
    int lastCollector_ = 0;
    std::mutex values_{};
    std::map<std::string, Family> families_{};
};

}  // namespace

std::unique_ptr<MetricsRegistry> makeMetricsRegistry(Log& log) { return std::make_unique<Registry>(log); }

}  // namespace plugin::host
