#pragma once

#include "tests/system/workplace.h"

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace crash {

/// The system behind one sink. It knows ids: a message that comes again is counted, and changes nothing.
class Consumer {
public:
    enum class Mood {
        well,      ///< takes everything
        refusing,  ///< takes nothing: each message has to come again
        mixed      ///< takes some, and of others leaves open whether it has; only a webhook
    };
    virtual ~Consumer() = default;
    virtual std::string sink() const = 0;                    ///< its name; configured by words()
    virtual std::string words() const { return {}; }         ///< beside what every workplace has
    virtual void be(Mood) {}                                 ///< a spool is always well
    virtual std::size_t count() const = 0;                   ///< about how many have arrived; cheap
    virtual void takeAway() {}                               ///< what lies about complete is taken in
    virtual std::map<std::string, std::string> taken() = 0;  ///< all that ever arrived: id, SHA-256
    virtual std::size_t repeats() = 0;                       ///< came again under the same id
    virtual std::size_t changed() = 0;                       ///< was offered again under the same id with other bytes, or was wrong in itself
    virtual std::size_t leftovers() const { return 0; }      ///< temporary files of the program that outlived it
};

/// "spool", "http" or "exec", for mailbox m of the place. `seed`: of the mixed answers.
std::unique_ptr<Consumer> makeConsumer(const std::string& kind, const systemtest::Workplace& place, unsigned seed = 1);

}  // namespace crash
