#pragma once

#include "listener/graph/session.h"

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

namespace listener::graph {

/// Works on the first `count` of something, on all lanes of a session at a time, and hands over what comes of it in order.
///   work   does the i-th on this lane
///   take   the i-th is done. False: enough, what is under way is still handed over
/// All that was begun has ended when this ends, whatever ends it. The first Error, of work or take, does. `work` and `take` outlive the call.
template <class T>
plugin::Task<plugin::Result<void>> inOrder(Session& session, std::size_t count,
                                           const std::function<plugin::Task<plugin::Result<T>>(std::size_t, std::size_t, std::stop_token)>& work,
                                           const std::function<plugin::Task<plugin::Result<bool>>(std::size_t, T)>& take, std::stop_token stop) {
    std::stop_source ends;
    const std::stop_callback both(stop, [&ends] { ends.request_stop(); });
    std::deque<std::shared_ptr<plugin::Shared<plugin::Result<T>>>> underWay;
    plugin::Result<void> done{};
    std::exception_ptr bug;
    std::size_t next = 0;
    bool enough = false;
    for (std::size_t i = 0; done && !bug && (i < next || (!enough && i < count)); ++i) {
        for (; !enough && next < count && underWay.size() < Session::lanes; ++next)
            underWay.push_back(plugin::start(session.loop(), work(next, next % Session::lanes, ends.get_token())));
        auto waiting = underWay.front()->wait(plugin::Deadline::max(), {});
        co_await waiting;
        try {
            auto result = std::move(underWay.front()->get());
            underWay.pop_front();
            if (result) {
                auto taking = take(i, std::move(*result));
                auto taken = co_await taking;
                if (!taken) done = taken.error();
                enough = enough || (taken && !*taken);
            } else {
                done = result.error();
            }
        } catch (...) {  // passed on below, once nothing of it runs any more
            bug = std::current_exception();
        }
    }
    ends.request_stop();
    for (const auto& each : underWay) {
        auto waiting = each->wait(plugin::Deadline::max(), {});
        co_await waiting;
    }
    if (bug) std::rethrow_exception(bug);
    co_return done;
}

}  // namespace listener::graph
