#pragma once

#include "listener/delivery/program.h"
#include "tests/simulation/sim_loop.h"
#include "tests/simulation/sim_network.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace simulation {

/// How a receiver fails.
enum class Badly {
    serverError,
    unauthorized,
    redirect,
    tooManyRequests,
    takesAndHalfAnswers,
    takesAndHangs,
    hangs,
    unavailable,
    closes,
    halfAnswers,
    gone
};

/// A system behind that takes messages and knows them by their ids: what it has taken it has, whether its answer arrives or not.
class Consumer {
public:
    explicit Consumer(Dice& dice) : dice_(dice) {}
    std::uint64_t moodOneIn = 0;                 ///< refuses, in one way or another; 0 = never
    std::optional<Badly> always{};               ///< refuses whatever comes, in this way
    std::uint64_t neverTakesOneIn = 0;           ///< of all ids: says that it can never take it; 0 = none
    std::map<std::string, std::string> taken{};  ///< id to bytes
    std::uint64_t repeats = 0;                   ///< came again
    std::uint64_t asked = 0;                     ///< whole messages that reached it, taken or not
    std::vector<std::string> violations{};

    bool neverTakes(const std::string& id) const;
    /// True: it has it now, and had not before.
    bool take(const std::string& id, std::string bytes);
    bool isMoody() { return moodOneIn != 0 && dice_.oneIn(moodOneIn); }
    /// How the next request fails; nothing: it does not.
    std::optional<Badly> badly();
    Dice& dice() { return dice_; }

private:
    Dice& dice_;
};

/// A webhook: HTTP/1.1, strict about the request.
class WebhookServer {
public:
    explicit WebhookServer(Consumer& consumer) : consumer_(consumer) {}
    std::unique_ptr<Peer> accept();

private:
    friend class WebhookPeer;
    /// "" and `hangs`: no answer; "" else: the connection ends. An answer that is cut is ended too.
    std::string answer(const std::string& head, std::string body, bool& hangs);
    Consumer& consumer_;
};

/// What a sink of type exec runs, without a process.
class SimPrograms final : public listener::Programs {
public:
    explicit SimPrograms(Consumer& consumer) : consumer_(consumer) {}
    plugin::Task<plugin::Result<listener::ProgramEnd>> run(listener::Program program, plugin::Deadline deadline, std::stop_token stop) override;

private:
    Consumer& consumer_;
};

}  // namespace simulation
