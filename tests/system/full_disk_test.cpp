// Real file systems of a few megabytes that fill up, below the spool and below server.data.
#include "tests/servers/admin_port.h"
#include "tests/system/sinks.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>

using namespace systemtest;
using servers::eventually;
using servers::WebhookReceiver;

namespace {

/// In a mount namespace of this program's, so that nothing of it is left behind. Needs root.
bool ownMounts() {
    static const bool own = ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return own;
}

class SmallDisk {
public:
    SmallDisk(std::filesystem::path at, const std::string& size) : at_(std::move(at)) {
        std::filesystem::create_directories(at_);
        if (::mount("small", at_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) != 0) throw std::runtime_error("no tmpfs can be mounted");
    }
    ~SmallDisk() { ::umount2(at_.c_str(), MNT_DETACH); }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    /// Nothing more can be written.
    void fill() const {
        std::ofstream out(ballast(), std::ios::app);
        const std::string block(4096, 'b');
        while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void empty() const { std::filesystem::remove(ballast()); }

private:
    std::filesystem::path ballast() const { return at_ / "ballast"; }
    std::filesystem::path at_;
};

std::vector<servers::ImapClient::Mail> largeMails(const std::string& series, std::size_t count, std::size_t size) {
    std::vector<servers::ImapClient::Mail> mails;
    for (std::size_t i = 0; i < count; ++i)
        mails.push_back({"Subject: " + series + " " + std::to_string(i) + "\r\n\r\n" + std::string(size, static_cast<char>('a' + i % 26)) + "\r\n"});
    return mails;
}

/// Takes away what is there, as the consumer of a spool does; each file must be a whole mail, under a name never seen.
void consume(const std::filesystem::path& spool, std::map<std::string, std::string>& consumed) {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator{spool, none}) {
        const auto name = entry.path().filename().string();
        if (name.front() == '.' || entry.path().extension() != ".eml") continue;
        CHECK(consumed.emplace(name, sha256(servers::readFile(entry.path()))).second);
        std::filesystem::remove(entry.path());
        std::filesystem::remove(std::filesystem::path(entry.path()).replace_extension(".json"));
    }
}

}  // namespace

SCENARIO("a spool on a full disk gets everything once its consumer makes room, and no mail is touched before", "[system][disk]") {
    if (!ownMounts()) {
        WARN("no small file system can be mounted here: not tested");
        CHECK(true);
        return;
    }
    FilledMailbox box("m");
    box.add(largeMails("spool", 40, 100'000));
    box.add(largeMails("spool large", 2, 1'300'000));
    Workplace place;
    const SmallDisk disk(place.path() / "spool", "2m");
    place.configure(basicCredential(place, "c") + box.words("spool", "move:Done") + "sink.spool.retry.max_interval = 1s\n");
    auto service = place.start({"run"});
    REQUIRE(eventually([&] { return place.log().find("PO-6002") != std::string::npos; }, patience));
    const auto there = place.countDelivered("m");
    CHECK(there > 0);
    CHECK(there < box.size());
    CHECK(box.left() >= box.size() - place.countDelivered("m"));
    std::map<std::string, std::string> consumed;
    const auto all = [&] {
        consume(place.spool("m"), consumed);
        return consumed.size() == box.size();
    };
    CHECK(eventually(all, patience));
    CHECK(eventually([&] { return box.left() == 0; }, patience));
    CHECK(digestsOf(consumed) == box.digests());
    CHECK(box.in("Done") == box.digests());
    INFO(place.log());
    CHECK(service.stop().status == 0);
    CHECK(filesIn(place.data() / "outbox") == 0);
}

SCENARIO("a full disk below server.data stops the fetching and loses nothing", "[system][disk]") {
    if (!ownMounts()) {
        WARN("no small file system can be mounted here: not tested");
        CHECK(true);
        return;
    }
    std::atomic<int> answers{503};
    WebhookReceiver hook;
    hook.decide([&answers](const auto&) { return WebhookReceiver::answer(answers); });
    FilledMailbox box("m");
    Workplace place;
    const SmallDisk disk(place.data(), "6m");
    place.configure(webhook("hook", hook) + basicCredential(place, "c") + box.words("hook,spool", "move:Done"));
    GIVEN("more mail than the outbox has room for") {
        box.add(largeMails("outbox", 100, 100'000));
        auto service = place.start({"run"});
        REQUIRE(eventually([&] { return place.log().find("No space left") != std::string::npos; }, patience));
        CHECK(box.left() == box.size());
        CHECK(servers::AdminPort(place.data()).get("/metrics").body.find("postern_errors_total") != std::string::npos);
        WHEN("the receiver is well again") {
            answers = 200;
            THEN("it gets everything, the mailbox is empty and so is the outbox") {
                CHECK(hook.waitForTaken(box.size(), patience));
                CHECK(eventually([&] { return box.left() == 0; }, patience));
                CHECK(digestsOf(hook.taken()) == box.digests());
                CHECK(box.in("Done") == box.digests());
                CHECK(place.countDelivered("m") == box.size());
                CHECK(eventually([&] { return filesIn(place.data() / "outbox") == 0; }, patience));
            }
        }
        WHEN("it is killed in that state, and started again") {
            service.signal(SIGKILL);
            REQUIRE(service.wait(patience));
            service = place.start({"run"});
            answers = 200;
            THEN("everything arrives once") {
                CHECK(hook.waitForTaken(box.size(), patience));
                CHECK(eventually([&] { return box.left() == 0; }, patience));
                CHECK(digestsOf(hook.taken()) == box.digests());
                CHECK(place.countDelivered("m") == box.size());
            }
        }
        INFO(place.log());
        CHECK(service.stop().status == 0);
    }
    GIVEN("a service at work whose disk somebody else fills") {
        answers = 200;
        box.add(someMails("before", 5));
        auto service = place.start({"run"});
        REQUIRE(eventually([&] { return box.left() == 0; }, patience));
        disk.fill();
        box.add(someMails("while full", 30));
        REQUIRE(eventually([&] { return place.log().find("PO-7") != std::string::npos; }, patience));
        const auto before = place.log().size();
        disk.empty();
        CHECK(eventually([&] { return box.left() == 0; }, std::chrono::seconds{180}));
        INFO(place.log().substr(before));
        CHECK(digestsOf(hook.taken()) == box.digests());
        CHECK(box.in("Done") == box.digests());
        CHECK(place.countDelivered("m") == box.size());
        CHECK(service.stop().status == 0);
    }
}
