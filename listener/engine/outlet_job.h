#pragma once

#include "listener/engine/outlet.h"

namespace listener {

struct OutletJob {
    /// Those that were offered together.
    struct Group {
        std::size_t left = 0;  ///< without an end
        plugin::Event changed{};
        void ended() {
            if (--left == 0) changed.set();
        }
    };
    enum class Stage { queued, running, ended, withdrawn };

    Message message;
    std::shared_ptr<Group> group;
    Stage stage = Stage::queued;
    Delivery::Verdict verdict = Delivery::Verdict::notDelivered;
    std::optional<plugin::Error> error{};
    plugin::Deadline deadline{};          ///< of the call, while running
    bool adopted = false;                 ///< the outbox has it: its end is concluded there
    std::uint32_t attempts = 0;           ///< before this one
    std::optional<plugin::Wall> first{};  ///< of one from the outbox: since when it waits
    std::optional<Outlet::Hold> hold{};   ///< since its call began, until what came of it is written down or told

    /// Where it stands, for whoever offered it.
    Outlet::Offered answer(const plugin::Clock& clock, std::chrono::milliseconds pause, std::chrono::milliseconds reserve) const {
        using Answer = Outlet::Offered::Answer;
        Outlet::Offered one{.error = error, .next = clock.wall()};
        switch (stage) {
            case Stage::queued:
            case Stage::withdrawn:
                return one;
            case Stage::running:
                one.answer = Answer::underWay;
                one.next += std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock.steady()) + reserve;
                return one;
            case Stage::ended:
                break;
        }
        if (verdict == Delivery::Verdict::notDelivered) {
            one.answer = Answer::refused;
            one.attempts = 1;
            one.next += error->retryAfter ? std::max(pause, *error->retryAfter) : pause;
        } else {
            one.answer = verdict == Delivery::Verdict::known ? Answer::known : Answer::delivered;
        }
        return one;
    }
};

}  // namespace listener
