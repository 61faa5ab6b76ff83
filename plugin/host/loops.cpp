#include "plugin/host/loops.h"

#include "plugin/contract/bug.h"

#include <functional>

namespace plugin::host {

namespace {

std::function<void(std::exception_ptr)> reporter(Log& log, Metrics& metrics, const char* what) {
    return [&log, &metrics, what](const std::exception_ptr& bug) { tellBug(log, metrics, "host.loops", what, bug); };
}

}  // namespace

Loops::Loops(unsigned loops, unsigned workers, Clock& clock, Log& log, Metrics& metrics)
    : clock_(clock), workers_(makeWorkerPool(workers, reporter(log, metrics, "a job of the worker pool failed"))) {
    for (unsigned i = 0; i < loops; ++i) {
        auto running = std::make_unique<Running>();
        running->loop = makeEpollLoop(clock, *workers_, reporter(log, metrics, "a task failed"));
        loops_.push_back(std::move(running));
    }
    for (auto& each : loops_) each->thread = std::thread([loop = each->loop.get()] { loop->run(); });
}

Loops::~Loops() { stop(); }

std::vector<Loop*> Loops::all() {
    std::vector<Loop*> loops;
    for (auto& each : loops_) loops.push_back(each->loop.get());
    return loops;
}

void Loops::stop() {
    for (auto& each : loops_)
        if (each->thread.joinable()) each->loop->quit();
    for (auto& each : loops_)
        if (each->thread.joinable()) each->thread.join();
    workers_.reset();
}

void Loops::beat() {
    for (auto& each : loops_) {
        if (each->owes.exchange(true)) continue;
        each->asked = clock_.steady().time_since_epoch().count();
        each->loop->post([running = each.get()] { running->owes = false; });
    }
}

bool Loops::alive(std::chrono::milliseconds longest) const {
    const auto now = clock_.steady().time_since_epoch();
    for (const auto& each : loops_)
        if (each->owes && now - Steady::duration(each->asked) > longest) return false;
    return true;
}

}  // namespace plugin::host
