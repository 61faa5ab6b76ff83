#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace servers {

/// A wire that can be cut: listens on a free port, of loopback if nothing else is said, and passes octets on to another port, counting the lines of
/// both directions together as they pass. One thread of its own; its functions may be called from any.
class Relay {
public:
    /// How both ends learn of it. Behind a line of the client's the server learns of it only when it has begun to answer: it has acted, and
    /// nobody hears of that.
    enum class Cut { fin, reset };

    explicit Relay(std::uint16_t to, const std::string& address = "127.0.0.1");  ///< where it listens; IPv4
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    std::uint16_t port() const { return port_; }
    /// The connection on which the `lines`-th line from now on passes is cut behind it. Counting begins anew; 0: no cut.
    void cutAfter(std::uint64_t lines, Cut how);
    /// The same, but counted from behind the next line of the client's that contains this text (a command's name).
    void cutAfterHearing(std::string text, std::uint64_t lines, Cut how);
    bool hasCut() const;
    void cutNow(Cut how);  ///< every connection there is
    /// A line that is dead without a word: whatever comes from either side, and every new connection, is taken and goes nowhere. What was
    /// swallowed is not made good afterwards; connections that lost octets stay dead.
    void swallow(bool on);
    std::size_t open() const;                 ///< connections now
    std::size_t mostAtOnce() const;           ///< connections there ever were at one time
    std::string dialogue() const;             ///< the last lines that passed, "C: ..." and "S: ..."
    bool heard(std::string_view text) const;  ///< a line of the client's with this text has passed since cutAfter() or cutAfterHearing()

    /// What passes in place of a line; `last`: and the connection ends in order behind it.
    struct Passed {
        std::string line{};
        bool last = false;
    };
    using Rewrite = std::function<Passed(std::uint64_t connection, bool fromClient, std::string line)>;
    /// From now on lines pass whole, and as this says. It is called in the relay's thread, and must not call the relay. Before anybody connects.
    void rewrite(Rewrite rewrite);

private:
    struct Pair {
        std::uint64_t number = 0;
        int client = -1, server = -1;
        bool draining = false;  ///< cut: what still comes is thrown away
        bool awaited = false;   ///< the server is to be cut off when it answers
        Cut how = Cut::fin;
        bool dead = false;  ///< it lost octets
        bool clientEnded = false, serverEnded = false;
        std::string half[2]{};  ///< the line that is passing, of client and server
    };
    void work();
    void accept();
    bool serve(Pair& pair, bool fromClient);  ///< false: the pair is over
    void pass(Pair& pair, bool fromClient, std::string_view bytes);
    static void cut(Pair& pair, Cut how, bool awaitAnswer);
    static void cutOff(int& fd, bool& ended, Cut how);
    void noteLine(bool fromClient, std::string line);
    static void end(Pair& pair);
    void wake();

    std::uint16_t to_, port_ = 0;
    int listening_ = -1, wake_ = -1;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_{};
    std::list<Pair> pairs_{};
    std::uint64_t cutAt_ = 0, lines_ = 0;
    std::optional<std::string> trigger_{};
    Cut how_ = Cut::fin;
    bool hasCut_ = false, swallow_ = false;
    Rewrite rewrite_{};
    std::size_t most_ = 0;
    std::uint64_t accepted_ = 0;
    std::vector<std::string> dialogue_{};
    std::thread thread_{};
};

}  // namespace servers
