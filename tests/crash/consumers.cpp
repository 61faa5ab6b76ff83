#include "tests/crash/consumers.h"

#include "tests/servers/webhook_receiver.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <stdexcept>

namespace crash {

namespace fs = std::filesystem;
using servers::WebhookReceiver;
using systemtest::Workplace;

namespace {

std::size_t countLines(const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')); }

/// Takes complete files out of the directory, as its owner would.
class SpoolConsumer final : public Consumer {
public:
    explicit SpoolConsumer(const Workplace& place) : place_(place) {}
    std::string sink() const override { return "spool"; }
    std::size_t count() const override { return taken_.size() + place_.countDelivered("m"); }
    void takeAway() override {
        for (const auto& [id, mail] : place_.delivered("m")) {
            const auto digest = systemtest::sha256(mail.bytes);
            const auto [known, fresh] = taken_.emplace(id, digest);
            if (!fresh) ++repeats_;
            if (known->second != digest) ++changed_;
            fs::remove(place_.spool("m") / (id + ".eml"));
            fs::remove(place_.spool("m") / (id + ".json"));
        }
    }
    std::map<std::string, std::string> taken() override { return takeAway(), taken_; }
    std::size_t repeats() override { return repeats_; }
    std::size_t changed() override { return changed_; }
    std::size_t leftovers() const override {
        std::size_t count = 0;
        if (fs::exists(place_.spool("m")))
            for (const auto& entry : fs::directory_iterator{place_.spool("m")})
                if (entry.path().filename().string().front() == '.') ++count;
        return count;
    }

private:
    const Workplace& place_;
    std::map<std::string, std::string> taken_{};
    std::size_t repeats_ = 0, changed_ = 0;
};

class WebhookConsumer final : public Consumer {
public:
    explicit WebhookConsumer(unsigned seed) : random_(seed) {
        receiver_.decide([this](const WebhookReceiver::Request&) { return reply(); });
    }
    std::string sink() const override { return "hook"; }
    std::string words() const override {
        return "sink.hook.type = http\nsink.hook.url = " + receiver_.url() + "\nsink.hook.timeout = 1s\nsink.hook.retry.max_interval = 1s\n";
    }
    void be(Mood mood) override { mood_ = mood; }
    std::size_t count() const override { return receiver_.taken().size(); }
    std::map<std::string, std::string> taken() override { return receiver_.taken(); }
    std::size_t repeats() override { return receiver_.repeats(); }
    /// Taken or not: all attempts under one id are the same.
    std::size_t changed() override {
        auto changed = receiver_.problems().size();
        std::map<std::string, std::string> first;
        for (const auto& attempt : receiver_.requests())
            if (first.emplace(attempt.id, attempt.sha256).first->second != attempt.sha256) ++changed;
        return changed;
    }

private:
    WebhookReceiver::Reply reply() {
        if (mood_ == Mood::well) return {};
        if (mood_ == Mood::refusing) return WebhookReceiver::answer(500);
        using Way = WebhookReceiver::Reply::Way;
        const std::lock_guard lock(mutex_);
        switch (random_() % 20) {
            case 0:
            case 1:
                return WebhookReceiver::answer(500);
            case 2:
                return {.way = Way::hang};
            case 3:
                return {.way = Way::reset};
            case 4:
                return {.way = Way::resetMid};
            case 5:
                return {.way = Way::half, .raw = "HTTP/1.1 200 OK\r\nContent-"};
            default:
                return {};
        }
    }

    std::atomic<Mood> mood_{Mood::well};
    std::mutex mutex_{};
    std::minstd_rand random_;
    WebhookReceiver receiver_{};
};

/// A script that takes a mail as a careful program does: it believes the end of its input only when the hash says so, and gives the file its name
/// when its bytes are safe.
class ProgramConsumer final : public Consumer {
public:
    explicit ProgramConsumer(const Workplace& place) : box_(place.path() / "taken") {
        fs::create_directory(box_);
        script_ = place.file("take", R"(#!/bin/sh
cd "$1" || exit 75
[ -e refuse ] && exit 75
file=$(mktemp ./.XXXXXXXX) || exit 75
cat >"$file"
echo "$POSTERN_SHA256  $file" | sha256sum -c --status || { rm -f "$file"; exit 75; }
sync "$file"
if [ -e "$POSTERN_ID.eml" ]; then
    echo "$POSTERN_ID" >>repeats
    cmp -s "$file" "$POSTERN_ID.eml" || echo "$POSTERN_ID" >>changed
fi
mv "$file" "$POSTERN_ID.eml"
)");
        fs::permissions(script_, fs::perms{0755});
    }
    std::string sink() const override { return "program"; }
    std::string words() const override {
        return "sink.program.type = exec\nsink.program.command = " + script_.string() + " " + box_.string() +
               "\nsink.program.retry.max_interval = 1s\n";
    }
    void be(Mood mood) override {
        fs::remove(box_ / "refuse");
        if (mood == Mood::refusing) servers::writeFile(box_ / "refuse", "");
    }
    std::size_t count() const override { return files().size(); }
    std::map<std::string, std::string> taken() override {
        std::map<std::string, std::string> all;
        for (const auto& file : files()) all.emplace(file.stem().string(), systemtest::sha256(servers::readFile(file)));
        return all;
    }
    std::size_t repeats() override { return countLines(servers::readFile(box_ / "repeats")); }
    std::size_t changed() override { return countLines(servers::readFile(box_ / "changed")); }

private:
    std::vector<fs::path> files() const {
        std::vector<fs::path> all;
        for (const auto& entry : fs::directory_iterator{box_})
            if (entry.path().extension() == ".eml") all.push_back(entry.path());
        return all;
    }
    fs::path box_, script_{};
};

}  // namespace

std::unique_ptr<Consumer> makeConsumer(const std::string& kind, const Workplace& place, unsigned seed) {
    if (kind == "spool") return std::make_unique<SpoolConsumer>(place);
    if (kind == "http") return std::make_unique<WebhookConsumer>(seed);
    if (kind == "exec") return std::make_unique<ProgramConsumer>(place);
    throw std::logic_error("no kind of sink: " + kind);
}

}  // namespace crash
