#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace listener {

/// One thing that was tried.
struct Step {
    enum class State { ok, failed, notTried };
    std::string name;
    State state = State::ok;
    std::string detail{};                  ///< what was found
    std::optional<plugin::Error> error{};  ///< of one that failed
    std::chrono::milliseconds took{};
};

/// The steps of one mailbox, credential or sink; shown as they happen, if `live` is given. One thread at a time.
class Steps {
public:
    Steps(std::string kind, std::string name, plugin::Clock& clock, std::ostream* live);

    void ok(std::string name, std::string detail = {});
    void failed(std::string name, plugin::Error error);
    /// Steps that could not be tried any more.
    void notTried(const std::vector<std::string>& names);

    const std::string& name() const { return name_; }
    const std::vector<Step>& all() const { return steps_; }
    const std::optional<plugin::Error>& failure() const { return failure_; }  ///< the first
    int status() const;                                                       ///< exit status: of the worst
    /// One JSON object; `more` is put into it as it is: `, "key": value`.
    std::string json(const std::string& more = {}) const;

private:
    void add(Step step);
    std::string kind_, name_;
    plugin::Clock& clock_;
    std::ostream* live_;
    plugin::Steady since_;
    std::vector<Step> steps_{};
    std::optional<plugin::Error> failure_{};
};

/// The one a script should hear of: bug, configuration, refused, not reached, disk, try again, ok.
int worseStatus(int one, int other);

}  // namespace listener
