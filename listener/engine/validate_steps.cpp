#include "listener/engine/validate_steps.h"

#include "listener/engine/command_support.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <array>

namespace listener {

namespace {

constexpr std::size_t nameWidth = 16;
constexpr std::size_t longestText = 1000;

std::string_view word(Step::State state) {
    switch (state) {
        case Step::State::ok:
            return "ok";
        case Step::State::failed:
            return "failed";
        case Step::State::notTried:
            return "not tried";
    }
    return "";
}

std::string_view nextStep(const plugin::Error& error) {
    const auto* entry = plugin::findCode(error.code);
    return entry == nullptr ? std::string_view{} : entry->next;
}

std::string cause(const plugin::Error& error) { return error.what + (error.provider.empty() ? "" : " [" + error.provider + "]"); }

/// For a terminal: UTF-8 as it is, control characters escaped.
std::string forPeople(const std::string& text) {
    std::string out;
    for (const char c : text.substr(0, longestText)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return out;
}

void print(std::ostream& out, const Step& step) {
    const auto padded = [](std::string text, std::size_t width) { return text + std::string(std::max(width, text.size() + 1) - text.size(), ' '); };
    out << "  " << padded(forPeople(step.name), nameWidth) << padded(std::string(word(step.state)), 10);
    if (step.error)
        out << plugin::codeName(step.error->code) << ' ' << forPeople(cause(*step.error)) << "\n  " << std::string(nameWidth + 10, ' ')
            << "next: " << nextStep(*step.error);
    else
        out << forPeople(step.detail);
    if (step.state == Step::State::ok) out << (step.detail.empty() ? "" : "  ") << '(' << step.took.count() << " ms)";
    out << std::endl;  // as it happens
}

std::string json(const Step& step) {
    Object object;
    object.text("step", step.name).text("state", word(step.state)).text("detail", step.detail);
    object.number("milliseconds", static_cast<std::uint64_t>(step.took.count()));
    object.raw("code", step.error ? plugin::jsonText(plugin::codeName(step.error->code)) : "null");
    object.raw("cause", step.error ? plugin::jsonText(cause(*step.error)) : "null");
    object.raw("next", step.error ? plugin::jsonText(nextStep(*step.error)) : "null");
    return object.str();
}

}  // namespace

Steps::Steps(std::string kind, std::string name, plugin::Clock& clock, std::ostream* live)
    : kind_(std::move(kind)), name_(std::move(name)), clock_(clock), live_(live), since_(clock.steady()) {
    if (live_ != nullptr) *live_ << kind_ << ' ' << name_ << std::endl;
}

void Steps::ok(std::string name, std::string detail) { add({std::move(name), Step::State::ok, std::move(detail), std::nullopt, {}}); }

void Steps::failed(std::string name, plugin::Error error) {
    if (!failure_) failure_ = error;
    add({std::move(name), Step::State::failed, {}, std::move(error), {}});
}

void Steps::notTried(const std::vector<std::string>& names) {
    for (const auto& name : names) add({name, Step::State::notTried, {}, std::nullopt, {}});
}

void Steps::add(Step step) {
    const auto now = clock_.steady();
    step.took = std::chrono::duration_cast<std::chrono::milliseconds>(now - since_);
    since_ = now;
    if (live_ != nullptr) print(*live_, step);
    steps_.push_back(std::move(step));
}

int Steps::status() const {
    int status = 0;
    for (const auto& step : steps_)
        if (step.error) status = worseStatus(status, plugin::exitStatus(*step.error));
    return status;
}

std::string Steps::json(const std::string& more) const {
    std::string steps;
    for (const auto& step : steps_) steps += (steps.empty() ? "" : ", ") + listener::json(step);
    Object object;
    object.text("kind", kind_).text("name", name_).raw("ok", failure_ ? "false" : "true").raw("steps", "[" + steps + "]");
    auto text = object.str();
    text.insert(text.size() - 1, more);
    return text;
}

int worseStatus(int one, int other) {
    static constexpr std::array order{0, 75, 74, 73, 69, 77, 78, 70};
    const auto rank = [](int status) { return std::find(order.begin(), order.end(), status) - order.begin(); };
    return rank(other) > rank(one) ? other : one;
}

}  // namespace listener
